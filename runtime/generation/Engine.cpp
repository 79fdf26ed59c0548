//===- Engine.cpp - requests come and go ----------------------------------===//
#include "runtime/generation/Engine.h"

#include "runtime/Error.h"
#include "runtime/Memory.h"

#include <algorithm>

using namespace transom;

static constexpr int64_t defaultSequences = 64;
static constexpr int64_t defaultStepTokens = 512;
static constexpr int32_t mostSequences = 1 << 16;

transom_status Engine::create(const Decoder &given,
                              const transom_engine_options *options) {
  transom_engine_options o = {};
  o.struct_bytes = sizeof(o);
  if (options) {
    if (options->struct_bytes != sizeof(o))
      return fail(TRANSOM_INVALID_ARGUMENT,
                  "'struct_bytes' of the options expects %u, "
                  "sizeof(transom_engine_options), got %u",
                  unsigned(sizeof(o)), options->struct_bytes);
    o = *options;
  }
  decoder = given;
  int64_t most = decoder.stepTokens > 0 ? decoder.stepTokens : INT32_MAX - 1;
  int64_t mostLive = std::min<int64_t>(most, mostSequences);
  if (o.max_num_seqs < 0 || o.max_num_seqs > mostLive)
    return fail(TRANSOM_INVALID_ARGUMENT,
                "'max_num_seqs' expects a number in [0, %lld], "
                "got %d",
                (long long)mostLive, o.max_num_seqs);
  maxSequences = o.max_num_seqs > 0 ? int64_t(o.max_num_seqs)
                                    : std::min(defaultSequences, mostLive);
  if (o.max_num_batched_tokens != 0 &&
      (o.max_num_batched_tokens < maxSequences ||
       o.max_num_batched_tokens > most))
    return fail(TRANSOM_INVALID_ARGUMENT,
                "'max_num_batched_tokens' expects 0 or a number in [%lld, "
                "%lld], from 'max_num_seqs' to the session's 'max_tokens', "
                "got %d",
                (long long)maxSequences, (long long)most,
                o.max_num_batched_tokens);
  stepTokens = o.max_num_batched_tokens > 0
                   ? int64_t(o.max_num_batched_tokens)
                   : std::min(std::max(defaultStepTokens, maxSequences), most);
  if (o.prefix_cache_sequences < 0 || o.prefix_cache_sequences > mostSequences)
    return fail(TRANSOM_INVALID_ARGUMENT,
                "'prefix_cache_sequences' expects a number in [0, %d], "
                "got %d",
                mostSequences, o.prefix_cache_sequences);
  maxPrefixes = o.prefix_cache_sequences;
  if (!memory.create(decoder.vocabulary) || !parts.resize(maxSequences) ||
      !positions.resize(stepTokens) || !beamLogits.resize(maxSequences) ||
      !prefixes.reserve(maxPrefixes + 2) || !live.reserve(maxSequences))
    return fail(TRANSOM_EXHAUSTED, "no memory");
  return TRANSOM_OK;
}

Engine::~Engine() {
  for (Array<GenerationRequest *> *requests : {&live, &waiting})
    for (GenerationRequest *request : *requests) {
      release(*request);
      destroy(request);
    }
  while (evictPrefix())
    ;
}

transom_status Engine::submit(const int32_t *prompt, int64_t length,
                              const transom_generation_options *options,
                              transom_generation_callback callback, void *user,
                              int64_t *id) {
  if (id)
    *id = -1;
  if (length < 1)
    return fail(TRANSOM_INVALID_ARGUMENT,
                "expected a prompt of at least one token, got %lld",
                (long long)length);
  if (!prompt)
    return fail(TRANSOM_INVALID_ARGUMENT,
                "'prompt' expects %lld tokens, got null", (long long)length);
  for (int64_t i = 0; i < length; ++i)
    if (prompt[i] < 0 || prompt[i] >= decoder.promptIds())
      return fail(TRANSOM_OUT_OF_RANGE,
                  "token %lld of the prompt: expected a value in [0, "
                  "%lld), got %d",
                  (long long)i, (long long)decoder.promptIds(), prompt[i]);
  struct Guard {
    ~Guard() { destroy(request); }
    GenerationRequest *request;
  } guard{transom::create<GenerationRequest>()};
  GenerationRequest *request = guard.request;
  auto noMemory = [&] {
    return fail(TRANSOM_EXHAUSTED, "no memory for the request");
  };
  if (!request)
    return noMemory();
  Settings &settings = request->settings;
  if (transom_status status = readSettings(options, decoder, length, settings))
    return status;
  int64_t width =
      settings.isBeamSearch() ? settings.numBeams : settings.numReturnSequences;
  if (width > maxSequences)
    return fail(TRANSOM_INVALID_ARGUMENT,
                "'%s' expects at most the engine's 'max_num_seqs', %lld, "
                "got %lld",
                settings.isBeamSearch() ? "num_beams" : "num_return_sequences",
                (long long)maxSequences, (long long)width);
  if (decoder.encode) {
    if (!request->encoderInput.assign(prompt, length))
      return noMemory();
    prompt = settings.decoderPrompt.data();
    length = settings.promptLength;
  }
  if (!request->sequences.resize(width) ||
      !request->oldSequences.resize(width) ||
      !waiting.reserve(waiting.size() + live.size() + 1))
    return noMemory();
  int64_t capacity = length + settings.maxNewTokens, all;
  if (settings.isBeamSearch()
          ? !request->beams.create(settings, prompt, decoder.vocabulary)
          : __builtin_mul_overflow(width, capacity, &all) ||
                !request->tokens.resize(all))
    return noMemory();
  for (int32_t i = 0; i < width; ++i) {
    GenerationSequence &sequence = request->sequences[i];
    sequence = {};
    sequence.length = sequence.reported = length;
    if (settings.isBeamSearch())
      continue;
    sequence.tokens = request->tokens.data() + i * capacity;
    std::copy_n(prompt, length, sequence.tokens);
  }
  if (settings.isBeamSearch())
    request->sequences[0].tokens =
        const_cast<int32_t *>(request->beams.tokens(0));
  request->callback = callback;
  request->user = user;
  request->id = nextId++;
  waiting.push(request); // There is room.
  guard.request = nullptr;
  if (id)
    *id = request->id;
  return TRANSOM_OK;
}

transom_status Engine::cancel(int64_t id) {
  if (id < 0 || id >= nextId)
    return fail(TRANSOM_OUT_OF_RANGE,
                "'request' expects a number in [0, %lld), got "
                "%lld",
                (long long)nextId, (long long)id);
  for (Array<GenerationRequest *> *requests : {&live, &waiting})
    for (GenerationRequest *request : *requests)
      if (request->id == id)
        request->isCancelled = true;
  // In a callback: the step goes on, and sweeps when it is over.
  if (isBusy)
    return TRANSOM_OK;
  isBusy = true;
  sweep();
  isBusy = false;
  return TRANSOM_OK;
}

/// Ends what is cancelled and forgets what has ended. Callbacks may submit and
/// cancel meanwhile.
void Engine::sweep() {
  bool isDone;
  do {
    isDone = true;
    for (Array<GenerationRequest *> *requests : {&live, &waiting})
      // By index: a callback may submit, which moves the list.
      for (int64_t i = 0; i < requests->size(); ++i) { // NOLINT
        GenerationRequest &request = *(*requests)[i];
        if (request.isCancelled && !request.hasEnded) {
          isDone = false;
          endRequest(request, TRANSOM_FINISH_CANCELLED, TRANSOM_OK);
        }
      }
  } while (!isDone);
  for (Array<GenerationRequest *> *requests : {&live, &waiting})
    for (int64_t i = requests->size() - 1; i >= 0; --i)
      if ((*requests)[i]->hasEnded) {
        release(*(*requests)[i]);
        destroy((*requests)[i]);
        requests->erase(i);
        isShort = false;
      }
  while (prefixes.size() > maxPrefixes && !isAwaited())
    evictPrefix();
}

void Engine::report(GenerationRequest &request, int32_t sequence,
                    const int32_t *tokens, int64_t count,
                    transom_finish_reason finish, float score,
                    transom_status status) {
  if (!request.callback || request.isSilent)
    return;
  transom_generation_event event = {};
  event.struct_bytes = sizeof(event);
  event.finish = finish;
  event.request = request.id;
  event.sequence = sequence;
  event.score = score;
  event.num_tokens = count;
  event.tokens = tokens;
  event.status = status;
  if (request.callback(request.user, &event) != 0) {
    request.isCancelled = true;
    request.isSilent = true;
  }
}

/// Tells of the sequence's new tokens, and lets its keys and values go.
void Engine::endSequence(GenerationRequest &request, int32_t index,
                         transom_finish_reason finish, transom_status status) {
  GenerationSequence &sequence = request.sequences[index];
  sequence.finish = finish;
  bool isComplete = finish == TRANSOM_FINISH_EOS ||
                    finish == TRANSOM_FINISH_LENGTH ||
                    finish == TRANSOM_FINISH_STOP;
  if (isComplete && (maxPrefixes > 0 || isAwaited()))
    cachePrefix(sequence);
  release(sequence);
  int64_t reported = sequence.reported;
  sequence.reported = sequence.length;
  report(request, index, sequence.tokens + reported, sequence.length - reported,
         finish, 0, status);
}

/// Ends all that has not ended yet.
void Engine::endRequest(GenerationRequest &request,
                        transom_finish_reason finish, transom_status status) {
  request.hasEnded = true;
  if (request.settings.isBeamSearch()) {
    for (GenerationSequence &sequence : request.sequences)
      release(sequence);
    for (int32_t i = 0; i < request.settings.numReturnSequences; ++i)
      report(request, i, nullptr, 0, finish, 0, status);
    return;
  }
  for (int32_t i = 0; i < request.width(); ++i)
    if (request.sequences[i].finish == TRANSOM_FINISH_NOT)
      endSequence(request, i, finish, status);
}

void Engine::release(GenerationSequence &sequence) {
  if (sequence.id >= 0)
    decoder.free(decoder.self, sequence.id);
  sequence.id = -1;
  sequence.computed = 0;
}

/// Everything that the model has of it.
void Engine::release(GenerationRequest &request) {
  for (GenerationSequence &sequence : request.sequences)
    release(sequence);
  if (request.root >= 0)
    decoder.free(decoder.self, request.root);
  request.root = -1;
}

void Engine::cachePrefix(GenerationSequence &sequence) {
  // With an encoder input, keys and values are of no use to other requests.
  if (sequence.id < 0 || sequence.computed < leastShared || decoder.encode)
    return;
  auto *tokens = static_cast<int32_t *>(
      malloc(size_t(sequence.computed) * sizeof(int32_t)));
  if (!tokens)
    return; // What is not cached is computed again.
  std::copy_n(sequence.tokens, sequence.computed, tokens);
  prefixes.push({sequence.id, tokens, sequence.computed}); // There is room.
  sequence.id = -1;
  if (prefixes.size() > maxPrefixes + 1)
    evictPrefix();
}

/// Is there a prompt that could begin like one that has been read? Those that
/// wait for it in this step must still find it if it ends in it.
bool Engine::isAwaited() const {
  if (!waiting.empty())
    return true;
  for (const GenerationRequest *request : live)
    for (int32_t i = 0; i < request->numSequences; ++i) {
      const GenerationSequence &sequence = request->sequences[i];
      if (sequence.id < 0 && sequence.finish == TRANSOM_FINISH_NOT)
        return true;
    }
  return false;
}

/// The one that has been of no use for longest; false: there is none.
bool Engine::evictPrefix() {
  if (prefixes.empty())
    return false;
  decoder.free(decoder.self, prefixes[0].sequence);
  ::free(prefixes[0].tokens);
  prefixes.erase(0);
  return true;
}
