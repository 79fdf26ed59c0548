//===- EncodeTest.cpp - encoder inputs of sequences, in the same cache
//-----------===//
#include "../FakeEncoderDecoder.h"
#include "SequencesTesting.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <map>
#include <random>

using namespace transom;
using namespace transom::test;
using testing::HasSubstr;
using testing::StrEq;

namespace {

Ints tokensFrom(int32_t first, int count) {
  Ints tokens;
  for (int i = 0; i < count; ++i)
    tokens.push_back(
        int32_t((first + 7 * i) % FakeEncoderDecoder::encoderIdBound));
  return tokens;
}

class EncodeTest : public SequencesTest<OpenedPair> {
protected:
  transom_status encode(Longs sequences,
                        const std::vector<Ints> &encoderInputs) {
    return call(transom_encode, "input_ids", "encoded", std::move(sequences),
                encoderInputs);
  }
  transom_status step(Longs sequences, const std::vector<Ints> &tokens) {
    return call(transom_step, "decoder_input_ids", "hidden",
                std::move(sequences), tokens);
  }
  int64_t addWith(const Ints &encoderInput) {
    int64_t sequence = add();
    EXPECT_EQ(encode({sequence}, {encoderInput}), TRANSOM_OK)
        << transom_error();
    return sequence;
  }
  /// Appends, and expects what the encoder input and the tokens make of each
  /// new one.
  void grow(int64_t sequence, const Ints &encoderInput, Ints &text,
            const Ints &tokens) {
    ASSERT_EQ(step({sequence}, {tokens}), TRANSOM_OK) << transom_error();
    for (size_t i = 0; i < tokens.size(); ++i) {
      text.push_back(tokens[i]);
      ASSERT_EQ(row(int64_t(i), 3),
                FakeEncoderDecoder::value(encoderInput, text, 3))
          << "token " << text.size();
    }
    ASSERT_EQ(length(sequence), int64_t(text.size()));
  }
};

TEST_F(EncodeTest, StepsReadTheirSources) {
  Ints encoderA = tokensFrom(1, 40), encoderB = {5}, textA, textB;
  int64_t a = add(), b = add();
  ASSERT_EQ(encode({a, b}, {encoderA, encoderB}), TRANSOM_OK)
      << transom_error();
  EXPECT_EQ(row(0, 2), 1);
  EXPECT_EQ(row(40), 5) << "outputs are the encoder's, ragged";
  EXPECT_EQ(length(a), 0) << "an encoder input is not a token";
  EXPECT_EQ(cache().numTaken(), 4);
  grow(a, encoderA, textA, {7, 8});
  grow(b, encoderB, textB, tokensFrom(3, 20));
  // In one batch, in another order, with sequences that get nothing.
  int64_t c = addWith({9, 9});
  ASSERT_EQ(step({b, c, a}, {{1}, {}, {2, 3}}), TRANSOM_OK) << transom_error();
  textB.push_back(1);
  EXPECT_EQ(row(0), FakeEncoderDecoder::value(encoderB, textB));
  textA.push_back(2);
  EXPECT_EQ(row(1), FakeEncoderDecoder::value(encoderA, textA));
  textA.push_back(3);
  EXPECT_EQ(row(2), FakeEncoderDecoder::value(encoderA, textA));
}

TEST_F(EncodeTest, ASourceOfNoTokensIsOne) {
  Ints text, none;
  int64_t a = add(), b = add(), c = add();
  ASSERT_EQ(encode({a, b}, {{}, {3, 4}}), TRANSOM_OK) << transom_error();
  ASSERT_EQ(encode({c}, {{}}), TRANSOM_OK) << transom_error();
  EXPECT_EQ(cache().numTaken(), 1);
  ASSERT_EQ(step({a, b, c}, {{1}, {2}, {3}}), TRANSOM_OK) << transom_error();
  EXPECT_EQ(row(0), FakeEncoderDecoder::value({}, {1}));
  EXPECT_EQ(row(1), FakeEncoderDecoder::value({3, 4}, {2}));
  EXPECT_EQ(row(2), FakeEncoderDecoder::value({}, {3}));
  ASSERT_EQ(encode({}, {}), TRANSOM_OK) << transom_error();
}

TEST_F(EncodeTest, ForksShareTheSource) {
  Ints encoderInput = tokensFrom(2, 33), text;
  int64_t a = addWith(encoderInput);
  EXPECT_EQ(cache().numTaken(), 3);
  int64_t empty = fork(a);
  grow(a, encoderInput, text, tokensFrom(4, 20));
  int64_t b = fork(a, 18);
  EXPECT_EQ(cache().numTaken(), 5);
  free(a);
  EXPECT_EQ(cache().numTaken(), 5);
  Ints textB(text.begin(), text.begin() + 18), textC;
  grow(b, encoderInput, textB, {1, 2});
  grow(empty, encoderInput, textC, {6});
  free(b);
  EXPECT_EQ(cache().numTaken(), 4);
  grow(empty, encoderInput, textC, {7});
  free(empty);
  EXPECT_EQ(cache().numTaken(), 0);
}

TEST_F(EncodeTest, ManySequencesHaveTheirTables) {
  // More than any memory that was set aside for something smaller.
  constexpr int count = 3000;
  Ints encoderInput = tokensFrom(2, 90);
  Longs sequences = {addWith(encoderInput)};
  while (sequences.size() < count)
    sequences.push_back(fork(sequences[0]));
  std::vector<Ints> tokens;
  for (int i = 0; i < count; ++i)
    tokens.push_back({i % 300});
  ASSERT_EQ(step(sequences, tokens), TRANSOM_OK) << transom_error();
  for (int i = 0; i < count; ++i)
    ASSERT_EQ(row(i), FakeEncoderDecoder::value(encoderInput, {i % 300})) << i;
}

TEST_F(EncodeTest, TruncationKeepsTheSource) {
  Ints encoderInput = tokensFrom(2, 20), text;
  int64_t a = addWith(encoderInput);
  grow(a, encoderInput, text, {1, 2, 3});
  EXPECT_EQ(transom_sequence_truncate(session(), a, 1), TRANSOM_OK);
  text.resize(1);
  grow(a, encoderInput, text, {4});
  EXPECT_EQ(transom_sequence_truncate(session(), a, 0), TRANSOM_OK);
  text.clear();
  grow(a, encoderInput, text, {5});
}

TEST_F(EncodeTest, AnotherSourceReplacesTheFirst) {
  Ints first = tokensFrom(2, 50), second = tokensFrom(9, 10), text, forkText;
  int64_t a = addWith(first);
  int64_t b = fork(a);
  ASSERT_EQ(encode({a}, {second}), TRANSOM_OK) << transom_error();
  EXPECT_EQ(cache().numTaken(), 5) << "the fork keeps the first";
  grow(a, second, text, {1});
  grow(b, first, forkText, {1});
  free(b);
  EXPECT_EQ(cache().numTaken(), 2);
  // With its tokens forgotten, a sequence is as new.
  EXPECT_EQ(transom_sequence_truncate(session(), a, 0), TRANSOM_OK);
  ASSERT_EQ(encode({a}, {first}), TRANSOM_OK) << transom_error();
  EXPECT_EQ(cache().numTaken(), 4);
}

TEST_F(EncodeTest, RefusesWhatHasNoSourceOrTokens) {
  int64_t a = addWith({1, 2}), b = add();
  expectFailure(
      TRANSOM_INVALID_ARGUMENT, step({a, b}, {{1}, {2}}),
      "step: sequence 1: expected one with an encoder input, got none; give "
      "it an encoder input by encode");
  EXPECT_EQ(length(a), 0);
  Ints text;
  grow(a, {1, 2}, text, {1, 2, 3});
  expectFailure(
      TRANSOM_INVALID_ARGUMENT, encode({b, a}, {{1}, {2}}),
      "encode: sequence 0: expected no tokens before its encoder input, got "
      "3; add a sequence for another encoder input");
  expectFailure(TRANSOM_INVALID_ARGUMENT, encode({b, b}, {{1}, {2}}),
                "encode: input 'sequences', number 1: expected each sequence "
                "once, got 1 again");
  expectFailure(TRANSOM_INVALID_ARGUMENT, encode({9}, {{1}}),
                "encode: input 'sequences', number 0: expected a sequence that "
                "this session has, got 9");
  expectFailure(
      TRANSOM_INVALID_ARGUMENT, step({b}, {{2}}),
      "step: sequence 1: expected one with an encoder input, got none; give "
      "it an encoder input by encode");
  grow(a, {1, 2}, text, {4});
}

TEST_F(EncodeTest, RefusesWrongInputs) {
  int64_t a = add();
  expectFailure(TRANSOM_OUT_OF_RANGE, encode({a}, {{1, 300}}),
                "encode: input 'input_ids', sequence 0, position 1: expected a "
                "value in [0, 300), got 300");
  expectFailure(TRANSOM_OUT_OF_RANGE, encode({a}, {tokensFrom(1, 91)}),
                "encode: sequence 0: 0 tokens and 91 new ones exceed the "
                "maximum 90 (of 'places')");
  EXPECT_EQ(cache().numTaken(), 0);
  expectFailure(
      TRANSOM_INVALID_ARGUMENT,
      call(transom_encode, "decoder_input_ids", "encoded", {a}, {{1}}),
      "encode: input number 0: expected one of 'input_ids', 'places', "
      "'sequences', 'sequence_offsets', got 'decoder_input_ids'");
  expectFailure(TRANSOM_INVALID_ARGUMENT,
                call(transom_encode, "input_ids", "logits", {a}, {{1}}),
                "encode: output number 0: expected one of 'encoded', got "
                "'logits'");
  EXPECT_EQ(transom_encode(nullptr, nullptr, 0, nullptr, 0),
            TRANSOM_INVALID_ARGUMENT);
  session()->busy = true;
  EXPECT_EQ(encode({a}, {{1}}), TRANSOM_INVALID_ARGUMENT);
  session()->busy = false;
  ASSERT_EQ(encode({a}, {tokensFrom(1, 90)}), TRANSOM_OK) << transom_error();
}

TEST_F(EncodeTest, AFailureLeavesSequencesAsTheyWere) {
  open(int64_t(8 * 16));
  Ints encoderInput = tokensFrom(1, 40), text;
  int64_t a = addWith(encoderInput), b = add(), c = fork(a);
  opened->fake.result = 3;
  expectFailure(TRANSOM_INTERNAL, encode({a, b}, {{1}, {2}}),
                "encode: program 'encode' of library 'pair' failed with status "
                "3");
  opened->fake.result = 0;
  EXPECT_EQ(cache().numTaken(), 3);
  expectFailure(
      TRANSOM_EXHAUSTED, encode({b, a}, {tokensFrom(2, 60), tokensFrom(3, 30)}),
      "encode: no memory for more tokens in the cache: 7 of at most 8 blocks "
      "of 16 tokens are taken; free or truncate sequences, or give the session "
      "more 'cache_tokens'");
  EXPECT_EQ(cache().numTaken(), 3);
  EXPECT_EQ(step({b}, {{1}}), TRANSOM_INVALID_ARGUMENT);
  grow(a, encoderInput, text, {1});
  // A replacement needs its room while the first encoder input is still there.
  EXPECT_EQ(encode({c}, {tokensFrom(1, 80)}), TRANSOM_EXHAUSTED);
  ASSERT_EQ(encode({c}, {tokensFrom(1, 64)}), TRANSOM_OK) << transom_error();
  text.clear();
  // A step that fails leaves the encoder input, too.
  EXPECT_EQ(step({c}, {{1}}), TRANSOM_EXHAUSTED);
  free(a);
  grow(c, tokensFrom(1, 64), text, {1});
}

TEST_F(EncodeTest, MaxTokensLimitASource) {
  transom_session_options options = {};
  options.max_tokens = 30;
  options.cache_tokens = 200;
  open(options);
  int64_t a = add(), b = add();
  expectFailure(TRANSOM_EXHAUSTED,
                encode({a, b}, {tokensFrom(1, 16), tokensFrom(2, 15)}),
                "encode: expected at most 30 tokens and sequences, the "
                "session's 'max_tokens', got 31 tokens in 2 sequences");
  EXPECT_EQ(cache().numTaken(), 0);
  ASSERT_EQ(encode({a, b}, {tokensFrom(1, 16), tokensFrom(2, 14)}), TRANSOM_OK)
      << transom_error();
}

TEST_F(EncodeTest, WithoutTensorsItIsTheSame) {
  int64_t a = add(), b = add();
  Ints encoderA = tokensFrom(1, 20), encoderB = {}, tokens = {3, 4};
  StepPart encoderInputs[] = {{a, encoderA.data(), 20}, {b, nullptr, 0}};
  EXPECT_TRUE(hasEncoderInputs(*session()));
  EXPECT_EQ(encoderLimit(*session()), FakeEncoderDecoder::encoderBound);
  EXPECT_EQ(positionLimit(*session()), FakeDecoder::positionBound);
  ASSERT_EQ(transom::encode(*session(), encoderInputs, 2), TRANSOM_OK)
      << transom_error();
  EXPECT_EQ(opened->fake.encodes, 1) << "with no output asked for";
  StepPart parts[] = {{a, tokens.data(), 2}, {b, tokens.data(), 1}};
  Ints positions = {1, 2};
  StepRows out;
  ASSERT_EQ(transom::step(*session(), parts, 2, positions.data(), 2, out),
            TRANSOM_OK)
      << transom_error();
  EXPECT_EQ(out.data[0], FakeEncoderDecoder::value(encoderA, {3, 4}));
  EXPECT_EQ(out.data[out.stride], FakeEncoderDecoder::value({}, {3}));
}

TEST_F(EncodeTest, AProfileKnowsIt) {
  ASSERT_EQ(transom_profile(session(), 1, nullptr), TRANSOM_OK);
  addWith(tokensFrom(1, 20));
  const char *json = nullptr;
  ASSERT_EQ(transom_profile(session(), 0, &json), TRANSOM_OK);
  ASSERT_NE(json, nullptr);
  EXPECT_THAT(json, HasSubstr("append"));
}

/// Everything at random, against texts and encoder inputs that are kept whole.
TEST_F(EncodeTest, RandomTreesKeepTheirTexts) {
  open(int64_t(900));
  struct Text {
    Ints encoderInput, tokens;
    bool hasEncoderInput = false;
  };
  std::map<int64_t, Text> texts;
  std::mt19937 random(11);
  auto below = [&](size_t bound) { return random() % bound; };
  auto any = [&] {
    auto place = texts.begin();
    std::advance(place, long(below(texts.size())));
    return place;
  };
  int exhausted = 0;
  for (int round = 0; round < 4000; ++round) {
    size_t choice = below(12);
    if (texts.empty() || (choice == 0 && texts.size() < 20)) {
      texts[add()] = {};
    } else if (choice <= 2 && texts.size() < 20) {
      auto from = any();
      size_t length = below(from->second.tokens.size() + 1);
      Text copy = from->second;
      copy.tokens.resize(length);
      texts[fork(from->first, int64_t(length))] = copy;
    } else if (choice == 3) {
      auto place = any();
      size_t length = below(place->second.tokens.size() + 1);
      ASSERT_EQ(
          transom_sequence_truncate(session(), place->first, int64_t(length)),
          TRANSOM_OK);
      place->second.tokens.resize(length);
    } else if (choice == 4) {
      auto place = any();
      free(place->first);
      texts.erase(place);
    } else {
      bool isEncode = choice <= 6;
      Longs batch;
      std::vector<Ints> parts;
      for (auto &[sequence, text] : texts)
        if (below(3) == 0 &&
            (isEncode ? text.tokens.empty() : text.hasEncoderInput)) {
          size_t most = size_t(FakeDecoder::positionBound) - text.tokens.size();
          size_t count = isEncode ? below(FakeEncoderDecoder::encoderBound + 1)
                                  : std::min(most, below(20));
          batch.push_back(sequence);
          parts.push_back(tokensFrom(int32_t(below(400)), int(count)));
        }
      transom_status status =
          isEncode ? encode(batch, parts) : step(batch, parts);
      if (status == TRANSOM_EXHAUSTED) {
        ++exhausted;
        continue;
      }
      ASSERT_EQ(status, TRANSOM_OK) << transom_error();
      int64_t next = 0;
      for (size_t s = 0; s < batch.size(); ++s) {
        Text &text = texts[batch[s]];
        if (isEncode)
          text = {parts[s], {}, true};
        else
          for (int32_t token : parts[s]) {
            text.tokens.push_back(token);
            ASSERT_EQ(row(next++), FakeEncoderDecoder::value(text.encoderInput,
                                                             text.tokens));
          }
      }
    }
    for (auto &[sequence, text] : texts)
      ASSERT_EQ(length(sequence), int64_t(text.tokens.size()));
  }
  EXPECT_GT(exhausted, 10);
  for (auto &[sequence, text] : texts)
    free(sequence);
  EXPECT_EQ(cache().numTaken(), 0);
}

TEST(EncodeLibraryTest, RefusesALibraryWithoutAnEncoder) {
  OpenedDecoder opened;
  EXPECT_EQ(transom_encode(opened.session, nullptr, 0, nullptr, 0),
            TRANSOM_INVALID_ARGUMENT);
  EXPECT_THAT(
      transom_error(),
      StrEq("encode: library 'decoder' takes no encoder inputs: expected an "
            "encoder-decoder that was compiled to generate text, with "
            "a program 'encode'"));
  EXPECT_EQ(encode(*opened.session, nullptr, 0), TRANSOM_INVALID_ARGUMENT);
  EXPECT_FALSE(hasEncoderInputs(*opened.session));
}

TEST(EncodeLibraryTest, RefusesPartsOfSources) {
  FakeEncoderDecoder fake;
  transom_model *model = nullptr;
  auto open = [&] { return transom_open(&fake.library, nullptr, &model); };
  auto expectMismatch = [&](const char *message) {
    EXPECT_EQ(open(), TRANSOM_MISMATCH);
    EXPECT_THAT(transom_error(), StrEq(message));
  };
  const char *part =
      "open: program 'step' of library 'pair' has inputs for a part of a cache "
      "only; compile the model again";
  fake.all[2].num_inputs -= 1;
  expectMismatch(part);
  fake.all[2].num_inputs -= 1;
  expectMismatch(part);
  fake.all[2].num_inputs -= 1;
  const char *pair =
      "open: library 'pair': expected a program 'encode' without past tokens "
      "if and only if its program 'step' reads encoder inputs; compile the "
      "model "
      "again";
  expectMismatch(pair);
  fake.all[2].num_inputs += 3;
  fake.all[1].kind = TRANSOM_PROGRAM_FORWARD;
  expectMismatch(pair);
  fake.all[1].kind = TRANSOM_PROGRAM_ENCODE;
  fake.encodeInputs[FakeEncoderDecoder::EncoderSlots].role =
      TRANSOM_ROLE_BLOCK_OFFSETS;
  fake.encodeInputs[FakeEncoderDecoder::EncoderSlots].extent =
      TRANSOM_SEQUENCES;
  expectMismatch("open: program 'encode' of library 'pair' has inputs for a "
                 "part of a cache only; compile the model again");
  fake.encodeInputs[FakeEncoderDecoder::EncoderSlots] =
      inputInfo("slots", TRANSOM_ROLE_CACHE_SLOTS, TRANSOM_TOKENS);
  EXPECT_EQ(open(), TRANSOM_OK) << transom_error();
  transom_close(model);
}

} // namespace
