//===- DefinitionOps.cpp - one equation of a paper each -------------------===//

#include "ir/Transformer/OpSupport.h"
#include "ir/Transformer/Transformer.h"

using namespace mlir;

namespace transom::transformer {

static constexpr int64_t kDynamic = ShapedType::kDynamic;

/// Extent `index` of a value, or ? if its rank (which the verifier refuses) has
/// no such extent; negative indices count from the end.
static int64_t extentOr(Value value, int64_t index) {
  RankedTensorType type = tensorType(value);
  std::optional<int64_t> axis = normalizeAxis(index, type.getRank());
  return axis ? type.getDimSize(*axis) : kDynamic;
}

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
  shape.push_back(extentOr(adaptor.getTable(), -1));
  types.push_back(tensorType(adaptor.getTable()).clone(shape));
}

void LinearOp::inferTypes(Adaptor adaptor, SmallVectorImpl<Type> &types) {
  RankedTensorType input = tensorType(adaptor.getInput());
  SmallVector<int64_t> shape(input.getShape());
  if (!shape.empty())
    shape.back() = extentOr(adaptor.getWeight(), 0);
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
    shape.push_back(extentOr(adaptor.getLhs(), -2));
    shape.push_back(
        extentOr(adaptor.getRhs(), adaptor.getTransposeRhs() ? -2 : -1));
  }
  types.push_back(lhs.clone(shape));
}

void ScaleOp::inferTypes(Adaptor adaptor, SmallVectorImpl<Type> &types) {
  types.push_back(adaptor.getInput().getType());
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

void LayerNormOp::inferTypes(Adaptor adaptor, SmallVectorImpl<Type> &types) {
  types.push_back(adaptor.getInput().getType());
}

void RmsNormOp::inferTypes(Adaptor adaptor, SmallVectorImpl<Type> &types) {
  types.push_back(adaptor.getInput().getType());
}

//===----------------------------------------------------------------------===//
// Heads, masks, positions
//===----------------------------------------------------------------------===//

void SplitHeadsOp::inferTypes(Adaptor adaptor, SmallVectorImpl<Type> &types) {
  int64_t width = extentOr(adaptor.getInput(), 2), heads = adaptor.getHeads();
  bool isKnown = !ShapedType::isDynamic(width) && heads > 0;
  types.push_back(
      tensorType(adaptor.getInput())
          .clone({extentOr(adaptor.getInput(), 0), heads > 0 ? heads : kDynamic,
                  extentOr(adaptor.getInput(), 1),
                  isKnown ? width / heads : kDynamic}));
}

void MergeHeadsOp::inferTypes(Adaptor adaptor, SmallVectorImpl<Type> &types) {
  int64_t width = countElements(
      {extentOr(adaptor.getInput(), 1), extentOr(adaptor.getInput(), 3)});
  types.push_back(tensorType(adaptor.getInput())
                      .clone({extentOr(adaptor.getInput(), 0),
                              extentOr(adaptor.getInput(), 2), width}));
}

void PaddingMaskOp::inferTypes(Adaptor adaptor, SmallVectorImpl<Type> &types) {
  types.push_back(RankedTensorType::get(
      {extentOr(adaptor.getMask(), 0), 1, 1, extentOr(adaptor.getMask(), 1)},
      Float32Type::get(adaptor.getMask().getContext())));
}

void CausalMaskOp::inferTypes(Adaptor adaptor, SmallVectorImpl<Type> &types) {
  types.push_back(adaptor.getScores().getType());
}

void RelativeBiasOp::inferTypes(Adaptor adaptor, SmallVectorImpl<Type> &types) {
  types.push_back(tensorType(adaptor.getTable())
                      .clone({1, extentOr(adaptor.getTable(), 1),
                              extentOr(adaptor.getQueries(), 1),
                              extentOr(adaptor.getKeys(), 1)}));
}

void RotaryOp::inferTypes(Adaptor adaptor, SmallVectorImpl<Type> &types) {
  types.push_back(adaptor.getInput().getType());
}

void SelectTokenOp::inferTypes(Adaptor adaptor, SmallVectorImpl<Type> &types) {
  types.push_back(tensorType(adaptor.getInput())
                      .clone({extentOr(adaptor.getInput(), 0),
                              extentOr(adaptor.getInput(), 2)}));
}

} // namespace transom::transformer
