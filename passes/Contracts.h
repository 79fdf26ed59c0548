//===- Contracts.h - which pass should have consumed an op ------*- C++ -*-===//
//
// Passes that refuse an op say who is to blame for its being there.
//
//===----------------------------------------------------------------------===//

#ifndef TRANSOM_PASSES_CONTRACTS_H
#define TRANSOM_PASSES_CONTRACTS_H

#include "mlir/IR/Diagnostics.h"
#include "mlir/IR/Operation.h"

namespace transom {

/// The flag (`transom-x`) of the pass after which no such op should be left, or
/// empty if there is none.
llvm::StringRef getConsumingPass(mlir::Operation *op);

/// Adds the note that names the pass to blame for `op`, if there is one.
void attachConsumingPass(mlir::InFlightDiagnostic &diagnostic,
                         mlir::Operation *op);

} // namespace transom

#endif // TRANSOM_PASSES_CONTRACTS_H
