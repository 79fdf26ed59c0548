//===- SessionTest.cpp - generation with a session's sequences ------------===//
#include "../FakeDecoder.h"
#include "Generated.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <random>

using namespace transom;
using namespace transom::test;
using testing::HasSubstr;

namespace {

constexpr int64_t vocabulary = FakeDecoder::width;

int32_t scoredStep(transom_frame *frame) {
  int32_t status = FakeDecoder::step(frame);
  if (status == 0)
    scoreOutputs(frame);
  return status;
}

struct ScoredDecoder : OpenedDecoder {
  explicit ScoredDecoder(transom_session_options options = {})
      : OpenedDecoder(options) {
    fake.programs[1].run = scoredStep;
  }
};

/// The same, as the formula's tests do it.
struct Reference : FormulaDecoder {
  Reference() : FormulaDecoder(vocabulary) {
    table.ids = FakeDecoder::idBound;
    table.positions = FakeDecoder::positionBound;
    logit = [](const Ints &tokens, int32_t next) {
      return scoreOf(FakeDecoder::value(tokens), next);
    };
  }
};

transom_generation_options makeOptions(std::mt19937 &random) {
  auto below = [&](int bound) { return int(random() % uint32_t(bound)); };
  transom_generation_options o = defaults();
  o.max_new_tokens = 1 + below(40);
  o.seed = random();
  switch (below(4)) {
  case 0:
    break;
  case 1:
    o.do_sample = 1;
    o.num_return_sequences = 1 + below(4);
    break;
  case 2:
    o.num_beams = 2 + below(3);
    o.num_return_sequences = 1 + below(2);
    o.do_sample = below(2);
    break;
  case 3:
    o.prompt_lookup_num_tokens = 1 + below(8);
    o.do_sample = below(2);
    break;
  }
  return o;
}

struct Results {
  std::map<std::pair<int64_t, int32_t>, Ints> tokens;
  Ints finishes;
  std::string message;
  static int32_t receive(void *user, const transom_generation_event *event) {
    auto &self = *static_cast<Results *>(user);
    Ints &tokens = self.tokens[{event->request, event->sequence}];
    tokens.insert(tokens.end(), event->tokens,
                  event->tokens + event->num_tokens);
    if (event->finish)
      self.finishes.push_back(event->finish);
    if (event->finish == TRANSOM_FINISH_FAILED)
      self.message = transom_error();
    return 0;
  }
};

TEST(GenerationSessionTest, AnEngineGivesWhatEachRequestGivesAlone) {
  std::mt19937 random(8);
  for (int round = 0; round < 12; ++round) {
    SCOPED_TRACE(round);
    transom_session_options sessionOptions = {};
    sessionOptions.threads = 1 + round % 2;
    // The largest request needs 4 beams of 100 tokens.
    sessionOptions.cache_tokens = round % 3 ? 480 : 0;
    ScoredDecoder decoder(sessionOptions);
    ASSERT_NE(decoder.session, nullptr) << transom_error();
    transom_engine_options options = {sizeof(options), 12, 40, round % 4};
    transom_engine *engine = nullptr;
    ASSERT_EQ(transom_engine_create(decoder.session, &options, &engine),
              TRANSOM_OK)
        << transom_error();
    Results results;
    std::map<std::pair<int64_t, int32_t>, Ints> expected;
    for (int i = 0; i < 25; ++i) {
      transom_generation_options each = makeOptions(random);
      Ints prompt(1 + random() % 60);
      for (int32_t &token : prompt)
        token = int32_t(random() % 2);
      int64_t number;
      ASSERT_EQ(transom_engine_submit(engine, prompt.data(),
                                      int64_t(prompt.size()), &each,
                                      Results::receive, &results, &number),
                TRANSOM_OK)
          << transom_error();
      Reference reference;
      Generated alone = transom::test::generate(reference, {prompt}, each);
      for (size_t r = 0; r < alone.tokens.size(); ++r)
        expected[{number, int32_t(r)}] = alone.tokens[r];
      for (int steps = int(random() % 3); steps > 0; --steps)
        ASSERT_EQ(transom_engine_step(engine, nullptr), TRANSOM_OK);
    }
    for (int64_t live = 1; live > 0;)
      ASSERT_EQ(transom_engine_step(engine, &live), TRANSOM_OK)
          << transom_error();
    EXPECT_EQ(results.tokens, expected) << results.message;
    transom_engine_destroy(engine);
  }
}

TEST(GenerationSessionTest, GenerateReadsTheModelsOwnEnds) {
  ScoredDecoder decoder;
  Lists prompts({{1, 2, 3}, {4}});
  transom_token_lists given = prompts.get();
  Ints tokens(2 * 20), finish(2);
  int64_t lengths[2];
  transom_generated results = {
      sizeof(results), 0, tokens.data(), 20, lengths, finish.data(), nullptr};
  ASSERT_EQ(transom_generate(decoder.session, &given, nullptr, nullptr, nullptr,
                             &results),
            TRANSOM_OK)
      << transom_error();
  EXPECT_EQ(lengths[0], 20);
  int32_t end = tokens[7];
  decoder.fake.generation.eos_token_ids = &end;
  decoder.fake.generation.num_eos_token_ids = 1;
  int64_t first =
      std::find(tokens.begin(), tokens.begin() + 20, end) - tokens.begin();
  ASSERT_EQ(transom_generate(decoder.session, &given, nullptr, nullptr, nullptr,
                             &results),
            TRANSOM_OK);
  EXPECT_EQ(lengths[0], first + 1);
  EXPECT_EQ(finish[0], TRANSOM_FINISH_EOS);
  transom_generation_options options = defaults();
  options.num_eos_token_ids = -1;
  ASSERT_EQ(transom_generate(decoder.session, &given, &options, nullptr,
                             nullptr, &results),
            TRANSOM_OK);
  EXPECT_EQ(lengths[0], 20);
}

TEST(GenerationSessionTest, UsesAllPositionsAndNoMore) {
  ScoredDecoder decoder;
  Lists prompts({Ints(150, 3)});
  transom_token_lists given = prompts.get();
  transom_generation_options options = defaults();
  options.max_new_tokens = 51;
  options.prompt_lookup_num_tokens = 20;
  int64_t length = 0;
  transom_generated results = {sizeof(results), 0,       nullptr, 0,
                               &length,         nullptr, nullptr};
  EXPECT_EQ(transom_generate(decoder.session, &given, &options, nullptr,
                             nullptr, &results),
            TRANSOM_OK)
      << transom_error();
  EXPECT_EQ(length, 51);
  options.max_new_tokens = 52;
  EXPECT_EQ(transom_generate(decoder.session, &given, &options, nullptr,
                             nullptr, &results),
            TRANSOM_OUT_OF_RANGE);
  EXPECT_STREQ(transom_error(),
               "generate: expected at most 51 new tokens after a prompt of "
               "150, for the model's greatest length is 200, got "
               "'max_new_tokens' 52");
}

TEST(GenerationSessionTest, FailuresNameTheFunction) {
  ScoredDecoder decoder({1, 0, 0, nullptr, 64});
  EXPECT_EQ(
      transom_generate(nullptr, nullptr, nullptr, nullptr, nullptr, nullptr),
      TRANSOM_INVALID_ARGUMENT);
  EXPECT_STREQ(transom_error(),
               "generate: 'session' expects a session, got null");
  transom_engine *engine = nullptr;
  EXPECT_EQ(transom_engine_create(decoder.session, nullptr, nullptr),
            TRANSOM_INVALID_ARGUMENT);
  EXPECT_EQ(transom_engine_create(nullptr, nullptr, &engine),
            TRANSOM_INVALID_ARGUMENT);
  EXPECT_EQ(transom_engine_step(nullptr, nullptr), TRANSOM_INVALID_ARGUMENT);
  EXPECT_STREQ(transom_error(),
               "engine_step: 'engine' expects an engine, got null");
  transom_engine_destroy(nullptr);

  // More than the cache holds.
  Lists prompts({Ints(100, 3)});
  transom_token_lists given = prompts.get();
  EXPECT_EQ(transom_generate(decoder.session, &given, nullptr, nullptr, nullptr,
                             nullptr),
            TRANSOM_EXHAUSTED);
  EXPECT_THAT(transom_error(), HasSubstr("generate: prompt 0: no memory for"));
  EXPECT_THAT(transom_error(), HasSubstr("'cache_tokens'"));

  // A token that the model has not, and a failure of the program.
  prompts = Lists({{1, 500}});
  given = prompts.get();
  EXPECT_EQ(transom_generate(decoder.session, &given, nullptr, nullptr, nullptr,
                             nullptr),
            TRANSOM_OUT_OF_RANGE);
  EXPECT_STREQ(transom_error(), "generate: 'prompts', list 0, token 1: "
                                "expected a value in [0, 500), got 500");
  decoder.fake.result = 3;
  prompts = Lists({{1}});
  given = prompts.get();
  EXPECT_EQ(transom_generate(decoder.session, &given, nullptr, nullptr, nullptr,
                             nullptr),
            TRANSOM_INTERNAL);
  decoder.fake.result = 0;

  decoder.fake.library.generation = nullptr;
  EXPECT_EQ(transom_engine_create(decoder.session, nullptr, &engine),
            TRANSOM_INVALID_ARGUMENT);
  EXPECT_EQ(engine, nullptr);
  EXPECT_STREQ(transom_error(),
               "engine_create: library 'decoder' generates no tokens: expected "
               "one that was compiled to generate text, with a program 'step' "
               "that has logits");
}

TEST(GenerationSessionTest, ASessionInUseIsRefused) {
  ScoredDecoder decoder;
  Lists prompts({{1}});
  transom_token_lists given = prompts.get();
  transom_engine *engine = nullptr;
  ASSERT_EQ(transom_engine_create(decoder.session, nullptr, &engine),
            TRANSOM_OK);
  struct Seen {
    transom_session *session;
    transom_engine *engine;
    int calls;
  } seen = {decoder.session, engine, 0};
  auto callback = [](void *user, const transom_generation_event *) {
    auto &seen = *static_cast<Seen *>(user);
    int64_t sequence;
    EXPECT_EQ(transom_sequence_add(seen.session, &sequence),
              TRANSOM_INVALID_ARGUMENT);
    EXPECT_THAT(transom_error(), HasSubstr("in use"));
    // Of another engine of the session, too.
    EXPECT_EQ(transom_engine_step(seen.engine, nullptr),
              TRANSOM_INVALID_ARGUMENT);
    ++seen.calls;
    return 0;
  };
  EXPECT_EQ(transom_generate(decoder.session, &given, nullptr, callback, &seen,
                             nullptr),
            TRANSOM_OK);
  EXPECT_EQ(seen.calls, 20);
  transom_engine_destroy(engine);
}

} // namespace
