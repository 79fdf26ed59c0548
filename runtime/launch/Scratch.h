//===- Scratch.h - where kernels find heap temporaries --------------------===//
#ifndef TRANSOM_RUNTIME_SCRATCH_H
#define TRANSOM_RUNTIME_SCRATCH_H

#include "runtime/Memory.h"

namespace transom {

/// A worker's stack of temporaries: a kernel's user context. Allocations beyond
/// it come from the heap, so that a kernel that says too little still gets its
/// memory, and `wanted` tells how much there should have been.
struct Scratch {
  struct Header;

  uint8_t *base = nullptr; ///< aligned to `alignment`
  size_t bytes = 0, top = 0;
  Header *last = nullptr; ///< newest block that is not yet given back
  size_t onHeap = 0, wanted = 0;

  /// Of every block, as Halide demands of halide_malloc. Each block costs as
  /// much again for its header.
  static constexpr size_t alignment = 128;
  /// For the headers of a task's blocks.
  static constexpr size_t slack = size_t(32) * alignment;

  void reset(uint8_t *memory, size_t size) {
    base = memory;
    bytes = size;
    top = 0;
    last = nullptr;
  }
};

/// The scratch of all workers of a session.
struct ScratchSet {
  /// False if there is no memory. To be released by `release`.
  bool create(int32_t workers);
  void release();
  /// Gives each worker room for a table of `tableBytes` (in front, at
  /// `table(worker)`), and for `scratchBytes` of a kernel's own. The first to
  /// call it in a run gets what earlier kernels were found to want.
  bool reserve(int64_t tableBytes, int64_t scratchBytes);
  void *table(int32_t worker) const {
    return region.base + size_t(worker) * stride;
  }

  Region region;
  Scratch *workers = nullptr; ///< [numWorkers]
  int32_t numWorkers = 0;
  size_t stride = 0;
};

} // namespace transom

#endif // TRANSOM_RUNTIME_SCRATCH_H
