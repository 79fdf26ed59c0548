//===- Remarks.h - decisions that a user may regret -------------*- C++ -*-===//

#ifndef TRANSOM_PASSES_REMARKS_H
#define TRANSOM_PASSES_REMARKS_H

#include "mlir/IR/Operation.h"
#include "mlir/IR/Remarks.h"
#include "mlir/Interfaces/FunctionInterfaces.h"

namespace transom {

/// Emits a missed remark of category `fusion` at `op`: `pass` found a pattern
/// and left it alone, for this reason. Call it after the rewrite: a greedy
/// driver tries a pattern several times, and would repeat the remark.
inline void missedFusion(mlir::Operation *op, llvm::StringRef pass,
                         llvm::StringRef reason) {
  auto options = mlir::remark::RemarkOpts::name(pass).category("fusion");
  if (auto function = op->getParentOfType<mlir::FunctionOpInterface>())
    options = options.function(function.getName());
  mlir::remark::missed(op->getLoc(), options)
      << mlir::remark::reason("{0}", reason);
}

} // namespace transom

#endif // TRANSOM_PASSES_REMARKS_H
