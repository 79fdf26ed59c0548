//===- Packing.cpp - the packed form of ops that aren't rowwise ----------===//

#include "ir/Transformer/Packing.h"

#include <limits>

using namespace mlir;

namespace transom::transformer {

RankedTensorType PackedValue::getType(Type padded) const {
  auto type = cast<RankedTensorType>(padded);
  SmallVector<int64_t> shape{ShapedType::kDynamic};
  llvm::append_range(shape, type.getShape().drop_front(getRowDims()));
  return RankedTensorType::get(shape, type.getElementType());
}

StringRef describe(const PackedValue &packed) {
  switch (packed.kind) {
  case PackedValue::Uniform:
    return "values without a batch";
  case PackedValue::Tokens:
    return packed.set == 0 ? "values per token" : "values per encoder token";
  case PackedValue::Sequences:
    return "values per sequence";
  case PackedValue::Index:
    return "token indices";
  case PackedValue::Heads:
    return packed.set == 0 ? "heads of tokens" : "heads of encoder tokens";
  case PackedValue::Mask:
    return "the attention mask";
  case PackedValue::Bias:
    return "the padding mask";
  }
  llvm_unreachable("unknown kind");
}

//===----------------------------------------------------------------------===//
// Packing
//===----------------------------------------------------------------------===//

Packing::Packing(MLIRContext *context)
    : builder(context), body(std::make_unique<Block>()) {
  builder.setInsertionPointToEnd(body.get());
}

Value Packing::addArgument(DictionaryAttr attributes) {
  argumentAttrs.push_back(attributes);
  return body->addArgument(
      RankedTensorType::get({ShapedType::kDynamic}, builder.getI32Type()),
      NameLoc::get(builder.getStringAttr(getName(attributes))));
}

const TokenSet &Packing::getSequences(unsigned set) {
  TokenSet &sequences = sets[set];
  if (!sequences.offsets) {
    MLIRContext *context = builder.getContext();
    const TokenSetInfo &info = tokenSets[set];
    sequences.offsets = addArgument(getRoleAttributes(context, info.offsets));
    NamedAttrList keyLengths(getRoleAttributes(context, info.keyLengths));
    if (sequences.isContiguous)
      keyLengths.set(contiguousAttr, builder.getUnitAttr());
    sequences.keyLengths = addArgument(keyLengths.getDictionary(context));
  }
  return sequences;
}

Value Packing::getTokenRows(SelectTokenOp op) {
  auto index = static_cast<int32_t>(op.getIndex());
  selecting = op;
  Value &rows = tokenRows[index];
  if (!rows) {
    MLIRContext *context = builder.getContext();
    NamedAttrList attributes(getRoleAttributes(
        context, InputRole::TokenRows,
        DefaultAttr::get(context, DefaultKind::Token, index)));
    attributes.set(nameAttr,
                   builder.getStringAttr("token_rows_" + Twine(index)));
    rows = addArgument(attributes.getDictionary(context));
  }
  return rows;
}

LogicalResult Packing::verifyLastRows() {
  if (!sets[0].hasMask || !counting || !selecting)
    return success();
  InFlightDiagnostic diagnostic =
      counting.emitOpError()
      << "expects the last row of a sequence to be a key, since it counts keys "
         "from there, got a token that may be masked";
  diagnostic.attachNote(selecting.getLoc())
      << "the token that is selected here is packed last if it is masked";
  return diagnostic;
}

//===----------------------------------------------------------------------===//
// Heads
//===----------------------------------------------------------------------===//

static LogicalResult expectHeads(Operation *op, const PackedValue &packed) {
  if (packed.kind == PackedValue::Heads)
    return success();
  return op->emitOpError()
         << "expects heads that 'transformer.split_heads' split, got "
         << describe(packed);
}

/// Packed heads lie side by side in a row, as they do before they are split.
LogicalResult SplitHeadsOp::pack(Packing &packing) {
  PackedValue input = packing.lookup(getInput());
  if (input.kind != PackedValue::Tokens)
    return emitOpError() << "expects values per token, got " << describe(input);
  packing.set(getResult(), {PackedValue::Heads, input.value, input.set});
  return success();
}

LogicalResult MergeHeadsOp::pack(Packing &packing) {
  PackedValue input = packing.lookup(getInput());
  if (failed(expectHeads(*this, input)))
    return failure();
  packing.set(getResult(), {PackedValue::Tokens, input.value, input.set});
  return success();
}

LogicalResult RotaryOp::pack(Packing &packing) {
  PackedValue input = packing.lookup(getInput());
  PackedValue positions = packing.lookup(getPositions());
  if (failed(expectHeads(*this, input)))
    return failure();
  if (positions.kind != PackedValue::Tokens || positions.set != input.set)
    return emitOpError() << "expects positions per token, got "
                         << describe(positions);
  OpBuilder &builder = packing.builder;
  auto rotary = RotaryOp::create(
      builder, getLoc(), input.value.getType(), input.value, positions.value,
      getThetaAttr(),
      builder.getI64IntegerAttr(getInput().getType().getDimSize(1)));
  packing.set(getResult(), {PackedValue::Heads, rotary.getResult(), input.set});
  return success();
}

//===----------------------------------------------------------------------===//
// Attention
//===----------------------------------------------------------------------===//

LogicalResult PaddingMaskOp::pack(Packing &packing) {
  PackedValue mask = packing.lookup(getMask());
  if (mask.kind != PackedValue::Mask)
    return emitOpError()
           << "expects the argument with role 'attention_mask', got "
           << describe(mask);
  packing.set(getResult(), {PackedValue::Bias, Value(), mask.set});
  return success();
}

/// Whether packed rows say all that the padded operands said.
static LogicalResult verifyPackable(AttentionOp op, const Packing &packing) {
  for (Value value : {op.getQuery(), op.getKey(), op.getValue()})
    if (failed(expectHeads(op, packing.lookup(value))))
      return failure();
  PackedValue query = packing.lookup(op.getQuery());
  PackedValue key = packing.lookup(op.getKey());
  PackedValue value = packing.lookup(op.getValue());
  if (!value.hasRowsOf(key))
    return op.emitOpError() << "expects values of the keys' tokens, got "
                            << describe(key) << " and " << describe(value);
  const TokenSet &attended = packing.sets[key.set];
  if (op.getBias()) {
    PackedValue bias = packing.lookup(op.getBias());
    if (bias.kind != PackedValue::Bias || bias.set != key.set)
      return op.emitOpError() << "expects the padding mask of its keys as its "
                                 "only bias, got "
                              << describe(bias);
  } else if (attended.hasMask) {
    return op.emitOpError() << "expects the padding mask of its keys as its "
                               "bias, got none beside an attention mask";
  }
  bool counts = op.getCausal() || op.getDistanceBias();
  if (counts && query.set != key.set)
    return op.emitOpError()
           << "expects queries and keys of the same tokens for "
              "causal attention and for a distance_bias, got "
           << describe(query) << " and " << describe(key);
  if (!op.getDistanceBias())
    return success();
  PackedValue distances = packing.lookup(op.getDistanceBias());
  if (distances.kind != PackedValue::Uniform)
    return op.emitOpError()
           << "expects one distance_bias for all sequences, got "
           << describe(distances);
  if (attended.hasMask && !attended.isContiguous) {
    InFlightDiagnostic diagnostic =
        op.emitOpError()
        << "expects an attention mask without holes for its distance_bias, got "
           "one whose packed tokens may be closer than they were";
    diagnostic.attachNote(op.getLoc())
        << "'" << contiguousAttr << "' on the mask says that it has no holes";
    return diagnostic;
  }
  return success();
}

LogicalResult AttentionOp::pack(Packing &packing) {
  if (failed(verifyPackable(*this, packing)))
    return failure();
  PackedValue query = packing.lookup(getQuery());
  PackedValue key = packing.lookup(getKey());
  if (getCausal() || getDistanceBias())
    packing.countFromLastRow(*this);
  Value queryOffsets = packing.getSequences(query.set).offsets;
  const TokenSet &keys = packing.getSequences(key.set);
  auto ragged = RaggedAttentionOp::create(
      packing.builder, getLoc(), query.value.getType(), query.value, key.value,
      packing.lookup(getValue()).value, queryOffsets, keys.offsets,
      keys.keyLengths,
      getDistanceBias() ? packing.lookup(getDistanceBias()).value : Value(),
      getFirstDistanceAttr(),
      packing.builder.getI64IntegerAttr(getQuery().getType().getDimSize(1)),
      packing.builder.getI64IntegerAttr(getKey().getType().getDimSize(1)),
      getCausalAttr(), getScaleAttr());
  packing.set(getResult(), {PackedValue::Heads, ragged.getResult(), query.set});
  return success();
}

//===----------------------------------------------------------------------===//
// One token of each sequence
//===----------------------------------------------------------------------===//

/// Tokens are counted among those of the first set only: a caller gives indices
/// of its own tokens, and an encoder's are not the decoder's to select.
static LogicalResult expectOwnTokens(Operation *op, const PackedValue &packed) {
  if (packed.kind == PackedValue::Tokens && packed.set == 0)
    return success();
  return op->emitOpError() << "expects values per token, got "
                           << describe(packed);
}

static void packGather(Value result, Value rows, Value table,
                       Packing &packing) {
  PackedValue packed{PackedValue::Sequences, Value(), 0};
  packed.value =
      EmbeddingOp::create(packing.builder, result.getLoc(),
                          packed.getType(result.getType()), rows, table);
  packing.set(result, packed);
}

LogicalResult SelectTokenOp::pack(Packing &packing) {
  PackedValue input = packing.lookup(getInput());
  if (failed(expectOwnTokens(*this, input)))
    return failure();
  auto index = static_cast<int64_t>(getIndex());
  if (index < 0 || index > std::numeric_limits<int32_t>::max())
    return emitOpError() << "expects the index of a token in [0, 2^31), got "
                         << index;
  packGather(getResult(), packing.getTokenRows(*this), input.value, packing);
  return success();
}

/// The runtime turns the argument into rows, so it must reach nothing else.
LogicalResult GatherTokenOp::pack(Packing &packing) {
  PackedValue input = packing.lookup(getInput());
  PackedValue index = packing.lookup(getIndex());
  if (failed(expectOwnTokens(*this, input)))
    return failure();
  if (index.kind != PackedValue::Index)
    return emitOpError() << "expects an argument with role 'token_index', got "
                         << describe(index);
  packGather(getResult(), index.value, input.value, packing);
  return success();
}

} // namespace transom::transformer
