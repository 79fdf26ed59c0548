//===- VerifyLowerable.cpp - every op left has a kernel -------------------===//
//
// The contract between fused ops and kernels, in terms of types: rows of f32
// (ids are i32) whose columns are known at compile time, weights, and single
// numbers. What else a fast kernel wants is said where it is selected
// (codegen/selection): what it leaves goes to a row program. So this pass
// refuses only what no kernel at all could compute.
//
//===----------------------------------------------------------------------===//

#include "ir/Transformer/Transformer.h"
#include "passes/Contracts.h"
#include "passes/Passes.h"

#include "mlir/Dialect/Arith/IR/Arith.h"
#include "mlir/Dialect/Func/IR/FuncOps.h"
#include "mlir/IR/TypeUtilities.h"

namespace transom {
#define GEN_PASS_DEF_VERIFYLOWERABLE
#include "passes/Passes.h.inc"
} // namespace transom

using namespace mlir;
using namespace transom::transformer;

namespace {

/// [rows, columns], or [rows] of one element each.
bool isRows(Value value) {
  auto type = dyn_cast<RankedTensorType>(value.getType());
  if (!type || type.getRank() < 1 || type.getRank() > 2 ||
      !type.isDynamicDim(0) || (type.getRank() == 2 && type.isDynamicDim(1)))
    return false;
  // Ids, offsets and lengths.
  Type element = type.getElementType();
  return element.isF32() || (element.isInteger(32) && type.getRank() == 1);
}
bool isF32Rows(Value value) {
  return isRows(value) && getElementTypeOrSelf(value).isF32();
}

/// A weight, whose layout the compiler chooses.
bool isWeight(Value value) {
  return value.getDefiningOp<GetWeightOp>() &&
         getElementTypeOrSelf(value).isF32();
}
bool hasOneRow(Value weight) {
  auto type = cast<RankedTensorType>(weight.getType());
  return type.getRank() < 2 || type.getDimSize(0) == 1;
}

/// One value for all elements becomes a constant of the kernel.
bool isSplat(Value value) {
  DenseElementsAttr constant;
  return matchPattern(value, m_Constant(&constant)) && constant.isSplat() &&
         constant.getElementType().isF32();
}

/// Of a linear or elementwise op: truth values may stand between floats.
bool hasFloatRegions(Operation *op) {
  return !op->walk([&](Operation *inner) {
              for (Type type : inner->getResultTypes())
                if (inner != op && !type.isF32() && !type.isInteger(1))
                  return WalkResult::interrupt();
              return WalkResult::advance();
            }).wasInterrupted();
}

/// Whether an op works on rows alone, or knows sequences and has a kernel.
bool worksOnRows(Operation *op) {
  if (isa<RaggedAttentionOp, AppendCacheOp, CachedAttentionOp>(op))
    return true;
  // A stride between columns is none that a kernel's operand can have.
  if (auto slice = dyn_cast<SliceOp>(op); slice && slice.getStep() != 1)
    return false;
  auto rowwise = dyn_cast<RowwiseOpInterface>(op);
  return rowwise && rowwise.isRowwise(/*rowDims=*/1);
}

bool isLowerable(Operation *op) {
  // No kernels of their own: operands of one.
  if (isa<GetWeightOp>(op))
    return isWeight(op->getResult(0));
  if (isa<arith::ConstantOp>(op))
    return isSplat(op->getResult(0));
  if (isa<func::ReturnOp>(op))
    return llvm::all_of(op->getOperands(), isRows);

  auto isOperand = [&](Value value) {
    // Where an operand is repeated, all rows get the same.
    bool repeats = isa<ElementwiseOpInterface, ElementwiseOp>(op);
    return isRows(value) || isSplat(value) ||
           (isWeight(value) && (!repeats || hasOneRow(value)));
  };
  auto isResult = [&](Value value) {
    return isF32Rows(value) &&
           (isa<ReshapeOp>(op) ||
            cast<RankedTensorType>(value.getType()).getRank() == 2);
  };
  return worksOnRows(op) && llvm::all_of(op->getOperands(), isOperand) &&
         llvm::all_of(op->getResults(), isResult) && hasFloatRegions(op);
}

/// Says what is wrong with the first op without a kernel.
LogicalResult verifyLowerable(func::FuncOp function) {
  for (Operation &op : function.getOps()) {
    if (isLowerable(&op))
      continue;
    InFlightDiagnostic diagnostic =
        emitError(op.getLoc()) << "no kernel accepts '" << op.getName() << "'";
    TypeRange types = op.getNumResults() ? TypeRange(op.getResultTypes())
                                         : TypeRange(op.getOperandTypes());
    if (!types.empty())
      diagnostic << " on " << types;
    transom::attachConsumingPass(diagnostic, &op);
    return diagnostic;
  }
  return success();
}

struct VerifyLowerable : transom::impl::VerifyLowerableBase<VerifyLowerable> {
  void runOnOperation() override {
    for (auto function : getOperation().getOps<func::FuncOp>())
      if (!function.isExternal() && failed(verifyLowerable(function)))
        return signalPassFailure();
    markAllAnalysesPreserved();
  }
};

} // namespace
