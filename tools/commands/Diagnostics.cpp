//===- Diagnostics.cpp - MLIR's diagnostics as a command prints them ------===//

#include "tools/commands/Diagnostics.h"

#include "mlir/IR/Location.h"
#include "llvm/Support/raw_ostream.h"

using namespace llvm;

namespace transom {

static StringRef nameOf(mlir::DiagnosticSeverity severity) {
  switch (severity) {
  case mlir::DiagnosticSeverity::Note:
    return "note";
  case mlir::DiagnosticSeverity::Warning:
    return "warning";
  case mlir::DiagnosticSeverity::Error:
    return "error";
  case mlir::DiagnosticSeverity::Remark:
    return "remark";
  }
  llvm_unreachable("no such severity");
}

static void printPlace(mlir::Location location) {
  if (auto file = dyn_cast<mlir::FileLineColLoc>(location))
    errs() << file.getFilename().getValue() << ':' << file.getLine() << ':'
           << file.getColumn() << ": ";
  else if (auto name = dyn_cast<mlir::NameLoc>(location))
    errs() << name.getName().getValue() << ": ";
  else if (auto fused = dyn_cast<mlir::FusedLoc>(location);
           fused && !fused.getLocations().empty())
    printPlace(fused.getLocations().front());
  else if (auto call = dyn_cast<mlir::CallSiteLoc>(location))
    printPlace(call.getCallee());
}

static void print(mlir::Diagnostic &diagnostic) {
  errs() << nameOf(diagnostic.getSeverity()) << ": ";
  printPlace(diagnostic.getLocation());
  errs() << diagnostic << '\n';
}

DiagnosticPrinter::DiagnosticPrinter(mlir::MLIRContext &context)
    : ScopedDiagnosticHandler(&context, [](mlir::Diagnostic &diagnostic) {
        print(diagnostic);
        for (mlir::Diagnostic &note : diagnostic.getNotes())
          print(note);
      }) {}

} // namespace transom
