//===- ModuleFile.cpp - models as modules of IR ---------------------------===//

#include "frontends/ModuleFile.h"

#include "ir/Kernel/Kernel.h"
#include "ir/Transformer/Transformer.h"

#include "mlir/Dialect/Arith/IR/Arith.h"
#include "mlir/Dialect/Func/IR/FuncOps.h"
#include "mlir/IR/Diagnostics.h"
#include "mlir/Parser/Parser.h"
#include "llvm/Support/FormatVariadic.h"
#include "llvm/Support/Path.h"

using namespace llvm;

namespace transom {

static bool recognizes(StringRef path) {
  return sys::path::extension(path) == ".mlir";
}

/// Where in the file `location` points, or the file alone.
static std::string describe(mlir::Location location, StringRef path) {
  auto place = location->findInstanceOf<mlir::FileLineColLoc>();
  if (!place)
    return path.str();
  return formatv("{0}:{1}:{2}", place.getFilename().getValue(), place.getLine(),
                 place.getColumn());
}

static ImportedModel import(mlir::MLIRContext &context, StringRef path,
                            const ImportOptions &options, Problems &problems) {
  context
      .loadDialect<kernel::KernelDialect, mlir::arith::ArithDialect,
                   mlir::func::FuncDialect, transformer::TransformerDialect>();
  ImportedModel result;
  if (!options.weights.empty()) {
    result.weights = openWeights(options.weights, problems);
    result.assets = options.weights;
    if (!result.weights)
      return result;
  }
  // The parser's findings are problems as others are: `check` counts them.
  mlir::ScopedDiagnosticHandler handler(
      &context, [&](mlir::Diagnostic &diagnostic) {
        std::vector<std::string> notes;
        for (mlir::Diagnostic &note : diagnostic.getNotes())
          notes.push_back(describe(note.getLocation(), path) + ": " +
                          note.str());
        std::string place = describe(diagnostic.getLocation(), path);
        if (diagnostic.getSeverity() == mlir::DiagnosticSeverity::Error)
          problems.error(place, diagnostic.str(), join(notes, "\nnote: "));
        else
          problems.warning(place, diagnostic.str(), join(notes, "\nnote: "));
      });
  result.module = mlir::parseSourceFile<mlir::ModuleOp>(path, &context);
  result.description = sys::path::filename(path);
  return result;
}

const Frontend moduleFileFrontend = {"an .mlir file", recognizes, import,
                                     /*openWeights=*/nullptr};

} // namespace transom
