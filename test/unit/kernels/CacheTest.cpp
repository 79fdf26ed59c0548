//===- CacheTest.cpp - appending to a paged cache, attention to it --------===//
#include "test/unit/support/KernelTesting.h"

#include <algorithm>
#include <numeric>
#include <sys/mman.h>

using namespace transom::codegen;
using namespace transom::test;

namespace {

constexpr int64_t blockTokens = TRANSOM_CACHE_BLOCK;

struct Shape {
  int64_t heads, keyHeads, headDim;
  bool causal = true;
  int64_t distances = 0, firstDistance = 0;

  int64_t depth() const { return (headDim + 15) / 16 * 16; }
  int64_t layerWidth() const { return 2 * keyHeads * depth(); }
  int64_t qkvWidth() const { return (heads + 2 * keyHeads) * headDim; }
};

// The layer under test is the second of three.
CachedAttentionSpec attentionSpec(const Shape &shape) {
  CachedAttentionSpec spec;
  spec.heads = shape.heads;
  spec.keyHeads = shape.keyHeads;
  spec.headDim = shape.headDim;
  spec.query.stride = rowStride(shape.qkvWidth());
  spec.cache.width = 3 * shape.layerWidth();
  spec.cache.offset = shape.layerWidth();
  spec.result.stride = rowStride(shape.heads * shape.headDim);
  spec.scale = 1.0f / std::sqrt(static_cast<float>(shape.headDim));
  spec.causal = shape.causal;
  spec.distances = shape.distances;
  spec.firstDistance = shape.firstDistance;
  return spec;
}

AppendCacheSpec appendSpec(const Shape &shape) {
  AppendCacheSpec spec;
  spec.keyHeads = shape.keyHeads;
  spec.headDim = shape.headDim;
  spec.key.stride = spec.value.stride = rowStride(shape.qkvWidth());
  spec.key.offset = shape.heads * shape.headDim;
  spec.value.offset = (shape.heads + shape.keyHeads) * shape.headDim;
  spec.cache.width = 3 * shape.layerWidth();
  spec.cache.offset = shape.layerWidth();
  return spec;
}

/// Places of a cache by the words of the contract.
class Cache {
public:
  Cache(const Shape &shape, int64_t blocks)
      : shape(shape), width(3 * shape.layerWidth()),
        values(blocks * width * blockTokens,
               std::numeric_limits<float>::quiet_NaN()) {}
  float &key(int64_t slot, int64_t head, int64_t d) {
    return layer(
        slot)[(head * shape.depth() + d) * blockTokens + slot % blockTokens];
  }
  float &value(int64_t slot, int64_t head, int64_t d) {
    return layer(slot)[(shape.keyHeads + head) * shape.depth() * blockTokens +
                       slot % blockTokens * shape.depth() + d];
  }

  const Shape shape;
  const int64_t width;
  Aligned<float> values;

private:
  float *layer(int64_t slot) {
    return values.data() + slot / blockTokens * width * blockTokens +
           shape.layerWidth() * blockTokens;
  }
};

/// Sequences in a shuffled pool of blocks, and their tokens' q, k and v.
class Model {
public:
  Model(const Shape &shape, const LoadedKernel &append,
        const LoadedKernel &attention, const std::vector<int64_t> &lengths,
        float scale = 1.0f, uint32_t seed = 1)
      : shape(shape), append(append), attention(attention),
        cache(shape, blocksFor(lengths) + 3),
        bias(shape.heads, std::max<int64_t>(1, shape.distances)) {
    bias.fill(9);
    std::vector<int32_t> blocks(cache.values.size() / cache.width /
                                blockTokens);
    std::iota(blocks.begin(), blocks.end(), 0);
    std::shuffle(blocks.begin(), blocks.end(), std::mt19937(seed));
    size_t used = 0;
    for (size_t s = 0; s < lengths.size(); ++s) {
      Sequence sequence;
      sequence.tokens = std::make_unique<Tensor>(lengths[s], shape.qkvWidth());
      sequence.tokens->fill(100 + static_cast<uint32_t>(s), scale);
      for (int64_t b = 0; b * blockTokens < lengths[s]; ++b)
        sequence.table.push_back(blocks[used++]);
      sequences.push_back(std::move(sequence));
    }
  }

  struct Part {
    size_t sequence;
    int64_t tokens;
  };
  /// Appends so many tokens of each sequence and lets them attend; returns
  /// their outputs.
  Tensor step(const std::vector<Part> &batch, Cut cut = {}) {
    Aligned<int32_t> offsets = {0}, lengths, slots, table, tableOffsets = {0};
    for (const Part &part : batch) {
      Sequence &sequence = sequences[part.sequence];
      for (int64_t i = 0; i < part.tokens; ++i)
        slots.push_back(sequence.slot(sequence.past + i));
      offsets.push_back(static_cast<int32_t>(slots.size()));
      lengths.push_back(static_cast<int32_t>(sequence.past + part.tokens));
      int64_t blocks = (lengths.back() + blockTokens - 1) / blockTokens;
      table.insert(table.end(), sequence.table.begin(),
                   sequence.table.begin() + blocks);
      tableOffsets.push_back(static_cast<int32_t>(table.size()));
    }
    // Reading past the table of the last sequence would crash soon.
    table.push_back(INT32_MAX);
    auto rows = static_cast<int64_t>(slots.size());
    Tensor qkv(rows, shape.qkvWidth());
    int64_t row = 0;
    for (const Part &part : batch) {
      Sequence &sequence = sequences[part.sequence];
      for (int64_t i = 0; i < part.tokens; ++i, ++row)
        std::copy_n(&sequence.tokens->at(sequence.past + i, 0),
                    shape.qkvWidth(), &qkv.at(row, 0));
      sequence.past += part.tokens;
    }
    Tensor out(rows, shape.heads * shape.headDim);
    resetScratch();
    append.run({qkv.data(), qkv.data(), slots.data(), cache.values.data()},
               rows);
    std::vector<void *> operands = {qkv.data(),     cache.values.data(),
                                    offsets.data(), lengths.data(),
                                    table.data(),   tableOffsets.data()};
    if (shape.distances > 0)
      operands.push_back(bias.data());
    operands.push_back(out.data());
    attention.runRagged(operands, static_cast<int64_t>(batch.size()), cut);
    EXPECT_FALSE(scratchOverrun());
    EXPECT_LE(peakScratch(), attention.kernel.scratchBytes);
    out.expectGuardsUntouched();
    return out;
  }

  void check(const Tensor &out, int64_t outRow, size_t s, int64_t position,
             int64_t keys) const {
    const Tensor &tokens = *sequences[s].tokens;
    int64_t dim = shape.headDim;
    if (shape.causal)
      keys = position + 1;
    auto biasOf = [&](int64_t head, int64_t key) {
      if (shape.distances == 0)
        return 0.0;
      return double(bias.at(
          head, std::clamp<int64_t>(key - position - shape.firstDistance, 0,
                                    shape.distances - 1)));
    };
    for (int64_t h = 0; h < shape.heads; ++h) {
      int64_t g = h * shape.keyHeads / shape.heads;
      int64_t keyColumn = (shape.heads + g) * dim;
      int64_t valueColumn = keyColumn + shape.keyHeads * dim;
      std::vector<double> scores(keys);
      double most = -INFINITY, sum = 0, largest = 0;
      for (int64_t j = 0; j < keys; ++j) {
        double magnitude = 0;
        for (int64_t d = 0; d < dim; ++d) {
          double term = double(tokens.at(position, h * dim + d)) *
                        tokens.at(j, keyColumn + d);
          scores[j] += term;
          magnitude += std::fabs(term);
        }
        largest = std::max(largest, magnitude / std::sqrt(double(dim)));
        scores[j] = scores[j] / std::sqrt(double(dim)) + biasOf(h, j);
        most = std::max(most, scores[j]);
      }
      for (double &score : scores)
        sum += score = std::exp(score - most);
      for (int64_t d = 0; d < dim; ++d) {
        double expected = 0, magnitude = 0;
        for (int64_t j = 0; j < keys; ++j) {
          double v = tokens.at(j, valueColumn + d);
          expected += scores[j] / sum * v;
          magnitude = std::max(magnitude, std::fabs(v));
        }
        ASSERT_NEAR(out.at(outRow, h * dim + d), expected,
                    attentionBound(dim, keys, largest) * magnitude)
            << "sequence " << s << ", position " << position << ", head " << h;
      }
    }
  }

  struct Sequence {
    std::unique_ptr<Tensor> tokens;
    std::vector<int32_t> table;
    int64_t past = 0;
    int32_t slot(int64_t position) const {
      return static_cast<int32_t>(table[position / blockTokens] * blockTokens +
                                  position % blockTokens);
    }
  };
  const Shape shape;
  const LoadedKernel &append, &attention;
  Cache cache;
  Tensor bias; ///< [heads, distances]
  std::vector<Sequence> sequences;

private:
  static int64_t blocksFor(const std::vector<int64_t> &lengths) {
    int64_t blocks = 0;
    for (int64_t length : lengths)
      blocks += (length + blockTokens - 1) / blockTokens;
    return blocks;
  }
};

class CacheTest : public KernelTest {};
INSTANTIATE_TEST_SUITE_P(Targets, CacheTest,
                         testing::ValuesIn(runnableTargets()));

TEST_P(CacheTest, AppendWritesSlotsAndNothingElse) {
  for (int64_t dim : {1, 12, 16, 20, 64}) {
    SCOPED_TRACE(testing::Message() << "head dim " << dim);
    Shape shape{2, 2, dim};
    auto kernel = load(appendSpec(shape));
    ASSERT_TRUE(kernel);
    Cache cache(shape, 4), expected(shape, 4);
    for (size_t i = 0; i < cache.values.size(); ++i)
      cache.values[i] = expected.values[i] = static_cast<float>(i);
    Aligned<int32_t> slots = {63, -1, 17, 0, 16, -1, 33};
    auto rows = static_cast<int64_t>(slots.size());
    Tensor qkv(rows, shape.qkvWidth());
    qkv.fill(3);
    for (int64_t i = 0; i < rows; ++i)
      for (int64_t h = 0; slots[i] >= 0 && h < 2; ++h)
        for (int64_t d = 0; d < dim; ++d) {
          expected.key(slots[i], h, d) = qkv.at(i, (2 + h) * dim + d);
          expected.value(slots[i], h, d) = qkv.at(i, (4 + h) * dim + d);
        }
    kernel->run({qkv.data(), qkv.data(), slots.data(), cache.values.data()},
                rows);
    for (size_t i = 0; i < cache.values.size(); ++i)
      ASSERT_EQ(cache.values[i], expected.values[i]) << i;
  }
}

TEST_P(CacheTest, AppendAlgorithmAloneIsRight) {
  Shape shape{1, 1, 5};
  auto append = load(appendSpec(shape), {.schedule = false});
  auto attention = load(attentionSpec(shape), {.schedule = false});
  ASSERT_TRUE(append && attention);
  Model model(shape, *append, *attention, {20});
  model.check(model.step({{0, 18}}), 17, 0, 17, 18);
  model.check(model.step({{0, 2}}), 1, 0, 19, 20);
}

TEST_P(CacheTest, PrefillOfManyShapes) {
  for (Shape shape :
       {Shape{2, 2, 1}, Shape{2, 2, 12}, Shape{1, 1, 32}, Shape{2, 1, 60},
        Shape{2, 2, 64}, Shape{1, 1, 80}, Shape{6, 2, 16}, Shape{1, 1, 128},
        Shape{2, 2, 24, false}, Shape{2, 2, 20, true, 70, -69},
        Shape{3, 3, 16, true, 1, 0}, Shape{2, 1, 24, false, 151, -80}}) {
    SCOPED_TRACE(testing::Message()
                 << shape.heads << " heads of " << shape.headDim);
    auto append = load(appendSpec(shape));
    auto attention = load(attentionSpec(shape));
    ASSERT_TRUE(append && attention);
    std::vector<int64_t> lengths = {1, 2, 16, 17, 31, 33, 64, 130, 300};
    Model model(shape, *append, *attention, lengths);
    std::vector<Model::Part> batch;
    for (size_t s = 0; s < lengths.size(); ++s)
      batch.push_back({s, lengths[s]});
    Tensor out = model.step(batch);
    int64_t row = 0;
    for (size_t s = 0; s < lengths.size(); ++s)
      for (int64_t i = 0; i < lengths[s]; ++i)
        model.check(out, row++, s, i, lengths[s]);
  }
}

/// However tokens come, and in whatever company, their outputs are the same.
TEST_P(CacheTest, PrefillChunksAndDecodeGiveTheSameBits) {
  for (Shape shape :
       {Shape{2, 2, 64}, Shape{4, 2, 20}, Shape{2, 2, 20, true, 300, -299}}) {
    auto append = load(appendSpec(shape));
    auto attention = load(attentionSpec(shape));
    ASSERT_TRUE(append && attention);
    constexpr int64_t length = 790;
    Model whole(shape, *append, *attention, {length});
    Tensor expected = whole.step({{0, length}});
    for (int64_t i : {0L, 255L, 256L, 511L, 512L, 600L, length - 1})
      whole.check(expected, i, 0, i, length);

    // Row by row, beside another sequence that moves on by five.
    Model decode(shape, *append, *attention, {length, 4000}, 1.0f, 2);
    std::mt19937 random(7);
    Model chunks(shape, *append, *attention, {length, 300, 40}, 1.0f, 3);
    auto expectRow = [&](const Tensor &out, int64_t row, int64_t position) {
      for (int64_t c = 0; c < out.width; ++c) {
        float a = out.at(row, c), b = expected.at(position, c);
        ASSERT_EQ(std::memcmp(&a, &b, sizeof a), 0)
            << "position " << position << ", column " << c << ": " << a
            << " and " << b;
      }
    };
    for (int64_t i = 0; i < length; ++i)
      ASSERT_NO_FATAL_FAILURE(expectRow(
          decode.step(i % 7 ? std::vector<Model::Part>{{0, 1}}
                            : std::vector<Model::Part>{{1, 5}, {0, 1}}),
          i % 7 ? 0 : 5, i));
    for (int64_t i = 0; i < length;) {
      int64_t chunk = std::min<int64_t>(1 + random() % 90, length - i);
      Tensor out = chunks.step({{1, 1}, {0, chunk}, {2, 1}});
      for (int64_t j = 0; j < chunk; ++j)
        ASSERT_NO_FATAL_FAILURE(expectRow(out, 1 + j, i + j));
      i += chunk;
    }
    // Other cuts, and every variant.
    for (int variant = 0;
         variant < static_cast<int>(attention->kernel.variants.size());
         ++variant) {
      Model other(shape, *append, *attention, {length});
      other.step({{0, length}}, {.rows = 48, .variant = variant})
          .expectSameBits(expected);
    }
  }
}

/// What a block holds beyond a sequence's keys is never multiplied in, and
/// neither is another sequence's part of the table.
TEST_P(CacheTest, StaleSlotsDoNotMatter) {
  Shape shape{2, 2, 16};
  auto append = load(appendSpec(shape));
  auto attention = load(attentionSpec(shape));
  ASSERT_TRUE(append && attention);
  Model clean(shape, *append, *attention, {37}, 1.0f, 5);
  Model dirty(shape, *append, *attention, {37}, 1.0f, 5);
  dirty.step({{0, 30}}).expectSameBits(clean.step({{0, 30}}));
  // Rejected tokens were stored, then new ones take their slots.
  for (int64_t position = 30; position < 37; ++position)
    for (int64_t h = 0; h < 2; ++h)
      for (int64_t d = 0; d < 16; ++d) {
        int32_t slot = dirty.sequences[0].slot(position);
        dirty.cache.key(slot, h, d) = INFINITY;
        dirty.cache.value(slot, h, d) = INFINITY;
      }
  dirty.step({{0, 1}}).expectSameBits(clean.step({{0, 1}}));
  dirty.step({{0, 3}}).expectSameBits(clean.step({{0, 3}}));
}

TEST_P(CacheTest, ExtremeScores) {
  Shape shape{1, 1, 64};
  auto append = load(appendSpec(shape));
  auto attention = load(attentionSpec(shape));
  ASSERT_TRUE(append && attention);
  Model model(shape, *append, *attention, {600}, 60.0f);
  Tensor out = model.step({{0, 600}});
  for (int64_t i = 0; i < 600; ++i)
    for (int64_t d = 0; d < 64; ++d) {
      ASSERT_TRUE(std::isfinite(out.at(i, d)));
      ASSERT_LE(std::fabs(out.at(i, d)), 60.01f);
    }
}

/// Zeros that take memory only where they are written.
struct Reserve {
  explicit Reserve(size_t bytes) : bytes(bytes) {
    base = mmap(nullptr, bytes, PROT_READ | PROT_WRITE,
                MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE, -1, 0);
  }
  Reserve(const Reserve &) = delete;
  ~Reserve() {
    if (base != MAP_FAILED)
      munmap(base, bytes);
  }
  size_t bytes;
  void *base;
};

/// A pool of more than 2^31 floats: the addresses of its last block.
TEST_P(CacheTest, LargePools) {
  Shape shape{1, 1, 16};
  CachedAttentionSpec spec = attentionSpec(shape);
  AppendCacheSpec append = appendSpec(shape);
  // One token of each block is touched, in blocks far apart.
  spec.cache.width = append.cache.width = int64_t(1) << 24;
  auto appendKernel = load(append);
  auto attentionKernel = load(spec);
  ASSERT_TRUE(appendKernel && attentionKernel);
  const size_t bytes = (size_t(1) << 24) * blockTokens * sizeof(float) * 12;
  Reserve pool(bytes);
  ASSERT_NE(pool.base, MAP_FAILED);
  Aligned<int32_t> offsets = {0, 17}, lengths = {17}, table = {11, 10},
                   tableOffsets = {0, 2}, slots;
  for (int32_t i = 0; i < 17; ++i)
    slots.push_back((i < 16 ? 11 : 10) * 16 + i % 16);
  Tensor qkv(17, shape.qkvWidth()), out(17, 16);
  qkv.fill(4);
  appendKernel->run({qkv.data(), qkv.data(), slots.data(), pool.base}, 17);
  attentionKernel->runRagged({qkv.data(), pool.base, offsets.data(),
                              lengths.data(), table.data(), tableOffsets.data(),
                              out.data()},
                             1);
  // The first row sees itself alone.
  for (int64_t d = 0; d < 16; ++d)
    ASSERT_EQ(out.at(0, d), qkv.at(0, 32 + d));
  for (int64_t d = 0; d < 16; ++d)
    ASSERT_LE(std::fabs(out.at(16, d)), 1.0f);
}

} // namespace
