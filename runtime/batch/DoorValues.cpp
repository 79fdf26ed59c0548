//===- DoorValues.cpp - values of tokens, given or made -------------------===//
#include "runtime/batch/Door.h"

#include "runtime/Error.h"
#include "runtime/batch/Rows.h"

using namespace transom;

namespace {

/// The place of the token that is read of a sequence if the caller doesn't say
/// it, see transom_input_default; -1 if there is no such token.
int64_t defaultPlace(const Request &request, int32_t number, int64_t sequence) {
  const transom_input_info &info = request.program->inputs[number];
  if (info.default_kind == TRANSOM_DEFAULT_FIRST)
    return 0;
  if (info.default_kind == TRANSOM_DEFAULT_LAST_EQUAL) {
    const Request &source = *request.source;
    int64_t place = source.columns(sequence) - 1;
    while (place >= 0 &&
           source.value(source.ids, sequence, place) != info.operand)
      --place;
    return place;
  }
  int64_t last = request.columns(sequence) - 1;
  if (info.default_kind == TRANSOM_DEFAULT_LAST_NON_PADDING)
    while (last > 0 &&
           request.value(request.ids, sequence, last) == info.operand)
      --last;
  return last;
}

/// The same token in words.
const char *placeName(const transom_input_info &info) {
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
transom_status Door::findPlaces(const Request &request, int32_t number) {
  const transom_input_info &info = request.program->inputs[number];
  auto *rows = static_cast<int32_t *>(const_cast<void *>(inputs[number]));
  for (int64_t s = 0; s < request.sequences; ++s) {
    if (keyLengths[s] == 0)
      continue;
    int64_t begin = request.begin(s), place = defaultPlace(request, number, s);
    if (request.has(number)) {
      place = loadInteger(*request.values[number], s);
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
          (long long)s, info.operand);
    } else if (place >= request.columns(s)) {
      return fail(
          TRANSOM_INVALID_ARGUMENT,
          "sequence %lld: expected more than %lld tokens, for the model "
          "reads its result at the source's last id %d, got %lld",
          (long long)s, (long long)place, info.operand,
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

transom_status Door::packValues(const Request &request, int32_t number) {
  const transom_input_info &info = request.program->inputs[number];
  auto *packed = static_cast<int32_t *>(const_cast<void *>(inputs[number]));
  int64_t shift = request.isShifted(number);
  // Without a bound of its own, an input is bounded by the packed form's i32.
  int64_t least = info.bound > 0 ? 0 : INT32_MIN;
  int64_t end = info.bound > 0 ? info.bound : int64_t(INT32_MAX) + 1;
  for (int64_t s = 0; s < request.sequences; ++s) {
    transom_status status = forEachRow(request, s, [&](int64_t column) {
      int64_t value = column < shift ? info.operand
                                     : request.value(number, s, column - shift);
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
  auto *packed = static_cast<int32_t *>(const_cast<void *>(inputs[number]));
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
      int64_t number = isToken(column) ? count : 0;
      longest = number > longest ? number : longest;
      *packed++ = int32_t(info.operand + number);
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
