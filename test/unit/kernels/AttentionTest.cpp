//===- AttentionTest.cpp - ragged attention against double precision ------===//
#include "test/unit/support/KernelTesting.h"

using namespace transom::codegen;
using namespace transom::test;

namespace {

/// q, k and v side by side in one buffer, as merged projections leave them.
AttentionSpec merged(int64_t heads, int64_t keyHeads, int64_t headDim,
                     bool causal = false) {
  AttentionSpec spec;
  spec.heads = heads;
  spec.keyHeads = keyHeads;
  spec.headDim = headDim;
  int64_t width = (heads + 2 * keyHeads) * headDim;
  spec.query.stride = spec.key.stride = spec.value.stride = rowStride(width);
  spec.key.offset = heads * headDim;
  spec.value.offset = (heads + keyHeads) * headDim;
  spec.result.stride = rowStride(heads * headDim);
  spec.scale = 1.0f / std::sqrt(static_cast<float>(headDim));
  spec.causal = causal;
  return spec;
}

class Problem {
public:
  struct Sequence {
    int32_t rows, keys;
  };
  Problem(const AttentionSpec &spec, const LoadedKernel &kernel,
          const std::vector<Sequence> &sequences, float scale = 1.0f)
      : spec(spec), kernel(kernel), sequences(sequences) {
    offsets = {0};
    for (const Sequence &sequence : sequences) {
      offsets.push_back(offsets.back() + sequence.rows);
      lengths.push_back(sequence.keys);
    }
    qkv = std::make_unique<Tensor>(
        offsets.back(), (spec.heads + 2 * spec.keyHeads) * spec.headDim);
    qkv->fill(1, scale);
    if (spec.distances > 0) {
      bias = std::make_unique<Tensor>(spec.heads, spec.distances);
      bias->fill(2, 3.0f);
    }
  }

  Tensor run(Cut cut = {}) {
    Tensor out(offsets.back(), spec.heads * spec.headDim);
    resetScratch();
    std::vector<void *> operands = {qkv->data(),    qkv->data(),
                                    qkv->data(),    offsets.data(),
                                    offsets.data(), lengths.data()};
    if (bias)
      operands.push_back(bias->data());
    operands.push_back(out.data());
    kernel.runRagged(operands, static_cast<int64_t>(sequences.size()), cut);
    out.expectGuardsUntouched();
    EXPECT_FALSE(scratchOverrun());
    int64_t keys = 0;
    for (const Sequence &sequence : sequences)
      keys = std::max<int64_t>(keys, sequence.keys);
    EXPECT_LE(peakScratch(), kernel.kernel.scratchBytes +
                                 kernel.kernel.scratchBytesPerKey * keys);
    return out;
  }

  void check(const Tensor &out) const {
    for (size_t s = 0; s < sequences.size(); ++s)
      for (int32_t i = 0; i < sequences[s].rows; ++i)
        for (int64_t h = 0; h < spec.heads; ++h)
          checkRow(out, s, i, h);
  }

  AttentionSpec spec;
  const LoadedKernel &kernel;
  std::vector<Sequence> sequences;
  Aligned<int32_t> offsets, lengths;
  std::unique_ptr<Tensor> qkv, bias;

private:
  void checkRow(const Tensor &out, size_t s, int32_t i, int64_t h) const {
    int64_t g = h * spec.keyHeads / spec.heads, dim = spec.headDim;
    int32_t keys = sequences[s].keys;
    int32_t last = i + keys - sequences[s].rows;
    if (spec.causal)
      keys = std::clamp(last + 1, 0, keys);
    std::vector<double> scores(keys);
    double most = -INFINITY, total = 0, largest = 0;
    for (int32_t j = 0; j < keys; ++j) {
      double magnitude = 0;
      for (int64_t d = 0; d < dim; ++d) {
        double term = double(qkv->at(offsets[s] + i, h * dim + d)) *
                      qkv->at(offsets[s] + j, spec.key.offset + g * dim + d);
        scores[j] += term;
        magnitude += std::fabs(term);
      }
      scores[j] *= spec.scale;
      largest = std::max(largest, magnitude * std::fabs(spec.scale));
      if (bias)
        scores[j] +=
            bias->at(h, std::clamp<int64_t>(j - last - spec.firstDistance, 0,
                                            spec.distances - 1));
      most = std::max(most, scores[j]);
    }
    for (double &score : scores)
      total += score = std::exp(score - most);
    for (int64_t d = 0; d < dim; ++d) {
      double expected = 0, magnitude = 0;
      for (int32_t j = 0; j < keys; ++j) {
        double v = qkv->at(offsets[s] + j, spec.value.offset + g * dim + d);
        expected += scores[j] / total * v;
        magnitude = std::max(magnitude, std::fabs(v));
      }
      ASSERT_NEAR(out.at(offsets[s] + i, h * dim + d), expected,
                  attentionBound(dim, keys, largest) * magnitude)
          << s << ", " << i << ", " << h;
    }
  }
};

class AttentionTest : public KernelTest {};
INSTANTIATE_TEST_SUITE_P(Targets, AttentionTest,
                         testing::ValuesIn(runnableTargets()));

TEST_P(AttentionTest, AlgorithmAloneIsRight) {
  AttentionSpec spec = merged(2, 1, 12);
  auto kernel = load(spec, {.schedule = false});
  ASSERT_TRUE(kernel);
  Problem problem(spec, *kernel, {{5, 5}, {3, 2}});
  problem.check(problem.run());
}

TEST_P(AttentionTest, HeadDimsAndLengths) {
  for (int64_t dim : {1, 12, 32, 60, 64, 80, 128}) {
    AttentionSpec spec = merged(2, 2, dim);
    auto kernel = load(spec);
    ASSERT_TRUE(kernel);
    SCOPED_TRACE(testing::Message() << "head dim " << dim);
    Problem problem(spec, *kernel,
                    {{1, 1},
                     {2, 2},
                     {16, 16},
                     {17, 17},
                     {31, 31},
                     {33, 33},
                     {64, 64},
                     {130, 130}});
    problem.check(problem.run());
  }
}

TEST_P(AttentionTest, LongSequencesAndChunks) {
  AttentionSpec spec = merged(1, 1, 64);
  auto kernel = load(spec);
  ASSERT_TRUE(kernel);
  Problem problem(spec, *kernel, {{515, 515}, {2048, 2048}});
  Tensor out = problem.run();
  problem.check(out);
  int32_t tile = kernel->kernel.variants[0].shape.row_tile;
  problem.run({.rows = tile}).expectSameBits(out);
  problem.run({.rows = 4096}).expectSameBits(out);
}

TEST_P(AttentionTest, RowsThatAreNoKeysAndSequencesWithoutKeys) {
  AttentionSpec spec = merged(3, 3, 20);
  auto kernel = load(spec);
  ASSERT_TRUE(kernel);
  Problem problem(spec, *kernel, {{4, 3}, {1, 0}, {40, 39}, {2, 1}, {3, 0}});
  Tensor out = problem.run();
  problem.check(out);
  EXPECT_EQ(out.at(4, 0), 0.0f);
}

TEST_P(AttentionTest, Causal) {
  AttentionSpec spec = merged(2, 2, 32, true);
  auto kernel = load(spec);
  ASSERT_TRUE(kernel);
  // Fewer keys than rows: the first rows see none and are zero.
  Problem problem(spec, *kernel, {{1, 1}, {65, 65}, {150, 150}, {9, 4}});
  Tensor out = problem.run();
  problem.check(out);
  int32_t tile = kernel->kernel.variants[0].shape.row_tile;
  problem.run({.rows = tile}).expectSameBits(out);
}

TEST_P(AttentionTest, BiasOverDistances) {
  for (bool causal : {false, true}) {
    AttentionSpec spec = merged(3, 3, 20, causal);
    spec.distances = causal ? 70 : 151;
    spec.firstDistance = causal ? -69 : -81;
    auto kernel = load(spec);
    ASSERT_TRUE(kernel);
    // More rows than keys, as with a masked token that is asked for; and keys
    // beyond the last distance on both sides.
    Problem problem(spec, *kernel,
                    {{1, 1}, {65, 65}, {0, 0}, {9, 4}, {300, 300}});
    Tensor out = problem.run();
    problem.check(out);
    int32_t tile = kernel->kernel.variants[0].shape.row_tile;
    problem.run({.rows = tile}).expectSameBits(out);
  }
  AttentionSpec spec = merged(1, 1, 8);
  spec.distances = 1;
  auto kernel = load(spec, {.schedule = false});
  ASSERT_TRUE(kernel);
  Problem problem(spec, *kernel, {{5, 5}});
  problem.check(problem.run());
}

TEST_P(AttentionTest, GroupedQueries) {
  AttentionSpec spec = merged(6, 2, 16);
  auto kernel = load(spec);
  ASSERT_TRUE(kernel);
  Problem problem(spec, *kernel, {{21, 21}, {7, 7}});
  problem.check(problem.run());
}

TEST_P(AttentionTest, ExtremeScores) {
  AttentionSpec spec = merged(1, 1, 64);
  auto kernel = load(spec);
  ASSERT_TRUE(kernel);
  Problem problem(spec, *kernel, {{40, 40}}, 60.0f);
  Tensor out = problem.run();
  for (int64_t i = 0; i < 40; ++i)
    for (int64_t d = 0; d < 64; ++d) {
      ASSERT_TRUE(std::isfinite(out.at(i, d)));
      ASSERT_LE(std::fabs(out.at(i, d)), 60.01f);
    }
}

TEST_P(AttentionTest, ARowDependsOnItsSequenceOnly) {
  AttentionSpec spec = merged(2, 2, 64);
  auto kernel = load(spec);
  ASSERT_TRUE(kernel);
  Problem batch(spec, *kernel, {{19, 19}, {50, 50}, {3, 3}});
  Tensor out = batch.run();
  Problem alone(spec, *kernel, {{50, 50}});
  for (int64_t i = 0; i < 50; ++i)
    for (int64_t c = 0; c < alone.qkv->width; ++c)
      alone.qkv->at(i, c) = batch.qkv->at(19 + i, c);
  Tensor single = alone.run();
  for (int64_t i = 0; i < 50; ++i)
    for (int64_t c = 0; c < single.width; ++c)
      ASSERT_EQ(single.at(i, c), out.at(19 + i, c)) << i << ", " << c;
}

} // namespace
