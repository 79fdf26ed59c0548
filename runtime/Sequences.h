//===- Sequences.h - what a session has in its cache ----------------------===//
#ifndef TRANSOM_RUNTIME_SEQUENCES_H
#define TRANSOM_RUNTIME_SEQUENCES_H

#include "runtime/Cache.h"

namespace transom {

/// Tokens of one text, whose keys and values are in the blocks of a cache.
struct Sequence {
  int64_t length = 0;
  int32_t last = Cache::none; ///< its last block, held; those before hang on it
  int32_t blocks = 0;         ///< length, rounded up to blocks; more in a step
  int64_t step = 0;           ///< the last one that it was in
  uint32_t generation = 0;    ///< how many had its place before
  bool isLive = false;
  int32_t nextFree = -1; ///< the next place that is free, if this one is
};

/// The sequences of a session. Numbers name a place and its generation, so that
/// that of a freed sequence is never another's.
class Sequences {
public:
  /// See Cache::create.
  bool create(int64_t blockBytes, int64_t numBlocks) {
    return cache.create(blockBytes, numBlocks);
  }
  void release();

  /// The number of a new one, without tokens; -1: no memory. Moves all others.
  int64_t add();
  /// As `add`, with the first `length` tokens of another, which has as many.
  int64_t fork(int64_t number, int64_t length);
  /// Null if there is no such sequence.
  Sequence *find(int64_t number) const;
  void truncate(Sequence &sequence, int64_t length) {
    sequence.length = length;
    shrink(sequence);
  }
  void free(Sequence &sequence);

  /// Blocks for `tokens` more, and the one that the first of them goes to is
  /// the sequence's own: a shared one is copied. False: no memory; the sequence
  /// is as it was.
  bool extend(Sequence &sequence, int64_t tokens);
  /// Gives back the blocks behind its length.
  void shrink(Sequence &sequence);
  /// The numbers of its blocks, [sequence.blocks].
  void writeTable(const Sequence &sequence, int32_t *table) const;

  Cache cache;

private:
  Sequence *places = nullptr;
  int64_t count = 0, capacity = 0;
  int32_t firstFree = -1;
};

/// A step's batch: its sequences, already extended, not yet longer.
struct Members {
  const Sequence &operator[](int64_t index) const { return *list[index]; }
  Sequence **list = nullptr;
  const Sequences *sequences = nullptr;
};

} // namespace transom

#endif // TRANSOM_RUNTIME_SEQUENCES_H
