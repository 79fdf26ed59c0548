//===- DefinitionOps.cpp - one equation of a paper each -------------------===//

#include "ir/Transformer/OpSupport.h"
#include "ir/Transformer/Transformer.h"

#include <cmath>

using namespace mlir;

namespace transom::transformer {

static constexpr int64_t kDynamic = ShapedType::kDynamic;

//===----------------------------------------------------------------------===//
// Weights
//===----------------------------------------------------------------------===//

ParseResult parseWeightContents(OpAsmParser &parser, ArrayAttr &sources,
                                ElementsAttr &value, TypeAttr &type) {
  if (succeeded(parser.parseOptionalKeyword("value"))) {
    if (parser.parseAttribute(value))
      return failure();
    type = TypeAttr::get(value.getType());
    return success();
  }
  Type parsed;
  if (parser.parseKeyword("from", ": expects 'from' or 'value'") ||
      parser.parseAttribute(sources) || parser.parseColonType(parsed))
    return failure();
  type = TypeAttr::get(parsed);
  return success();
}

void printWeightContents(OpAsmPrinter &printer, Operation *, ArrayAttr sources,
                         ElementsAttr value, TypeAttr type) {
  if (value)
    printer << "value " << value;
  else
    printer << "from " << sources << " : " << type;
}

LogicalResult WeightOp::verify() {
  auto type = cast<RankedTensorType>(getType());
  if (bool(getSourcesAttr()) == bool(getValueAttr()))
    return emitOpError() << "expects either sources or a value, got "
                         << (getValueAttr() ? "both" : "neither");
  if (!type.hasStaticShape())
    return emitOpError() << "expects a static shape, got " << type;
  if (getValueAttr() && getValueAttr().getType() != type)
    return emitOpError() << "expects a value of " << type << ", got "
                         << getValueAttr().getType();
  if (getSourcesAttr() && getSourcesAttr().empty())
    return emitOpError() << "expects one source or more, got none";
  if (getSourcesAttr() && getSourcesAttr().size() > 1 && type.getRank() == 0)
    return emitOpError()
           << "expects one source for a scalar, which can't be concatenated, "
              "got "
           << getSourcesAttr().size();
  return success();
}

LogicalResult GetWeightOp::verifySymbolUses(SymbolTableCollection &symbols) {
  auto weight =
      symbols.lookupNearestSymbolFrom<WeightOp>(*this, getWeightAttr());
  if (!weight)
    return emitOpError() << "expects the name of a transformer.weight, got "
                         << getWeightAttr();
  if (weight.getType() != getType())
    return emitOpError() << "expects the type of " << getWeightAttr() << ", "
                         << weight.getType() << ", got " << getType();
  return success();
}

//===----------------------------------------------------------------------===//
// Embeddings, linear algebra
//===----------------------------------------------------------------------===//

void EmbeddingOp::inferTypes(Adaptor adaptor, SmallVectorImpl<Type> &types) {
  SmallVector<int64_t> shape(tensorType(adaptor.getIds()).getShape());
  shape.push_back(extentOf(adaptor.getTable(), -1));
  types.push_back(tensorType(adaptor.getTable()).clone(shape));
}

/// An id is a row, whatever their extents.
bool EmbeddingOp::isRowwise(int64_t) { return true; }

LogicalResult EmbeddingOp::verify() {
  return verifyRank(*this, "table", getTable(), 2);
}

void LinearOp::inferTypes(Adaptor adaptor, SmallVectorImpl<Type> &types) {
  RankedTensorType input = tensorType(adaptor.getInput());
  SmallVector<int64_t> shape(input.getShape());
  if (!shape.empty())
    shape.back() = extentOf(adaptor.getWeight(), 0);
  Type elementType = input.getElementType();
  Region &epilogue = adaptor.getEpilogue();
  if (!epilogue.empty() && epilogue.front().mightHaveTerminator()) {
    Operation *yield = epilogue.front().getTerminator();
    if (yield->getNumOperands() == 1)
      elementType = yield->getOperand(0).getType();
  }
  types.push_back(RankedTensorType::get(shape, elementType));
}

void LinearOp::build(OpBuilder &builder, OperationState &state, Value input,
                     Value weight, Value bias) {
  build(builder, state, input, weight, bias, /*extras=*/ValueRange());
}

LogicalResult LinearOp::verify() {
  if (failed(verifyRankAtLeast(*this, "input", getInput(), 2)) ||
      failed(verifyRank(*this, "weight", getWeight(), 2)) ||
      failed(verifyExtents(*this, "the widths of input and weight to be equal",
                           extentOf(getInput(), -1), extentOf(getWeight(), 1))))
    return failure();
  SmallVector<Value> values{getInput(), getWeight()};
  if (Value bias = getBias()) {
    values.push_back(bias);
    if (failed(verifyRank(*this, "bias", bias, 1)) ||
        failed(verifyExtents(*this,
                             "the bias to have an element for each of the "
                             "weight's rows",
                             extentOf(bias, 0), extentOf(getWeight(), 0))))
      return failure();
  }
  if (failed(verifyElementTypes(*this, values)))
    return failure();
  if (!getExtras().empty() && getEpilogue().empty())
    return emitOpError() << "expects an epilogue that uses the extras, got "
                            "none";
  RankedTensorType result = getType();
  for (Value extra : getExtras()) {
    auto shape =
        broadcastShapes(tensorType(extra).getShape(), result.getShape());
    if (!shape || failed(verifyCompatibleShape(*shape, result.getShape())))
      return emitOpError() << "expects extras that broadcast to the result, "
                           << result << ", got " << extra.getType();
  }
  return success();
}

LogicalResult LinearOp::verifyRegions() {
  if (getEpilogue().empty())
    return success();
  SmallVector<Type> arguments{tensorType(getInput()).getElementType()};
  for (Value extra : getExtras())
    arguments.push_back(tensorType(extra).getElementType());
  return verifyScalarRegion(*this, getEpilogue(), arguments,
                            getType().getElementType());
}

void MatmulOp::inferTypes(Adaptor adaptor, SmallVectorImpl<Type> &types) {
  RankedTensorType lhs = tensorType(adaptor.getLhs());
  RankedTensorType rhs = tensorType(adaptor.getRhs());
  SmallVector<int64_t> shape;
  if (lhs.getRank() >= 2 && rhs.getRank() >= 2) {
    auto batch = broadcastShapes(lhs.getShape().drop_back(2),
                                 rhs.getShape().drop_back(2));
    if (batch)
      shape = *batch;
    else // The verifier reports it.
      shape.assign(std::max(lhs.getRank(), rhs.getRank()) - 2, kDynamic);
    shape.push_back(extentOf(adaptor.getLhs(), -2));
    shape.push_back(
        extentOf(adaptor.getRhs(), adaptor.getTransposeRhs() ? -2 : -1));
  }
  types.push_back(lhs.clone(shape));
}

LogicalResult MatmulOp::verify() {
  if (failed(verifyRankAtLeast(*this, "lhs", getLhs(), 2)) ||
      failed(verifyRankAtLeast(*this, "rhs", getRhs(), 2)) ||
      failed(verifyElementTypes(*this, getOperands())) ||
      failed(verifyExtents(*this,
                           "as many columns of lhs as terms in rhs's sums",
                           extentOf(getLhs(), -1),
                           extentOf(getRhs(), getTransposeRhs() ? -1 : -2))))
    return failure();
  if (!broadcastShapes(tensorType(getLhs()).getShape().drop_back(2),
                       tensorType(getRhs()).getShape().drop_back(2)))
    return emitOpError() << "expects batch dimensions that broadcast, got "
                         << getLhs().getType() << " and " << getRhs().getType();
  return success();
}

void ScaleOp::inferTypes(Adaptor adaptor, SmallVectorImpl<Type> &types) {
  types.push_back(adaptor.getInput().getType());
}

OpFoldResult ScaleOp::fold(FoldAdaptor) {
  return getFactor().isExactlyValue(1.0) ? getInput() : OpFoldResult();
}

//===----------------------------------------------------------------------===//
// Activations, norms
//===----------------------------------------------------------------------===//

void GeluOp::inferTypes(Adaptor adaptor, SmallVectorImpl<Type> &types) {
  types.push_back(adaptor.getInput().getType());
}

void SoftmaxOp::inferTypes(Adaptor adaptor, SmallVectorImpl<Type> &types) {
  types.push_back(adaptor.getInput().getType());
}

LogicalResult SoftmaxOp::verify() {
  return verifyRankAtLeast(*this, "input", getInput(), 1);
}

void LayerNormOp::inferTypes(Adaptor adaptor, SmallVectorImpl<Type> &types) {
  types.push_back(adaptor.getInput().getType());
}

LogicalResult LayerNormOp::verify() {
  return verifyNorm(*this, getInput(), {getGamma(), getBeta()}, getEpsilon());
}

void RmsNormOp::inferTypes(Adaptor adaptor, SmallVectorImpl<Type> &types) {
  types.push_back(adaptor.getInput().getType());
}

LogicalResult RmsNormOp::verify() {
  return verifyNorm(*this, getInput(), {getGamma()}, getEpsilon());
}

//===----------------------------------------------------------------------===//
// Heads, masks, positions
//===----------------------------------------------------------------------===//

void SplitHeadsOp::inferTypes(Adaptor adaptor, SmallVectorImpl<Type> &types) {
  int64_t width = extentOf(adaptor.getInput(), 2), heads = adaptor.getHeads();
  bool isKnown = !ShapedType::isDynamic(width) && heads > 0;
  types.push_back(
      tensorType(adaptor.getInput())
          .clone({extentOf(adaptor.getInput(), 0), heads > 0 ? heads : kDynamic,
                  extentOf(adaptor.getInput(), 1),
                  isKnown ? width / heads : kDynamic}));
}

LogicalResult SplitHeadsOp::verify() {
  if (failed(verifyRank(*this, "input", getInput(), 3)))
    return failure();
  int64_t width = extentOf(getInput(), 2), heads = getHeads();
  if (heads <= 0 || (!ShapedType::isDynamic(width) && width % heads != 0))
    return emitOpError() << "expects heads that divide the input's width, got "
                         << heads << " and " << getInput().getType();
  return success();
}

void MergeHeadsOp::inferTypes(Adaptor adaptor, SmallVectorImpl<Type> &types) {
  int64_t width = countElements(
      {extentOf(adaptor.getInput(), 1), extentOf(adaptor.getInput(), 3)});
  types.push_back(tensorType(adaptor.getInput())
                      .clone({extentOf(adaptor.getInput(), 0),
                              extentOf(adaptor.getInput(), 2), width}));
}

LogicalResult MergeHeadsOp::verify() {
  return verifyRank(*this, "input", getInput(), 4);
}

void RepeatHeadsOp::inferTypes(Adaptor adaptor, SmallVectorImpl<Type> &types) {
  int64_t heads = adaptor.getHeads();
  types.push_back(
      tensorType(adaptor.getInput())
          .clone({extentOf(adaptor.getInput(), 0), heads > 0 ? heads : kDynamic,
                  extentOf(adaptor.getInput(), 2),
                  extentOf(adaptor.getInput(), 3)}));
}

LogicalResult RepeatHeadsOp::verify() {
  if (failed(verifyRank(*this, "input", getInput(), 4)))
    return failure();
  int64_t keyHeads = extentOf(getInput(), 1), heads = getHeads();
  if (ShapedType::isDynamic(keyHeads) || keyHeads == 0 || heads <= 0 ||
      heads % keyHeads != 0)
    return emitOpError() << "expects heads that are a multiple of the input's, "
                            "got "
                         << heads << " and " << getInput().getType();
  return success();
}

void PaddingMaskOp::inferTypes(Adaptor adaptor, SmallVectorImpl<Type> &types) {
  types.push_back(RankedTensorType::get(
      {extentOf(adaptor.getMask(), 0), 1, 1, extentOf(adaptor.getMask(), 1)},
      Float32Type::get(adaptor.getMask().getContext())));
}

LogicalResult PaddingMaskOp::verify() {
  return verifyRank(*this, "mask", getMask(), 2);
}

void CausalMaskOp::inferTypes(Adaptor adaptor, SmallVectorImpl<Type> &types) {
  types.push_back(adaptor.getScores().getType());
}

LogicalResult CausalMaskOp::verify() {
  return verifyRankAtLeast(*this, "scores", getScores(), 2);
}

void RelativeBiasOp::inferTypes(Adaptor adaptor, SmallVectorImpl<Type> &types) {
  types.push_back(tensorType(adaptor.getTable())
                      .clone({1, extentOf(adaptor.getTable(), 1),
                              extentOf(adaptor.getQueries(), 1),
                              extentOf(adaptor.getKeys(), 1)}));
}

LogicalResult RelativeBiasOp::verify() {
  if (failed(verifyRank(*this, "table", getTable(), 2)) ||
      failed(verifyRankAtLeast(*this, "queries", getQueries(), 2)) ||
      failed(verifyRankAtLeast(*this, "keys", getKeys(), 2)))
    return failure();
  // Half of the buckets of a direction hold exact distances; the others divide
  // what is left up to max_distance.
  int64_t buckets = extentOf(getTable(), 0), distance = getMaxDistance();
  int64_t least = getBidirectional() ? 4 : 2, exact = 0;
  if (!ShapedType::isDynamic(buckets)) {
    if (buckets < least)
      return emitOpError() << "expects a table of " << least
                           << " buckets or more, got " << getTable().getType();
    exact = buckets / least;
  }
  if (distance <= exact)
    return emitOpError() << "expects max_distance above the " << exact
                         << " exact buckets of a direction, got " << distance;
  return success();
}

int64_t RelativeBiasOp::getBucket(int64_t distance, int64_t buckets) {
  int64_t first = 0;
  if (getBidirectional()) {
    buckets /= 2;
    if (distance > 0)
      first = buckets;
    distance = std::abs(distance);
  } else {
    distance = -std::min<int64_t>(distance, 0);
  }
  int64_t exact = buckets / 2;
  if (distance < exact)
    return first + distance;
  float scale = std::log(static_cast<float>(distance) / exact) /
                static_cast<float>(
                    std::log(static_cast<double>(getMaxDistance()) / exact));
  int64_t large = exact + static_cast<int64_t>(scale * (buckets - exact));
  return first + std::min(large, buckets - 1);
}

void RotaryOp::inferTypes(Adaptor adaptor, SmallVectorImpl<Type> &types) {
  types.push_back(adaptor.getInput().getType());
}

/// Of packed tokens it is: their heads stand side by side in a row.
bool RotaryOp::isRowwise(int64_t rowDims) {
  return getHeads().has_value() && rowDims == 1;
}

void RotaryOp::build(OpBuilder &builder, OperationState &state, Value input,
                     Value positions, APFloat theta) {
  build(builder, state, input.getType(), input, positions, theta,
        /*heads=*/IntegerAttr());
}

LogicalResult RotaryOp::verify() {
  int64_t size = kDynamic;
  if (std::optional<int64_t> heads = getHeads()) {
    if (failed(verifyRank(*this, "input", getInput(), 2)) ||
        failed(verifyRank(*this, "positions", getPositions(), 1)) ||
        failed(verifyExtents(*this, "a position for each token",
                             extentOf(getPositions(), 0),
                             extentOf(getInput(), 0))))
      return failure();
    int64_t width = extentOf(getInput(), 1);
    if (*heads <= 0 || (!ShapedType::isDynamic(width) && width % *heads != 0))
      return emitOpError()
             << "expects heads that divide the input's width, got " << *heads
             << " and " << getInput().getType();
    size = ShapedType::isDynamic(width) ? width : width / *heads;
  } else {
    if (failed(verifyRank(*this, "input", getInput(), 4)) ||
        failed(verifyRank(*this, "positions", getPositions(), 2)) ||
        failed(verifyExtents(*this, "positions for each sequence",
                             extentOf(getPositions(), 0),
                             extentOf(getInput(), 0))) ||
        failed(verifyExtents(*this, "a position for each token",
                             extentOf(getPositions(), 1),
                             extentOf(getInput(), 2))))
      return failure();
    size = extentOf(getInput(), 3);
  }
  if (!ShapedType::isDynamic(size) && size % 2 != 0)
    return emitOpError() << "expects heads of even width, got " << size;
  if (!getTheta().isFinite() || getTheta().isNegative() || getTheta().isZero())
    return emitOpError() << "expects a finite theta above 0, got "
                         << getTheta().convertToDouble();
  return success();
}

void SelectTokenOp::inferTypes(Adaptor adaptor, SmallVectorImpl<Type> &types) {
  types.push_back(tensorType(adaptor.getInput())
                      .clone({extentOf(adaptor.getInput(), 0),
                              extentOf(adaptor.getInput(), 2)}));
}

LogicalResult SelectTokenOp::verify() {
  if (failed(verifyRank(*this, "input", getInput(), 3)))
    return failure();
  int64_t tokens = extentOf(getInput(), 1), index = getIndex();
  if (index < 0 || (!ShapedType::isDynamic(tokens) && index >= tokens))
    return emitOpError() << "expects a token of " << getInput().getType()
                         << ", got " << index;
  return success();
}

void GatherTokenOp::inferTypes(Adaptor adaptor, SmallVectorImpl<Type> &types) {
  types.push_back(tensorType(adaptor.getInput())
                      .clone({extentOf(adaptor.getInput(), 0),
                              extentOf(adaptor.getInput(), 2)}));
}

LogicalResult GatherTokenOp::verify() {
  if (failed(verifyRank(*this, "input", getInput(), 3)) ||
      failed(verifyRank(*this, "index", getIndex(), 1)))
    return failure();
  return verifyExtents(*this, "an index for each sequence",
                       extentOf(getIndex(), 0), extentOf(getInput(), 0));
}

} // namespace transom::transformer
