//===- FusedOps.cpp - one kernel family each ------------------------------===//

#include "ir/Transformer/OpSupport.h"
#include "ir/Transformer/Transformer.h"

using namespace mlir;

namespace transom::transformer {

void AttentionOp::inferTypes(Adaptor adaptor, SmallVectorImpl<Type> &types) {
  RankedTensorType query = tensorType(adaptor.getQuery());
  RankedTensorType value = tensorType(adaptor.getValue());
  SmallVector<int64_t> shape(query.getShape());
  if (!shape.empty() && value.getRank() > 0)
    shape.back() = value.getShape().back();
  types.push_back(query.clone(shape));
}

LogicalResult AttentionOp::verify() {
  Value query = getQuery(), key = getKey(), value = getValue();
  if (failed(verifyRank(*this, "query", query, 4)) ||
      failed(verifyRank(*this, "key", key, 4)) ||
      failed(verifyRank(*this, "value", value, 4)))
    return failure();
  if (!areCompatible(key.getType(), value.getType()))
    return emitOpError() << "expects key and value of one type, got "
                         << key.getType() << " and " << value.getType();
  if (failed(verifyElementTypes(*this, {query, key})) ||
      failed(verifyExtents(*this, "the batches of query and key to be equal",
                           extentOf(query, 0), extentOf(key, 0))) ||
      failed(verifyExtents(*this, "the head sizes of query and key to be equal",
                           extentOf(query, 3), extentOf(key, 3))))
    return failure();
  int64_t heads = extentOf(query, 1), keyHeads = extentOf(key, 1);
  if (!ShapedType::isDynamic(heads) && !ShapedType::isDynamic(keyHeads) &&
      (keyHeads == 0 || heads % keyHeads != 0))
    return emitOpError() << "expects key heads to divide query heads, got "
                         << keyHeads << " and " << heads;
  if (Value bias = getBias()) {
    if (failed(verifyRank(*this, "bias", bias, 4)) ||
        failed(verifyElementTypes(*this, {query, bias})))
      return failure();
    int64_t scores[] = {extentOf(query, 0), heads, extentOf(query, 2),
                        extentOf(key, 2)};
    for (auto [extent, of] :
         llvm::zip(tensorType(bias).getShape(), ArrayRef<int64_t>(scores)))
      if (extent != 1 && !areCompatibleExtents(extent, of))
        return emitOpError() << "expects a bias that broadcasts to the scores, "
                             << RankedTensorType::get(
                                    scores, tensorType(bias).getElementType())
                             << ", got " << bias.getType();
  }
  return verifyDistanceBias(*this, getDistanceBias(), query, heads);
}

void RaggedAttentionOp::inferTypes(Adaptor adaptor,
                                   SmallVectorImpl<Type> &types) {
  types.push_back(adaptor.getQuery().getType());
}

LogicalResult RaggedAttentionOp::verify() {
  Value query = getQuery(), key = getKey(), value = getValue();
  if (failed(verifyRank(*this, "query", query, 2)) ||
      failed(verifyRank(*this, "key", key, 2)) ||
      failed(verifyRank(*this, "value", value, 2)) ||
      failed(verifyRank(*this, "query_offsets", getQueryOffsets(), 1)) ||
      failed(verifyRank(*this, "key_offsets", getKeyOffsets(), 1)) ||
      failed(verifyRank(*this, "key_lengths", getKeyLengths(), 1)) ||
      failed(verifyElementTypes(*this, {query, key})))
    return failure();
  if (!areCompatible(key.getType(), value.getType()))
    return emitOpError() << "expects key and value of one type, got "
                         << key.getType() << " and " << value.getType();
  int64_t heads = getHeads(), keyHeads = getKeyHeads();
  if (heads <= 0 || keyHeads <= 0 || heads % keyHeads != 0)
    return emitOpError() << "expects key_heads to divide heads, got "
                         << keyHeads << " and " << heads;
  int64_t width = extentOf(query, 1), keyWidth = extentOf(key, 1);
  if (!ShapedType::isDynamic(width)) {
    if (width % heads != 0)
      return emitOpError() << "expects heads to divide the query's width, got "
                           << heads << " and " << width;
    if (failed(verifyExtents(
            *this, "the key's width to be key_heads times the head size",
            keyWidth, width / heads * keyHeads)))
      return failure();
  }
  if (failed(verifyDistanceBias(*this, getDistanceBias(), query, heads)) ||
      failed(verifyExtents(*this, "as many key_offsets as query_offsets",
                           extentOf(getKeyOffsets(), 0),
                           extentOf(getQueryOffsets(), 0))))
    return failure();
  int64_t offsets = extentOf(getQueryOffsets(), 0);
  return verifyExtents(*this, "one key length less than there are offsets",
                       extentOf(getKeyLengths(), 0),
                       ShapedType::isDynamic(offsets) ? offsets : offsets - 1);
}

/// Of add_layer_norm and add_rms_norm: what is added has one type.
static LogicalResult verifyAddends(Operation *op, Value input, Value residual) {
  if (areCompatible(input.getType(), residual.getType()))
    return success();
  return op->emitOpError() << "expects input and residual of one type, got "
                           << input.getType() << " and " << residual.getType();
}

void AddLayerNormOp::inferTypes(Adaptor adaptor, SmallVectorImpl<Type> &types) {
  types.append(2, adaptor.getInput().getType());
}

LogicalResult AddLayerNormOp::verify() {
  if (failed(verifyAddends(*this, getInput(), getResidual())))
    return failure();
  return verifyNorm(*this, getInput(), {getGamma(), getBeta()}, getEpsilon());
}

void AddRmsNormOp::inferTypes(Adaptor adaptor, SmallVectorImpl<Type> &types) {
  types.append(2, adaptor.getInput().getType());
}

LogicalResult AddRmsNormOp::verify() {
  if (failed(verifyAddends(*this, getInput(), getResidual())))
    return failure();
  return verifyNorm(*this, getInput(), {getGamma()}, getEpsilon());
}

LogicalResult ElementwiseOp::verify() {
  if (getInputs().empty() || getResults().empty())
    return emitOpError() << "expects one input and one result or more, got "
                         << getInputs().size() << " and "
                         << getResults().size();
  SmallVector<int64_t> shape;
  for (Value input : getInputs()) {
    auto broadcast = broadcastShapes(shape, tensorType(input).getShape());
    if (!broadcast)
      return emitOpError() << "expects inputs whose shapes broadcast, got "
                           << getInputs().front().getType() << " and "
                           << input.getType();
    shape = *broadcast;
  }
  for (Value result : getResults())
    if (failed(verifyCompatibleShape(tensorType(result).getShape(), shape)))
      return emitOpError() << "expects results of the inputs' common shape, "
                           << RankedTensorType::get(
                                  shape, tensorType(result).getElementType())
                           << ", got " << result.getType();
  return success();
}

LogicalResult ElementwiseOp::verifyRegions() {
  auto elementTypes = [](ValueRange tensors) {
    return llvm::map_to_vector(tensors, [](Value tensor) {
      return tensorType(tensor).getElementType();
    });
  };
  return verifyScalarRegion(*this, getBody(), elementTypes(getInputs()),
                            elementTypes(getResults()));
}

} // namespace transom::transformer
