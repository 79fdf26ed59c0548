//===- DoorCache.cpp - where a batch's keys and values are ----------------===//
#include "runtime/batch/Door.h"

#include "runtime/batch/Rows.h"

using namespace transom;

/// Key lengths that count past tokens, and where keys and values are.
void Door::packBlocks(const Request &request, const Members &members) {
  constexpr int64_t tokens = TRANSOM_CACHE_BLOCK;
  int64_t next = 0, row = 0;
  for (int64_t s = 0; s < request.sequences; ++s) {
    const Chain &chain = members[s].chain;
    members.sequences->writeTable(chain, table + next);
    int64_t end = chain.length + request.columns(s);
    for (int64_t token = chain.length; token < end; ++token)
      slots[row++] =
          int32_t(table[next + token / tokens] * tokens + token % tokens);
    blockOffsets[s] = int32_t(next);
    keyLengths[s] = int32_t(end);
    next += chain.blocks;
  }
  int64_t padded = paddedSequences(request.sequences);
  for (int64_t s = request.sequences; s < padded; ++s)
    blockOffsets[s] = int32_t(next);
  for (; row < paddedRows(numRows); ++row)
    slots[row] = -1;
  for (int64_t i = next; i < paddedRows(next); ++i)
    table[i] = 0;
}

/// Where keys and values of the sources are.
void Door::packSources(const Request &request, const Members &members) {
  int64_t next = 0;
  for (int64_t s = 0; s < request.sequences; ++s) {
    const Chain &source = members[s].sequence->source;
    members.sequences->writeTable(source, sourceTable + next);
    sourceBlockOffsets[s] = int32_t(next);
    sourceLengths[s] = int32_t(source.length);
    next += source.blocks;
  }
  int64_t padded = paddedSequences(request.sequences);
  for (int64_t s = request.sequences; s < padded; ++s) {
    sourceBlockOffsets[s] = int32_t(next);
    sourceLengths[s] = 0;
  }
  for (int64_t i = next; i < paddedRows(next); ++i)
    sourceTable[i] = 0;
}
