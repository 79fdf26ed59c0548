//===- BatchPackerTest.cpp - packing, scattering, and how it can fail -----===//
//--===//
#include "../FakeLibrary.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

using namespace transom::test;
using testing::ElementsAre;
using testing::HasSubstr;
using testing::StrEq;
using Ints = std::vector<int32_t>;
using Longs = std::vector<int64_t>;
using Floats = std::vector<float>;

namespace {

/// Runs the default program, and keeps what it saw.
class BatchPackerTest : public testing::Test {
protected:
  BatchPackerTest() {
    opened.fake.program = [this](transom_frame *frame) {
      int64_t tokens = frame->extents[TRANSOM_TOKENS],
              sequences = frame->extents[TRANSOM_SEQUENCES];
      for (int i = 0; i < 3; ++i)
        seen[i] = take(frame, i, tokens, 0);
      seen[FakeLibrary::Offsets] =
          take(frame, FakeLibrary::Offsets, sequences + 1, int32_t(tokens));
      seen[FakeLibrary::Lengths] =
          take(frame, FakeLibrary::Lengths, sequences, 0);
      for (size_t i = FakeLibrary::Rows; i < opened.fake.inputs.size(); ++i)
        seen[i] = take(frame, int(i), sequences, -1);
      return FakeLibrary::encode(frame);
    };
  }
  /// A packed input, and that it is padded with `padding`.
  static Ints take(transom_frame *frame, int number, int64_t count,
                   int32_t padding) {
    const int32_t *packed = FakeLibrary::packed(frame, number);
    for (int64_t i = count; i < (count + 15) / 16 * 16; ++i)
      EXPECT_EQ(packed[i], padding) << number << " at " << i;
    return Ints(packed, packed + count);
  }
  transom_status run(std::vector<transom_tensor> inputs) {
    tokens.assign(4096, 77);
    pooled.assign(4096, 77);
    return opened.run(inputs,
                      {output("tokens", tokens), output("pooled", pooled)});
  }
  void expectFailure(transom_status status, std::vector<transom_tensor> inputs,
                     const char *message) {
    EXPECT_EQ(run(inputs), status) << message;
    EXPECT_THAT(transom_error(), StrEq(message));
  }
  /// The dims of output 0 or 1 after a run.
  Longs dims(int number) {
    const transom_tensor &tensor = opened.results[size_t(number)];
    return Longs(tensor.dims, tensor.dims + tensor.rank);
  }
  float token(int64_t row, int column = 0) {
    return tokens[size_t(row) * 5 + size_t(column)];
  }
  float pool(int64_t row, int column = 0) {
    return pooled[size_t(row) * 3 + size_t(column)];
  }
  Opened opened{1};
  Ints seen[8];
  Floats tokens, pooled;
  Ints ids = {1, 2, 3, 4, 5, 6};
};

//===----------------------------------------------------------------------===//
// The padded form
//===----------------------------------------------------------------------===//

TEST_F(BatchPackerTest, PacksAFullBatch) {
  ASSERT_EQ(run({input("input_ids", ids, {2, 3})}), TRANSOM_OK);
  EXPECT_EQ(seen[FakeLibrary::Ids], ids);
  EXPECT_THAT(seen[FakeLibrary::Types], ElementsAre(0, 0, 0, 0, 0, 0));
  EXPECT_THAT(seen[FakeLibrary::Positions], ElementsAre(0, 1, 2, 0, 1, 2));
  EXPECT_THAT(seen[FakeLibrary::Offsets], ElementsAre(0, 3, 6));
  EXPECT_THAT(seen[FakeLibrary::Lengths], ElementsAre(3, 3));
  EXPECT_THAT(seen[FakeLibrary::Rows], ElementsAre(0, 3));
  EXPECT_THAT(dims(0), ElementsAre(2, 3, 5));
  EXPECT_THAT(dims(1), ElementsAre(2, 3));
  EXPECT_EQ(token(4, 3), tokenValue(5, 0, 1, 3));
  EXPECT_EQ(pool(1, 2), tokenValue(4, 0, 0, 2) + 3);
}

TEST_F(BatchPackerTest, LeavesOutWhatIsMaskedOnTheRight) {
  Ints mask = {1, 1, 0, 1, 0, 0};
  ASSERT_EQ(run({input("input_ids", ids, {2, 3}),
                 input("attention_mask", mask, {2, 3})}),
            TRANSOM_OK);
  EXPECT_THAT(seen[FakeLibrary::Ids], ElementsAre(1, 2, 4));
  EXPECT_THAT(seen[FakeLibrary::Positions], ElementsAre(0, 1, 0));
  EXPECT_THAT(seen[FakeLibrary::Offsets], ElementsAre(0, 2, 3));
  EXPECT_THAT(seen[FakeLibrary::Lengths], ElementsAre(2, 1));
  EXPECT_THAT(seen[FakeLibrary::Rows], ElementsAre(0, 2));
  for (int64_t row : {2, 4, 5})
    for (int c = 0; c < 5; ++c)
      EXPECT_EQ(token(row, c), 0) << row << ", " << c;
  EXPECT_EQ(token(1), tokenValue(2, 0, 1, 0));
  EXPECT_EQ(token(3), tokenValue(4, 0, 0, 0));
  EXPECT_EQ(tokens[30], 77) << "beyond the output";
}

TEST_F(BatchPackerTest, KeepsAMaskedTokenThatIsSelectedAsTheLastQuery) {
  Ints mask = {0, 1, 1, 0, 0, 1};
  Ints types = {1, 0, 0, 1, 0, 0};
  ASSERT_EQ(run({input("attention_mask", mask, {2, 3}),
                 input("token_type_ids", types, {2, 3}),
                 input("input_ids", ids, {2, 3})}),
            TRANSOM_OK);
  EXPECT_THAT(seen[FakeLibrary::Ids], ElementsAre(2, 3, 1, 6, 4));
  EXPECT_THAT(seen[FakeLibrary::Types], ElementsAre(0, 0, 1, 0, 1));
  EXPECT_THAT(seen[FakeLibrary::Positions], ElementsAre(1, 2, 0, 2, 0));
  EXPECT_THAT(seen[FakeLibrary::Offsets], ElementsAre(0, 3, 5));
  EXPECT_THAT(seen[FakeLibrary::Lengths], ElementsAre(2, 1));
  EXPECT_THAT(seen[FakeLibrary::Rows], ElementsAre(2, 4));
  EXPECT_EQ(pool(0), tokenValue(1, 1, 0, 0) + 2);
  EXPECT_EQ(pool(1), tokenValue(4, 1, 0, 0) + 1);
  EXPECT_EQ(token(0), 0) << "a token output shows nothing that is masked";
  EXPECT_EQ(token(1), tokenValue(2, 0, 1, 0));
  EXPECT_EQ(token(3), 0);
  EXPECT_EQ(token(5), tokenValue(6, 0, 2, 0));
}

TEST_F(BatchPackerTest, FindsTheLastTokens) {
  opened.fake.inputs[FakeLibrary::Rows].default_kind = TRANSOM_DEFAULT_LAST;
  Ints mask = {0, 1, 1, 1, 0, 1};
  ASSERT_EQ(run({input("input_ids", ids, {2, 3}),
                 input("attention_mask", mask, {2, 3})}),
            TRANSOM_OK);
  EXPECT_THAT(seen[FakeLibrary::Rows], ElementsAre(1, 3));
  Ints offsets = {0, 1, 1, 6};
  ASSERT_EQ(run({input("input_ids", ids, {6}),
                 input("sequence_offsets", offsets, {4})}),
            TRANSOM_OK);
  EXPECT_THAT(seen[FakeLibrary::Rows], ElementsAre(0, -1, 5));
  mask[5] = 0;
  expectFailure(
      TRANSOM_INVALID_ARGUMENT,
      {input("input_ids", ids, {2, 3}), input("attention_mask", mask, {2, 3})},
      "run: sequence 1: expected a mask that keeps the last token, "
      "position 2");
}

TEST_F(BatchPackerTest, FindsTheLastTokensThatAreNoPadding) {
  opened.fake.inputs[FakeLibrary::Rows].default_kind =
      TRANSOM_DEFAULT_LAST_NON_PADDING;
  opened.fake.inputs[FakeLibrary::Rows].operand = 6;
  Ints padded = {1, 6, 3, 4, 5, 6, 6, 6, 6};
  Ints mask = {1, 0, 1, 1, 1, 0, 1, 0, 0};
  ASSERT_EQ(run({input("input_ids", padded, {3, 3}),
                 input("attention_mask", mask, {3, 3})}),
            TRANSOM_OK);
  EXPECT_THAT(seen[FakeLibrary::Rows], ElementsAre(1, 3, 4));
  ASSERT_EQ(run({input("input_ids", padded, {3, 3})}), TRANSOM_OK);
  EXPECT_THAT(seen[FakeLibrary::Rows], ElementsAre(2, 4, 6));
  mask[4] = 0;
  expectFailure(TRANSOM_INVALID_ARGUMENT,
                {input("input_ids", padded, {3, 3}),
                 input("attention_mask", mask, {3, 3})},
                "run: sequence 1: expected a mask that keeps the last token "
                "that is not padding, position 1");
}

TEST_F(BatchPackerTest, FindsTheFirstTokens) {
  opened.fake.inputs[FakeLibrary::Rows].default_kind = TRANSOM_DEFAULT_FIRST;
  Ints offsets = {0, 1, 1, 6};
  ASSERT_EQ(run({input("input_ids", ids, {6}),
                 input("sequence_offsets", offsets, {4})}),
            TRANSOM_OK);
  EXPECT_THAT(seen[FakeLibrary::Rows], ElementsAre(0, -1, 1));
  Ints mask = {1, 0, 1, 0, 1, 1};
  expectFailure(
      TRANSOM_INVALID_ARGUMENT,
      {input("input_ids", ids, {2, 3}), input("attention_mask", mask, {2, 3})},
      "run: sequence 1: expected a mask that keeps the first token, "
      "position 0");
}

TEST_F(BatchPackerTest, TakesPlacesOfTokens) {
  opened.fake.inputs[FakeLibrary::Rows].default_kind = TRANSOM_DEFAULT_LAST;
  Ints mask = {0, 1, 1, 1, 1, 0, 0, 0, 0}, rows = {2, 0, 77};
  Ints padded = {1, 2, 3, 4, 5, 6, 7, 8, 9};
  ASSERT_EQ(run({input("first", rows, {3}), input("input_ids", padded, {3, 3}),
                 input("attention_mask", mask, {3, 3})}),
            TRANSOM_OK)
      << transom_error();
  EXPECT_THAT(seen[FakeLibrary::Rows], ElementsAre(1, 2, -1));
  EXPECT_EQ(pool(0), tokenValue(3, 0, 2, 0) + 2);
  EXPECT_EQ(pool(1), tokenValue(4, 0, 0, 0) + 2);
  EXPECT_EQ(pool(2), 0) << "a sequence without tokens";
  Ints offsets = {0, 2, 2, 6};
  Longs places = {0, -5, 3};
  ASSERT_EQ(run({input("input_ids", ids, {6}), input("first", places, {3}),
                 input("sequence_offsets", offsets, {4})}),
            TRANSOM_OK)
      << transom_error();
  EXPECT_THAT(seen[FakeLibrary::Rows], ElementsAre(0, -1, 5));
}

TEST_F(BatchPackerTest, RefusesPlacesWhereNoTokenIs) {
  opened.fake.inputs[FakeLibrary::Rows].default_kind = TRANSOM_DEFAULT_LAST;
  Ints places = {2, 1}, mask = {1, 1, 1, 1, 0, 1}, offsets = {0, 4, 6};
  auto give = [&](std::vector<int64_t> dims) {
    return std::vector<transom_tensor>{input("input_ids", ids, {2, 3}),
                                       input("attention_mask", mask, {2, 3}),
                                       input("first", places, dims)};
  };
  expectFailure(TRANSOM_INVALID_ARGUMENT, give({2}),
                "run: input 'first', sequence 1: expected the position of a "
                "token that is there, got 1, which 'attention_mask' hides");
  places[1] = 3;
  expectFailure(TRANSOM_OUT_OF_RANGE, give({2}),
                "run: input 'first', sequence 1: expected a token's position "
                "in [0, 3), got 3");
  places[1] = -1;
  expectFailure(TRANSOM_OUT_OF_RANGE, give({2}),
                "run: input 'first', sequence 1: expected a token's position "
                "in [0, 3), got -1");
  places[1] = 2;
  expectFailure(TRANSOM_OUT_OF_RANGE,
                {input("input_ids", ids, {6}), input("first", places, {2}),
                 input("sequence_offsets", offsets, {3})},
                "run: input 'first', sequence 1: expected a token's position "
                "in [0, 2), got 2");
  expectFailure(TRANSOM_INVALID_ARGUMENT, give({1}),
                "run: input 'first': expected dims [2], one for each sequence, "
                "got [1]");
  expectFailure(TRANSOM_INVALID_ARGUMENT, give({2, 1}),
                "run: input 'first': expected rank 1, [sequences], got rank 2");
}

TEST_F(BatchPackerTest, PlacesThatTheModelChoosesAreNoInputs) {
  Ints places = {0, 0};
  expectFailure(TRANSOM_INVALID_ARGUMENT,
                {input("input_ids", ids, {2, 3}), input("first", places, {2})},
                "run: input number 1: expected one of 'input_ids', "
                "'token_type_ids', 'position_ids', 'attention_mask', "
                "'sequence_offsets', got 'first'");
}

TEST_F(BatchPackerTest, KeepsSelectedTokensOnceEach) {
  opened.fake.inputs.push_back({"again", TRANSOM_I32, TRANSOM_ROLE_TOKEN_ROWS,
                                0, TRANSOM_SEQUENCES, 0, 0});
  opened.fake.inputs.push_back({"third", TRANSOM_I32, TRANSOM_ROLE_TOKEN_ROWS,
                                0, TRANSOM_SEQUENCES, 2, 0});
  opened.fake.update();
  transom_session_destroy(opened.session);
  ASSERT_EQ(transom_session_create(opened.model, nullptr, &opened.session),
            TRANSOM_OK);
  Ints mask = {0, 1, 0, 0, 1, 1};
  ASSERT_EQ(run({input("input_ids", ids, {2, 3}),
                 input("attention_mask", mask, {2, 3})}),
            TRANSOM_OK);
  EXPECT_THAT(seen[FakeLibrary::Ids], ElementsAre(2, 1, 3, 5, 6, 4));
  EXPECT_THAT(seen[FakeLibrary::Lengths], ElementsAre(1, 2));
  EXPECT_THAT(seen[FakeLibrary::Rows], ElementsAre(1, 5));
  EXPECT_THAT(seen[6], ElementsAre(1, 5));
  EXPECT_THAT(seen[7], ElementsAre(2, 4));
}

TEST_F(BatchPackerTest, SkipsHoles) {
  Longs mask = {1, 0, 1, 0, 1, 9};
  ASSERT_EQ(run({input("input_ids", ids, {1, 6}),
                 input("attention_mask", mask, {1, 6})}),
            TRANSOM_OK);
  EXPECT_THAT(seen[FakeLibrary::Ids], ElementsAre(1, 3, 5, 6));
  EXPECT_THAT(seen[FakeLibrary::Positions], ElementsAre(0, 2, 4, 5));
  EXPECT_EQ(token(1), 0);
  EXPECT_EQ(token(2), tokenValue(3, 0, 2, 0));
  EXPECT_EQ(token(5), tokenValue(6, 0, 5, 0));
}

TEST_F(BatchPackerTest, RefusesHolesWhereTokensMustFollowOneAnother) {
  opened.fake.inputs[FakeLibrary::Lengths].operand = 1;
  Ints around = {0, 1, 0, 1, 1, 0}, none = {0, 0, 0, 1, 0, 0};
  for (Ints *mask : {&around, &none})
    EXPECT_EQ(run({input("input_ids", ids, {2, 3}),
                   input("attention_mask", *mask, {2, 3})}),
              TRANSOM_OK);
  Ints hole = {1, 1, 0, 1, 0, 1};
  expectFailure(
      TRANSOM_INVALID_ARGUMENT,
      {input("input_ids", ids, {2, 3}), input("attention_mask", hole, {2, 3})},
      "run: input 'attention_mask', sequence 1, position 1: expected "
      "no hidden token between others, for this model has relative "
      "positions, got one");
}

TEST_F(BatchPackerTest, GivesZerosWhereAllIsMasked) {
  Ints mask = {0, 0, 0, 1, 1, 1};
  ASSERT_EQ(run({input("input_ids", ids, {2, 3}),
                 input("attention_mask", mask, {2, 3})}),
            TRANSOM_OK);
  EXPECT_THAT(seen[FakeLibrary::Offsets], ElementsAre(0, 1, 4));
  EXPECT_THAT(seen[FakeLibrary::Lengths], ElementsAre(0, 3));
  EXPECT_EQ(pool(0), 0);
  EXPECT_EQ(pool(1), tokenValue(4, 0, 0, 0) + 3);
  EXPECT_EQ(token(2), 0);
  EXPECT_EQ(token(3), tokenValue(4, 0, 0, 0));
}

TEST_F(BatchPackerTest, TakesValuesThatAreGiven) {
  Longs types = {0, 1, 1}, positions = {7, 39, 0}, longIds = {0, 499, 3};
  ASSERT_EQ(run({input("position_ids", positions, {3, 1}),
                 input("token_type_ids", types, {3, 1}),
                 input("input_ids", longIds, {3, 1})}),
            TRANSOM_OK);
  EXPECT_THAT(seen[FakeLibrary::Ids], ElementsAre(0, 499, 3));
  EXPECT_THAT(seen[FakeLibrary::Types], ElementsAre(0, 1, 1));
  EXPECT_THAT(seen[FakeLibrary::Positions], ElementsAre(7, 39, 0));
}

TEST_F(BatchPackerTest, FillsOnesByDefaultWhereTheLibrarySaysSo) {
  opened.fake.inputs[FakeLibrary::Types].default_kind = TRANSOM_DEFAULT_ONES;
  ASSERT_EQ(run({input("input_ids", ids, {2, 3})}), TRANSOM_OK);
  EXPECT_THAT(seen[FakeLibrary::Types], ElementsAre(1, 1, 1, 1, 1, 1));
}

TEST_F(BatchPackerTest, ReadsUnalignedTensors) {
  std::vector<char> bytes(1 + 6 * 8);
  Longs values = {1, 2, 3, 4, 5, 6};
  memcpy(bytes.data() + 1, values.data(), 48);
  transom_tensor tensor = input("input_ids", values, {2, 3});
  tensor.data = bytes.data() + 1;
  ASSERT_EQ(run({tensor}), TRANSOM_OK);
  EXPECT_EQ(seen[FakeLibrary::Ids], ids);
}

TEST_F(BatchPackerTest, AnEmptyBatchIsNoFailure) {
  for (Longs shape : {Longs{0, 0}, Longs{0, 7}, Longs{3, 0}}) {
    Ints none;
    opened.fake.runs = 0;
    ASSERT_EQ(run({input("input_ids", none, shape)}), TRANSOM_OK)
        << transom_error();
    EXPECT_EQ(opened.fake.runs, 0);
    EXPECT_THAT(dims(0), ElementsAre(shape[0], shape[1], 5));
    EXPECT_THAT(dims(1), ElementsAre(shape[0], 3));
    EXPECT_EQ(tokens[0], 77);
    EXPECT_EQ(pooled[0], shape[0] ? 0 : 77);
    EXPECT_EQ(pooled[size_t(shape[0]) * 3], 77);
  }
}

TEST_F(BatchPackerTest, ABatchOfMaskedTokensThatNobodySelectsIsNotRun) {
  opened.fake.inputs[FakeLibrary::Rows].operand = 5;
  Ints mask(6, 0);
  ASSERT_EQ(run({input("input_ids", ids, {2, 3}),
                 input("attention_mask", mask, {2, 3})}),
            TRANSOM_OK);
  EXPECT_EQ(opened.fake.runs, 0);
  for (int i = 0; i < 30; ++i)
    EXPECT_EQ(tokens[size_t(i)], 0);
  EXPECT_EQ(pool(1, 2), 0);
}

//===----------------------------------------------------------------------===//
// The ragged form
//===----------------------------------------------------------------------===//

TEST_F(BatchPackerTest, TakesRaggedSequences) {
  Ints offsets = {0, 2, 2, 6};
  ASSERT_EQ(run({input("input_ids", ids, {6}),
                 input("sequence_offsets", offsets, {4})}),
            TRANSOM_OK);
  EXPECT_EQ(seen[FakeLibrary::Ids], ids);
  EXPECT_THAT(seen[FakeLibrary::Positions], ElementsAre(0, 1, 0, 1, 2, 3));
  EXPECT_EQ(seen[FakeLibrary::Offsets], offsets);
  EXPECT_THAT(seen[FakeLibrary::Lengths], ElementsAre(2, 0, 4));
  EXPECT_THAT(seen[FakeLibrary::Rows], ElementsAre(0, -1, 2));
  EXPECT_THAT(dims(0), ElementsAre(6, 5));
  EXPECT_THAT(dims(1), ElementsAre(3, 3));
  EXPECT_EQ(token(5, 1), tokenValue(6, 0, 3, 1));
  EXPECT_EQ(pool(0), tokenValue(1, 0, 0, 0) + 2);
  EXPECT_EQ(pool(1), 0) << "a sequence without tokens";
  EXPECT_EQ(pool(2), tokenValue(3, 0, 0, 0) + 4);
  EXPECT_EQ(pooled[9], 77);
}

TEST_F(BatchPackerTest, LeavesOutWhatIsMaskedOfRaggedSequences) {
  // As if each were padded: columns count what is masked.
  Ints offsets = {0, 2, 2, 6}, mask = {1, 0, 0, 1, 0, 1};
  ASSERT_EQ(
      run({input("input_ids", ids, {6}), input("attention_mask", mask, {6}),
           input("sequence_offsets", offsets, {4})}),
      TRANSOM_OK)
      << transom_error();
  EXPECT_THAT(seen[FakeLibrary::Ids], ElementsAre(1, 4, 6, 3));
  EXPECT_THAT(seen[FakeLibrary::Positions], ElementsAre(0, 1, 3, 0));
  EXPECT_THAT(seen[FakeLibrary::Offsets], ElementsAre(0, 1, 1, 4));
  EXPECT_THAT(seen[FakeLibrary::Lengths], ElementsAre(1, 0, 2));
  EXPECT_THAT(seen[FakeLibrary::Rows], ElementsAre(0, -1, 3));
  EXPECT_THAT(dims(0), ElementsAre(6, 5));
  EXPECT_EQ(token(0), tokenValue(1, 0, 0, 0));
  for (int64_t row : {1, 2, 4})
    EXPECT_EQ(token(row), 0) << row;
  EXPECT_EQ(token(3), tokenValue(4, 0, 1, 0));
  EXPECT_EQ(token(5), tokenValue(6, 0, 3, 0));
  EXPECT_EQ(tokens[30], 77) << "beyond the output";
  EXPECT_EQ(pool(1), 0) << "a sequence without tokens";
  opened.fake.inputs[FakeLibrary::Lengths].operand = 1;
  expectFailure(TRANSOM_INVALID_ARGUMENT,
                {input("input_ids", ids, {6}),
                 input("attention_mask", mask, {6}),
                 input("sequence_offsets", offsets, {4})},
                "run: input 'attention_mask', sequence 2, position 2: expected "
                "no hidden token between others, for this model has relative "
                "positions, got one");
}

TEST_F(BatchPackerTest, TakesNoRaggedSequences) {
  Ints none;
  Longs offsets = {0};
  ASSERT_EQ(run({input("input_ids", none, {0}),
                 input("sequence_offsets", offsets, {1})}),
            TRANSOM_OK);
  EXPECT_THAT(dims(0), ElementsAre(0, 5));
  EXPECT_THAT(dims(1), ElementsAre(0, 3));
  EXPECT_EQ(pooled[0], 77);
  offsets = {0, 0, 0};
  ASSERT_EQ(run({input("input_ids", none, {0}),
                 input("sequence_offsets", offsets, {3})}),
            TRANSOM_OK);
  EXPECT_EQ(pooled[5], 0);
  EXPECT_EQ(pooled[6], 77);
}

//===----------------------------------------------------------------------===//
// Failures
//===----------------------------------------------------------------------===//

TEST_F(BatchPackerTest, NamesValuesOutOfRange) {
  ids[4] = 500;
  expectFailure(TRANSOM_OUT_OF_RANGE, {input("input_ids", ids, {2, 3})},
                "run: input 'input_ids', sequence 1, position 1: expected a "
                "value in [0, 500), got 500");
  ids[4] = -1;
  expectFailure(TRANSOM_OUT_OF_RANGE, {input("input_ids", ids, {2, 3})},
                "run: input 'input_ids', sequence 1, position 1: expected a "
                "value in [0, 500), got -1");
  Longs longIds = {int64_t(1) << 40};
  expectFailure(TRANSOM_OUT_OF_RANGE, {input("input_ids", longIds, {1, 1})},
                "run: input 'input_ids', sequence 0, position 0: expected a "
                "value in [0, 500), got 1099511627776");
  opened.fake.inputs[0].bound = 0;
  expectFailure(TRANSOM_OUT_OF_RANGE, {input("input_ids", longIds, {1, 1})},
                "run: input 'input_ids', sequence 0, position 0: expected a "
                "value in [-2147483648, 2147483648), got 1099511627776");
  Ints offsets = {0, 4, 6}, types = {0, 0, 0, 0, 1, 2};
  expectFailure(TRANSOM_OUT_OF_RANGE,
                {input("input_ids", types, {6}),
                 input("token_type_ids", types, {6}),
                 input("sequence_offsets", offsets, {3})},
                "run: input 'token_type_ids', sequence 1, position 1: expected "
                "a value in [0, 2), got 2");
}

TEST_F(BatchPackerTest, IgnoresValuesThatAreMasked) {
  ids[2] = 12345;
  Ints mask = {1, 1, 0, 1, 1, 1};
  EXPECT_EQ(run({input("input_ids", ids, {2, 3}),
                 input("attention_mask", mask, {2, 3})}),
            TRANSOM_OK);
  // But not if it is selected, since it is looked up then.
  mask = {1, 1, 1, 0, 1, 1};
  ids = {1, 1, 1, 12345, 1, 1};
  EXPECT_EQ(run({input("input_ids", ids, {2, 3}),
                 input("attention_mask", mask, {2, 3})}),
            TRANSOM_OUT_OF_RANGE);
}

TEST_F(BatchPackerTest, SaysThatASequenceIsTooLong) {
  Ints many(82, 1);
  expectFailure(TRANSOM_OUT_OF_RANGE, {input("input_ids", many, {2, 41})},
                "run: sequence 0: length 41 exceeds the maximum 40 (of "
                "'position_ids')");
  EXPECT_EQ(run({input("input_ids", many, {2, 40})}), TRANSOM_OK);
  Ints offsets = {0, 40, 82};
  expectFailure(
      TRANSOM_OUT_OF_RANGE,
      {input("input_ids", many, {82}), input("sequence_offsets", offsets, {3})},
      "run: sequence 1: length 42 exceeds the maximum 40 (of "
      "'position_ids')");
  // Masked columns at the end don't count.
  Ints mask(82, 1);
  mask[40] = mask[81] = 0;
  EXPECT_EQ(run({input("input_ids", many, {2, 41}),
                 input("attention_mask", mask, {2, 41})}),
            TRANSOM_OK);
  // Positions of the caller's have bounds of their own.
  Ints positions(82, 39);
  EXPECT_EQ(run({input("input_ids", many, {2, 41}),
                 input("position_ids", positions, {2, 41})}),
            TRANSOM_OK);
}

/// As RoBERTa has it: from padding + 1, over the ids that are not padding.
TEST_F(BatchPackerTest, CountsPositionsOfWhatIsNotPadding) {
  transom_input_info &info = opened.fake.inputs[FakeLibrary::Positions];
  info.default_kind = TRANSOM_DEFAULT_PADDING_AWARE_POSITION_IDS;
  info.operand = 4;
  const Ints &positions = seen[FakeLibrary::Positions];
  Ints ids = {7, 4, 8, 4, 4, 9}, mask = {1, 1, 1, 1, 0, 1};
  ASSERT_EQ(run({input("input_ids", ids, {2, 3})}), TRANSOM_OK);
  EXPECT_THAT(positions, ElementsAre(5, 4, 6, 4, 4, 5));
  ASSERT_EQ(run({input("input_ids", ids, {2, 3}),
                 input("attention_mask", mask, {2, 3})}),
            TRANSOM_OK);
  EXPECT_THAT(positions, ElementsAre(5, 4, 6, 4, 5));
  // What is masked is counted, too; a masked first token stands last.
  mask = {0, 1, 1, 0, 1, 1};
  ids = {7, 4, 8, 9, 9, 9};
  ASSERT_EQ(run({input("input_ids", ids, {2, 3}),
                 input("attention_mask", mask, {2, 3})}),
            TRANSOM_OK);
  EXPECT_THAT(positions, ElementsAre(4, 6, 5, 6, 7, 5));

  // 40 positions, of which 5 are not for tokens.
  Ints many(82, 1);
  ASSERT_EQ(run({input("input_ids", many, {2, 35})}), TRANSOM_OK);
  expectFailure(TRANSOM_OUT_OF_RANGE, {input("input_ids", many, {2, 41})},
                "run: sequence 0: length 41 exceeds the maximum 35 (of "
                "'position_ids')");
  many[3] = many[9] = 4;
  EXPECT_EQ(run({input("input_ids", many, {1, 37})}), TRANSOM_OK);
}

TEST_F(BatchPackerTest, NamesUnknownInputs) {
  expectFailure(TRANSOM_INVALID_ARGUMENT, {input("ids", ids, {2, 3})},
                "run: input number 0: expected one of 'input_ids', "
                "'token_type_ids', 'position_ids', 'attention_mask', "
                "'sequence_offsets', got 'ids'");
  // Generated code's own inputs are none of the caller's.
  EXPECT_EQ(run({input("offsets", ids, {2, 3})}), TRANSOM_INVALID_ARGUMENT);
}

TEST_F(BatchPackerTest, NamesMissingAndRepeatedInputs) {
  expectFailure(TRANSOM_INVALID_ARGUMENT,
                {input("token_type_ids", ids, {2, 3})},
                "run: input 'input_ids' is missing: expected [batch, length] "
                "of int32 or int64");
  expectFailure(
      TRANSOM_INVALID_ARGUMENT,
      {input("input_ids", ids, {2, 3}), input("input_ids", ids, {2, 3})},
      "run: input 'input_ids' is given twice");
  expectFailure(TRANSOM_INVALID_ARGUMENT, {},
                "run: input 'input_ids' is missing: expected [batch, length] "
                "of int32 or int64");
  for (int i = 0; i < 3; ++i)
    opened.fake.inputs[size_t(i)].default_kind = TRANSOM_DEFAULT_ZEROS;
  expectFailure(TRANSOM_INVALID_ARGUMENT, {},
                "run: expected at least one input, got none");
}

TEST_F(BatchPackerTest, RefusesOtherRanksAndDims) {
  expectFailure(TRANSOM_INVALID_ARGUMENT, {input("input_ids", ids, {6})},
                "run: input 'input_ids': expected rank 2, [batch, length], got "
                "rank 1");
  expectFailure(
      TRANSOM_INVALID_ARGUMENT,
      {input("input_ids", ids, {2, 3}), input("token_type_ids", ids, {3, 2})},
      "run: input 'token_type_ids': expected dims [2, 3] as of "
      "'input_ids', got [3, 2]");
  expectFailure(TRANSOM_INVALID_ARGUMENT, {input("input_ids", ids, {-2, 3})},
                "run: input 'input_ids': expected dims of 0 or more, got "
                "[-2, 3]");
  expectFailure(TRANSOM_INVALID_ARGUMENT,
                {input("input_ids", ids, {int64_t(1) << 40, 0})},
                "run: input 'input_ids': expected fewer than 2147483647 "
                "tokens, got [1099511627776, 0]");
  expectFailure(TRANSOM_INVALID_ARGUMENT,
                {input("input_ids", ids, {100000, 100000})},
                "run: input 'input_ids': expected fewer than 2147483647 "
                "tokens, got [100000, 100000]");
  transom_tensor wide = input("input_ids", ids, {2, 3});
  wide.rank = 1 << 30;
  EXPECT_EQ(run({wide}), TRANSOM_INVALID_ARGUMENT);
  wide.rank = -1;
  EXPECT_EQ(run({wide}), TRANSOM_INVALID_ARGUMENT);
}

TEST_F(BatchPackerTest, RefusesOtherDtypesAndPointers) {
  transom_tensor tensor = input("input_ids", ids, {2, 3});
  tensor.dtype = TRANSOM_FLOAT32;
  expectFailure(TRANSOM_INVALID_ARGUMENT, {tensor},
                "run: input 'input_ids': expected dtype int32 (1) or int64 "
                "(2), got 0");
  tensor = input("input_ids", ids, {2, 3});
  tensor.data = nullptr;
  expectFailure(TRANSOM_INVALID_ARGUMENT, {tensor},
                "run: input 'input_ids': expected data for [2, 3], got a null "
                "pointer");
  tensor = input("input_ids", ids, {2, 3});
  tensor.capacity = 23;
  expectFailure(TRANSOM_INVALID_ARGUMENT, {tensor},
                "run: input 'input_ids': expected a capacity of 24 bytes for "
                "[2, 3], got 23");
  tensor.name = nullptr;
  expectFailure(TRANSOM_INVALID_ARGUMENT, {tensor},
                "run: input number 0: expected a name, got a null pointer");
  EXPECT_EQ(transom_run(opened.session, nullptr, 1, nullptr, 0),
            TRANSOM_INVALID_ARGUMENT);
  EXPECT_THAT(transom_error(), HasSubstr("'inputs' expects 1 tensors"));
}

TEST_F(BatchPackerTest, RefusesBadOffsets) {
  auto with = [&](Ints &offsets) {
    return std::vector<transom_tensor>{
        input("input_ids", ids, {6}),
        input("sequence_offsets", offsets, {int64_t(offsets.size())})};
  };
  Ints offsets = {1, 6};
  expectFailure(TRANSOM_INVALID_ARGUMENT, with(offsets),
                "run: input 'sequence_offsets': expected 0 at the start, got "
                "1");
  offsets = {0, 4, 3, 6};
  expectFailure(TRANSOM_INVALID_ARGUMENT, with(offsets),
                "run: input 'sequence_offsets', position 2: expected ascending "
                "numbers, got 3 after 4");
  offsets = {0, 5};
  expectFailure(TRANSOM_INVALID_ARGUMENT, with(offsets),
                "run: input 'sequence_offsets': expected 6, the tokens of "
                "'input_ids', at the end, got 5");
  offsets = {0, 7};
  EXPECT_EQ(run(with(offsets)), TRANSOM_INVALID_ARGUMENT);
  offsets = {};
  expectFailure(TRANSOM_INVALID_ARGUMENT, with(offsets),
                "run: input 'sequence_offsets': expected dims [sequences + 1], "
                "got [0]");
  offsets = {0, 6};
  expectFailure(TRANSOM_INVALID_ARGUMENT,
                {input("input_ids", ids, {2, 3}),
                 input("sequence_offsets", offsets, {2})},
                "run: input 'input_ids': expected rank 1, [tokens], got rank "
                "2");
  expectFailure(TRANSOM_INVALID_ARGUMENT,
                {input("input_ids", ids, {6}),
                 input("attention_mask", ids, {5}),
                 input("sequence_offsets", offsets, {2})},
                "run: input 'attention_mask': expected dims [6] as of "
                "'input_ids', got [5]");
}

TEST_F(BatchPackerTest, RefusesBadOutputs) {
  transom_tensor in = input("input_ids", ids, {2, 3});
  Floats room(64);
  auto fails = [&](std::vector<transom_tensor> outputs, const char *message) {
    EXPECT_EQ(opened.run({in}, outputs), TRANSOM_INVALID_ARGUMENT);
    EXPECT_THAT(transom_error(), StrEq(message));
  };
  fails({output("logits", room)},
        "run: output number 0: expected one of 'tokens', 'pooled', got "
        "'logits'");
  fails({output("tokens", room), output("tokens", room)},
        "run: output 'tokens' is given twice");
  transom_tensor out = output("tokens", room);
  out.capacity = 119;
  fails({out}, "run: output 'tokens': expected a capacity of 120 bytes for [2, "
               "3, 5], got 119");
  out.dtype = TRANSOM_INT32;
  fails({out}, "run: output 'tokens': expected dtype float32 (0), got 1");
  out.name = nullptr;
  fails({out}, "run: output number 0: expected a name, got a null pointer");
  EXPECT_EQ(transom_run(opened.session, &in, 1, nullptr, 2),
            TRANSOM_INVALID_ARGUMENT);
  EXPECT_EQ(opened.fake.runs, 0);
}

TEST_F(BatchPackerTest, ComputesOnlyWhatIsAskedFor) {
  transom_tensor in = input("input_ids", ids, {2, 3});
  uint64_t requested = 99;
  opened.fake.program = [&](transom_frame *frame) {
    requested = frame->requested;
    return FakeLibrary::encode(frame);
  };
  Floats room(64);
  ASSERT_EQ(opened.run({in}, {output("pooled", room)}), TRANSOM_OK);
  EXPECT_EQ(requested, 2u);
  transom_tensor sizes = output("tokens", room);
  sizes.data = nullptr;
  sizes.capacity = 0;
  ASSERT_EQ(opened.run({in}, {output("pooled", room), sizes}), TRANSOM_OK);
  EXPECT_EQ(requested, 2u);
  EXPECT_THAT(dims(1), ElementsAre(2, 3, 5));
  // Only sizes: nothing runs, but the inputs are still checked.
  opened.fake.runs = 0;
  ASSERT_EQ(opened.run({in}, {sizes}), TRANSOM_OK);
  EXPECT_EQ(opened.fake.runs, 0);
  ids[0] = 1000;
  EXPECT_EQ(opened.run({in}, {sizes}), TRANSOM_OUT_OF_RANGE);
}

} // namespace
