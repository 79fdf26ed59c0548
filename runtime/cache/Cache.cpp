//===- Cache.cpp - blocks of keys and values, counted ---------------------===//
#include "runtime/cache/Cache.h"

#include <sys/mman.h>
#include <unistd.h>

using namespace transom;

// Blocks begin where huge pages do, and slots are numbered in 31 bits.
static constexpr size_t hugePage = size_t(2) << 20;
static constexpr int64_t maxBlocks = INT32_MAX / TRANSOM_CACHE_BLOCK;

bool Cache::create(int64_t bytes, int64_t numBlocks) {
  blockBytes = bytes;
  most = numBlocks;
  if (numBlocks == 0)
    most = sysconf(_SC_PHYS_PAGES) * sysconf(_SC_PAGESIZE) / bytes;
  if (most > maxBlocks)
    most = maxBlocks;
  if (most < 1)
    most = 1;
  // Pages that can't be touched cost nothing but addresses; where those are
  // limited, a smaller pool does.
  for (;; most /= 2) {
    int64_t wanted = int64_t(hugePage);
    if (addProduct(wanted, most, bytes)) {
      mappedBytes = size_t(roundUp(wanted, int64_t(hugePage)));
      void *place = mmap(nullptr, mappedBytes, PROT_NONE,
                         MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
      if (place != MAP_FAILED) {
        mapping = static_cast<uint8_t *>(place);
        break;
      }
    }
    if (numBlocks > 0 || most == 1)
      return false;
  }
  memory = mapping + -reinterpret_cast<uintptr_t>(mapping) % hugePage;
  madvise(memory, mappedBytes - size_t(memory - mapping), MADV_HUGEPAGE);
  if (!tables.reserve(size_t(3 * most) * sizeof(int32_t)))
    return false;
  holders = reinterpret_cast<int32_t *>(tables.base);
  previous = holders + most;
  free = previous + most;
  return numBlocks == 0 || grow(most);
}

void Cache::release() {
  if (mapping)
    munmap(mapping, mappedBytes);
  mapping = memory = nullptr;
  tables.release();
}

/// Makes room for `more` blocks, or as many of them as there is memory for;
/// false if there is none.
bool Cache::grow(int64_t more) {
  if (more > most - ready)
    more = most - ready;
  // Fails where the system promises no more memory than it has.
  for (; more > 0; more /= 2) {
    size_t bytes = size_t((ready + more) * blockBytes);
    bytes = size_t(roundUp(int64_t(bytes), sysconf(_SC_PAGESIZE)));
    if (mprotect(memory, bytes, PROT_READ | PROT_WRITE) == 0) {
      ready += more;
      return true;
    }
  }
  return false;
}

int32_t Cache::take(int32_t before) {
  int32_t block;
  if (numFree > 0) {
    block = free[--numFree];
  } else {
    if (used == ready) {
      // Half as much again as there is, and no less than 32 MiB: seldom.
      int64_t least = divideUp(int64_t(32) << 20, blockBytes);
      if (!grow(ready / 2 > least ? ready / 2 : least))
        return none;
    }
    block = int32_t(used++);
  }
  ++taken;
  holders[block] = 1;
  previous[block] = before;
  return block;
}

void Cache::drop(int32_t block) {
  while (block != none && --holders[block] == 0) {
    free[numFree++] = block;
    --taken;
    block = previous[block];
  }
}
