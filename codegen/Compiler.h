//===- Compiler.h - a kernel.program -> a library and its files -----------===//
#ifndef TRANSOM_CODEGEN_COMPILER_H
#define TRANSOM_CODEGEN_COMPILER_H

#include "codegen/Machine.h"
#include "ir/Weights/WeightSource.h"

#include "mlir/IR/BuiltinOps.h"
#include "mlir/IR/DialectRegistry.h"

#include <functional>
#include <string>
#include <vector>

namespace transom::codegen {

enum class Emit {
  Shared,   ///< libNAME.so, with NAME.h, NAME.weights, NAME.assets
  Static,   ///< libNAME.a, and the same
  Object,   ///< NAME.o, and the same
  Header,   ///< NAME.h alone
  MLIR,     ///< the kernel.program
  LLVM,     ///< the host program in LLVM IR
  Assembly, ///< the host program's and the kernels'
};

struct CompileOptions {
  /// The main file; the others stand beside it. "-" writes a text to stdout.
  std::string output;
  Emit emit = Emit::Shared;
  bool embedWeights = false;
  unsigned threads = 0;    ///< 0: one a core
  std::string cacheFolder; ///< of compiled kernels; "": none
  /// The model's folder, whose tokenizer is copied; "": none.
  std::string assetsFrom;
  /// Files and folders that the model was read from: no output replaces them.
  std::vector<std::string> inputs;
  std::string summary; ///< one line about the model, for the header
  /// Called as work is done, from any thread but from one at a time.
  std::function<void(size_t done, size_t total)> progress;
};

struct CompileReport {
  struct Phase {
    std::string name;
    double seconds;
  };
  std::vector<Phase> phases;
  size_t kernels = 0, cachedKernels = 0;
  int64_t weightsBytes = 0;
  std::vector<std::string> files; ///< written, the main one last
};

/// What compileProgram needs of a context.
void registerCodegenDialects(mlir::DialectRegistry &registry);

/// Compiles the one kernel.program of `module`. `weights` may be null if all
/// weights have inline values. On failure the errors have been emitted, at the
/// op concerned or at an unknown location, and no file is left.
mlir::LogicalResult compileProgram(mlir::ModuleOp module,
                                   const WeightSource *weights,
                                   const Machine &machine,
                                   const CompileOptions &options,
                                   CompileReport &report);

} // namespace transom::codegen

#endif // TRANSOM_CODEGEN_COMPILER_H
