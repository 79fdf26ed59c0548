//===- ScoresTest.cpp - ties, ends of ranges, and draft tokens
//------------------===//
#include "Formula.h"

#include "runtime/generation/Lookup.h"
#include "runtime/generation/Math.h"
#include "runtime/generation/Scores.h"

#include <cmath>
#include <gtest/gtest.h>

using namespace transom;
using namespace transom::test;

namespace {

constexpr float infinity = INFINITY;

Ints warp(std::vector<float> scores, const Settings &settings,
          int64_t least = 1) {
  std::vector<Candidate> candidates(scores.size());
  int64_t count = warpScores(settings, least, scores.data(),
                             int64_t(scores.size()), candidates.data());
  Ints tokens;
  for (int64_t i = 0; i < count; ++i)
    tokens.push_back(candidates[size_t(i)].token);
  return tokens;
}

TEST(ScoresTest, TopKKeepsAllThatAreEqual) {
  Settings settings;
  settings.topK = 1;
  EXPECT_EQ(warp({1, 3, 2, 3, -infinity}, settings), Ints({1, 3}));
  settings.topK = 3;
  EXPECT_EQ(warp({-0.0F, 0, -1, -infinity, 5, -0.0F}, settings),
            Ints({0, 1, 4, 5}));
  settings.topK = 100;
  EXPECT_EQ(warp({1, -infinity, 2}, settings), Ints({0, 2}));
}

TEST(ScoresTest, TopPKeepsNoMoreThanItTakes) {
  Settings settings;
  settings.topP = 0.5F;
  EXPECT_EQ(warp({2, 2, 2, 2}, settings), Ints({0, 1}));
  settings.topP = 0.51F;
  EXPECT_EQ(warp({2, 2, 2, 2}, settings), Ints({0, 1, 2}));
  settings.topP = 1e-30F;
  EXPECT_EQ(warp({2, 5, -3, 4}, settings), Ints({1}));
  settings.topP = 0.999999F;
  EXPECT_EQ(warp({50, -50, -infinity}, settings), Ints({0}));
}

TEST(ScoresTest, FiltersLeaveAsManyAsTheyMust) {
  const std::vector<float> scores = {9, 1, 3, 2, -infinity, 3};
  Settings topK, topP, minP, typical, all;
  topK.topK = all.topK = 1;
  topP.topP = all.topP = 0.01F;
  minP.minP = all.minP = 1;
  typical.typicalP = all.typicalP = 0.01F;
  for (const Settings *settings : {&topK, &topP, &minP, &typical, &all}) {
    EXPECT_EQ(warp(scores, *settings).size(), 1U);
    EXPECT_EQ(warp(scores, *settings, 4).size(), 4U);
    EXPECT_EQ(warp(scores, *settings, 10).size(), 5U);
  }
  // The likelier first; of two that are equal, at most one is needed.
  EXPECT_EQ(warp(scores, minP, 2), Ints({0, 2}));
  EXPECT_EQ(warp(scores, topK, 2), Ints({0, 2, 5}));
}

TEST(ScoresTest, LogProbabilitiesAreExactToFloat) {
  for (int64_t count : {1, 7, 8, 1000, 50257}) {
    std::vector<float> scores;
    for (int64_t i = 0; i < count; ++i)
      scores.push_back(10 * formula(1, 2, int32_t(i)));
    double best = -1e9, sum = 0;
    for (float score : scores)
      best = std::max(best, double(score));
    for (float score : scores)
      sum += exp(double(score) - best);
    std::vector<float> result = scores;
    logSoftmax(result.data(), count);
    for (size_t i = 0; i < scores.size(); ++i)
      ASSERT_NEAR(result[i], scores[i] - best - log(sum), 1e-5);
  }
  std::vector<float> none = {-infinity, -infinity};
  logSoftmax(none.data(), 2);
  EXPECT_EQ(none[0], -infinity);
}

TEST(ScoresTest, LogarithmsAndPowersAreThoseOfTheLibrary) {
  for (double x = 1e-300; x < 1e300; x *= 1.37)
    ASSERT_NEAR(naturalLog(x), log(x), 4e-16 * fabs(log(x)) + 1e-17) << x;
  EXPECT_EQ(naturalLog(1), 0);
  for (double exponent : {1e-30, 0.3, 0.5, 1.0, 1.5, 2.0, 3.0, -0.75, -2.0})
    for (int base = 1; base < 5000; ++base) {
      ASSERT_NEAR(power(base, exponent) / pow(base, exponent), 1, 2e-14);
      if (exponent == 1)
        ASSERT_EQ(float(power(base, exponent)), float(base));
    }
  EXPECT_EQ(power(10, 400), INFINITY);
  EXPECT_EQ(power(10, -400), 0);
  EXPECT_EQ(power(1, 3e38), 1);
  EXPECT_EQ(power(7, 3e38), INFINITY);
}

TEST(ScoresTest, TheBestIsTheFirstOfThem) {
  const std::vector<float> scores = {-2, 7, 3, 7};
  EXPECT_EQ(findBest(scores.data(), 4), 1);
  EXPECT_EQ(findBest(scores.data(), 1), 0);
  const std::vector<float> none = {-infinity, -infinity};
  EXPECT_EQ(findBest(none.data(), 2), -1);
  for (size_t place : {0, 1, 3}) {
    std::vector<float> broken = scores;
    broken[place] = NAN;
    EXPECT_EQ(findBest(broken.data(), 4), -2);
  }
}

TEST(ScoresTest, GuessesWhatFollowedBefore) {
  auto draft = [](const Ints &tokens, int64_t ngram, int64_t most) {
    Ints result(size_t(most), -1);
    int64_t count = lookUp(tokens.data(), int64_t(tokens.size()), ngram, most,
                           result.data());
    result.resize(size_t(count));
    return result;
  };
  EXPECT_EQ(draft({1, 2, 3, 4, 1, 2}, 2, 3), Ints({3, 4, 1}));
  EXPECT_EQ(draft({1, 2, 3, 4, 1, 2}, 2, 9), Ints({3, 4, 1, 2}));
  // The first occurrence; a shorter one if the longer has not come.
  EXPECT_EQ(draft({5, 2, 7, 1, 2, 8, 3, 2}, 2, 1), Ints({7}));
  EXPECT_EQ(draft({5, 2, 7, 1, 2, 8, 1, 2}, 2, 1), Ints({8}));
  EXPECT_EQ(draft({1, 2, 3}, 2, 5), Ints());
  EXPECT_EQ(draft({1}, 2, 5), Ints());
  EXPECT_EQ(draft({4, 4}, 5, 5), Ints({4}));
}

} // namespace
