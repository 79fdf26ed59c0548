//===- KernelHarness.h - runs a compiled kernel as the runtime would ------===//
//
// For tests and the micro benchmark: links a kernel's object into a shared
// object, loads it, and walks its grid on one thread by the letter of
// runtime/abi.h. The runtime's own launcher is tested elsewhere.
//
//===----------------------------------------------------------------------===//
#ifndef TRANSOM_TEST_UNIT_SUPPORT_KERNELHARNESS_H
#define TRANSOM_TEST_UNIT_SUPPORT_KERNELHARNESS_H

#include "codegen/kernels/KernelCompiler.h"

#include <cstdint>
#include <memory>
#include <string>
#include <vector>

namespace transom::test {

/// How tasks are cut; 0 takes what the kernel asks for.
struct Cut {
  int64_t rows = 0;    ///< rows of a task
  int64_t columns = 0; ///< column units of a task
  int variant = -1;    ///< -1: by the number of rows
};

class LoadedKernel {
public:
  /// Null and `error` if it does not compile, link or load.
  static std::unique_ptr<LoadedKernel>
  load(const codegen::KernelSpec &spec, const codegen::Machine &machine,
       const codegen::KernelOptions &options, std::string &error);
  ~LoadedKernel();

  /// Runs all tasks of a launch. Operands are rows' first bytes, in the order
  /// of the spec's comment.
  void run(const std::vector<void *> &operands, int64_t rows,
           Cut cut = {}) const;
  /// A ragged launch of this many sequences.
  void runRagged(const std::vector<void *> &operands, int64_t sequences,
                 Cut cut = {}) const;

  /// Runs one task. Rows and columns are first and count; keys are those of
  /// the sequence.
  struct Task {
    int64_t row = 0, rows = 0, column = 0, columns = 0;
    int64_t keyRow = 0, keys = 0, rowBegin = 0, sequenceRows = 0;
  };
  void runTask(const std::vector<void *> &operands, const Task &task,
               int variant) const;
  int variantOf(int64_t rows) const;
  /// Variant v as the runtime calls it.
  int32_t (*function(size_t v) const)(void **) { return functions[v]; }

  const codegen::CompiledKernel kernel;

private:
  explicit LoadedKernel(codegen::CompiledKernel kernel)
      : kernel(std::move(kernel)) {}
  void *library = nullptr;
  std::vector<int32_t (*)(void **)> functions;
};

/// Off: scratch is handed out as fast as the runtime does, unchecked.
void setScratchChecks(bool on);
/// What kernels took from halide_malloc: most bytes at a time since reset.
int64_t peakScratch();
void resetScratch();
/// True if a kernel wrote outside of what it was given by halide_malloc.
bool scratchOverrun();

} // namespace transom::test

#endif // TRANSOM_TEST_UNIT_SUPPORT_KERNELHARNESS_H
