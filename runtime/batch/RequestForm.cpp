//===- RequestForm.cpp - dtypes, dims and capacities of inputs ------------===//
#include "runtime/Error.h"
#include "runtime/batch/DimsText.h"
#include "runtime/batch/Request.h"

#include <climits>

using namespace transom;

/// dtype, rank, dims, data and capacity of an input of `rank` dims; `form`
/// names them in messages.
static transom_status checkInput(const transom_tensor &tensor, int32_t rank,
                                 const char *form) {
  if (tensor.dtype != TRANSOM_INT32 && tensor.dtype != TRANSOM_INT64)
    return fail(TRANSOM_INVALID_ARGUMENT,
                "input '%s': expected dtype int32 (%d) or int64 (%d), got "
                "%d",
                tensor.name, TRANSOM_INT32, TRANSOM_INT64, tensor.dtype);
  if (tensor.rank != rank)
    return fail(TRANSOM_INVALID_ARGUMENT,
                "input '%s': expected rank %d, %s, got rank %d", tensor.name,
                rank, form, tensor.rank);
  int64_t elements = 1;
  bool fits = true;
  for (int32_t i = 0; i < rank; ++i) {
    if (tensor.dims[i] < 0)
      return fail(TRANSOM_INVALID_ARGUMENT,
                  "input '%s': expected dims of 0 or more, got %s", tensor.name,
                  DimsText(tensor).text);
    // A zero makes the product small again, but the other dims still count.
    fits &= tensor.dims[i] < INT32_MAX;
    fits &= !__builtin_mul_overflow(elements, tensor.dims[i], &elements);
  }
  if (!fits || elements >= INT32_MAX)
    return fail(TRANSOM_INVALID_ARGUMENT,
                "input '%s': expected fewer than %d tokens, got %s",
                tensor.name, INT32_MAX, DimsText(tensor).text);
  size_t bytes = size_t(elements) * (tensor.dtype == TRANSOM_INT64 ? 8 : 4);
  if (elements > 0 && !tensor.data)
    return fail(TRANSOM_INVALID_ARGUMENT,
                "input '%s': expected data for %s, got a null pointer",
                tensor.name, DimsText(tensor).text);
  if (tensor.capacity < bytes)
    return fail(TRANSOM_INVALID_ARGUMENT,
                "input '%s': expected a capacity of %zu bytes for %s, got "
                "%zu",
                tensor.name, bytes, DimsText(tensor).text, tensor.capacity);
  return TRANSOM_OK;
}

/// That all inputs with a value for each token, the mask among them, have the
/// form that `form` names; `first` is the first of them, or null.
transom_status Request::checkTokens(int32_t rank, const char *form,
                                    const transom_tensor *&first) {
  first = nullptr;
  for (int32_t i = 0; i <= program->num_inputs; ++i) {
    const transom_tensor *tensor = i < program->num_inputs ? perToken(i) : mask;
    if (!tensor)
      continue;
    if (transom_status status = checkInput(*tensor, rank, form))
      return status;
    if (!first)
      first = tensor;
    if (memcmp(tensor->dims, first->dims,
               size_t(rank) * sizeof(*first->dims)) != 0)
      return fail(TRANSOM_INVALID_ARGUMENT,
                  "input '%s': expected dims %s as of '%s', got %s",
                  tensor->name, DimsText(*first).text, first->name,
                  DimsText(*tensor).text);
  }
  return TRANSOM_OK;
}

transom_status Request::checkPadded() {
  const transom_tensor *first;
  if (transom_status status = checkTokens(2, "[batch, length]", first))
    return status;
  if (!first)
    return fail(TRANSOM_INVALID_ARGUMENT,
                "expected at least one input, got none");
  sequences = first->dims[0];
  length = first->dims[1];
  elements = sequences * length;
  return TRANSOM_OK;
}

transom_status Request::checkRagged() {
  if (transom_status status = checkInput(*offsets, 1, "[sequences + 1]"))
    return status;
  if (offsets->dims[0] < 1)
    return fail(TRANSOM_INVALID_ARGUMENT,
                "input '%s': expected dims [sequences + 1], got [0]",
                offsetsName);
  sequences = offsets->dims[0] - 1;
  length = 0;
  if (sequenceIds) {
    if (transom_status status = checkInput(*sequenceIds, 1, "[sequences]"))
      return status;
    if (sequenceIds->dims[0] != sequences)
      return fail(TRANSOM_INVALID_ARGUMENT,
                  "input '%s': expected dims [%lld], one less than '%s', got "
                  "%s",
                  sequenceIds->name, (long long)sequences, offsetsName,
                  DimsText(*sequenceIds).text);
  }
  const transom_tensor *first;
  if (transom_status status = checkTokens(1, "[tokens]", first))
    return status;
  int64_t previous = 0;
  for (int64_t i = 0; i <= sequences; ++i) {
    int64_t offset = loadInteger(*offsets, i);
    if (i == 0 && offset != 0)
      return fail(TRANSOM_INVALID_ARGUMENT,
                  "input '%s': expected 0 at the start, got %lld", offsetsName,
                  (long long)offset);
    if (offset < previous || offset >= INT32_MAX)
      return fail(TRANSOM_INVALID_ARGUMENT,
                  "input '%s', position %lld: expected ascending numbers, "
                  "got %lld after %lld",
                  offsetsName, (long long)i, (long long)offset,
                  (long long)previous);
    previous = offset;
  }
  if (first && previous != first->dims[0])
    return fail(TRANSOM_INVALID_ARGUMENT,
                "input '%s': expected %lld, the tokens of '%s', at the "
                "end, got %lld",
                offsetsName, (long long)first->dims[0], first->name,
                (long long)previous);
  elements = previous;
  return TRANSOM_OK;
}

transom_status Request::checkTokenIndices() {
  for (int32_t i = 0; i < program->num_inputs; ++i) {
    const transom_tensor *indices = values[i];
    if (!indices || !isTokenIndex(program->inputs[i]))
      continue;
    if (transom_status status = checkInput(*indices, 1, "[sequences]"))
      return status;
    if (indices->dims[0] != sequences)
      return fail(TRANSOM_INVALID_ARGUMENT,
                  "input '%s': expected dims [%lld], one for each sequence, "
                  "got %s",
                  indices->name, (long long)sequences, DimsText(*indices).text);
  }
  return TRANSOM_OK;
}

transom_status Request::checkPositions() {
  if (!positions)
    return TRANSOM_OK;
  if (transom_status status = checkInput(*positions, 1, "[count]"))
    return status;
  for (int64_t i = 0; i < positions->dims[0]; ++i) {
    int64_t index = loadInteger(*positions, i);
    if (index < 0 || index >= elements)
      return fail(TRANSOM_OUT_OF_RANGE,
                  "input '%s', number %lld: expected a token's index in "
                  "[0, %lld), got %lld",
                  positions->name, (long long)i, (long long)elements,
                  (long long)index);
    if (isAttended(index))
      continue;
    int64_t sequence = sequenceOf(index);
    return fail(TRANSOM_INVALID_ARGUMENT,
                "input '%s', number %lld: expected a token that is there, got "
                "%lld (sequence %lld, position %lld), which '%s' hides",
                positions->name, (long long)i, (long long)index,
                (long long)sequence, (long long)(index - begin(sequence)),
                maskName);
  }
  return TRANSOM_OK;
}

/// That what the mask hides stands before or after what it shows.
transom_status Request::checkContiguous() {
  for (int64_t s = 0; s < sequences; ++s) {
    int64_t gap = -1; // The first hidden token after one that is there.
    for (int64_t column = 0, shown = 0; column < columns(s); ++column) {
      bool kept = isAttended(begin(s) + column);
      shown |= kept;
      if (kept && gap >= 0)
        return fail(TRANSOM_INVALID_ARGUMENT,
                    "input '%s', sequence %lld, position %lld: expected "
                    "no hidden token between others, for this model has "
                    "relative positions, got one",
                    maskName, (long long)s, (long long)gap);
      if (shown && !kept && gap < 0)
        gap = column;
    }
  }
  return TRANSOM_OK;
}
