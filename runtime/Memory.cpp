//===- Memory.cpp - anonymous mappings with huge pages --------------------===//
#include "runtime/Memory.h"

#include <sys/mman.h>
#include <unistd.h>

using namespace transom;

static constexpr size_t hugePage = size_t(2) << 20;

/// A mapping of `bytes` (a multiple of the huge page) at a huge page's
/// boundary: older kernels place mappings at any page, and a huge page must
/// not begin in the middle.
static void *mapAligned(size_t bytes) {
  size_t mapped;
  if (__builtin_add_overflow(bytes, hugePage, &mapped))
    return MAP_FAILED;
  void *memory = mmap(nullptr, mapped, PROT_READ | PROT_WRITE,
                      MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
  if (memory == MAP_FAILED)
    return memory;
  auto *begin = static_cast<uint8_t *>(memory);
  size_t before = -reinterpret_cast<uintptr_t>(begin) % hugePage;
  if (before)
    munmap(begin, before);
  if (hugePage - before)
    munmap(begin + before + bytes, hugePage - before);
  madvise(begin + before, bytes, MADV_HUGEPAGE);
  return begin + before;
}

bool Region::reserve(size_t wanted) {
  if (wanted <= bytes)
    return true;
  release();
  size_t unit = wanted >= hugePage ? hugePage : size_t(sysconf(_SC_PAGESIZE));
  size_t rounded;
  if (__builtin_add_overflow(wanted, unit - 1, &rounded))
    return false;
  rounded -= rounded % unit;
  void *memory = unit == hugePage
                     ? mapAligned(rounded)
                     : mmap(nullptr, rounded, PROT_READ | PROT_WRITE,
                            MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
  if (memory == MAP_FAILED)
    return false;
  base = static_cast<uint8_t *>(memory);
  bytes = rounded;
  return true;
}

void Region::release() {
  if (base)
    munmap(base, bytes);
  base = nullptr;
  bytes = 0;
}
