//===- Request.cpp - names, dtypes, dims and capacities of a run ----------===//
#include "runtime/Request.h"

#include "runtime/Error.h"
#include "runtime/Memory.h"

#include <climits>
#include <cstdio>
#include <cstdlib>

using namespace transom;

namespace {

// At the caller's side these belong to every library: they say which tokens
// there are, and generated code sees them as offsets and lengths only.
constexpr const char *membersName = "sequences";

/// Names of mask and offsets of a set of tokens. As Hugging Face has it, the
/// mask is that of the source, if there is one.
struct SetNames {
  const char *mask, *offsets;
};
constexpr SetNames sequenceNames = {"attention_mask", "sequence_offsets"};
constexpr SetNames decoderNames = {"decoder_attention_mask",
                                   "sequence_offsets"};
constexpr SetNames sourceNames = {"attention_mask", "source_offsets"};

/// Is it the caller who gives this input?
bool isGiven(const transom_input_info &info) {
  return info.role == TRANSOM_INPUT_VALUES || isPlace(info) ||
         info.role == TRANSOM_INPUT_POSITIONS;
}

/// "[2, 128]", for messages.
struct DimsText {
  explicit DimsText(const transom_tensor &tensor) {
    size_t used = size_t(snprintf(text, sizeof(text), "["));
    for (int32_t i = 0; i < tensor.rank && i < 4; ++i)
      used += size_t(snprintf(text + used, sizeof(text) - used, "%s%lld",
                              i ? ", " : "", (long long)tensor.dims[i]));
    snprintf(text + used, sizeof(text) - used, "]");
  }
  char text[4 * 22 + 4];
};

/// A comma-separated list that ends in "..." when it gets too long.
struct NameList {
  void add(const char *name) {
    if (used >= sizeof(text))
      return;
    used += size_t(snprintf(text + used, sizeof(text) - used, "%s'%s'",
                            used ? ", " : "", name));
    if (used >= sizeof(text))
      memcpy(text + sizeof(text) - 4, "...", 4);
  }
  char text[512] = "";
  size_t used = 0;
};

/// dtype, rank, dims, data and capacity of an input of `rank` dims; `form` says
/// them in words.
transom_status checkInput(const transom_tensor &tensor, int32_t rank,
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

} // namespace

bool Request::hasSource(const transom_program &program) {
  for (int32_t i = 0; i < program.num_inputs; ++i)
    if (program.inputs[i].extent == TRANSOM_SOURCE_TOKENS)
      return true;
  return false;
}

bool Request::owns(const transom_input_info &info) const {
  // A step's sources are in its cache: it has one set, which all inputs are of.
  bool isSource = hasSources && (info.extent == TRANSOM_SOURCE_TOKENS ||
                                 info.role == TRANSOM_INPUT_SOURCE_OFFSETS ||
                                 info.role == TRANSOM_INPUT_SOURCE_KEY_LENGTHS);
  return isSource == ofSource;
}

int32_t Request::firstRequired() const {
  for (int32_t i = 0; i < program->num_inputs; ++i)
    if (owns(program->inputs[i]) &&
        program->inputs[i].role == TRANSOM_INPUT_VALUES &&
        program->inputs[i].fallback == TRANSOM_DEFAULT_NONE)
      return i;
  return -1;
}

bool Request::create(const transom_program *of, bool isOfSource) {
  program = of;
  ofSource = isOfSource;
  hasSources = hasSource(*program);
  SetNames names = ofSource     ? sourceNames
                   : hasSources ? decoderNames
                                : sequenceNames;
  maskName = names.mask;
  offsetsName = names.offsets;
  for (int32_t i = 0; i < program->num_inputs; ++i) {
    uint8_t role = program->inputs[i].role;
    hasCache |= role == TRANSOM_INPUT_CACHE;
    readsSources |= role == TRANSOM_INPUT_SOURCE_BLOCK_TABLE;
  }
  // One more, so that a library without inputs is no failure of calloc.
  values = static_cast<const transom_tensor **>(
      calloc(size_t(program->num_inputs) + 1, sizeof(*values)));
  outputs = static_cast<transom_tensor **>(
      calloc(size_t(program->num_outputs) + 1, sizeof(*outputs)));
  return values && outputs;
}

void Request::release() {
  free(values);
  free(outputs);
  values = nullptr;
  outputs = nullptr;
}

/// Does the other set of tokens have an input of this name?
bool Request::isOfOther(const char *name) const {
  if (!hasSources)
    return false;
  SetNames other = ofSource ? decoderNames : sourceNames;
  if (strcmp(name, other.mask) == 0 || strcmp(name, other.offsets) == 0)
    return true;
  for (int32_t i = 0; i < program->num_inputs; ++i)
    if (isGiven(program->inputs[i]) && !owns(program->inputs[i]) &&
        strcmp(program->inputs[i].name, name) == 0)
      return true;
  return false;
}

transom_status Request::findInputs(const transom_tensor *tensors,
                                   size_t count) {
  for (int32_t i = 0; i < program->num_inputs; ++i)
    values[i] = nullptr;
  mask = offsets = members = positions = nullptr;
  if (count > 0 && !tensors)
    return fail(TRANSOM_INVALID_ARGUMENT,
                "'inputs' expects %zu tensors, got a null pointer", count);
  for (size_t t = 0; t < count; ++t) {
    const transom_tensor &tensor = tensors[t];
    if (!tensor.name)
      return fail(TRANSOM_INVALID_ARGUMENT,
                  "input number %zu: expected a name, got a null pointer", t);
    if (isOfOther(tensor.name))
      continue;
    const transom_tensor **place = nullptr;
    const char *other = hasCache ? membersName : maskName;
    if (strcmp(tensor.name, other) == 0)
      place = hasCache ? &members : &mask;
    if (strcmp(tensor.name, offsetsName) == 0)
      place = &offsets;
    for (int32_t i = 0; i < program->num_inputs && !place; ++i)
      if (isGiven(program->inputs[i]) && owns(program->inputs[i]) &&
          strcmp(program->inputs[i].name, tensor.name) == 0)
        place = program->inputs[i].role == TRANSOM_INPUT_POSITIONS ? &positions
                                                                   : &values[i];
    if (!place) {
      NameList known;
      for (int32_t i = 0; i < program->num_inputs; ++i)
        if (isGiven(program->inputs[i]))
          known.add(program->inputs[i].name);
      known.add(other);
      known.add(offsetsName);
      if (hasSources) {
        known.add(ofSource ? decoderNames.mask : sourceNames.mask);
        known.add(ofSource ? decoderNames.offsets : sourceNames.offsets);
      }
      return fail(TRANSOM_INVALID_ARGUMENT,
                  "input number %zu: expected one of %s, got '%.64s'", t,
                  known.text, tensor.name);
    }
    if (*place)
      return fail(TRANSOM_INVALID_ARGUMENT, "input '%s' is given twice",
                  tensor.name);
    *place = &tensor;
  }
  if (hasCache && !offsets)
    return fail(TRANSOM_INVALID_ARGUMENT,
                "input '%s' is missing: expected [sequences + 1] of int32 or "
                "int64",
                offsetsName);
  if (hasCache && !members)
    return fail(TRANSOM_INVALID_ARGUMENT,
                "input '%s' is missing: expected [sequences] of int32 or int64",
                membersName);
  for (int32_t i = 0; i < program->num_inputs; ++i) {
    const transom_input_info &info = program->inputs[i];
    if (owns(info) && info.role == TRANSOM_INPUT_VALUES &&
        info.fallback == TRANSOM_DEFAULT_NONE && !values[i])
      return fail(TRANSOM_INVALID_ARGUMENT,
                  "input '%s' is missing: expected %s of int32 or int64",
                  info.name, offsets ? "[tokens]" : "[batch, length]");
  }
  return TRANSOM_OK;
}

/// Takes the form and the values of the sources for an input that is made of
/// them, if it is not given.
transom_status Request::followSource() {
  for (int32_t i = 0; i < program->num_inputs; ++i) {
    const transom_input_info &info = program->inputs[i];
    if (info.fallback != TRANSOM_DEFAULT_SHIFTED || !owns(info) || values[i])
      continue;
    if (offsets)
      return fail(
          TRANSOM_INVALID_ARGUMENT,
          "input '%s' belongs to '%s', which is left out: expected both, "
          "or neither for a decoder that reads what the source is",
          offsetsName, info.name);
    values[i] = source->values[source->firstRequired()];
    offsets = source->offsets;
    return TRANSOM_OK;
  }
  return TRANSOM_OK;
}

transom_status Request::checkPadded() {
  const transom_tensor *first = nullptr;
  for (int32_t i = 0; i <= program->num_inputs; ++i) {
    const transom_tensor *tensor = i < program->num_inputs ? perToken(i) : mask;
    if (!tensor)
      continue;
    if (transom_status status = checkInput(*tensor, 2, "[batch, length]"))
      return status;
    if (!first)
      first = tensor;
    if (tensor->dims[0] != first->dims[0] || tensor->dims[1] != first->dims[1])
      return fail(TRANSOM_INVALID_ARGUMENT,
                  "input '%s': expected dims %s as of '%s', got %s",
                  tensor->name, DimsText(*first).text, first->name,
                  DimsText(*tensor).text);
  }
  if (!first)
    return fail(TRANSOM_INVALID_ARGUMENT,
                "expected at least one input, got none");
  sequences = first->dims[0];
  length = first->dims[1];
  elements = sequences * length;
  return TRANSOM_OK;
}

transom_status Request::checkRagged() {
  if (mask)
    return fail(TRANSOM_INVALID_ARGUMENT,
                "input '%s' belongs to the padded form: expected none "
                "beside '%s', leave masked tokens out instead",
                maskName, offsetsName);
  if (transom_status status = checkInput(*offsets, 1, "[sequences + 1]"))
    return status;
  if (offsets->dims[0] < 1)
    return fail(TRANSOM_INVALID_ARGUMENT,
                "input '%s': expected dims [sequences + 1], got [0]",
                offsetsName);
  sequences = offsets->dims[0] - 1;
  length = 0;
  if (members) {
    if (transom_status status = checkInput(*members, 1, "[sequences]"))
      return status;
    if (members->dims[0] != sequences)
      return fail(TRANSOM_INVALID_ARGUMENT,
                  "input '%s': expected dims [%lld], one less than '%s', got "
                  "%s",
                  membersName, (long long)sequences, offsetsName,
                  DimsText(*members).text);
  }
  const transom_tensor *first = nullptr;
  for (int32_t i = 0; i < program->num_inputs; ++i) {
    const transom_tensor *tensor = perToken(i);
    if (!tensor)
      continue;
    if (transom_status status = checkInput(*tensor, 1, "[tokens]"))
      return status;
    if (!first)
      first = tensor;
    if (tensor->dims[0] != first->dims[0])
      return fail(TRANSOM_INVALID_ARGUMENT,
                  "input '%s': expected dims %s as of '%s', got %s",
                  tensor->name, DimsText(*first).text, first->name,
                  DimsText(*tensor).text);
  }
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

transom_status Request::checkPlaces() {
  for (int32_t i = 0; i < program->num_inputs; ++i) {
    const transom_tensor *places = values[i];
    if (!places || !isPlace(program->inputs[i]))
      continue;
    if (transom_status status = checkInput(*places, 1, "[sequences]"))
      return status;
    if (places->dims[0] != sequences)
      return fail(TRANSOM_INVALID_ARGUMENT,
                  "input '%s': expected dims [%lld], one for each sequence, "
                  "got %s",
                  places->name, (long long)sequences, DimsText(*places).text);
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
    if (!isKept(index))
      return fail(TRANSOM_INVALID_ARGUMENT,
                  "input '%s', number %lld: expected a token that is "
                  "there, got %lld (sequence %lld, position %lld), which '%s' "
                  "hides",
                  positions->name, (long long)i, (long long)index,
                  (long long)(index / length), (long long)(index % length),
                  maskName);
  }
  return TRANSOM_OK;
}

/// That what the mask hides stands before or after what it shows.
transom_status Request::checkContiguous() {
  for (int64_t s = 0; s < sequences; ++s) {
    int64_t gap = -1; // The first hidden token after one that is there.
    for (int64_t column = 0, shown = 0; column < length; ++column) {
      bool kept = isKept(begin(s) + column);
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

transom_status Request::readInputs(const transom_tensor *tensors,
                                   size_t count) {
  if (transom_status status = findInputs(tensors, count))
    return status;
  if (transom_status status = followSource())
    return status;
  if (transom_status status = offsets ? checkRagged() : checkPadded())
    return status;
  if (transom_status status = checkPlaces())
    return status;
  int32_t keyLengths =
      ofSource ? TRANSOM_INPUT_SOURCE_KEY_LENGTHS : TRANSOM_INPUT_KEY_LENGTHS;
  for (int32_t i = 0; mask && i < program->num_inputs; ++i)
    if (program->inputs[i].role == keyLengths && program->inputs[i].contiguous)
      if (transom_status status = checkContiguous())
        return status;
  return checkPositions();
}

transom_status Request::readOutputs(transom_tensor *tensors, size_t count) {
  for (int32_t i = 0; i < program->num_outputs; ++i)
    outputs[i] = nullptr;
  requested = 0;
  if (count > 0 && !tensors)
    return fail(TRANSOM_INVALID_ARGUMENT,
                "'outputs' expects %zu tensors, got a null pointer", count);
  for (size_t t = 0; t < count; ++t) {
    transom_tensor &tensor = tensors[t];
    if (!tensor.name)
      return fail(TRANSOM_INVALID_ARGUMENT,
                  "output number %zu: expected a name, got a null pointer", t);
    int32_t number = 0;
    while (number < program->num_outputs &&
           strcmp(program->outputs[number].name, tensor.name) != 0)
      ++number;
    if (number == program->num_outputs) {
      NameList known;
      for (int32_t i = 0; i < program->num_outputs; ++i)
        known.add(program->outputs[i].name);
      return fail(TRANSOM_INVALID_ARGUMENT,
                  "output number %zu: expected one of %s, got '%.64s'", t,
                  known.text, tensor.name);
    }
    if (!owns(program->outputs[number]))
      continue;
    if (outputs[number])
      return fail(TRANSOM_INVALID_ARGUMENT, "output '%s' is given twice",
                  tensor.name);
    if (tensor.dtype != TRANSOM_FLOAT32)
      return fail(TRANSOM_INVALID_ARGUMENT,
                  "output '%s': expected dtype float32 (%d), got %d",
                  tensor.name, TRANSOM_FLOAT32, tensor.dtype);
    outputs[number] = &tensor;

    const transom_output_info &info = program->outputs[number];
    int32_t rank = 0;
    int64_t rows = elements;
    if (isListed(info)) {
      tensor.dims[rank++] = rows = positions->dims[0];
    } else if (info.extent == TRANSOM_SEQUENCES) {
      tensor.dims[rank++] = rows = sequences;
    } else if (offsets) {
      tensor.dims[rank++] = elements;
    } else {
      tensor.dims[rank++] = sequences;
      tensor.dims[rank++] = length;
    }
    for (int32_t i = 0; i < info.rank; ++i)
      tensor.dims[rank++] = info.dims[i];
    tensor.rank = rank;
    if (!tensor.data)
      continue;
    int64_t bytes = 0;
    if (!addProduct(bytes, rows, info.width * int64_t(sizeof(float))) ||
        tensor.capacity < uint64_t(bytes))
      return fail(TRANSOM_INVALID_ARGUMENT,
                  "output '%s': expected a capacity of %lld bytes for %s, "
                  "got %zu",
                  tensor.name, (long long)bytes, DimsText(tensor).text,
                  tensor.capacity);
    requested |= uint64_t(1) << number;
  }
  return TRANSOM_OK;
}
