//===- PaddedSignature.h - arguments and results of a model -----*- C++ -*-===//
//
// Private to transom-remove-padding. A model's `transformer.dims` and roles say
// which of its arguments and results are padded, and how.
//
//===----------------------------------------------------------------------===//

#ifndef TRANSOM_PASSES_PADDEDSIGNATURE_H
#define TRANSOM_PASSES_PADDEDSIGNATURE_H

#include "ir/Transformer/Packing.h"

#include "mlir/Dialect/Func/IR/FuncOps.h"

namespace transom {

/// Whether it is a function of [batch, ..]: others are packed already, or no
/// model.
bool isPadded(mlir::func::FuncOp function);

/// Adds the packed arguments; fails at one whose dimensions aren't padded ones.
mlir::LogicalResult packArguments(mlir::func::FuncOp function,
                                  transformer::Packing &packing);

/// Returns the packed results, and their attributes; fails at one that isn't
/// what its dimensions say.
mlir::FailureOr<llvm::SmallVector<mlir::Attribute>>
packResults(mlir::func::FuncOp function, transformer::Packing &packing);

} // namespace transom

#endif // TRANSOM_PASSES_PADDEDSIGNATURE_H
