//===- Pool.cpp - persistent workers on a few job slots -------------------===//
//
// A caller publishes its body in a free slot, runs the body itself, and closes
// the slot. Workers that find an open slot enter it, run the body and leave. A
// body takes its tasks from a counter of its own, so that no caller waits for a
// worker that has no core: the others take what it would have done, and the
// caller waits for those only that are inside.
//
// A slot is one word: who is inside, whether it is open, and a generation. A
// worker enters by a compare-and-swap of that word, and so never sees a slot
// that was closed and used again in between.
//
//===----------------------------------------------------------------------===//
#include "runtime/launch/Pool.h"

#include "runtime/Error.h"
#include "runtime/Memory.h"
#include "runtime/abi.h"
#include "runtime/entry.h"
#include "runtime/launch/Futex.h"
#include "runtime/launch/Threads.h"

#include <csignal>
#include <cstdio>
#include <cstring>
#include <pthread.h>

using namespace transom;

namespace {

// The word of a slot: workers inside in the low bits, then flags, and above
// them a generation, so that a worker knows the job that it has just left.
constexpr uint32_t inside = 0xfff, open = 0x1000, claimed = 0x2000,
                   callerSleeps = 0x4000, generationStep = 0x8000,
                   generation = ~(generationStep - 1);
static_assert(maxThreads <= int32_t(inside), "workers must fit the count");

// Nanoseconds. A worker waits through the gap between two launches, a caller
// for the rest of the longest task.
constexpr int32_t leastSpin = 4000, workerSpin = 64000, callerSpin = 128000;

struct alignas(64) Slot {
  std::atomic<uint32_t> state{0};
  ParallelBody *body = nullptr;
  void *context = nullptr;
  Spin spin{leastSpin, callerSpin}; ///< of the caller that claimed the slot
};

/// Callers at a time that get help; any further ones work alone.
constexpr int numSlots = 8;

struct Pool;
struct Worker {
  pthread_t thread;
  Pool *pool;
  int32_t index;
};

struct Pool : transom_pool {
  Slot slots[numSlots];
  /// Counts up whenever a slot opens; workers sleep on it.
  alignas(64) std::atomic<uint32_t> signal{0};
  alignas(64) std::atomic<uint32_t> sleepers{0};
  std::atomic<bool> stopping{false};
  pid_t process = getpid();
  int32_t numWorkers = 0;
  Worker *workers = nullptr;
};

void leave(Slot &slot) {
  uint32_t before = slot.state.fetch_sub(1, std::memory_order_acq_rel);
  if ((before & inside) == 1 && (before & callerSleeps))
    futexWake(slot.state, 1);
}

/// Helps in every open slot once; false if there was none.
bool help(Pool &pool, int32_t worker, uint32_t *lastGeneration) {
  bool helped = false;
  // Workers begin at different slots, to spread over several callers.
  for (int i = 0; i < numSlots; ++i) {
    int index = (worker + i) % numSlots;
    Slot &slot = pool.slots[index];
    uint32_t state = slot.state.load(std::memory_order_relaxed);
    while ((state & open) && (state & generation) != lastGeneration[index])
      if (slot.state.compare_exchange_weak(state, state + 1,
                                           std::memory_order_acquire,
                                           std::memory_order_relaxed)) {
        lastGeneration[index] = state & generation;
        slot.body(slot.context, worker);
        leave(slot);
        helped = true;
        break;
      }
  }
  return helped;
}

void *work(void *argument) {
  auto &self = *static_cast<Worker *>(argument);
  Pool &pool = *self.pool;
  uint32_t lastGeneration[numSlots];
  memset(lastGeneration, 0xff, sizeof(lastGeneration)); // None: low bits are 0.
  Spin spin(leastSpin, workerSpin);
  for (;;) {
    // Read before looking: what comes later, an open slot or the end of the
    // pool, changes it.
    uint32_t seen = pool.signal.load(std::memory_order_acquire);
    if (pool.stopping.load(std::memory_order_acquire))
      return nullptr;
    if (help(pool, self.index, lastGeneration))
      continue;
    if (spin.until([&] {
          return pool.signal.load(std::memory_order_acquire) != seen;
        }))
      continue;
    pool.sleepers.fetch_add(1, std::memory_order_seq_cst);
    futexWait(pool.signal, seen);
    pool.sleepers.fetch_sub(1, std::memory_order_relaxed);
  }
}

void announce(Pool &pool, int32_t count) {
  // Sequentially consistent against the worker's sleepers and its look at the
  // signal: either we see the sleeper, or it sees the signal and stays awake.
  pool.signal.fetch_add(1, std::memory_order_seq_cst);
  if (pool.sleepers.load(std::memory_order_seq_cst) > 0)
    futexWake(pool.signal, count);
}

void parallel(transom_pool *handle, int32_t helpers, ParallelBody *body,
              void *context) {
  Pool &pool = *static_cast<Pool *>(handle);
  Slot *slot = nullptr;
  uint32_t current = 0;
  for (int i = 0; i < numSlots && !slot && helpers > 0; ++i) {
    uint32_t state = pool.slots[i].state.load(std::memory_order_relaxed);
    current = (state + generationStep) & generation;
    if (!(state & claimed) &&
        pool.slots[i].state.compare_exchange_strong(state, current | claimed,
                                                    std::memory_order_acquire,
                                                    std::memory_order_relaxed))
      slot = &pool.slots[i];
  }
  if (!slot)
    return body(context, 0);

  slot->body = body;
  slot->context = context;
  slot->state.store(current | claimed | open, std::memory_order_release);
  announce(pool, helpers);
  body(context, 0);
  slot->state.fetch_and(~open, std::memory_order_acq_rel);

  auto isDone = [&] {
    return !(slot->state.load(std::memory_order_acquire) & inside);
  };
  while (!slot->spin.until(isDone)) {
    uint32_t state =
        slot->state.fetch_or(callerSleeps, std::memory_order_acq_rel) |
        callerSleeps;
    if (state & inside)
      futexWait(slot->state, state);
  }
  slot->state.store(current, std::memory_order_release);
}

/// Stops and joins the first `count` workers.
void stop(Pool &pool, int32_t count) {
  pool.stopping.store(true, std::memory_order_release);
  announce(pool, INT_MAX);
  for (int32_t i = 0; i < count; ++i)
    pthread_join(pool.workers[i].thread, nullptr);
}

} // namespace

transom_status transom_pool_create(int32_t threads, transom_pool **result) {
  if (!result)
    return fail(TRANSOM_INVALID_ARGUMENT,
                "pool_create: 'pool' expects a place for the result, got null");
  *result = nullptr;
  if (threads < 0 || threads > maxThreads)
    return fail(TRANSOM_INVALID_ARGUMENT,
                "pool_create: 'threads' expects 0 (the default) to %d, got %d",
                maxThreads, threads);
  if (threads == 0)
    threads = defaultThreads();

  Pool *pool = create<Pool>();
  auto *workers =
      static_cast<Worker *>(calloc(size_t(threads), sizeof(Worker)));
  if (!pool || !workers) {
    destroy(pool);
    free(workers);
    return fail(TRANSOM_EXHAUSTED,
                "pool_create: no memory for a pool of %d threads", threads);
  }
  pool->abiVersion = TRANSOM_ABI_VERSION;
  pool->threads = threads;
  pool->parallel = parallel;
  pool->workers = workers;

  // The application's signals are for its own threads.
  sigset_t all, before;
  sigfillset(&all);
  pthread_sigmask(SIG_SETMASK, &all, &before);
  int error = 0;
  while (pool->numWorkers < threads - 1 && !error) {
    Worker &worker = workers[pool->numWorkers];
    worker.pool = pool;
    worker.index = pool->numWorkers + 1;
    error = pthread_create(&worker.thread, nullptr, work, &worker);
    if (error)
      break;
    char name[16];
    snprintf(name, sizeof(name), "transom-%d", worker.index);
    pthread_setname_np(worker.thread, name);
    ++pool->numWorkers;
  }
  pthread_sigmask(SIG_SETMASK, &before, nullptr);
  if (error) {
    int32_t started = pool->numWorkers;
    transom_pool_destroy(pool);
    return fail(TRANSOM_EXHAUSTED,
                "pool_create: expects to start %d worker threads, got %d: %s",
                threads - 1, started, errorText(error));
  }
  *result = pool;
  return TRANSOM_OK;
}

void transom_pool_destroy(transom_pool *handle) {
  if (!handle)
    return;
  Pool *pool = static_cast<Pool *>(handle);
  // The child of a fork has the pool, but no workers to join.
  if (pool->process == getpid())
    stop(*pool, pool->numWorkers);
  free(pool->workers);
  destroy(pool);
}
