//===- Decoder.h - what generation needs of a model -----------------------===//
#ifndef TRANSOM_RUNTIME_GENERATION_DECODER_H
#define TRANSOM_RUNTIME_GENERATION_DECODER_H

#include "runtime/cache/Step.h"

namespace transom {

/// A model that turns tokens of sequences into logits of the next ones, as a
/// table of functions: a session (Entry.cpp), or a test's. What they
/// do is said in Step.h; who calls them holds the model. Rows of logits depend
/// on the tokens before them only, to the bit: not on how these came in steps,
/// nor on other sequences.
struct Decoder {
  void *self;
  int64_t vocabulary;    ///< width of the logits
  int64_t ids;           ///< the model takes tokens in [0, ids)
  int64_t positions;     ///< most tokens of a sequence
  int64_t stepTokens;    ///< most tokens of a step; 0: any
  const int32_t *eosIds; ///< [numEosIds]: the model's own ends of a sequence
  int32_t numEosIds;

  transom_status (*add)(void *self, int64_t &sequence);
  transom_status (*fork)(void *self, int64_t sequence, int64_t length,
                         int64_t &fork);
  transom_status (*truncate)(void *self, int64_t sequence, int64_t length);
  void (*free)(void *self, int64_t sequence);
  transom_status (*step)(void *self, const StepPart *parts, int64_t numParts,
                         const int32_t *positions, int64_t numPositions,
                         StepRows &rows);

  // Of an encoder-decoder, whose prompts are encoder inputs.
  /// Null: there is no encoder.
  transom_status (*encode)(void *self, const StepPart *parts, int64_t numParts);
  int64_t encoderIds;       ///< the encoder takes tokens in [0, encoderIds)
  int64_t encoderPositions; ///< most tokens of an encoder input
  int32_t startId; ///< the model's own first token of a decoder; -1: none

  int64_t promptIds() const { return encode ? encoderIds : ids; }
};

} // namespace transom

#endif // TRANSOM_RUNTIME_GENERATION_DECODER_H
