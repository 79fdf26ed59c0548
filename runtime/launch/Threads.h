//===- Threads.h - how many threads a session takes by default ------------===//
#ifndef TRANSOM_RUNTIME_THREADS_H
#define TRANSOM_RUNTIME_THREADS_H

#include <cstdint>

namespace transom {

constexpr int32_t maxThreads = 1024;

/// CPUs in the calling thread's affinity mask; at least 1.
int32_t affinityThreads();

/// The CPU quota of this process's cgroup, version 1 or 2, and of all groups
/// above it, rounded up; maxThreads if there is none. `root` stands before
/// /proc and /sys, for tests.
int32_t cgroupThreads(const char *root);

/// TRANSOM_NUM_THREADS, else OMP_NUM_THREADS (of a list the first number), else
/// the lesser of the two above. Values outside 1 to maxThreads are
/// ignored.
int32_t defaultThreads();

} // namespace transom

#endif // TRANSOM_RUNTIME_THREADS_H
