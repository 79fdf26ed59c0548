//===- Model.h - the model that a command is given --------------*- C++ -*-===//

#ifndef TRANSOM_TOOLS_COMMANDS_MODEL_H
#define TRANSOM_TOOLS_COMMANDS_MODEL_H

#include "frontends/Frontend.h"

#include "llvm/Support/raw_ostream.h"

namespace transom {

/// Reads the model at `path` and prints its problems on stderr. The module is
/// null if one of them is an error.
inline ImportedModel readModel(mlir::MLIRContext &context, llvm::StringRef path,
                               const ImportOptions &options) {
  Problems problems;
  ImportedModel model = importModel(context, path, options, problems);
  problems.print(llvm::errs());
  return model;
}

} // namespace transom

#endif // TRANSOM_TOOLS_COMMANDS_MODEL_H
