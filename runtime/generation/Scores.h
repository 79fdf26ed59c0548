//===- Scores.h - from scores of all tokens to the one that is chosen -----===//
#ifndef TRANSOM_RUNTIME_GENERATION_SCORES_H
#define TRANSOM_RUNTIME_GENERATION_SCORES_H

#include "runtime/generation/Settings.h"

namespace transom {

/// A token that may be drawn.
struct Candidate {
  float score;
  float weight;  ///< scratch: what it is drawn by
  uint32_t rank; ///< scratch: what it is sorted by
  int32_t token;
};

/// Memory for one row of scores at a time, reserved once.
struct ScoreMemory {
  bool create(int64_t vocabulary);

  Array<float> scores;         ///< [vocabulary]
  Array<Candidate> candidates; ///< [vocabulary]
  Array<uint8_t> seen;         ///< [vocabulary], zeros between calls
};

/// The tokens of a sequence so far, which processors look at.
struct Context {
  const int32_t *tokens;
  int64_t length;
};

/// The first of the greatest scores; -1: all are minus infinity; -2: one is
/// NaN.
int64_t findBest(const float *scores, int64_t count);

void logSoftmax(float *scores, int64_t count);

/// Hugging Face's processors, in its order: repetition penalty, n-grams that
/// would repeat, bad words, minimum lengths, forced tokens. What may not come
/// gets minus infinity.
void processScores(const Settings &settings, Context context, float *scores,
                   int64_t vocabulary, Array<uint8_t> &seen);

/// Hugging Face's warpers, in its order: temperature (which changes `scores`),
/// top-k, top-p, min-p, typical-p. Writes the tokens that are left, in their
/// order, and returns how many. At
/// least `least` are left of those that are not minus infinity.
int64_t warpScores(const Settings &settings, int64_t least, float *scores,
                   int64_t vocabulary, Candidate *candidates);

/// The index of the candidate at `uniform`, in [0, 1), of the distribution
/// that their scores are logits of; -1: there is none (no candidates, or a
/// score of plus infinity).
int64_t draw(Candidate *candidates, int64_t count, double uniform);

/// The next token of a sequence without beams, from its row of logits; the
/// reason in transom_error if there is none. `index` counts its new tokens,
/// `sequence` the sequences of its request.
transom_status chooseToken(const Settings &settings, Context context,
                           const float *logits, int64_t vocabulary,
                           uint32_t sequence, ScoreMemory &memory,
                           int32_t &token);

/// The failures of a choice.
transom_status failNotANumber();
transom_status failNoToken();

} // namespace transom

#endif // TRANSOM_RUNTIME_GENERATION_SCORES_H
