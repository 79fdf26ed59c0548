//===- Define.h - a kernel.define as selection reads it -------------------===//
#ifndef TRANSOM_CODEGEN_SELECTION_DEFINE_H
#define TRANSOM_CODEGEN_SELECTION_DEFINE_H

#include "codegen/selection/ColumnView.h"
#include "ir/Kernel/Kernel.h"

namespace transom::codegen {

/// The define under selection.
struct Define {
  explicit Define(kernel::DefineOp op);

  /// The op that all of the kernel is, null if it is none of this type.
  template <typename Op> Op only() const {
    return ops.size() == 1 && yield.getNumOperands() == 1
               ? llvm::dyn_cast<Op>(ops[0])
               : Op();
  }

  bool isWeight(const ColumnView &view) const {
    return llvm::is_contained(op.getWeights(), int64_t(view.argument));
  }
  /// The argument that is this activation [rows, width], or a slice of it.
  std::optional<ColumnView> activation(mlir::Value value) const;
  /// The argument that is this whole weight.
  std::optional<ColumnView> weight(mlir::Value value) const;
  /// The argument that is this cache.
  std::optional<ColumnView> cache(mlir::Value value) const;
  /// The argument that is this vector of i32: ids, offsets.
  std::optional<ColumnView> integers(mlir::Value value) const;

  // Ops are handles, whose methods are not const.
  mutable kernel::DefineOp op;
  mutable kernel::YieldOp yield;
  llvm::SmallVector<mlir::Operation *> ops; ///< but for slices and constants
};

/// Columns of [rows, columns]; [rows] is stored as [rows, 1], and so is a
/// scalar.
int64_t widthOf(mlir::Value value);

} // namespace transom::codegen

#endif // TRANSOM_CODEGEN_SELECTION_DEFINE_H
