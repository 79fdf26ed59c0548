//===- Engine.cpp - scheduling, and what becomes of a step's logits -------===//
//
// A step takes first the one new token of every sequence that is past its
// prompt (and guesses, where asked for), then as much of the prompts as there
// is room for. What the model computes for a sequence does not depend on that,
// so neither do the results: sequences may share beginnings, wait for one
// another, and even give up their keys and values for lack of memory and have
// them computed again.
//
//===----------------------------------------------------------------------===//
#include "runtime/generation/Engine.h"

#include "runtime/Error.h"
#include "runtime/Memory.h"
#include "runtime/generation/Lookup.h"

#include <algorithm>

using namespace transom;

/// Fewer tokens in common are computed again rather than shared.
static constexpr int64_t leastShared = 16;
static constexpr int64_t defaultSequences = 64;
static constexpr int64_t defaultStepTokens = 512;
static constexpr int32_t mostSequences = 1 << 16;

static int64_t commonLength(const int32_t *a, const int32_t *b, int64_t most) {
  return std::mismatch(a, a + most, b).first - a;
}

//===----------------------------------------------------------------------===//
// Requests come and go
//===----------------------------------------------------------------------===//

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
  if (o.max_sequences < 0 || o.max_sequences > mostLive)
    return fail(TRANSOM_INVALID_ARGUMENT,
                "'max_sequences' expects a number in [0, %lld], "
                "got %d",
                (long long)mostLive, o.max_sequences);
  maxSequences = o.max_sequences > 0 ? int64_t(o.max_sequences)
                                     : std::min(defaultSequences, mostLive);
  if (o.step_tokens != 0 &&
      (o.step_tokens < maxSequences || o.step_tokens > most))
    return fail(TRANSOM_INVALID_ARGUMENT,
                "'step_tokens' expects 0 or a number in [%lld, "
                "%lld], from 'max_sequences' to the session's 'max_tokens', "
                "got %d",
                (long long)maxSequences, (long long)most, o.step_tokens);
  stepTokens = o.step_tokens > 0
                   ? int64_t(o.step_tokens)
                   : std::min(std::max(defaultStepTokens, maxSequences), most);
  if (o.kept_sequences < 0 || o.kept_sequences > mostSequences)
    return fail(TRANSOM_INVALID_ARGUMENT,
                "'kept_sequences' expects a number in [0, %d], "
                "got %d",
                mostSequences, o.kept_sequences);
  maxKept = o.kept_sequences;
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
                "'%s' expects at most the engine's 'max_sequences', %lld, "
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
      for (int64_t i = 0; i < requests->size(); ++i) {
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
                    int64_t count, transom_finish finish, float score,
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
void Engine::endBranch(Job &request, int32_t index, transom_finish finish,
                       transom_status status) {
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
void Engine::endRequest(Job &request, transom_finish finish,
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

//===----------------------------------------------------------------------===//
// What a step reads
//===----------------------------------------------------------------------===//

/// Gives requests their sources. While others are at their tokens, only as many
/// as a step reads; else all of them, so that they go on together.
transom_status Engine::encodeSources() {
  if (!decoder.encode)
    return TRANSOM_OK;
  bool isFirst = std::all_of(live.begin(), live.end(), [](const Job *request) {
    return request->root < 0;
  });
  for (bool isLast = false; !isLast;) {
    if (transom_status status = encodeBatch(isLast))
      return status;
    isLast |= !isFirst;
  }
  return TRANSOM_OK;
}

/// Encodes the next sources that a step has room for, but at least one: an
/// encoder can't read in parts.
transom_status Engine::encodeBatch(bool &isLast) {
  int64_t tokens = 0, numParts = 0, first = 0;
  while (first < live.size() && live[first]->root >= 0)
    ++first;
  int64_t next = first;
  transom_status status = TRANSOM_OK;
  for (; next < live.size() && !status; ++next) {
    Job &request = *live[next];
    int64_t length = request.source.size();
    if (numParts > 0 && tokens + length > stepTokens)
      break;
    status = decoder.add(decoder.self, request.root);
    parts[numParts++] = {request.root, request.source.data(), length};
    tokens += length;
  }
  isLast = next == live.size();
  if (!status && numParts > 0)
    status = decoder.encode(decoder.self, parts.data(), numParts);
  for (int64_t i = first; i < next && status; ++i)
    release(*live[i]);
  return status;
}

/// Makes requests live, in their order, as long as all fit.
void Engine::admit() {
  int64_t width = 0;
  for (Job *request : live)
    width += request->width();
  while (!waiting.empty() && (!isShort || live.empty()) &&
         width + waiting[0]->width() <= maxSequences) {
    width += waiting[0]->width();
    live.push(waiting[0]); // There is room for max_sequences.
    waiting.erase(0);
  }
}

void Engine::feed(Branch &branch, int64_t count, int64_t guesses,
                  bool wantsLogits, int64_t &numParts, int64_t &numRows) {
  int64_t first = 0; // The part's first token, among those of all parts.
  for (int64_t i = 0; i < numParts; ++i)
    first += parts[i].count;
  parts[numParts++] = {branch.sequence, branch.tokens + branch.computed, count};
  branch.fed = count;
  branch.guesses = guesses;
  if (!wantsLogits)
    return;
  branch.firstRow = numRows;
  for (int64_t i = count - 1 - guesses; i < count; ++i)
    positions[numRows++] = int32_t(first + i);
}

/// The last token of every sequence of which the model has read all others.
void Engine::gatherDecodes(int64_t &numParts, int64_t &numRows,
                           int64_t &budget) {
  for (Job *request : live) {
    const Settings &settings = request->settings;
    auto isReady = [](const Branch &branch) {
      return branch.sequence >= 0 && branch.computed == branch.length - 1;
    };
    // Beams go on together.
    if (settings.isBeamSearch() &&
        !std::all_of(request->branches.begin(),
                     request->branches.begin() + request->numBranches, isReady))
      continue;
    for (int32_t i = 0; i < request->numBranches; ++i) {
      Branch &branch = request->branches[i];
      if (branch.finish != TRANSOM_FINISH_NOT || !isReady(branch))
        continue;
      int64_t generated = branch.length - settings.promptLength;
      // One more token always comes by itself.
      int64_t most = std::min({settings.lookupTokens,
                               settings.maxNewTokens - generated - 1, budget,
                               decoder.positions - branch.length});
      int64_t guesses = most > 0 ? lookUp(branch.tokens, branch.length,
                                          settings.lookupNgramSize, most,
                                          branch.tokens + branch.length)
                                 : 0;
      // What can't be generated isn't worth a try, nor is what comes after an
      // end.
      for (int64_t g = 0; g < guesses; ++g)
        if (branch.tokens[branch.length + g] >= decoder.vocabulary ||
            settings.isEos(branch.tokens[branch.length + g]))
          guesses = g;
      budget -= guesses;
      feed(branch, 1 + guesses, guesses, true, numParts, numRows);
    }
  }
}

/// Prompts, and what else the model has to read before a sequence goes on.
transom_status Engine::gatherPrompts(int64_t &numParts, int64_t &numRows,
                                     int64_t &budget) {
  for (Job *request : live) {
    if (decoder.encode && request->root < 0)
      continue;
    for (int32_t i = 0; i < request->numBranches && budget > 0; ++i) {
      Branch &branch = request->branches[i];
      if (branch.finish != TRANSOM_FINISH_NOT || branch.fed > 0)
        continue;
      if (branch.sequence < 0) {
        bool isPlaced = false;
        if (transom_status status = place(*request, branch, isPlaced))
          return status;
        if (!isPlaced)
          continue;
      }
      int64_t missing = branch.length - branch.computed;
      // Of several beams the last tokens are left for a step of all of them.
      if (request->settings.isBeamSearch() && request->numBranches > 1)
        --missing;
      int64_t count = std::min(missing, budget);
      if (count <= 0)
        continue;
      budget -= count;
      feed(branch, count, 0, branch.computed + count == branch.length, numParts,
           numRows);
    }
  }
  return TRANSOM_OK;
}

transom_status Engine::gather(int64_t &numParts, int64_t &numRows) {
  numParts = numRows = 0;
  int64_t numLive = 0;
  for (Job *request : live)
    for (int32_t i = 0; i < request->numBranches; ++i) {
      Branch &branch = request->branches[i];
      branch.fed = branch.guesses = 0;
      branch.firstRow = -1;
      numLive += branch.finish == TRANSOM_FINISH_NOT;
    }
  // Every sequence has its one token; the rest is for guesses, up to a half,
  // and for prompts.
  int64_t extra = stepTokens - numLive, guesses = extra / 2;
  int64_t left = guesses;
  gatherDecodes(numParts, numRows, left);
  int64_t budget = stepTokens;
  for (int64_t i = 0; i < numParts; ++i)
    budget -= parts[i].count;
  return gatherPrompts(numParts, numRows, budget);
}

/// Makes a sequence for a branch that has none: a fork of the one that begins
/// most alike, or a new one. Not placed: another one is still reading what both
/// have in common, and it pays to wait for it.
transom_status Engine::place(const Job &request, Branch &branch,
                             bool &isPlaced) {
  // At least one token has to be read, to get logits.
  int64_t most = branch.length - 1, best = 0, expected = 0, source = -1;
  int64_t keptIndex = -1;
  for (Job *other : live) {
    // Keys and values depend on the source, too.
    if (decoder.encode && other != &request)
      continue;
    for (int32_t i = 0; i < other->numBranches; ++i) {
      const Branch &candidate = other->branches[i];
      if (&candidate == &branch || candidate.sequence < 0)
        continue;
      int64_t common = commonLength(branch.tokens, candidate.tokens,
                                    std::min(most, candidate.length));
      int64_t usable = std::min(common, candidate.computed);
      if (usable > best) {
        best = usable;
        source = candidate.sequence;
      }
      expected = std::max(expected, common);
    }
  }
  for (int64_t i = 0; i < kept.size(); ++i) {
    int64_t common = commonLength(branch.tokens, kept[i].tokens,
                                  std::min(most, kept[i].length));
    if (common > best) {
      best = common;
      source = kept[i].sequence;
      keptIndex = i;
    }
  }
  isPlaced = false;
  if (expected >= best + leastShared)
    return TRANSOM_OK;
  isPlaced = true;
  if (best < leastShared && !decoder.encode)
    return decoder.add(decoder.self, branch.sequence);
  if (best < leastShared) {
    best = 0;
    source = request.root;
    keptIndex = -1;
  }
  if (transom_status status =
          decoder.fork(decoder.self, source, best, branch.sequence)) {
    branch.sequence = -1;
    return status;
  }
  branch.computed = best;
  if (keptIndex >= 0) {
    Kept used = kept[keptIndex];
    kept.erase(keptIndex);
    kept.push(used);
  }
  return TRANSOM_OK;
}

/// Makes memory free when it is short; false if there is nothing left to give
/// up. The oldest request never gives up anything, so one always gets on.
bool Engine::relieve() {
  if (giveUpKept())
    return true;
  if (live.size() < 2)
    return false;
  Job *newest = live[live.size() - 1];
  release(*newest);
  live.erase(live.size() - 1);
  waiting.push(newest); // There is room, see submit.
  for (int64_t i = waiting.size() - 1; i > 0; --i)
    std::swap(waiting[i], waiting[i - 1]);
  isShort = true;
  return true;
}

//===----------------------------------------------------------------------===//
// What becomes of the logits
//===----------------------------------------------------------------------===//

transom_status Engine::step(int64_t *numLive) {
  if (isBusy)
    return fail(TRANSOM_INVALID_ARGUMENT,
                "the engine is in a step: expected no call of it "
                "from a callback");
  isBusy = true;
  admit();
  transom_status status = live.empty() ? TRANSOM_OK : run();
  sweep();
  isBusy = false;
  if (numLive)
    *numLive = live.size() + waiting.size();
  return status;
}

transom_status Engine::run() {
  StepRows rows = {};
  for (;;) {
    int64_t numParts = 0, numRows = 0;
    transom_status status = encodeSources();
    if (!status)
      status = gather(numParts, numRows);
    // Beams that were all made anew by forks have nothing to read any more:
    // they are ready to go on.
    if (!status && numParts == 0)
      status = gather(numParts, numRows);
    if (!status && numParts == 0)
      return fail(TRANSOM_INTERNAL, "no sequence can go on");
    if (!status)
      status = decoder.step(decoder.self, parts.data(), numParts,
                            positions.data(), numRows, rows);
    if (!status)
      break;
    if (status != TRANSOM_EXHAUSTED)
      return status;
    if (relieve())
      continue;
    endRequest(*live[0], TRANSOM_FINISH_FAILED, status);
    return TRANSOM_OK;
  }
  for (Job *request : live)
    for (int32_t i = 0; i < request->numBranches; ++i)
      request->branches[i].computed += request->branches[i].fed;
  // A callback may submit, but not make a request live.
  for (int64_t i = 0; i < live.size(); ++i)
    choose(*live[i], rows);
  return TRANSOM_OK;
}

void Engine::choose(Job &request, const StepRows &rows) {
  if (request.isCancelled)
    return;
  if (request.settings.isBeamSearch()) {
    if (request.branches[0].firstRow >= 0)
      chooseForBeams(request, rows);
    return;
  }
  // The first logits are there for all of its sequences.
  bool isFirst = request.numBranches < request.width() &&
                 request.branches[0].firstRow >= 0;
  if (isFirst) {
    request.numBranches = request.width();
    const Branch &first = request.branches[0];
    for (int32_t i = 1; i < request.numBranches; ++i) {
      Branch &branch = request.branches[i];
      branch.firstRow = first.firstRow;
      // Without memory for it, it is made later.
      if (decoder.fork(decoder.self, first.sequence, first.computed,
                       branch.sequence) == TRANSOM_OK)
        branch.computed = first.computed;
      else
        branch.sequence = -1;
    }
  }
  bool hasEnded = true;
  for (int32_t i = 0; i < request.numBranches; ++i) {
    if (request.branches[i].firstRow >= 0 && !request.isCancelled)
      chooseForBranch(request, i, rows);
    hasEnded &= request.branches[i].finish != TRANSOM_FINISH_NOT;
  }
  request.hasEnded = hasEnded && request.numBranches == request.width();
}

void Engine::chooseForBranch(Job &request, int32_t index,
                             const StepRows &rows) {
  const Settings &settings = request.settings;
  Branch &branch = request.branches[index];
  transom_finish finish = TRANSOM_FINISH_NOT;
  transom_status status = TRANSOM_OK;
  // A guess that is right gives the logits behind it, too.
  for (int64_t i = 0; i <= branch.guesses && !finish; ++i) {
    bool isGuessed = i < branch.guesses;
    int32_t token, guess = isGuessed ? branch.tokens[branch.length] : -1;
    status = chooseToken(settings, {branch.tokens, branch.length},
                         rows.data + (branch.firstRow + i) * rows.stride,
                         decoder.vocabulary, uint32_t(index), memory, token);
    if (status) {
      finish = TRANSOM_FINISH_FAILED;
      break;
    }
    branch.tokens[branch.length++] = token;
    finish = settings.finishOf(branch.tokens, branch.length);
    if (token != guess)
      break;
  }
  // Guesses that were wrong are forgotten. (The last token is never read yet.)
  if (branch.sequence >= 0 && branch.computed >= branch.length) {
    (void)decoder.truncate(decoder.self, branch.sequence, branch.length - 1);
    branch.computed = branch.length - 1;
  }
  if (finish) {
    endBranch(request, index, finish, status);
    return;
  }
  int64_t reported = branch.reported;
  branch.reported = branch.length;
  report(request, index, branch.tokens + reported, branch.length - reported,
         TRANSOM_FINISH_NOT, 0, TRANSOM_OK);
}

void Engine::chooseForBeams(Job &request, const StepRows &rows) {
  const Settings &settings = request.settings;
  Beams &beams = request.beams;
  for (int32_t i = 0; i < request.width(); ++i) {
    int32_t branch = i < request.numBranches ? i : 0;
    beamLogits[i] = rows.data + request.branches[branch].firstRow * rows.stride;
  }
  if (transom_status status = beams.advance(beamLogits.data(), memory.seen)) {
    endRequest(request, TRANSOM_FINISH_FAILED, status);
    return;
  }
  if (beams.isDone()) {
    request.hasEnded = true;
    for (Branch &branch : request.branches)
      release(branch);
    for (int32_t i = 0; i < settings.numReturnSequences; ++i) {
      Beams::Result result = beams.result(i);
      if (result.finish == TRANSOM_FINISH_NOT)
        report(request, i, nullptr, 0, TRANSOM_FINISH_FAILED, 0, failNoToken());
      else
        report(request, i, result.tokens + settings.promptLength,
               result.length - settings.promptLength, result.finish,
               result.score, TRANSOM_OK);
    }
    return;
  }
  // Each beam goes on in its parent's sequence: the first one in itself, others
  // in forks of it.
  Array<int64_t> &old = request.oldSequences;
  int64_t computed = request.branches[0].computed;
  bool isFirst = request.numBranches < request.width();
  for (int32_t i = 0; i < request.width(); ++i)
    old[i] = request.branches[i].sequence;
  request.numBranches = request.width();
  for (int32_t i = 0; i < request.width(); ++i) {
    Branch &branch = request.branches[i];
    branch.tokens = const_cast<int32_t *>(beams.tokens(i));
    branch.length = beams.length();
    branch.computed = 0;
  }
  // Forks come first, while all parents are there. Without memory for one, it
  // is made later.
  for (int32_t i = request.width() - 1; i >= 0; --i) {
    Branch &branch = request.branches[i];
    auto parentOf = [&](int32_t beam) {
      return isFirst ? 0 : beams.parent(beam);
    };
    int32_t parent = parentOf(i);
    bool isLast = true;
    for (int32_t j = 0; j < i; ++j)
      isLast &= parentOf(j) != parent;
    if (isLast) {
      branch.sequence = old[parent];
      old[parent] = -1;
      branch.computed = computed;
    } else if (decoder.fork(decoder.self, old[parent], computed,
                            branch.sequence) == TRANSOM_OK) {
      branch.computed = computed;
    } else {
      branch.sequence = -1;
    }
  }
  for (int64_t sequence : old)
    if (sequence >= 0)
      decoder.free(decoder.self, sequence);
}
