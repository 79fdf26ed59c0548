//===- Beams.cpp - beam search as Hugging Face defines it -----------------===//
//
// Of all continuations of the live beams the best are looked at: so many that,
// even if every end of sequence is among them, there are enough to go on with.
// Those that end and are among the best num_beams become finished sequences,
// if they are better than the ones there; the best that don't end live on.
//
// "Never" is a score of -1e9 there, added in float, and so it is here: it
// decides which sequences win if there are fewer than are asked for.
//
//===----------------------------------------------------------------------===//
#include "runtime/generation/Beams.h"

#include "runtime/generation/Math.h"
#include "runtime/generation/Random.h"

#include <algorithm>

using namespace transom;

static constexpr float minusInfinity = -__builtin_inff();
static constexpr float never = -1.0e9F;

bool Beams::create(const Settings &given, const int32_t *prompt,
                   int64_t vocabularySize) {
  settings = &given;
  vocabulary = vocabularySize;
  numBeams = given.numBeams;
  numNext = int32_t(std::max<int64_t>(2, 1 + given.eosIds.size()) * numBeams);
  currentLength = given.promptLength;
  capacity = given.promptLength + given.maxNewTokens;
  int64_t all = int64_t(numBeams) * vocabulary, rowTokens;
  if (__builtin_mul_overflow(3 * int64_t(numBeams), capacity, &rowTokens) ||
      !rows.resize(rowTokens) || !scores.resize(all) ||
      (given.sample && (!candidates.resize(all) || !owners.resize(all))) ||
      !liveScores.resize(numBeams) || !parents.resize(numBeams) ||
      !next.resize(numNext) || !finished.resize(numBeams) ||
      !merged.resize(numBeams + numNext) || !order.resize(numNext))
    return false;
  memory = rows.data();
  for (int32_t beam = 0; beam < numBeams; ++beam) {
    std::copy_n(prompt, currentLength, live(beam));
    // All beams are the same: only the first one's continuations count.
    liveScores[beam] = beam == 0 ? 0 : never;
    parents[beam] = 0;
    finished[beam] = {never, currentLength, TRANSOM_FINISH_NOT,
                      2 * numBeams + beam};
  }
  return true;
}

Beams::Result Beams::result(int32_t index) const {
  const Finished &one = finished[index];
  return {row(one.slot), one.length, one.score, one.finish};
}

transom_status Beams::advance(const float *const *logits,
                              Array<uint8_t> &seen) {
  // With filters, so many tokens of each beam are left that not all of them
  // end it.
  int64_t least = std::max<int64_t>(2, settings->eosIds.size() + 1);
  int64_t numCandidates = 0;
  for (int32_t beam = 0; beam < numBeams; ++beam) {
    float *row = scores.data() + beam * vocabulary;
    std::copy_n(logits[beam], vocabulary, row);
    int64_t best = findBest(row, vocabulary);
    if (best == -2 || (best >= 0 && row[best] == -minusInfinity))
      return failNotANumber();
    logSoftmax(row, vocabulary);
    processScores(*settings, {tokens(beam), currentLength}, row, vocabulary,
                  seen);
    if (settings->sample) {
      Candidate *kept = candidates.data() + numCandidates;
      int64_t count = warpScores(*settings, least, row, vocabulary, kept);
      std::fill_n(row, vocabulary, minusInfinity);
      for (int64_t i = 0; i < count; ++i) {
        row[kept[i].token] = kept[i].score;
        owners[numCandidates + i] = beam;
      }
      if (settings->renormalize)
        logSoftmax(row, vocabulary);
      for (int64_t i = 0; i < count; ++i)
        kept[i].score = row[kept[i].token] + liveScores[beam];
      numCandidates += count;
      continue;
    }
    if (settings->renormalize)
      logSoftmax(row, vocabulary);
    for (int64_t i = 0; i < vocabulary; ++i)
      row[i] += liveScores[beam];
  }
  if (settings->sample)
    chooseAtRandom(numCandidates);
  else
    chooseBest();
  if (next[0].score == minusInfinity)
    return failNoToken();
  findFinishes();
  mergeFinished();
  moveOn();
  checkStop();
  return TRANSOM_OK;
}

/// The numNext best continuations, in order.
void Beams::chooseBest() {
  int32_t count = 0;
  for (int32_t beam = 0; beam < numBeams; ++beam) {
    const float *row = scores.data() + beam * vocabulary;
    for (int64_t token = 0; token < vocabulary; ++token) {
      if (count == numNext && !(row[token] > next[numNext - 1].score))
        continue;
      int32_t place = count < numNext ? count++ : numNext - 1;
      for (; place > 0 && row[token] > next[place - 1].score; --place)
        next[place] = next[place - 1];
      next[place] = {row[token], beam, int32_t(token), TRANSOM_FINISH_NOT};
    }
  }
  fillNext(count);
}

/// numNext different continuations, drawn one after the other.
void Beams::chooseAtRandom(int64_t numCandidates) {
  auto index = uint32_t(currentLength - settings->promptLength);
  int32_t count = 0;
  int64_t left = numCandidates;
  for (; count < numNext && left > 0; ++count) {
    int64_t i =
        draw(candidates.data(), left,
             uniform(settings->seed, settings->stream, uint32_t(count), index));
    if (i < 0)
      break;
    next[count] = {candidates[i].score, owners[i], candidates[i].token,
                   TRANSOM_FINISH_NOT};
    --left;
    std::copy(candidates.data() + i + 1, candidates.data() + left + 1,
              candidates.data() + i);
    std::copy(owners.data() + i + 1, owners.data() + left + 1,
              owners.data() + i);
  }
  fillNext(count);
}

/// If the vocabulary hasn't enough: continuations that can't win.
void Beams::fillNext(int32_t count) {
  for (; count < numNext; ++count)
    next[count] = {minusInfinity, 0, 0, TRANSOM_FINISH_NOT};
}

void Beams::findFinishes() {
  for (Next &one : next) {
    int32_t *beam = live(one.beam);
    // There is room for it, and nothing reads it there afterwards.
    beam[currentLength] = one.token;
    one.finish = settings->finishOf(beam, currentLength + 1);
  }
}

void Beams::mergeFinished() {
  auto penalty = float(power(double(currentLength + 1 - settings->promptLength),
                             double(settings->lengthPenalty)));
  std::copy_n(finished.data(), numBeams, merged.data());
  for (int32_t i = 0; i < numNext; ++i) {
    // Beyond the best num_beams they are only there to go on with.
    bool isNew = next[i].finish != TRANSOM_FINISH_NOT && i < numBeams;
    float score = next[i].score / penalty;
    score += isNew ? 0 : never;
    merged[numBeams + i] = {score, currentLength + 1,
                            isNew ? next[i].finish : TRANSOM_FINISH_NOT, ~i};
  }
  // Stable, by insertion: there are few.
  for (int32_t i = 1; i < numBeams + numNext; ++i) {
    Finished one = merged[i];
    int32_t place = i;
    for (; place > 0 && one.score > merged[place - 1].score; --place)
      merged[place] = merged[place - 1];
    merged[place] = one;
  }
  // Those that drop out leave their rows to those that come in.
  int32_t dropped = numBeams;
  for (int32_t i = 0; i < numBeams; ++i) {
    Finished &one = merged[i];
    if (one.slot < 0) {
      const Next &from = next[~one.slot];
      while (merged[dropped].slot < 0)
        ++dropped;
      one.slot = merged[dropped++].slot;
      std::copy_n(live(from.beam), currentLength, row(one.slot));
      row(one.slot)[currentLength] = from.token;
    }
    finished[i] = one;
  }
}

/// The best continuations that don't end become the live beams.
void Beams::moveOn() {
  for (int32_t i = 0; i < numNext; ++i) {
    order[i] = i;
    next[i].score += next[i].finish != TRANSOM_FINISH_NOT ? never : 0;
    for (int32_t place = i;
         place > 0 && next[order[place]].score > next[order[place - 1]].score;
         --place)
      std::swap(order[place], order[place - 1]);
  }
  int32_t other = current == 0 ? numBeams : 0;
  for (int32_t beam = 0; beam < numBeams; ++beam) {
    const Next &from = next[order[beam]];
    std::copy_n(live(from.beam), currentLength, row(other + beam));
    row(other + beam)[currentLength] = from.token;
    liveScores[beam] = from.score;
    parents[beam] = from.beam;
  }
  current = other;
  ++currentLength;
}

void Beams::checkStop() {
  bool isFull = true, allEnd = true;
  float worst = finished[0].score;
  for (const Finished &one : finished) {
    isFull &= one.finish != TRANSOM_FINISH_NOT;
    worst = std::min(worst, one.score);
  }
  for (const Next &one : next)
    allEnd &= one.finish != TRANSOM_FINISH_NOT;
  // The best that the best live beam can still become; what is not finished is
  // worse than any.
  int64_t length = currentLength - settings->promptLength;
  if (settings->earlyStopping == TRANSOM_EARLY_STOPPING_NEVER &&
      settings->lengthPenalty > 0)
    length = settings->maxNewTokens;
  float possible =
      liveScores[0] /
      float(power(double(length), double(settings->lengthPenalty)));
  bool isEnough =
      isFull && settings->earlyStopping == TRANSOM_EARLY_STOPPING_TRUE;
  done = !(possible > worst) || isEnough || allEnd;
}
