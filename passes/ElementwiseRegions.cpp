//===- ElementwiseRegions.cpp - elementwise ops inside regions ------------===//

#include "passes/ElementwiseRegions.h"

#include "ir/Transformer/Transformer.h"

#include "mlir/Dialect/Arith/IR/Arith.h"
#include "mlir/IR/Matchers.h"

using namespace mlir;

bool transom::isTensorElementwise(Operation *op) {
  return isa<transformer::ElementwiseOpInterface>(op) &&
         op->getNumResults() == 1 &&
         isa<RankedTensorType>(op->getResult(0).getType());
}

TypedAttr transom::getSplatElement(Value value) {
  DenseElementsAttr elements;
  if (!matchPattern(value, m_Constant(&elements)) || !elements.isSplat())
    return {};
  return elements.getSplatValue<TypedAttr>();
}

bool transom::isRegionOperand(RankedTensorType type, RankedTensorType result) {
  ArrayRef<int64_t> shape = type.getShape(), wanted = result.getShape();
  if (shape == wanted || (type.hasStaticShape() && type.getNumElements() == 1))
    return true;
  if (shape.empty() || wanted.empty())
    return false;
  // A vector, or one value a row.
  if (shape.size() == 1)
    return shape[0] == wanted.back();
  return shape.size() == wanted.size() && shape.back() == 1 &&
         shape.drop_back() == wanted.drop_back();
}

// By its name, not by a switch over all elementwise ops: these are built of
// operands, attributes and a type alone, on tensors and on scalars.
Value transom::createOnScalars(OpBuilder &builder, Operation *op,
                               ValueRange scalars) {
  OperationState state(op->getLoc(), op->getName());
  state.addOperands(scalars);
  state.addTypes(getElementTypeOrSelf(op->getResult(0).getType()));
  state.addAttributes(op->getAttrs());
  return builder.create(state)->getResult(0);
}
