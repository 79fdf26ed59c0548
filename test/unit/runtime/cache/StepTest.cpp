//===- StepTest.cpp - sequences, their cache, and steps -------------------===//
#include "SequencesTesting.h"

#include <algorithm>
#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <map>
#include <random>
#include <sys/resource.h>
#include <sys/wait.h>
#include <unistd.h>

using namespace transom;
using namespace transom::test;
using testing::ElementsAre;
using testing::HasSubstr;
using testing::StrEq;

namespace {

transom_session_options options(int64_t cacheTokens, int32_t threads = 2) {
  transom_session_options result = {};
  result.threads = threads;
  result.cache_tokens = cacheTokens;
  return result;
}

class StepTest : public SequencesTest<OpenedDecoder> {
protected:
  /// One step; `rows` gets a row for each token.
  transom_status step(Longs sequences, const std::vector<Ints> &tokens) {
    return call(transom_step, "input_ids", "hidden", std::move(sequences),
                tokens);
  }
  /// Appends, and expects what the tokens before it make of each new one.
  void grow(int64_t sequence, Ints &text, const Ints &tokens) {
    ASSERT_EQ(step({sequence}, {tokens}), TRANSOM_OK) << transom_error();
    for (size_t i = 0; i < tokens.size(); ++i) {
      text.push_back(tokens[i]);
      ASSERT_EQ(row(int64_t(i), 3), FakeDecoder::value(text, 3))
          << "token " << text.size();
    }
    ASSERT_EQ(length(sequence), int64_t(text.size()));
  }
};

Ints tokensFrom(int32_t first, int count) {
  Ints tokens;
  for (int i = 0; i < count; ++i)
    tokens.push_back((first + 7 * i) % FakeDecoder::idBound);
  return tokens;
}

TEST_F(StepTest, AnySplitGivesTheSame) {
  Ints whole = tokensFrom(3, 150);
  std::mt19937 random(1);
  for (int round = 0; round < 30; ++round) {
    int64_t sequence = add();
    Ints text;
    while (text.size() < whole.size()) {
      size_t most = whole.size() - text.size();
      size_t count = std::min<size_t>(most, 1 + random() % (1 + random() % 70));
      auto begin = whole.begin() + long(text.size());
      grow(sequence, text, Ints(begin, begin + long(count)));
    }
    EXPECT_EQ(cache().numTaken(), 10);
    EXPECT_EQ(transom_sequence_free(session(), sequence), TRANSOM_OK);
    EXPECT_EQ(cache().numTaken(), 0);
  }
}

TEST_F(StepTest, SequencesOfABatchAreUnequal) {
  int64_t a = add(), b = add(), c = add();
  Ints textA, textB;
  grow(a, textA, tokensFrom(1, 20));
  ASSERT_EQ(step({b, a, c}, {{4, 5}, {6}, {}}), TRANSOM_OK) << transom_error();
  textA.push_back(6);
  EXPECT_EQ(row(0), FakeDecoder::value({4}));
  EXPECT_EQ(row(1), FakeDecoder::value({4, 5}));
  EXPECT_EQ(row(2), FakeDecoder::value(textA));
  EXPECT_EQ(length(a), 21);
  EXPECT_EQ(length(b), 2);
  EXPECT_EQ(length(c), 0);
  ASSERT_EQ(step({}, {}), TRANSOM_OK) << transom_error();
  ASSERT_EQ(step({c}, {{}}), TRANSOM_OK) << transom_error();
}

TEST_F(StepTest, ComputesLogitsWhereAsked) {
  Longs sequences = {add(), add()};
  Ints ids = {1, 2, 3, 4}, offsets = {0, 3, 4}, positions = {3, 2};
  Floats logits(2 * FakeDecoder::width);
  transom_tensor inputs[] = {input("input_ids", ids, {4}),
                             input("sequence_offsets", offsets, {3}),
                             input("sequences", sequences, {2}),
                             input("output_positions", positions, {2})};
  transom_tensor outputs[] = {output("logits", logits)};
  ASSERT_EQ(transom_step(session(), inputs, 4, outputs, 1), TRANSOM_OK)
      << transom_error();
  EXPECT_THAT(Longs(outputs[0].dims, outputs[0].dims + outputs[0].rank),
              ElementsAre(2, FakeDecoder::width));
  EXPECT_EQ(logits[0], FakeDecoder::value({4}));
  EXPECT_EQ(logits[FakeDecoder::width], FakeDecoder::value({1, 2, 3}));
  // Without outputs, tokens are stored all the same.
  ASSERT_EQ(transom_step(session(), inputs, 4, nullptr, 0), TRANSOM_OK);
  EXPECT_EQ(length(sequences[0]), 6);
  Ints text = {1, 2, 3, 1, 2, 3};
  grow(sequences[0], text, {9});
}

TEST_F(StepTest, ComputesAllLogitsIfNotAskedForSome) {
  Longs sequences = {add(), add()};
  Ints textA = {1, 2, 3}, textB = {4}, more = {5, 6, 7}, offsets = {0, 1, 3};
  ASSERT_EQ(step(sequences, {textA, textB}), TRANSOM_OK);
  Floats logits(3 * FakeDecoder::width);
  transom_tensor inputs[] = {input("input_ids", more, {3}),
                             input("sequence_offsets", offsets, {3}),
                             input("sequences", sequences, {2})};
  transom_tensor outputs[] = {output("logits", logits)};
  ASSERT_EQ(transom_step(session(), inputs, 3, outputs, 1), TRANSOM_OK)
      << transom_error();
  EXPECT_EQ(logits[0], FakeDecoder::value({1, 2, 3, 5}));
  EXPECT_EQ(logits[FakeDecoder::width], FakeDecoder::value({4, 6}));
  EXPECT_EQ(logits[2 * FakeDecoder::width], FakeDecoder::value({4, 6, 7}));
}

TEST_F(StepTest, WithoutTensorsItIsTheSame) {
  int64_t a = 0, b = 0;
  ASSERT_EQ(addSequence(*session(), a), TRANSOM_OK);
  ASSERT_EQ(addSequence(*session(), b), TRANSOM_OK);
  Ints one = {1, 2, 3}, two = {4}, positions = {3, 1};
  EXPECT_EQ(positionLimit(*session()), FakeDecoder::positionBound);
  StepPart parts[] = {{a, one.data(), 3}, {b, two.data(), 1}};
  StepRows rows;
  ASSERT_EQ(transom::step(*session(), parts, 2, positions.data(), 2, rows),
            TRANSOM_OK)
      << transom_error();
  EXPECT_EQ(rows.data[1], FakeDecoder::value({4}, 1));
  EXPECT_EQ(rows.data[rows.stride], FakeDecoder::value({1, 2}));
  // No positions: nothing to read.
  ASSERT_EQ(transom::step(*session(), parts, 1, nullptr, 0, rows), TRANSOM_OK);
  EXPECT_EQ(sequenceLength(*session(), a), 6);
  ASSERT_EQ(transom::step(*session(), parts, 0, nullptr, 0, rows), TRANSOM_OK);
  // Tensors and parts take turns.
  Ints text = {1, 2, 3, 1, 2, 3};
  grow(a, text, {9});
  // Failures are those of tensors.
  parts[1] = parts[0];
  EXPECT_EQ(transom::step(*session(), parts, 2, nullptr, 0, rows),
            TRANSOM_INVALID_ARGUMENT);
  two[0] = FakeDecoder::idBound;
  parts[0].tokens = two.data();
  parts[0].count = 1;
  EXPECT_EQ(transom::step(*session(), parts, 1, nullptr, 0, rows),
            TRANSOM_OUT_OF_RANGE);
  EXPECT_EQ(sequenceLength(*session(), a), 7);
}

TEST_F(StepTest, ForksShareBlocksUntilTheyWrite) {
  int64_t a = add();
  Ints textA;
  grow(a, textA, tokensFrom(1, 40)); // Blocks of 16, 16, 8.
  int64_t b = fork(a);
  EXPECT_EQ(length(b), 40);
  EXPECT_EQ(cache().numTaken(), 3);
  Ints textB = textA;
  grow(b, textB, {5}); // Copies the block of 8.
  EXPECT_EQ(cache().numTaken(), 4);
  grow(a, textA, {6}); // It is a's own now.
  EXPECT_EQ(cache().numTaken(), 4);
  // From the middle of a block, and at a block's end.
  int64_t c = fork(a, 20), d = fork(a, 32), e = fork(b, 0);
  EXPECT_EQ(cache().numTaken(), 4);
  Ints textC(textA.begin(), textA.begin() + 20);
  Ints textD(textA.begin(), textA.begin() + 32);
  Ints textE;
  grow(d, textD, {7});
  EXPECT_EQ(cache().numTaken(), 5) << "nothing to copy";
  grow(c, textC, {8, 9});
  EXPECT_EQ(cache().numTaken(), 6);
  grow(e, textE, {1});
  grow(a, textA, tokensFrom(9, 30));
  grow(b, textB, tokensFrom(2, 30));
  grow(c, textC, tokensFrom(5, 30));
  grow(d, textD, tokensFrom(6, 30));
  for (int64_t sequence : {b, a, d, c, e})
    EXPECT_EQ(transom_sequence_free(session(), sequence), TRANSOM_OK);
  EXPECT_EQ(cache().numTaken(), 0);
}

TEST_F(StepTest, BothSidesOfAForkInOneStep) {
  int64_t a = add();
  Ints text;
  grow(a, text, tokensFrom(1, 20));
  int64_t b = fork(a), c = fork(a);
  ASSERT_EQ(step({a, b, c}, {{1}, {2}, {3}}), TRANSOM_OK) << transom_error();
  EXPECT_EQ(cache().numTaken(), 4) << "one is left with the block they shared";
  for (int32_t i = 0; i < 3; ++i) {
    Ints expected = text;
    expected.push_back(i + 1);
    EXPECT_EQ(row(i), FakeDecoder::value(expected));
  }
}

TEST_F(StepTest, TruncatedTokensAreForgotten) {
  int64_t a = add();
  Ints text;
  grow(a, text, tokensFrom(1, 50));
  int64_t b = fork(a, 45);
  Ints other(text.begin(), text.begin() + 45);
  EXPECT_EQ(transom_sequence_truncate(session(), a, 30), TRANSOM_OK);
  EXPECT_EQ(length(a), 30);
  text.resize(30);
  grow(a, text, {9, 8}); // In a block that b has whole.
  grow(b, other, {7});
  EXPECT_EQ(transom_sequence_truncate(session(), a, 0), TRANSOM_OK);
  EXPECT_EQ(cache().numTaken(), 3);
  text.clear();
  grow(a, text, {1});
  EXPECT_EQ(transom_sequence_truncate(session(), a, 1), TRANSOM_OK);
  expectFailure(TRANSOM_OUT_OF_RANGE,
                transom_sequence_truncate(session(), a, 2),
                "sequence_truncate: sequence 0: expected a length from 0 to 1, "
                "its own, got 2");
  EXPECT_EQ(transom_sequence_truncate(session(), a, -1), TRANSOM_OUT_OF_RANGE);
  EXPECT_EQ(length(a), 1);
}

TEST_F(StepTest, NumbersAreNotUsedAgain) {
  int64_t a = add(), b = add();
  EXPECT_EQ(a, 0);
  EXPECT_EQ(b, 1);
  EXPECT_EQ(transom_sequence_free(session(), a), TRANSOM_OK);
  int64_t c = add();
  EXPECT_NE(c, a);
  EXPECT_NE(c, b);
  EXPECT_EQ(length(a), -1);
  EXPECT_EQ(length(c), 0);
  EXPECT_EQ(length(-1), -1);
  EXPECT_EQ(length(7), -1);
  EXPECT_EQ(length(INT64_MAX), -1);
  EXPECT_EQ(transom_sequence_length(nullptr, 0), -1);
  expectFailure(TRANSOM_INVALID_ARGUMENT, transom_sequence_free(session(), a),
                "sequence_free: sequence 0: expected one that this session "
                "has");
  expectFailure(TRANSOM_INVALID_ARGUMENT,
                transom_sequence_truncate(session(), a, 0),
                "sequence_truncate: sequence 0: expected one that this session "
                "has");
  int64_t result;
  expectFailure(TRANSOM_INVALID_ARGUMENT,
                transom_sequence_fork(session(), a, -1, &result),
                "sequence_fork: sequence 0: expected one that this session "
                "has");
  expectFailure(TRANSOM_OUT_OF_RANGE,
                transom_sequence_fork(session(), b, 1, &result),
                "sequence_fork: sequence 1: expected a length from 0 to 0, its "
                "own, or -1, got 1");
  // Many, so that they move.
  std::vector<Ints> texts;
  Longs sequences;
  for (int i = 0; i < 300; ++i) {
    sequences.push_back(add());
    texts.push_back({});
    grow(sequences.back(), texts.back(), {i, 1});
  }
  for (size_t i = 0; i < sequences.size(); ++i)
    grow(sequences[i], texts[i], {2});
}

TEST_F(StepTest, AFailedStepLeavesLengths) {
  int64_t a = add(), b = add();
  Ints textA, textB;
  grow(a, textA, tokensFrom(1, 14));
  grow(b, textB, tokensFrom(2, 3));
  int64_t taken = cache().numTaken();
  opened->fake.result = 3;
  expectFailure(TRANSOM_INTERNAL, step({a, b}, {tokensFrom(5, 20), {1}}),
                "step: program 'step' of library 'decoder' failed with status "
                "3");
  opened->fake.result = 0;
  expectFailure(TRANSOM_OUT_OF_RANGE, step({b, a}, {{1}, {499, 500}}),
                "step: input 'input_ids', sequence 1, position 1: expected a "
                "value in [0, 500), got 500");
  EXPECT_EQ(length(a), 14);
  EXPECT_EQ(length(b), 3);
  EXPECT_EQ(cache().numTaken(), taken);
  grow(b, textB, {4});
  grow(a, textA, tokensFrom(5, 20));
}

TEST_F(StepTest, RefusesMoreThanTheCacheHas) {
  open(options(64));
  EXPECT_EQ(cache().numBlocks(), 4);
  int64_t a = add(), b = add();
  Ints textA, textB;
  grow(a, textA, tokensFrom(1, 33));
  expectFailure(
      TRANSOM_EXHAUSTED, step({a, b}, {{1}, tokensFrom(2, 17)}),
      "step: no memory for more tokens in the cache: 3 of at most 4 blocks of "
      "16 tokens are taken; free or truncate sequences, or give the session "
      "more 'cache_tokens'");
  EXPECT_EQ(length(a), 33);
  EXPECT_EQ(length(b), 0);
  EXPECT_EQ(cache().numTaken(), 3);
  grow(b, textB, tokensFrom(2, 16));
  grow(a, textA, tokensFrom(3, 15));
  EXPECT_EQ(step({a}, {{1}}), TRANSOM_EXHAUSTED);
  // A fork costs nothing, its first token a copy.
  EXPECT_EQ(transom_sequence_truncate(session(), a, 40), TRANSOM_OK);
  int64_t c = fork(a);
  textA.resize(40);
  EXPECT_EQ(step({c}, {{1}}), TRANSOM_EXHAUSTED);
  EXPECT_EQ(length(c), 40);
  EXPECT_EQ(transom_sequence_free(session(), b), TRANSOM_OK);
  Ints textC = textA;
  grow(c, textC, {1});
  grow(a, textA, {2});
  // The last one that shared a block has it for itself: no copy.
  EXPECT_EQ(cache().numTaken(), 4);
}

TEST_F(StepTest, RefusesMoreThanThePositions) {
  int64_t a = add(), b = add();
  Ints text;
  grow(a, text, tokensFrom(1, 199));
  expectFailure(TRANSOM_OUT_OF_RANGE, step({b, a}, {{1}, {1, 2}}),
                "step: sequence 0: 199 tokens and 2 new ones exceed the "
                "maximum 200 (of 'position_ids')");
  EXPECT_EQ(length(a), 199);
  grow(a, text, {1});
  EXPECT_EQ(step({a}, {{1}}), TRANSOM_OUT_OF_RANGE);
  // Positions that are given are what counts.
  Ints ids = {5}, offsets = {0, 1}, positions = {200};
  Longs sequences = {a};
  transom_tensor inputs[] = {input("input_ids", ids, {1}),
                             input("sequence_offsets", offsets, {2}),
                             input("sequences", sequences, {1}),
                             input("position_ids", positions, {1})};
  expectFailure(TRANSOM_OUT_OF_RANGE,
                transom_step(session(), inputs, 4, nullptr, 0),
                "step: input 'position_ids', sequence 0, position 0: expected "
                "a value in [0, 200), got 200");
  positions[0] = 3;
  EXPECT_EQ(transom_step(session(), inputs, 4, nullptr, 0), TRANSOM_OK);
  EXPECT_EQ(length(a), 201);
}

TEST_F(StepTest, RefusesWrongInputs) {
  Longs sequences = {add(), add()};
  Ints ids = {1, 2, 3}, offsets = {0, 1, 3}, mask = {1, 1, 1};
  auto run = [&](std::vector<transom_tensor> inputs) {
    return transom_step(session(), inputs.data(), inputs.size(), nullptr, 0);
  };
  transom_tensor tokens = input("input_ids", ids, {3}),
                 ends = input("sequence_offsets", offsets, {3}),
                 members = input("sequences", sequences, {2});
  expectFailure(TRANSOM_INVALID_ARGUMENT, run({tokens, ends}),
                "step: input 'sequences' is missing: expected [sequences] of "
                "int32 or int64");
  expectFailure(TRANSOM_INVALID_ARGUMENT, run({tokens, members}),
                "step: input 'sequence_offsets' is missing: expected "
                "[sequences + 1] of int32 or int64");
  expectFailure(TRANSOM_INVALID_ARGUMENT, run({ends, members}),
                "step: input 'input_ids' is missing: expected [tokens] of "
                "int32 or int64");
  expectFailure(
      TRANSOM_INVALID_ARGUMENT,
      run({tokens, ends, members, input("attention_mask", mask, {1, 3})}),
      "step: input number 3: expected one of 'input_ids', "
      "'position_ids', 'output_positions', 'sequences', "
      "'sequence_offsets', got 'attention_mask'");
  members.dims[0] = 1;
  expectFailure(TRANSOM_INVALID_ARGUMENT, run({tokens, ends, members}),
                "step: input 'sequences': expected dims [2], one less than "
                "'sequence_offsets', got [1]");
  members.dims[0] = 2;
  sequences[1] = 44;
  expectFailure(TRANSOM_INVALID_ARGUMENT, run({tokens, ends, members}),
                "step: input 'sequences', number 1: expected a sequence that "
                "this session has, got 44");
  sequences[1] = sequences[0];
  expectFailure(TRANSOM_INVALID_ARGUMENT, run({tokens, ends, members}),
                "step: input 'sequences', number 1: expected each sequence "
                "once, got 0 again");
  EXPECT_EQ(length(0), 0);
  sequences[1] = 1;
  EXPECT_EQ(run({tokens, ends, members}), TRANSOM_OK) << transom_error();
  // `run` has no sequences.
  EXPECT_EQ(transom_run(session(), &members, 1, nullptr, 0),
            TRANSOM_INVALID_ARGUMENT);
  EXPECT_THAT(transom_error(), HasSubstr("got 'sequences'"));
}

TEST_F(StepTest, RefusesNullPointersAndABusySession) {
  int64_t sequence;
  expectFailure(TRANSOM_INVALID_ARGUMENT,
                transom_sequence_add(nullptr, &sequence),
                "sequence_add: 'session' expects a session, got null");
  expectFailure(
      TRANSOM_INVALID_ARGUMENT, transom_sequence_add(session(), nullptr),
      "sequence_add: 'sequence' expects a place for the result, got null");
  expectFailure(
      TRANSOM_INVALID_ARGUMENT,
      transom_sequence_fork(session(), add(), -1, nullptr),
      "sequence_fork: 'fork' expects a place for the result, got null");
  EXPECT_EQ(transom_step(nullptr, nullptr, 0, nullptr, 0),
            TRANSOM_INVALID_ARGUMENT);
  EXPECT_EQ(transom_sequence_free(nullptr, 0), TRANSOM_INVALID_ARGUMENT);
  EXPECT_EQ(transom_sequence_truncate(nullptr, 0, 0), TRANSOM_INVALID_ARGUMENT);
  session()->busy = true;
  expectFailure(TRANSOM_INVALID_ARGUMENT,
                transom_sequence_add(session(), &sequence),
                "sequence_add: the session is in use by another call: expected "
                "one thread at a time, make a session for each thread");
  session()->busy = false;
}

TEST(StepLibraryTest, RefusesALibraryWithoutACache) {
  Opened opened;
  int64_t sequence;
  const char *message =
      "library 'fake' keeps no keys and values: expected one that was compiled "
      "to generate text, with a program 'step'";
  EXPECT_EQ(transom_sequence_add(opened.session, &sequence),
            TRANSOM_INVALID_ARGUMENT);
  EXPECT_THAT(transom_error(), HasSubstr(message));
  EXPECT_EQ(transom_step(opened.session, nullptr, 0, nullptr, 0),
            TRANSOM_INVALID_ARGUMENT);
  EXPECT_THAT(transom_error(), StrEq(std::string("step: ") + message));
  EXPECT_EQ(transom_sequence_length(opened.session, 0), -1);
  EXPECT_EQ(positionLimit(*opened.session), INT32_MAX - 1);
  StepRows rows;
  EXPECT_EQ(transom::step(*opened.session, nullptr, 0, nullptr, 0, rows),
            TRANSOM_INVALID_ARGUMENT);
}

TEST(StepLibraryTest, RefusesPartsOfACache) {
  FakeDecoder fake;
  transom_model *model;
  fake.programs[1].num_inputs -= 1;
  EXPECT_EQ(transom_open(&fake.library, nullptr, &model), TRANSOM_MISMATCH);
  EXPECT_THAT(transom_error(),
              StrEq("open: program 'step' of library 'decoder' has inputs for "
                    "a part of a cache only; compile the model again"));
  fake.programs[1].num_inputs += 1;
  fake.programs[0].num_inputs = fake.programs[1].num_inputs;
  EXPECT_EQ(transom_open(&fake.library, nullptr, &model), TRANSOM_MISMATCH)
      << "a cache in the first program";
  fake.programs[0].num_inputs = FakeDecoder::Slots;
  fake.library.cache_block_bytes += 4;
  EXPECT_EQ(transom_open(&fake.library, nullptr, &model), TRANSOM_MISMATCH);
  fake.library.cache_block_bytes -= 4;
  fake.library.num_programs = 0;
  EXPECT_EQ(transom_open(&fake.library, nullptr, &model), TRANSOM_MISMATCH);
}

TEST(StepLibraryTest, RefusesGenerationWithoutWhatItTakes) {
  FakeDecoder fake;
  transom_model *model;
  auto refused = [&] {
    transom_status status = transom_open(&fake.library, nullptr, &model);
    return status == TRANSOM_MISMATCH;
  };
  for (int32_t logits : {-1, 1, 2}) { // 1: an output of all tokens.
    fake.generation.logits = logits;
    EXPECT_TRUE(refused()) << logits;
  }
  EXPECT_THAT(transom_error(),
              StrEq("open: library 'decoder': expected a program 'step' that "
                    "takes tokens and has logits at output positions, since it "
                    "generates text; compile the model again"));
  fake.generation.logits = 0;
  fake.generation.num_eos_token_ids = -1;
  EXPECT_TRUE(refused());
  fake.generation.num_eos_token_ids = 0;
  fake.inputs[FakeDecoder::Ids].default_kind = TRANSOM_DEFAULT_ZEROS;
  EXPECT_TRUE(refused());
  fake.inputs[FakeDecoder::Ids].default_kind = TRANSOM_DEFAULT_NONE;
  fake.library.num_programs = 1;
  EXPECT_TRUE(refused());
}

TEST(StepLibraryTest, RefusesWrongOptions) {
  FakeDecoder fake;
  transom_model *model;
  transom_session *session;
  ASSERT_EQ(transom_open(&fake.library, nullptr, &model), TRANSOM_OK);
  transom_session_options given = options(-1);
  EXPECT_EQ(transom_session_create(model, &given, &session),
            TRANSOM_INVALID_ARGUMENT);
  EXPECT_THAT(transom_error(),
              StrEq("session_create: 'cache_tokens' expects 0 to 2147483646, "
                    "got -1"));
  fake.library.cache_block_bytes = int64_t(1) << 60;
  given = options(1 << 20);
  EXPECT_EQ(transom_session_create(model, &given, &session), TRANSOM_EXHAUSTED);
  EXPECT_THAT(transom_error(),
              StrEq("session_create: no memory for a cache of 1048576 tokens"));
  EXPECT_EQ(session, nullptr);
  transom_close(model);
}

/// Everything at random, against texts that are kept whole.
TEST_F(StepTest, RandomTreesKeepTheirTexts) {
  open(options(600));
  std::map<int64_t, Ints> texts;
  std::mt19937 random(7);
  auto below = [&](size_t bound) { return random() % bound; };
  auto any = [&] {
    auto place = texts.begin();
    std::advance(place, long(below(texts.size())));
    return place;
  };
  int exhausted = 0;
  for (int round = 0; round < 4000; ++round) {
    size_t choice = below(10);
    if (texts.empty() || (choice == 0 && texts.size() < 20)) {
      texts[add()] = {};
    } else if (choice <= 2 && texts.size() < 20) {
      auto from = any();
      size_t length = below(from->second.size() + 1);
      int64_t forked = fork(from->first, int64_t(length));
      texts[forked] =
          Ints(from->second.begin(), from->second.begin() + long(length));
    } else if (choice == 3) {
      auto place = any();
      size_t length = below(place->second.size() + 1);
      ASSERT_EQ(
          transom_sequence_truncate(session(), place->first, int64_t(length)),
          TRANSOM_OK);
      place->second.resize(length);
    } else if (choice == 4) {
      auto place = any();
      ASSERT_EQ(transom_sequence_free(session(), place->first), TRANSOM_OK);
      texts.erase(place);
    } else {
      Longs batch;
      std::vector<Ints> parts;
      for (auto &[sequence, text] : texts)
        if (below(3) == 0) {
          size_t most = size_t(FakeDecoder::positionBound) - text.size();
          batch.push_back(sequence);
          parts.push_back(
              tokensFrom(int32_t(below(400)), int(std::min(most, below(20)))));
        }
      transom_status status = step(batch, parts);
      if (status == TRANSOM_EXHAUSTED) {
        ++exhausted;
      } else {
        ASSERT_EQ(status, TRANSOM_OK) << transom_error();
        int64_t next = 0;
        for (size_t s = 0; s < batch.size(); ++s)
          for (int32_t token : parts[s]) {
            texts[batch[s]].push_back(token);
            ASSERT_EQ(row(next++), FakeDecoder::value(texts[batch[s]]));
          }
      }
      for (auto &[sequence, text] : texts)
        ASSERT_EQ(length(sequence), int64_t(text.size()));
    }
  }
  EXPECT_GT(exhausted, 10);
  for (auto &[sequence, text] : texts)
    EXPECT_EQ(transom_sequence_free(session(), sequence), TRANSOM_OK);
  EXPECT_EQ(cache().numTaken(), 0);
}

TEST(CacheTest, GrowsInPlace) {
  Cache cache;
  constexpr int64_t bytes = 1 << 16;
  ASSERT_TRUE(cache.create(bytes, 0));
  uint8_t *memory = cache.memory;
  int32_t last = Cache::none;
  for (int i = 0; i < 1200; ++i) {
    last = cache.take(last);
    ASSERT_EQ(last, i);
    memset(cache.at(last), i % 251, bytes);
  }
  EXPECT_EQ(cache.memory, memory);
  for (int32_t block = last; block != Cache::none; block = cache.before(block))
    ASSERT_EQ(cache.at(block)[bytes - 1], block % 251);
  cache.drop(last);
  EXPECT_EQ(cache.numTaken(), 0) << "a block holds the one before it";
  cache.release();
}

#if !__has_feature(address_sanitizer) && !__has_feature(thread_sanitizer)
TEST(CacheTest, IsSmallerWhereAddressesAreLimited) {
  // In a process of its own, with 64 MiB of addresses to come.
  pid_t child = fork();
  if (child == 0) {
    FILE *file = fopen("/proc/self/statm", "r");
    unsigned long pages = 0;
    if (!file || fscanf(file, "%lu", &pages) != 1)
      _exit(2);
    rlim_t bytes = pages * rlim_t(sysconf(_SC_PAGESIZE)) + (64 << 20);
    rlimit limit = {bytes, bytes};
    Cache cache;
    if (setrlimit(RLIMIT_AS, &limit) != 0 || !cache.create(1 << 20, 0) ||
        cache.numBlocks() < 8 || cache.numBlocks() >= 64)
      _exit(3);
    int64_t taken = 0;
    for (; cache.take(Cache::none) != Cache::none; ++taken)
      memset(cache.at(int32_t(taken)), 1, 1 << 20);
    _exit(taken == cache.numBlocks() && !Cache().create(1 << 20, 256) ? 0 : 4);
  }
  int status = -1;
  waitpid(child, &status, 0);
  EXPECT_TRUE(WIFEXITED(status));
  EXPECT_EQ(WEXITSTATUS(status), 0);
}
#endif

TEST(CacheTest, HasAsManyBlocksAsAskedFor) {
  Cache cache;
  ASSERT_TRUE(cache.create(1 << 16, 3));
  int32_t a = cache.take(Cache::none), b = cache.take(a), c = cache.take(b);
  EXPECT_NE(c, Cache::none);
  EXPECT_EQ(cache.take(Cache::none), Cache::none);
  cache.hold(b);
  cache.drop(c);
  EXPECT_EQ(cache.numTaken(), 2);
  EXPECT_FALSE(cache.isShared(b));
  EXPECT_EQ(cache.take(Cache::none), c);
  cache.release();
}

} // namespace
