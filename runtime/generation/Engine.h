//===- Engine.h - many requests, stepped together -------------------------===//
#ifndef TRANSOM_RUNTIME_GENERATION_ENGINE_H
#define TRANSOM_RUNTIME_GENERATION_ENGINE_H

#include "runtime/generation/Beams.h"
#include "runtime/generation/Decoder.h"
#include "runtime/generation/Scores.h"
#include "runtime/generation/Settings.h"

namespace transom {

/// One sequence that is being made: one of num_return_sequences, or a beam.
struct GenerationSequence {
  /// The model's sequence; -1: none yet, or it was preempted and is made anew.
  int64_t id = -1;
  int64_t computed = 0; ///< of its tokens, those the model has read
  /// Prompt and new ones; of a beam, where Beams has them. Draft tokens may
  /// follow.
  int32_t *tokens = nullptr;
  int64_t length = 0;
  int64_t reported = 0; ///< of its tokens, those the callback has seen
  transom_finish_reason finish = TRANSOM_FINISH_NOT;

  /// In this step: tokens that the model reads, how many of them are draft
  /// tokens, and the row of logits of the first that has one; -1: none has.
  int64_t numRead = 0, drafts = 0, firstRow = -1;
};

/// A request while it is served.
struct GenerationRequest {
  int64_t id = 0;
  Settings settings;
  Array<int32_t> encoderInput; ///< what an encoder reads, if the model has one
  /// A sequence with that encoder input and no tokens, which sequences begin as
  /// forks of; -1: it is not encoded.
  int64_t root = -1;
  transom_generation_callback callback = nullptr;
  void *user = nullptr;

  /// As many as there will be; at first only one of them is there.
  Array<GenerationSequence> sequences;
  int32_t numSequences = 1;
  Array<int32_t> tokens; ///< of all sequences, if they are not beams
  Beams beams;
  Array<int64_t> oldSequences; ///< scratch: those that beams continue

  bool isCancelled = false; ///< to be ended at the next occasion
  bool isSilent = false;    ///< its callback wants no more
  bool hasEnded = false;

  int32_t width() const { return int32_t(sequences.size()); }
};

/// Keys and values of a sequence that has ended, for prompts to come.
struct CachedPrefix {
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
  void report(GenerationRequest &request, int32_t sequence,
              const int32_t *tokens, int64_t count,
              transom_finish_reason finish, float score, transom_status status);
  void endSequence(GenerationRequest &request, int32_t index,
                   transom_finish_reason finish, transom_status status);
  void endRequest(GenerationRequest &request, transom_finish_reason finish,
                  transom_status status);
  void release(GenerationSequence &sequence);
  void release(GenerationRequest &request);
  void cachePrefix(GenerationSequence &sequence);
  bool isAwaited() const;
  bool evictPrefix();

  // EngineStep.cpp.
  void admit();
  transom_status encodeInputs();
  transom_status encodeBatch(bool &isLast);
  transom_status run();
  transom_status gather(int64_t &numParts, int64_t &numRows);
  void gatherDecodes(int64_t &numParts, int64_t &numRows, int64_t &budget);
  transom_status gatherPrompts(int64_t &numParts, int64_t &numRows,
                               int64_t &budget);
  void schedule(GenerationSequence &sequence, int64_t count, int64_t drafts,
                bool wantsLogits, int64_t &numParts, int64_t &numRows);
  transom_status start(const GenerationRequest &request,
                       GenerationSequence &sequence, bool &isStarted);
  bool preempt();

  // EngineChoice.cpp.
  void choose(GenerationRequest &request, const StepRows &rows);
  void chooseForSequence(GenerationRequest &request, int32_t index,
                         const StepRows &rows);
  void chooseForBeams(GenerationRequest &request, const StepRows &rows);

  /// Fewer tokens in common are computed again rather than shared.
  static constexpr int64_t leastShared = 16;

  Decoder decoder = {};
  int64_t maxSequences = 0, stepTokens = 0, maxPrefixes = 0;
  bool isBusy = false; ///< in a step, or in a cancel
  /// A request was preempted: none is taken until one has ended.
  bool isShort = false;
  int64_t nextId = 0;

  Array<GenerationRequest *> waiting, live; ///< in order of their ids
  Array<CachedPrefix> prefixes;             ///< the one used last is last
  ScoreMemory memory;
  Array<StepPart> parts;           ///< [maxSequences]
  Array<int32_t> positions;        ///< [stepTokens]
  Array<const float *> beamLogits; ///< [maxSequences]
};

} // namespace transom

#endif // TRANSOM_RUNTIME_GENERATION_ENGINE_H
