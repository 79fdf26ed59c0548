//===- Threads.cpp - affinity, cgroup quotas and environment --------------===//
#include "runtime/launch/Threads.h"

#include <cctype>
#include <cstdio>
#include <cstdlib>
#include <cstring>
#include <sched.h>
#include <unistd.h>

using namespace transom;

int32_t transom::affinityThreads() {
  // The kernel refuses a mask that is too short for the machine.
  for (int cpus = 1024; cpus <= 1 << 20; cpus *= 2) {
    cpu_set_t *set = CPU_ALLOC(cpus);
    if (!set)
      break;
    size_t bytes = CPU_ALLOC_SIZE(cpus);
    int count = 0;
    if (sched_getaffinity(0, bytes, set) == 0)
      count = CPU_COUNT_S(bytes, set);
    CPU_FREE(set);
    if (count > 0)
      return count < maxThreads ? count : maxThreads;
  }
  long online = sysconf(_SC_NPROCESSORS_ONLN);
  return online < 1 ? 1 : online < maxThreads ? int32_t(online) : maxThreads;
}

/// Reads the start of a small file as a string; false if there is none.
static bool readText(const char *path, char *text, size_t capacity) {
  FILE *file = fopen(path, "re");
  if (!file)
    return false;
  size_t bytes = fread(text, 1, capacity - 1, file);
  fclose(file);
  text[bytes] = '\0';
  return bytes > 0;
}

/// quota / period in whole CPUs, rounded up; maxThreads if not limited.
static int32_t wholeCpus(long long quota, long long period) {
  if (quota <= 0 || period <= 0)
    return maxThreads;
  long long cpus = quota / period + (quota % period != 0);
  return cpus < maxThreads ? int32_t(cpus) : maxThreads;
}

/// The quota that one cgroup's folder states, in either version's files.
static int32_t folderThreads(const char *folder) {
  char path[4200], text[128];
  long long quota, period;
  snprintf(path, sizeof(path), "%s/cpu.max", folder);
  if (readText(path, text, sizeof(text)))
    return sscanf(text, "%lld %lld", &quota, &period) == 2
               ? wholeCpus(quota, period)
               : maxThreads; // "max 100000"
  snprintf(path, sizeof(path), "%s/cpu.cfs_quota_us", folder);
  if (!readText(path, text, sizeof(text)) || sscanf(text, "%lld", &quota) != 1)
    return maxThreads;
  snprintf(path, sizeof(path), "%s/cpu.cfs_period_us", folder);
  if (!readText(path, text, sizeof(text)) || sscanf(text, "%lld", &period) != 1)
    return maxThreads;
  return wholeCpus(quota, period);
}

/// The least quota of `group` (absolute within `mount`) and the groups above
/// it. In a container the path may name folders that can't be seen: what is
/// mounted is then the own group, and the walk ends there.
static int32_t hierarchyThreads(const char *mount, const char *group) {
  char folder[4096];
  size_t top = size_t(snprintf(folder, sizeof(folder), "%s", mount));
  int written = snprintf(folder, sizeof(folder), "%s%s", mount, group);
  if (top >= sizeof(folder) || written < 0 || size_t(written) >= sizeof(folder))
    return maxThreads;
  int32_t least = maxThreads;
  for (;;) {
    int32_t threads = folderThreads(folder);
    least = threads < least ? threads : least;
    char *slash = strrchr(folder + top, '/');
    if (!slash)
      return least;
    *slash = '\0';
  }
}

/// Is `controller` one of the comma-separated names?
static bool lists(const char *names, const char *controller) {
  size_t length = strlen(controller);
  for (const char *name = names; name; name = strchr(name, ',')) {
    name += *name == ',';
    if (strncmp(name, controller, length) == 0 &&
        (name[length] == ',' || name[length] == '\0'))
      return true;
  }
  return false;
}

int32_t transom::cgroupThreads(const char *root) {
  char path[4096];
  snprintf(path, sizeof(path), "%s/proc/self/cgroup", root);
  FILE *file = fopen(path, "re");
  if (!file)
    return maxThreads;
  int32_t least = maxThreads;
  char line[4096];
  while (fgets(line, sizeof(line), file)) {
    // hierarchy:controllers:/group; version 2 has no controllers.
    line[strcspn(line, "\n")] = '\0';
    char *controllers = strchr(line, ':');
    char *group = controllers ? strchr(controllers + 1, ':') : nullptr;
    if (!group)
      continue;
    *group++ = '\0';
    ++controllers;
    static const char *const unified[] = {"", "/unified"};
    static const char *const legacy[] = {"/cpu", "/cpu,cpuacct",
                                         "/cpuacct,cpu"};
    const char *const *mounts = unified;
    size_t count = 2;
    if (*controllers) {
      if (!lists(controllers, "cpu"))
        continue;
      mounts = legacy;
      count = 3;
    }
    for (size_t i = 0; i < count; ++i) {
      snprintf(path, sizeof(path), "%s/sys/fs/cgroup%s", root, mounts[i]);
      int32_t threads = hierarchyThreads(path, group);
      least = threads < least ? threads : least;
    }
  }
  fclose(file);
  return least;
}

/// The positive number that a variable holds, alone or before a comma; else 0.
static int32_t environmentThreads(const char *variable) {
  const char *text = getenv(variable);
  if (!text)
    return 0;
  while (isspace(static_cast<unsigned char>(*text)))
    ++text;
  if (!isdigit(static_cast<unsigned char>(*text)))
    return 0;
  char *end;
  unsigned long value = strtoul(text, &end, 10);
  while (isspace(static_cast<unsigned char>(*end)))
    ++end;
  bool whole = *end == '\0' || *end == ',';
  return whole && value <= maxThreads ? int32_t(value) : 0;
}

int32_t transom::defaultThreads() {
  if (int32_t threads = environmentThreads("TRANSOM_NUM_THREADS"))
    return threads;
  if (int32_t threads = environmentThreads("OMP_NUM_THREADS"))
    return threads;
  int32_t affinity = affinityThreads(), quota = cgroupThreads("");
  return affinity < quota ? affinity : quota;
}
