//===- PackValues.cpp - values of tokens, given or made -------------------===//
#include "runtime/batch/BatchPacker.h"

#include "runtime/Error.h"
#include "runtime/batch/Rows.h"

using namespace transom;

namespace {

/// The index of the token that is read of a sequence if the caller doesn't say
/// it, see transom_input_default; -1 if there is no such token.
int64_t defaultTokenIndex(const Request &request, int32_t input,
                          int64_t sequence) {
  const transom_input_info &info = request.program->inputs[input];
  if (info.default_kind == TRANSOM_DEFAULT_FIRST)
    return 0;
  if (info.default_kind == TRANSOM_DEFAULT_LAST_EQUAL) {
    const Request &encoderInput = *request.encoderInput;
    int64_t index = encoderInput.columns(sequence) - 1;
    while (index >= 0 && encoderInput.value(encoderInput.ids, sequence,
                                            index) != info.operand)
      --index;
    return index;
  }
  int64_t last = request.columns(sequence) - 1;
  if (info.default_kind == TRANSOM_DEFAULT_LAST_NON_PADDING)
    while (last > 0 &&
           request.value(request.ids, sequence, last) == info.operand)
      --last;
  return last;
}

/// The same token, for messages.
const char *tokenIndexName(const transom_input_info &info) {
  switch (info.default_kind) {
  case TRANSOM_DEFAULT_FIRST:
    return "first token";
  case TRANSOM_DEFAULT_LAST_NON_PADDING:
    return "last token that is not padding";
  case TRANSOM_DEFAULT_LAST_EQUAL:
    return "token that is read";
  default:
    return "last token";
  }
}

} // namespace

/// The row of one token of each sequence: that which the caller chose, or the
/// one that its default names.
transom_status BatchPacker::findTokenIndices(const Request &request,
                                             int32_t input) {
  const transom_input_info &info = request.program->inputs[input];
  auto *rows = static_cast<int32_t *>(const_cast<void *>(inputs[input]));
  for (int64_t s = 0; s < request.sequences; ++s) {
    if (keyLengths[s] == 0)
      continue;
    int64_t begin = request.begin(s),
            index = defaultTokenIndex(request, input, s);
    if (request.has(input)) {
      index = loadInteger(*request.values[input], s);
      if (index < 0 || index >= request.columns(s))
        return fail(TRANSOM_OUT_OF_RANGE,
                    "input '%s', sequence %lld: expected a token's position in "
                    "[0, %lld), got %lld",
                    info.name, (long long)s, (long long)request.columns(s),
                    (long long)index);
      if (!request.isAttended(begin + index))
        return fail(TRANSOM_INVALID_ARGUMENT,
                    "input '%s', sequence %lld: expected the position of a "
                    "token that is there, got %lld, which '%s' hides",
                    info.name, (long long)s, (long long)index,
                    request.maskName);
    } else if (index < 0) {
      return fail(TRANSOM_INVALID_ARGUMENT,
                  "sequence %lld: expected an encoder input with the id %d, at "
                  "whose last position the model reads its result, got none",
                  (long long)s, info.operand);
    } else if (index >= request.columns(s)) {
      return fail(
          TRANSOM_INVALID_ARGUMENT,
          "sequence %lld: expected more than %lld tokens, for the model "
          "reads its result at the encoder input's last id %d, got %lld",
          (long long)s, (long long)index, info.operand,
          (long long)request.columns(s));
    } else if (!request.isAttended(begin + index)) {
      return fail(TRANSOM_INVALID_ARGUMENT,
                  "sequence %lld: expected a mask that keeps the %s, position "
                  "%lld",
                  (long long)s, tokenIndexName(info), (long long)index);
    }
    rows[s] = offsets[s];
    for (int64_t column = 0; column < index; ++column)
      rows[s] += request.isAttended(begin + column);
  }
  return TRANSOM_OK;
}

transom_status BatchPacker::packValues(const Request &request, int32_t input) {
  const transom_input_info &info = request.program->inputs[input];
  auto *packed = static_cast<int32_t *>(const_cast<void *>(inputs[input]));
  int64_t shift = request.isShifted(input);
  // Without a bound of its own, an input is bounded by the packed form's i32.
  int64_t least = info.bound > 0 ? 0 : INT32_MIN;
  int64_t end = info.bound > 0 ? info.bound : int64_t(INT32_MAX) + 1;
  for (int64_t s = 0; s < request.sequences; ++s) {
    transom_status status = forEachRow(request, s, [&](int64_t column) {
      int64_t value = column < shift ? info.operand
                                     : request.value(input, s, column - shift);
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

transom_status BatchPacker::fillPositions(const Request &request, int32_t input,
                                          const Batch *batch) {
  const transom_input_info &info = request.program->inputs[input];
  auto *packed = static_cast<int32_t *>(const_cast<void *>(inputs[input]));
  for (int64_t s = 0; s < request.sequences; ++s) {
    int64_t longest = 0, past = batch ? (*batch)[s].chain.length : 0;
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

transom_status BatchPacker::countPositions(const Request &request,
                                           int32_t input) {
  const transom_input_info &info = request.program->inputs[input];
  auto *packed = static_cast<int32_t *>(const_cast<void *>(inputs[input]));
  for (int64_t s = 0; s < request.sequences; ++s) {
    int64_t next = 0, count = 0, longest = 0;
    auto isToken = [&](int64_t column) {
      return request.value(request.ids, s, column) != info.operand;
    };
    forEachRow(request, s, [&](int64_t column) {
      if (column < next) // A masked token, which stands behind the others.
        next = count = 0;
      for (; next <= column; ++next)
        count += isToken(next);
      int64_t position = isToken(column) ? count : 0;
      longest = position > longest ? position : longest;
      *packed++ = int32_t(info.operand + position);
      return TRANSOM_OK;
    });
    int64_t most = info.bound - 1 - info.operand;
    if (info.bound > 0 && longest > most)
      return fail(TRANSOM_OUT_OF_RANGE,
                  "sequence %lld: length %lld exceeds the maximum %lld (of "
                  "'%s')",
                  (long long)s, (long long)longest, (long long)most, info.name);
  }
  return TRANSOM_OK;
}
