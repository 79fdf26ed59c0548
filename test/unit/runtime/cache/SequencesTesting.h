//===- SequencesTesting.h - a session's sequences, in few words -----------===//
#ifndef TRANSOM_TEST_UNIT_RUNTIME_SEQUENCESTESTING_H
#define TRANSOM_TEST_UNIT_RUNTIME_SEQUENCESTESTING_H

#include "../FakeDecoder.h"

#include <gtest/gtest.h>
#include <memory>

namespace transom::test {

using Ints = std::vector<int32_t>;
using Longs = std::vector<int64_t>;
using Floats = std::vector<float>;

/// A session of an opened fake library, with a cache that grows unless a test
/// opens another.
template <typename OpenedT> class SequencesTest : public testing::Test {
protected:
  void open(transom_session_options given) {
    opened = std::make_unique<OpenedT>(given);
    ASSERT_NE(opened->session, nullptr) << transom_error();
  }
  void open(int64_t cacheTokens) {
    transom_session_options options = {};
    options.threads = 2;
    options.cache_tokens = cacheTokens;
    open(options);
  }
  void SetUp() override { open(0); }

  transom_session *session() { return opened->session; }
  Cache &cache() { return session()->sequences.cache; }
  int64_t add() {
    int64_t sequence = -1;
    EXPECT_EQ(transom_sequence_add(session(), &sequence), TRANSOM_OK);
    return sequence;
  }
  int64_t fork(int64_t of, int64_t length = -1) {
    int64_t sequence = -1;
    EXPECT_EQ(transom_sequence_fork(session(), of, length, &sequence),
              TRANSOM_OK)
        << transom_error();
    return sequence;
  }
  void free(int64_t sequence) {
    EXPECT_EQ(transom_sequence_free(session(), sequence), TRANSOM_OK);
  }
  int64_t length(int64_t sequence) {
    return transom_sequence_length(session(), sequence);
  }

  using Call = decltype(&transom_step);
  /// `rows` gets a row for each token.
  transom_status call(Call function, const char *ids, const char *outputName,
                      Longs sequences, const std::vector<Ints> &parts) {
    Ints tokens, offsets = {0};
    for (const Ints &part : parts) {
      tokens.insert(tokens.end(), part.begin(), part.end());
      offsets.push_back(int32_t(tokens.size()));
    }
    rows.assign(tokens.size() * FakeDecoder::width + 1, 77);
    transom_tensor inputs[] = {
        input(ids, tokens, {int64_t(tokens.size())}),
        input("sequence_offsets", offsets, {int64_t(offsets.size())}),
        input("sequences", sequences, {int64_t(sequences.size())})};
    transom_tensor outputs[] = {output(outputName, rows)};
    transom_status status = function(session(), inputs, 3, outputs, 1);
    if (status == TRANSOM_OK)
      EXPECT_EQ(rows.back(), 77);
    return status;
  }
  float row(int64_t index, int column = 0) {
    return rows[size_t(index * FakeDecoder::width + column)];
  }
  void expectFailure(transom_status expected, transom_status status,
                     const char *message) {
    EXPECT_EQ(status, expected) << message;
    EXPECT_STREQ(transom_error(), message);
  }

  std::unique_ptr<OpenedT> opened;
  Floats rows; ///< of the last call's output, and one more float
};

} // namespace transom::test

#endif // TRANSOM_TEST_UNIT_RUNTIME_SEQUENCESTESTING_H
