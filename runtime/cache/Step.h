//===- Step.h - what generation needs of a session ------------------------===//
//
// The functions behind transom_sequence_..., transom_step and transom_encode,
// without tensors and without taking the session: for callers inside the
// runtime that hold it for longer than one call.
//
//===----------------------------------------------------------------------===//
#ifndef TRANSOM_RUNTIME_STEP_H
#define TRANSOM_RUNTIME_STEP_H

#include "runtime/transom.h"

#include <cstdint>

namespace transom {

/// Has the session's library a program `step`? If not, the functions below fail
/// (TRANSOM_INVALID_ARGUMENT).
bool hasSteps(const transom_session &session);
transom_status failWithoutCache(const transom_session &session);

/// Has it a program `encode`? Then sequences need an encoder input before a
/// step.
bool hasEncoderInputs(const transom_session &session);

transom_status addSequence(transom_session &session, int64_t &sequence);
transom_status forkSequence(transom_session &session, int64_t sequence,
                            int64_t length, int64_t &fork);
transom_status truncateSequence(transom_session &session, int64_t sequence,
                                int64_t length);
transom_status freeSequence(transom_session &session, int64_t sequence);
int64_t sequenceLength(const transom_session &session, int64_t sequence);

/// Tokens that a sequence can have: the bound of the model's
/// positions, whatever the memory; INT32_MAX - 1 if it has none.
int64_t positionLimit(const transom_session &session);
/// The same of an encoder input.
int64_t encoderLimit(const transom_session &session);

/// New tokens of one sequence, in a step; or its encoder input.
struct StepPart {
  int64_t sequence;
  const int32_t *tokens; ///< [count], what the first required input takes
  int64_t count;
};

/// Rows of logits in the arena; they stay until the session's next step or run.
/// Floats behind the vocabulary are anything.
struct StepRows {
  const float *data;
  int64_t stride; ///< floats from row to row
};

/// Appends the parts' tokens, fewer than INT32_MAX; inputs other than the ids
/// are left out. Of the logits the rows `positions` [numPositions] are
/// computed: indices into the tokens of all parts, one after the other. With
/// none, tokens are stored only. The parts are not copied. Allocates as
/// transom_step does, and fails as it does; also if the library generates no
/// text.
transom_status step(transom_session &session, const StepPart *parts,
                    int64_t numParts, const int32_t *positions,
                    int64_t numPositions, StepRows &rows);

/// Gives sequences their encoder inputs; inputs other than the ids are left
/// out, and no output is computed. Allocates and fails as transom_encode does.
transom_status encode(transom_session &session, const StepPart *parts,
                      int64_t numParts);

} // namespace transom

#endif // TRANSOM_RUNTIME_STEP_H
