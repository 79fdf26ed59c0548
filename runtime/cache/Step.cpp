//===- Step.cpp - tokens that are added to sequences ----------------------===//
#include "runtime/cache/Step.h"

#include "runtime/Error.h"
#include "runtime/Session.h"
#include "runtime/entry.h"
#include "runtime/launch/Futex.h"

#include <cstring>

using namespace transom;

namespace {

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
    if (program.inputs[i].role == TRANSOM_ROLE_VALUES &&
        program.inputs[i].default_kind == TRANSOM_DEFAULT_POSITION_IDS)
      return &program.inputs[i];
  return nullptr;
}

/// How many tokens of a sequence the program's positions suffice for.
int64_t limitOf(const transom_program &program) {
  const transom_input_info *positions = positionsInput(program);
  return positions && positions->bound > 0 ? positions->bound : INT32_MAX - 1;
}

/// Finds the batch's sequences, checks that they may go on, and their lengths.
transom_status findMembers(transom_session &session, const ProgramState &state,
                           Members &members) {
  const Request &request = state.request;
  bool isEncode = &state == session.encode;
  int64_t limit = limitOf(*state.program);
  const transom_input_info *positions = positionsInput(*state.program);
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
    int64_t past = sequence->tokens.length, more = request.columns(s);
    if (isEncode && past > 0)
      return fail(TRANSOM_INVALID_ARGUMENT,
                  "sequence %lld: expected no tokens before its source, got "
                  "%lld; add a sequence for another source",
                  (long long)number, (long long)past);
    if (request.readsSources && !sequence->hasSource)
      return fail(TRANSOM_INVALID_ARGUMENT,
                  "sequence %lld: expected one with a source, got none; give "
                  "it a source by encode",
                  (long long)number);
    if (past + more > limit)
      return fail(TRANSOM_OUT_OF_RANGE,
                  "sequence %lld: %lld tokens and %lld new ones exceed the "
                  "maximum %lld%s%s%s",
                  (long long)number, (long long)past, (long long)more,
                  (long long)limit, positions ? " (of '" : "",
                  positions ? positions->name : "", positions ? "')" : "");
    members.list[s] = {sequence, isEncode ? Chain() : sequence->tokens};
  }
  return TRANSOM_OK;
}

/// What has become of a member's chain is its sequence's, after a success.
void endMember(transom_session &session, const ProgramState &state,
               Member &member, int64_t tokens, bool succeeded) {
  bool isEncode = &state == session.encode;
  if (succeeded)
    member.chain.length += tokens;
  else
    session.sequences.shrink(member.chain);
  // A failed step may have given its sequence a block of its own.
  if (!isEncode)
    member.sequence->tokens = member.chain;
  else if (succeeded)
    session.sequences.setSource(*member.sequence, member.chain);
}

/// Makes room in the cache and computes, after readInputs and readOutputs:
/// `state` is the session's step or its encode.
transom_status compute(transom_session &session, ProgramState &state) {
  const Request &request = state.request;
  int64_t bytes = 0;
  if (!addProduct(bytes, request.sequences, sizeof(Member)) ||
      !session.members.reserve(size_t(bytes)))
    return fail(TRANSOM_EXHAUSTED, "no memory for %lld sequences",
                (long long)request.sequences);
  Members members = {reinterpret_cast<Member *>(session.members.base),
                     &session.sequences};
  if (transom_status status = findMembers(session, state, members))
    return status;
  transom_status status = TRANSOM_OK;
  for (int64_t s = 0; s < request.sequences && !status; ++s)
    if (!session.sequences.extend(members.list[s].chain, request.columns(s)))
      status = failMemory(session);
  if (!status)
    status = runPacked(session, state, &members);
  for (int64_t s = 0; s < request.sequences; ++s)
    endMember(session, state, members.list[s], request.columns(s),
              status == TRANSOM_OK);
  return status;
}

/// As compute, in the profile.
transom_status profiled(transom_session &session, ProgramState &state) {
  if (!session.profiling)
    return compute(session, state);
  session.profile.beginRun();
  int64_t begin = nanoseconds();
  transom_status status = compute(session, state);
  if (status == TRANSOM_OK)
    session.profile.endRun(state.door.numRows, state.request.sequences,
                           nanoseconds() - begin);
  return status;
}

transom_status computeTensors(transom_session &session, ProgramState &state,
                              const transom_tensor *inputs, size_t numInputs,
                              transom_tensor *outputs, size_t numOutputs) {
  if (transom_status status = state.request.readInputs(inputs, numInputs))
    return status;
  if (transom_status status = state.request.readOutputs(outputs, numOutputs))
    return status;
  if (transom_status status = profiled(session, state))
    return status;
  state.door.unpack(state.request, state.outputs);
  return TRANSOM_OK;
}

transom_status failWithoutEncoder(const transom_session &session) {
  return fail(TRANSOM_INVALID_ARGUMENT,
              "library '%s' takes no sources: expected an encoder-decoder that "
              "was compiled to generate text, with a program 'encode'",
              session.model->library->name);
}

/// A tensor [count] of integers of `bytes` each.
transom_tensor listOf(const char *name, const void *data, int64_t count,
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

/// The first of a program's inputs that its caller has to give; null: none.
const char *idsName(const transom_program &program) {
  for (int32_t i = 0; i < program.num_inputs; ++i)
    if (program.inputs[i].role == TRANSOM_ROLE_VALUES &&
        program.inputs[i].default_kind == TRANSOM_DEFAULT_NONE)
      return program.inputs[i].name;
  return nullptr;
}

/// The tensors of parts: ids, offsets and sequences, in memory of the session.
transom_status joinParts(transom_session &session, const StepPart *parts,
                         int64_t numParts, const char *ids,
                         transom_tensor *inputs) {
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
  inputs[0] = listOf(ids, values, tokens, sizeof(int32_t));
  inputs[1] =
      listOf("sequence_offsets", offsets, numParts + 1, sizeof(int32_t));
  inputs[2] = listOf("sequences", numbers, numParts, sizeof(int64_t));
  return TRANSOM_OK;
}

} // namespace

bool transom::hasSteps(const transom_session &session) { return session.step; }

bool transom::hasSources(const transom_session &session) {
  return session.encode;
}

transom_status transom::failWithoutCache(const transom_session &session) {
  return fail(TRANSOM_INVALID_ARGUMENT,
              "library '%s' keeps no keys and values: expected one that was "
              "compiled to generate text, with a program 'step'",
              session.model->library->name);
}

int64_t transom::positionLimit(const transom_session &session) {
  return session.step ? limitOf(*session.step->program) : INT32_MAX - 1;
}

int64_t transom::sourceLimit(const transom_session &session) {
  return session.encode ? limitOf(*session.encode->program) : INT32_MAX - 1;
}

int32_t transom::stepOutput(const transom_session &session, const char *name) {
  if (session.step)
    for (int32_t i = 0; i < session.step->program->num_outputs; ++i)
      if (strcmp(session.step->program->outputs[i].name, name) == 0)
        return i;
  return -1;
}

transom_status transom::step(transom_session &session, const StepPart *parts,
                             int64_t numParts, const int32_t *positions,
                             int64_t numPositions, int32_t output,
                             StepRows &rows) {
  if (!hasSteps(session))
    return failWithoutCache(session);
  ProgramState &state = *session.step;
  const transom_program &program = *state.program;
  const char *ids = idsName(program), *asked = nullptr;
  for (int32_t i = 0; i < program.num_inputs; ++i)
    if (program.inputs[i].role == TRANSOM_ROLE_OUTPUT_POSITIONS)
      asked = program.inputs[i].name;
  if (!ids || !asked || output < 0 || output >= program.num_outputs ||
      program.outputs[output].extent != TRANSOM_OUTPUT_POSITIONS)
    return fail(TRANSOM_INVALID_ARGUMENT,
                "library '%s': expected a step that takes tokens and has "
                "output number %d at positions",
                session.model->library->name, output);
  transom_tensor inputs[4];
  if (transom_status status = joinParts(session, parts, numParts, ids, inputs))
    return status;
  inputs[3] = listOf(asked, positions, numPositions, sizeof(int32_t));
  if (transom_status status = state.request.readInputs(inputs, 4))
    return status;
  state.request.requested = numPositions > 0 ? uint64_t(1) << output : 0;
  if (transom_status status = profiled(session, state))
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

transom_status transom::encode(transom_session &session, const StepPart *parts,
                               int64_t numParts) {
  if (!hasSources(session))
    return failWithoutEncoder(session);
  ProgramState &state = *session.encode;
  const char *ids = idsName(*state.program);
  if (!ids)
    return fail(TRANSOM_INVALID_ARGUMENT,
                "library '%s': expected a program 'encode' that takes tokens",
                session.model->library->name);
  transom_tensor inputs[3];
  if (transom_status status = joinParts(session, parts, numParts, ids, inputs))
    return status;
  if (transom_status status = state.request.readInputs(inputs, 3))
    return status;
  state.request.requested = 0;
  return profiled(session, state);
}

transom_status transom_step(transom_session *session,
                            const transom_tensor *inputs, size_t num_inputs,
                            transom_tensor *outputs, size_t num_outputs) {
  return withSession("step", session, [&](transom_session &session) {
    return hasSteps(session) ? computeTensors(session, *session.step, inputs,
                                              num_inputs, outputs, num_outputs)
                             : failWithoutCache(session);
  });
}

transom_status transom_encode(transom_session *session,
                              const transom_tensor *inputs, size_t num_inputs,
                              transom_tensor *outputs, size_t num_outputs) {
  return withSession("encode", session, [&](transom_session &session) {
    return hasSources(session)
               ? computeTensors(session, *session.encode, inputs, num_inputs,
                                outputs, num_outputs)
               : failWithoutEncoder(session);
  });
}
