//===- Diagnostics.h - MLIR's diagnostics as a command prints them -*- C++ -*-//

#ifndef TRANSOM_TOOLS_COMMANDS_DIAGNOSTICS_H
#define TRANSOM_TOOLS_COMMANDS_DIAGNOSTICS_H

#include "mlir/IR/Diagnostics.h"

namespace transom {

/// Prints diagnostics as `error: place: what`, and their notes, on stderr, as
/// long as it lives. A place is a file with line and column, or the name of a
/// module of the model.
class DiagnosticPrinter : public mlir::ScopedDiagnosticHandler {
public:
  explicit DiagnosticPrinter(mlir::MLIRContext &context);
};

} // namespace transom

#endif // TRANSOM_TOOLS_COMMANDS_DIAGNOSTICS_H
