//===- Scratch.cpp - halide_malloc over a bump allocator ------------------===//
#include "runtime/launch/Scratch.h"

using namespace transom;

/// Stands at the end of the `alignment` bytes before a block.
struct Scratch::Header {
  Header *previous;
  size_t bytes; ///< with the header
  bool heap, given;
};

static uint8_t *blockOf(Scratch::Header *header) {
  return reinterpret_cast<uint8_t *>(header + 1) - Scratch::alignment;
}

extern "C" {
void *halide_malloc(void *context, size_t bytes);
void halide_free(void *context, void *memory);
}

void *halide_malloc(void *context, size_t bytes) {
  auto *scratch = static_cast<Scratch *>(context);
  constexpr size_t alignment = Scratch::alignment;
  if (bytes > SIZE_MAX - 2 * alignment)
    return nullptr;
  size_t whole = alignment + (bytes + alignment - 1) / alignment * alignment;
  bool heap = !scratch || whole > scratch->bytes - scratch->top;
  auto *block = heap ? static_cast<uint8_t *>(aligned_alloc(alignment, whole))
                     : scratch->base + scratch->top;
  if (!block)
    return nullptr;
  auto *header = reinterpret_cast<Scratch::Header *>(block + alignment) - 1;
  *header = {nullptr, whole, heap, true};
  if (!heap) {
    header->previous = scratch->last;
    scratch->last = header;
    scratch->top += whole;
  } else if (scratch) {
    scratch->onHeap += whole;
    size_t needed = scratch->top + scratch->onHeap;
    if (needed > scratch->wanted)
      scratch->wanted = needed;
  }
  return block + alignment;
}

void halide_free(void *context, void *memory) {
  if (!memory)
    return;
  auto *scratch = static_cast<Scratch *>(context);
  auto *header = static_cast<Scratch::Header *>(memory) - 1;
  if (header->heap) {
    if (scratch)
      scratch->onHeap -= header->bytes;
    free(blockOf(header));
    return;
  }
  // Blocks may be given back in any order; the stack shrinks to the last one
  // that is still in use.
  header->given = false;
  while (scratch->last && !scratch->last->given) {
    scratch->top = size_t(blockOf(scratch->last) - scratch->base);
    scratch->last = scratch->last->previous;
  }
}

bool ScratchSet::create(int32_t count) {
  workers = static_cast<Scratch *>(
      aligned_alloc(64, size_t(roundUp(count * int64_t(sizeof(Scratch)), 64))));
  if (!workers)
    return false;
  for (int32_t i = 0; i < count; ++i)
    new (workers + i) Scratch();
  numWorkers = count;
  return true;
}

void ScratchSet::release() {
  region.release();
  free(workers);
  workers = nullptr;
  numWorkers = 0;
}

bool ScratchSet::reserve(int64_t tableBytes, int64_t scratchBytes) {
  constexpr int64_t page = 4096; // Workers share no page, let alone a line.
  for (int32_t i = 0; i < numWorkers; ++i)
    if (int64_t(workers[i].wanted) > scratchBytes)
      scratchBytes = int64_t(workers[i].wanted);
  int64_t table = roundUp(tableBytes, int64_t(Scratch::alignment));
  int64_t needed = table, total = 0;
  if (!addProduct(needed, 1, scratchBytes) ||
      !addProduct(needed, 1, Scratch::slack + page) ||
      !addProduct(total, needed, numWorkers))
    return false;
  needed = needed / page * page;
  // The stride of an earlier kernel is kept while it is long enough.
  if (size_t(needed) > stride) {
    stride = 0;
    if (!region.reserve(size_t(needed) * size_t(numWorkers)))
      return false;
    stride = size_t(needed);
  }
  for (int32_t i = 0; i < numWorkers; ++i)
    workers[i].reset(region.base + size_t(i) * stride + table,
                     stride - size_t(table));
  return true;
}
