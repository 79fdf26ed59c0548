//===- Remarks.h - decisions that a user may regret -------------*- C++ -*-===//

#ifndef TRANSOM_PASSES_REMARKS_H
#define TRANSOM_PASSES_REMARKS_H

#include "mlir/IR/Operation.h"
#include "mlir/IR/Remarks.h"
#include "mlir/Interfaces/FunctionInterfaces.h"

namespace transom {

/// Begins a missed remark of category `fusion` at `op`: a pattern was there,
/// and `pass` left it alone. Stream a `remark::reason` into it.
inline mlir::remark::detail::InFlightRemark missedFusion(mlir::Operation *op,
                                                         llvm::StringRef pass) {
  auto options = mlir::remark::RemarkOpts::name(pass).category("fusion");
  if (auto function = op->getParentOfType<mlir::FunctionOpInterface>())
    options = options.function(function.getName());
  return mlir::remark::missed(op->getLoc(), options);
}

} // namespace transom

#endif // TRANSOM_PASSES_REMARKS_H
