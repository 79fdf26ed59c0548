//===- Request.cpp - names of a run's tensors, and its outputs ------------===//
#include "runtime/batch/Request.h"

#include "runtime/Error.h"
#include "runtime/Memory.h"
#include "runtime/batch/DimsText.h"

#include <cstdio>
#include <cstdlib>

using namespace transom;

namespace {

// At the caller's side these belong to every library: they say which tokens
// there are, and generated code sees them as offsets and lengths only.
constexpr const char *sequencesName = "sequences";

/// Names of mask and offsets of a set of tokens. As Hugging Face has it, the
/// mask is that of the encoder input, if there is one.
struct SetNames {
  const char *mask, *offsets;
};
constexpr SetNames sequenceNames = {"attention_mask", "sequence_offsets"};
constexpr SetNames decoderNames = {"decoder_attention_mask",
                                   "sequence_offsets"};
constexpr SetNames encoderNames = {"attention_mask", "encoder_offsets"};

/// Is it the caller who gives this input?
bool isGiven(const transom_input_info &info) {
  return info.role == TRANSOM_ROLE_VALUES || isTokenIndex(info) ||
         info.role == TRANSOM_ROLE_OUTPUT_POSITIONS;
}

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

} // namespace

bool Request::hasEncoderInput(const transom_program &program) {
  for (int32_t i = 0; i < program.num_inputs; ++i)
    if (program.inputs[i].extent == TRANSOM_ENCODER_TOKENS)
      return true;
  return false;
}

bool Request::owns(const transom_input_info &info) const {
  // A step's encoder inputs are in its cache: it has one set, which all inputs
  // are of.
  bool isEncoder =
      hasEncoderInputs && (info.extent == TRANSOM_ENCODER_TOKENS ||
                           info.role == TRANSOM_ROLE_ENCODER_OFFSETS ||
                           info.role == TRANSOM_ROLE_ENCODER_KEY_LENGTHS);
  return isEncoder == ofEncoder;
}

int64_t Request::sequenceOf(int64_t index) const {
  if (!offsets)
    return index / length;
  // The last one that begins no later: one without tokens begins with the next.
  int64_t low = 0, high = sequences - 1;
  while (low < high) {
    int64_t middle = high - (high - low) / 2;
    if (begin(middle) <= index)
      low = middle;
    else
      high = middle - 1;
  }
  return low;
}

bool Request::create(const transom_program *of, bool isOfEncoder) {
  program = of;
  ofEncoder = isOfEncoder;
  hasEncoderInputs = hasEncoderInput(*program);
  SetNames names = ofEncoder          ? encoderNames
                   : hasEncoderInputs ? decoderNames
                                      : sequenceNames;
  maskName = names.mask;
  offsetsName = names.offsets;
  for (int32_t i = 0; i < program->num_inputs; ++i) {
    const transom_input_info &info = program->inputs[i];
    hasCache |= info.role == TRANSOM_ROLE_CACHE;
    readsEncoder |= info.role == TRANSOM_ROLE_ENCODER_BLOCK_TABLE;
    if (ids < 0 && owns(info) && info.role == TRANSOM_ROLE_VALUES &&
        info.default_kind == TRANSOM_DEFAULT_NONE)
      ids = i;
  }
  // One more, so that a library without inputs does not look like a failure of
  // calloc.
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
  if (!hasEncoderInputs)
    return false;
  SetNames other = ofEncoder ? decoderNames : encoderNames;
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
  mask = offsets = sequenceIds = positions = nullptr;
  parts = nullptr;
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
    const transom_tensor **slot = nullptr;
    const char *other = hasCache ? sequencesName : maskName;
    if (strcmp(tensor.name, other) == 0)
      slot = hasCache ? &sequenceIds : &mask;
    if (strcmp(tensor.name, offsetsName) == 0)
      slot = &offsets;
    for (int32_t i = 0; i < program->num_inputs && !slot; ++i)
      if (isGiven(program->inputs[i]) && owns(program->inputs[i]) &&
          strcmp(program->inputs[i].name, tensor.name) == 0)
        slot = program->inputs[i].role == TRANSOM_ROLE_OUTPUT_POSITIONS
                   ? &positions
                   : &values[i];
    if (!slot) {
      NameList known;
      for (int32_t i = 0; i < program->num_inputs; ++i)
        if (isGiven(program->inputs[i]))
          known.add(program->inputs[i].name);
      known.add(other);
      known.add(offsetsName);
      if (hasEncoderInputs) {
        known.add(ofEncoder ? decoderNames.mask : encoderNames.mask);
        known.add(ofEncoder ? decoderNames.offsets : encoderNames.offsets);
      }
      return fail(TRANSOM_INVALID_ARGUMENT,
                  "input number %zu: expected one of %s, got '%.64s'", t,
                  known.text, tensor.name);
    }
    if (*slot)
      return fail(TRANSOM_INVALID_ARGUMENT, "input '%s' is given twice",
                  tensor.name);
    *slot = &tensor;
  }
  if (hasCache && !offsets)
    return fail(TRANSOM_INVALID_ARGUMENT,
                "input '%s' is missing: expected [sequences + 1] of int32 or "
                "int64",
                offsetsName);
  if (hasCache && !sequenceIds)
    return fail(TRANSOM_INVALID_ARGUMENT,
                "input '%s' is missing: expected [sequences] of int32 or int64",
                sequencesName);
  for (int32_t i = 0; i < program->num_inputs; ++i) {
    const transom_input_info &info = program->inputs[i];
    if (owns(info) && info.role == TRANSOM_ROLE_VALUES &&
        info.default_kind == TRANSOM_DEFAULT_NONE && !values[i])
      return fail(TRANSOM_INVALID_ARGUMENT,
                  "input '%s' is missing: expected %s of int32 or int64",
                  info.name, offsets ? "[tokens]" : "[batch, length]");
  }
  return TRANSOM_OK;
}

/// Takes the form and the values of the encoder inputs for an input that is
/// made of them, if it is not given.
transom_status Request::followEncoder() {
  for (int32_t i = 0; i < program->num_inputs; ++i) {
    const transom_input_info &info = program->inputs[i];
    if (info.default_kind != TRANSOM_DEFAULT_SHIFTED_RIGHT || !owns(info) ||
        values[i])
      continue;
    if (offsets)
      return fail(
          TRANSOM_INVALID_ARGUMENT,
          "input '%s' belongs to '%s', which is left out: expected both, "
          "or neither for a decoder that reads what the encoder input is",
          offsetsName, info.name);
    values[i] = encoderInput->values[encoderInput->ids];
    offsets = encoderInput->offsets;
    return TRANSOM_OK;
  }
  return TRANSOM_OK;
}

void Request::readParts(const StepPart *given, int64_t numParts,
                        const int32_t *givenPositions, int64_t numPositions) {
  mask = offsets = sequenceIds = positions = nullptr;
  parts = given;
  partPositions = givenPositions;
  numPartPositions = numPositions;
  sequences = numParts;
  length = elements = 0;
  for (int64_t i = 0; i < numParts; ++i)
    elements += parts[i].count;
}

transom_status Request::readInputs(const transom_tensor *tensors,
                                   size_t count) {
  if (transom_status status = findInputs(tensors, count))
    return status;
  if (transom_status status = followEncoder())
    return status;
  if (transom_status status = offsets ? checkRagged() : checkPadded())
    return status;
  if (transom_status status = checkTokenIndices())
    return status;
  int32_t keyLengths =
      ofEncoder ? TRANSOM_ROLE_ENCODER_KEY_LENGTHS : TRANSOM_ROLE_KEY_LENGTHS;
  for (int32_t i = 0; mask && i < program->num_inputs; ++i)
    if (program->inputs[i].role == keyLengths && program->inputs[i].operand)
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
    int32_t index = 0;
    while (index < program->num_outputs &&
           strcmp(program->outputs[index].name, tensor.name) != 0)
      ++index;
    if (index == program->num_outputs) {
      NameList known;
      for (int32_t i = 0; i < program->num_outputs; ++i)
        known.add(program->outputs[i].name);
      return fail(TRANSOM_INVALID_ARGUMENT,
                  "output number %zu: expected one of %s, got '%.64s'", t,
                  known.text, tensor.name);
    }
    if (!owns(program->outputs[index]))
      continue;
    if (outputs[index])
      return fail(TRANSOM_INVALID_ARGUMENT, "output '%s' is given twice",
                  tensor.name);
    if (tensor.dtype != TRANSOM_FLOAT32)
      return fail(TRANSOM_INVALID_ARGUMENT,
                  "output '%s': expected dtype float32 (%d), got %d",
                  tensor.name, TRANSOM_FLOAT32, tensor.dtype);
    outputs[index] = &tensor;

    const transom_output_info &info = program->outputs[index];
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
    requested |= uint64_t(1) << index;
  }
  return TRANSOM_OK;
}
