//===- Session.h - all that one run after another needs -------------------===//
#ifndef TRANSOM_RUNTIME_SESSION_H
#define TRANSOM_RUNTIME_SESSION_H

#include "runtime/Door.h"
#include "runtime/Grid.h"
#include "runtime/Memory.h"
#include "runtime/Model.h"
#include "runtime/Pool.h"
#include "runtime/Profile.h"
#include "runtime/Request.h"
#include "runtime/Scratch.h"

#include <atomic>

struct transom_session {
  transom_model *model = nullptr;
  transom_pool *pool = nullptr;
  bool ownsPool = false;
  /// Held by the call that uses the session: a second one is told off.
  std::atomic<bool> busy{false};

  transom::Request request;
  transom::Door door;
  transom::Region arena;
  transom::Region blocks; ///< transom::Block [sequences + 1], of a launch
  transom::ScratchSet scratch;
  const void **outputs = nullptr; ///< [num_outputs], as transom_frame::outputs
  transom_frame frame = {};
  bool launchFailed = false; ///< in this run, and it left its message

  /// What all memory above suffices for. The most packed rows, sequences and
  /// positions of any run so far, or what the options reserve.
  int64_t rowCapacity = 0, sequenceCapacity = 0, positionCapacity = 0;
  int64_t maxTokens = 0; ///< 0: memory grows

  bool profiling = false;
  transom::Profile profile;
};

#endif // TRANSOM_RUNTIME_SESSION_H
