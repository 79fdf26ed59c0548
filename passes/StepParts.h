//===- StepParts.h - what a step is made of ---------------------*- C++ -*-===//
//
// Private to this folder. A packed function continues sequences if all that a
// token takes from others goes through attention: to its own sequence, or to
// what the encoder's tokens alone decide (transom-introduce-cache).
//
//===----------------------------------------------------------------------===//

#ifndef TRANSOM_PASSES_STEPPARTS_H
#define TRANSOM_PASSES_STEPPARTS_H

#include "ir/Transformer/Transformer.h"

#include "mlir/Dialect/Func/IR/FuncOps.h"

namespace transom {

struct StepParts {
  /// Attention to the function's own tokens, and to the encoder's.
  llvm::SmallVector<transformer::RaggedAttentionOp> layers, crossAttentions;
  // Arguments, by their roles; null if there is none.
  mlir::Value offsets, lengths, encoderOffsets, encoderLengths;
};

/// Finds the parts of `step`, a copy of `forward` without results per sequence.
/// Fails at the op that can't be part of a step.
mlir::LogicalResult findStepParts(mlir::func::FuncOp forward,
                                  mlir::func::FuncOp step, StepParts &parts);

/// An error at `op`, and who asks for a step.
mlir::LogicalResult refuseStep(mlir::func::FuncOp forward, mlir::Operation *op,
                               const llvm::Twine &why);

} // namespace transom

#endif // TRANSOM_PASSES_STEPPARTS_H
