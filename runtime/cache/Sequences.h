//===- Sequences.h - what a session has in its cache ----------------------===//
#ifndef TRANSOM_RUNTIME_SEQUENCES_H
#define TRANSOM_RUNTIME_SEQUENCES_H

#include "runtime/cache/Cache.h"

namespace transom {

/// Tokens of one text, whose keys and values are in the blocks of a cache.
struct Chain {
  int64_t length = 0;
  int32_t last = Cache::none; ///< its last block, held; those before hang on it
  int32_t blocks = 0;         ///< length, rounded up to blocks; more in a step
};

/// What a decoder continues, and the encoder input that it reads beside it.
struct Sequence {
  Chain tokens;
  Chain encoderInput; ///< of an encoder; shared with forks, written only once
  bool hasEncoderInput = false;
  bool isLive = false;
  int64_t step = 0;        ///< the last one that it was in
  uint32_t generation = 0; ///< how many had its entry before
  int32_t nextFree = -1;   ///< the next entry that is free, if this one is
};

/// The sequences of a session. Ids name an entry and its generation, so that
/// that of a freed sequence is never another's.
class Sequences {
public:
  /// See Cache::create.
  bool create(int64_t blockBytes, int64_t numBlocks) {
    return cache.create(blockBytes, numBlocks);
  }
  void release();

  /// The id of a new one, without tokens; -1: no memory. Moves all others.
  int64_t add();
  /// As `add`, with the first `length` tokens of another, which has as many,
  /// and with its encoder input.
  int64_t fork(int64_t id, int64_t length);
  /// Null if there is no such sequence.
  Sequence *find(int64_t id) const;
  void truncate(Sequence &sequence, int64_t length) {
    sequence.tokens.length = length;
    shrink(sequence.tokens);
  }
  /// Takes over `encoderInput`, and gives back the one before it.
  void setEncoderInput(Sequence &sequence, const Chain &encoderInput);
  void free(Sequence &sequence);

  /// Blocks for `tokens` more, and the one that the first of them goes to is
  /// the chain's own: a shared one is copied. False: no memory; the chain is as
  /// it was.
  bool extend(Chain &chain, int64_t tokens);
  /// Gives back the blocks behind its length.
  void shrink(Chain &chain);
  /// The ids of its blocks, [chain.blocks].
  void writeTable(const Chain &chain, int32_t *table) const;

  Cache cache;

private:
  Sequence *entries = nullptr;
  int64_t count = 0, capacity = 0;
  int32_t firstFree = -1;
};

/// A sequence of a batch, and what the program appends tokens to: its tokens in
/// a step, its new encoder input in an encode. That is extended, and not yet
/// longer.
struct BatchSequence {
  Sequence *sequence;
  Chain chain;
};

/// A batch of sequences.
struct Batch {
  const BatchSequence &operator[](int64_t index) const { return list[index]; }
  /// Of the chains of the first `count`.
  int64_t countBlocks(int64_t count) const {
    int64_t blocks = 0;
    for (int64_t i = 0; i < count; ++i)
      blocks += list[i].chain.blocks;
    return blocks;
  }
  int64_t countEncoderBlocks(int64_t count) const {
    int64_t blocks = 0;
    for (int64_t i = 0; i < count; ++i)
      blocks += list[i].sequence->encoderInput.blocks;
    return blocks;
  }

  BatchSequence *list = nullptr;
  const Sequences *sequences = nullptr;
};

} // namespace transom

#endif // TRANSOM_RUNTIME_SEQUENCES_H
