//===- EncoderEngineTest.cpp - requests of an encoder-decoder -------------===//
//--------------===//
#include "Runner.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <numeric>

using namespace transom;
using namespace transom::test;
using testing::HasSubstr;

namespace {

/// What greedy search makes of an encoder input, by the formula.
Ints greedy(const Ints &encoderInput, Ints tokens, size_t count) {
  size_t prompt = tokens.size();
  while (tokens.size() < prompt + count) {
    int32_t best = 0;
    for (int32_t next = 1; next < 40; ++next)
      if (FormulaDecoder::logitBeside(encoderInput, tokens, next) >
          FormulaDecoder::logitBeside(encoderInput, tokens, best))
        best = next;
    tokens.push_back(best);
  }
  return Ints(tokens.begin() + long(prompt), tokens.end());
}

struct Pair : FormulaDecoder {
  Pair() { addEncoder(); }
};

TEST(EncoderEngineTest, PromptsAreSources) {
  Pair fake;
  transom_generation_options options = defaults();
  std::vector<Ints> encoderInputs = {{3, 1, 4}, {1}, Ints(50, 7)};
  Generated result = transom::test::generate(fake, encoderInputs, options);
  ASSERT_EQ(result.status, TRANSOM_OK) << transom_error();
  for (size_t i = 0; i < encoderInputs.size(); ++i)
    EXPECT_EQ(result.tokens[i], greedy(encoderInputs[i], {2}, 20));
  EXPECT_EQ(fake.encoderSizes, std::vector<Ints>({{3, 1, 50}}));
  EXPECT_EQ(fake.tokensRead, 3 * 20) << "the start and all but the last";
}

TEST(EncoderEngineTest, DecodersBeginAsTheyAreTold) {
  std::vector<Ints> encoderInputs = {{3, 1, 4}, {5, 9}};
  transom_generation_options options = defaults();
  options.max_new_tokens = 6;
  Pair fake;
  Lists one({{4, 5, 6}}), each({{4, 5, 6}, {7}}), three({{1}, {2}, {3}});
  options.decoder_input_ids = one.get();
  Generated result = transom::test::generate(fake, encoderInputs, options);
  ASSERT_EQ(result.status, TRANSOM_OK) << transom_error();
  for (size_t i = 0; i < 2; ++i)
    EXPECT_EQ(result.tokens[i], greedy(encoderInputs[i], {4, 5, 6}, 6));
  options.decoder_input_ids = each.get();
  result = transom::test::generate(fake, encoderInputs, options);
  ASSERT_EQ(result.status, TRANSOM_OK) << transom_error();
  EXPECT_EQ(result.tokens[0], greedy(encoderInputs[0], {4, 5, 6}, 6));
  EXPECT_EQ(result.tokens[1], greedy(encoderInputs[1], {7}, 6));
  options.decoder_input_ids = three.get();
  EXPECT_EQ(transom::test::generate(fake, encoderInputs, options).status,
            TRANSOM_INVALID_ARGUMENT);
  EXPECT_STREQ(
      transom_error(),
      "'decoder_input_ids' expects one list for all prompts, or one for "
      "each of 2, got 3");
  // Without a start of its own, the caller has to give one.
  fake.table.startId = -1;
  options.decoder_input_ids = {};
  EXPECT_EQ(transom::test::generate(fake, encoderInputs, options).status,
            TRANSOM_INVALID_ARGUMENT);
  EXPECT_STREQ(transom_error(),
               "expected a token that the decoder begins with: the library "
               "has no 'decoder_start_token_id', give 'decoder_input_ids'");
  fake.table.startId = 40;
  EXPECT_EQ(transom::test::generate(fake, encoderInputs, options).status,
            TRANSOM_MISMATCH);
  EXPECT_STREQ(transom_error(),
               "'decoder_start_token_id' of the library: expected a token in "
               "[0, 40), got 40; give 'decoder_input_ids'");
  EXPECT_EQ(fake.encoderSizes.size(), 2U) << "nothing has run";
}

TEST(EncoderEngineTest, ResultsHaveRoomForTheShortestBeginning) {
  Pair fake;
  Lists encoderInputs({{3, 1, 4}, {5, 9}}), starts({{4, 5, 6}, {7}});
  transom_generation_options options = defaults();
  options.max_length = 8;
  options.decoder_input_ids = starts.get();
  Ints tokens(20);
  transom_generated results = {sizeof(results), 0, tokens.data(), 6};
  transom_token_lists prompts = encoderInputs.get();
  EXPECT_EQ(transom::generate(fake.table, &prompts, &options, nullptr, nullptr,
                              &results),
            TRANSOM_INVALID_ARGUMENT);
  EXPECT_STREQ(transom_error(),
               "'row_tokens' of the results expects at least 7, the most new "
               "tokens of a sequence, got 6");
  results.row_tokens = 7;
  EXPECT_EQ(transom::generate(fake.table, &prompts, &options, nullptr, nullptr,
                              &results),
            TRANSOM_OK);
}

TEST(EncoderEngineTest, LengthsAreTheDecoders) {
  Pair fake;
  transom_generation_options options = defaults();
  options.max_length = 8;
  Generated result = transom::test::generate(fake, {Ints(50, 3)}, options);
  ASSERT_EQ(result.status, TRANSOM_OK) << transom_error();
  EXPECT_EQ(result.tokens[0].size(), 7U);
  // Ends before min_length, start included, are ruled out.
  Ints eos = {result.tokens[0][2]};
  options.num_eos_token_ids = 1;
  options.eos_token_ids = eos.data();
  EXPECT_EQ(
      transom::test::generate(fake, {Ints(50, 3)}, options).tokens[0].size(),
      3U);
  options.min_length = 5;
  EXPECT_GE(
      transom::test::generate(fake, {Ints(50, 3)}, options).tokens[0].size(),
      5U);
  options.max_length = 1;
  EXPECT_EQ(transom::test::generate(fake, {{3}}, options).status,
            TRANSOM_OUT_OF_RANGE);
  EXPECT_STREQ(transom_error(), "'max_length' expects more than the decoder "
                                "prompt's 1 tokens, got 1");
}

TEST(EncoderEngineTest, RefusesWhatTheEncoderCannotRead) {
  Pair fake;
  transom_generation_options options = defaults();
  auto refuse = [&](transom_status status, const Ints &encoderInput,
                    const char *message) {
    EXPECT_EQ(
        transom::test::generate(fake, {{1}, encoderInput}, options).status,
        status);
    EXPECT_STREQ(transom_error(), message);
    EXPECT_TRUE(fake.encoderSizes.empty());
  };
  fake.table.encoderIds = 30;
  refuse(TRANSOM_OUT_OF_RANGE, {1, 30},
         "'prompts', list 1, token 1: expected a value in [0, 30), got 30");
  refuse(TRANSOM_INVALID_ARGUMENT, {},
         "'prompts', list 1: expected at least one token, got offsets 1 and 1");
  refuse(TRANSOM_OUT_OF_RANGE, Ints(101, 1),
         "expected a prompt of at most 100 tokens, the greatest length of the "
         "model's encoder, got 101");
  fake.table.stepTokens = 64;
  refuse(TRANSOM_EXHAUSTED, Ints(65, 1),
         "expected a prompt of at most 64 tokens, the session's 'max_tokens', "
         "for the encoder reads it at once, got 65");
  Lists starts({{1}, {40}});
  options.decoder_input_ids = starts.get();
  refuse(
      TRANSOM_OUT_OF_RANGE, {1},
      "'decoder_input_ids', list 1, token 0: expected a value in [0, 40), got "
      "40");
  options.decoder_input_ids = {};
  Runner engine(fake);
  int32_t token = 30;
  EXPECT_EQ(
      engine.engine->submit(&token, 1, nullptr, nullptr, nullptr, nullptr),
      TRANSOM_OUT_OF_RANGE);
  EXPECT_STREQ(transom_error(), "token 0 of the prompt: expected a value in "
                                "[0, 30), got 30");
  // An embedding that is not an encoder input's may still be a decoder's.
  starts = Lists({{39}});
  options.decoder_input_ids = starts.get();
  EXPECT_EQ(transom::test::generate(fake, {{1}}, options).status, TRANSOM_OK);
}

TEST(EncoderEngineTest, ADecoderAloneHasNoDecoderPrompts) {
  FormulaDecoder fake;
  transom_generation_options options = defaults();
  Lists starts({{1}});
  options.decoder_input_ids = starts.get();
  EXPECT_EQ(transom::test::generate(fake, {{1}}, options).status,
            TRANSOM_INVALID_ARGUMENT);
  EXPECT_STREQ(transom_error(),
               "'decoder_input_ids' expects no lists, for the model has no "
               "encoder: it continues its prompt, got 1");
}

TEST(EncoderEngineTest, ResultsDependOnNobodyElse) {
  std::mt19937 random(6);
  int64_t exhaustions = 0, encodes = 0;
  for (int round = 0; round < 60; ++round) {
    SCOPED_TRACE(round);
    Pair fake;
    transom_engine_options options = {};
    options.max_num_seqs = 5 + int32_t(random() % 20);
    options.max_num_batched_tokens =
        options.max_num_seqs + int32_t(random() % 40);
    options.prefix_cache_sequences = int32_t(random() % 5);
    fake.table.stepTokens = std::max(options.max_num_batched_tokens, 60);
    // The largest request alone takes 5 beams of 60, and 6 times its encoder
    // input.
    if (round % 2)
      fake.capacity = 700 + int64_t(random() % 300);
    Runner engine(fake, options);
    std::map<int64_t, Sample> samples;
    for (int i = 0; i < 25; ++i) {
      Sample sample = makeSample(random, /*beside=*/true);
      samples[engine.submit(sample.prompt, sample.options)] = sample;
      for (int steps = int(random() % 4); steps > 0; --steps)
        engine.step();
    }
    engine.runToEnd();
    expectSame(engine, samples);
    exhaustions += fake.exhaustions;
    encodes += int64_t(fake.encoderSizes.size());
  }
  EXPECT_GT(exhaustions, 100);
  EXPECT_GT(encodes, 1000);
}

TEST(EncoderEngineTest, SourcesAreReadTogetherBeforeAllElse) {
  Pair fake;
  transom_engine_options small = {};
  small.max_num_seqs = 8;
  small.max_num_batched_tokens = 20;
  Runner engine(fake, small);
  transom_generation_options options = defaults();
  options.max_new_tokens = 4;
  for (int32_t length : {8, 12, 5, 50, 3})
    engine.submit(Ints(size_t(length), 1), options);
  engine.step();
  // As many as fit; what is longer than a step, alone.
  EXPECT_EQ(fake.encoderSizes, std::vector<Ints>({{8, 12}, {5}, {50}, {3}}));
  EXPECT_EQ(fake.partSizes, std::vector<Ints>({{1, 1, 1, 1, 1}}));
  // While others are at their tokens, only as many as a step reads.
  engine.submit(Ints(15, 1), options);
  engine.submit(Ints(6, 1), options);
  engine.step();
  EXPECT_EQ(fake.encoderSizes.size(), 5U);
  EXPECT_EQ(fake.partSizes[1].size(), 6U);
  engine.step();
  EXPECT_EQ(fake.encoderSizes.back(), Ints({6}));
  EXPECT_EQ(fake.partSizes[2].size(), 7U);
  engine.runToEnd();
  for (int32_t request = 0; request < 7; ++request)
    EXPECT_EQ(engine.listener.of(request).size(), 4U);
}

TEST(EncoderEngineTest, BranchesShareOneSource) {
  Pair fake;
  transom_generation_options options = defaults();
  for (int32_t beams : {1, 4}) {
    options.num_beams = beams;
    options.do_sample = beams == 1;
    options.num_return_sequences = 4;
    options.max_new_tokens = 5;
    ASSERT_EQ(transom::test::generate(fake, {Ints(30, 1)}, options).status,
              TRANSOM_OK);
  }
  EXPECT_EQ(fake.encoderSizes, std::vector<Ints>({{30}, {30}}));
}

TEST(EncoderEngineTest, EqualDecoderPromptsAreNotShared) {
  Pair fake;
  transom_engine_options keeping = {};
  keeping.prefix_cache_sequences = 4;
  Runner engine(fake, keeping);
  Lists start({Ints(40, 3)});
  transom_generation_options options = defaults();
  options.max_new_tokens = 3;
  options.decoder_input_ids = start.get();
  for (int32_t token : {1, 2}) {
    int64_t number = engine.submit({token, 5}, options);
    engine.runToEnd();
    EXPECT_EQ(engine.listener.of(number), greedy({token, 5}, Ints(40, 3), 3));
  }
  int64_t first = engine.submit({1, 5}, options),
          second = engine.submit({2, 5}, options);
  engine.runToEnd();
  EXPECT_EQ(engine.listener.of(first), engine.listener.of(0));
  EXPECT_EQ(engine.listener.of(second), engine.listener.of(1));
  EXPECT_EQ(fake.tokensRead, 4 * 42);
  EXPECT_TRUE(fake.sequences.empty()) << "nothing is kept";
}

TEST(EncoderEngineTest, GuessesComeFromTheDecoderOnly) {
  Pair plain, guessing;
  transom_generation_options options = defaults();
  options.max_new_tokens = 100;
  options.temperature = 0.3F;
  options.do_sample = 1;
  Ints encoderInput(60);
  std::iota(encoderInput.begin(), encoderInput.end(), -20);
  for (int32_t &token : encoderInput)
    token = (token + 40) % 40;
  Ints expected =
      transom::test::generate(plain, {encoderInput}, options).tokens[0];
  options.prompt_lookup_num_tokens = 8;
  EXPECT_EQ(
      transom::test::generate(guessing, {encoderInput}, options).tokens[0],
      expected);
  EXPECT_EQ(guessing.partSizes[0], Ints({1}))
      << "the start occurs in the encoder input, not before in the decoder";
}

TEST(EncoderEngineTest, ACancelledRequestIsNotEncoded) {
  Pair fake;
  Runner engine(fake);
  transom_generation_options options = defaults();
  options.max_new_tokens = 5;
  int64_t first = engine.submit({1, 2, 3}, options);
  int64_t second = engine.submit({4, 5}, options);
  EXPECT_EQ(engine.engine->cancel(first), TRANSOM_OK);
  EXPECT_EQ((engine.listener.finish[{first, 0}]), TRANSOM_FINISH_CANCELLED);
  engine.step();
  EXPECT_EQ(fake.encoderSizes, std::vector<Ints>({{2}}));
  // Submitted and cancelled by a callback, within a step.
  int64_t third = -1;
  engine.listener.then = [&](const transom_generation_event &event) {
    if (third < 0 && event.request == second) {
      third = engine.submit({6, 6, 6}, options);
      EXPECT_EQ(engine.engine->cancel(third), TRANSOM_OK);
    }
    return 0;
  };
  engine.runToEnd();
  EXPECT_EQ((engine.listener.finish[{third, 0}]), TRANSOM_FINISH_CANCELLED);
  EXPECT_EQ(fake.encoderSizes.size(), 1U);
  EXPECT_EQ(engine.listener.of(second).size(), 5U);
}

TEST(EncoderEngineTest, OneWhoseSourceFindsNoRoomFails) {
  Pair fake;
  fake.capacity = 70;
  Runner engine(fake);
  transom_generation_options options = defaults();
  options.max_new_tokens = 10;
  int64_t large = engine.submit(Ints(80, 1), options);
  int64_t small = engine.submit(Ints(20, 2), options);
  int64_t other = engine.submit(Ints(25, 3), options);
  engine.runToEnd();
  EXPECT_EQ((engine.listener.finish[{large, 0}]), TRANSOM_FINISH_FAILED);
  EXPECT_EQ(engine.listener.message, "encode: full");
  EXPECT_EQ(engine.listener.of(small), greedy(Ints(20, 2), {2}, 10));
  EXPECT_EQ(engine.listener.of(other), greedy(Ints(25, 3), {2}, 10));
  EXPECT_GT(fake.exhaustions, 1);
  EXPECT_EQ(transom::test::generate(fake, {{1}, Ints(80, 1)}, options).status,
            TRANSOM_EXHAUSTED);
  EXPECT_STREQ(transom_error(), "prompt 1: encode: full");
}

TEST(EncoderEngineTest, AnEngineThatGoesFreesItsSources) {
  Pair fake;
  transom_engine_options few = {};
  few.max_num_seqs = 4;
  Runner engine(fake, few);
  transom_generation_options options = defaults();
  options.num_beams = 3;
  for (int i = 0; i < 4; ++i)
    engine.submit({1, 2, 3}, options);
  engine.step();
  engine.step();
  EXPECT_EQ(fake.encoderInputs.size(), 4U)
      << "three beams, and what they began as";
  engine.engine.reset();
  EXPECT_TRUE(fake.sequences.empty());
}

TEST(EncoderEngineTest, AFailedEncodeLeavesNothing) {
  Pair fake;
  Runner engine(fake);
  static bool isBroken;
  static decltype(fake.table.encode) whole;
  isBroken = true;
  whole = fake.table.encode;
  engine.engine = std::make_unique<Engine>();
  fake.table.encode = [](void *self, const StepPart *parts, int64_t numParts) {
    return isBroken ? fail(TRANSOM_INTERNAL, "broken")
                    : whole(self, parts, numParts);
  };
  ASSERT_EQ(engine.engine->create(fake.table, nullptr), TRANSOM_OK);
  int64_t number = engine.submit({1, 2}, defaults());
  int64_t live = -1;
  EXPECT_EQ(engine.engine->step(&live), TRANSOM_INTERNAL);
  EXPECT_STREQ(transom_error(), "broken");
  EXPECT_TRUE(fake.sequences.empty());
  EXPECT_EQ(live, 1);
  isBroken = false;
  engine.runToEnd();
  EXPECT_EQ(engine.listener.of(number), greedy({1, 2}, {2}, 20));
}

} // namespace
