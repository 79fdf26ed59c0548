//===- OpSupport.cpp - shared by the files that implement ops -------------===//

#include "ir/Transformer/OpSupport.h"

#include "ir/Transformer/Transformer.h"

#include "mlir/IR/TypeUtilities.h"

using namespace mlir;

namespace transom::transformer {

int64_t extentOf(Value value, int64_t index) {
  RankedTensorType type = tensorType(value);
  std::optional<int64_t> axis = normalizeAxis(index, type.getRank());
  return axis ? type.getDimSize(*axis) : ShapedType::kDynamic;
}

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

LogicalResult verifyBroadcast(Operation *op, ValueRange operands) {
  Type first = operands.front().getType();
  SmallVector<int64_t> shape;
  for (Value operand : operands) {
    Type type = operand.getType();
    auto tensor = dyn_cast<RankedTensorType>(type);
    if (bool(tensor) != isa<RankedTensorType>(first))
      return op->emitOpError() << "expects tensors only or scalars only, got "
                               << first << " and " << type;
    if (!tensor)
      continue;
    auto broadcast = broadcastShapes(shape, tensor.getShape());
    if (!broadcast)
      return op->emitOpError()
             << "expects shapes that broadcast, got " << operands.getTypes();
    shape = *broadcast;
  }
  return success();
}

LogicalResult verifyElementwise(Operation *op, ValueRange operands) {
  Type first = getElementTypeOrSelf(operands.front().getType());
  for (Value operand : operands.drop_front())
    if (Type type = getElementTypeOrSelf(operand.getType()); type != first)
      return op->emitOpError() << "expects operands of one element type, got "
                               << first << " and " << type;
  if (isa<AndOp, OrOp>(op) && !first.isInteger(1))
    return op->emitOpError() << "expects operands of i1, got " << first;
  return verifyBroadcast(op, operands);
}

/// An extent as the diagnostics write it: a number or ?.
static std::string formatExtent(int64_t extent) {
  return ShapedType::isDynamic(extent) ? "?" : std::to_string(extent);
}

LogicalResult verifyRank(Operation *op, StringRef name, Value value,
                         int64_t rank) {
  if (tensorType(value).getRank() == rank)
    return success();
  return op->emitOpError() << "expects " << name << " of rank " << rank
                           << ", got " << value.getType();
}

LogicalResult verifyRankAtLeast(Operation *op, StringRef name, Value value,
                                int64_t rank) {
  if (tensorType(value).getRank() >= rank)
    return success();
  return op->emitOpError() << "expects " << name << " of rank " << rank
                           << " or more, got " << value.getType();
}

LogicalResult verifyExtents(Operation *op, StringRef claim, int64_t a,
                            int64_t b) {
  if (areCompatibleExtents(a, b))
    return success();
  return op->emitOpError() << "expects " << claim << ", got " << formatExtent(a)
                           << " and " << formatExtent(b);
}

LogicalResult verifyElementTypes(Operation *op, ValueRange values) {
  Type first = tensorType(values.front()).getElementType();
  for (Value value : values.drop_front())
    if (Type type = tensorType(value).getElementType(); type != first)
      return op->emitOpError() << "expects operands of one element type, got "
                               << first << " and " << type;
  return success();
}

LogicalResult verifyAxis(Operation *op, int64_t axis, int64_t rank) {
  if (normalizeAxis(axis, rank))
    return success();
  return op->emitOpError() << "expects an axis of the input, which has rank "
                           << rank << ", got " << axis;
}

static LogicalResult verifyEpsilon(Operation *op, const APFloat &epsilon) {
  if (epsilon.isFinite() && !epsilon.isNegative())
    return success();
  return op->emitOpError() << "expects a finite epsilon of 0 or more, got "
                           << epsilon.convertToDouble();
}

LogicalResult verifyNorm(Operation *op, Value input, ValueRange parameters,
                         const APFloat &epsilon) {
  if (failed(verifyRankAtLeast(op, "input", input, 1)))
    return failure();
  constexpr StringRef names[] = {"gamma", "beta"};
  for (auto [name, value] : llvm::zip(names, parameters))
    if (failed(verifyRank(op, name, value, 1)) ||
        failed(verifyExtents(
            op, ("the widths of input and " + name + " to be equal").str(),
            extentOf(input, -1), extentOf(value, 0))))
      return failure();
  SmallVector<Value> values{input};
  llvm::append_range(values, parameters);
  return failed(verifyElementTypes(op, values)) ? failure()
                                                : verifyEpsilon(op, epsilon);
}

LogicalResult verifyDistanceBias(Operation *op, Value bias, Value query,
                                 int64_t heads) {
  if (!bias)
    return success();
  if (failed(verifyRank(op, "distance_bias", bias, 2)) ||
      failed(verifyElementTypes(op, {query, bias})) ||
      failed(verifyExtents(op, "a distance_bias for each head",
                           extentOf(bias, 0), heads)))
    return failure();
  if (extentOf(bias, 1) == 0)
    return op->emitOpError()
           << "expects a distance_bias of one distance or more, got "
           << bias.getType();
  return success();
}

LogicalResult verifyScalarRegion(Operation *op, Region &region,
                                 ArrayRef<Type> arguments,
                                 ArrayRef<Type> results) {
  Block &block = region.front();
  if (block.getNumArguments() != arguments.size())
    return op->emitOpError() << "expects a region of " << arguments.size()
                             << " arguments, got " << block.getNumArguments();
  for (auto [argument, type] : llvm::zip(block.getArguments(), arguments))
    if (argument.getType() != type)
      return op->emitOpError() << "expects argument " << argument.getArgNumber()
                               << " of the region to be " << type << ", got "
                               << argument.getType();
  for (Operation &inner : block.without_terminator()) {
    if (!isa<ElementwiseOpInterface>(inner) &&
        !inner.hasTrait<OpTrait::ConstantLike>())
      return inner.emitOpError()
             << "expects to be outside of '" << op->getName()
             << "', whose region takes elementwise ops and constants only";
    for (Type type : inner.getResultTypes())
      if (!type.isIntOrFloat())
        return inner.emitOpError()
               << "expects a scalar result in a region, got " << type;
  }
  auto yield = dyn_cast<YieldOp>(block.getTerminator());
  if (!yield)
    return op->emitOpError()
           << "expects a region that ends with '" << YieldOp::getOperationName()
           << "', got '" << block.getTerminator()->getName() << "'";
  if (yield.getNumOperands() != results.size())
    return yield.emitOpError()
           << "expects " << results.size() << " values, one a result, got "
           << yield.getNumOperands();
  for (auto [i, value] : llvm::enumerate(yield.getValues()))
    if (value.getType() != results[i])
      return yield.emitOpError() << "expects value " << i << " to be "
                                 << results[i] << ", got " << value.getType();
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

bool leavesRowsAlone(Operation *op, int64_t rowDims) {
  Value rows = cast<RowwiseOpInterface>(op).getRowsOperand().get();
  return isa<ElementwiseOpInterface, ElementwiseOp>(op) ||
         tensorType(rows).getRank() > rowDims;
}

} // namespace transom::transformer

#define GET_OP_CLASSES
#include "ir/Transformer/TransformerOps.cpp.inc"
