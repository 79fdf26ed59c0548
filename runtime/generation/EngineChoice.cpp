//===- EngineChoice.cpp - what becomes of a step's logits -----------------===//
#include "runtime/generation/Engine.h"

#include <algorithm>

using namespace transom;

void Engine::choose(GenerationRequest &request, const StepRows &rows) {
  if (request.isCancelled)
    return;
  if (request.settings.isBeamSearch()) {
    if (request.sequences[0].firstRow >= 0)
      chooseForBeams(request, rows);
    return;
  }
  // The first logits are there for all of its sequences.
  bool isFirst = request.numSequences < request.width() &&
                 request.sequences[0].firstRow >= 0;
  if (isFirst) {
    request.numSequences = request.width();
    const GenerationSequence &first = request.sequences[0];
    for (int32_t i = 1; i < request.numSequences; ++i) {
      GenerationSequence &sequence = request.sequences[i];
      sequence.firstRow = first.firstRow;
      // Without memory for it, it is made later.
      if (decoder.fork(decoder.self, first.id, first.computed, sequence.id) ==
          TRANSOM_OK)
        sequence.computed = first.computed;
      else
        sequence.id = -1;
    }
  }
  bool hasEnded = true;
  for (int32_t i = 0; i < request.numSequences; ++i) {
    if (request.sequences[i].firstRow >= 0 && !request.isCancelled)
      chooseForSequence(request, i, rows);
    hasEnded &= request.sequences[i].finish != TRANSOM_FINISH_NOT;
  }
  request.hasEnded = hasEnded && request.numSequences == request.width();
}

void Engine::chooseForSequence(GenerationRequest &request, int32_t index,
                               const StepRows &rows) {
  const Settings &settings = request.settings;
  GenerationSequence &sequence = request.sequences[index];
  transom_finish_reason finish = TRANSOM_FINISH_NOT;
  transom_status status = TRANSOM_OK;
  // A draft token that is right gives the logits behind it, too.
  for (int64_t i = 0; i <= sequence.drafts && !finish; ++i) {
    bool isDraft = i < sequence.drafts;
    int32_t token, draft = isDraft ? sequence.tokens[sequence.length] : -1;
    status = chooseToken(settings, {sequence.tokens, sequence.length},
                         rows.data + (sequence.firstRow + i) * rows.stride,
                         decoder.vocabulary, uint32_t(index), memory, token);
    if (status) {
      finish = TRANSOM_FINISH_FAILED;
      break;
    }
    sequence.tokens[sequence.length++] = token;
    finish = settings.finishOf(sequence.tokens, sequence.length);
    if (token != draft)
      break;
  }
  // Draft tokens that were wrong are forgotten. (The last token is never read
  // yet.)
  if (sequence.id >= 0 && sequence.computed >= sequence.length) {
    (void)decoder.truncate(decoder.self, sequence.id, sequence.length - 1);
    sequence.computed = sequence.length - 1;
  }
  if (finish) {
    endSequence(request, index, finish, status);
    return;
  }
  int64_t reported = sequence.reported;
  sequence.reported = sequence.length;
  report(request, index, sequence.tokens + reported, sequence.length - reported,
         TRANSOM_FINISH_NOT, 0, TRANSOM_OK);
}

void Engine::chooseForBeams(GenerationRequest &request, const StepRows &rows) {
  const Settings &settings = request.settings;
  Beams &beams = request.beams;
  for (int32_t i = 0; i < request.width(); ++i) {
    int32_t sequence = i < request.numSequences ? i : 0;
    beamLogits[i] =
        rows.data + request.sequences[sequence].firstRow * rows.stride;
  }
  if (transom_status status = beams.advance(beamLogits.data(), memory.seen)) {
    endRequest(request, TRANSOM_FINISH_FAILED, status);
    return;
  }
  if (beams.isDone()) {
    request.hasEnded = true;
    for (GenerationSequence &sequence : request.sequences)
      release(sequence);
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
  int64_t computed = request.sequences[0].computed;
  bool isFirst = request.numSequences < request.width();
  for (int32_t i = 0; i < request.width(); ++i)
    old[i] = request.sequences[i].id;
  request.numSequences = request.width();
  for (int32_t i = 0; i < request.width(); ++i) {
    GenerationSequence &sequence = request.sequences[i];
    sequence.tokens = const_cast<int32_t *>(beams.tokens(i));
    sequence.length = beams.length();
    sequence.computed = 0;
  }
  // Forks come first, while all parents are there. Without memory for one, it
  // is made later.
  for (int32_t i = request.width() - 1; i >= 0; --i) {
    GenerationSequence &sequence = request.sequences[i];
    auto parentOf = [&](int32_t beam) {
      return isFirst ? 0 : beams.parent(beam);
    };
    int32_t parent = parentOf(i);
    bool isLast = true;
    for (int32_t j = 0; j < i; ++j)
      isLast &= parentOf(j) != parent;
    if (isLast) {
      sequence.id = old[parent];
      old[parent] = -1;
      sequence.computed = computed;
    } else if (decoder.fork(decoder.self, old[parent], computed, sequence.id) ==
               TRANSOM_OK) {
      sequence.computed = computed;
    } else {
      sequence.id = -1;
    }
  }
  for (int64_t sequence : old)
    if (sequence >= 0)
      decoder.free(decoder.self, sequence);
}
