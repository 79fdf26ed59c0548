//===- EncoderSessionTest.cpp - generation beside encoder inputs ----------===//
//-----===//
#include "../FakeEncoderDecoder.h"
#include "Runner.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <random>

using namespace transom;
using namespace transom::test;
using testing::HasSubstr;

namespace {

constexpr int64_t vocabulary = FakeDecoder::width;

int32_t scoredStep(transom_frame *frame) {
  int32_t status = FakeEncoderDecoder::step(frame);
  if (status == 0)
    scoreOutputs(frame);
  return status;
}

struct ScoredPair : OpenedPair {
  explicit ScoredPair(transom_session_options options = {})
      : OpenedPair(options) {
    fake.all[2].run = scoredStep;
    fake.generation.decoder_start_token_id = 2;
  }
};

/// The same, as the formula's tests do it.
struct Reference : FormulaDecoder {
  Reference() : FormulaDecoder(vocabulary) {
    addEncoder(FakeEncoderDecoder::encoderIdBound,
               FakeEncoderDecoder::encoderBound);
    table.ids = FakeDecoder::idBound;
    table.positions = FakeDecoder::positionBound;
    beside = [](const Ints &encoderInput, const Ints &tokens, int32_t next) {
      return scoreOf(FakeEncoderDecoder::value(encoderInput, tokens), next);
    };
  }
};

TEST(EncoderSessionTest, AnEngineGivesWhatEachRequestGivesAlone) {
  std::mt19937 random(9);
  auto below = [&](int bound) { return int(random() % uint32_t(bound)); };
  for (int round = 0; round < 12; ++round) {
    SCOPED_TRACE(round);
    transom_session_options sessionOptions = {};
    sessionOptions.threads = 1 + round % 2;
    // The largest request needs 4 beams of 64 tokens and an encoder input
    // of 90.
    sessionOptions.cache_tokens = round % 3 ? 420 : 0;
    ScoredPair pair(sessionOptions);
    ASSERT_NE(pair.session, nullptr) << transom_error();
    transom_engine_options options = {sizeof(options), 12, 40, round % 4};
    transom_engine *engine = nullptr;
    ASSERT_EQ(transom_engine_create(pair.session, &options, &engine),
              TRANSOM_OK)
        << transom_error();
    Listener results;
    std::map<std::pair<int64_t, int32_t>, Ints> expected;
    for (int i = 0; i < 25; ++i) {
      transom_generation_options each = defaults();
      each.max_new_tokens = 1 + below(40);
      each.seed = random();
      each.do_sample = below(2);
      each.num_beams = below(2) ? 2 + below(3) : 0;
      each.prompt_lookup_num_tokens = each.num_beams ? 0 : below(6);
      Lists start({Ints(size_t(1 + below(20)), below(3))});
      if (below(2))
        each.decoder_input_ids = start.get();
      Ints encoderInput(size_t(1 + below(FakeEncoderDecoder::encoderBound)));
      for (int32_t &token : encoderInput)
        token = below(FakeEncoderDecoder::encoderIdBound);
      int64_t number;
      ASSERT_EQ(transom_engine_submit(engine, encoderInput.data(),
                                      int64_t(encoderInput.size()), &each,
                                      Listener::receive, &results, &number),
                TRANSOM_OK)
          << transom_error();
      Reference reference;
      Generated alone =
          transom::test::generate(reference, {encoderInput}, each);
      ASSERT_EQ(alone.status, TRANSOM_OK) << transom_error();
      expected[{number, 0}] = alone.tokens[0];
      for (int steps = below(3); steps > 0; --steps)
        ASSERT_EQ(transom_engine_step(engine, nullptr), TRANSOM_OK)
            << transom_error();
    }
    for (int64_t live = 1; live > 0;)
      ASSERT_EQ(transom_engine_step(engine, &live), TRANSOM_OK)
          << transom_error();
    EXPECT_EQ(results.tokens, expected) << results.message;
    EXPECT_EQ(pair.session->sequences.cache.numTaken(), 0);
    transom_engine_destroy(engine);
  }
}

TEST(EncoderSessionTest, GenerateReadsTheModelsOwnStart) {
  ScoredPair pair;
  Lists prompts({{1, 2, 299}, Ints(90, 3)});
  transom_token_lists given = prompts.get();
  Ints tokens(2 * 20);
  transom_generated results = {sizeof(results), 0, tokens.data(), 20};
  auto generate = [&](const transom_generation_options *options = nullptr) {
    return transom_generate(pair.session, &given, options, nullptr, nullptr,
                            &results);
  };
  ASSERT_EQ(generate(), TRANSOM_OK) << transom_error();
  Reference reference;
  Generated expected = transom::test::generate(
      reference, {{1, 2, 299}, Ints(90, 3)}, defaults());
  EXPECT_EQ(Ints(tokens.begin(), tokens.begin() + 20), expected.tokens[0]);
  EXPECT_EQ(Ints(tokens.begin() + 20, tokens.end()), expected.tokens[1]);
  pair.fake.generation.decoder_start_token_id = -1;
  EXPECT_EQ(generate(), TRANSOM_INVALID_ARGUMENT);
  EXPECT_THAT(transom_error(), HasSubstr("generate: expected a token that the "
                                         "decoder begins with"));
  Lists start({{499}});
  transom_generation_options options = defaults();
  options.decoder_input_ids = start.get();
  EXPECT_EQ(generate(&options), TRANSOM_OK) << transom_error();
  prompts = Lists({{1, 300}});
  given = prompts.get();
  EXPECT_EQ(generate(&options), TRANSOM_OUT_OF_RANGE);
  EXPECT_STREQ(transom_error(), "generate: 'prompts', list 0, token 1: "
                                "expected a value in [0, 300), got 300");
  prompts = Lists({Ints(91, 1)});
  given = prompts.get();
  EXPECT_EQ(generate(&options), TRANSOM_OUT_OF_RANGE);
  EXPECT_STREQ(transom_error(),
               "generate: expected a prompt of at most 90 tokens, the greatest "
               "length of the model's encoder, got 91");
}

TEST(EncoderSessionTest, MaxTokensLimitASource) {
  transom_session_options options = {};
  options.max_tokens = 16;
  ScoredPair pair(options);
  // An engine's steps are as large, and encoder inputs are read together within
  // them.
  Lists prompts({Ints(16, 1), Ints(9, 2), Ints(8, 3), Ints(1, 4)});
  transom_token_lists given = prompts.get();
  ASSERT_EQ(transom_generate(pair.session, &given, nullptr, nullptr, nullptr,
                             nullptr),
            TRANSOM_OK)
      << transom_error();
  EXPECT_EQ(pair.fake.encodes, 3);
  prompts = Lists({Ints(17, 1)});
  given = prompts.get();
  EXPECT_EQ(transom_generate(pair.session, &given, nullptr, nullptr, nullptr,
                             nullptr),
            TRANSOM_EXHAUSTED);
  EXPECT_STREQ(transom_error(),
               "generate: expected a prompt of at most 16 tokens, the "
               "session's 'max_tokens', for the encoder reads it at once, got "
               "17");
}

TEST(EncoderSessionTest, OneWithoutRoomFailsAlone) {
  transom_session_options options = {};
  options.cache_tokens = 64;
  ScoredPair pair(options);
  Lists prompts({Ints(80, 1)});
  transom_token_lists given = prompts.get();
  EXPECT_EQ(transom_generate(pair.session, &given, nullptr, nullptr, nullptr,
                             nullptr),
            TRANSOM_EXHAUSTED);
  EXPECT_THAT(transom_error(), HasSubstr("generate: prompt 0: no memory for"));
  EXPECT_EQ(pair.session->sequences.cache.numTaken(), 0);
  // An encoder input fits, but not what comes beside it.
  prompts = Lists({Ints(60, 1)});
  given = prompts.get();
  EXPECT_EQ(transom_generate(pair.session, &given, nullptr, nullptr, nullptr,
                             nullptr),
            TRANSOM_EXHAUSTED);
  EXPECT_EQ(pair.session->sequences.cache.numTaken(), 0);
  prompts = Lists({Ints(30, 1), Ints(25, 2), Ints(20, 3)});
  given = prompts.get();
  EXPECT_EQ(transom_generate(pair.session, &given, nullptr, nullptr, nullptr,
                             nullptr),
            TRANSOM_OK)
      << transom_error();
  EXPECT_EQ(pair.session->sequences.cache.numTaken(), 0);
}

} // namespace
