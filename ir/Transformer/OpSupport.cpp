//===- OpSupport.cpp - shared by the files that implement ops -------------===//

#include "ir/Transformer/OpSupport.h"

#include "ir/Transformer/Transformer.h"

#include "mlir/IR/TypeUtilities.h"

using namespace mlir;

namespace transom::transformer {

Type broadcastTypes(ValueRange operands, Type elementType) {
  SmallVector<int64_t> shape;
  bool isTensor = false;
  for (Value operand : operands) {
    auto tensor = dyn_cast<RankedTensorType>(operand.getType());
    if (!tensor)
      continue;
    isTensor = true;
    ArrayRef<int64_t> other = tensor.getShape();
    if (other.size() > shape.size())
      shape.insert(shape.begin(), other.size() - shape.size(), 1);
    for (auto [extent, with] :
         llvm::zip(llvm::reverse(shape), llvm::reverse(other)))
      extent = broadcastExtents(extent, with).value_or(ShapedType::kDynamic);
  }
  if (!isTensor)
    return elementType;
  return RankedTensorType::get(shape, elementType);
}

LogicalResult verifyElementwise(Operation *op, ValueRange operands) {
  Type first = operands.front().getType();
  SmallVector<int64_t> shape;
  if (auto tensor = dyn_cast<RankedTensorType>(first))
    shape.assign(tensor.getShape().begin(), tensor.getShape().end());
  for (Value operand : operands.drop_front()) {
    Type type = operand.getType();
    if (isa<RankedTensorType>(type) != isa<RankedTensorType>(first))
      return op->emitOpError() << "expects tensors only or scalars only, got "
                               << first << " and " << type;
    if (getElementTypeOrSelf(type) != getElementTypeOrSelf(first))
      return op->emitOpError() << "expects operands of one element type, got "
                               << first << " and " << type;
    auto tensor = dyn_cast<RankedTensorType>(type);
    if (!tensor)
      continue;
    auto broadcast = broadcastShapes(shape, tensor.getShape());
    if (!broadcast)
      return op->emitOpError() << "expects shapes that broadcast, got " << first
                               << " and " << type;
    shape = *broadcast;
  }
  return success();
}

OpOperand &findRowsOperand(Operation *op) {
  // The first operand is the activation, but where operands are broadcast:
  // there it is one that has the result's leading extents without being
  // repeated.
  auto result = dyn_cast<RankedTensorType>(op->getResult(0).getType());
  if (result && result.getRank() > 0 &&
      isa<ElementwiseOpInterface, ElementwiseOp>(op))
    for (OpOperand &operand : op->getOpOperands()) {
      auto type = dyn_cast<RankedTensorType>(operand.get().getType());
      if (type && type.getRank() == result.getRank() &&
          type.getShape().drop_back() == result.getShape().drop_back())
        return operand;
    }
  return op->getOpOperand(0);
}

} // namespace transom::transformer

#define GET_OP_CLASSES
#include "ir/Transformer/TransformerOps.cpp.inc"
