//===- EngineTest.cpp - many requests, in any order, with little memory ---===//
#include "Runner.h"

#include <cmath>
#include <cstring>
#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <random>

using namespace transom;
using namespace transom::test;
using testing::HasSubstr;

namespace {

TEST(EngineTest, ResultsDependOnNobodyElse) {
  // Requests come at any time; steps, room and memory are of any size.
  std::mt19937 random(4);
  int64_t forks = 0, exhaustions = 0;
  for (int round = 0; round < 60; ++round) {
    SCOPED_TRACE(round);
    FormulaDecoder fake;
    transom_engine_options options = {};
    options.max_num_seqs = 5 + int32_t(random() % 20);
    options.max_num_batched_tokens =
        options.max_num_seqs + int32_t(random() % 40);
    options.prefix_cache_sequences = int32_t(random() % 5);
    fake.table.stepTokens = options.max_num_batched_tokens;
    // The largest request alone takes 5 beams of 90 tokens.
    if (round % 2)
      fake.capacity = 500 + int64_t(random() % 300);
    Runner engine(fake, options);
    std::map<int64_t, Sample> samples;
    for (int i = 0; i < 25; ++i) {
      Sample sample = makeSample(random);
      samples[engine.submit(sample.prompt, sample.options)] = sample;
      for (int steps = int(random() % 4); steps > 0; --steps)
        engine.step();
    }
    engine.runToEnd();
    expectSame(engine, samples);
    forks += fake.forks;
    exhaustions += fake.exhaustions;
  }
  EXPECT_GT(forks, 1000);
  EXPECT_GT(exhaustions, 100);
}

TEST(EngineTest, TheSameStreamGivesTheSameTokens) {
  FormulaDecoder fake;
  transom_generation_options options = defaults();
  options.do_sample = 1;
  options.num_return_sequences = 3;
  options.seed = 5;
  std::vector<Ints> prompts(4, Ints({3, 1, 4}));
  Generated first = transom::test::generate(fake, prompts, options);
  EXPECT_EQ(transom::test::generate(fake, prompts, options).tokens,
            first.tokens);
  // All differ; a prompt's stream is its index.
  std::set<Ints> different(first.tokens.begin(), first.tokens.end());
  EXPECT_EQ(different.size(), first.tokens.size());
  options.stream = 2;
  Generated third = transom::test::generate(fake, {{3, 1, 4}}, options);
  EXPECT_TRUE(std::equal(third.tokens.begin(), third.tokens.end(),
                         first.tokens.begin() + 6));
  options.seed = 6;
  EXPECT_NE(transom::test::generate(fake, {{3, 1, 4}}, options).tokens,
            third.tokens);
}

TEST(EngineTest, StopsAtStopSequencesOfNewTokens) {
  FormulaDecoder fake;
  transom_generation_options options = defaults();
  Ints all = transom::test::generate(fake, {{3, 1}}, options).tokens[0];
  Lists stops({{all[4], all[5]}, {all[0], all[2]}, {1, all[0]}, {39, 39, 39}});
  options.stop_sequences = stops.get();
  Generated result = transom::test::generate(fake, {{3, 1}}, options);
  ASSERT_EQ(result.status, TRANSOM_OK);
  // The third would begin in the prompt.
  EXPECT_EQ(result.tokens[0], Ints(all.begin(), all.begin() + 6));
  EXPECT_EQ(result.finish[0], TRANSOM_FINISH_STOP);
  // An end of sequence in the same place is one.
  options.num_eos_token_ids = 1;
  options.eos_token_ids = &all[5];
  EXPECT_EQ(transom::test::generate(fake, {{3, 1}}, options).finish[0],
            TRANSOM_FINISH_EOS);
}

TEST(EngineTest, StreamsTokensAsTheyCome) {
  FormulaDecoder fake;
  Runner engine(fake);
  transom_generation_options options = defaults();
  options.max_new_tokens = 6;
  int64_t number = engine.submit({1, 2, 3}, options);
  for (size_t i = 1; i <= 6; ++i) {
    EXPECT_EQ(engine.step(), i < 6);
    EXPECT_EQ(engine.listener.of(number).size(), i);
  }
  EXPECT_EQ(engine.listener.calls[number], 6);
  EXPECT_EQ((engine.listener.finish[{number, 0}]), TRANSOM_FINISH_LENGTH);
  // Nothing is left to do.
  int64_t steps = fake.steps;
  EXPECT_EQ(engine.step(), 0);
  EXPECT_EQ(fake.steps, steps);
}

TEST(EngineTest, ACallbackCancelsItsRequest) {
  for (int32_t beams : {1, 3}) {
    FormulaDecoder fake;
    Runner engine(fake);
    transom_generation_options options = defaults();
    options.do_sample = 1;
    options.num_return_sequences = 3;
    options.num_beams = beams;
    options.max_new_tokens = 10;
    int64_t first = engine.submit({1, 2, 3}, options);
    int64_t second = engine.submit({1, 2, 3}, options);
    engine.listener.then = [&](const transom_generation_event &event) {
      return event.request == first && engine.listener.of(first).size() >= 4;
    };
    engine.runToEnd();
    EXPECT_EQ(engine.listener.of(second, 2).size(), 10U);
    if (beams == 1)
      EXPECT_EQ(engine.listener.of(first).size(), 4U);
    // Of three sequences that end at once, it wants to hear of one.
    else
      EXPECT_EQ(engine.listener.calls[first], 1);
    EXPECT_EQ((engine.listener.finish.count({first, 1})), 0U);
  }
}

TEST(EngineTest, ACancelledRequestEndsAtOnce) {
  FormulaDecoder fake;
  transom_engine_options few = {};
  few.max_num_seqs = 4;
  Runner engine(fake, few);
  transom_generation_options options = defaults();
  int64_t first = engine.submit({1, 2, 3}, options);
  options.num_beams = 4;
  int64_t beams = engine.submit({1, 2, 3}, options); // Waits for room.
  options.num_beams = 0;
  int64_t last = engine.submit({1, 2, 3}, options);
  engine.step();
  EXPECT_EQ(engine.engine->cancel(beams), TRANSOM_OK);
  EXPECT_EQ((engine.listener.finish[{beams, 0}]), TRANSOM_FINISH_CANCELLED);
  engine.step();
  EXPECT_EQ(engine.engine->cancel(first), TRANSOM_OK);
  EXPECT_EQ((engine.listener.finish[{first, 0}]), TRANSOM_FINISH_CANCELLED);
  EXPECT_EQ(engine.listener.of(first).size(), 2U);
  engine.runToEnd();
  EXPECT_EQ(engine.listener.of(last).size(), 20U);
  EXPECT_EQ(engine.engine->cancel(last), TRANSOM_OK) << "it has ended";
  EXPECT_EQ(engine.engine->cancel(3), TRANSOM_OUT_OF_RANGE);
  EXPECT_STREQ(transom_error(), "'request' expects a number in "
                                "[0, 3), got 3");
}

TEST(EngineTest, ACallbackSubmitsAndCancels) {
  FormulaDecoder fake;
  Runner engine(fake);
  transom_generation_options options = defaults();
  options.max_new_tokens = 8;
  int64_t first = engine.submit({1, 2}, options);
  int64_t second = engine.submit({3, 4}, options), third = -1;
  engine.listener.then = [&](const transom_generation_event &event) {
    if (event.request == first && engine.listener.of(first).size() == 2) {
      third = engine.submit({5, 6}, options);
      EXPECT_EQ(engine.engine->cancel(second), TRANSOM_OK);
      EXPECT_EQ(engine.engine->step(nullptr), TRANSOM_INVALID_ARGUMENT);
    }
    return 0;
  };
  engine.runToEnd();
  EXPECT_EQ(engine.listener.of(third).size(), 8U);
  EXPECT_EQ((engine.listener.finish[{second, 0}]), TRANSOM_FINISH_CANCELLED);
  EXPECT_EQ(engine.listener.of(second).size(), 1U);
}

TEST(EngineTest, PromptsThatBeginAlikeAreReadOnce) {
  FormulaDecoder fake;
  Ints common(300, 1);
  std::vector<Ints> prompts(8, common);
  for (size_t i = 0; i < prompts.size(); ++i)
    prompts[i].push_back(int32_t(i));
  transom_generation_options options = defaults();
  options.max_new_tokens = 1;
  ASSERT_EQ(transom::test::generate(fake, prompts, options).status, TRANSOM_OK);
  EXPECT_EQ(fake.tokensRead, 300 + 8);
  EXPECT_EQ(fake.forks, 7);
  // A beginning that is short is not worth it.
  FormulaDecoder other;
  prompts = {{1, 2, 3, 4}, {1, 2, 3, 5}};
  ASSERT_EQ(transom::test::generate(other, prompts, options).status,
            TRANSOM_OK);
  EXPECT_EQ(other.forks, 0);
}

TEST(EngineTest, KeepsWhatHasEndedForLater) {
  FormulaDecoder fake;
  transom_engine_options keeping = {};
  keeping.prefix_cache_sequences = 2;
  Runner engine(fake, keeping);
  transom_generation_options options = defaults();
  options.max_new_tokens = 10;
  int64_t first = engine.submit(Ints(50, 1), options);
  engine.runToEnd();
  // A conversation that goes on.
  Ints next(50, 1);
  const Ints &answer = engine.listener.of(first);
  next.insert(next.end(), answer.begin(), answer.end());
  next.insert(next.end(), {4, 5, 6});
  int64_t before = fake.tokensRead;
  options.max_new_tokens = 1;
  engine.submit(next, options);
  engine.runToEnd();
  EXPECT_EQ(fake.tokensRead - before, 4) << "the last token of the answer, too";
  for (int32_t token : {2, 3, 4}) {
    engine.submit(Ints(50, token), options);
    engine.runToEnd();
  }
  EXPECT_EQ(fake.sequences.size(), 2U);
}

TEST(EngineTest, LongPromptsDoNotHoldUpOthers) {
  FormulaDecoder fake;
  transom_engine_options small = {};
  small.max_num_seqs = 4;
  small.max_num_batched_tokens = 20;
  Runner engine(fake, small);
  transom_generation_options options = defaults();
  int64_t first = engine.submit({1, 2, 3}, options);
  engine.step();
  int64_t second = engine.submit(Ints(100, 2), options);
  for (size_t i = 2; i <= 7; ++i) {
    engine.step();
    EXPECT_EQ(engine.listener.of(first).size(), i);
    EXPECT_EQ(engine.listener.of(second).size(), i < 7 ? 0U : 1U);
  }
  EXPECT_EQ(fake.partSizes[1], Ints({1, 19}));
}

TEST(EngineTest, GuessesSaveStepsAndChangeNothing) {
  // A model that repeats itself: it has few tokens.
  for (int sample = 0; sample < 2; ++sample) {
    FormulaDecoder plain(6), guessing(6);
    transom_generation_options options = defaults();
    options.max_new_tokens = 200;
    options.do_sample = sample;
    options.temperature = 0.3F;
    Ints expected = transom::test::generate(plain, {{1}}, options).tokens[0];
    EXPECT_EQ(plain.steps, 200);
    options.prompt_lookup_num_tokens = 10;
    EXPECT_EQ(transom::test::generate(guessing, {{1}}, options).tokens[0],
              expected);
    EXPECT_LT(guessing.steps, sample ? 190 : 60);
  }
}

TEST(EngineTest, GuessesNeverGoBeyondTheModel) {
  FormulaDecoder fake(2);
  fake.table.positions = 30; // Checked by the fake.
  transom_generation_options options = defaults();
  options.prompt_lookup_num_tokens = 100;
  for (int32_t length = 1; length <= 30; ++length) {
    options.max_new_tokens = 31 - length;
    Generated result =
        transom::test::generate(fake, {Ints(size_t(length), 1)}, options);
    ASSERT_EQ(result.status, TRANSOM_OK);
    EXPECT_EQ(int32_t(result.tokens[0].size()), options.max_new_tokens);
  }
}

TEST(EngineTest, OneThatFindsNoRoomFails) {
  FormulaDecoder fake;
  fake.capacity = 50;
  Runner engine(fake);
  transom_generation_options options = defaults();
  options.max_new_tokens = 10;
  int64_t large = engine.submit(Ints(60, 1), options);
  int64_t small = engine.submit(Ints(20, 2), options);
  engine.runToEnd();
  EXPECT_EQ((engine.listener.finish[{large, 0}]), TRANSOM_FINISH_FAILED);
  EXPECT_EQ(engine.listener.message, "step: full");
  EXPECT_EQ(engine.listener.of(small).size(), 10U);
  EXPECT_EQ(transom::test::generate(fake, {{1}, Ints(60, 1)}, options).status,
            TRANSOM_EXHAUSTED);
  EXPECT_STREQ(transom_error(), "prompt 1: step: full");
}

TEST(EngineTest, RequestsDoNotTakeMemoryFromEachOtherInTurns) {
  FormulaDecoder fake;
  fake.capacity = 100;
  Runner engine(fake);
  transom_generation_options options = defaults();
  options.max_new_tokens = 30;
  for (int32_t token : {1, 2, 3})
    engine.submit(Ints(40, token), options);
  engine.runToEnd();
  for (int32_t request : {0, 1, 2})
    EXPECT_EQ(engine.listener.of(request).size(), 30U);
  EXPECT_GT(fake.exhaustions, 0);
  // Each reads 69 tokens, and once more if it had to give way.
  EXPECT_LT(fake.tokensRead, 2 * 3 * 70);
}

TEST(EngineTest, OneThatIsNoNumberFailsAlone) {
  FormulaDecoder fake;
  auto formula = fake.logit;
  float bad = NAN;
  fake.logit = [&](const Ints &tokens, int32_t next) {
    return tokens[0] == 9 && tokens.size() > 3 && next == 5
               ? bad
               : formula(tokens, next);
  };
  for (float value : {NAN, INFINITY})
    for (int32_t beams : {1, 2})
      for (int32_t sample : {0, 1}) {
        bad = value;
        if (value == INFINITY && beams == 1 && sample == 0)
          continue; // The best there is.
        Runner engine(fake);
        transom_generation_options options = defaults();
        options.num_beams = beams;
        options.do_sample = sample;
        int64_t broken = engine.submit({9, 1}, options);
        int64_t sound = engine.submit({8, 1}, options);
        engine.runToEnd();
        EXPECT_EQ((engine.listener.finish[{broken, 0}]), TRANSOM_FINISH_FAILED);
        EXPECT_THAT(engine.listener.message, HasSubstr("finite numbers"));
        EXPECT_EQ((engine.listener.finish[{sound, 0}]), TRANSOM_FINISH_LENGTH);
      }
}

TEST(EngineTest, OneWithoutATokenLeftFails) {
  FormulaDecoder fake(4);
  transom_generation_options options = defaults();
  Lists all({{0}, {1}, {2}, {3}});
  options.bad_words_ids = all.get();
  for (int32_t beams : {1, 2})
    for (int32_t sample : {0, 1}) {
      options.num_beams = beams;
      options.do_sample = sample;
      EXPECT_EQ(transom::test::generate(fake, {{1}}, options).status,
                TRANSOM_INVALID_ARGUMENT);
      EXPECT_STREQ(transom_error(),
                   "prompt 0: expected a token that may follow, got "
                   "none: 'bad_words_ids', 'no_repeat_ngram_size', minimum "
                   "lengths, forced tokens rule out all");
    }
}

TEST(EngineTest, BeamSamplingDrawsWithoutReplacement) {
  // One step of two beams: the pair of tokens that is returned, best first, is
  // of four draws of the distribution, without replacement, the best two.
  constexpr int vocabulary = 6, draws = 20000;
  FormulaDecoder fake(vocabulary);
  fake.logit = [](const Ints &, int32_t next) { return float(next) / 2; };
  std::vector<double> p(vocabulary);
  double total = 0;
  for (int t = 0; t < vocabulary; ++t)
    total += p[size_t(t)] = exp(t / 2.0);
  // By first and second draw: they are the top num_beams, in any order.
  std::map<Ints, double> expected;
  for (int a = 0; a < vocabulary; ++a)
    for (int b = 0; b < vocabulary; ++b)
      if (a != b)
        expected[{std::max(a, b), std::min(a, b)}] +=
            p[size_t(a)] / total * p[size_t(b)] / (total - p[size_t(a)]);
  std::map<Ints, int> counts;
  transom_generation_options options = defaults();
  options.do_sample = 1;
  options.num_beams = options.num_return_sequences = 2;
  options.max_new_tokens = 1;
  for (int i = 0; i < draws; ++i) {
    options.stream = uint64_t(i);
    Generated result = transom::test::generate(fake, {{1}}, options);
    ASSERT_EQ(result.status, TRANSOM_OK);
    ++counts[{result.tokens[0][0], result.tokens[1][0]}];
  }
  double chiSquare = 0;
  for (const auto &[pair, chance] : expected) {
    double mean = chance * draws;
    chiSquare += (counts[pair] - mean) * (counts[pair] - mean) / mean;
  }
  // 15 pairs: 14 degrees of freedom; 99.99 %.
  EXPECT_LT(chiSquare, 42.6);
  EXPECT_EQ(counts.size(), expected.size());
}

TEST(EngineTest, RefusesOptionsOutOfRange) {
  FormulaDecoder fake;
  fake.table.stepTokens = 100;
  auto refuse = [&](transom_engine_options options, const char *message) {
    options.struct_bytes = sizeof(options);
    Engine engine;
    EXPECT_EQ(engine.create(fake.table, &options), TRANSOM_INVALID_ARGUMENT);
    EXPECT_STREQ(transom_error(), message);
  };
  refuse({0, -1, 0, 0}, "'max_num_seqs' expects a number in "
                        "[0, 100], got -1");
  refuse({0, 101, 0, 0}, "'max_num_seqs' expects a number in "
                         "[0, 100], got 101");
  refuse({0, 10, 9, 0},
         "'max_num_batched_tokens' expects 0 or a number in [10, 100], "
         "from 'max_num_seqs' to the session's 'max_tokens', got 9");
  refuse({0, 0, 0, -3}, "'prefix_cache_sequences' expects a number in "
                        "[0, 65536], got -3");
  transom_engine_options options = {};
  Engine engine;
  EXPECT_EQ(engine.create(fake.table, &options), TRANSOM_INVALID_ARGUMENT);
  EXPECT_THAT(transom_error(), HasSubstr("'struct_bytes' of the options"));

  Runner small(fake, {0, 2, 0, 0});
  transom_generation_options three = defaults();
  three.num_beams = 3;
  int32_t prompt = 1;
  EXPECT_EQ(small.engine->submit(&prompt, 1, &three, nullptr, nullptr, nullptr),
            TRANSOM_INVALID_ARGUMENT);
  EXPECT_STREQ(transom_error(), "'num_beams' expects at most "
                                "the engine's 'max_num_seqs', 2, got 3");
  int64_t number = 5;
  EXPECT_EQ(
      small.engine->submit(&prompt, 0, nullptr, nullptr, nullptr, &number),
      TRANSOM_INVALID_ARGUMENT);
  EXPECT_EQ(number, -1);
  EXPECT_EQ(
      small.engine->submit(nullptr, 3, nullptr, nullptr, nullptr, nullptr),
      TRANSOM_INVALID_ARGUMENT);
  prompt = 40;
  EXPECT_EQ(
      small.engine->submit(&prompt, 1, nullptr, nullptr, nullptr, nullptr),
      TRANSOM_OUT_OF_RANGE);
  EXPECT_STREQ(transom_error(), "token 0 of the prompt: "
                                "expected a value in [0, 40), got 40");
}

} // namespace
