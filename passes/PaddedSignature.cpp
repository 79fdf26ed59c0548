//===- PaddedSignature.cpp - arguments and results of a model -------------===//

#include "passes/PaddedSignature.h"

using namespace mlir;
using namespace transom;
using namespace transom::transformer;

/// What dimensions say of a value: per token, per sequence, or nothing that
/// has a packed form.
static std::optional<PackedValue> parseDims(DictionaryAttr attributes) {
  if (getDim(attributes) != Dimension::Batch)
    return std::nullopt;
  if (std::optional<unsigned> set = findTokenSet(getDim(attributes, 1)))
    return PackedValue{PackedValue::Tokens, Value(), *set};
  for (unsigned i = 2; i < attributes.getAs<ArrayAttr>(dimsAttr).size(); ++i)
    if (findTokenSet(getDim(attributes, i)))
      return std::nullopt;
  return PackedValue{PackedValue::Sequences, Value(), 0};
}

/// The attributes of the packed value, whose first dimension replaces those of
/// the padded one.
static DictionaryAttr packDims(DictionaryAttr attributes,
                               const PackedValue &packed) {
  return replaceDims(attributes,
                     packed.kind == PackedValue::Tokens
                         ? tokenSets[packed.set].tokens
                         : Dimension::Sequences,
                     packed.getRowDims());
}

bool transom::isPadded(func::FuncOp function) {
  if (function.isExternal() || !function.getBody().hasOneBlock())
    return false;
  for (unsigned number = 0; number < function.getNumArguments(); ++number) {
    if (getDim(function.getArgAttrDict(number)) == Dimension::Batch)
      return true;
  }
  return false;
}

LogicalResult transom::packArguments(func::FuncOp function, Packing &packing) {
  for (BlockArgument argument : function.getArguments()) {
    unsigned number = argument.getArgNumber();
    DictionaryAttr attributes = function.getArgAttrDict(number);
    auto dims =
        attributes ? attributes.getAs<ArrayAttr>(dimsAttr) : ArrayAttr();
    auto type = dyn_cast<RankedTensorType>(argument.getType());
    if (!type || !dims || dims.size() != static_cast<size_t>(type.getRank()))
      return function.emitOpError()
             << "argument " << number << " expects '" << dimsAttr
             << "' to name each dimension of " << argument.getType();
    std::optional<PackedValue> packed = parseDims(attributes);
    if (!packed)
      return function.emitOpError()
             << "argument " << number << " expects dimensions "
             << "[\"batch\", \"length\", ..] or [\"batch\", ..], got "
             << attributes.get(dimsAttr);
    InputRole role = getRole(attributes);
    // No argument of the packed function: the runtime packs by it, and what it
    // hides is gone.
    if (role == InputRole::AttentionMask) {
      TokenSet &tokens = packing.sets[packed->set];
      if (tokens.hasMask)
        return function.emitOpError()
               << "argument " << number << " is a second attention mask";
      tokens.hasMask = true;
      tokens.isContiguous = attributes.contains(contiguousAttr);
      packing.set(argument, {PackedValue::Mask, Value(), packed->set});
      continue;
    }
    // A token's index becomes its row, which the runtime computes: still one
    // number for each sequence.
    if (role == InputRole::TokenIndex) {
      if (type.getRank() != 1)
        return function.emitOpError()
               << "argument " << number
               << " expects one number for each sequence, as its '" << roleAttr
               << "' says, got " << type;
      packed->kind = PackedValue::Index;
      NamedAttrList list(attributes);
      list.set(roleAttr,
               InputRoleAttr::get(function.getContext(), InputRole::TokenRows));
      attributes = list.getDictionary(function.getContext());
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
    std::optional<PackedValue> expected = parseDims(attributes);
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
