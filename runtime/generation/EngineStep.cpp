//===- EngineStep.cpp - scheduling: what a step reads ---------------------===//
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
#include "runtime/generation/Lookup.h"

#include <algorithm>

using namespace transom;

static int64_t commonLength(const int32_t *a, const int32_t *b, int64_t most) {
  return std::mismatch(a, a + most, b).first - a;
}

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
    live.push(waiting[0]); // There is room for max_num_seqs.
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
  for (Job *request : live)
    choose(*request, rows);
  return TRANSOM_OK;
}
