//===- Engine.h - many requests, stepped together -------------------------===//
#ifndef TRANSOM_RUNTIME_GENERATION_ENGINE_H
#define TRANSOM_RUNTIME_GENERATION_ENGINE_H

#include "runtime/generation/Beams.h"
#include "runtime/generation/Decoder.h"
#include "runtime/generation/Scores.h"
#include "runtime/generation/Settings.h"

namespace transom {

/// One sequence that is being made: one of num_return_sequences, or a beam.
struct Branch {
  /// The model's; -1: none yet, or it was given up and is made anew.
  int64_t sequence = -1;
  int64_t computed = 0; ///< of its tokens, those the model has read
  /// Prompt and new ones; of a beam, where Beams has them. Guesses may follow.
  int32_t *tokens = nullptr;
  int64_t length = 0;
  int64_t reported = 0; ///< of its tokens, those the callback has seen
  transom_finish_reason finish = TRANSOM_FINISH_NOT;

  /// In this step: tokens that the model reads, how many of them are guesses,
  /// and the row of logits of the first that has one; -1: none has.
  int64_t fed = 0, guesses = 0, firstRow = -1;
};

/// A request while it is served.
struct Job {
  int64_t number = 0;
  Settings settings;
  Array<int32_t> source; ///< what an encoder reads, if the model has one
  /// A sequence with that source and no tokens, which branches begin as forks
  /// of; -1: it is not encoded.
  int64_t root = -1;
  transom_generation_callback callback = nullptr;
  void *user = nullptr;

  /// As many as there will be; at first only one of them is there.
  Array<Branch> branches;
  int32_t numBranches = 1;
  Array<int32_t> tokens; ///< of all branches, if they are not beams
  Beams beams;
  Array<int64_t> oldSequences; ///< scratch: those that beams continue

  bool isCancelled = false; ///< to be ended at the next occasion
  bool isSilent = false;    ///< its callback wants no more
  bool hasEnded = false;

  int32_t width() const { return int32_t(branches.size()); }
};

/// Keys and values of a sequence that has ended, for prompts to come.
struct Kept {
  int64_t sequence;
  int32_t *tokens; ///< on the heap
  int64_t length;
};

/// See transom_engine_create. All memory of a step is reserved when a request
/// is submitted, or before.
/// Engine.cpp has what requests need, EngineStep.cpp steps,
/// EngineChoice.cpp what they lead to.
class Engine {
public:
  ~Engine();
  transom_status create(const Decoder &decoder,
                        const transom_engine_options *options);
  transom_status submit(const int32_t *prompt, int64_t length,
                        const transom_generation_options *options,
                        transom_generation_callback callback, void *user,
                        int64_t *request);
  transom_status step(int64_t *live);
  transom_status cancel(int64_t request);
  /// Is this call made by a callback? If not, the model must be held.
  bool isInCallback() const { return isBusy; }

private:
  // Engine.cpp.
  void sweep();
  void report(Job &request, int32_t sequence, const int32_t *tokens,
              int64_t count, transom_finish_reason finish, float score,
              transom_status status);
  void endBranch(Job &request, int32_t index, transom_finish_reason finish,
                 transom_status status);
  void endRequest(Job &request, transom_finish_reason finish,
                  transom_status status);
  void release(Branch &branch);
  void release(Job &request);
  void keep(Branch &branch);
  bool isAwaited() const;
  bool giveUpKept();

  // EngineStep.cpp.
  void admit();
  transom_status encodeSources();
  transom_status encodeBatch(bool &isLast);
  transom_status run();
  transom_status gather(int64_t &numParts, int64_t &numRows);
  void gatherDecodes(int64_t &numParts, int64_t &numRows, int64_t &budget);
  transom_status gatherPrompts(int64_t &numParts, int64_t &numRows,
                               int64_t &budget);
  void feed(Branch &branch, int64_t count, int64_t guesses, bool wantsLogits,
            int64_t &numParts, int64_t &numRows);
  transom_status place(const Job &request, Branch &branch, bool &isPlaced);
  bool relieve();

  // EngineChoice.cpp.
  void choose(Job &request, const StepRows &rows);
  void chooseForBranch(Job &request, int32_t index, const StepRows &rows);
  void chooseForBeams(Job &request, const StepRows &rows);

  /// Fewer tokens in common are computed again rather than shared.
  static constexpr int64_t leastShared = 16;

  Decoder decoder = {};
  int64_t maxSequences = 0, stepTokens = 0, maxKept = 0;
  bool isBusy = false; ///< in a step, or in a cancel
  /// A request had to give up its memory: none is taken until one has ended.
  bool isShort = false;
  int64_t nextNumber = 0;

  Array<Job *> waiting, live; ///< in order of their numbers
  Array<Kept> kept;           ///< the one used last is last
  ScoreMemory memory;
  Array<StepPart> parts;           ///< [maxSequences]
  Array<int32_t> positions;        ///< [stepTokens]
  Array<const float *> beamLogits; ///< [maxSequences]
};

} // namespace transom

#endif // TRANSOM_RUNTIME_GENERATION_ENGINE_H
