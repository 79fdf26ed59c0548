//===- Sequences.cpp - what a session has in its cache --------------------===//
#include "runtime/cache/Sequences.h"

#include <cstring>

using namespace transom;

static constexpr int64_t blockTokens = TRANSOM_CACHE_BLOCK;

void Sequences::release() {
  cache.release();
  ::free(entries);
  entries = nullptr;
  count = capacity = 0;
}

int64_t Sequences::add() {
  if (firstFree < 0) {
    if (count == capacity) {
      int64_t more = capacity ? 2 * capacity : 64;
      if (more > INT32_MAX)
        return -1;
      void *memory = realloc(entries, size_t(more) * sizeof(Sequence));
      if (!memory)
        return -1;
      entries = static_cast<Sequence *>(memory);
      capacity = more;
    }
    firstFree = int32_t(count);
    new (&entries[count++]) Sequence();
  }
  int64_t index = firstFree;
  Sequence &entry = entries[index];
  firstFree = entry.nextFree;
  uint32_t generation = entry.generation;
  entry = {};
  entry.generation = generation;
  entry.isLive = true;
  return int64_t(generation) << 32 | index;
}

int64_t Sequences::fork(int64_t id, int64_t length) {
  int64_t result = add();
  if (result < 0)
    return -1;
  const Sequence &from = *find(id);
  Sequence &to = *find(result);
  int32_t last = from.tokens.last;
  auto blocks = int32_t(divideUp(length, blockTokens));
  for (int32_t more = from.tokens.blocks; more > blocks; --more)
    last = cache.before(last);
  to.tokens = {length, last, blocks};
  to.encoderInput = from.encoderInput;
  to.hasEncoderInput = from.hasEncoderInput;
  cache.hold(to.tokens.last);
  cache.hold(to.encoderInput.last);
  return result;
}

Sequence *Sequences::find(int64_t id) const {
  int64_t index = id & UINT32_MAX;
  if (id < 0 || index >= count)
    return nullptr;
  Sequence &entry = entries[index];
  return entry.isLive && int64_t(entry.generation) == id >> 32 ? &entry
                                                               : nullptr;
}

void Sequences::setEncoderInput(Sequence &sequence, const Chain &encoderInput) {
  cache.drop(sequence.encoderInput.last);
  sequence.encoderInput = encoderInput;
  sequence.hasEncoderInput = true;
}

void Sequences::free(Sequence &sequence) {
  cache.drop(sequence.tokens.last);
  cache.drop(sequence.encoderInput.last);
  sequence.isLive = false;
  // After as many sequences the entry is not used again: ids stay unique.
  if (++sequence.generation == uint32_t(INT32_MAX))
    return;
  sequence.nextFree = firstFree;
  firstFree = int32_t(&sequence - entries);
}

bool Sequences::extend(Chain &chain, int64_t tokens) {
  if (tokens > 0 && chain.length % blockTokens != 0 &&
      cache.isShared(chain.last)) {
    int32_t before = cache.before(chain.last);
    cache.hold(before);
    int32_t copy = cache.take(before);
    if (copy == Cache::none) {
      cache.drop(before);
      return false;
    }
    memcpy(cache.at(copy), cache.at(chain.last), size_t(cache.blockBytes));
    cache.drop(chain.last);
    chain.last = copy;
  }
  int64_t blocks = divideUp(chain.length + tokens, blockTokens);
  for (; chain.blocks < blocks; ++chain.blocks) {
    int32_t block = cache.take(chain.last);
    if (block == Cache::none) {
      shrink(chain);
      return false;
    }
    chain.last = block;
  }
  return true;
}

void Sequences::shrink(Chain &chain) {
  int64_t blocks = divideUp(chain.length, blockTokens);
  for (; chain.blocks > blocks; --chain.blocks) {
    int32_t block = chain.last;
    chain.last = cache.before(block);
    cache.hold(chain.last);
    cache.drop(block);
  }
}

void Sequences::writeTable(const Chain &chain, int32_t *table) const {
  int32_t block = chain.last;
  for (int64_t i = chain.blocks; i > 0; --i) {
    table[i - 1] = block;
    block = cache.before(block);
  }
}
