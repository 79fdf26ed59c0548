//===- EngineChoice.cpp - what becomes of a step's logits -----------------===//
#include "runtime/generation/Engine.h"

#include <algorithm>

using namespace transom;

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
  transom_finish_reason finish = TRANSOM_FINISH_NOT;
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
