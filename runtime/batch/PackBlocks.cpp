//===- PackBlocks.cpp - where a batch's keys and values are ---------------===//
#include "runtime/batch/BatchPacker.h"

#include "runtime/batch/Rows.h"

using namespace transom;

/// Key lengths that count past tokens, and where keys and values are.
void BatchPacker::packBlocks(const Request &request, const Batch &batch) {
  constexpr int64_t tokens = TRANSOM_CACHE_BLOCK;
  int64_t next = 0, row = 0;
  for (int64_t s = 0; s < request.sequences; ++s) {
    const Chain &chain = batch[s].chain;
    batch.sequences->writeTable(chain, table + next);
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

/// Where keys and values of the encoder inputs are.
void BatchPacker::packEncoder(const Request &request, const Batch &batch) {
  int64_t next = 0;
  for (int64_t s = 0; s < request.sequences; ++s) {
    const Chain &encoderInput = batch[s].sequence->encoderInput;
    batch.sequences->writeTable(encoderInput, encoderTable + next);
    encoderBlockOffsets[s] = int32_t(next);
    encoderLengths[s] = int32_t(encoderInput.length);
    next += encoderInput.blocks;
  }
  int64_t padded = paddedSequences(request.sequences);
  for (int64_t s = request.sequences; s < padded; ++s) {
    encoderBlockOffsets[s] = int32_t(next);
    encoderLengths[s] = 0;
  }
  for (int64_t i = next; i < paddedRows(next); ++i)
    encoderTable[i] = 0;
}
