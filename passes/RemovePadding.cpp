//===- RemovePadding.cpp - [batch, length] -> packed [tokens] -------------===//
//
// A batch of sequences of unequal length is padded to [batch, length, ..] at
// the surface of a model only. This pass rebuilds the function on the tokens
// that are there, one after another: [tokens, ..]. An op that makes row i from
// row i does not notice; attention becomes `ragged_attention`, which knows
// where sequences begin; `select_token` becomes a gather of rows. Whatever else
// looks across tokens is refused, and named.
//
// The sequences of a decoder and their sources, which an encoder reads, are two
// sets of tokens: one has [batch, length, ..] at the surface, the other [batch,
// encoder_length, ..]. They meet in attention only.
//
// A token that is masked but asked for by `select_token` is a row that is not
// a key: the runtime packs it last in its sequence (role `token_rows`).
//
//===----------------------------------------------------------------------===//

#include "ir/Transformer/Transformer.h"
#include "passes/Contracts.h"
#include "passes/Passes.h"

#include "mlir/Dialect/Arith/IR/Arith.h"
#include "mlir/Dialect/Func/IR/FuncOps.h"
#include "mlir/IR/IRMapping.h"
#include "llvm/ADT/MapVector.h"
#include "llvm/ADT/TypeSwitch.h"

namespace transom {
#define GEN_PASS_DEF_REMOVEPADDING
#include "passes/Passes.h.inc"
} // namespace transom

using namespace mlir;
using namespace transom::transformer;

namespace {

/// A set of packed tokens, by its names at the surface and in the roles of
/// arguments.
struct TokenNames {
  llvm::StringLiteral length;     ///< the padded dimension
  llvm::StringLiteral tokens;     ///< the packed one
  llvm::StringLiteral offsets;    ///< role of where sequences begin
  llvm::StringLiteral keyLengths; ///< role of how many keys each has
};
constexpr TokenNames tokenNames[] = {
    {"length", "tokens", "sequence_offsets", "key_lengths"},
    {"encoder_length", "encoder_tokens", "encoder_offsets",
     "encoder_key_lengths"}};
constexpr unsigned numSets = std::size(tokenNames);

/// The set whose padded dimension has this name.
std::optional<unsigned> findSet(llvm::StringRef length) {
  for (unsigned set = 0; set < numSets; ++set)
    if (tokenNames[set].length == length)
      return set;
  return std::nullopt;
}

/// What becomes of a value of the padded function.
struct Packed {
  enum Kind {
    Uniform,   ///< no batch in it (weights, constants): as it was
    Tokens,    ///< [B, T, ..] -> [N, ..]
    Sequences, ///< [B, ..] -> [S, ..]
    Index,     ///< a token of each sequence [B] -> its row [S]
    Heads,     ///< [B, H, T, D] -> [N, H * D], heads side by side
    Mask,      ///< the attention mask [B, T]: gone
    Bias       ///< its padding_mask [B, 1, 1, T]: gone
  };
  Kind kind = Uniform;
  Value value;      ///< in the packed function; null for Mask and Bias
  unsigned set = 0; ///< of Tokens, Heads, Mask and Bias: which tokens

  /// Whether rows are the same ones.
  bool hasRowsOf(const Packed &other) const {
    return kind == other.kind && set == other.set;
  }
};

llvm::StringRef describe(const Packed &packed) {
  switch (packed.kind) {
  case Packed::Uniform:
    return "values without a batch";
  case Packed::Tokens:
    return packed.set == 0 ? "values per token" : "values per source token";
  case Packed::Sequences:
    return "values per sequence";
  case Packed::Index:
    return "places of tokens";
  case Packed::Heads:
    return "heads";
  case Packed::Mask:
    return "the attention mask";
  case Packed::Bias:
    return "the padding mask";
  }
  llvm_unreachable("unknown kind");
}

/// How many leading extents of the padded form the rows replace.
int64_t leadingDims(Packed::Kind kind) {
  return kind == Packed::Tokens ? 2 : 1;
}

RankedTensorType packedType(Type padded, Packed::Kind kind) {
  auto type = cast<RankedTensorType>(padded);
  SmallVector<int64_t> shape{ShapedType::kDynamic};
  llvm::append_range(shape, type.getShape().drop_front(leadingDims(kind)));
  return RankedTensorType::get(shape, type.getElementType());
}

/// The names of a tensor's dimensions, or empty if it has none.
SmallVector<llvm::StringRef> getDims(DictionaryAttr attributes) {
  SmallVector<llvm::StringRef> names;
  if (attributes)
    if (auto dims = attributes.getAs<ArrayAttr>(dimsAttr))
      for (Attribute dim : dims)
        names.push_back(isa<StringAttr>(dim) ? cast<StringAttr>(dim).getValue()
                                             : llvm::StringRef());
  return names;
}

DictionaryAttr replaceDims(DictionaryAttr attributes, llvm::StringRef rows,
                           int64_t replaced) {
  NamedAttrList list(attributes);
  Builder builder(attributes.getContext());
  SmallVector<Attribute> dims{builder.getStringAttr(rows)};
  llvm::append_range(
      dims,
      attributes.getAs<ArrayAttr>(dimsAttr).getValue().drop_front(replaced));
  list.set(dimsAttr, builder.getArrayAttr(dims));
  return list.getDictionary(attributes.getContext());
}

/// Rebuilds one function. Nothing of the padded body changes before all of it
/// has a packed form.
class Packer {
public:
  explicit Packer(func::FuncOp function)
      : function(function), builder(function.getContext()),
        packed(std::make_unique<Block>()) {}

  LogicalResult run();
  int64_t getNumPacked() const { return numPacked; }

private:
  LogicalResult packArguments();
  LogicalResult packResults(func::ReturnOp op);
  LogicalResult pack(Operation *op);
  LogicalResult packRowwise(Operation *op);
  LogicalResult packReduce(ReduceOp op);
  LogicalResult packColumn(ReshapeOp op);
  LogicalResult packAttention(AttentionOp op);
  LogicalResult packRotary(RotaryOp op);
  LogicalResult packSelectToken(SelectTokenOp op);
  LogicalResult packGatherToken(GatherTokenOp op);
  LogicalResult refuse(Operation *op, const llvm::Twine &why);
  FailureOr<Value> broadcastable(Operation *op, OpOperand &operand,
                                 Packed::Kind kind, int64_t rank);
  Value addArgument(llvm::StringRef name, llvm::StringRef role,
                    llvm::StringRef rows, std::optional<int64_t> index = {});
  Packed lookup(Value value) { return values.lookup(value); }
  void set(Value padded, Packed::Kind kind, Value value = {},
           unsigned set = 0) {
    values[padded] = {kind, value, set};
    if (kind == Packed::Tokens)
      ++numPacked;
  }

  func::FuncOp function;
  OpBuilder builder;
  /// The packed body. Its arguments and their attributes grow as ops need them.
  std::unique_ptr<Block> packed;
  SmallVector<Attribute> argumentAttrs, resultAttrs;
  llvm::DenseMap<Value, Packed> values;
  /// What the packed function knows of a set of tokens.
  struct TokenSet {
    bool hasMask = false, isContiguous = false;
    Value offsets, keyLengths;
  };
  TokenSet sets[numSets];
  TokenSet &getSequences(unsigned set);
  /// An op that counts keys from the end of a sequence.
  Operation *counting = nullptr;
  llvm::MapVector<int64_t, Value> tokenRows;
  int64_t numPacked = 0;
};

LogicalResult Packer::refuse(Operation *op, const llvm::Twine &why) {
  InFlightDiagnostic diagnostic = op->emitOpError() << why;
  transom::attachConsumingPass(diagnostic, op);
  return diagnostic;
}

Value Packer::addArgument(llvm::StringRef name, llvm::StringRef role,
                          llvm::StringRef rows, std::optional<int64_t> index) {
  SmallVector<NamedAttribute> attributes{
      builder.getNamedAttr(dimsAttr, builder.getStrArrayAttr(rows)),
      builder.getNamedAttr(nameAttr, builder.getStringAttr(name)),
      builder.getNamedAttr(roleAttr, builder.getStringAttr(role))};
  if (index)
    attributes.push_back(builder.getNamedAttr(
        tokenIndexAttr, builder.getI64IntegerAttr(*index)));
  for (unsigned set = 0; set < numSets; ++set)
    if (role == tokenNames[set].keyLengths && sets[set].isContiguous)
      attributes.push_back(
          builder.getNamedAttr(contiguousAttr, builder.getUnitAttr()));
  argumentAttrs.push_back(builder.getDictionaryAttr(attributes));
  return packed->addArgument(
      RankedTensorType::get({ShapedType::kDynamic}, builder.getI32Type()),
      NameLoc::get(builder.getStringAttr(name)));
}

/// Where sequences begin and how many keys they have, which become arguments
/// when they are first needed.
Packer::TokenSet &Packer::getSequences(unsigned set) {
  const TokenNames &names = tokenNames[set];
  TokenSet &sequences = sets[set];
  if (!sequences.offsets) {
    sequences.offsets =
        addArgument(names.offsets, names.offsets, "sequences+1");
    sequences.keyLengths =
        addArgument(names.keyLengths, names.keyLengths, "sequences");
  }
  return sequences;
}

LogicalResult Packer::packArguments() {
  for (BlockArgument argument : function.getArguments()) {
    unsigned number = argument.getArgNumber();
    DictionaryAttr attributes = function.getArgAttrDict(number);
    SmallVector<llvm::StringRef> dims = getDims(attributes);
    auto type = dyn_cast<RankedTensorType>(argument.getType());
    if (!type || dims.size() != static_cast<size_t>(type.getRank()))
      return function.emitOpError()
             << "argument " << number << " expects '" << dimsAttr
             << "' to name each dimension of " << argument.getType();
    std::optional<unsigned> set =
        dims.size() >= 2 ? findSet(dims[1]) : std::nullopt;
    bool perToken = set.has_value();
    auto isLength = [](llvm::StringRef dim) {
      return findSet(dim).has_value();
    };
    if (dims.empty() || dims[0] != "batch" ||
        (!perToken && llvm::any_of(ArrayRef(dims).drop_front(), isLength)))
      return function.emitOpError()
             << "argument " << number << " expects dimensions "
             << "[\"batch\", \"length\", ..] or [\"batch\", ..], got "
             << attributes.get(dimsAttr);
    auto role = attributes.getAs<StringAttr>(roleAttr);
    if (role && role.getValue() == "attention_mask") {
      TokenSet &tokens = sets[set.value_or(0)];
      if (tokens.hasMask)
        return function.emitOpError()
               << "argument " << number << " is a second attention mask";
      tokens.hasMask = true;
      tokens.isContiguous = attributes.contains(contiguousAttr);
      this->set(argument, Packed::Mask, {}, set.value_or(0));
      continue;
    }
    Packed::Kind kind = perToken ? Packed::Tokens : Packed::Sequences;
    if (role && role.getValue() == "token_index") {
      if (type.getRank() != 1)
        return function.emitOpError()
               << "argument " << number
               << " expects one number for each sequence, as its '" << roleAttr
               << "' says, got " << type;
      kind = Packed::Index;
    }
    argumentAttrs.push_back(replaceDims(
        attributes, perToken ? tokenNames[*set].tokens : "sequences",
        leadingDims(kind)));
    this->set(argument, kind,
              packed->addArgument(packedType(type, kind), argument.getLoc()),
              set.value_or(0));
  }
  return success();
}

LogicalResult Packer::packResults(func::ReturnOp op) {
  SmallVector<Value> results;
  for (auto [number, operand] : llvm::enumerate(op.getOperands())) {
    Packed result = lookup(operand);
    DictionaryAttr attributes = function.getResultAttrDict(number);
    SmallVector<llvm::StringRef> dims = getDims(attributes);
    std::optional<unsigned> set = dims.size() >= 2 && dims[0] == "batch"
                                      ? findSet(dims[1])
                                      : std::nullopt;
    bool perSequence = !set && !dims.empty() && dims[0] == "batch";
    if (!(set && result.kind == Packed::Tokens && result.set == *set) &&
        !(perSequence && result.kind == Packed::Sequences))
      return op.emitOpError() << "expects result " << number
                              << " to be per token or per sequence as '"
                              << dimsAttr << "' says, got " << describe(result);
    resultAttrs.push_back(
        replaceDims(attributes, set ? tokenNames[*set].tokens : "sequences",
                    leadingDims(result.kind)));
    results.push_back(result.value);
  }
  func::ReturnOp::create(builder, op.getLoc(), results);
  return success();
}

/// A uniform operand that is broadcast to `rank` dimensions of the padded form
/// must not reach the dimensions that are packed: [T, C] beside [B, T, C] is a
/// table of positions. Extents of 1 there are dropped if need be.
FailureOr<Value> Packer::broadcastable(Operation *op, OpOperand &operand,
                                       Packed::Kind kind, int64_t rank) {
  Value value = lookup(operand.get()).value;
  auto type = dyn_cast<RankedTensorType>(value.getType());
  int64_t feature = rank - leadingDims(kind);
  if (!type || type.getRank() <= feature)
    return value;
  auto leading = type.getShape().drop_back(feature);
  if (llvm::any_of(leading, [](int64_t extent) { return extent != 1; })) {
    (void)refuse(op, "cannot be packed: operand " +
                         llvm::Twine(operand.getOperandNumber()) +
                         " has no batch but differs from token to token");
    return failure();
  }
  if (leading.size() == 1)
    return value;
  DenseElementsAttr constant;
  if (!matchPattern(value, m_Constant(&constant))) {
    (void)refuse(op, "cannot be packed: operand " +
                         llvm::Twine(operand.getOperandNumber()) +
                         " has more dimensions than packed values");
    return failure();
  }
  auto shape = RankedTensorType::get(type.getShape().take_back(feature),
                                     type.getElementType());
  return arith::ConstantOp::create(builder, value.getLoc(),
                                   constant.reshape(shape))
      .getResult();
}

LogicalResult Packer::packRowwise(Operation *op) {
  auto rowwise = dyn_cast<RowwiseOpInterface>(op);
  if (!rowwise)
    return refuse(op, "cannot be packed: it is not rowwise");
  OpOperand &rows = rowwise.getRowsOperand();
  Packed of = lookup(rows.get());
  Packed::Kind kind = of.kind;
  if (kind != Packed::Tokens && kind != Packed::Sequences)
    return refuse(op, "cannot be packed: it uses " + describe(of));
  int64_t rank = cast<ShapedType>(rows.get().getType()).getRank();

  // Only what looks at one element at a time may have rows without columns: a
  // norm of [B, T] would mix tokens.
  bool elementwise = isa<ElementwiseOpInterface, ElementwiseOp>(op);
  if (!elementwise && !isa<EmbeddingOp>(op) && rank <= leadingDims(kind))
    return refuse(op, "mixes tokens: its last dimension is packed");
  if (auto slice = dyn_cast<SliceOp>(op)) {
    int64_t axis = slice.getAxis();
    if (axis != rank - 1 && axis != -1)
      return refuse(op, "mixes tokens: only the last axis can be sliced");
  }

  IRMapping mapping;
  for (OpOperand &operand : op->getOpOperands()) {
    Packed packed = lookup(operand.get());
    bool broadcast = elementwise;
    if (auto linear = dyn_cast<LinearOp>(op))
      broadcast = operand.getOperandNumber() >=
                  op->getNumOperands() - linear.getExtras().size();
    if (packed.kind == Packed::Uniform) {
      Value value = packed.value;
      if (broadcast) {
        FailureOr<Value> narrow = broadcastable(op, operand, kind, rank);
        if (failed(narrow))
          return failure();
        value = *narrow;
      }
      mapping.map(operand.get(), value);
      continue;
    }
    if (!packed.hasRowsOf(of))
      return refuse(op, "cannot be packed: it mixes " + describe(of) + " and " +
                            describe(packed));
    // An embedding's table is the one operand whose rows are not the result's.
    if (cast<ShapedType>(operand.get().getType()).getRank() != rank ||
        (isa<EmbeddingOp>(op) && &operand != &rows))
      return refuse(op, "mixes tokens: operand " +
                            llvm::Twine(operand.getOperandNumber()) +
                            " meets other rows than its own");
    mapping.map(operand.get(), packed.value);
  }

  Operation *clone = builder.clone(*op, mapping);
  for (auto [padded, result] :
       llvm::zip_equal(op->getResults(), clone->getResults())) {
    result.setType(packedType(padded.getType(), kind));
    set(padded, kind, result, of.set);
  }
  if (auto slice = dyn_cast<SliceOp>(clone))
    slice.setAxis(rank - leadingDims(kind));
  return success();
}

LogicalResult Packer::packReduce(ReduceOp op) {
  Packed input = lookup(op.getInput());
  if (input.kind != Packed::Tokens && input.kind != Packed::Sequences)
    return refuse(op, "cannot be packed: it uses " + describe(input));
  int64_t rank = op.getInput().getType().getRank();
  int64_t gone = leadingDims(input.kind) - 1;
  SmallVector<int64_t> axes;
  for (int64_t axis : op.getAxes()) {
    if (axis < 0)
      axis += rank;
    if (axis < leadingDims(input.kind))
      return refuse(op, "mixes tokens: it reduces a dimension that is packed");
    axes.push_back(axis - gone);
  }
  auto result = ReduceOp::create(
      builder, op.getLoc(), packedType(op.getType(), input.kind),
      op.getKindAttr(), input.value, builder.getDenseI64ArrayAttr(axes),
      op.getKeepDimsAttr());
  set(op.getResult(), input.kind, result.getResult(), input.set);
  return success();
}

LogicalResult Packer::packColumn(ReshapeOp op) {
  Packed input = lookup(op.getInput());
  if (input.kind != Packed::Tokens && input.kind != Packed::Sequences)
    return refuse(op, "cannot be packed: it uses " + describe(input));
  int64_t rank = op.getType().getRank();
  if (rank < leadingDims(input.kind))
    return refuse(op, "mixes tokens: its last dimension is packed");
  SmallVector<int64_t> shape(rank - leadingDims(input.kind) + 1, 0);
  auto column = ReshapeOp::create(
      builder, op.getLoc(), packedType(op.getType(), input.kind), input.value,
      builder.getDenseI64ArrayAttr(shape));
  set(op.getResult(), input.kind, column.getResult(), input.set);
  return success();
}

LogicalResult Packer::packAttention(AttentionOp op) {
  for (Value value : {op.getQuery(), op.getKey(), op.getValue()})
    if (lookup(value).kind != Packed::Heads)
      return refuse(op, "expects heads that 'transformer.split_heads' split, "
                        "got " +
                            describe(lookup(value)));
  Packed query = lookup(op.getQuery()), key = lookup(op.getKey()),
         value = lookup(op.getValue());
  if (!value.hasRowsOf(key))
    return refuse(op, "cannot be packed: its keys and values are of different "
                      "tokens");
  const TokenSet &attended = sets[key.set];
  if (op.getBias() && (lookup(op.getBias()).kind != Packed::Bias ||
                       lookup(op.getBias()).set != key.set))
    return refuse(op, "cannot be packed: its bias is not the padding mask of "
                      "the function's attention mask alone");
  if (attended.hasMask && !op.getBias())
    return refuse(op, "cannot be packed: it attends to tokens that the "
                      "function's attention mask hides");
  if ((op.getCausal() || op.getDistanceBias()) && query.set != key.set)
    return refuse(op, "cannot be packed: it counts from queries to keys, which "
                      "are of different tokens");
  if (op.getDistanceBias() &&
      lookup(op.getDistanceBias()).kind != Packed::Uniform)
    return refuse(op, "cannot be packed: its distance_bias differs from "
                      "sequence to sequence");
  if (op.getDistanceBias() && attended.hasMask && !attended.isContiguous)
    return refuse(op, "cannot be packed: it has a distance_bias, and the "
                      "tokens that the function's attention mask leaves may "
                      "be further apart than packed ones; "
                      "'transformer.contiguous' says that they aren't");

  Value queryOffsets = getSequences(query.set).offsets;
  const TokenSet &keys = getSequences(key.set);
  if (op.getCausal() || op.getDistanceBias())
    counting = op;
  auto ragged = RaggedAttentionOp::create(
      builder, op.getLoc(), query.value.getType(), query.value, key.value,
      value.value, queryOffsets, keys.offsets, keys.keyLengths,
      op.getDistanceBias() ? lookup(op.getDistanceBias()).value : Value(),
      op.getFirstDistanceAttr(),
      builder.getI64IntegerAttr(op.getQuery().getType().getDimSize(1)),
      builder.getI64IntegerAttr(op.getKey().getType().getDimSize(1)),
      op.getCausalAttr(), op.getScaleAttr());
  set(op.getResult(), Packed::Heads, ragged.getResult(), query.set);
  ++numPacked;
  return success();
}

LogicalResult Packer::packRotary(RotaryOp op) {
  Packed input = lookup(op.getInput()), positions = lookup(op.getPositions());
  if (input.kind != Packed::Heads)
    return refuse(op, "expects heads that 'transformer.split_heads' split, "
                      "got " +
                          describe(input));
  if (positions.kind != Packed::Tokens || positions.set != input.set)
    return refuse(op,
                  "expects positions per token, got " + describe(positions));
  int64_t heads = op.getInput().getType().getDimSize(1);
  auto rotary = RotaryOp::create(
      builder, op.getLoc(), input.value.getType(), input.value, positions.value,
      op.getThetaAttr(), builder.getI64IntegerAttr(heads));
  set(op.getResult(), Packed::Heads, rotary.getResult(), input.set);
  ++numPacked;
  return success();
}

LogicalResult Packer::packSelectToken(SelectTokenOp op) {
  Packed input = lookup(op.getInput());
  if (input.kind != Packed::Tokens || input.set != 0)
    return refuse(op, "cannot be packed: it uses " + describe(input));
  int64_t index = op.getIndex();
  if (index < 0 || index > std::numeric_limits<int32_t>::max())
    return refuse(op,
                  "cannot be packed: its index is not the position of a token");
  Value &rows = tokenRows[index];
  if (!rows)
    rows = addArgument(("token_rows_" + llvm::Twine(index)).str(), "token_rows",
                       "sequences", index);
  auto gather = EmbeddingOp::create(builder, op.getLoc(),
                                    packedType(op.getType(), Packed::Sequences),
                                    rows, input.value);
  set(op.getResult(), Packed::Sequences, gather.getResult());
  ++numPacked;
  return success();
}

/// The runtime turns the argument into rows, so it must reach nothing else.
LogicalResult Packer::packGatherToken(GatherTokenOp op) {
  Packed input = lookup(op.getInput()), index = lookup(op.getIndex());
  // Places are counted among the first set of tokens.
  if (input.kind != Packed::Tokens || input.set != 0)
    return refuse(op, "cannot be packed: it uses " + describe(input));
  if (index.kind != Packed::Index)
    return refuse(op, "expects an argument with role \"token_index\", got " +
                          describe(index));
  auto gather = EmbeddingOp::create(builder, op.getLoc(),
                                    packedType(op.getType(), Packed::Sequences),
                                    index.value, input.value);
  set(op.getResult(), Packed::Sequences, gather.getResult());
  ++numPacked;
  return success();
}

LogicalResult Packer::pack(Operation *op) {
  if (auto split = dyn_cast<SplitHeadsOp>(op)) {
    Packed input = lookup(split.getInput());
    if (input.kind != Packed::Tokens)
      return refuse(op, "cannot be packed: it uses " + describe(input));
    set(split.getResult(), Packed::Heads, input.value, input.set);
    return success();
  }
  if (auto merge = dyn_cast<MergeHeadsOp>(op)) {
    Packed input = lookup(merge.getInput());
    if (input.kind != Packed::Heads)
      return refuse(op, "cannot be packed: it uses " + describe(input));
    set(merge.getResult(), Packed::Tokens, input.value, input.set);
    return success();
  }
  if (auto mask = dyn_cast<PaddingMaskOp>(op)) {
    Packed input = lookup(mask.getMask());
    if (input.kind != Packed::Mask)
      return refuse(op, "expects the argument with role \"attention_mask\", "
                        "got " +
                            describe(input));
    set(mask.getResult(), Packed::Bias, {}, input.set);
    return success();
  }
  if (auto attention = dyn_cast<AttentionOp>(op))
    return packAttention(attention);
  if (auto rotary = dyn_cast<RotaryOp>(op))
    return packRotary(rotary);
  if (auto select = dyn_cast<SelectTokenOp>(op))
    return packSelectToken(select);
  if (auto gather = dyn_cast<GatherTokenOp>(op))
    return packGatherToken(gather);
  if (auto result = dyn_cast<func::ReturnOp>(op))
    return packResults(result);

  // Weights, constants and what is made of them alone stay as they are.
  if (llvm::all_of(op->getOperands(), [&](Value value) {
        return lookup(value).kind == Packed::Uniform;
      })) {
    IRMapping mapping;
    for (Value operand : op->getOperands())
      mapping.map(operand, lookup(operand).value);
    Operation *clone = builder.clone(*op, mapping);
    for (auto [padded, result] :
         llvm::zip_equal(op->getResults(), clone->getResults()))
      set(padded, Packed::Uniform, result);
    return success();
  }
  if (auto reduce = dyn_cast<ReduceOp>(op))
    return packReduce(reduce);
  if (auto reshape = dyn_cast<ReshapeOp>(op); reshape && reshape.isColumn())
    return packColumn(reshape);
  return packRowwise(op);
}

LogicalResult Packer::run() {
  Block &padded = function.front();
  builder.setInsertionPointToEnd(packed.get());
  if (failed(packArguments()))
    return failure();
  for (Operation &op : padded)
    if (failed(pack(&op)))
      return failure();
  // Causal attention counts a row's keys from the end of its sequence, and so
  // do distances, where a masked token that is asked for would stand.
  if (sets[0].hasMask && counting && !tokenRows.empty())
    return refuse(counting, "cannot be packed: causal attention, or a "
                            "distance_bias, beside "
                            "'transformer.select_token' of a masked token");

  Block *body = packed.release();
  function.getBody().push_back(body);
  for (Operation &op : llvm::make_early_inc_range(llvm::reverse(padded)))
    op.erase();
  padded.erase();
  function.setType(builder.getFunctionType(
      body->getArgumentTypes(), body->getTerminator()->getOperandTypes()));
  function.setArgAttrsAttr(builder.getArrayAttr(argumentAttrs));
  function.setResAttrsAttr(builder.getArrayAttr(resultAttrs));
  return success();
}

/// A function of [batch, ..]; others are packed already, or no model.
bool isPadded(func::FuncOp function) {
  if (function.isExternal() || !function.getBody().hasOneBlock())
    return false;
  for (unsigned number = 0; number < function.getNumArguments(); ++number) {
    SmallVector<llvm::StringRef> dims =
        getDims(function.getArgAttrDict(number));
    if (!dims.empty() && dims.front() == "batch")
      return true;
  }
  return false;
}

struct RemovePadding : transom::impl::RemovePaddingBase<RemovePadding> {
  void runOnOperation() override {
    for (auto function : getOperation().getOps<func::FuncOp>()) {
      if (!isPadded(function))
        continue;
      Packer packer(function);
      if (failed(packer.run()))
        return signalPassFailure();
      numPacked += packer.getNumPacked();
    }
  }
};

} // namespace
