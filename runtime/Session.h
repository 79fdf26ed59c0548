//===- Session.h - all that one run after another needs -------------------===//
#ifndef TRANSOM_RUNTIME_SESSION_H
#define TRANSOM_RUNTIME_SESSION_H

#include "runtime/Error.h"
#include "runtime/Memory.h"
#include "runtime/batch/BatchPacker.h"
#include "runtime/batch/Request.h"
#include "runtime/cache/Sequences.h"
#include "runtime/launch/Grid.h"
#include "runtime/launch/Pool.h"
#include "runtime/launch/Profile.h"
#include "runtime/launch/Scratch.h"
#include "runtime/model/Model.h"

#include <atomic>

namespace transom {

/// What the runs of one program need: its caller's tensors, its inputs; those
/// of the encoder inputs apart, if it has any.
struct ProgramState {
  bool create(const transom_program *program);
  void release();

  const transom_program *program = nullptr;
  bool hasEncoderInput = false;
  Request request, encoderRequest;
  BatchPacker packer, encoderPacker;
  const void **outputs = nullptr; ///< [num_outputs], as transom_frame::outputs
};

} // namespace transom

struct transom_session {
  transom_model *model = nullptr;
  transom_pool *pool = nullptr;
  bool ownsPool = false;
  /// Held by the call that uses the session: a second one is rejected.
  std::atomic<bool> busy{false};

  transom::ProgramState *step = nullptr;   ///< one of them; null: no cache
  transom::ProgramState *encode = nullptr; ///< if sequences have encoder inputs
  transom::ProgramState *programs = nullptr; ///< [num_programs] of the library
  transom::Region arena;                     ///< of any of them
  transom::Region blocks; ///< transom::Block [sequences + 1], of a launch
  transom::ScratchSet scratch;
  transom_frame frame = {};
  bool launchFailed = false; ///< in this run, and it left its message

  /// What all memory above suffices for. The most packed rows, sequences and
  /// positions of any run so far, or what the options reserve.
  int64_t rowCapacity = 0, sequenceCapacity = 0, positionCapacity = 0;
  int64_t encoderCapacity = 0; ///< rows of encoder inputs
  int64_t maxTokens = 0;       ///< 0: memory grows

  transom::Sequences sequences; ///< if it has a step
  transom::Region batch; ///< transom::BatchSequence [sequences] of a step
  int64_t numSteps = 0;

  bool profiling = false;
  transom::Profile profile;
};

namespace transom {

/// Takes a session for the length of a call of `function`.
class Use {
public:
  Use(transom_session &session, const char *function)
      : taken(!session.busy.exchange(true, std::memory_order_acquire)),
        calling(function), session(session) {}
  ~Use() {
    if (taken)
      session.busy.store(false, std::memory_order_release);
  }
  Use(const Use &) = delete;

  const bool taken; ///< if not, return failBusy()

private:
  const Calling calling;
  transom_session &session;
};

transom_status failBusy();

/// Calls `call(session)` as `function`, with the session taken.
template <typename Call>
transom_status withSession(const char *function, transom_session *session,
                           Call call) {
  Calling calling(function);
  if (!session)
    return fail(TRANSOM_INVALID_ARGUMENT,
                "'session' expects a session, got null");
  Use use(*session, function);
  return use.taken ? call(*session) : failBusy();
}

/// Packs the batch that the state's request has read, and runs the program;
/// `batch` with a cache, else null. Leaves rows of outputs in
/// `state.outputs`.
transom_status runPacked(transom_session &session, ProgramState &state,
                         const Batch *batch);

} // namespace transom

#endif // TRANSOM_RUNTIME_SESSION_H
