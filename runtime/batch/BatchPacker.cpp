//===- BatchPacker.cpp - a batch's packed inputs --------------------------===//
//
// Padding ends here: nothing behind the packer knows of it.
//
//===----------------------------------------------------------------------===//
#include "runtime/batch/BatchPacker.h"

#include "runtime/batch/Rows.h"

#include <cstdlib>

using namespace transom;

bool BatchPacker::create(const Request &request) {
  const transom_program *program = request.program;
  for (int32_t i = 0; i < program->num_inputs; ++i) {
    if (!request.owns(program->inputs[i]))
      continue;
    numPerToken += program->inputs[i].role == TRANSOM_ROLE_VALUES;
    numPerSequence += program->inputs[i].role == TRANSOM_ROLE_TOKEN_ROWS;
    // Columns.
    numPerToken += program->inputs[i].role == TRANSOM_ROLE_OUTPUT_POSITIONS;
    numPerToken += program->inputs[i].role == TRANSOM_ROLE_CACHE_SLOTS;
  }
  numPerSequence += 2;                        // Offsets and key lengths.
  numPerSequence += request.hasCache;         // Offsets of blocks.
  numPerSequence += 2 * request.readsEncoder; // The same, and their lengths.
  inputs = static_cast<const void **>(
      calloc(size_t(program->num_inputs) + 1, sizeof(*inputs)));
  return inputs;
}

void BatchPacker::release() {
  perToken.release();
  perSequence.release();
  perPosition.release();
  perBlock.release();
  free(inputs);
  inputs = nullptr;
}

int64_t BatchPacker::countRows(const Request &request) {
  if (!request.mask)
    return request.elements;
  int64_t rows = 0;
  for (int64_t s = 0; s < request.sequences; ++s)
    forEachRow(request, s, [&](int64_t) {
      ++rows;
      return TRANSOM_OK;
    });
  return rows;
}

int64_t BatchPacker::countPositions(const Request &request) const {
  bool areAsked = false;
  for (int32_t i = 0; i < request.program->num_outputs; ++i)
    areAsked |= (request.requested >> i & 1) &&
                request.program->outputs[i].extent == TRANSOM_OUTPUT_POSITIONS;
  if (!areAsked)
    return 0;
  if (request.hasList())
    return request.numListed();
  if (!request.mask)
    return request.elements;
  int64_t tokens = 0;
  for (int64_t index = 0; index < request.elements; ++index)
    tokens += request.isAttended(index);
  return tokens;
}

bool BatchPacker::reserve(int64_t rows, int64_t sequences, int64_t positions) {
  int64_t tokenBytes = 0, sequenceBytes = 0, positionBytes = 0;
  return addProduct(tokenBytes, paddedRows(rows),
                    numPerToken * int64_t(sizeof(int32_t))) &&
         addProduct(sequenceBytes, paddedSequences(sequences),
                    numPerSequence * int64_t(sizeof(int32_t))) &&
         addProduct(positionBytes, paddedRows(positions), sizeof(int32_t)) &&
         perToken.reserve(size_t(tokenBytes)) &&
         perSequence.reserve(size_t(sequenceBytes)) &&
         perPosition.reserve(size_t(positionBytes));
}

bool BatchPacker::reserveBlocks(int64_t blocks, int64_t encoderBlocks) {
  int64_t bytes = 0;
  if (!addProduct(bytes, paddedRows(blocks), sizeof(int32_t)) ||
      !addProduct(bytes, paddedRows(encoderBlocks), sizeof(int32_t)))
    return false;
  if (size_t(bytes) <= perBlock.bytes)
    return true;
  // Tables grow with every step: not often, then.
  constexpr int64_t least = int64_t(64) << 10;
  return perBlock.reserve(size_t(2 * bytes > least ? 2 * bytes : least));
}

void BatchPacker::layOut(const Request &request, const Batch *batch) {
  auto *token = reinterpret_cast<int32_t *>(perToken.base);
  auto *sequence = reinterpret_cast<int32_t *>(perSequence.base);
  int64_t stride = paddedSequences(request.sequences);
  auto takeSequence = [&] {
    int32_t *taken = sequence;
    sequence += stride;
    return taken;
  };
  offsets = takeSequence();
  keyLengths = takeSequence();
  if (request.hasCache) {
    table = reinterpret_cast<int32_t *>(perBlock.base);
    blockOffsets = takeSequence();
  }
  if (request.readsEncoder) {
    encoderTable = table + paddedRows(batch->countBlocks(request.sequences));
    encoderBlockOffsets = takeSequence();
    encoderLengths = takeSequence();
  }
  for (int32_t i = 0; i < request.program->num_inputs; ++i) {
    if (!request.owns(request.program->inputs[i]))
      continue;
    switch (request.program->inputs[i].role) {
    case TRANSOM_ROLE_VALUES:
      inputs[i] = token;
      token += paddedRows(numRows);
      break;
    case TRANSOM_ROLE_OFFSETS:
    case TRANSOM_ROLE_ENCODER_OFFSETS:
      inputs[i] = offsets;
      break;
    case TRANSOM_ROLE_KEY_LENGTHS:
      inputs[i] = keyLengths;
      break;
    case TRANSOM_ROLE_ENCODER_KEY_LENGTHS:
      inputs[i] = request.readsEncoder ? encoderLengths : keyLengths;
      break;
    case TRANSOM_ROLE_TOKEN_ROWS:
      inputs[i] = takeSequence();
      break;
    case TRANSOM_ROLE_OUTPUT_POSITIONS:
      inputs[i] = perPosition.base;
      break;
    case TRANSOM_ROLE_CACHE_SLOTS:
      inputs[i] = slots = token;
      token += paddedRows(numRows);
      break;
    case TRANSOM_ROLE_BLOCK_TABLE:
      inputs[i] = table;
      break;
    case TRANSOM_ROLE_BLOCK_OFFSETS:
      inputs[i] = blockOffsets;
      break;
    case TRANSOM_ROLE_ENCODER_BLOCK_TABLE:
      inputs[i] = encoderTable;
      break;
    case TRANSOM_ROLE_ENCODER_BLOCK_OFFSETS:
      inputs[i] = encoderBlockOffsets;
      break;
    case TRANSOM_ROLE_CACHE:
      inputs[i] = batch->sequences->cache.memory;
      break;
    }
  }
  columns = numPositions > 0 ? token : nullptr;
}

void BatchPacker::packSequences(const Request &request) {
  const transom_program &program = *request.program;
  auto tokenRows = [&](int32_t input) {
    return static_cast<int32_t *>(const_cast<void *>(inputs[input]));
  };
  int64_t padded = paddedSequences(request.sequences);
  auto isTokenRows = [&](int32_t input) {
    return !request.ofEncoder &&
           program.inputs[input].role == TRANSOM_ROLE_TOKEN_ROWS;
  };
  for (int32_t i = 0; i < program.num_inputs; ++i)
    if (isTokenRows(i))
      for (int64_t s = 0; s < padded; ++s)
        tokenRows(i)[s] = -1;

  int32_t row = 0;
  for (int64_t s = 0; s < request.sequences; ++s) {
    int64_t begin = request.begin(s);
    offsets[s] = row;
    keyLengths[s] = 0;
    forEachRow(request, s, [&](int64_t column) {
      keyLengths[s] += request.isAttended(begin + column);
      for (int32_t i = 0; i < program.num_inputs; ++i)
        if (isTokenRows(i) && isFixedIndex(program.inputs[i]) &&
            program.inputs[i].operand == column)
          tokenRows(i)[s] = row;
      if (columns)
        columns[row] = int32_t(column);
      ++row;
      return TRANSOM_OK;
    });
  }
  for (int64_t s = request.sequences; s < padded; ++s) {
    offsets[s] = row;
    keyLengths[s] = 0;
  }
}

/// The packed row of a token that is there.
int32_t BatchPacker::rowOf(const Request &request, int64_t index) const {
  if (!request.mask)
    return int32_t(index);
  // The columns of a sequence's keys ascend.
  int64_t sequence = request.sequenceOf(index);
  int64_t column = index - request.begin(sequence);
  int32_t low = offsets[sequence], high = low + keyLengths[sequence] - 1;
  while (low < high) {
    int32_t middle = low + (high - low) / 2;
    if (columns[middle] < column)
      low = middle + 1;
    else
      high = middle;
  }
  return low;
}

void BatchPacker::packPositions(const Request &request) {
  auto *packed = reinterpret_cast<int32_t *>(perPosition.base);
  int64_t next = 0;
  if (request.hasList())
    for (; next < numPositions; ++next)
      packed[next] = rowOf(request, request.listed(next));
  else
    for (int64_t s = 0; s < request.sequences; ++s)
      for (int32_t key = 0; key < keyLengths[s]; ++key)
        packed[next++] = offsets[s] + key;
  for (; next < paddedRows(numPositions); ++next)
    packed[next] = -1;
}

transom_status BatchPacker::pack(const Request &request, const Batch *batch) {
  layOut(request, batch);
  packSequences(request);
  for (int32_t i = 0; i < request.program->num_inputs; ++i) {
    const transom_input_info &info = request.program->inputs[i];
    if (!request.ofEncoder && isTokenIndex(info))
      if (transom_status status = findTokenIndices(request, i))
        return status;
  }
  if (numPositions > 0)
    packPositions(request); // Key lengths are of new tokens still.
  if (batch)
    packBlocks(request, *batch);
  if (request.readsEncoder)
    packEncoder(request, *batch);
  int64_t rows = numRows, padded = paddedRows(rows);
  for (int32_t i = 0; i < request.program->num_inputs; ++i) {
    const transom_input_info &info = request.program->inputs[i];
    if (info.role != TRANSOM_ROLE_VALUES || !request.owns(info))
      continue;
    auto *packed = static_cast<int32_t *>(const_cast<void *>(inputs[i]));
    transom_status status = TRANSOM_OK;
    if (request.has(i))
      status = packValues(request, i);
    else if (info.default_kind == TRANSOM_DEFAULT_POSITION_IDS)
      status = fillPositions(request, i, batch);
    else if (info.default_kind == TRANSOM_DEFAULT_PADDING_AWARE_POSITION_IDS)
      status = countPositions(request, i);
    else
      for (int64_t row = 0; row < rows; ++row)
        packed[row] = info.default_kind == TRANSOM_DEFAULT_ONES;
    if (status)
      return status;
    for (int64_t row = rows; row < padded; ++row)
      packed[row] = 0;
  }
  return TRANSOM_OK;
}
