//===- FuzzTest.cpp - random tensors give a status, never a crash ---------===//
#include "FakeEncoderDecoder.h"

#include <gtest/gtest.h>
#include <random>

using namespace transom::test;

namespace {

/// Tensors that are wrong in any field, but whose memory is as large as they
/// say: sanitizers watch it.
class Fuzz {
public:
  explicit Fuzz(unsigned seed) : random(seed) {}

  int64_t below(int64_t bound) { return int64_t(random() % uint64_t(bound)); }
  bool oneIn(int64_t count) { return below(count) == 0; }
  template <typename T> T pick(std::initializer_list<T> list) {
    return list.begin()[below(int64_t(list.size()))];
  }

  int64_t dim() {
    if (oneIn(40))
      return pick<int64_t>({-1, INT64_MIN, INT64_MAX, int64_t(1) << 31,
                            int64_t(1) << 32, INT32_MAX, INT32_MAX - 1});
    return below(6);
  }

  /// An input; mostly of `batch` x `length` so that some runs get through.
  transom_tensor tensor(const char *name, int64_t batch, int64_t length,
                        bool ragged) {
    transom_tensor result = {};
    result.name = name;
    result.dtype = oneIn(30) ? int32_t(random()) : 1 + int32_t(below(2));
    result.rank = ragged ? 1 : 2;
    result.dims[0] = ragged ? batch * length : batch;
    result.dims[1] = length;
    if (std::string(name) == "sequence_offsets")
      result.dims[0] = batch + 1;
    if (std::string(name) == "sequences")
      result.dims[0] = batch;
    if (std::string(name) == "output_positions")
      result.rank = 1, result.dims[0] = below(9);
    if (oneIn(30))
      result.rank = pick<int32_t>({0, 1, 2, 3, 4, -1, 1 << 30, INT32_MIN});
    for (int64_t &each : result.dims)
      if (oneIn(30))
        each = dim();
    size_t bytes = size_t(below(3) ? 400 : below(400));
    auto *memory = new char[bytes]; // Exact, so that ASan sees an overrun.
    owned.emplace_back(memory);
    for (size_t i = 0; i < bytes; ++i)
      memory[i] = 0;
    size_t width = result.dtype == TRANSOM_INT64 ? 8 : 4;
    for (size_t i = 0; i + width <= bytes; i += width) {
      int64_t value = oneIn(300) ? int64_t(random()) : below(2);
      if (std::string(name) == "sequence_offsets" && !oneIn(100))
        value = int64_t(i / width) * length;
      if (std::string(name) == "sequences" && !oneIn(100))
        value = int64_t(i / width);
      memcpy(memory + i, &value, width);
    }
    result.data = oneIn(100) ? nullptr : memory;
    result.capacity = oneIn(20) ? size_t(below(int64_t(bytes) + 1)) : bytes;
    return result;
  }

  std::mt19937_64 random;

private:
  std::vector<std::unique_ptr<char[]>> owned;
};

TEST(FuzzTest, RandomTensorsNeverCrash) {
  Opened opened(transom_session_options{2, 0, 0, nullptr}, /*positions=*/true);
  int passed = 0, failed = 0;
  for (unsigned seed = 0; seed < 30000; ++seed) {
    Fuzz fuzz(seed);
    int64_t batch = fuzz.below(5), length = fuzz.below(6);
    bool ragged = fuzz.oneIn(3);
    std::vector<transom_tensor> inputs, outputs;
    auto maybe = [&](const char *name, int64_t missing) {
      if (!fuzz.oneIn(missing))
        inputs.push_back(fuzz.tensor(name, batch, length, ragged));
    };
    maybe("input_ids", 30);
    maybe("token_type_ids", 2);
    maybe("position_ids", 2);
    if (ragged != fuzz.oneIn(30))
      maybe("sequence_offsets", 100);
    maybe("attention_mask", 2);
    maybe("output_positions", 2);
    if (fuzz.oneIn(40))
      maybe("input_ids", 100);
    if (fuzz.oneIn(40))
      maybe("", 100);
    if (!inputs.empty() && fuzz.oneIn(100))
      inputs[0].name = nullptr;
    for (const char *name :
         {"tokens", "logits", "pooled", "tokens", "neither"}) {
      if (fuzz.oneIn(name[0] == 'n' ? 1000000 : 2) ||
          (outputs.size() > 1 && !fuzz.oneIn(20)))
        continue;
      transom_tensor out = fuzz.tensor(name, batch, length, ragged);
      if (!fuzz.oneIn(30))
        out.dtype = TRANSOM_FLOAT32;
      outputs.push_back(out);
    }
    transom_status status = opened.run(inputs, outputs);
    ASSERT_GE(status, TRANSOM_OK);
    ASSERT_LT(status, TRANSOM_INTERNAL) << transom_error();
    if (status)
      ASSERT_STRNE(transom_error(), "");
    ++(status ? failed : passed);
  }
  // The generator reaches both.
  EXPECT_GT(passed, 3000);
  EXPECT_GT(failed, 3000);
}

/// What is called with random tensors, and the names that it knows.
struct Stepping {
  decltype(&transom_step) call;
  const char *ids, *places;
  std::vector<const char *> outputs;
};

/// One of these each round, with sequences that come, fork and go.
void fuzzSteps(transom_session *session, const std::vector<Stepping> &kinds) {
  int passed = 0, failed = 0;
  for (unsigned seed = 0; seed < 20000; ++seed) {
    Fuzz fuzz(seed);
    int64_t number = seed % 8, other = -1;
    // The first numbers are live most of the time.
    if (seed < 6 || fuzz.oneIn(10))
      ASSERT_LT(transom_sequence_add(session, &other), TRANSOM_INTERNAL);
    if (fuzz.oneIn(4))
      transom_sequence_truncate(
          session, fuzz.oneIn(50) ? int64_t(fuzz.random()) : number,
          fuzz.oneIn(50) ? int64_t(fuzz.random()) : fuzz.below(20));
    if (fuzz.oneIn(20))
      transom_sequence_fork(session, number, fuzz.below(30) - 1, &other);
    if (other >= 6)
      transom_sequence_free(session, other);
    transom_sequence_free(session, fuzz.oneIn(2) ? -1 - fuzz.below(9)
                                                 : int64_t(fuzz.random() | 8));
    const Stepping &kind = kinds[size_t(fuzz.below(int64_t(kinds.size())))];
    int64_t batch = fuzz.below(6), length = fuzz.below(6);
    std::vector<transom_tensor> inputs, outputs;
    auto maybe = [&](const char *name, int64_t missing) {
      if (!fuzz.oneIn(missing))
        inputs.push_back(fuzz.tensor(name, batch, length, /*ragged=*/true));
    };
    maybe(kind.ids, 100);
    maybe("sequence_offsets", 100);
    maybe("sequences", 100);
    // Given positions are not where the fake kernel looks for tokens, but then
    // it is not its values that count here.
    maybe(kind.places, 2);
    if (kind.call == transom_step)
      maybe("output_positions", 2);
    if (fuzz.oneIn(100))
      maybe("attention_mask", 2);
    for (const char *name : kind.outputs) {
      if (fuzz.oneIn(2))
        continue;
      transom_tensor out = fuzz.tensor(name, batch, length, true);
      if (!fuzz.oneIn(30))
        out.dtype = TRANSOM_FLOAT32;
      outputs.push_back(out);
    }
    transom_status status = kind.call(session, inputs.data(), inputs.size(),
                                      outputs.data(), outputs.size());
    ASSERT_GE(status, TRANSOM_OK);
    ASSERT_LT(status, TRANSOM_INTERNAL) << transom_error();
    ++(status ? failed : passed);
  }
  EXPECT_GT(passed, 2000);
  EXPECT_GT(failed, 2000);
}

const Stepping stepping = {
    transom_step, "input_ids", "position_ids", {"logits", "hidden"}};

TEST(FuzzTest, RandomStepsNeverCrash) {
  OpenedDecoder opened(transom_session_options{2, 0, 0, nullptr, 300});
  fuzzSteps(opened.session, {stepping});
}

TEST(FuzzTest, RandomSourcesNeverCrash) {
  OpenedPair opened(transom_session_options{2, 0, 0, nullptr, 300});
  Stepping beside = stepping;
  beside.ids = "decoder_input_ids";
  fuzzSteps(opened.session,
            {beside, {transom_encode, "input_ids", "places", {"encoded"}}});
}

} // namespace
