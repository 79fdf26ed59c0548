//===- Model.h - the model that a command is given --------------*- C++ -*-===//

#ifndef TRANSOM_TOOLS_COMMANDS_MODEL_H
#define TRANSOM_TOOLS_COMMANDS_MODEL_H

#include "frontends/Frontend.h"

#include "llvm/Support/CommandLine.h"
#include "llvm/Support/raw_ostream.h"

namespace transom {

/// The flags of every command that reads a model.
struct ModelFlags {
  explicit ModelFlags(llvm::cl::SubCommand &command)
      : path(llvm::cl::Positional, llvm::cl::Required, llvm::cl::desc("MODEL"),
             llvm::cl::sub(command)),
        task("task", llvm::cl::value_desc("task"),
             llvm::cl::desc("what to compile the model for; default: what its "
                            "configuration names"),
             llvm::cl::sub(command)),
        strict("strict",
               llvm::cl::desc("refuse a configuration with keys that nothing "
                              "reads; default: list them"),
               llvm::cl::sub(command)) {}

  ImportOptions options() const { return {task, /*weights=*/"", strict}; }

  llvm::cl::opt<std::string> path, task;
  llvm::cl::opt<bool> strict;
};

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
