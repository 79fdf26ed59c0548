//===- Entry.cpp - generation with the sequences of a session -------------===//
#include "runtime/entry.h"
#include "runtime/Error.h"
#include "runtime/Session.h"
#include "runtime/cache/Step.h"
#include "runtime/generation/Engine.h"
#include "runtime/generation/Generate.h"

using namespace transom;

/// What transom.h calls an engine: the requests, and whose sequences they use.
struct transom_engine {
  transom_session *session = nullptr;
  Engine engine;
};

namespace {

transom_session &sessionOf(void *self) {
  return *static_cast<transom_session *>(self);
}

/// The bound of a program's ids.
int64_t idBound(const ProgramState &state) {
  int64_t bound = state.program->inputs[state.request.ids].bound;
  return bound > 0 ? bound : INT32_MAX;
}

transom_status readDecoder(transom_session &session, Decoder &decoder) {
  const transom_library &library = *session.model->library;
  const transom_generation_info *info = library.generation;
  if (!info)
    return fail(TRANSOM_INVALID_ARGUMENT,
                "library '%s' generates no tokens: expected one that was "
                "compiled to generate text, with a program 'step' that has "
                "logits",
                library.name);
  decoder = {};
  decoder.self = &session;
  decoder.vocabulary = session.step->program->outputs[info->logits].width;
  decoder.ids = idBound(*session.step);
  decoder.positions = positionLimit(session);
  decoder.stepTokens = session.maxTokens;
  decoder.eosIds = info->eos_token_ids;
  decoder.numEosIds = info->num_eos_token_ids;
  decoder.add = [](void *self, int64_t &sequence) {
    return addSequence(sessionOf(self), sequence);
  };
  decoder.fork = [](void *self, int64_t sequence, int64_t length,
                    int64_t &fork) {
    return forkSequence(sessionOf(self), sequence, length, fork);
  };
  decoder.truncate = [](void *self, int64_t sequence, int64_t length) {
    return truncateSequence(sessionOf(self), sequence, length);
  };
  decoder.free = [](void *self, int64_t sequence) {
    (void)freeSequence(sessionOf(self), sequence);
  };
  decoder.step = [](void *self, const StepPart *parts, int64_t numParts,
                    const int32_t *positions, int64_t numPositions,
                    StepRows &rows) {
    return step(sessionOf(self), parts, numParts, positions, numPositions,
                rows);
  };
  if (!hasEncoderInputs(session))
    return TRANSOM_OK;
  decoder.encoderIds = idBound(*session.encode);
  decoder.encoderPositions = encoderLimit(session);
  decoder.startId = info->decoder_start_token_id;
  decoder.encode = [](void *self, const StepPart *parts, int64_t numParts) {
    return encode(sessionOf(self), parts, numParts);
  };
  return TRANSOM_OK;
}

/// Calls `call(engine)` as `function`, with the session held.
template <typename Call>
transom_status withEngine(const char *function, transom_engine *engine,
                          Call call) {
  Calling calling(function);
  if (!engine)
    return fail(TRANSOM_INVALID_ARGUMENT,
                "'engine' expects an engine, got null");
  // A callback's call is part of one that holds the session.
  if (engine->engine.isInCallback())
    return call(engine->engine);
  Use use(*engine->session, function);
  return use.taken ? call(engine->engine) : failBusy();
}

} // namespace

transom_status transom_generate(transom_session *session,
                                const transom_token_lists *prompts,
                                const transom_generation_options *options,
                                transom_generation_callback callback,
                                void *user, const transom_generated *results) {
  return withSession("generate", session, [&](transom_session &session) {
    Decoder decoder;
    if (transom_status status = readDecoder(session, decoder))
      return status;
    return generate(decoder, prompts, options, callback, user, results);
  });
}

transom_status transom_engine_create(transom_session *session,
                                     const transom_engine_options *options,
                                     transom_engine **result) {
  Calling calling("engine_create");
  if (!result)
    return fail(TRANSOM_INVALID_ARGUMENT,
                "'engine' expects a place for the result, got null");
  *result = nullptr;
  return withSession("engine_create", session, [&](transom_session &session) {
    Decoder decoder;
    if (transom_status status = readDecoder(session, decoder))
      return status;
    auto *engine = create<transom_engine>();
    if (!engine)
      return fail(TRANSOM_EXHAUSTED, "no memory");
    engine->session = &session;
    if (transom_status status = engine->engine.create(decoder, options)) {
      destroy(engine);
      return status;
    }
    *result = engine;
    return TRANSOM_OK;
  });
}

void transom_engine_destroy(transom_engine *engine) {
  if (!engine)
    return;
  // Its sequences are freed.
  Use use(*engine->session, "engine_destroy");
  destroy(engine);
}

transom_status transom_engine_submit(transom_engine *engine,
                                     const int32_t *prompt, int64_t length,
                                     const transom_generation_options *options,
                                     transom_generation_callback callback,
                                     void *user, int64_t *request) {
  return withEngine("engine_submit", engine, [&](Engine &engine) {
    return engine.submit(prompt, length, options, callback, user, request);
  });
}

transom_status transom_engine_step(transom_engine *engine, int64_t *live) {
  return withEngine("engine_step", engine,
                    [&](Engine &engine) { return engine.step(live); });
}

transom_status transom_engine_cancel(transom_engine *engine, int64_t request) {
  return withEngine("engine_cancel", engine,
                    [&](Engine &engine) { return engine.cancel(request); });
}
