//===- Beams.h - beam search of one request -------------------------------===//
#ifndef TRANSOM_RUNTIME_GENERATION_BEAMS_H
#define TRANSOM_RUNTIME_GENERATION_BEAMS_H

#include "runtime/generation/Scores.h"

namespace transom {

/// The state of Hugging Face's beam search for one prompt: `num_beams` live
/// beams, and as many finished sequences, the best first. Owns all tokens; does
/// not know sequences of a session.
class Beams {
public:
  /// Memory for all that comes. False if there is none. `settings` must outlive
  /// this.
  bool create(const Settings &settings, const int32_t *prompt,
              int64_t vocabulary);

  /// Goes on by one token. `logits` has a row for each live beam; at first,
  /// when all of them are the prompt, the same for all. Sets parents.
  transom_status advance(const float *const *logits, Array<uint8_t> &seen);

  bool isDone() const { return done; }
  int64_t length() const { return currentLength; }
  /// Prompt and new tokens of a live beam, [length()].
  const int32_t *tokens(int32_t beam) const { return live(beam); }
  /// Which beam, before the last `advance`, a live beam continues.
  int32_t parent(int32_t beam) const { return parents[beam]; }

  /// A finished sequence, once all is done.
  struct Result {
    const int32_t *tokens; ///< prompt and new ones
    int64_t length;
    float score;
    transom_finish_reason
        finish; ///< TRANSOM_FINISH_NOT: there is no such sequence
  };
  Result result(int32_t index) const;

private:
  /// A continuation of a live beam.
  struct Next {
    float score; ///< sum of log-probabilities
    int32_t beam, token;
    transom_finish_reason finish;
  };
  struct Finished {
    float score;
    int64_t length;
    transom_finish_reason finish;
    int32_t slot; ///< where its tokens are
  };

  int32_t *row(int64_t slot) const { return memory + slot * capacity; }
  int32_t *live(int32_t beam) const { return row(current + beam); }
  void chooseBest();
  void chooseAtRandom(int64_t numCandidates);
  void fillNext(int32_t count);
  void findFinishes();
  void mergeFinished();
  void moveOn();
  void checkStop();

  const Settings *settings = nullptr;
  int64_t vocabulary = 0, capacity = 0, currentLength = 0;
  int32_t numBeams = 0, numNext = 0;
  bool done = false;

  /// Rows of tokens: two sets of live beams in turn, and of finished ones.
  Array<int32_t> rows;
  int32_t *memory = nullptr;
  int32_t current = 0; ///< first row of the live beams, 0 or numBeams

  Array<float> scores;         ///< [beams][vocabulary], accumulated
  Array<Candidate> candidates; ///< of all beams, if sampling
  Array<int32_t> owners;       ///< beam of each candidate, if sampling
  Array<float> liveScores;     ///< [beams]
  Array<int32_t> parents;      ///< [beams]
  Array<Next> next;            ///< [numNext]
  Array<Finished> finished;    ///< [beams]
  Array<Finished> merged;      ///< [beams + numNext]
  Array<int32_t> order;        ///< [numNext]
};

} // namespace transom

#endif // TRANSOM_RUNTIME_GENERATION_BEAMS_H
