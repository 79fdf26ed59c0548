//===- WeightWriter.h - checkpoint tensors -> the packed weights file -----===//
#ifndef TRANSOM_CODEGEN_WEIGHTS_WEIGHTWRITER_H
#define TRANSOM_CODEGEN_WEIGHTS_WEIGHTWRITER_H

#include "codegen/weights/Packing.h"
#include "codegen/weights/WeightPlan.h"

#include "llvm/Support/Error.h"
#include "llvm/Support/ThreadPool.h"

#include <atomic>
#include <mutex>

namespace transom::codegen {

/// Writes a weights file while other work goes on. Memory: a few megabytes a
/// thread; pages of the checkpoint are given back after each weight.
class WeightWriter {
public:
  /// `source` may be null if all weights have inline values.
  WeightWriter(const WeightPlan &plan, const WeightSource *source);

  /// Looks every weight up and compares its shape. Emits an error at each one
  /// that is missing or doesn't fit.
  mlir::LogicalResult resolve();

  /// Begins to write at `offset` of the open file `descriptor`, as tasks of
  /// `tasks`. `path` is for messages. To be called once, after resolve().
  void start(llvm::ThreadPoolTaskGroup &tasks, int descriptor, std::string path,
             int64_t offset);

  /// To be called when the tasks have ended: writes the header, and returns
  /// the hash of the contents. It does not depend on the number of threads.
  llvm::Expected<uint64_t> finish();

  /// Weights with values that are not a number. They are written as they are.
  std::vector<transformer::WeightOp> weightsWithNaN() const;

private:
  struct Item {
    const PackedWeight *weight = nullptr;
    WeightTensor tensor;
    WeightPieces pieces;
    std::vector<uint64_t> hashes; ///< of each piece
    std::atomic<int64_t> left = 0;
    std::atomic<bool> hasNaN = false;
  };
  void writePiece(Item &item, int64_t index);
  llvm::Error writeAt(const void *data, size_t size, int64_t offset);

  const WeightPlan &plan;
  const WeightSource *source;
  std::vector<std::unique_ptr<Item>> items;
  int descriptor = -1;
  std::string path;
  int64_t base = 0;
  std::mutex mutex;
  std::string problem; ///< the first failure of a task, guarded by mutex
  std::atomic<bool> failed = false;
};

} // namespace transom::codegen

#endif // TRANSOM_CODEGEN_WEIGHTS_WEIGHTWRITER_H
