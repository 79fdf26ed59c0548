//===- Door.cpp - packs inputs, scatters outputs --------------------------===//
//
// Padding ends here: nothing behind the door knows of it. `forEachRow` is the
// one place that says which tokens a sequence's packed rows are.
//
//===----------------------------------------------------------------------===//
#include "runtime/Door.h"

#include "runtime/Error.h"

#include <cstdlib>

using namespace transom;

namespace {

/// Arrays are padded like slots of the arena, see transom_frame::inputs; one
/// element more, since offsets have one more than there are sequences.
int64_t paddedRows(int64_t rows) {
  return roundUp(rows, TRANSOM_ROWS_ALIGNMENT);
}
int64_t paddedSequences(int64_t sequences) {
  return roundUp(sequences + 1, TRANSOM_ROWS_ALIGNMENT);
}

/// Is the token of the same index asked for in all sequences?
bool isTokenIndex(const transom_input_info &info) {
  return info.role == TRANSOM_INPUT_TOKEN_ROWS && !isPlace(info);
}

/// Is the token that `number` asks for asked for by an earlier input, too?
bool isRepeated(const transom_program &program, int32_t number) {
  for (int32_t i = 0; i < number; ++i)
    if (isTokenIndex(program.inputs[i]) &&
        program.inputs[i].token_index == program.inputs[number].token_index)
      return true;
  return false;
}

/// The place of the token that is read of a sequence if the caller doesn't say
/// it, see transom_input_default; -1 if there is no such token.
int64_t defaultPlace(const Request &request, int32_t number, int64_t sequence) {
  const transom_input_info &info = request.program->inputs[number];
  if (info.fallback == TRANSOM_DEFAULT_FIRST)
    return 0;
  if (info.fallback == TRANSOM_DEFAULT_LAST_EQUAL) {
    const Request &source = *request.source;
    const transom_tensor &ids = *source.values[source.firstRequired()];
    int64_t place = source.columns(sequence) - 1;
    while (place >= 0 &&
           loadInteger(ids, source.begin(sequence) + place) != info.id)
      --place;
    return place;
  }
  int64_t begin = request.begin(sequence);
  int64_t last = request.columns(sequence) - 1;
  if (info.fallback == TRANSOM_DEFAULT_LAST_COUNTED) {
    const transom_tensor &counted = *request.values[request.firstRequired()];
    while (last > 0 && loadInteger(counted, begin + last) == info.padding)
      --last;
  }
  return last;
}

/// The same token in words.
const char *placeName(const transom_input_info &info) {
  switch (info.fallback) {
  case TRANSOM_DEFAULT_FIRST:
    return "first token";
  case TRANSOM_DEFAULT_LAST_COUNTED:
    return "last token that is no padding";
  case TRANSOM_DEFAULT_LAST_EQUAL:
    return "token that is read";
  default:
    return "last token";
  }
}

/// Calls `row(column)` for each packed row of a sequence, in order, until one
/// fails.
template <typename Row>
transom_status forEachRow(const Request &request, int64_t sequence, Row row) {
  int64_t columns = request.columns(sequence), begin = request.begin(sequence);
  for (int64_t column = 0; column < columns; ++column)
    if (request.isKept(begin + column))
      if (transom_status status = row(column))
        return status;
  // Of the sources no token is asked for.
  if (!request.mask || request.ofSource)
    return TRANSOM_OK;
  const transom_program &program = *request.program;
  for (int32_t i = 0; i < program.num_inputs; ++i) {
    const transom_input_info &info = program.inputs[i];
    if (isTokenIndex(info) && info.token_index < columns &&
        !request.isKept(begin + info.token_index) && !isRepeated(program, i))
      if (transom_status status = row(info.token_index))
        return status;
  }
  return TRANSOM_OK;
}

} // namespace

bool Door::create(const Request &request) {
  const transom_program *program = request.program;
  for (int32_t i = 0; i < program->num_inputs; ++i) {
    if (!request.owns(program->inputs[i]))
      continue;
    numPerToken += program->inputs[i].role == TRANSOM_INPUT_VALUES;
    numPerSequence += program->inputs[i].role == TRANSOM_INPUT_TOKEN_ROWS;
    // Columns.
    numPerToken += program->inputs[i].role == TRANSOM_INPUT_POSITIONS;
    numPerToken += program->inputs[i].role == TRANSOM_INPUT_CACHE_SLOTS;
  }
  numPerSequence += 2;                        // Offsets and key lengths.
  numPerSequence += request.hasCache;         // Offsets of blocks.
  numPerSequence += 2 * request.readsSources; // The same, and their lengths.
  inputs = static_cast<const void **>(
      calloc(size_t(program->num_inputs) + 1, sizeof(*inputs)));
  return inputs;
}

void Door::release() {
  perToken.release();
  perSequence.release();
  perPosition.release();
  perBlock.release();
  free(inputs);
  inputs = nullptr;
}

int64_t Door::countRows(const Request &request) {
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

int64_t Door::countPositions(const Request &request) const {
  bool areAsked = false;
  for (int32_t i = 0; i < request.program->num_outputs; ++i)
    areAsked |= (request.requested >> i & 1) &&
                request.program->outputs[i].extent == TRANSOM_POSITIONS;
  if (!areAsked)
    return 0;
  if (request.positions)
    return request.positions->dims[0];
  if (!request.mask)
    return request.elements;
  int64_t tokens = 0;
  for (int64_t index = 0; index < request.elements; ++index)
    tokens += request.isKept(index);
  return tokens;
}

bool Door::reserve(int64_t rows, int64_t sequences, int64_t positions) {
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

bool Door::reserveBlocks(int64_t blocks, int64_t sourceBlocks) {
  int64_t bytes = 0;
  if (!addProduct(bytes, paddedRows(blocks), sizeof(int32_t)) ||
      !addProduct(bytes, paddedRows(sourceBlocks), sizeof(int32_t)))
    return false;
  if (size_t(bytes) <= perBlock.bytes)
    return true;
  // Tables grow with every step: not often, then.
  constexpr int64_t least = int64_t(64) << 10;
  return perBlock.reserve(size_t(2 * bytes > least ? 2 * bytes : least));
}

void Door::layOut(const Request &request, const Members *members) {
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
  if (request.readsSources) {
    sourceTable = table + paddedRows(members->countBlocks(request.sequences));
    sourceBlockOffsets = takeSequence();
    sourceLengths = takeSequence();
  }
  for (int32_t i = 0; i < request.program->num_inputs; ++i) {
    if (!request.owns(request.program->inputs[i]))
      continue;
    switch (request.program->inputs[i].role) {
    case TRANSOM_INPUT_VALUES:
      inputs[i] = token;
      token += paddedRows(numRows);
      break;
    case TRANSOM_INPUT_OFFSETS:
    case TRANSOM_INPUT_SOURCE_OFFSETS:
      inputs[i] = offsets;
      break;
    case TRANSOM_INPUT_KEY_LENGTHS:
      inputs[i] = keyLengths;
      break;
    case TRANSOM_INPUT_SOURCE_KEY_LENGTHS:
      inputs[i] = request.readsSources ? sourceLengths : keyLengths;
      break;
    case TRANSOM_INPUT_TOKEN_ROWS:
      inputs[i] = takeSequence();
      break;
    case TRANSOM_INPUT_POSITIONS:
      inputs[i] = perPosition.base;
      break;
    case TRANSOM_INPUT_CACHE_SLOTS:
      inputs[i] = slots = token;
      token += paddedRows(numRows);
      break;
    case TRANSOM_INPUT_BLOCK_TABLE:
      inputs[i] = table;
      break;
    case TRANSOM_INPUT_BLOCK_OFFSETS:
      inputs[i] = blockOffsets;
      break;
    case TRANSOM_INPUT_SOURCE_BLOCK_TABLE:
      inputs[i] = sourceTable;
      break;
    case TRANSOM_INPUT_SOURCE_BLOCK_OFFSETS:
      inputs[i] = sourceBlockOffsets;
      break;
    case TRANSOM_INPUT_CACHE:
      inputs[i] = members->sequences->cache.memory;
      break;
    }
  }
  columns = numPositions > 0 ? token : nullptr;
}

/// The row of one token of each sequence: that which the caller chose, or the
/// one that `fallback` says.
transom_status Door::findPlaces(const Request &request, int32_t number) {
  const transom_input_info &info = request.program->inputs[number];
  auto *rows = static_cast<int32_t *>(const_cast<void *>(inputs[number]));
  for (int64_t s = 0; s < request.sequences; ++s) {
    if (keyLengths[s] == 0)
      continue;
    int64_t begin = request.begin(s), place = defaultPlace(request, number, s);
    if (const transom_tensor *places = request.values[number]) {
      place = loadInteger(*places, s);
      if (place < 0 || place >= request.columns(s))
        return fail(TRANSOM_OUT_OF_RANGE,
                    "input '%s', sequence %lld: expected a token's position in "
                    "[0, %lld), got %lld",
                    info.name, (long long)s, (long long)request.columns(s),
                    (long long)place);
      if (!request.isKept(begin + place))
        return fail(TRANSOM_INVALID_ARGUMENT,
                    "input '%s', sequence %lld: expected the position of a "
                    "token that is there, got %lld, which '%s' hides",
                    info.name, (long long)s, (long long)place,
                    request.maskName);
    } else if (place < 0) {
      return fail(
          TRANSOM_INVALID_ARGUMENT,
          "sequence %lld: expected a source with the id %d, at whose last "
          "position the model reads its result, got none",
          (long long)s, info.id);
    } else if (place >= request.columns(s)) {
      return fail(
          TRANSOM_INVALID_ARGUMENT,
          "sequence %lld: expected more than %lld tokens, for the model "
          "reads its result at the source's last id %d, got %lld",
          (long long)s, (long long)place, info.id,
          (long long)request.columns(s));
    } else if (!request.isKept(begin + place)) {
      return fail(TRANSOM_INVALID_ARGUMENT,
                  "sequence %lld: expected a mask that keeps the %s, position "
                  "%lld",
                  (long long)s, placeName(info), (long long)place);
    }
    rows[s] = offsets[s];
    for (int64_t column = 0; column < place; ++column)
      rows[s] += request.isKept(begin + column);
  }
  return TRANSOM_OK;
}

void Door::packSequences(const Request &request) {
  const transom_program &program = *request.program;
  auto tokenRows = [&](int32_t input) {
    return static_cast<int32_t *>(const_cast<void *>(inputs[input]));
  };
  int64_t padded = paddedSequences(request.sequences);
  auto isTokenRows = [&](int32_t input) {
    return !request.ofSource &&
           program.inputs[input].role == TRANSOM_INPUT_TOKEN_ROWS;
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
      keyLengths[s] += request.isKept(begin + column);
      for (int32_t i = 0; i < program.num_inputs; ++i)
        if (isTokenRows(i) && isTokenIndex(program.inputs[i]) &&
            program.inputs[i].token_index == column)
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

transom_status Door::packValues(const Request &request, int32_t number) {
  const transom_input_info &info = request.program->inputs[number];
  const transom_tensor &tensor = *request.values[number];
  auto *packed = static_cast<int32_t *>(const_cast<void *>(inputs[number]));
  int64_t shift = request.isShifted(number);
  // Without a bound of its own, an input is bounded by the packed form's i32.
  int64_t least = info.bound > 0 ? 0 : INT32_MIN;
  int64_t end = info.bound > 0 ? info.bound : int64_t(INT32_MAX) + 1;
  for (int64_t s = 0; s < request.sequences; ++s) {
    int64_t begin = request.begin(s);
    transom_status status = forEachRow(request, s, [&](int64_t column) {
      int64_t value = column < shift
                          ? info.id
                          : loadInteger(tensor, begin + column - shift);
      if (value < least || value >= end)
        return fail(TRANSOM_OUT_OF_RANGE,
                    "input '%s', sequence %lld, position %lld: expected a "
                    "value in [%lld, %lld), got %lld",
                    info.name, (long long)s, (long long)column,
                    (long long)least, (long long)end, (long long)value);
      *packed++ = int32_t(value);
      return TRANSOM_OK;
    });
    if (status)
      return status;
  }
  return TRANSOM_OK;
}

transom_status Door::fillPositions(const Request &request, int32_t number,
                                   const Members *members) {
  const transom_input_info &info = request.program->inputs[number];
  auto *packed = static_cast<int32_t *>(const_cast<void *>(inputs[number]));
  for (int64_t s = 0; s < request.sequences; ++s) {
    int64_t longest = 0, past = members ? (*members)[s].chain.length : 0;
    forEachRow(request, s, [&](int64_t column) {
      longest = column + 1 > longest ? column + 1 : longest;
      *packed++ = int32_t(past + column);
      return TRANSOM_OK;
    });
    if (info.bound > 0 && longest > info.bound)
      return fail(TRANSOM_OUT_OF_RANGE,
                  "sequence %lld: length %lld exceeds the maximum %lld (of "
                  "'%s')",
                  (long long)s, (long long)longest, (long long)info.bound,
                  info.name);
  }
  return TRANSOM_OK;
}

transom_status Door::countPositions(const Request &request, int32_t number) {
  const transom_input_info &info = request.program->inputs[number];
  int32_t counted = request.firstRequired();
  auto *packed = static_cast<int32_t *>(const_cast<void *>(inputs[number]));
  for (int64_t s = 0; s < request.sequences; ++s) {
    int64_t begin = request.begin(s), next = 0, count = 0, longest = 0;
    auto isToken = [&](int64_t column) {
      return loadInteger(*request.values[counted], begin + column) !=
             info.padding;
    };
    forEachRow(request, s, [&](int64_t column) {
      if (column < next) // A masked token, which stands behind the others.
        next = count = 0;
      for (; next <= column; ++next)
        count += isToken(next);
      int64_t number = isToken(column) ? count : 0;
      longest = number > longest ? number : longest;
      *packed++ = int32_t(info.padding + number);
      return TRANSOM_OK;
    });
    int64_t most = info.bound - 1 - info.padding;
    if (info.bound > 0 && longest > most)
      return fail(TRANSOM_OUT_OF_RANGE,
                  "sequence %lld: length %lld exceeds the maximum %lld (of "
                  "'%s')",
                  (long long)s, (long long)longest, (long long)most, info.name);
  }
  return TRANSOM_OK;
}

/// The packed row of a token that is there.
int32_t Door::rowOf(const Request &request, int64_t index) const {
  if (!request.mask)
    return int32_t(index);
  // The columns of a sequence's keys ascend.
  int64_t sequence = index / request.length, column = index % request.length;
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

void Door::packPositions(const Request &request) {
  auto *packed = reinterpret_cast<int32_t *>(perPosition.base);
  int64_t number = 0;
  if (request.positions)
    for (; number < numPositions; ++number)
      packed[number] = rowOf(request, loadInteger(*request.positions, number));
  else
    for (int64_t s = 0; s < request.sequences; ++s)
      for (int32_t key = 0; key < keyLengths[s]; ++key)
        packed[number++] = offsets[s] + key;
  for (; number < paddedRows(numPositions); ++number)
    packed[number] = -1;
}

transom_status Door::pack(const Request &request, const Members *members) {
  layOut(request, members);
  packSequences(request);
  for (int32_t i = 0; i < request.program->num_inputs; ++i) {
    const transom_input_info &info = request.program->inputs[i];
    if (!request.ofSource && isPlace(info))
      if (transom_status status = findPlaces(request, i))
        return status;
  }
  if (numPositions > 0)
    packPositions(request); // Key lengths are of new tokens still.
  if (members)
    packBlocks(request, *members);
  if (request.readsSources)
    packSources(request, *members);
  int64_t rows = numRows, padded = paddedRows(rows);
  for (int32_t i = 0; i < request.program->num_inputs; ++i) {
    const transom_input_info &info = request.program->inputs[i];
    if (info.role != TRANSOM_INPUT_VALUES || !request.owns(info))
      continue;
    auto *packed = static_cast<int32_t *>(const_cast<void *>(inputs[i]));
    transom_status status = TRANSOM_OK;
    if (request.values[i])
      status = packValues(request, i);
    else if (info.fallback == TRANSOM_DEFAULT_POSITIONS)
      status = fillPositions(request, i, members);
    else if (info.fallback == TRANSOM_DEFAULT_COUNTED_POSITIONS)
      status = countPositions(request, i);
    else
      for (int64_t row = 0; row < rows; ++row)
        packed[row] = info.fallback == TRANSOM_DEFAULT_ONES;
    if (status)
      return status;
    for (int64_t row = rows; row < padded; ++row)
      packed[row] = 0;
  }
  return TRANSOM_OK;
}

void Door::unpack(const Request &request, const void *const *results) const {
  for (int32_t i = 0; i < request.program->num_outputs; ++i) {
    if (!(request.requested >> i & 1))
      continue;
    const transom_output_info &info = request.program->outputs[i];
    size_t bytes = size_t(info.width) * sizeof(float);
    auto *to = static_cast<uint8_t *>(request.outputs[i]->data);
    auto *from = static_cast<const uint8_t *>(results[i]);
    auto put = [&](int64_t row) {
      memcpy(to, from + row * info.row_bytes, bytes);
      to += bytes;
    };
    auto putZeros = [&] {
      memset(to, 0, bytes);
      to += bytes;
    };

    if (numRows == 0) { // Nothing was run: whatever there is, is masked.
      int64_t rows = request.isListed(info)             ? numPositions
                     : info.extent == TRANSOM_SEQUENCES ? request.sequences
                                                        : request.elements;
      if (rows > 0)
        memset(to, 0, size_t(rows) * bytes);
    } else if (info.extent == TRANSOM_SEQUENCES) {
      for (int64_t s = 0; s < request.sequences; ++s)
        if (keyLengths[s] > 0)
          put(s);
        else
          putZeros();
    } else if (request.isListed(info)) {
      for (int64_t row = 0; row < numPositions; ++row)
        put(row);
    } else if (!request.mask) {
      for (int64_t row = 0; row < numRows; ++row)
        put(row);
    } else {
      int64_t row = 0;
      for (int64_t s = 0; s < request.sequences; ++s) {
        int64_t begin = request.begin(s);
        // Without a list, positions are the tokens that are there, no others.
        if (info.extent != TRANSOM_POSITIONS)
          row = offsets[s];
        for (int64_t column = 0; column < request.length; ++column)
          if (request.isKept(begin + column))
            put(row++);
          else
            putZeros();
      }
    }
  }
}
