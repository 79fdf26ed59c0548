//===- Scores.cpp - logits processors, warpers, draws ---------------------===//
//
// Arithmetic is in float where Hugging Face's result is one (penalties,
// temperature), so that ties and comparisons fall alike; sums are in double.
//
//===----------------------------------------------------------------------===//
#include "runtime/generation/Scores.h"

#include "runtime/Error.h"
#include "runtime/generation/Random.h"

#include <algorithm>
#include <cmath>

using namespace transom;

static constexpr float minusInfinity = -__builtin_inff();

bool ScoreMemory::create(int64_t vocabulary) {
  if (!scores.resize(vocabulary) || !candidates.resize(vocabulary) ||
      !seen.resize(vocabulary))
    return false;
  memset(seen.data(), 0, size_t(vocabulary));
  return true;
}

int64_t transom::findBest(const float *scores, int64_t count) {
  int64_t index = -1;
  float best = minusInfinity;
  for (int64_t i = 0; i < count; ++i) {
    // Rarely true, and also for NaN.
    if (!(scores[i] <= best)) {
      if (scores[i] != scores[i])
        return -2;
      best = scores[i];
      index = i;
    }
  }
  return index;
}

void transom::logSoftmax(float *scores, int64_t count) {
  float best = minusInfinity;
  for (int64_t i = 0; i < count; ++i)
    best = scores[i] > best ? scores[i] : best;
  if (best == minusInfinity)
    return;
  double sum = 0;
  for (int64_t i = 0; i < count; ++i)
    sum += double(expf(scores[i] - best));
  auto logSum = float(log(sum));
  for (int64_t i = 0; i < count; ++i)
    scores[i] = scores[i] - best - logSum;
}

//===----------------------------------------------------------------------===//
// Processors
//===----------------------------------------------------------------------===//

static void penalizeRepetition(float penalty, Context context, float *scores,
                               int64_t vocabulary, Array<uint8_t> &seen) {
  // Once a token. One beyond the logits is an embedding that nothing predicts.
  for (int64_t i = 0; i < context.length; ++i) {
    int32_t token = context.tokens[i];
    if (token >= vocabulary || seen[token])
      continue;
    seen[token] = 1;
    float &score = scores[token];
    score = score < 0 ? score * penalty : score / penalty;
  }
  for (int64_t i = 0; i < context.length; ++i)
    if (context.tokens[i] < vocabulary)
      seen[context.tokens[i]] = 0;
}

/// Bans what followed wherever the last size - 1 tokens came before.
static void banRepeatedNgrams(int64_t size, Context context, float *scores,
                              int64_t vocabulary) {
  if (context.length < size)
    return;
  const int32_t *prefix = context.tokens + context.length + 1 - size;
  for (int64_t i = 0; i + size <= context.length; ++i) {
    const int32_t *window = context.tokens + i;
    int32_t last = window[size - 1];
    if (last < vocabulary && std::equal(window, window + size - 1, prefix))
      scores[last] = minusInfinity;
  }
}

static void banWords(const Settings &settings, Context context, float *scores) {
  const TokenLists &words = settings.badWords;
  for (int64_t i = 0; i < words.count(); ++i) {
    const int32_t *word = words.list(i);
    int64_t prefix = words.length(i) - 1;
    // An end of sequence alone can't be bad.
    if (prefix == 0 && settings.isEos(word[0]))
      continue;
    if (prefix <= context.length &&
        std::equal(word, word + prefix,
                   context.tokens + context.length - prefix))
      scores[word[prefix]] = minusInfinity;
  }
}

void transom::processScores(const Settings &settings, Context context,
                            float *scores, int64_t vocabulary,
                            Array<uint8_t> &seen) {
  if (settings.repetitionPenalty != 1)
    penalizeRepetition(settings.repetitionPenalty, context, scores, vocabulary,
                       seen);
  if (settings.noRepeatNgramSize > 0)
    banRepeatedNgrams(settings.noRepeatNgramSize, context, scores, vocabulary);
  banWords(settings, context, scores);
  if (context.length < settings.minLength)
    for (int32_t id : settings.eosIds)
      if (id >= 0 && id < vocabulary)
        scores[id] = minusInfinity;
}

//===----------------------------------------------------------------------===//
// Warpers
//===----------------------------------------------------------------------===//

namespace {

/// What is left of the vocabulary. Filters only take away.
struct Pool {
  Candidate *begin;
  int64_t count;
  int64_t least; ///< what must be left, if there are as many

  float greatest() const {
    float best = minusInfinity;
    for (int64_t i = 0; i < count; ++i)
      best = begin[i].score > best ? begin[i].score : best;
    return best;
  }
  /// Sum of exp(score - best).
  double sum(float best) const {
    double total = 0;
    for (int64_t i = 0; i < count; ++i)
      total += double(expf(begin[i].score - best));
    return total;
  }

  void keepTopK(int64_t k);
  void keepTopP(float p);
  void keepMinP(float p);
  void keepTypical(float mass);

private:
  /// Puts the first `head` in the order of `less` in front; all of the count
  /// are then in order.
  template <typename Less> void sortHead(int64_t head, Less less) const {
    if (head < count)
      std::nth_element(begin, begin + head, begin + count, less);
    std::sort(begin, begin + head, less);
  }
};

bool isBetter(const Candidate &a, const Candidate &b) {
  return a.score != b.score ? a.score > b.score : a.token < b.token;
}

bool isMoreTypical(const Candidate &a, const Candidate &b) {
  return a.key != b.key ? a.key < b.key : a.token < b.token;
}

/// How much of a distribution is sorted at first: most of them end there.
constexpr int64_t firstHead = 256;

} // namespace

void Pool::keepTopK(int64_t k) {
  k = std::max(k, least);
  if (k >= count)
    return;
  std::nth_element(begin, begin + (k - 1), begin + count, isBetter);
  // Those that are equal to the last are kept, too.
  float threshold = begin[k - 1].score;
  int64_t kept = k;
  for (int64_t i = k; i < count; ++i)
    if (begin[i].score == threshold)
      begin[kept++] = begin[i];
  std::sort(begin, begin + kept, isBetter);
  count = kept;
}

void Pool::keepTopP(float p) {
  if (count <= least)
    return;
  float best = greatest();
  double total = sum(best);
  // A token goes if it and all that are less likely make up 1 - p at most; in
  // other words if those before it make up p or more.
  for (int64_t head = std::min(firstHead, count);;
       head = std::min(8 * head, count)) {
    sortHead(head, isBetter);
    double before = 0;
    for (int64_t i = 0; i < head; ++i) {
      if (i >= least && before >= double(p) * total) {
        count = i;
        return;
      }
      before += double(expf(begin[i].score - best));
    }
    if (head == count)
      return;
  }
}

void Pool::keepMinP(float p) {
  float best = greatest();
  if (least > 1)
    sortHead(std::min(least, count), isBetter);
  int64_t kept = 0;
  for (int64_t i = 0; i < count; ++i) {
    // The greatest probability is exp(0) of what all are divided by. Without
    // `least`, that one is kept whatever the order.
    bool isSure = least > 1 && i < least;
    if (isSure || expf(begin[i].score - best) >= p)
      begin[kept++] = begin[i];
  }
  count = kept;
}

void Pool::keepTypical(float mass) {
  float best = greatest();
  double total = sum(best), logTotal = log(total), entropy = 0;
  for (int64_t i = 0; i < count; ++i) {
    double normalized = double(begin[i].score - best) - logTotal;
    entropy -= normalized * exp(normalized);
  }
  for (int64_t i = 0; i < count; ++i) {
    double normalized = double(begin[i].score - best) - logTotal;
    begin[i].key = float(fabs(-normalized - entropy));
  }
  // As many as it takes to have the mass, and all that are as typical as the
  // last of them.
  int64_t last = -1;
  for (int64_t head = std::min(firstHead, count);;
       head = std::min(8 * head, count)) {
    sortHead(head, isMoreTypical);
    double sumHere = 0;
    for (int64_t i = 0; i < head && last < 0; ++i) {
      sumHere += double(expf(begin[i].score - best)) / total;
      if (!(sumHere < double(mass)))
        last = i;
    }
    if (last >= 0 || head == count)
      break;
  }
  if (last < 0)
    last = count - 1;
  float limit = begin[last].key;
  sortHead(std::min(std::max(last + 1, least), count), isMoreTypical);
  int64_t kept = 0;
  for (int64_t i = 0; i < count; ++i)
    if (i < least || begin[i].key <= limit)
      begin[kept++] = begin[i];
  // Those behind the head, if any, are in no order yet.
  std::sort(begin, begin + kept, isMoreTypical);
  count = kept;
}

int64_t transom::warpScores(const Settings &settings, int64_t least,
                            float *scores, int64_t vocabulary,
                            Candidate *candidates) {
  if (settings.temperature != 1)
    for (int64_t i = 0; i < vocabulary; ++i)
      scores[i] = scores[i] / settings.temperature;
  Pool pool{candidates, 0, least};
  for (int64_t i = 0; i < vocabulary; ++i)
    if (scores[i] > minusInfinity)
      candidates[pool.count++] = {scores[i], 0, int32_t(i)};
  if (settings.topK > 0)
    pool.keepTopK(settings.topK);
  if (settings.topP < 1)
    pool.keepTopP(settings.topP);
  if (settings.minP > 0)
    pool.keepMinP(settings.minP);
  if (settings.typicalP < 1)
    pool.keepTypical(settings.typicalP);
  return pool.count;
}

//===----------------------------------------------------------------------===//
// Choice
//===----------------------------------------------------------------------===//

int64_t transom::draw(Candidate *candidates, int64_t count, double uniform) {
  if (count == 0)
    return -1;
  float best = minusInfinity;
  for (int64_t i = 0; i < count; ++i)
    best = candidates[i].score > best ? candidates[i].score : best;
  if (!(best < -minusInfinity))
    return -1;
  double total = 0;
  for (int64_t i = 0; i < count; ++i) {
    candidates[i].key = expf(candidates[i].score - best);
    total += double(candidates[i].key);
  }
  double target = uniform * total, sum = 0;
  int64_t last = -1; // If rounding lets the sum fall short of the target.
  for (int64_t i = 0; i < count; ++i) {
    if (candidates[i].key > 0)
      last = i;
    sum += double(candidates[i].key);
    if (sum > target)
      break;
  }
  return last;
}

transom_status transom::failNotANumber() {
  return fail(TRANSOM_INTERNAL,
              "expected logits that are finite numbers, got NaN or infinity; "
              "are the model's weights intact?");
}

transom_status transom::failNoToken() {
  return fail(TRANSOM_INVALID_ARGUMENT,
              "expected a token that may follow, got none: 'bad_words', "
              "'no_repeat_ngram_size', minimum lengths rule out all");
}

transom_status transom::chooseToken(const Settings &settings, Context context,
                                    const float *logits, int64_t vocabulary,
                                    uint32_t sequence, ScoreMemory &memory,
                                    int32_t &token) {
  int64_t best = findBest(logits, vocabulary);
  if (best == -2)
    return failNotANumber();
  if (settings.hasProcessors() || settings.sample) {
    float *scores = memory.scores.data();
    memcpy(scores, logits, size_t(vocabulary) * sizeof(float));
    processScores(settings, context, scores, vocabulary, memory.seen);
    if (settings.sample) {
      Candidate *candidates = memory.candidates.data();
      int64_t count = warpScores(settings, 1, scores, vocabulary, candidates);
      if (count == 0)
        return failNoToken();
      auto index = uint32_t(context.length - settings.promptLength);
      int64_t drawn =
          draw(candidates, count,
               uniform(settings.seed, settings.stream, sequence, index));
      if (drawn < 0)
        return failNotANumber();
      token = candidates[drawn].token;
      return TRANSOM_OK;
    }
    best = findBest(scores, vocabulary);
  }
  if (best < 0)
    return failNoToken();
  token = int32_t(best);
  return TRANSOM_OK;
}
