//===- Step.cpp - tokens that are added to sequences ----------------------===//
#include "runtime/Step.h"

#include "runtime/Error.h"
#include "runtime/Futex.h"
#include "runtime/Session.h"
#include "runtime/entry.h"

#include <cstring>

using namespace transom;

namespace {

transom_status failWithoutCache(const transom_session &session) {
  return fail(TRANSOM_INVALID_ARGUMENT,
              "library '%s' keeps no keys and values: expected one that was "
              "compiled to generate text, with a program 'step'",
              session.model->library->name);
}

transom_status failUnknown(int64_t sequence) {
  return fail(TRANSOM_INVALID_ARGUMENT,
              "sequence %lld: expected one that this session has",
              (long long)sequence);
}

transom_status failMemory(const transom_session &session) {
  const Cache &cache = session.sequences.cache;
  return fail(TRANSOM_EXHAUSTED,
              "no memory for more tokens in the cache: %lld of at most %lld "
              "blocks of %d tokens are taken; free or truncate sequences, or "
              "give the session more 'cache_tokens'",
              (long long)cache.numTaken(), (long long)cache.numBlocks(),
              TRANSOM_CACHE_BLOCK);
}

/// The input that stands for positions when the caller gives none.
const transom_input_info *positionsInput(const transom_program &program) {
  for (int32_t i = 0; i < program.num_inputs; ++i)
    if (program.inputs[i].role == TRANSOM_INPUT_VALUES &&
        program.inputs[i].fallback == TRANSOM_DEFAULT_POSITIONS)
      return &program.inputs[i];
  return nullptr;
}

/// Finds the batch's sequences and checks their lengths.
transom_status findMembers(transom_session &session, const Request &request) {
  Sequence **list = reinterpret_cast<Sequence **>(session.members.base);
  int64_t limit = positionLimit(session);
  const transom_input_info *positions = positionsInput(*session.step->program);
  // Explicit positions are what is checked then, one by one.
  for (int32_t i = 0; i < request.program->num_inputs; ++i)
    if (positions == &request.program->inputs[i] && request.values[i])
      limit = INT32_MAX - 1;
  ++session.numSteps;
  for (int64_t s = 0; s < request.sequences; ++s) {
    int64_t number = loadInteger(*request.members, s);
    Sequence *sequence = session.sequences.find(number);
    if (!sequence)
      return fail(TRANSOM_INVALID_ARGUMENT,
                  "input '%s', number %lld: expected a sequence that this "
                  "session has, got %lld",
                  request.members->name, (long long)s, (long long)number);
    if (sequence->step == session.numSteps)
      return fail(TRANSOM_INVALID_ARGUMENT,
                  "input '%s', number %lld: expected each sequence once, got "
                  "%lld again",
                  request.members->name, (long long)s, (long long)number);
    sequence->step = session.numSteps;
    list[s] = sequence;
    int64_t more = request.columns(s);
    if (sequence->length + more > limit)
      return fail(TRANSOM_OUT_OF_RANGE,
                  "sequence %lld: %lld tokens and %lld new ones exceed the "
                  "maximum %lld%s%s%s",
                  (long long)number, (long long)sequence->length,
                  (long long)more, (long long)limit, positions ? " (of '" : "",
                  positions ? positions->name : "", positions ? "')" : "");
  }
  return TRANSOM_OK;
}

/// Makes room in the cache and computes, after readInputs and readOutputs.
transom_status computeStep(transom_session &session) {
  ProgramState &state = *session.step;
  const Request &request = state.request;
  int64_t bytes = 0;
  if (!addProduct(bytes, request.sequences, sizeof(Sequence *)) ||
      !session.members.reserve(size_t(bytes)))
    return fail(TRANSOM_EXHAUSTED, "no memory for %lld sequences",
                (long long)request.sequences);
  if (transom_status status = findMembers(session, request))
    return status;
  Members members = {reinterpret_cast<Sequence **>(session.members.base),
                     &session.sequences};
  transom_status status = TRANSOM_OK;
  for (int64_t s = 0; s < request.sequences && !status; ++s)
    if (!session.sequences.extend(*members.list[s], request.columns(s)))
      status = failMemory(session);
  if (!status)
    status = runPacked(session, state, &members);
  for (int64_t s = 0; s < request.sequences; ++s)
    if (status)
      session.sequences.shrink(*members.list[s]);
    else
      members.list[s]->length += request.columns(s);
  return status;
}

/// As computeStep, in the profile.
transom_status profiledStep(transom_session &session) {
  if (!session.profiling)
    return computeStep(session);
  session.profile.beginRun();
  int64_t begin = nanoseconds();
  transom_status status = computeStep(session);
  if (status == TRANSOM_OK)
    session.profile.endRun(session.step->door.numRows,
                           session.step->request.sequences,
                           nanoseconds() - begin);
  return status;
}

transom_status step(transom_session &session, const transom_tensor *inputs,
                    size_t numInputs, transom_tensor *outputs,
                    size_t numOutputs) {
  if (!hasSteps(session))
    return failWithoutCache(session);
  ProgramState &state = *session.step;
  if (transom_status status = state.request.readInputs(inputs, numInputs))
    return status;
  if (transom_status status = state.request.readOutputs(outputs, numOutputs))
    return status;
  if (transom_status status = profiledStep(session))
    return status;
  state.door.unpack(state.request, state.outputs);
  return TRANSOM_OK;
}

transom_status failNull(const char *name) {
  return fail(TRANSOM_INVALID_ARGUMENT,
              "'%s' expects a place for the result, got null", name);
}

} // namespace

bool transom::hasSteps(const transom_session &session) { return session.step; }

transom_status transom::addSequence(transom_session &session,
                                    int64_t &sequence) {
  if (!hasSteps(session))
    return failWithoutCache(session);
  sequence = session.sequences.add();
  return sequence < 0 ? fail(TRANSOM_EXHAUSTED, "no memory") : TRANSOM_OK;
}

transom_status transom::forkSequence(transom_session &session, int64_t sequence,
                                     int64_t length, int64_t &fork) {
  if (!hasSteps(session))
    return failWithoutCache(session);
  const Sequence *from = session.sequences.find(sequence);
  if (!from)
    return failUnknown(sequence);
  if (length == -1)
    length = from->length;
  if (length < 0 || length > from->length)
    return fail(TRANSOM_OUT_OF_RANGE,
                "sequence %lld: expected a length from 0 to %lld, its own, or "
                "-1, got %lld",
                (long long)sequence, (long long)from->length,
                (long long)length);
  fork = session.sequences.fork(sequence, length);
  return fork < 0 ? fail(TRANSOM_EXHAUSTED, "no memory") : TRANSOM_OK;
}

transom_status transom::truncateSequence(transom_session &session,
                                         int64_t sequence, int64_t length) {
  if (!hasSteps(session))
    return failWithoutCache(session);
  Sequence *place = session.sequences.find(sequence);
  if (!place)
    return failUnknown(sequence);
  if (length < 0 || length > place->length)
    return fail(TRANSOM_OUT_OF_RANGE,
                "sequence %lld: expected a length from 0 to %lld, its own, got "
                "%lld",
                (long long)sequence, (long long)place->length,
                (long long)length);
  session.sequences.truncate(*place, length);
  return TRANSOM_OK;
}

transom_status transom::freeSequence(transom_session &session,
                                     int64_t sequence) {
  if (!hasSteps(session))
    return failWithoutCache(session);
  Sequence *place = session.sequences.find(sequence);
  if (!place)
    return failUnknown(sequence);
  session.sequences.free(*place);
  return TRANSOM_OK;
}

int64_t transom::sequenceLength(const transom_session &session,
                                int64_t sequence) {
  const Sequence *place = session.sequences.find(sequence);
  return place ? place->length : -1;
}

int64_t transom::positionLimit(const transom_session &session) {
  const transom_input_info *positions =
      session.step ? positionsInput(*session.step->program) : nullptr;
  return positions && positions->bound > 0 ? positions->bound : INT32_MAX - 1;
}

int32_t transom::stepOutput(const transom_session &session, const char *name) {
  if (session.step)
    for (int32_t i = 0; i < session.step->program->num_outputs; ++i)
      if (strcmp(session.step->program->outputs[i].name, name) == 0)
        return i;
  return -1;
}

/// A tensor [count] of integers of `bytes` each.
static transom_tensor listOf(const char *name, const void *data, int64_t count,
                             size_t bytes) {
  transom_tensor tensor = {};
  tensor.name = name;
  tensor.data = const_cast<void *>(data);
  tensor.capacity = size_t(count) * bytes;
  tensor.dtype = bytes == sizeof(int64_t) ? TRANSOM_INT64 : TRANSOM_INT32;
  tensor.rank = 1;
  tensor.dims[0] = count;
  return tensor;
}

transom_status transom::step(transom_session &session, const StepPart *parts,
                             int64_t numParts, const int32_t *positions,
                             int64_t numPositions, int32_t output,
                             StepRows &rows) {
  if (!hasSteps(session))
    return failWithoutCache(session);
  ProgramState &state = *session.step;
  const transom_program &program = *state.program;
  const char *ids = nullptr, *asked = nullptr;
  for (int32_t i = program.num_inputs - 1; i >= 0; --i) {
    const transom_input_info &info = program.inputs[i];
    if (info.role == TRANSOM_INPUT_VALUES &&
        info.fallback == TRANSOM_DEFAULT_NONE)
      ids = info.name;
    if (info.role == TRANSOM_INPUT_POSITIONS)
      asked = info.name;
  }
  if (!ids || !asked || output < 0 || output >= program.num_outputs ||
      program.outputs[output].extent != TRANSOM_POSITIONS)
    return fail(TRANSOM_INVALID_ARGUMENT,
                "library '%s': expected a step that takes tokens and has "
                "output number %d at positions",
                session.model->library->name, output);

  // The parts' tokens, one behind the other; offsets; numbers of sequences.
  int64_t tokens = 0, bytes = 0;
  for (int64_t i = 0; i < numParts; ++i)
    if (__builtin_add_overflow(tokens, parts[i].count, &tokens) ||
        parts[i].count < 0 || tokens >= INT32_MAX)
      return fail(TRANSOM_INVALID_ARGUMENT,
                  "expected fewer than %d tokens in a step, part %lld has %lld",
                  INT32_MAX, (long long)i, (long long)parts[i].count);
  if (!addProduct(bytes, numParts, sizeof(int64_t)) ||
      !addProduct(bytes, numParts + 1, sizeof(int32_t)) ||
      !addProduct(bytes, tokens, sizeof(int32_t)) ||
      !session.parts.reserve(size_t(bytes)))
    return fail(TRANSOM_EXHAUSTED, "no memory for a step of %lld tokens",
                (long long)tokens);
  auto *numbers = reinterpret_cast<int64_t *>(session.parts.base);
  auto *offsets = reinterpret_cast<int32_t *>(numbers + numParts);
  int32_t *values = offsets + numParts + 1;
  int64_t end = 0;
  for (int64_t i = 0; i < numParts; ++i) {
    numbers[i] = parts[i].sequence;
    offsets[i] = int32_t(end);
    if (parts[i].count > 0)
      memcpy(values + end, parts[i].tokens,
             size_t(parts[i].count) * sizeof(int32_t));
    end += parts[i].count;
  }
  offsets[numParts] = int32_t(end);

  const transom_tensor inputs[] = {
      listOf(ids, values, tokens, sizeof(int32_t)),
      listOf("sequence_offsets", offsets, numParts + 1, sizeof(int32_t)),
      listOf("sequences", numbers, numParts, sizeof(int64_t)),
      listOf(asked, positions, numPositions, sizeof(int32_t))};
  if (transom_status status = state.request.readInputs(inputs, 4))
    return status;
  state.request.requested = numPositions > 0 ? uint64_t(1) << output : 0;
  if (transom_status status = profiledStep(session))
    return status;
  const transom_output_info &info = program.outputs[output];
  if (numPositions == 0) {
    rows = {nullptr, 0, info.width};
    return TRANSOM_OK;
  }
  rows = {static_cast<const float *>(state.outputs[output]),
          info.row_bytes / int64_t(sizeof(float)), info.width};
  return TRANSOM_OK;
}

transom_status transom_sequence_add(transom_session *session,
                                    int64_t *sequence) {
  return withSession("sequence_add", session, [&](transom_session &session) {
    return sequence ? addSequence(session, *sequence) : failNull("sequence");
  });
}

transom_status transom_sequence_fork(transom_session *session, int64_t sequence,
                                     int64_t length, int64_t *fork) {
  return withSession("sequence_fork", session, [&](transom_session &session) {
    return fork ? forkSequence(session, sequence, length, *fork)
                : failNull("fork");
  });
}

transom_status transom_sequence_truncate(transom_session *session,
                                         int64_t sequence, int64_t length) {
  return withSession("sequence_truncate", session,
                     [&](transom_session &session) {
                       return truncateSequence(session, sequence, length);
                     });
}

transom_status transom_sequence_free(transom_session *session,
                                     int64_t sequence) {
  return withSession("sequence_free", session, [&](transom_session &session) {
    return freeSequence(session, sequence);
  });
}

int64_t transom_sequence_length(const transom_session *session,
                                int64_t sequence) {
  return session ? sequenceLength(*session, sequence) : -1;
}

transom_status transom_step(transom_session *session,
                            const transom_tensor *inputs, size_t num_inputs,
                            transom_tensor *outputs, size_t num_outputs) {
  return withSession("step", session, [&](transom_session &session) {
    return ::step(session, inputs, num_inputs, outputs, num_outputs);
  });
}
