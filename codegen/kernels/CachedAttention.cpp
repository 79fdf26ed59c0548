//===- CachedAttention.cpp - attention to keys in a paged cache -----------===//
// Shapes, innermost first: q, out [D, rows]; the cache's keys [16, D, blocks]
// and values [P, 16, blocks] of one head, P = D in whole vectors of 16; table
// [blocks of the sequence] i32; distance_bias [distances] of that head,
// optional; f32. One task: a chunk of rows, one head.
//
// The cache is laid out as the loops want it, so nothing is packed. Then, for a
// tile of query rows, and for each chunk of 256 keys in order:
//   bias     by distance, so that a row adds consecutive numbers to a block
//   scores   registers: tile x blocks of 16 keys, dot products in order of d,
//            after the bias
//   maximum, exp2, sum over the scores of the chunk, in L1
//   output   registers: tile x a slice of D, in order of keys within a block,
//            of blocks within 8 of them
//   and the chunk's maximum, sum and output are merged into the tile's.
// Chunks begin at multiples of 256 keys of the sequence, whatever came before
// in this run or an earlier one: a row's result is bitwise the same whether its
// keys came at once or one by one, alone or in a batch. A chunk of which a row
// sees nothing leaves that row as it was: its weights are exactly 0, and its
// maximum is the least one.
//
// Keys past those that the task sees may be anything, NaN too: their scores are
// replaced, and their values are not read.
//===----------------------------------------------------------------------===//
#include "codegen/kernels/AttentionKernel.h"
#include "codegen/kernels/Elementwise.h"

#include <algorithm>

using namespace transom::codegen;
using Halide::Expr;
using Halide::Func;
using Halide::ImageParam;
using Halide::RDom;
using Halide::TailStrategy;
using Halide::Tuple;
using Halide::Var;

namespace {

constexpr int blockKeys = TRANSOM_CACHE_BLOCK;
/// Part of the meaning of the kernel, not of its schedule: see above. Scores
/// and weights of 8 rows take 16 KB, half of an L1.
constexpr int chunkKeys = 256;
/// Blocks of values that are read side by side, part of the order of sums, too:
/// a block's 16 rows alone are too short for the memory to deliver at full
/// speed (10 GB/s one by one, 23 eight at a time, 35 in one piece).
constexpr int valueBlocks = 8;
/// A table counts blocks, and slots = blocks * 16, in 32 bits.
constexpr int mostBlocks = INT32_MAX / blockKeys;

struct Variant {
  const char *suffix;
  int64_t maxRows;
  int rows;   ///< query rows of a tile
  int blocks; ///< blocks of keys of a score tile
  int taskRows;
};

/// Few rows wait for memory: they take more blocks at a time. Many have the
/// widest tile, and read keys again from the cache of the CPU.
std::vector<Variant> variantsOf(const CachedAttentionSpec &spec,
                                const Machine &machine) {
  bool wide = machine.vectorRegisters >= 32;
  int rows = wide ? 8 : 6;
  // Nothing is packed, so that causal tasks, which skip the keys that none of
  // their rows sees, are best short. Two tiles at least: the second one finds
  // the keys in L2. Others are as long as those of attention without a cache.
  int taskRows = wholeTiles(spec.causal ? 16 : 240, rows);
  std::vector<Variant> variants = {{"_one", 1, 1, wide ? 8 : 4, 1},
                                   {"_many", INT64_MAX, rows, 1, taskRows}};
  if (wide)
    variants.insert(variants.begin() + 1, {"_few", 16, 4, 4, 16});
  return variants;
}

class CachedAttention : public AttentionKernel {
public:
  CachedAttention(const CachedAttentionSpec &spec, const Machine &machine,
                  const Variant &variant);
  void schedule(const Machine &machine) override;

private:
  void readCache(const CachedAttentionSpec &spec);
  void buildScores();
  void buildWeights(int lanes);
  void buildOutput();
  void mergeChunks();
  void scheduleScores(Halide::LoopLevel perChunk, int lanes);

  /// A key's block of the sequence.
  Expr blockOf(Expr chunk, Expr step, Expr block) const {
    return (chunk * steps + step) * variant.blocks + block;
  }
  /// Does any row see a key of this step?
  Expr isSeen(Expr chunk, Expr step) const {
    return blockOf(chunk, step, 0) * blockKeys < seenByTask;
  }

  Variant variant;
  int steps;        ///< of a chunk
  int depth, slice; ///< of D in whole vectors: all, and what `sum` holds
  /// Number at (column, key) or (key, column) of a block of the sequence.
  std::function<Expr(Expr, Expr, Expr)> keyAt, valueAt;
  /// A key is (chunk * steps + step) * blocks + block, and `key` within that.
  Var key{"key"}, block{"block"}, step{"step"}, chunk{"chunk"};
  Var distance{"distance"}; ///< of a key's place in a chunk from a row
  RDom inner, scored, most, weighed, summed, each, chunks;
  Func bias{"bias"}, dot{"dot"}, score{"score"}, weight{"weight"};
  Func sum{"sum"}, partial{"partial"}, state{"state"};
};

/// Vectors of D that an output tile of `rows` rows holds in registers.
int sliceOf(int depth, int rows, const Machine &machine) {
  int slice = machine.floatLanes;
  for (int vectors : {2, 3, 4})
    if ((vectors + 1) * rows < machine.vectorRegisters &&
        depth % (vectors * machine.floatLanes) == 0)
      slice = vectors * machine.floatLanes;
  return slice;
}

CachedAttention::CachedAttention(const CachedAttentionSpec &spec,
                                 const Machine &machine, const Variant &variant)
    : AttentionKernel(AttentionShape(spec)), variant(variant),
      steps(chunkKeys / (variant.blocks * blockKeys)),
      depth(static_cast<int>(roundUp(spec.headDim, blockKeys))),
      slice(sliceOf(depth, variant.rows, machine)) {
  readQueries();
  readCache(spec);
  buildScores();
  buildWeights(machine.floatLanes);
  buildOutput();
  mergeChunks();
}

void CachedAttention::readCache(const CachedAttentionSpec &spec) {
  auto half = [&](int64_t column, Dim fast, Dim slow) {
    return View{
        .operand = indexOf(spec, CachedAttentionSpec::Cache),
        .type = spec.cache.type,
        .dims = {fast, slow, fixed(mostBlocks, spec.cache.width * blockKeys)},
        .columnStride = int64_t(depth) * blockKeys,
        .offset = column * blockKeys,
        .columnDivisor = shape.group()};
  };
  ImageParam k = view("k", half(spec.cache.offset, fixed(blockKeys),
                                fixed(shape.headDim, blockKeys)));
  ImageParam v = view("v", half(spec.cache.offset + spec.keyHeads * depth,
                                fixed(depth), fixed(blockKeys, depth)));
  ImageParam table =
      view("table", {.operand = indexOf(spec, CachedAttentionSpec::BlockTable),
                     .type = i32,
                     .dims = {taskKeys(1)},
                     .rows = TRANSOM_TASK_KEYS,
                     .rowStride = 1});
  readLengths();
  Expr lastBlock = max((seenByTask - 1) / blockKeys, 0);
  auto placeOf = [=](Expr block) {
    return unsafe_promise_clamped(table(min(block, lastBlock)), 0,
                                  mostBlocks - 1);
  };
  keyAt = [=](Expr key, Expr column, Expr block) {
    return k(key, column, placeOf(block));
  };
  valueAt = [=](Expr column, Expr key, Expr block) {
    return v(column, key, placeOf(block));
  };
}

void CachedAttention::buildScores() {
  inner = RDom(0, static_cast<int>(shape.headDim), "inner");
  if (shape.hasBias()) {
    bias(distance, chunk) = readBias()(chunk * chunkKeys + distance);
    dot(key, i, block, step, chunk) =
        bias(blockOf(0, step, block) * blockKeys + key - i, chunk);
  } else {
    dot(key, i, block, step, chunk) = 0.0f;
  }
  dot(key, i, block, step, chunk) +=
      packedQ(inner, i) * keyAt(key, inner, blockOf(chunk, step, block));

  // Only the steps that hold a key which the task sees are computed, hence the
  // updates of undefined values.
  scored = RDom(0, steps, "scored");
  scored.where(isSeen(chunk, scored));
  score(key, i, block, step, chunk) = Halide::undef<float>();
  score(key, i, block, scored, chunk) =
      select(blockOf(chunk, scored, block) * blockKeys + key < limit(i),
             dot(key, i, block, scored, chunk), maskedScore);
}

void CachedAttention::buildWeights(int lanes) {
  auto overSteps = [&](const char *name) {
    RDom domain(0, blockKeys / lanes, 0, variant.blocks, 0, steps, name);
    domain.where(isSeen(chunk, domain.z));
    return domain;
  };
  most = overSteps("most");
  fold = RDom(0, lanes, "fold");
  maxima(lane, i, chunk) = leastMaximum;
  maxima(lane, i, chunk) =
      max(maxima(lane, i, chunk),
          score(most.x * lanes + lane, i, most.y, most.z, chunk));
  maximum(i, chunk) = leastMaximum;
  maximum(i, chunk) = max(maximum(i, chunk), maxima(fold, i, chunk));

  weighed = RDom(0, steps, "weighed");
  weighed.where(isSeen(chunk, weighed));
  weight(key, i, block, step, chunk) = Halide::undef<float>();
  weight(key, i, block, weighed, chunk) = exp2OfNonPositive(
      score(key, i, block, weighed, chunk) - maximum(i, chunk));
  summed = overSteps("summed");
  sums(lane, i, chunk) = 0.0f;
  sums(lane, i, chunk) +=
      weight(summed.x * lanes + lane, i, summed.y, summed.z, chunk);
  total(i, chunk) = 0.0f;
  total(i, chunk) += sums(fold, i, chunk);
}

void CachedAttention::buildOutput() {
  each = RDom(0, valueBlocks, 0, blockKeys, 0,
              chunkKeys / (valueBlocks * blockKeys), "each");
  Expr inChunk = each.z * valueBlocks + each.x;
  Expr firstOfBlock = chunk * chunkKeys + inChunk * blockKeys;
  each.where(firstOfBlock < seenByTask);
  // Of the last block, weights are 0 where no row sees the key.
  Expr weightOfKey = weight(each.y, i, inChunk % variant.blocks,
                            inChunk / variant.blocks, chunk);
  sum(d, i, chunk) = 0.0f;
  sum(d, i, chunk) +=
      weightOfKey * valueAt(d, min(each.y, seenByTask - 1 - firstOfBlock),
                            firstOfBlock / blockKeys);
  partial(d, i, chunk) = sum(d, i, chunk);
}

void CachedAttention::mergeChunks() {
  // Output, maximum and sum so far; the last two the same in every column.
  chunks = RDom(0, (seenByTask + (chunkKeys - 1)) / chunkKeys, "chunks");
  state(d, i) = Tuple(0.0f, leastMaximum, 0.0f);
  // The smaller share is scaled, and then added. Written with two products, of
  // which one were by 1, either could be the one that is fused into the sum.
  Expr before = state(d, i)[1], here = maximum(i, chunks);
  Expr scale = exp2OfNonPositive(-abs(before - here));
  auto merged = [&](Expr old, Expr chunk) {
    return select(before >= here, old + chunk * scale, chunk + old * scale);
  };
  state(d, i) =
      Tuple(merged(state(d, i)[0], partial(d, i, chunks)), max(before, here),
            merged(state(d, i)[2], total(i, chunks)));
  writeRows(state(d, i)[0] * inverseOf(state(d, i)[2]));
}

void CachedAttention::scheduleScores(Halide::LoopLevel perChunk, int lanes) {
  for (Func grid : {score, weight})
    grid.compute_at(perChunk)
        .bound_extent(key, blockKeys)
        .bound_extent(i, variant.rows)
        .bound_extent(block, variant.blocks)
        .bound_extent(step, steps);
  score.update()
      .reorder(key, i, block, scored.x)
      .vectorize(key, lanes)
      .unroll(key)
      .unroll(i)
      .unroll(block);
  weight.update()
      .reorder(key, i, block, weighed.x)
      .vectorize(key, lanes)
      .unroll(key)
      .unroll(block);
  dot.compute_at(score, scored.x)
      .bound_extent(key, blockKeys)
      .bound_extent(i, variant.rows)
      .bound_extent(block, variant.blocks)
      .vectorize(key, lanes)
      .unroll(key)
      .unroll(i)
      .unroll(block);
  dot.update()
      .reorder(key, i, block, inner.x)
      .vectorize(key, lanes)
      .unroll(key)
      .unroll(i)
      .unroll(block);
}

void CachedAttention::schedule(const Machine &machine) {
  const int lanes = machine.floatLanes;
  Var outer("outer"), element("element");
  Halide::LoopLevel perTile = scheduleRows(variant.rows, machine);
  Halide::LoopLevel perChunk(state, chunks.x);
  if (shape.hasBias())
    bias.compute_at(perChunk).vectorize(distance, lanes, TailStrategy::RoundUp);
  state.compute_at(perTile)
      .bound_extent(d, depth)
      .bound_extent(i, variant.rows)
      .vectorize(d, lanes);
  state.update().reorder(d, i, chunks.x).vectorize(d, lanes);
  scheduleScores(perChunk, lanes);
  scheduleReductions(perChunk, variant.rows, {most.x, most.y, most.z},
                     {summed.x, summed.y, summed.z}, machine);

  partial.compute_at(perChunk)
      .bound_extent(d, depth)
      .bound_extent(i, variant.rows)
      .split(d, outer, element, slice)
      .reorder(element, i, outer)
      .vectorize(element, lanes)
      .unroll(element)
      .unroll(i);
  sum.bound_extent(d, slice).bound_extent(i, variant.rows);
  registerTile(sum, d, i, {partial, outer}, machine);
  sum.update()
      .reorder(d, i, each.x, each.y, each.z)
      .vectorize(d, lanes)
      .unroll(d)
      .unroll(i);
}

class CachedAttentionFamily : public Family {
public:
  const char *name() const override { return "cached_attention"; }

  const char *refusal(const KernelSpec &spec,
                      const Machine &machine) const override {
    const auto &attention = std::get<CachedAttentionSpec>(spec);
    if (!AttentionShape(attention).isValid())
      return "its heads are not a multiple of its key heads";
    if (attention.cache.width > INT32_MAX / blockKeys)
      return "a block of its cache has more than 2^31 elements";
    return nullptr;
  }

  /// A pool of blocks may have more than 2^31 elements.
  bool addressesLargeBuffers() const override { return true; }

  CompiledKernel plan(const KernelSpec &spec,
                      const Machine &machine) const override {
    const auto &attention = std::get<CachedAttentionSpec>(spec);
    CompiledKernel kernel = planAttention(AttentionShape(attention));
    kernel.queryOffsets = indexOf(attention, CachedAttentionSpec::QueryOffsets);
    kernel.keyLengths = indexOf(attention, CachedAttentionSpec::KeyLengths);
    kernel.keyOffsets = indexOf(attention, CachedAttentionSpec::BlockOffsets);
    int64_t depth = roundUp(attention.headDim, blockKeys);
    for (const Variant &variant : variantsOf(attention, machine)) {
      // The scores, weights and biases of a chunk, the query, the chunk's
      // output and the state (what of this fits the stack is not taken from
      // here).
      kernel.scratchBytes = std::max(
          kernel.scratchBytes,
          2 * scratchOf(int64_t(variant.rows) * chunkKeys) +
              scratchOf(chunkKeys + variant.rows + machine.floatLanes) +
              5 * scratchOf(variant.rows * depth) + 8 * scratchOf(0));
      kernel.variants.push_back({variant.suffix,
                                 {.max_rows = variant.maxRows,
                                  .row_tile = variant.rows,
                                  .task_rows = variant.taskRows,
                                  .task_columns = 1}});
    }
    return kernel;
  }

  std::unique_ptr<Kernel> build(const KernelSpec &spec, const Machine &machine,
                                size_t variant) const override {
    const auto &attention = std::get<CachedAttentionSpec>(spec);
    return std::make_unique<CachedAttention>(
        attention, machine, variantsOf(attention, machine)[variant]);
  }
};

} // namespace

const Family &transom::codegen::cachedAttentionFamily() {
  static const CachedAttentionFamily family;
  return family;
}
