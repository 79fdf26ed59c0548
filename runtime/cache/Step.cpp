//===- Step.cpp - tokens that are added to sequences ----------------------===//
#include "runtime/cache/Step.h"

#include "runtime/Error.h"
#include "runtime/Session.h"
#include "runtime/entry.h"
#include "runtime/launch/Futex.h"

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
transom_status findSequences(transom_session &session,
                             const ProgramState &state, Batch &batch) {
  const Request &request = state.request;
  bool isEncode = &state == session.encode;
  int64_t limit = limitOf(*state.program);
  const transom_input_info *positions = positionsInput(*state.program);
  // Explicit positions are what is checked then, one by one.
  if (positions && request.has(int32_t(positions - state.program->inputs)))
    limit = INT32_MAX - 1;
  ++session.numSteps;
  for (int64_t s = 0; s < request.sequences; ++s) {
    int64_t id = request.sequenceId(s);
    Sequence *sequence = session.sequences.find(id);
    if (!sequence)
      return fail(TRANSOM_INVALID_ARGUMENT,
                  "input 'sequences', number %lld: expected a sequence that "
                  "this session has, got %lld",
                  (long long)s, (long long)id);
    if (sequence->step == session.numSteps)
      return fail(TRANSOM_INVALID_ARGUMENT,
                  "input 'sequences', number %lld: expected each sequence "
                  "once, got %lld again",
                  (long long)s, (long long)id);
    sequence->step = session.numSteps;
    int64_t past = sequence->tokens.length, more = request.columns(s);
    if (isEncode && past > 0)
      return fail(
          TRANSOM_INVALID_ARGUMENT,
          "sequence %lld: expected no tokens before its encoder input, got "
          "%lld; add a sequence for another encoder input",
          (long long)id, (long long)past);
    if (request.readsEncoder && !sequence->hasEncoderInput)
      return fail(
          TRANSOM_INVALID_ARGUMENT,
          "sequence %lld: expected one with an encoder input, got none; give "
          "it an encoder input by encode",
          (long long)id);
    if (past + more > limit)
      return fail(TRANSOM_OUT_OF_RANGE,
                  "sequence %lld: %lld tokens and %lld new ones exceed the "
                  "maximum %lld%s%s%s",
                  (long long)id, (long long)past, (long long)more,
                  (long long)limit, positions ? " (of '" : "",
                  positions ? positions->name : "", positions ? "')" : "");
    batch.list[s] = {sequence, isEncode ? Chain() : sequence->tokens};
  }
  return TRANSOM_OK;
}

/// What has become of a entry's chain is its sequence's, after a success.
void endSequence(transom_session &session, const ProgramState &state,
                 BatchSequence &entry, int64_t tokens, bool succeeded) {
  bool isEncode = &state == session.encode;
  if (succeeded)
    entry.chain.length += tokens;
  else
    session.sequences.shrink(entry.chain);
  // A failed step may have given its sequence a block of its own.
  if (!isEncode)
    entry.sequence->tokens = entry.chain;
  else if (succeeded)
    session.sequences.setEncoderInput(*entry.sequence, entry.chain);
}

/// Makes room in the cache and computes, after readInputs and readOutputs:
/// `state` is the session's step or its encode.
transom_status compute(transom_session &session, ProgramState &state) {
  const Request &request = state.request;
  int64_t bytes = 0;
  if (!addProduct(bytes, request.sequences, sizeof(BatchSequence)) ||
      !session.batch.reserve(size_t(bytes)))
    return fail(TRANSOM_EXHAUSTED, "no memory for %lld sequences",
                (long long)request.sequences);
  Batch batch = {reinterpret_cast<BatchSequence *>(session.batch.base),
                 &session.sequences};
  if (transom_status status = findSequences(session, state, batch))
    return status;
  transom_status status = TRANSOM_OK;
  for (int64_t s = 0; s < request.sequences && !status; ++s)
    if (!session.sequences.extend(batch.list[s].chain, request.columns(s)))
      status = failMemory(session);
  if (!status)
    status = runPacked(session, state, &batch);
  for (int64_t s = 0; s < request.sequences; ++s)
    endSequence(session, state, batch.list[s], request.columns(s),
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
    session.profile.endRun(state.packer.numRows, state.request.sequences,
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
  state.packer.unpack(state.request, state.outputs);
  return TRANSOM_OK;
}

transom_status failWithoutEncoder(const transom_session &session) {
  return fail(
      TRANSOM_INVALID_ARGUMENT,
      "library '%s' takes no encoder inputs: expected an encoder-decoder that "
      "was compiled to generate text, with a program 'encode'",
      session.model->library->name);
}

} // namespace

bool transom::hasSteps(const transom_session &session) { return session.step; }

bool transom::hasEncoderInputs(const transom_session &session) {
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

int64_t transom::encoderLimit(const transom_session &session) {
  return session.encode ? limitOf(*session.encode->program) : INT32_MAX - 1;
}

transom_status transom::step(transom_session &session, const StepPart *parts,
                             int64_t numParts, const int32_t *positions,
                             int64_t numPositions, StepRows &rows) {
  const transom_generation_info *info = session.model->library->generation;
  if (!info)
    return failWithoutCache(session);
  ProgramState &state = *session.step;
  state.request.readParts(parts, numParts, positions, numPositions);
  state.request.requested = numPositions > 0 ? uint64_t(1) << info->logits : 0;
  if (transom_status status = profiled(session, state))
    return status;
  rows.data = static_cast<const float *>(state.outputs[info->logits]);
  rows.stride =
      state.program->outputs[info->logits].row_bytes / int64_t(sizeof(float));
  return TRANSOM_OK;
}

transom_status transom::encode(transom_session &session, const StepPart *parts,
                               int64_t numParts) {
  if (!hasEncoderInputs(session))
    return failWithoutEncoder(session);
  session.encode->request.readParts(parts, numParts, nullptr, 0);
  session.encode->request.requested = 0;
  return profiled(session, *session.encode);
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
    return hasEncoderInputs(session)
               ? computeTensors(session, *session.encode, inputs, num_inputs,
                                outputs, num_outputs)
               : failWithoutEncoder(session);
  });
}
