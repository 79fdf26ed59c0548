//===- Cache.h - blocks of keys and values, counted -----------------------===//
#ifndef TRANSOM_RUNTIME_CACHE_H
#define TRANSOM_RUNTIME_CACHE_H

#include "runtime/Memory.h"
#include "runtime/abi.h"

namespace transom {

/// A pool of blocks of TRANSOM_CACHE_BLOCK tokens. Blocks are chains: each
/// knows the one before it, and holds it. Sequences that begin alike share the
/// blocks of their beginning, and each holds only its last one; a block that
/// without holders is free. The pool grows in place: its addresses are set
/// aside when it is made, memory comes when it is needed.
class Cache {
public:
  static constexpr int32_t none = -1;

  /// Of blocks of `bytes`, `numBlocks` of them at once; 0: as many as the
  /// machine's memory can hold, as they are needed. False: no memory.
  bool create(int64_t bytes, int64_t numBlocks);
  void release();

  /// A block after `previous` (or `none`), whose hold on it becomes the new
  /// block's; the caller holds the new one. `none` if there is no memory.
  int32_t take(int32_t previous);
  void hold(int32_t block) {
    if (block != none)
      ++holders[block];
  }
  /// Ends a hold; frees a block that has no holders left.
  void drop(int32_t block);

  /// Is the block held by others than the one who asks?
  bool isShared(int32_t block) const { return holders[block] > 1; }
  int32_t before(int32_t block) const { return previous[block]; }
  uint8_t *at(int32_t block) const {
    return memory + int64_t(block) * blockBytes;
  }

  int64_t numTaken() const { return taken; }
  /// Blocks that there can be, at most.
  int64_t numBlocks() const { return most; }

  uint8_t *memory = nullptr; ///< of block 0
  int64_t blockBytes = 0;

private:
  bool grow(int64_t more);

  uint8_t *mapping = nullptr;
  size_t mappedBytes = 0;
  int64_t most = 0;  ///< that addresses are set aside for
  int64_t ready = 0; ///< that can be written to
  int64_t used = 0;  ///< that have been taken at some time
  int64_t taken = 0, numFree = 0;
  Region tables;
  int32_t *holders = nullptr, *previous = nullptr;
  int32_t *free = nullptr; ///< [numFree], the last one is taken first
};

} // namespace transom

#endif // TRANSOM_RUNTIME_CACHE_H
