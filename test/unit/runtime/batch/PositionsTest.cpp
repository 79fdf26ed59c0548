//===- PositionsTest.cpp - outputs at the tokens that are asked for -------===//
#include "../FakeLibrary.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

using namespace transom::test;
using testing::Each;
using testing::ElementsAre;
using testing::StrEq;
using Ints = std::vector<int32_t>;
using Longs = std::vector<int64_t>;
using Floats = std::vector<float>;

namespace {

/// Runs a library with positions, and keeps what it saw.
class PositionsTest : public testing::Test {
protected:
  static constexpr int width = FakeLibrary::tokenWidth;

  PositionsTest() {
    fake.addPositions();
    fake.program = [this](transom_frame *frame) {
      int64_t count = frame->extents[TRANSOM_OUTPUT_POSITIONS];
      const int32_t *packed = FakeLibrary::packed(frame, FakeLibrary::Asked);
      seen.assign(packed, packed + count);
      for (int64_t i = count;
           i < frame->padded_extents[TRANSOM_OUTPUT_POSITIONS]; ++i)
        EXPECT_EQ(packed[i], -1) << i;
      return FakeLibrary::encodeAndSelect(frame);
    };
    open({});
  }
  ~PositionsTest() override { close(); }
  void close() {
    transom_session_destroy(session);
    transom_close(model);
    session = nullptr;
    model = nullptr;
  }
  void open(transom_session_options options) {
    close();
    ASSERT_EQ(transom_open(&fake.library, nullptr, &model), TRANSOM_OK)
        << transom_error();
    ASSERT_EQ(transom_session_create(model, &options, &session), TRANSOM_OK)
        << transom_error();
  }

  transom_status run(std::vector<transom_tensor> inputs) {
    logits.assign(4096, 77);
    tokens.assign(4096, 77);
    results = {output("logits", logits), output("tokens", tokens)};
    return transom_run(session, inputs.data(), inputs.size(), results.data(),
                       results.size());
  }
  void expectFailure(transom_status status, std::vector<transom_tensor> inputs,
                     const char *message) {
    EXPECT_EQ(run(inputs), status) << message;
    EXPECT_THAT(transom_error(), StrEq(message));
  }
  Longs dims() {
    return Longs(results[0].dims, results[0].dims + results[0].rank);
  }
  float logit(int64_t row, int column = 0) {
    return logits[size_t(row * width + column)];
  }
  static float value(int64_t id, int64_t position, int column = 0) {
    return 2 * tokenValue(id, 0, position, column);
  }

  FakeLibrary fake;
  transom_model *model = nullptr;
  transom_session *session = nullptr;
  std::vector<transom_tensor> results;
  Ints seen;
  Floats logits, tokens;
  Ints ids = {1, 2, 3, 4, 5, 6};
};

TEST_F(PositionsTest, ComputesTheListedOnesInTheirOrder) {
  Longs positions = {5, 0, 5};
  ASSERT_EQ(run({input("input_ids", ids, {2, 3}),
                 input("output_positions", positions, {3})}),
            TRANSOM_OK)
      << transom_error();
  EXPECT_THAT(seen, ElementsAre(5, 0, 5));
  EXPECT_THAT(dims(), ElementsAre(3, 5));
  EXPECT_EQ(logit(0, 4), value(6, 2, 4));
  EXPECT_EQ(logit(1), value(1, 0));
  EXPECT_EQ(logit(2), value(6, 2));
  EXPECT_EQ(logit(3), 77);
  // Other outputs are unchanged.
  EXPECT_EQ(results[1].rank, 3);
  EXPECT_EQ(tokens[4 * width], tokenValue(5, 0, 1, 0));
}

TEST_F(PositionsTest, CountsMaskedTokensOfThePaddedForm) {
  // Token 0 of sequence 0 is masked, but the pooler's: row 2.
  Ints mask = {0, 1, 1, 1, 0, 1}, positions = {5, 2, 1};
  ASSERT_EQ(run({input("input_ids", ids, {2, 3}),
                 input("attention_mask", mask, {2, 3}),
                 input("output_positions", positions, {3})}),
            TRANSOM_OK)
      << transom_error();
  EXPECT_THAT(seen, ElementsAre(4, 1, 0));
  EXPECT_THAT(dims(), ElementsAre(3, 5));
  EXPECT_EQ(logit(0), value(6, 2));
  EXPECT_EQ(logit(1), value(3, 2));
  EXPECT_EQ(logit(2), value(2, 1));
}

TEST_F(PositionsTest, FindsEveryTokenOfAMaskedBatch) {
  constexpr int sequences = 5, length = 13;
  Ints many, mask, positions;
  for (int i = 0; i < sequences * length; ++i) {
    many.push_back(i);
    mask.push_back(i * 7 % 5 < 3);
    if (mask.back())
      positions.push_back(i);
  }
  std::reverse(positions.begin(), positions.end());
  ASSERT_EQ(
      run({input("input_ids", many, {sequences, length}),
           input("attention_mask", mask, {sequences, length}),
           input("output_positions", positions, {int64_t(positions.size())})}),
      TRANSOM_OK)
      << transom_error();
  for (size_t i = 0; i < positions.size(); ++i)
    EXPECT_EQ(logit(int64_t(i)), value(positions[i], positions[i] % length));
}

TEST_F(PositionsTest, IsOfAllTokensWithoutAList) {
  Ints mask = {0, 1, 1, 1, 0, 1};
  ASSERT_EQ(run({input("input_ids", ids, {2, 3}),
                 input("attention_mask", mask, {2, 3})}),
            TRANSOM_OK);
  // The masked token that the pooler reads is none of them.
  EXPECT_THAT(seen, ElementsAre(0, 1, 3, 4));
  EXPECT_THAT(dims(), ElementsAre(2, 3, 5));
  EXPECT_EQ(logit(0), 0);
  EXPECT_EQ(logit(1), value(2, 1));
  EXPECT_EQ(logit(2), value(3, 2));
  EXPECT_EQ(logit(3), value(4, 0));
  EXPECT_EQ(logit(4, 4), 0);
  EXPECT_EQ(logit(5), value(6, 2));
  ASSERT_EQ(run({input("input_ids", ids, {2, 3})}), TRANSOM_OK);
  EXPECT_THAT(seen, ElementsAre(0, 1, 2, 3, 4, 5));
  EXPECT_EQ(logit(4), value(5, 1));
}

TEST_F(PositionsTest, CountsThroughTheRaggedForm) {
  Ints offsets = {0, 2, 2, 6}, positions = {3, 1};
  ASSERT_EQ(run({input("input_ids", ids, {6}),
                 input("sequence_offsets", offsets, {4}),
                 input("output_positions", positions, {2})}),
            TRANSOM_OK)
      << transom_error();
  EXPECT_THAT(dims(), ElementsAre(2, 5));
  EXPECT_EQ(logit(0), value(4, 1));
  EXPECT_EQ(logit(1), value(2, 1));
  ASSERT_EQ(run({input("input_ids", ids, {6}),
                 input("sequence_offsets", offsets, {4})}),
            TRANSOM_OK);
  EXPECT_THAT(dims(), ElementsAre(6, 5));
  EXPECT_EQ(logit(5), value(6, 3));
}

TEST_F(PositionsTest, FindsEveryTokenOfMaskedRaggedSequences) {
  Ints many, mask, positions, columns, offsets = {0};
  for (int length : {3, 0, 13, 0, 0, 1, 7, 0}) {
    for (int column = 0; column < length; ++column) {
      int index = int(many.size());
      many.push_back(index);
      mask.push_back(index * 7 % 5 < 3);
      if (mask.back()) {
        positions.push_back(index);
        columns.push_back(column);
      }
    }
    offsets.push_back(int32_t(many.size()));
  }
  std::reverse(positions.begin(), positions.end());
  std::reverse(columns.begin(), columns.end());
  auto with = [&](Ints &list) {
    return std::vector<transom_tensor>{
        input("input_ids", many, {int64_t(many.size())}),
        input("attention_mask", mask, {int64_t(mask.size())}),
        input("sequence_offsets", offsets, {int64_t(offsets.size())}),
        input("output_positions", list, {int64_t(list.size())})};
  };
  ASSERT_EQ(run(with(positions)), TRANSOM_OK) << transom_error();
  for (size_t i = 0; i < positions.size(); ++i)
    EXPECT_EQ(logit(int64_t(i)), value(positions[i], columns[i]));
  Ints hidden = {7};
  expectFailure(
      TRANSOM_INVALID_ARGUMENT, with(hidden),
      "run: input 'output_positions', number 0: expected a token that is "
      "there, got 7 (sequence 2, position 4), which 'attention_mask' hides");
}

TEST_F(PositionsTest, AnEmptyListIsNoFailure) {
  Ints none;
  ASSERT_EQ(run({input("input_ids", ids, {2, 3}),
                 input("output_positions", none, {0})}),
            TRANSOM_OK)
      << transom_error();
  EXPECT_THAT(dims(), ElementsAre(0, 5));
  EXPECT_THAT(logits, Each(77));
  EXPECT_EQ(tokens[4 * width], tokenValue(5, 0, 1, 0));
  // Nor is one of a batch without tokens.
  ASSERT_EQ(run({input("input_ids", none, {2, 0}),
                 input("output_positions", none, {0})}),
            TRANSOM_OK);
  EXPECT_THAT(dims(), ElementsAre(0, 5));
}

TEST_F(PositionsTest, IsNotPackedUnlessItIsAskedFor) {
  transom_tensor in = input("input_ids", ids, {2, 3});
  Floats room(64);
  transom_tensor out = output("tokens", room);
  ASSERT_EQ(transom_run(session, &in, 1, &out, 1), TRANSOM_OK);
  EXPECT_THAT(seen, ElementsAre());
  // Sizes alone.
  transom_tensor sizes = output("logits", room);
  sizes.data = nullptr;
  ASSERT_EQ(transom_run(session, &in, 1, &sizes, 1), TRANSOM_OK);
  EXPECT_EQ(sizes.rank, 3);
}

TEST_F(PositionsTest, NamesWhatIsNoToken) {
  Ints positions = {0, 6};
  auto with = [&](Ints &list) {
    return std::vector<transom_tensor>{
        input("input_ids", ids, {2, 3}),
        input("output_positions", list, {int64_t(list.size())})};
  };
  expectFailure(
      TRANSOM_OUT_OF_RANGE, with(positions),
      "run: input 'output_positions', number 1: expected a token's index in "
      "[0, 6), got 6");
  positions = {-1};
  expectFailure(
      TRANSOM_OUT_OF_RANGE, with(positions),
      "run: input 'output_positions', number 0: expected a token's index in "
      "[0, 6), got -1");
  Longs large = {int64_t(1) << 32};
  expectFailure(
      TRANSOM_OUT_OF_RANGE,
      {input("input_ids", ids, {2, 3}), input("output_positions", large, {1})},
      "run: input 'output_positions', number 0: expected a token's index in "
      "[0, 6), "
      "got 4294967296");
  // Not even if the pooler reads it.
  Ints mask = {1, 1, 1, 0, 1, 1};
  positions = {1, 3};
  expectFailure(
      TRANSOM_INVALID_ARGUMENT,
      {input("input_ids", ids, {2, 3}), input("attention_mask", mask, {2, 3}),
       input("output_positions", positions, {2})},
      "run: input 'output_positions', number 1: expected a token that is "
      "there, got 3 (sequence 1, position 0), which 'attention_mask' "
      "hides");
  // Where nothing is run, either.
  mask = {0, 0, 0, 0, 0, 0};
  EXPECT_EQ(run({input("input_ids", ids, {2, 3}),
                 input("attention_mask", mask, {2, 3}),
                 input("output_positions", positions, {2})}),
            TRANSOM_INVALID_ARGUMENT);
  EXPECT_EQ(fake.runs, 0);
}

TEST_F(PositionsTest, RefusesOtherShapes) {
  Ints positions = {0, 1};
  transom_tensor in = input("input_ids", ids, {2, 3});
  expectFailure(
      TRANSOM_INVALID_ARGUMENT,
      {in, input("output_positions", positions, {1, 2})},
      "run: input 'output_positions': expected rank 1, [count], got rank 2");
  transom_tensor list = input("output_positions", positions, {3});
  expectFailure(
      TRANSOM_INVALID_ARGUMENT, {in, list},
      "run: input 'output_positions': expected a capacity of 12 bytes for "
      "[3], got 8");
  list = input("output_positions", positions, {2});
  expectFailure(TRANSOM_INVALID_ARGUMENT, {in, list, list},
                "run: input 'output_positions' is given twice");
  expectFailure(TRANSOM_INVALID_ARGUMENT, {input("ids", ids, {2, 3})},
                "run: input number 0: expected one of 'input_ids', "
                "'token_type_ids', 'position_ids', 'output_positions', "
                "'attention_mask', 'sequence_offsets', got 'ids'");
  // Room for what is listed suffices, and no less.
  Floats room(9);
  std::vector<transom_tensor> given = {in, list};
  transom_tensor out = output("logits", room);
  EXPECT_EQ(transom_run(session, given.data(), 2, &out, 1),
            TRANSOM_INVALID_ARGUMENT);
  EXPECT_THAT(transom_error(),
              StrEq("run: output 'logits': expected a capacity of 40 bytes for "
                    "[2, 5], got 36"));
  room.resize(10);
  out = output("logits", room);
  EXPECT_EQ(transom_run(session, given.data(), 2, &out, 1), TRANSOM_OK);
}

// Logits over a vocabulary are a model's largest activation: memory must not
// be there for tokens without outputs.
TEST_F(PositionsTest, MemoryIsForTheListedOnes) {
  fake.forward.arena_bytes[TRANSOM_OUTPUT_POSITIONS] = 1 << 20;
  open({});
  Ints many(4096, 1), offsets, positions = {4095, 17};
  for (int i = 0; i <= 4096; i += 32)
    offsets.push_back(i);
  std::vector<transom_tensor> inputs = {
      input("input_ids", many, {4096}),
      input("sequence_offsets", offsets, {int64_t(offsets.size())}),
      input("output_positions", positions, {2})};
  Floats room(10);
  transom_tensor out = output("logits", room);
  ASSERT_EQ(transom_run(session, inputs.data(), 3, &out, 1), TRANSOM_OK)
      << transom_error();
  EXPECT_EQ(room[0], value(1, 31));
  EXPECT_EQ(room[5], value(1, 17));
  EXPECT_LT(session->arena.bytes, size_t(32) << 20);
}

TEST_F(PositionsTest, CountsAgainstTheCapacity) {
  transom_session_options options = {};
  options.max_tokens = 6;
  open(options);
  Ints positions = {0, 0, 0, 0, 0, 5};
  transom_tensor in = input("input_ids", ids, {2, 3});
  size_t reserved = session->arena.bytes;
  ASSERT_EQ(run({in, input("output_positions", positions, {6})}), TRANSOM_OK);
  ASSERT_EQ(run({in}), TRANSOM_OK);
  EXPECT_EQ(session->arena.bytes, reserved);
  positions.push_back(1);
  expectFailure(TRANSOM_EXHAUSTED,
                {in, input("output_positions", positions, {7})},
                "run: expected at most 6 positions, the session's "
                "'max_tokens', got 7");
}

TEST_F(PositionsTest, LibrariesWithoutThemKnowNoSuchInput) {
  Opened opened(1);
  Ints positions = {0};
  EXPECT_EQ(opened.run({input("input_ids", ids, {2, 3}),
                        input("output_positions", positions, {1})}),
            TRANSOM_INVALID_ARGUMENT);
  EXPECT_THAT(transom_error(),
              StrEq("run: input number 1: expected one of 'input_ids', "
                    "'token_type_ids', 'position_ids', 'attention_mask', "
                    "'sequence_offsets', got 'output_positions'"));
}

TEST_F(PositionsTest, OpensNoLibraryThatContradictsItself) {
  transom_model *other = nullptr;
  FakeLibrary broken;
  broken.outputs[0].extent = TRANSOM_OUTPUT_POSITIONS; // of no input
  broken.update();
  EXPECT_EQ(transom_open(&broken.library, nullptr, &other), TRANSOM_MISMATCH);
  fake.inputs.push_back(fake.inputs.back());
  fake.update();
  EXPECT_EQ(transom_open(&fake.library, nullptr, &other), TRANSOM_MISMATCH);
}

} // namespace
