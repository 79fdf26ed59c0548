//===- EncoderInputTest.cpp - a decoder's batch and its encoder's ---------===//
//-----------===//
#include "../FakeLibrary.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

using namespace transom::test;
using testing::ElementsAre;
using testing::HasSubstr;
using testing::StrEq;
using Ints = std::vector<int32_t>;
using Floats = std::vector<float>;

namespace {

/// An encoder and a decoder: `read` is twice an encoder input's token, `made` a
/// token and 1000 times the sum of its encoder input.
class EncoderInputTest : public testing::Test {
protected:
  enum Input {
    EncoderIds,
    EncoderOffsets,
    EncoderLengths,
    Ids,
    Offsets,
    Lengths
  };

  EncoderInputTest() {
    fake.inputs = {
        inputInfo("input_ids", TRANSOM_ROLE_VALUES, TRANSOM_ENCODER_TOKENS,
                  500),
        inputInfo("so", TRANSOM_ROLE_ENCODER_OFFSETS, TRANSOM_SEQUENCES),
        inputInfo("sl", TRANSOM_ROLE_ENCODER_KEY_LENGTHS, TRANSOM_SEQUENCES),
        inputInfo("decoder_input_ids", TRANSOM_ROLE_VALUES, TRANSOM_TOKENS,
                  500),
        inputInfo("o", TRANSOM_ROLE_OFFSETS, TRANSOM_SEQUENCES),
        inputInfo("l", TRANSOM_ROLE_KEY_LENGTHS, TRANSOM_SEQUENCES)};
    constexpr int64_t bytes = 4 * FakeLibrary::stride;
    fake.outputs = {
        {"made", TRANSOM_F32, TRANSOM_TOKENS, 0, 0, 0, {}, bytes, 1},
        {"read", TRANSOM_F32, TRANSOM_ENCODER_TOKENS, 0, 0, 0, {}, bytes, 1}};
    fake.forward.arena_bytes[TRANSOM_SEQUENCES] = 0;
    fake.forward.arena_bytes[TRANSOM_ENCODER_TOKENS] = bytes;
    fake.program = [this](transom_frame *frame) { return compute(frame); };
    fake.update();
    EXPECT_EQ(transom_open(&fake.library, nullptr, &model), TRANSOM_OK)
        << transom_error();
    EXPECT_EQ(transom_session_create(model, nullptr, &session), TRANSOM_OK);
  }
  ~EncoderInputTest() override {
    transom_session_destroy(session);
    transom_close(model);
  }

  int32_t compute(transom_frame *frame) {
    int64_t tokens = frame->extents[TRANSOM_TOKENS],
            encoderInputs = frame->extents[TRANSOM_ENCODER_TOKENS],
            sequences = frame->extents[TRANSOM_SEQUENCES];
    auto list = [&](Input input, int64_t count) {
      const int32_t *from = FakeLibrary::packed(frame, input);
      return Ints(from, from + count);
    };
    seen[EncoderIds] = list(EncoderIds, encoderInputs);
    seen[EncoderOffsets] = list(EncoderOffsets, sequences + 1);
    seen[EncoderLengths] = list(EncoderLengths, sequences);
    seen[Ids] = list(Ids, tokens);
    seen[Offsets] = list(Offsets, sequences + 1);
    seen[Lengths] = list(Lengths, sequences);
    auto *made = reinterpret_cast<float *>(frame->arena);
    constexpr int64_t stride = FakeLibrary::stride;
    float *read = made + frame->padded_extents[TRANSOM_TOKENS] * stride;
    for (int64_t i = 0; i < encoderInputs; ++i)
      read[i * stride] = 2 * float(seen[EncoderIds][size_t(i)]);
    for (size_t s = 0; s < size_t(sequences); ++s) {
      int32_t sum = 0, first = seen[EncoderOffsets][s];
      for (int32_t j = 0; j < seen[EncoderLengths][s]; ++j)
        sum += seen[EncoderIds][size_t(first + j)];
      for (int32_t i = seen[Offsets][s]; i < seen[Offsets][s + 1]; ++i)
        made[i * stride] = float(seen[Ids][size_t(i)] + 1000 * sum);
    }
    frame->outputs[0] = made;
    frame->outputs[1] = read;
    return 0;
  }

  transom_status run(std::vector<transom_tensor> inputs) {
    made.assign(64, 77);
    read.assign(64, 77);
    std::vector<transom_tensor> outputs = {output("made", made),
                                           output("read", read)};
    transom_status status = transom_run(session, inputs.data(), inputs.size(),
                                        outputs.data(), outputs.size());
    for (size_t i = 0; i < 2; ++i)
      dims[i].assign(outputs[i].dims, outputs[i].dims + outputs[i].rank);
    made.resize(size(dims[0]));
    read.resize(size(dims[1]));
    return status;
  }
  static size_t size(const std::vector<int64_t> &dims) {
    int64_t result = 1;
    for (int64_t dim : dims)
      result *= dim;
    return size_t(result);
  }

  FakeLibrary fake;
  transom_model *model = nullptr;
  transom_session *session = nullptr;
  Ints seen[6];
  Floats made, read;
  std::vector<int64_t> dims[2];
  Ints encoderInputs = {1, 2, 3, 4, 5, 6}, ids = {10, 20, 30, 40};
};

TEST_F(EncoderInputTest, EachSetHasItsOwnFormAndMask) {
  Ints encoderMask = {0, 1, 1, 1, 0, 0}, mask = {1, 0, 1, 1};
  ASSERT_EQ(run({input("decoder_attention_mask", mask, {2, 2}),
                 input("input_ids", encoderInputs, {2, 3}),
                 input("decoder_input_ids", ids, {2, 2}),
                 input("attention_mask", encoderMask, {2, 3})}),
            TRANSOM_OK)
      << transom_error();
  EXPECT_THAT(seen[EncoderIds], ElementsAre(2, 3, 4));
  EXPECT_THAT(seen[EncoderOffsets], ElementsAre(0, 2, 3));
  EXPECT_THAT(seen[EncoderLengths], ElementsAre(2, 1));
  EXPECT_THAT(seen[Ids], ElementsAre(10, 30, 40));
  EXPECT_THAT(seen[Offsets], ElementsAre(0, 1, 3));
  EXPECT_THAT(seen[Lengths], ElementsAre(1, 2));
  EXPECT_THAT(dims[0], ElementsAre(2, 2));
  EXPECT_THAT(made, ElementsAre(5010, 0, 4030, 4040));
  EXPECT_THAT(dims[1], ElementsAre(2, 3));
  EXPECT_THAT(read, ElementsAre(0, 4, 6, 8, 0, 0));

  // The decoder's tokens ragged, the encoder inputs padded.
  Ints offsets = {0, 3, 4};
  ASSERT_EQ(run({input("input_ids", encoderInputs, {2, 3}),
                 input("decoder_input_ids", ids, {4}),
                 input("sequence_offsets", offsets, {3})}),
            TRANSOM_OK)
      << transom_error();
  EXPECT_THAT(dims[0], ElementsAre(4));
  EXPECT_THAT(made, ElementsAre(6010, 6020, 6030, 15040));
  EXPECT_THAT(read, ElementsAre(2, 4, 6, 8, 10, 12));

  // Both ragged; a sequence without an encoder input, an encoder input without
  // a sequence.
  Ints encoderOffsets = {0, 0, 6}, few = {0, 4, 4};
  ASSERT_EQ(run({input("input_ids", encoderInputs, {6}),
                 input("encoder_offsets", encoderOffsets, {3}),
                 input("decoder_input_ids", ids, {4}),
                 input("sequence_offsets", few, {3})}),
            TRANSOM_OK)
      << transom_error();
  EXPECT_THAT(made, ElementsAre(10, 20, 30, 40));
  EXPECT_THAT(read, ElementsAre(2, 4, 6, 8, 10, 12));
}

TEST_F(EncoderInputTest, SourcesAloneAreRead) {
  Ints none = {0, 0, 0, 0};
  ASSERT_EQ(run({input("input_ids", encoderInputs, {2, 3}),
                 input("decoder_input_ids", ids, {2, 2}),
                 input("decoder_attention_mask", none, {2, 2})}),
            TRANSOM_OK)
      << transom_error();
  EXPECT_THAT(made, ElementsAre(0, 0, 0, 0));
  EXPECT_THAT(read, ElementsAre(2, 4, 6, 8, 10, 12));
}

TEST_F(EncoderInputTest, NamesWhatDoesNotFit) {
  EXPECT_EQ(run({input("input_ids", encoderInputs, {3, 2}),
                 input("decoder_input_ids", ids, {2, 2})}),
            TRANSOM_INVALID_ARGUMENT);
  EXPECT_THAT(
      transom_error(),
      StrEq("run: expected an encoder input for each of the 2 sequences of the "
            "decoder, got 3"));
  EXPECT_EQ(run({input("input_ids", encoderInputs, {2, 3})}),
            TRANSOM_INVALID_ARGUMENT);
  EXPECT_THAT(transom_error(),
              HasSubstr("input 'decoder_input_ids' is missing"));
  EXPECT_EQ(run({input("decoder_input_ids", ids, {2, 2})}),
            TRANSOM_INVALID_ARGUMENT);
  EXPECT_THAT(transom_error(), HasSubstr("input 'input_ids' is missing"));
  Ints large = {1, 2, 3, 4, 500, 6};
  EXPECT_EQ(run({input("input_ids", large, {2, 3}),
                 input("decoder_input_ids", ids, {2, 2})}),
            TRANSOM_OUT_OF_RANGE);
  EXPECT_THAT(transom_error(),
              HasSubstr("input 'input_ids', sequence 1, position 1"));
  EXPECT_EQ(run({input("input_ids", encoderInputs, {2, 3}),
                 input("decoder_input_ids", ids, {2, 2}),
                 input("token_type_ids", encoderInputs, {2, 3})}),
            TRANSOM_INVALID_ARGUMENT);
  EXPECT_THAT(transom_error(),
              HasSubstr("expected one of 'input_ids', 'decoder_input_ids', "
                        "'attention_mask', 'encoder_offsets', "
                        "'decoder_attention_mask', 'sequence_offsets'"));
}

/// A decoder that reads its encoder input, one position later, and a result at
/// the last 5 in it.
class ShiftedTest : public EncoderInputTest {
protected:
  ShiftedTest() {
    fake.inputs[Ids].default_kind = TRANSOM_DEFAULT_SHIFTED_RIGHT;
    fake.inputs[Ids].operand = 9;
    fake.inputs.push_back(inputInfo("place", TRANSOM_ROLE_TOKEN_ROWS,
                                    TRANSOM_SEQUENCES, 0,
                                    TRANSOM_DEFAULT_LAST_EQUAL));
    fake.inputs.back().operand = 5;
    fake.program = [this](transom_frame *frame) {
      const int32_t *packed = FakeLibrary::packed(frame, Lengths + 1);
      places.assign(packed, packed + frame->extents[TRANSOM_SEQUENCES]);
      return compute(frame);
    };
    fake.update();
    transom_session_destroy(session);
    EXPECT_EQ(transom_session_create(model, nullptr, &session), TRANSOM_OK);
  }
  void expectFailure(std::vector<transom_tensor> inputs, const char *message) {
    EXPECT_EQ(run(std::move(inputs)), TRANSOM_INVALID_ARGUMENT);
    EXPECT_THAT(transom_error(), StrEq(message));
  }
  Ints places;
};

TEST_F(ShiftedTest, ReadsTheSourceOnePositionLater) {
  // What the mask hides from the encoder the decoder reads.
  Ints padded = {5, 2, 5, 5, 1, 0}, mask = {1, 1, 1, 1, 1, 0};
  ASSERT_EQ(run({input("input_ids", padded, {2, 3}),
                 input("attention_mask", mask, {2, 3})}),
            TRANSOM_OK)
      << transom_error();
  EXPECT_THAT(seen[EncoderIds], ElementsAre(5, 2, 5, 5, 1));
  EXPECT_THAT(seen[Ids], ElementsAre(9, 5, 2, 9, 5, 1));
  EXPECT_THAT(seen[Offsets], ElementsAre(0, 3, 6));
  EXPECT_THAT(seen[Lengths], ElementsAre(3, 3));
  EXPECT_THAT(places, ElementsAre(2, 3));
  EXPECT_THAT(dims[0], ElementsAre(2, 3));

  ASSERT_EQ(run({input("input_ids", padded, {2, 3}),
                 input("decoder_attention_mask", mask, {2, 3})}),
            TRANSOM_OK)
      << transom_error();
  EXPECT_THAT(seen[Ids], ElementsAre(9, 5, 2, 9, 5));
  EXPECT_THAT(places, ElementsAre(2, 3));

  Ints offsets = {0, 1, 1, 6};
  std::vector<int64_t> wide = {5, 1, 2, 3, 5, 4};
  ASSERT_EQ(run({input("input_ids", wide, {6}),
                 input("encoder_offsets", offsets, {4})}),
            TRANSOM_OK)
      << transom_error();
  EXPECT_THAT(seen[Ids], ElementsAre(9, 9, 1, 2, 3, 5));
  EXPECT_EQ(seen[Offsets], offsets);
  EXPECT_THAT(places, ElementsAre(0, -1, 4));
  EXPECT_THAT(dims[0], ElementsAre(6));
}

TEST_F(ShiftedTest, WhatIsGivenIsNotMadeOfTheSource) {
  Ints padded = {5, 2, 5, 5, 1, 0}, given = {1, 0}, mask = {1, 1, 0, 1};
  ASSERT_EQ(run({input("input_ids", padded, {2, 3}),
                 input("decoder_input_ids", ids, {2, 2}),
                 input("place", given, {2})}),
            TRANSOM_OK)
      << transom_error();
  EXPECT_EQ(seen[Ids], ids);
  EXPECT_THAT(places, ElementsAre(1, 2));
  expectFailure({input("input_ids", padded, {2, 3}),
                 input("decoder_input_ids", ids, {2, 2})},
                "run: sequence 0: expected more than 2 tokens, for the model "
                "reads its result at the encoder input's last id 5, got 2");
  padded[2] = 1;
  expectFailure({input("input_ids", padded, {2, 3}),
                 input("decoder_input_ids", ids, {2, 2}),
                 input("decoder_attention_mask", mask, {2, 2})},
                "run: sequence 1: expected a mask that keeps the token that is "
                "read, position 0");
}

TEST_F(ShiftedTest, NamesWhatTheSourceLacks) {
  Ints padded = {5, 2, 5, 4, 1, 0}, mask = {1, 1, 1, 1}, offsets = {0, 3, 6};
  expectFailure(
      {input("input_ids", padded, {2, 3})},
      "run: sequence 1: expected an encoder input with the id 5, at whose "
      "last position the model reads its result, got none");
  expectFailure({input("input_ids", padded, {2, 3}),
                 input("sequence_offsets", offsets, {3})},
                "run: input 'sequence_offsets' belongs to "
                "'decoder_input_ids', which is left out: expected both, or "
                "neither for a decoder that reads what the encoder input is");
  expectFailure({input("input_ids", padded, {2, 3}),
                 input("decoder_attention_mask", mask, {2, 2})},
                "run: input 'decoder_attention_mask': expected dims [2, 3] as "
                "of 'input_ids', got [2, 2]");
  Ints large = {5, 500, 5, 5, 1, 0};
  EXPECT_EQ(run({input("input_ids", large, {2, 3})}), TRANSOM_OUT_OF_RANGE);
  EXPECT_THAT(transom_error(),
              StrEq("run: input 'decoder_input_ids', sequence 0, position 2: "
                    "expected a value in [0, 500), got 500"));
}

TEST_F(ShiftedTest, OpenRefusesThatWithoutASource) {
  for (int input : {int(EncoderIds), int(EncoderOffsets), int(EncoderLengths)})
    fake.inputs[size_t(input)] =
        inputInfo("x", TRANSOM_ROLE_OFFSETS, TRANSOM_SEQUENCES);
  fake.outputs[1].extent = TRANSOM_TOKENS;
  fake.update();
  transom_model *other = nullptr;
  EXPECT_EQ(transom_open(&fake.library, nullptr, &other), TRANSOM_MISMATCH);
  EXPECT_THAT(
      transom_error(),
      HasSubstr("has an input that is made of encoder inputs, which it has "
                "not"));
}

} // namespace
