//===- CachedAttention.cpp - attention to keys in a paged cache -----------===//
// Shapes, innermost first: q, out [D, rows]; the cache's keys [16, D, blocks]
// and values [P, 16, blocks] of one head, P = D in whole vectors of 16; table
// [blocks of the sequence] i32; distance_bias [distances] of that head,
// optional; f32. One task: a chunk of rows, one head.
//
// The cache is laid out as the loops want it, so nothing is packed. Then, for a
// tile of query rows, and for each part of 256 keys in order:
//   bias     by distance, so that a row adds consecutive numbers to a block
//   scores   registers: tile x blocks of 16 keys, dot products in order of d,
//            after the bias
//   maximum, exp2, sum over the scores of the part, in L1
//   output   registers: tile x a slice of D, in order of keys within a block,
//            of blocks within 8 of them
//   and the part's maximum, sum and output are merged into the tile's.
// Parts begin at multiples of 256 keys of the sequence, whatever came before in
// this run or an earlier one: a row's result is bitwise the same whether its
// keys came at once or one by one, alone or in a batch. A part of which a row
// sees nothing leaves that row as it was: its weights are exactly 0, and its
// maximum is the least one.
//
// Keys past those that the task sees may be anything, NaN too: their scores are
// replaced, and their values are not read.
//===----------------------------------------------------------------------===//
#include "codegen/kernels/Elementwise.h"
#include "codegen/kernels/Verbs.h"

#include <algorithm>

using namespace transom::codegen;
using Halide::Expr;
using Halide::Func;
using Halide::ImageParam;
using Halide::Param;
using Halide::RDom;
using Halide::TailStrategy;
using Halide::Tuple;
using Halide::Var;

namespace {

constexpr int blockKeys = TRANSOM_CACHE_BLOCK;
/// Part of the meaning of the kernel, not of its schedule: see above.
constexpr int partKeys = 256;
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
  // Causal tasks skip the keys that none of their rows sees.
  int taskRows = (spec.causal ? 16 : 240) / rows * rows;
  std::vector<Variant> variants = {{"_one", 1, 1, wide ? 8 : 4, 1},
                                   {"_many", INT64_MAX, rows, 1, taskRows}};
  if (wide)
    variants.insert(variants.begin() + 1, {"_few", 16, 4, 4, 16});
  return variants;
}

class CachedAttention : public Kernel {
public:
  CachedAttention(const CachedAttentionSpec &spec, const Machine &machine,
                  const Variant &variant);
  void schedule(const Machine &machine) override;

private:
  Variant variant;
  bool hasBias;
  int depth, slice; ///< of D in whole vectors: all, and what `sum` holds
  /// A key is (part * steps + step) * blocks + block, and `key` within that.
  Var key{"key"}, block{"block"}, step{"step"}, part{"part"};
  Var d{"d"}, i{"i"}, lane{"lane"}; ///< column of a head, query row
  Var distance{"distance"};         ///< of a key's place in a part from a row
  RDom inner, scored, most, weighed, summed, fold, each, parts;
  Func packedQ{"packed_q"}, bias{"bias"}, limit{"limit"};
  Func dot{"dot"}, score{"score"}, weight{"weight"};
  Func maxima{"maxima"}, maximum{"maximum"}, sums{"sums"}, total{"total"};
  Func sum{"sum"}, partial{"partial"}, state{"state"}, out{"out"};
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
    : variant(variant), hasBias(spec.distances > 0),
      depth(static_cast<int>(roundUp(spec.headDim, blockKeys))),
      slice(sliceOf(depth, variant.rows, machine)) {
  const int lanes = machine.floatLanes;
  const int headDim = static_cast<int>(spec.headDim);
  const int steps = partKeys / (variant.blocks * blockKeys);
  const float log2e = 1.44269504f;
  const float masked = -1e30f, least = -1e29f;

  const int64_t headFloats = int64_t(depth) * blockKeys;
  const int64_t blockFloats = spec.cacheWidth * blockKeys;
  const auto group = static_cast<int32_t>(spec.heads / spec.keyHeads);
  auto cache = [&](int64_t column, Dim fast, Dim slow) {
    return View{.operand = indexOf(spec, CachedAttentionSpec::Cache),
                .dims = {fast, slow, fixed(mostBlocks, blockFloats)},
                .columnStride = headFloats,
                .offset = column * blockKeys,
                .columnDivisor = group};
  };
  ImageParam q =
      view("q", {.operand = indexOf(spec, CachedAttentionSpec::Query),
                 .dims = {fixed(headDim), taskRows(spec.queryStride)},
                 .rows = TRANSOM_TASK_ROWS,
                 .rowStride = spec.queryStride,
                 .columnStride = headDim,
                 .offset = spec.queryOffset});
  ImageParam k = view("k", cache(spec.cacheOffset, fixed(blockKeys),
                                 fixed(headDim, blockKeys)));
  ImageParam v = view("v", cache(spec.cacheOffset + spec.keyHeads * depth,
                                 fixed(depth), fixed(blockKeys, depth)));
  ImageParam table =
      view("table",
           {.operand = indexOf(spec, CachedAttentionSpec::BlockTable),
            .dims = {taskKeys(1)},
            .rows = TRANSOM_TASK_KEYS,
            .rowStride = 1},
           Halide::Int(32));
  Param<int32_t> keys = scalar("keys", TRANSOM_TASK_KEYS);
  Expr rows = q.dim(1).extent();

  // Keys that row i sees, and that any row of this task sees.
  Expr seen = keys, seenByTask = keys;
  // The key that the task's first row stands at.
  Expr place;
  if (spec.causal || hasBias) {
    Param<int32_t> begin = scalar("row_begin", TRANSOM_TASK_ROW_BEGIN);
    Param<int32_t> length = scalar("sequence_rows", TRANSOM_SEQUENCE_ROWS);
    place = begin + keys - length;
  }
  if (spec.causal) {
    seen = place + i + 1;
    seenByTask = clamp(place + rows, 0, keys);
  }
  Expr lastBlock = max((seenByTask - 1) / blockKeys, 0);
  auto blockOf = [&](Expr part, Expr step, Expr block) {
    return (part * steps + step) * variant.blocks + block;
  };
  auto placeOf = [&](Expr block) {
    return unsafe_promise_clamped(table(min(block, lastBlock)), 0,
                                  mostBlocks - 1);
  };

  packedQ(d, i) = q(d, min(i, rows - 1)) * (spec.scale * log2e);
  inner = RDom(0, headDim, "inner");
  if (hasBias) {
    const auto distances = static_cast<int>(spec.distances);
    const auto first = static_cast<int>(spec.firstDistance);
    ImageParam values =
        view("distance_bias",
             {.operand = indexOf(spec, CachedAttentionSpec::DistanceBias),
              .dims = {fixed(distances)},
              .columnStride = rowStride(distances)});
    bias(distance, part) =
        values(clamp(part * partKeys + distance - place - first, 0,
                     distances - 1)) *
        log2e;
    dot(key, i, block, step, part) =
        bias(blockOf(0, step, block) * blockKeys + key - i, part);
  } else {
    dot(key, i, block, step, part) = 0.0f;
  }
  dot(key, i, block, step, part) +=
      packedQ(inner, i) * k(key, inner, placeOf(blockOf(part, step, block)));

  // Only the steps that hold a key which the task sees are computed, hence the
  // updates of undefined values. `limit` is kept, so that the bounds of loops
  // do not follow from the comparison with it.
  limit(i) = seen;
  scored = RDom(0, steps, "scored");
  scored.where(blockOf(part, scored, 0) * blockKeys < seenByTask);
  score(key, i, block, step, part) = Halide::undef<float>();
  score(key, i, block, scored, part) =
      select(blockOf(part, scored, block) * blockKeys + key < limit(i),
             dot(key, i, block, scored, part), masked);

  auto overSteps = [&](const char *name) {
    RDom domain(0, blockKeys / lanes, 0, variant.blocks, 0, steps, name);
    domain.where(blockOf(part, domain.z, 0) * blockKeys < seenByTask);
    return domain;
  };
  most = overSteps("most");
  fold = RDom(0, lanes, "fold");
  maxima(lane, i, part) = least;
  maxima(lane, i, part) =
      max(maxima(lane, i, part),
          score(most.x * lanes + lane, i, most.y, most.z, part));
  maximum(i, part) = least;
  maximum(i, part) = max(maximum(i, part), maxima(fold, i, part));

  weighed = RDom(0, steps, "weighed");
  weighed.where(blockOf(part, weighed, 0) * blockKeys < seenByTask);
  weight(key, i, block, step, part) = Halide::undef<float>();
  weight(key, i, block, weighed, part) =
      exp2OfNonPositive(score(key, i, block, weighed, part) - maximum(i, part));
  summed = overSteps("summed");
  sums(lane, i, part) = 0.0f;
  sums(lane, i, part) +=
      weight(summed.x * lanes + lane, i, summed.y, summed.z, part);
  total(i, part) = 0.0f;
  total(i, part) += sums(fold, i, part);

  each = RDom(0, valueBlocks, 0, blockKeys, 0,
              partKeys / (valueBlocks * blockKeys), "each");
  Expr inPart = each.z * valueBlocks + each.x;
  Expr firstKey = part * partKeys + inPart * blockKeys;
  each.where(firstKey < seenByTask);
  // Of the last block, weights are 0 where no row sees the key.
  Expr weightOfKey =
      weight(each.y, i, inPart % variant.blocks, inPart / variant.blocks, part);
  sum(d, i, part) = 0.0f;
  sum(d, i, part) += weightOfKey * v(d, min(each.y, seenByTask - 1 - firstKey),
                                     placeOf(firstKey / blockKeys));
  partial(d, i, part) = sum(d, i, part);

  // Output, maximum and sum so far; the last two the same in every column.
  parts = RDom(0, (seenByTask + (partKeys - 1)) / partKeys, "parts");
  state(d, i) = Tuple(0.0f, least, 0.0f);
  // The smaller share is scaled, and then added. Written with two products, of
  // which one were by 1, either could be the one that is fused into the sum.
  Expr before = state(d, i)[1], here = maximum(i, parts);
  Expr scale = exp2OfNonPositive(-abs(before - here));
  auto merged = [&](Expr old, Expr part) {
    return select(before >= here, old + part * scale, part + old * scale);
  };
  state(d, i) =
      Tuple(merged(state(d, i)[0], partial(d, i, parts)), max(before, here),
            merged(state(d, i)[2], total(i, parts)));
  // A row that sees no key is zero.
  Expr all = state(d, i)[2];
  out(d, i) = state(d, i)[0] * select(all == 0.0f, 0.0f, 1.0f / all);
  result(out, {.operand = indexOf(spec, CachedAttentionSpec::Output),
               .dims = {fixed(headDim), taskRows(spec.outStride)},
               .rows = TRANSOM_TASK_ROWS,
               .rowStride = spec.outStride,
               .columnStride = headDim});
}

void CachedAttention::schedule(const Machine &machine) {
  const int lanes = machine.floatLanes;
  const int steps = partKeys / (variant.blocks * blockKeys);
  Var tile("tile"), outer("outer"), element("element");

  out.split(i, tile, i, variant.rows, TailStrategy::GuardWithIf)
      .vectorize(d, lanes, TailStrategy::PredicateStores);
  Halide::LoopLevel perTile(out, tile), perPart(state, parts.x);

  packedQ.compute_at(perTile)
      .bound_extent(i, variant.rows)
      .vectorize(d, lanes, TailStrategy::GuardWithIf);
  limit.compute_at(perTile).bound_extent(i, variant.rows);
  if (hasBias)
    bias.compute_at(perPart).vectorize(distance, lanes, TailStrategy::RoundUp);
  state.compute_at(perTile)
      .bound_extent(d, depth)
      .bound_extent(i, variant.rows)
      .vectorize(d, lanes);
  state.update().reorder(d, i, parts.x).vectorize(d, lanes);

  for (Func grid : {score, weight})
    grid.compute_at(perPart)
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

  auto scheduleLanes = [&](Func func, const RDom &domain) {
    func.compute_at(perPart)
        .bound_extent(i, variant.rows)
        .vectorize(lane, lanes)
        .unroll(i);
    func.update()
        .reorder(lane, i, domain.x, domain.y, domain.z)
        .vectorize(lane, lanes)
        .unroll(i)
        .unroll(domain.x)
        .unroll(domain.y);
  };
  scheduleLanes(maxima, most);
  scheduleLanes(sums, summed);
  for (Func folded : {maximum, total}) {
    folded.compute_at(perPart).bound_extent(i, variant.rows);
    folded.update().atomic().vectorize(fold, lanes);
  }

  partial.compute_at(perPart)
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

  bool accepts(const KernelSpec &spec, const Machine &machine) const override {
    const auto *attention = std::get_if<CachedAttentionSpec>(&spec);
    return attention && attention->headDim > 0 && attention->keyHeads > 0 &&
           attention->heads % attention->keyHeads == 0 &&
           attention->cacheWidth <= INT32_MAX / blockKeys;
  }

  /// A pool of blocks may have more than 2^31 elements.
  bool addressesLargeBuffers() const override { return true; }

  CompiledKernel plan(const KernelSpec &spec,
                      const Machine &machine) const override {
    const auto &attention = std::get<CachedAttentionSpec>(spec);
    CompiledKernel kernel;
    kernel.grid = TRANSOM_GRID_RAGGED;
    kernel.columns = static_cast<int32_t>(attention.heads);
    kernel.queryOffsets = indexOf(attention, CachedAttentionSpec::QueryOffsets);
    kernel.keyLengths = indexOf(attention, CachedAttentionSpec::KeyLengths);
    kernel.keyOffsets = indexOf(attention, CachedAttentionSpec::BlockOffsets);
    kernel.packing.resize(attention.operands().size());
    if (attention.distances > 0)
      kernel.packing[indexOf(attention, CachedAttentionSpec::DistanceBias)] = {
          .stride = rowStride(attention.distances)};
    kernel.flopsPerPair =
        4.0 * static_cast<double>(attention.heads * attention.headDim);
    int64_t depth = roundUp(attention.headDim, blockKeys);
    for (const Variant &variant : variantsOf(attention, machine)) {
      // The scores, weights and biases of a part, the query, the part's output
      // and the state (what of this fits the stack is not taken from here).
      kernel.scratchBytes =
          std::max(kernel.scratchBytes,
                   2 * scratchOf(int64_t(variant.rows) * partKeys) +
                       scratchOf(partKeys + variant.rows + machine.floatLanes) +
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
