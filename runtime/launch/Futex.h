//===- Futex.h - sleeping on a word, and the pauses before ----------------===//
#ifndef TRANSOM_RUNTIME_FUTEX_H
#define TRANSOM_RUNTIME_FUTEX_H

#include "runtime/arch/Arch.h"

#include <atomic>
#include <climits>
#include <cstdint>
#include <ctime>
#include <linux/futex.h>
#include <sys/syscall.h>
#include <unistd.h>

namespace transom {

/// Sleeps while `word` holds `expected`; may return early.
inline void futexWait(std::atomic<uint32_t> &word, uint32_t expected) {
  syscall(SYS_futex, &word, FUTEX_WAIT_PRIVATE, expected, nullptr, nullptr, 0);
}

/// Wakes up to `count` threads that sleep on `word`.
inline void futexWake(std::atomic<uint32_t> &word, int32_t count) {
  syscall(SYS_futex, &word, FUTEX_WAKE_PRIVATE, count, nullptr, nullptr, 0);
}

inline int64_t nanoseconds() {
  timespec time;
  clock_gettime(CLOCK_MONOTONIC, &time);
  return int64_t(time.tv_sec) * 1000000000 + time.tv_nsec;
}

/// How long a waiting thread spins before it sleeps. What is waited for usually
/// comes within microseconds, faster than a sleeper wakes; but while other
/// processes hold the cores, spinning keeps off the very thread that is waited
/// for. So a wait in vain halves the next one, and one that paid doubles it.
class Spin {
public:
  Spin(int32_t least, int32_t most) : least(least), most(most), now(most) {}

  /// Spins until `done()`; false if it is time to sleep.
  template <typename Predicate> bool until(Predicate done) {
    int64_t end = 0;
    for (;;) {
      // The clock costs about as much as 16 looks.
      for (int i = 0; i < 16; ++i) {
        if (done()) {
          now = now * 2 < most ? now * 2 : most;
          return true;
        }
        pauseCore();
      }
      int64_t time = nanoseconds();
      if (end == 0)
        end = time + now;
      else if (time >= end)
        break;
    }
    now = now / 2 > least ? now / 2 : least;
    return false;
  }

private:
  int32_t least, most, now; // Nanoseconds.
};

} // namespace transom

#endif // TRANSOM_RUNTIME_FUTEX_H
