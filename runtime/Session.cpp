//===- Session.cpp - creation, one run, the profile -----------------------===//
#include "runtime/Session.h"

#include "runtime/Error.h"
#include "runtime/entry.h"
#include "runtime/launch/Futex.h"

#include <cstdlib>

using namespace transom;

namespace {

int64_t paddedExtent(int64_t extent) {
  return roundUp(extent, TRANSOM_ROWS_ALIGNMENT);
}

/// Room for a run of that many packed rows, rows of encoder inputs, sequences
/// and positions. If memory is short, what there was is lost, but a later,
/// smaller run can succeed.
transom_status reserve(transom_session &session, int64_t rows,
                       int64_t encoderInputs, int64_t sequences,
                       int64_t positions) {
  // Sequences that have tokens are no more than tokens, so that from now on
  // no batch of as many tokens needs memory, however it is divided. Memory that
  // is never touched costs nothing.
  if (rows < session.rowCapacity)
    rows = session.rowCapacity;
  if (sequences < session.sequenceCapacity)
    sequences = session.sequenceCapacity;
  if (sequences < rows)
    sequences = rows;
  if (encoderInputs < session.encoderCapacity)
    encoderInputs = session.encoderCapacity;
  if (positions < session.positionCapacity)
    positions = session.positionCapacity;
  int64_t arena = 0, blocks = 0;
  bool fits = addProduct(blocks, sequences + 1, sizeof(Block)) &&
              session.blocks.reserve(size_t(blocks));
  int32_t numPrograms = session.model->library->num_programs;
  for (int32_t i = 0; i < numPrograms; ++i) {
    const int64_t *bytes = session.programs[i].program->arena_bytes;
    int64_t own = 0;
    fits = fits && addProduct(own, bytes[TRANSOM_TOKENS], paddedExtent(rows)) &&
           addProduct(own, bytes[TRANSOM_SEQUENCES], paddedExtent(sequences)) &&
           addProduct(own, bytes[TRANSOM_OUTPUT_POSITIONS],
                      paddedExtent(positions)) &&
           session.programs[i].packer.reserve(rows, sequences, positions);
    if (session.programs[i].hasEncoderInput)
      fits = fits &&
             addProduct(own, bytes[TRANSOM_ENCODER_TOKENS],
                        paddedExtent(encoderInputs)) &&
             session.programs[i].encoderPacker.reserve(encoderInputs, sequences,
                                                       0);
    arena = own > arena ? own : arena;
  }
  if (!fits || !session.arena.reserve(size_t(arena)))
    return fail(TRANSOM_EXHAUSTED,
                "no memory for %lld tokens in %lld sequences: expected "
                "%lld bytes",
                (long long)rows, (long long)sequences,
                (long long)(arena + blocks));
  session.rowCapacity = rows;
  session.sequenceCapacity = sequences;
  session.positionCapacity = positions;
  session.encoderCapacity = encoderInputs;
  return TRANSOM_OK;
}

/// Runs the generated program on the packed batch.
transom_status runProgram(transom_session &session, ProgramState &state) {
  const transom_program &program = *state.program;
  const char *libraryName = session.model->library->name;
  transom_frame &frame = session.frame;
  frame.weights = session.model->weights;
  frame.arena = session.arena.base;
  frame.inputs = state.packer.inputs;
  frame.outputs = state.outputs;
  for (int64_t &extent : frame.extents)
    extent = 0;
  frame.extents[TRANSOM_TOKENS] = state.packer.numRows;
  frame.extents[TRANSOM_SEQUENCES] = state.request.sequences;
  frame.extents[TRANSOM_OUTPUT_POSITIONS] = state.packer.numPositions;
  frame.extents[TRANSOM_ENCODER_TOKENS] = state.encoderPacker.numRows;
  for (int i = 0; i < TRANSOM_EXTENTS; ++i)
    frame.padded_extents[i] = paddedExtent(frame.extents[i]);
  frame.requested = state.request.requested | state.encoderRequest.requested;
  frame.session = &session;
  for (int32_t i = 0; i < program.num_outputs; ++i)
    state.outputs[i] = nullptr;

  session.launchFailed = false;
  if (int32_t status = program.run(&frame)) {
    if (session.launchFailed)
      return transom_status(status);
    return fail(TRANSOM_INTERNAL,
                "program '%s' of library '%s' failed with status %d",
                program.name, libraryName, status);
  }
  for (int32_t i = 0; i < program.num_outputs; ++i)
    if ((frame.requested >> i & 1) && !state.outputs[i])
      return fail(TRANSOM_INTERNAL,
                  "program '%s' of library '%s' did not set output '%s'",
                  program.name, libraryName, program.outputs[i].name);
  return TRANSOM_OK;
}

/// The outputs of the encoder inputs, of which each sequence has one.
transom_status readEncoder(ProgramState &state, transom_tensor *outputs,
                           size_t numOutputs) {
  Request &encoderInput = state.encoderRequest;
  if (encoderInput.sequences != state.request.sequences)
    return fail(
        TRANSOM_INVALID_ARGUMENT,
        "expected an encoder input for each of the %lld sequences of the "
        "decoder, got %lld",
        (long long)state.request.sequences, (long long)encoderInput.sequences);
  return encoderInput.readOutputs(outputs, numOutputs);
}

transom_status run(transom_session &session, const transom_tensor *inputs,
                   size_t numInputs, transom_tensor *outputs,
                   size_t numOutputs) {
  ProgramState &state = session.programs[0];
  if (state.hasEncoderInput)
    if (transom_status status =
            state.encoderRequest.readInputs(inputs, numInputs))
      return status;
  if (transom_status status = state.request.readInputs(inputs, numInputs))
    return status;
  if (transom_status status = state.request.readOutputs(outputs, numOutputs))
    return status;
  if (state.hasEncoderInput)
    if (transom_status status = readEncoder(state, outputs, numOutputs))
      return status;
  if (transom_status status = runPacked(session, state, /*batch=*/nullptr))
    return status;
  state.packer.unpack(state.request, state.outputs);
  if (state.hasEncoderInput)
    state.encoderPacker.unpack(state.encoderRequest, state.outputs);
  return TRANSOM_OK;
}

} // namespace

transom_status transom::failBusy() {
  return fail(TRANSOM_INVALID_ARGUMENT,
              "the session is in use by another call: expected one thread at a "
              "time, make a session for each thread");
}

transom_status transom::runPacked(transom_session &session, ProgramState &state,
                                  const Batch *batch) {
  const Request &request = state.request;
  BatchPacker &packer = state.packer;
  int64_t rows = BatchPacker::countRows(request), encoderInputs = 0;
  if (state.hasEncoderInput)
    encoderInputs = BatchPacker::countRows(state.encoderRequest);
  int64_t positions = packer.countPositions(request);
  if (session.maxTokens > 0 &&
      (rows > session.maxTokens || encoderInputs > session.maxTokens ||
       request.sequences > session.maxTokens))
    return fail(TRANSOM_EXHAUSTED,
                "expected at most %lld tokens and sequences, the session's "
                "'max_tokens', got %lld tokens in %lld sequences",
                (long long)session.maxTokens,
                (long long)(rows > encoderInputs ? rows : encoderInputs),
                (long long)request.sequences);
  if (session.maxTokens > 0 && positions > session.maxTokens)
    return fail(TRANSOM_EXHAUSTED,
                "expected at most %lld positions, the session's "
                "'max_tokens', got %lld",
                (long long)session.maxTokens, (long long)positions);
  packer.numRows = rows;
  packer.numPositions = positions;
  state.encoderPacker.numRows = encoderInputs;
  if (rows + encoderInputs == 0)
    return TRANSOM_OK;
  if (transom_status status =
          reserve(session, rows, encoderInputs, request.sequences, positions))
    return status;
  int64_t blocks = 0, encoderBlocks = 0;
  if (batch)
    blocks = batch->countBlocks(request.sequences);
  if (request.readsEncoder)
    encoderBlocks = batch->countEncoderBlocks(request.sequences);
  if (blocks + encoderBlocks > INT32_MAX ||
      (batch && !packer.reserveBlocks(blocks, encoderBlocks)))
    return fail(TRANSOM_EXHAUSTED, "no memory for %lld blocks of the cache",
                (long long)(blocks + encoderBlocks));
  if (transom_status status = packer.pack(request, batch))
    return status;
  if (state.hasEncoderInput) {
    if (transom_status status =
            state.encoderPacker.pack(state.encoderRequest, /*batch=*/nullptr))
      return status;
    for (int32_t i = 0; i < state.program->num_inputs; ++i)
      if (state.encoderRequest.owns(state.program->inputs[i]))
        packer.inputs[i] = state.encoderPacker.inputs[i];
  }
  // What writes to the cache runs, whatever else is asked for.
  return request.requested || state.encoderRequest.requested || batch
             ? runProgram(session, state)
             : TRANSOM_OK;
}

/// The states of all programs of a session's library; false: no memory.
static bool createPrograms(transom_session &session) {
  const transom_library &library = *session.model->library;
  session.programs = createArray<ProgramState>(library.num_programs);
  if (!session.programs)
    return false;
  for (int32_t i = 0; i < library.num_programs; ++i)
    if (!session.programs[i].create(&library.programs[i]))
      return false;
  for (int32_t i = 0; i < library.num_programs; ++i) {
    if (!session.programs[i].request.hasCache)
      continue;
    if (library.programs[i].kind == TRANSOM_PROGRAM_STEP)
      session.step = &session.programs[i];
    if (library.programs[i].kind == TRANSOM_PROGRAM_ENCODE)
      session.encode = &session.programs[i];
  }
  return true;
}

transom_status transom_session_create(transom_model *model,
                                      const transom_session_options *given,
                                      transom_session **result) {
  if (!result)
    return fail(
        TRANSOM_INVALID_ARGUMENT,
        "session_create: 'session' expects a place for the result, got null");
  *result = nullptr;
  if (!model)
    return fail(TRANSOM_INVALID_ARGUMENT,
                "session_create: 'model' expects an open model, got null");
  transom_session_options options = {};
  if (given)
    options = *given;
  if (options.reserved != 0)
    return fail(TRANSOM_INVALID_ARGUMENT,
                "session_create: 'reserved' expects 0, got %d; set all options "
                "to zero first",
                options.reserved);
  if (options.max_tokens < 0 || options.max_tokens >= INT32_MAX)
    return fail(TRANSOM_INVALID_ARGUMENT,
                "session_create: 'max_tokens' expects 0 to %d, got %lld",
                INT32_MAX - 1, (long long)options.max_tokens);
  if (options.cache_tokens < 0 || options.cache_tokens >= INT32_MAX)
    return fail(TRANSOM_INVALID_ARGUMENT,
                "session_create: 'cache_tokens' expects 0 to %d, got %lld",
                INT32_MAX - 1, (long long)options.cache_tokens);
  if (options.pool && options.pool->abiVersion != TRANSOM_ABI_VERSION)
    return fail(TRANSOM_MISMATCH,
                "session_create: 'pool' expects a pool of runtime ABI version "
                "%u, got version %u",
                TRANSOM_ABI_VERSION, options.pool->abiVersion);

  transom_pool *pool = options.pool;
  if (!pool)
    if (transom_status status = transom_pool_create(options.threads, &pool))
      return status;
  transom_session *session = create<transom_session>();
  if (!session) {
    if (!options.pool)
      transom_pool_destroy(pool);
    return fail(TRANSOM_EXHAUSTED, "session_create: no memory");
  }
  model->references.fetch_add(1, std::memory_order_relaxed);
  session->model = model;
  session->pool = pool;
  session->ownsPool = !options.pool;
  session->maxTokens = options.max_tokens;
  transom_status status = TRANSOM_OK;
  if (!createPrograms(*session) || !session->scratch.create(pool->threads))
    status = fail(TRANSOM_EXHAUSTED, "session_create: no memory");
  else if (session->step &&
           !session->sequences.create(
               model->library->cache_block_bytes,
               divideUp(options.cache_tokens, TRANSOM_CACHE_BLOCK)))
    status = fail(TRANSOM_EXHAUSTED,
                  "session_create: no memory for a cache of %lld tokens",
                  (long long)options.cache_tokens);
  else if (options.max_tokens > 0) {
    Calling calling("session_create");
    status = reserve(*session, options.max_tokens, options.max_tokens,
                     options.max_tokens, options.max_tokens);
  }
  if (status) {
    transom_session_destroy(session);
    return status;
  }
  *result = session;
  return TRANSOM_OK;
}

void transom_session_destroy(transom_session *session) {
  if (!session)
    return;
  if (session->ownsPool)
    transom_pool_destroy(session->pool);
  if (session->programs)
    for (int32_t i = 0; i < session->model->library->num_programs; ++i)
      session->programs[i].release();
  free(session->programs);
  session->sequences.release();
  session->batch.release();
  session->arena.release();
  session->blocks.release();
  session->scratch.release();
  session->profile.release();
  transom_close(session->model);
  destroy(session);
}

transom_status transom_run(transom_session *session,
                           const transom_tensor *inputs, size_t num_inputs,
                           transom_tensor *outputs, size_t num_outputs) {
  return withSession("run", session, [&](transom_session &session) {
    if (!session.profiling)
      return run(session, inputs, num_inputs, outputs, num_outputs);
    session.profile.beginRun();
    int64_t begin = nanoseconds();
    transom_status status =
        run(session, inputs, num_inputs, outputs, num_outputs);
    if (status == TRANSOM_OK)
      session.profile.endRun(session.programs[0].packer.numRows,
                             session.programs[0].request.sequences,
                             nanoseconds() - begin);
    return status;
  });
}

int32_t transom_session_threads(const transom_session *session) {
  return session ? session->pool->threads : 0;
}

transom_status transom_profile(transom_session *session, int32_t enable,
                               const char **json) {
  if (json)
    *json = nullptr;
  return withSession("profile", session, [&](transom_session &session) {
    if (json && session.profiling) {
      *json = session.profile.write(session.pool->threads);
      if (!*json)
        return fail(TRANSOM_EXHAUSTED, "no memory for its text");
    }
    // The records go when the next profile starts: the text is still read.
    if (enable && !session.profiling)
      session.profile.release();
    session.profiling = enable != 0;
    return TRANSOM_OK;
  });
}
