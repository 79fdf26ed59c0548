//===- OptionsTest.cpp - what generate refuses, and in which words --------===//
#include "Generated.h"

#include <functional>
#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <limits>

using namespace transom;
using namespace transom::test;
using testing::HasSubstr;
using testing::StartsWith;

namespace {

void expectRefused(
    const std::function<void(transom_generation_options &)> &change,
    transom_status status, const char *message) {
  SCOPED_TRACE(message);
  transom_generation_options options = defaults();
  change(options);
  FormulaDecoder fake;
  fake.table.positions = 50;
  EXPECT_EQ(transom::test::generate(fake, {{1, 2, 3}}, options).status, status);
  EXPECT_STREQ(transom_error(), message);
  EXPECT_EQ(fake.steps, 0);
}

TEST(OptionsTest, NamesWhatIsOutOfRange) {
  auto refuse = [](const char *message, auto change) {
    expectRefused(change, TRANSOM_INVALID_ARGUMENT, message);
  };
  constexpr float nan = std::numeric_limits<float>::quiet_NaN();
  constexpr float infinity = std::numeric_limits<float>::infinity();
  refuse("'temperature' expects a number > 0, got -1",
         [](auto &o) { o.temperature = -1; });
  refuse("'temperature' expects a number > 0, got nan",
         [](auto &o) { o.temperature = nan; });
  refuse("'temperature' expects a number > 0, got inf",
         [](auto &o) { o.temperature = infinity; });
  refuse("'top_k' expects a number in [0, 2147483647], got -5",
         [](auto &o) { o.top_k = -5; });
  refuse("'top_p' expects a number in (0, 1], got 1.5",
         [](auto &o) { o.top_p = 1.5F; });
  refuse("'min_p' expects a number in [0, 1], got -0.5",
         [](auto &o) { o.min_p = -0.5F; });
  refuse("'typical_p' expects a number in (0, 1], got 2",
         [](auto &o) { o.typical_p = 2; });
  refuse("'repetition_penalty' expects a number > 0, got -2",
         [](auto &o) { o.repetition_penalty = -2; });
  refuse("'no_repeat_ngram_size' expects a number in [0, "
         "2147483647], got -1",
         [](auto &o) { o.no_repeat_ngram_size = -1; });
  refuse("'do_sample' expects 0 or 1, got 2", [](auto &o) { o.do_sample = 2; });
  refuse("'renormalize_logits' expects 0 or 1, got -1",
         [](auto &o) { o.renormalize_logits = -1; });
  refuse("'num_beams' expects a number in [0, 1024], got 2000",
         [](auto &o) { o.num_beams = 2000; });
  refuse("'early_stopping' expects a number in [0, 2], got 3",
         [](auto &o) { o.early_stopping = 3; });
  refuse("'length_penalty' expects a number that is finite, got "
         "-inf",
         [](auto &o) { o.length_penalty = -infinity; });
  refuse("'num_return_sequences' expects at most 'num_beams', 2, got "
         "3",
         [](auto &o) { o.num_beams = 2, o.num_return_sequences = 3; });
  refuse("'num_return_sequences' expects 1 without 'do_sample' and "
         "'num_beams', since all would be the same, got 2",
         [](auto &o) { o.num_return_sequences = 2; });
  refuse("'prompt_lookup_num_tokens' expects 0 with 'num_beams' 4, "
         "got 2",
         [](auto &o) { o.num_beams = 4, o.prompt_lookup_num_tokens = 2; });
  refuse("'max_new_tokens' expects a number in [0, 2147483647], got "
         "-1",
         [](auto &o) { o.max_new_tokens = -1; });
  refuse("'min_length' expects a number in [0, 2147483647], got -1",
         [](auto &o) { o.min_length = -1; });
  refuse("'num_eos_token_ids' expects a number in [-1, 2147483647], got -2",
         [](auto &o) { o.num_eos_token_ids = -2; });
  refuse("'eos_token_ids' expects 'num_eos_token_ids' 1 tokens, got null",
         [](auto &o) { o.num_eos_token_ids = 1; });
  refuse("'bad_words_ids' expects a count of at least 0, got -1",
         [](auto &o) { o.bad_words_ids.count = -1; });
  refuse("'stop_sequences' expects tokens and offsets of its 1 "
         "lists, got null",
         [](auto &o) { o.stop_sequences.count = 1; });
  refuse("'has_forced_bos_token_id' expects 0 or 1, got 2",
         [](auto &o) { o.has_forced_bos_token_id = 2; });
  refuse(
      "'num_forced_eos_token_ids' expects a number in [0, 2147483647], got -1",
      [](auto &o) { o.num_forced_eos_token_ids = -1; });
  refuse("'forced_eos_token_ids' expects 'num_forced_eos_token_ids' 1 tokens, "
         "got null",
         [](auto &o) { o.num_forced_eos_token_ids = 1; });
  refuse("'reserved' of the options expects 0, got 1",
         [](auto &o) { o.reserved = 1; });
  refuse("'struct_bytes' of the options expects 208, "
         "sizeof(transom_generation_options), got 3",
         [](auto &o) { o.struct_bytes = 3; });
}

TEST(OptionsTest, NamesTokensAndLengthsBeyondTheModel) {
  auto refuse = [](const char *message, auto change) {
    expectRefused(change, TRANSOM_OUT_OF_RANGE, message);
  };
  static const int32_t token = 40;
  static const int64_t offsets[] = {0, 1};
  refuse("'eos_token_ids', token 0: expected a value in [0, 40), got 40",
         [](auto &o) { o.num_eos_token_ids = 1, o.eos_token_ids = &token; });
  refuse("'bad_words_ids', list 0, token 0: expected a value in [0, 40), "
         "got 40",
         [](auto &o) { o.bad_words_ids = {&token, offsets, 1}; });
  refuse("'forced_bos_token_id' expects a token in [0, 40), got -1",
         [](auto &o) {
           o.has_forced_bos_token_id = 1, o.forced_bos_token_id = -1;
         });
  refuse("'forced_eos_token_ids' expects a token in [0, 40), got 40",
         [](auto &o) {
           o.num_forced_eos_token_ids = 1, o.forced_eos_token_ids = &token;
         });
  refuse("'max_length' expects more than the prompt's 3 tokens, got "
         "3",
         [](auto &o) { o.max_length = 3; });
  refuse("expected at most 48 new tokens after a prompt of 3, for "
         "the model's greatest length is 50, got 'max_new_tokens' 49",
         [](auto &o) { o.max_new_tokens = 49; });
  refuse("expected at most 48 new tokens after a prompt of 3, for "
         "the model's greatest length is 50, got 'max_length' 52",
         [](auto &o) { o.max_length = 52; });
}

TEST(OptionsTest, NamesPromptsThatAreNone) {
  FormulaDecoder fake;
  transom_generation_options options = defaults();
  EXPECT_EQ(transom::generate(fake.table, nullptr, &options, nullptr, nullptr,
                              nullptr),
            TRANSOM_INVALID_ARGUMENT);
  EXPECT_STREQ(transom_error(), "'prompts' expects lists of tokens, got null");
  EXPECT_EQ(transom::test::generate(fake, {{1}, {}}, options).status,
            TRANSOM_INVALID_ARGUMENT);
  EXPECT_THAT(transom_error(), StartsWith("'prompts', list 1: "
                                          "expected at least one token"));
  EXPECT_EQ(transom::test::generate(fake, {{1}, {2, -1}}, options).status,
            TRANSOM_OUT_OF_RANGE);
  EXPECT_STREQ(transom_error(), "'prompts', list 1, token 1: "
                                "expected a value in [0, 40), got -1");
  EXPECT_EQ(transom::test::generate(fake, {{1}, Ints(1001, 1)}, options).status,
            TRANSOM_OUT_OF_RANGE);
  EXPECT_STREQ(transom_error(), "expected a prompt of at most 1000 "
                                "tokens, the model's greatest length, got "
                                "1001");
  EXPECT_EQ(fake.steps, 0);
}

TEST(OptionsTest, NamesResultsThatAreTooSmall) {
  FormulaDecoder fake;
  Lists prompts({{1, 2}});
  transom_token_lists given = prompts.get();
  transom_generation_options options = defaults();
  int32_t token;
  transom_generated results = {sizeof(results), 0,       &token, 19,
                               nullptr,         nullptr, nullptr};
  EXPECT_EQ(transom::generate(fake.table, &given, &options, nullptr, nullptr,
                              &results),
            TRANSOM_INVALID_ARGUMENT);
  EXPECT_STREQ(transom_error(),
               "'row_tokens' of the results expects at least 20, the "
               "most new tokens of a sequence, got 19");
  results.struct_bytes = 1;
  EXPECT_EQ(transom::generate(fake.table, &given, &options, nullptr, nullptr,
                              &results),
            TRANSOM_INVALID_ARGUMENT);
  EXPECT_THAT(transom_error(), HasSubstr("'struct_bytes' of the results"));
}

TEST(OptionsTest, DefaultsAreHuggingFaces) {
  FormulaDecoder fake;
  const int32_t eosId = 5;
  fake.table.numEosIds = 1;
  fake.table.eosIds = &eosId;
  Lists prompts({{1, 2}});
  transom_token_lists given = prompts.get();
  int64_t length = 0;
  transom_generated results = {sizeof(results), 0,       nullptr, 0,
                               &length,         nullptr, nullptr};
  EXPECT_EQ(transom::generate(fake.table, &given, nullptr, nullptr, nullptr,
                              &results),
            TRANSOM_OK)
      << transom_error();
  EXPECT_EQ(length, 20);
  // Fewer if the model has not more, as there.
  fake.table.positions = 10;
  EXPECT_EQ(transom::generate(fake.table, &given, nullptr, nullptr, nullptr,
                              &results),
            TRANSOM_OK);
  EXPECT_EQ(length, 8);
  // The last token of a full sequence needs no position.
  transom_generation_options options = defaults();
  options.max_new_tokens = 9;
  Generated result = transom::test::generate(fake, {{1, 2}}, options);
  ASSERT_EQ(result.status, TRANSOM_OK) << transom_error();
  EXPECT_EQ(result.tokens[0].size(), 9U);
  EXPECT_EQ(result.finish[0], TRANSOM_FINISH_LENGTH);
  // An empty list of prompts succeeds.
  EXPECT_EQ(transom::test::generate(fake, {}, options).status, TRANSOM_OK);
}

} // namespace
