//===- SourceTest.cpp - a decoder's sequences and their sources -----------===//
#include "FakeLibrary.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

using namespace transom::test;
using testing::ElementsAre;
using testing::HasSubstr;
using testing::StrEq;
using Ints = std::vector<int32_t>;
using Floats = std::vector<float>;

namespace {

/// An encoder and a decoder: `read` is twice a source's token, `made` a token
/// and 1000 times the sum of its source.
class SourceTest : public testing::Test {
protected:
  enum Input { SourceIds, SourceOffsets, SourceLengths, Ids, Offsets, Lengths };

  SourceTest() {
    fake.inputs = {
        inputInfo("input_ids", TRANSOM_INPUT_VALUES, TRANSOM_SOURCE_TOKENS,
                  500),
        inputInfo("so", TRANSOM_INPUT_SOURCE_OFFSETS, TRANSOM_SEQUENCES),
        inputInfo("sl", TRANSOM_INPUT_SOURCE_KEY_LENGTHS, TRANSOM_SEQUENCES),
        inputInfo("decoder_input_ids", TRANSOM_INPUT_VALUES, TRANSOM_TOKENS,
                  500),
        inputInfo("o", TRANSOM_INPUT_OFFSETS, TRANSOM_SEQUENCES),
        inputInfo("l", TRANSOM_INPUT_KEY_LENGTHS, TRANSOM_SEQUENCES)};
    constexpr int64_t bytes = 4 * FakeLibrary::stride;
    fake.outputs = {
        {"made", TRANSOM_F32, TRANSOM_TOKENS, 0, 0, 0, {}, bytes, 1},
        {"read", TRANSOM_F32, TRANSOM_SOURCE_TOKENS, 0, 0, 0, {}, bytes, 1}};
    fake.forward.arena_bytes[TRANSOM_SEQUENCES] = 0;
    fake.forward.arena_bytes[TRANSOM_SOURCE_TOKENS] = bytes;
    fake.program = [this](transom_frame *frame) { return compute(frame); };
    fake.update();
    EXPECT_EQ(transom_model_open(&fake.library, nullptr, &model), TRANSOM_OK)
        << transom_error();
    EXPECT_EQ(transom_session_create(model, nullptr, &session), TRANSOM_OK);
  }
  ~SourceTest() override {
    transom_session_destroy(session);
    transom_model_close(model);
  }

  int32_t compute(transom_frame *frame) {
    int64_t tokens = frame->extents[TRANSOM_TOKENS],
            sources = frame->extents[TRANSOM_SOURCE_TOKENS],
            sequences = frame->extents[TRANSOM_SEQUENCES];
    auto list = [&](Input input, int64_t count) {
      const int32_t *from = FakeLibrary::packed(frame, input);
      return Ints(from, from + count);
    };
    seen[SourceIds] = list(SourceIds, sources);
    seen[SourceOffsets] = list(SourceOffsets, sequences + 1);
    seen[SourceLengths] = list(SourceLengths, sequences);
    seen[Ids] = list(Ids, tokens);
    seen[Offsets] = list(Offsets, sequences + 1);
    seen[Lengths] = list(Lengths, sequences);
    auto *made = reinterpret_cast<float *>(frame->arena);
    constexpr int64_t stride = FakeLibrary::stride;
    float *read = made + frame->padded_extents[TRANSOM_TOKENS] * stride;
    for (int64_t i = 0; i < sources; ++i)
      read[i * stride] = 2 * float(seen[SourceIds][size_t(i)]);
    for (size_t s = 0; s < size_t(sequences); ++s) {
      int32_t sum = 0, first = seen[SourceOffsets][s];
      for (int32_t j = 0; j < seen[SourceLengths][s]; ++j)
        sum += seen[SourceIds][size_t(first + j)];
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
    transom_status status = transom_session_run(
        session, inputs.data(), inputs.size(), outputs.data(), outputs.size());
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
  Ints sources = {1, 2, 3, 4, 5, 6}, ids = {10, 20, 30, 40};
};

TEST_F(SourceTest, EachSetHasItsOwnFormAndMask) {
  Ints sourceMask = {0, 1, 1, 1, 0, 0}, mask = {1, 0, 1, 1};
  ASSERT_EQ(run({input("decoder_attention_mask", mask, {2, 2}),
                 input("input_ids", sources, {2, 3}),
                 input("decoder_input_ids", ids, {2, 2}),
                 input("attention_mask", sourceMask, {2, 3})}),
            TRANSOM_OK)
      << transom_error();
  EXPECT_THAT(seen[SourceIds], ElementsAre(2, 3, 4));
  EXPECT_THAT(seen[SourceOffsets], ElementsAre(0, 2, 3));
  EXPECT_THAT(seen[SourceLengths], ElementsAre(2, 1));
  EXPECT_THAT(seen[Ids], ElementsAre(10, 30, 40));
  EXPECT_THAT(seen[Offsets], ElementsAre(0, 1, 3));
  EXPECT_THAT(seen[Lengths], ElementsAre(1, 2));
  EXPECT_THAT(dims[0], ElementsAre(2, 2));
  EXPECT_THAT(made, ElementsAre(5010, 0, 4030, 4040));
  EXPECT_THAT(dims[1], ElementsAre(2, 3));
  EXPECT_THAT(read, ElementsAre(0, 4, 6, 8, 0, 0));

  // The decoder's tokens ragged, the sources padded.
  Ints offsets = {0, 3, 4};
  ASSERT_EQ(run({input("input_ids", sources, {2, 3}),
                 input("decoder_input_ids", ids, {4}),
                 input("sequence_offsets", offsets, {3})}),
            TRANSOM_OK)
      << transom_error();
  EXPECT_THAT(dims[0], ElementsAre(4));
  EXPECT_THAT(made, ElementsAre(6010, 6020, 6030, 15040));
  EXPECT_THAT(read, ElementsAre(2, 4, 6, 8, 10, 12));

  // Both ragged; a sequence without a source, a source without a sequence.
  Ints sourceOffsets = {0, 0, 6}, few = {0, 4, 4};
  ASSERT_EQ(run({input("input_ids", sources, {6}),
                 input("source_offsets", sourceOffsets, {3}),
                 input("decoder_input_ids", ids, {4}),
                 input("sequence_offsets", few, {3})}),
            TRANSOM_OK)
      << transom_error();
  EXPECT_THAT(made, ElementsAre(10, 20, 30, 40));
  EXPECT_THAT(read, ElementsAre(2, 4, 6, 8, 10, 12));
}

TEST_F(SourceTest, SourcesAloneAreRead) {
  Ints none = {0, 0, 0, 0};
  ASSERT_EQ(run({input("input_ids", sources, {2, 3}),
                 input("decoder_input_ids", ids, {2, 2}),
                 input("decoder_attention_mask", none, {2, 2})}),
            TRANSOM_OK)
      << transom_error();
  EXPECT_THAT(made, ElementsAre(0, 0, 0, 0));
  EXPECT_THAT(read, ElementsAre(2, 4, 6, 8, 10, 12));
}

TEST_F(SourceTest, NamesWhatDoesNotFit) {
  EXPECT_EQ(run({input("input_ids", sources, {3, 2}),
                 input("decoder_input_ids", ids, {2, 2})}),
            TRANSOM_INVALID_ARGUMENT);
  EXPECT_THAT(transom_error(),
              StrEq("run: expected a source for each of the 2 sequences of the "
                    "decoder, got 3"));
  EXPECT_EQ(run({input("input_ids", sources, {2, 3})}),
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
  EXPECT_EQ(run({input("input_ids", sources, {2, 3}),
                 input("decoder_input_ids", ids, {2, 2}),
                 input("token_type_ids", sources, {2, 3})}),
            TRANSOM_INVALID_ARGUMENT);
  EXPECT_THAT(transom_error(),
              HasSubstr("expected one of 'input_ids', 'decoder_input_ids', "
                        "'decoder_attention_mask', 'sequence_offsets', "
                        "'attention_mask', 'source_offsets'"));
}

} // namespace
