//===- Scores.cpp - warpers and draws -------------------------------------===//
//
// Arithmetic is in float where Hugging Face's result is one, so that ties and
// comparisons fall alike; sums are in double.
//
//===----------------------------------------------------------------------===//
#include "runtime/generation/Scores.h"

#include "runtime/Error.h"
#include "runtime/generation/Math.h"
#include "runtime/generation/Random.h"

#include <algorithm>
#include <bit>
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
      if (std::isnan(scores[i]))
        return -2;
      best = scores[i];
      index = i;
    }
  }
  return index;
}

/// exp(x) for x <= 0, within two units in the last place; 0 below -87. Without
/// branches or calls, so that loops of it become vector code.
static inline float exponential(float x) {
  constexpr float log2e = 1.44269504F, ln2First = 0.693359375F,
                  ln2Second = -2.12194440e-4F, rounder = 0x1.8p23F;
  float clamped = x < -87 ? -87 : x;
  // x = n ln 2 + r: adding the rounder leaves n in the last bits.
  float shifted = clamped * log2e + rounder;
  float n = shifted - rounder;
  float r = clamped - n * ln2First - n * ln2Second;
  float series = 1.9875691500e-4F;
  series = series * r + 1.3981999507e-3F;
  series = series * r + 8.3334519073e-3F;
  series = series * r + 4.1665795894e-2F;
  series = series * r + 1.6666665459e-1F;
  series = series * r + 5.0000001201e-1F;
  float power = series * r * r + r + 1;
  auto exponent = std::bit_cast<uint32_t>(shifted) << 23;
  auto result = std::bit_cast<float>(std::bit_cast<uint32_t>(power) + exponent);
  return x < -87 ? 0 : result;
}

void transom::logSoftmax(float *scores, int64_t count) {
  float best = minusInfinity;
  for (int64_t i = 0; i < count; ++i)
    best = scores[i] > best ? scores[i] : best;
  if (best == minusInfinity)
    return;
  // As many sums as vectors can take, whatever their width: one result.
  constexpr int64_t lanes = 8;
  double sums[lanes] = {}, sum = 0;
  int64_t whole = count - count % lanes;
  for (int64_t i = 0; i < whole; i += lanes)
    for (int64_t lane = 0; lane < lanes; ++lane)
      sums[lane] += double(exponential(scores[i + lane] - best));
  for (int64_t i = whole; i < count; ++i)
    sum += double(exponential(scores[i] - best));
  for (double one : sums)
    sum += one;
  auto logSum = float(naturalLog(sum));
  for (int64_t i = 0; i < count; ++i)
    scores[i] = scores[i] - best - logSum;
}

//===----------------------------------------------------------------------===//
// Warpers
//===----------------------------------------------------------------------===//

namespace {

/// Smaller for greater scores.
uint32_t rankOf(float score) {
  auto bits = std::bit_cast<uint32_t>(score + 0.0F); // -0 is 0.
  return bits >> 31 ? bits : ~(bits | 0x80000000U);
}

/// What is left of the vocabulary, in the order of its tokens. Filters only
/// take away.
class Pool {
public:
  Pool(const float *scores, int64_t vocabulary, int64_t least,
       Candidate *candidates);

  void keepTopK(int64_t k);
  void keepTopP(float p);
  void keepMinP(float p);
  void keepTypical(float mass);

  int64_t size() const { return count; }

private:
  /// The candidates that come first by rank, up to the one with which the sum
  /// of something reaches a target.
  struct Cut {
    uint32_t rank;  ///< of that one
    double missing; ///< what those before it lack

    /// Is the candidate among them? To be asked in the order of tokens, which
    /// decides between equal ranks.
    bool takes(uint32_t otherRank, double amount) {
      if (otherRank != rank)
        return otherRank < rank;
      bool isMissing = missing > 0;
      missing -= amount;
      return isMissing;
    }
  };
  template <typename Amount> Cut cutAt(double target, Amount amount) const;
  Cut cutAtCount(int64_t wanted) const {
    return cutAt(double(wanted), [](const Candidate &) { return 1.0; });
  }
  /// Every filter leaves the first one by itself.
  Cut cutAtLeast() const { return least > 1 ? cutAtCount(least) : Cut{0, 0}; }
  template <typename Test> void keepIf(Test test) {
    int64_t kept = 0;
    for (int64_t i = 0; i < count; ++i)
      if (test(begin[i]))
        begin[kept++] = begin[i];
    count = kept;
  }
  double weigh();

  Candidate *begin;
  int64_t count = 0;
  int64_t least; ///< what must be left, if there are as many
  float best = minusInfinity;
};

double weightOf(const Candidate &candidate) { return double(candidate.weight); }

} // namespace

Pool::Pool(const float *scores, int64_t vocabulary, int64_t least,
           Candidate *candidates)
    : begin(candidates), least(least) {
  for (int64_t i = 0; i < vocabulary; ++i)
    if (scores[i] > minusInfinity) {
      begin[count++] = {scores[i], 0, rankOf(scores[i]), int32_t(i)};
      best = scores[i] > best ? scores[i] : best;
    }
}

/// Sorts by digits of the ranks, but only where the target lies: four passes,
/// whatever the distribution.
template <typename Amount>
Pool::Cut Pool::cutAt(double target, Amount amount) const {
  constexpr int bits = 8, size = 1 << bits;
  double sums[size];
  uint32_t prefix = 0;
  double missing = target;
  for (int shift = 32 - bits; shift >= 0; shift -= bits) {
    std::fill_n(sums, size, 0.0);
    uint32_t last = 0;
    uint64_t above = uint64_t(prefix) >> (shift + bits);
    for (int64_t i = 0; i < count; ++i) {
      uint64_t rank = begin[i].rank;
      if (rank >> (shift + bits) != above)
        continue;
      uint32_t digit = uint32_t(rank >> shift) & (size - 1);
      sums[digit] += amount(begin[i]);
      last = std::max(last, digit);
    }
    // Rounding must not lead beyond the last one there is.
    uint32_t digit = 0;
    for (; digit < last && sums[digit] < missing; ++digit)
      missing -= sums[digit];
    prefix |= digit << shift;
  }
  return {prefix, missing};
}

/// Sets the weights, exp(score - best), and returns their sum.
double Pool::weigh() {
  double total = 0;
  for (int64_t i = 0; i < count; ++i) {
    begin[i].weight = exponential(begin[i].score - best);
    total += double(begin[i].weight);
  }
  return total;
}

void Pool::keepTopK(int64_t k) {
  k = std::max(k, least);
  if (k >= count)
    return;
  // Those that are equal to the last are kept, too.
  uint32_t last = cutAtCount(k).rank;
  keepIf([&](const Candidate &c) { return c.rank <= last; });
}

void Pool::keepTopP(float p) {
  if (count <= least)
    return;
  // A token goes if it and all that are less likely make up 1 - p at most; in
  // other words if those before it make up p or more.
  double total = weigh();
  Cut cut = cutAt(double(p) * total, weightOf), sure = cutAtLeast();
  keepIf([&](const Candidate &c) {
    bool isSure = sure.takes(c.rank, 1);
    return cut.takes(c.rank, weightOf(c)) || isSure;
  });
}

void Pool::keepMinP(float p) {
  if (count <= least)
    return;
  Cut sure = cutAtLeast();
  // The greatest probability is exp(0) of what all are divided by.
  keepIf([&](const Candidate &c) {
    return sure.takes(c.rank, 1) || exponential(c.score - best) >= p;
  });
}

void Pool::keepTypical(float mass) {
  if (count <= least)
    return;
  double total = weigh(), logTotal = naturalLog(total), entropy = 0;
  for (int64_t i = 0; i < count; ++i)
    entropy -= (double(begin[i].score - best) - logTotal) *
               (weightOf(begin[i]) / total);
  for (int64_t i = 0; i < count; ++i) {
    double information = logTotal - double(begin[i].score - best);
    // How far from typical; bits of floats >= 0 are in their order.
    begin[i].rank =
        std::bit_cast<uint32_t>(float(__builtin_fabs(information - entropy)));
  }
  // As many as it takes to have the mass, and all that are as typical as the
  // last of them.
  uint32_t last = cutAt(double(mass) * total, weightOf).rank;
  Cut sure = cutAtLeast();
  keepIf([&](const Candidate &c) {
    return sure.takes(c.rank, 1) || c.rank <= last;
  });
}

int64_t transom::warpScores(const Settings &settings, int64_t least,
                            float *scores, int64_t vocabulary,
                            Candidate *candidates) {
  if (settings.temperature != 1)
    for (int64_t i = 0; i < vocabulary; ++i)
      scores[i] = scores[i] / settings.temperature;
  Pool pool(scores, vocabulary, least, candidates);
  if (settings.topK > 0)
    pool.keepTopK(settings.topK);
  if (settings.topP < 1)
    pool.keepTopP(settings.topP);
  if (settings.minP > 0)
    pool.keepMinP(settings.minP);
  if (settings.typicalP < 1)
    pool.keepTypical(settings.typicalP);
  return pool.size();
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
    candidates[i].weight = exponential(candidates[i].score - best);
    total += double(candidates[i].weight);
  }
  double target = uniform * total, sum = 0;
  int64_t last = -1; // If rounding lets the sum fall short of the target.
  for (int64_t i = 0; i < count; ++i) {
    if (candidates[i].weight > 0)
      last = i;
    sum += double(candidates[i].weight);
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
              "expected a token that may follow, got none: 'bad_words_ids', "
              "'no_repeat_ngram_size', minimum lengths, forced tokens rule out "
              "all");
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
