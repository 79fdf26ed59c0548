//===- VerifyLowerable.cpp - every op left has a kernel -------------------===//
//
// The contract between fused ops and kernels. What a kernel family accepts is
// said here once, in terms of types: rows of f32 (ids are i32), columns known
// at compile time. Anything whose meaning is a row program (elementwise chains,
// reductions of a row, norms, softmax) has the generic family to fall back on.
//
//===----------------------------------------------------------------------===//

#include "ir/Transformer/Transformer.h"
#include "passes/Contracts.h"
#include "passes/Passes.h"

#include "mlir/Dialect/Arith/IR/Arith.h"
#include "mlir/Dialect/Func/IR/FuncOps.h"
#include "llvm/ADT/TypeSwitch.h"

namespace transom {
#define GEN_PASS_DEF_VERIFYLOWERABLE
#include "passes/Passes.h.inc"
} // namespace transom

using namespace mlir;
using namespace transom::transformer;

namespace {

/// [rows, columns] or, of scalars a row, [rows]; elements of type `element`.
bool isRows(Value value, llvm::function_ref<bool(Type)> element) {
  auto type = dyn_cast<RankedTensorType>(value.getType());
  return type && (type.getRank() == 1 || type.getRank() == 2) &&
         type.isDynamicDim(0) &&
         (type.getRank() == 1 || !type.isDynamicDim(1)) &&
         element(type.getElementType());
}
bool isF32(Type type) { return type.isF32(); }
bool isI32(Type type) { return type.isInteger(32); }

bool isActivation(Value value) {
  return isRows(value, isF32) &&
         cast<RankedTensorType>(value.getType()).getRank() == 2;
}
/// Of [rows, columns].
bool isLastAxis(int64_t axis) { return axis == 1 || axis == -1; }
bool areActivations(ValueRange values) {
  return llvm::all_of(values, isActivation);
}

/// A weight, whose layout the compiler chooses.
bool isWeight(Value value) {
  return value.getDefiningOp<GetWeightOp>() &&
         cast<RankedTensorType>(value.getType()).getElementType().isF32();
}

/// One value for all elements becomes a constant of the kernel.
bool isSplat(Value value) {
  DenseElementsAttr constant;
  return matchPattern(value, m_Constant(&constant)) && constant.isSplat() &&
         constant.getElementType().isF32();
}

/// An operand of a row program that produces [rows, `width`]: an activation
/// [rows, width] or [rows, 1], a weight [width], [1, width] or [1], a splat.
bool isRowOperand(Value value, int64_t width) {
  auto type = cast<RankedTensorType>(value.getType());
  if (isSplat(value))
    return true;
  if (type.getRank() > 2 ||
      (type.getRank() > 0 && type.getShape().back() != width &&
       type.getShape().back() != 1))
    return false;
  return isActivation(value) ||
         (isWeight(value) && (type.getRank() < 2 || type.getDimSize(0) == 1));
}
bool isRowProgram(ValueRange operands, ValueRange results) {
  if (results.empty() || !areActivations(results))
    return false;
  int64_t width = 1;
  for (Value result : results)
    width =
        std::max(width, cast<RankedTensorType>(result.getType()).getDimSize(1));
  return llvm::all_of(
             operands,
             [&](Value value) { return isRowOperand(value, width); }) &&
         llvm::any_of(operands, isActivation);
}

/// The region of a linear or elementwise op: elementwise ops on f32 (and i1 in
/// between), constants, a yield.
bool isRowRegion(Region &region) {
  for (Operation &op : region.getOps()) {
    if (!isa<ElementwiseOpInterface, arith::ConstantOp, YieldOp>(op))
      return false;
    for (Type type : op.getResultTypes())
      if (!type.isF32() && !type.isInteger(1))
        return false;
  }
  return true;
}

bool isLowerable(Operation *op) {
  return llvm::TypeSwitch<Operation *, bool>(op)
      // No kernels of their own: operands of one.
      .Case<GetWeightOp>(
          [](GetWeightOp op) { return isWeight(op.getResult()); })
      .Case<arith::ConstantOp>([](auto op) { return isSplat(op.getResult()); })
      .Case<func::ReturnOp>([](auto op) {
        return llvm::all_of(op.getOperands(), [](Value value) {
          return isRows(value, [](Type t) { return isF32(t) || isI32(t); }) &&
                 !isWeight(value);
        });
      })
      .Case<EmbeddingOp>([](EmbeddingOp op) {
        return isRows(op.getIds(), isI32) &&
               op.getIds().getType().getRank() == 1 &&
               (isWeight(op.getTable()) || isActivation(op.getTable())) &&
               isActivation(op.getResult());
      })
      .Case<LinearOp>([](LinearOp op) {
        auto result = op.getResult().getType();
        return isActivation(op.getInput()) && isWeight(op.getWeight()) &&
               (!op.getBias() || isWeight(op.getBias())) &&
               isActivation(op.getResult()) &&
               llvm::all_of(op.getExtras(),
                            [&](Value value) {
                              return isRowOperand(value, result.getDimSize(1));
                            }) &&
               isRowRegion(op.getEpilogue());
      })
      .Case<RaggedAttentionOp>([](RaggedAttentionOp op) {
        return areActivations({op.getQuery(), op.getKey(), op.getValue(),
                               op.getResult()}) &&
               isRows(op.getQueryOffsets(), isI32) &&
               isRows(op.getKeyOffsets(), isI32) &&
               isRows(op.getKeyLengths(), isI32) &&
               (!op.getDistanceBias() || isWeight(op.getDistanceBias()));
      })
      .Case<AppendCacheOp>([](AppendCacheOp op) {
        return areActivations({op.getCache(), op.getKey(), op.getValue()}) &&
               isRows(op.getSlots(), isI32);
      })
      .Case<CachedAttentionOp>([](CachedAttentionOp op) {
        return areActivations({op.getQuery(), op.getCache(), op.getResult()}) &&
               isRows(op.getQueryOffsets(), isI32) &&
               isRows(op.getKeyLengths(), isI32) &&
               isRows(op.getBlockTable(), isI32) &&
               isRows(op.getBlockOffsets(), isI32) &&
               (!op.getDistanceBias() || isWeight(op.getDistanceBias()));
      })
      .Case<RotaryOp>([](RotaryOp op) {
        return isActivation(op.getInput()) && isRows(op.getPositions(), isI32);
      })
      .Case<LayerNormOp, RmsNormOp>([](auto op) {
        return isActivation(op.getInput()) &&
               llvm::all_of(op->getOperands().drop_front(1), isWeight);
      })
      .Case<AddLayerNormOp, AddRmsNormOp>([](auto op) {
        return isActivation(op.getInput()) && isActivation(op.getResidual()) &&
               llvm::all_of(op->getOperands().drop_front(2), isWeight);
      })
      .Case<SoftmaxOp>([](SoftmaxOp op) { return isActivation(op.getInput()); })
      .Case<ReduceOp>([](ReduceOp op) {
        return isActivation(op.getInput()) && isActivation(op.getResult()) &&
               op.getAxes().size() == 1 && isLastAxis(op.getAxes().front());
      })
      .Case<SliceOp>([](SliceOp op) {
        return isActivation(op.getInput()) && isActivation(op.getResult()) &&
               isLastAxis(op.getAxis()) && op.getStep() == 1;
      })
      .Case<ReshapeOp>([](ReshapeOp op) {
        return isActivation(op.getInput()) && isRows(op.getResult(), isF32) &&
               op.isColumn();
      })
      .Case<ElementwiseOp>([](ElementwiseOp op) {
        return isRowProgram(op.getInputs(), op.getResults()) &&
               isRowRegion(op.getBody());
      })
      .Default([](Operation *op) {
        return isa<ElementwiseOpInterface>(op) &&
               isRowProgram(op->getOperands(), op->getResults());
      });
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
