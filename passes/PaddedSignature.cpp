//===- PaddedSignature.cpp - arguments and results of a model -------------===//

#include "passes/PaddedSignature.h"

using namespace mlir;
using namespace transom;
using namespace transom::transformer;

/// The names of a tensor's dimensions, or empty if it has none.
static SmallVector<llvm::StringRef> getDims(DictionaryAttr attributes) {
  SmallVector<llvm::StringRef> names;
  if (attributes)
    if (auto dims = attributes.getAs<ArrayAttr>(dimsAttr))
      for (Attribute dim : dims)
        names.push_back(isa<StringAttr>(dim) ? cast<StringAttr>(dim).getValue()
                                             : llvm::StringRef());
  return names;
}

/// The set of tokens whose padded dimension has this name.
static std::optional<unsigned> findSet(llvm::StringRef length) {
  for (auto [set, names] : llvm::enumerate(tokenNames))
    if (names.length == length)
      return set;
  return std::nullopt;
}

/// What dimensions say of a value: per token, per sequence, or nothing that
/// has a packed form.
static std::optional<PackedValue> parseDims(ArrayRef<llvm::StringRef> dims) {
  if (dims.empty() || dims[0] != "batch")
    return std::nullopt;
  if (std::optional<unsigned> set =
          dims.size() >= 2 ? findSet(dims[1]) : std::nullopt)
    return PackedValue{PackedValue::Tokens, Value(), *set};
  if (llvm::any_of(dims, [](llvm::StringRef dim) { return !!findSet(dim); }))
    return std::nullopt;
  return PackedValue{PackedValue::Sequences, Value(), 0};
}

/// The attributes of the packed value, whose first dimension replaces those of
/// the padded one.
static DictionaryAttr packDims(DictionaryAttr attributes,
                               const PackedValue &packed) {
  Builder builder(attributes.getContext());
  auto padded = attributes.getAs<ArrayAttr>(dimsAttr).getValue();
  llvm::StringRef rows = "sequences";
  if (packed.kind == PackedValue::Tokens)
    rows = tokenNames[packed.set].tokens;
  SmallVector<Attribute> dims{builder.getStringAttr(rows)};
  llvm::append_range(dims, padded.drop_front(packed.getRowDims()));
  NamedAttrList list(attributes);
  list.set(dimsAttr, builder.getArrayAttr(dims));
  return list.getDictionary(attributes.getContext());
}

bool transom::isPadded(func::FuncOp function) {
  if (function.isExternal() || !function.getBody().hasOneBlock())
    return false;
  for (unsigned number = 0; number < function.getNumArguments(); ++number) {
    auto dims = getDims(function.getArgAttrDict(number));
    if (!dims.empty() && dims.front() == "batch")
      return true;
  }
  return false;
}

LogicalResult transom::packArguments(func::FuncOp function, Packing &packing) {
  for (BlockArgument argument : function.getArguments()) {
    unsigned number = argument.getArgNumber();
    DictionaryAttr attributes = function.getArgAttrDict(number);
    auto dims = getDims(attributes);
    auto type = dyn_cast<RankedTensorType>(argument.getType());
    if (!type || dims.size() != static_cast<size_t>(type.getRank()))
      return function.emitOpError()
             << "argument " << number << " expects '" << dimsAttr
             << "' to name each dimension of " << argument.getType();
    std::optional<PackedValue> packed = parseDims(dims);
    if (!packed)
      return function.emitOpError()
             << "argument " << number << " expects dimensions "
             << "[\"batch\", \"length\", ..] or [\"batch\", ..], got "
             << attributes.get(dimsAttr);
    auto role = attributes.getAs<StringAttr>(roleAttr);
    // No argument of the packed function: the runtime packs by it, and what it
    // hides is gone.
    if (role && role.getValue() == "attention_mask") {
      TokenSet &tokens = packing.sets[packed->set];
      if (tokens.hasMask)
        return function.emitOpError()
               << "argument " << number << " is a second attention mask";
      tokens.hasMask = true;
      tokens.isContiguous = attributes.contains(contiguousAttr);
      packing.set(argument, {PackedValue::Mask, Value(), packed->set});
      continue;
    }
    // A token's index becomes its row, which the runtime computes: the argument
    // keeps its role and is still one number for each sequence.
    if (role && role.getValue() == "token_index") {
      if (type.getRank() != 1)
        return function.emitOpError()
               << "argument " << number
               << " expects one number for each sequence, as its '" << roleAttr
               << "' says, got " << type;
      packed->kind = PackedValue::Index;
    }
    packing.argumentAttrs.push_back(packDims(attributes, *packed));
    packed->value =
        packing.body->addArgument(packed->getType(type), argument.getLoc());
    packing.set(argument, *packed);
  }
  return success();
}

FailureOr<SmallVector<Attribute>> transom::packResults(func::FuncOp function,
                                                       Packing &packing) {
  Operation *terminator = function.front().getTerminator();
  SmallVector<Attribute> resultAttrs;
  SmallVector<Value> results;
  for (auto [number, operand] : llvm::enumerate(terminator->getOperands())) {
    PackedValue result = packing.lookup(operand);
    DictionaryAttr attributes = function.getResultAttrDict(number);
    std::optional<PackedValue> expected = parseDims(getDims(attributes));
    if (!expected || !result.hasRowsOf(*expected))
      return terminator->emitOpError()
             << "expects result " << number
             << " to be per token or per sequence as '" << dimsAttr
             << "' says, got " << describe(result);
    resultAttrs.push_back(packDims(attributes, result));
    results.push_back(result.value);
  }
  func::ReturnOp::create(packing.builder, terminator->getLoc(), results);
  return resultAttrs;
}
