//===- EngineStep.cpp - scheduling: what a step reads ---------------------===//
//
// A step takes first the one new token of every sequence that is past its
// prompt (and draft tokens, where asked for), then as much of the prompts as
// there is room for. What the model computes for a sequence does not depend on
// that, so neither do the results: sequences may share beginnings, wait for one
// another, and even be preempted for lack of memory, which has their keys and
// values computed again.
//
//===----------------------------------------------------------------------===//
#include "runtime/generation/Engine.h"

#include "runtime/Error.h"
#include "runtime/generation/Lookup.h"

#include <algorithm>

using namespace transom;

static int64_t commonLength(const int32_t *a, const int32_t *b, int64_t most) {
  return std::mismatch(a, a + most, b).first - a;
}

/// Gives requests their encoder inputs. While others are at their tokens, only
/// as many as a step reads; else all of them, so that they go on together.
transom_status Engine::encodeInputs() {
  if (!decoder.encode)
    return TRANSOM_OK;
  bool isFirst = std::all_of(
      live.begin(), live.end(),
      [](const GenerationRequest *request) { return request->root < 0; });
  for (bool isLast = false; !isLast;) {
    if (transom_status status = encodeBatch(isLast))
      return status;
    isLast |= !isFirst;
  }
  return TRANSOM_OK;
}

/// Encodes the next encoder inputs that a step has room for, but at least one:
/// an encoder can't read in chunks.
transom_status Engine::encodeBatch(bool &isLast) {
  int64_t tokens = 0, numParts = 0, first = 0;
  while (first < live.size() && live[first]->root >= 0)
    ++first;
  int64_t next = first;
  transom_status status = TRANSOM_OK;
  for (; next < live.size() && !status; ++next) {
    GenerationRequest &request = *live[next];
    int64_t length = request.encoderInput.size();
    if (numParts > 0 && tokens + length > stepTokens)
      break;
    status = decoder.add(decoder.self, request.root);
    parts[numParts++] = {request.root, request.encoderInput.data(), length};
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
  for (GenerationRequest *request : live)
    width += request->width();
  while (!waiting.empty() && (!isShort || live.empty()) &&
         width + waiting[0]->width() <= maxSequences) {
    width += waiting[0]->width();
    live.push(waiting[0]); // There is room for max_num_seqs.
    waiting.erase(0);
  }
}

void Engine::schedule(GenerationSequence &sequence, int64_t count,
                      int64_t drafts, bool wantsLogits, int64_t &numParts,
                      int64_t &numRows) {
  int64_t first = 0; // The part's first token, among those of all parts.
  for (int64_t i = 0; i < numParts; ++i)
    first += parts[i].count;
  parts[numParts++] = {sequence.id, sequence.tokens + sequence.computed, count};
  sequence.numRead = count;
  sequence.drafts = drafts;
  if (!wantsLogits)
    return;
  sequence.firstRow = numRows;
  for (int64_t i = count - 1 - drafts; i < count; ++i)
    positions[numRows++] = int32_t(first + i);
}

/// The last token of every sequence of which the model has read all others.
void Engine::gatherDecodes(int64_t &numParts, int64_t &numRows,
                           int64_t &budget) {
  for (GenerationRequest *request : live) {
    const Settings &settings = request->settings;
    auto isReady = [](const GenerationSequence &sequence) {
      return sequence.id >= 0 && sequence.computed == sequence.length - 1;
    };
    // Beams go on together.
    if (settings.isBeamSearch() &&
        !std::all_of(request->sequences.begin(),
                     request->sequences.begin() + request->numSequences,
                     isReady))
      continue;
    for (int32_t i = 0; i < request->numSequences; ++i) {
      GenerationSequence &sequence = request->sequences[i];
      if (sequence.finish != TRANSOM_FINISH_NOT || !isReady(sequence))
        continue;
      int64_t generated = sequence.length - settings.promptLength;
      // One more token always comes by itself.
      int64_t most = std::min({settings.lookupTokens,
                               settings.maxNewTokens - generated - 1, budget,
                               decoder.positions - sequence.length});
      int64_t drafts = most > 0 ? lookUp(sequence.tokens, sequence.length,
                                         settings.lookupNgramSize, most,
                                         sequence.tokens + sequence.length)
                                : 0;
      // What can't be generated isn't worth a try, nor is what comes after an
      // end.
      for (int64_t g = 0; g < drafts; ++g)
        if (sequence.tokens[sequence.length + g] >= decoder.vocabulary ||
            settings.isEos(sequence.tokens[sequence.length + g]))
          drafts = g;
      budget -= drafts;
      schedule(sequence, 1 + drafts, drafts, true, numParts, numRows);
    }
  }
}

/// Prompts, and what else the model has to read before a sequence goes on.
transom_status Engine::gatherPrompts(int64_t &numParts, int64_t &numRows,
                                     int64_t &budget) {
  for (GenerationRequest *request : live) {
    if (decoder.encode && request->root < 0)
      continue;
    for (int32_t i = 0; i < request->numSequences && budget > 0; ++i) {
      GenerationSequence &sequence = request->sequences[i];
      if (sequence.finish != TRANSOM_FINISH_NOT || sequence.numRead > 0)
        continue;
      if (sequence.id < 0) {
        bool isStarted = false;
        if (transom_status status = start(*request, sequence, isStarted))
          return status;
        if (!isStarted)
          continue;
      }
      int64_t missing = sequence.length - sequence.computed;
      // Of several beams the last tokens are left for a step of all of them.
      if (request->settings.isBeamSearch() && request->numSequences > 1)
        --missing;
      int64_t count = std::min(missing, budget);
      if (count <= 0)
        continue;
      budget -= count;
      schedule(sequence, count, 0, sequence.computed + count == sequence.length,
               numParts, numRows);
    }
  }
  return TRANSOM_OK;
}

transom_status Engine::gather(int64_t &numParts, int64_t &numRows) {
  numParts = numRows = 0;
  int64_t numLive = 0;
  for (GenerationRequest *request : live)
    for (int32_t i = 0; i < request->numSequences; ++i) {
      GenerationSequence &sequence = request->sequences[i];
      sequence.numRead = sequence.drafts = 0;
      sequence.firstRow = -1;
      numLive += sequence.finish == TRANSOM_FINISH_NOT;
    }
  // Every sequence has its one token; the rest is for draft tokens, up to a
  // half, and for prompts.
  int64_t extra = stepTokens - numLive, drafts = extra / 2;
  int64_t left = drafts;
  gatherDecodes(numParts, numRows, left);
  int64_t budget = stepTokens;
  for (int64_t i = 0; i < numParts; ++i)
    budget -= parts[i].count;
  return gatherPrompts(numParts, numRows, budget);
}

/// Gives a sequence one of the model's: a fork of the one that begins most
/// alike, or a new one. Not started: another one is still reading what
/// both have in common, and it pays to wait for it.
transom_status Engine::start(const GenerationRequest &request,
                             GenerationSequence &sequence, bool &isStarted) {
  // At least one token has to be read, to get logits.
  int64_t most = sequence.length - 1, best = 0, expected = 0, origin = -1;
  int64_t prefixIndex = -1;
  for (GenerationRequest *other : live) {
    // Keys and values depend on the encoder input, too.
    if (decoder.encode && other != &request)
      continue;
    for (int32_t i = 0; i < other->numSequences; ++i) {
      const GenerationSequence &candidate = other->sequences[i];
      if (&candidate == &sequence || candidate.id < 0)
        continue;
      int64_t common = commonLength(sequence.tokens, candidate.tokens,
                                    std::min(most, candidate.length));
      int64_t usable = std::min(common, candidate.computed);
      if (usable > best) {
        best = usable;
        origin = candidate.id;
      }
      expected = std::max(expected, common);
    }
  }
  for (int64_t i = 0; i < prefixes.size(); ++i) {
    int64_t common = commonLength(sequence.tokens, prefixes[i].tokens,
                                  std::min(most, prefixes[i].length));
    if (common > best) {
      best = common;
      origin = prefixes[i].sequence;
      prefixIndex = i;
    }
  }
  isStarted = false;
  if (expected >= best + leastShared)
    return TRANSOM_OK;
  isStarted = true;
  if (best < leastShared && !decoder.encode)
    return decoder.add(decoder.self, sequence.id);
  if (best < leastShared) {
    best = 0;
    origin = request.root;
    prefixIndex = -1;
  }
  if (transom_status status =
          decoder.fork(decoder.self, origin, best, sequence.id)) {
    sequence.id = -1;
    return status;
  }
  sequence.computed = best;
  if (prefixIndex >= 0) {
    CachedPrefix used = prefixes[prefixIndex];
    prefixes.erase(prefixIndex);
    prefixes.push(used);
  }
  return TRANSOM_OK;
}

/// Makes memory free when it is short; false if there is nothing left to give
/// up. The oldest request is never preempted, so one always gets on.
bool Engine::preempt() {
  if (evictPrefix())
    return true;
  if (live.size() < 2)
    return false;
  GenerationRequest *newest = live[live.size() - 1];
  release(*newest);
  live.erase(live.size() - 1);
  waiting.push(newest); // There is room, see submit.
  for (int64_t i = waiting.size() - 1; i > 0; --i)
    std::swap(waiting[i], waiting[i - 1]);
  isShort = true;
  return true;
}

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
    transom_status status = encodeInputs();
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
    if (preempt())
      continue;
    endRequest(*live[0], TRANSOM_FINISH_FAILED, status);
    return TRANSOM_OK;
  }
  for (GenerationRequest *request : live)
    for (int32_t i = 0; i < request->numSequences; ++i)
      request->sequences[i].computed += request->sequences[i].numRead;
  // A callback may submit, but not make a request live.
  for (GenerationRequest *request : live)
    choose(*request, rows);
  return TRANSOM_OK;
}
