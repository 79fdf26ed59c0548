//===- RecordedTest.cpp - the same tokens as transformers -----------------===//
#include "Generated.h"

#include "runtime/generation/Scores.h"

#include <cmath>
#include <gtest/gtest.h>

using namespace transom;
using namespace transom::test;

namespace {

struct RecordedSequences {
  Ints prompt, eos;
  std::vector<Ints> badWords;
  void (*set)(transom_generation_options &options);
  std::vector<Ints> tokens;
  std::vector<float> scores;
  Ints encoderInput =
      {}; ///< of an encoder-decoder, whose decoder has the prompt
};

struct RecordedDistribution {
  Ints prompt, eos;
  std::vector<Ints> badWords;
  void (*set)(transom_generation_options &options);
  std::vector<double> chances;
};

#include "Recorded.inc"

/// The options of a record; the lists must outlive them.
template <typename Record>
transom_generation_options optionsOf(const Record &record,
                                     const Lists &badWords) {
  transom_generation_options options = defaults();
  record.set(options);
  options.num_eos_token_ids =
      record.eos.empty() ? -1 : int32_t(record.eos.size());
  options.eos_token_ids = record.eos.data();
  options.bad_words_ids = badWords.get();
  return options;
}

void expectTheSame(const std::vector<RecordedSequences> &records,
                   int leastBeamSearches, bool beside = false) {
  int numBeamSearches = 0;
  for (size_t i = 0; i < records.size(); ++i) {
    SCOPED_TRACE(i);
    const RecordedSequences &record = records[i];
    Lists badWords(record.badWords), starts({record.prompt});
    transom_generation_options options = optionsOf(record, badWords);
    FormulaDecoder fake;
    if (beside) {
      fake.addEncoder();
      options.decoder_input_ids = starts.get();
    }
    Generated result =
        generate(fake, {beside ? record.encoderInput : record.prompt}, options);
    ASSERT_EQ(result.status, TRANSOM_OK) << transom_error();
    EXPECT_EQ(result.tokens, record.tokens);
    for (size_t r = 0; r < record.scores.size(); ++r)
      EXPECT_NEAR(result.scores[r], record.scores[r],
                  1e-5 * (1 + fabs(record.scores[r])));
    numBeamSearches += !record.scores.empty();
  }
  EXPECT_GT(numBeamSearches, leastBeamSearches);
}

TEST(RecordedTest, GreedyAndBeamSearchGiveTheSameTokens) {
  expectTheSame(recordedSequences, 50);
}

TEST(RecordedTest, ForcedTokensAreTheSame) {
  expectTheSame(recordedForced, 30);
}

TEST(RecordedTest, BesideASourceTheyAreTheSame) {
  expectTheSame(recordedBeside, 30, /*beside=*/true);
}

TEST(RecordedTest, AllTogetherGiveWhatEachGivesAlone) {
  // Another batch mate in every step; parts of prompts; few at a time.
  for (const RecordedSequences &record : recordedSequences) {
    Lists badWords(record.badWords);
    transom_generation_options options = optionsOf(record, badWords);
    if (options.max_length)
      continue;
    FormulaDecoder fake;
    fake.table.stepTokens = 7;
    std::vector<Ints> prompts(5, Ints(20, 3));
    prompts[2] = record.prompt;
    // The formula sees two tokens, but penalties see all: only the recorded
    // prompt's result is known.
    Generated result = generate(fake, prompts, options);
    ASSERT_EQ(result.status, TRANSOM_OK) << transom_error();
    size_t count = record.tokens.size();
    EXPECT_EQ(std::vector<Ints>(result.tokens.begin() + long(2 * count),
                                result.tokens.begin() + long(3 * count)),
              record.tokens);
  }
}

TEST(RecordedTest, DistributionsAreTheSame) {
  for (size_t i = 0; i < recordedDistributions.size(); ++i) {
    SCOPED_TRACE(i);
    const RecordedDistribution &record = recordedDistributions[i];
    Lists badWords(record.badWords);
    transom_generation_options options = optionsOf(record, badWords);
    options.do_sample = 1;
    FormulaDecoder fake;
    Settings settings;
    ASSERT_EQ(readSettings(&options, fake.table, int64_t(record.prompt.size()),
                           settings),
              TRANSOM_OK)
        << transom_error();
    int64_t vocabulary = fake.table.vocabulary;
    ScoreMemory memory;
    ASSERT_TRUE(memory.create(vocabulary));
    for (int32_t t = 0; t < vocabulary; ++t)
      memory.scores[t] = fake.logit(record.prompt, t);
    processScores(settings,
                  {record.prompt.data(), int64_t(record.prompt.size())},
                  memory.scores.data(), vocabulary, memory.seen);
    int64_t count = warpScores(settings, 1, memory.scores.data(), vocabulary,
                               memory.candidates.data());
    double total = 0;
    for (int64_t c = 0; c < count; ++c)
      total += exp(double(memory.candidates[c].score));
    std::vector<double> chances(size_t(vocabulary), 0);
    for (int64_t c = 0; c < count; ++c)
      chances[size_t(memory.candidates[c].token)] =
          exp(double(memory.candidates[c].score)) / total;
    for (size_t t = 0; t < chances.size(); ++t)
      EXPECT_NEAR(chances[t], record.chances[t], 1e-6) << "token " << t;

    // And drawn as often as that: chi-square, over tokens that may come.
    constexpr int draws = 20000;
    std::vector<int> counts(size_t(vocabulary), 0);
    for (int d = 0; d < draws; ++d) {
      options.seed = i;
      options.stream = uint64_t(d);
      settings.seed = options.seed;
      settings.stream = options.stream;
      std::vector<float> logits;
      for (int32_t t = 0; t < vocabulary; ++t)
        logits.push_back(fake.logit(record.prompt, t));
      int32_t token = -1;
      ASSERT_EQ(
          chooseToken(settings,
                      {record.prompt.data(), int64_t(record.prompt.size())},
                      logits.data(), vocabulary, 0, memory, token),
          TRANSOM_OK);
      ++counts[size_t(token)];
    }
    double chiSquare = 0, rare = 0;
    int rareCount = 0, degrees = -1;
    for (size_t t = 0; t < counts.size(); ++t) {
      double expected = record.chances[t] * draws;
      if (expected == 0) {
        EXPECT_EQ(counts[t], 0) << "token " << t << " was ruled out";
      } else if (expected < 5) {
        rare += expected;
        rareCount += counts[t];
      } else {
        chiSquare += (counts[t] - expected) * (counts[t] - expected) / expected;
        ++degrees;
      }
    }
    if (rare > 0) {
      chiSquare += (rareCount - rare) * (rareCount - rare) / rare;
      ++degrees;
    }
    // Wilson and Hilferty's approximation; 4.5 deviations, over 60 cases.
    if (degrees > 0) {
      double scale = 2.0 / (9 * degrees);
      double deviations =
          (cbrt(chiSquare / degrees) - (1 - scale)) / sqrt(scale);
      EXPECT_LT(deviations, 4.5) << chiSquare << " of " << degrees;
    }
  }
}

} // namespace
