//===- Pool.h - workers that help a caller --------------------------------===//
#ifndef TRANSOM_RUNTIME_POOL_H
#define TRANSOM_RUNTIME_POOL_H

#include "runtime/transom.h"

namespace transom {

/// Runs until there is nothing left to take; `worker` is below the pool's
/// threads and differs between the threads in one call of `parallel`.
using ParallelBody = void(void *context, int32_t worker);

} // namespace transom

/// The part that other copies of the runtime may see: a session of one library
/// can use the pool of another one with the same ABI version.
struct transom_pool {
  uint32_t abiVersion;
  int32_t threads; ///< the workers, and one for the caller
  /// Calls `body` on this thread as worker 0, and on up to `helpers` workers
  /// that are free; returns when all of them have returned. Any number of
  /// threads may call it at a time, also from within a body.
  void (*parallel)(transom_pool *pool, int32_t helpers,
                   transom::ParallelBody *body, void *context);
};

#endif // TRANSOM_RUNTIME_POOL_H
