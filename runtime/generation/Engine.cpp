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
  maxKept = o.prefix_cache_sequences;
  if (!memory.create(decoder.vocabulary) || !parts.resize(maxSequences) ||
      !positions.resize(stepTokens) || !beamLogits.resize(maxSequences) ||
      !kept.reserve(maxKept + 2) || !live.reserve(maxSequences))
    return fail(TRANSOM_EXHAUSTED, "no memory");
  return TRANSOM_OK;
}

Engine::~Engine() {
  for (Array<Job *> *requests : {&live, &waiting})
    for (Job *request : *requests) {
      release(*request);
      destroy(request);
    }
  while (giveUpKept())
    ;
}

transom_status Engine::submit(const int32_t *prompt, int64_t length,
                              const transom_generation_options *options,
                              transom_generation_callback callback, void *user,
                              int64_t *number) {
  if (number)
    *number = -1;
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
    Job *request;
  } guard{transom::create<Job>()};
  Job *request = guard.request;
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
    if (!request->source.assign(prompt, length))
      return noMemory();
    prompt = settings.decoderPrompt.data();
    length = settings.promptLength;
  }
  if (!request->branches.resize(width) ||
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
    Branch &branch = request->branches[i];
    branch = {};
    branch.length = branch.reported = length;
    if (settings.isBeamSearch())
      continue;
    branch.tokens = request->tokens.data() + i * capacity;
    std::copy_n(prompt, length, branch.tokens);
  }
  if (settings.isBeamSearch())
    request->branches[0].tokens =
        const_cast<int32_t *>(request->beams.tokens(0));
  request->callback = callback;
  request->user = user;
  request->number = nextNumber++;
  waiting.push(request); // There is room.
  guard.request = nullptr;
  if (number)
    *number = request->number;
  return TRANSOM_OK;
}

transom_status Engine::cancel(int64_t number) {
  if (number < 0 || number >= nextNumber)
    return fail(TRANSOM_OUT_OF_RANGE,
                "'request' expects a number in [0, %lld), got "
                "%lld",
                (long long)nextNumber, (long long)number);
  for (Array<Job *> *requests : {&live, &waiting})
    for (Job *request : *requests)
      if (request->number == number)
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
    for (Array<Job *> *requests : {&live, &waiting})
      // By index: a callback may submit, which moves the list.
      for (int64_t i = 0; i < requests->size(); ++i) { // NOLINT
        Job &request = *(*requests)[i];
        if (request.isCancelled && !request.hasEnded) {
          isDone = false;
          endRequest(request, TRANSOM_FINISH_CANCELLED, TRANSOM_OK);
        }
      }
  } while (!isDone);
  for (Array<Job *> *requests : {&live, &waiting})
    for (int64_t i = requests->size() - 1; i >= 0; --i)
      if ((*requests)[i]->hasEnded) {
        release(*(*requests)[i]);
        destroy((*requests)[i]);
        requests->erase(i);
        isShort = false;
      }
  while (kept.size() > maxKept && !isAwaited())
    giveUpKept();
}

void Engine::report(Job &request, int32_t sequence, const int32_t *tokens,
                    int64_t count, transom_finish_reason finish, float score,
                    transom_status status) {
  if (!request.callback || request.isSilent)
    return;
  transom_generation_event event = {};
  event.struct_bytes = sizeof(event);
  event.finish = finish;
  event.request = request.number;
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

/// Tells of the branch's new tokens, and lets its keys and values go.
void Engine::endBranch(Job &request, int32_t index,
                       transom_finish_reason finish, transom_status status) {
  Branch &branch = request.branches[index];
  branch.finish = finish;
  bool isComplete = finish == TRANSOM_FINISH_EOS ||
                    finish == TRANSOM_FINISH_LENGTH ||
                    finish == TRANSOM_FINISH_STOP;
  if (isComplete && (maxKept > 0 || isAwaited()))
    keep(branch);
  release(branch);
  int64_t reported = branch.reported;
  branch.reported = branch.length;
  report(request, index, branch.tokens + reported, branch.length - reported,
         finish, 0, status);
}

/// Ends all that has not ended yet.
void Engine::endRequest(Job &request, transom_finish_reason finish,
                        transom_status status) {
  request.hasEnded = true;
  if (request.settings.isBeamSearch()) {
    for (Branch &branch : request.branches)
      release(branch);
    for (int32_t i = 0; i < request.settings.numReturnSequences; ++i)
      report(request, i, nullptr, 0, finish, 0, status);
    return;
  }
  for (int32_t i = 0; i < request.width(); ++i)
    if (request.branches[i].finish == TRANSOM_FINISH_NOT)
      endBranch(request, i, finish, status);
}

void Engine::release(Branch &branch) {
  if (branch.sequence >= 0)
    decoder.free(decoder.self, branch.sequence);
  branch.sequence = -1;
  branch.computed = 0;
}

/// Everything that the model has of it.
void Engine::release(Job &request) {
  for (Branch &branch : request.branches)
    release(branch);
  if (request.root >= 0)
    decoder.free(decoder.self, request.root);
  request.root = -1;
}

void Engine::keep(Branch &branch) {
  // With a source, keys and values are of no use to other requests.
  if (branch.sequence < 0 || branch.computed < leastShared || decoder.encode)
    return;
  auto *tokens =
      static_cast<int32_t *>(malloc(size_t(branch.computed) * sizeof(int32_t)));
  if (!tokens)
    return; // What is not kept is computed again.
  std::copy_n(branch.tokens, branch.computed, tokens);
  kept.push({branch.sequence, tokens, branch.computed}); // There is room.
  branch.sequence = -1;
  if (kept.size() > maxKept + 1)
    giveUpKept();
}

/// Is there a prompt that could begin like one that has been read? Those that
/// wait for it in this step must still find it if it ends in it.
bool Engine::isAwaited() const {
  if (!waiting.empty())
    return true;
  for (const Job *request : live)
    for (int32_t i = 0; i < request->numBranches; ++i) {
      const Branch &branch = request->branches[i];
      if (branch.sequence < 0 && branch.finish == TRANSOM_FINISH_NOT)
        return true;
    }
  return false;
}

/// The one that has been of no use for longest; false: there is none.
bool Engine::giveUpKept() {
  if (kept.empty())
    return false;
  decoder.free(decoder.self, kept[0].sequence);
  ::free(kept[0].tokens);
  kept.erase(0);
  return true;
}
