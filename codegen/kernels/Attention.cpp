//===- Attention.cpp - softmax(scale q k^T) v within each sequence --------===//
// Shapes, innermost first: q, out [D, rows]; k, v [D, keys]: views of one head
// of one sequence in rows of several heads; distance_bias [distances] of that
// head, optional; f32. One task: a chunk of rows.
//
// Once a task, k is packed so that vectors run over keys, and v so that rows of
// a head are dense; the bias is laid out by distance, so that what a row adds
// to a block of keys are consecutive numbers. Then, a tile of query rows at a
// time:
//   scores  registers: tile x block of keys, each dot product in order of d,
//           after the bias
//   maximum, exp2, sum over the scores of the tile, in L1 or L2
//   output  registers: tile x a part of D, in order of keys
// Keys beyond the sequence (or masked by `causal`) have score -1e30, and the
// maximum is at least -1e29, so their weight is exactly 0.
// A row's result depends on its own sequence only: not on its place in a tile.
//===----------------------------------------------------------------------===//
#include "codegen/kernels/Elementwise.h"
#include "codegen/kernels/Verbs.h"

#include <algorithm>
#include <functional>

using namespace transom::codegen;
using Halide::Expr;
using Halide::Func;
using Halide::ImageParam;
using Halide::Param;
using Halide::RDom;
using Halide::TailStrategy;
using Halide::Var;

namespace {

/// Sizes of the tiles.
struct Tiles {
  int rows;     ///< query rows
  int keys;     ///< keys of a block, whole vectors
  int depth;    ///< D in whole vectors
  int outDepth; ///< part of it that the output tile holds
  int taskRows;
};

Tiles tilesOf(const AttentionSpec &spec, const Machine &machine) {
  int lanes = machine.floatLanes;
  Tiles tiles;
  // Blocks of 16 keys, so that short sequences compute little that is masked;
  // 8 or 6 x 2 accumulators hide the latency of a fused multiply-add.
  tiles.rows = machine.vectorRegisters >= 32 ? 8 : 6;
  tiles.keys = static_cast<int>(roundUp(16, lanes));
  tiles.depth = static_cast<int>(roundUp(spec.headDim, lanes));
  tiles.outDepth = lanes;
  for (int vectors : {2, 3})
    if ((vectors + 1) * tiles.rows < machine.vectorRegisters &&
        tiles.depth % (vectors * lanes) == 0)
      tiles.outDepth = vectors * lanes;
  // Packing costs as much as scores for a few rows. Causal tasks skip the keys
  // that none of their rows sees, so shorter ones skip more.
  tiles.taskRows = (spec.causal ? 64 : 240) / tiles.rows * tiles.rows;
  return tiles;
}

class Attention : public Kernel {
public:
  Attention(const AttentionSpec &spec, const Machine &machine);
  void schedule(const Machine &machine) override;

private:
  void buildTranspose(
      int lanes,
      const std::function<Expr(Expr d, Expr key, Var block)> &element);

  AttentionSpec spec;
  Tiles tiles;
  Var x{"x"}, y{"y"};             ///< column and row of a square
  Var d{"d"}, i{"i"};             ///< column of a head, query row
  Var key{"key"}, block{"block"}; ///< a key is block * tiles.keys + key
  Var lane{"lane"}, distance{"distance"};
  RDom depth, part, fold, each;
  std::vector<Func> squares; ///< parts of k, transposed step by step
  Func packedQ{"packed_q"}, packedK{"packed_k"}, packedV{"packed_v"};
  Func bias{"bias"}; ///< by a key's number less its row's, within the task
  Func limit{"limit"}, dot{"dot"}, score{"score"}, weight{"weight"};
  Func maxima{"maxima"}, maximum{"maximum"}, sums{"sums"}, inverse{"inverse"};
  Func total{"total"}, sum{"sum"}, row{"row"}, out{"out"};
};

Attention::Attention(const AttentionSpec &spec, const Machine &machine)
    : spec(spec), tiles(tilesOf(spec, machine)) {
  const int lanes = machine.floatLanes;
  const int headDim = static_cast<int>(spec.headDim);
  const float log2e = 1.44269504f;
  const float masked = -1e30f, least = -1e29f;

  auto head = [&](AttentionSpec::Operand operand, int64_t stride,
                  int64_t offset, bool isKey) {
    return View{
        .operand = indexOf(spec, operand),
        .dims = {fixed(headDim), isKey ? taskKeys(stride) : taskRows(stride)},
        .rows = isKey ? TRANSOM_TASK_KEYS : TRANSOM_TASK_ROWS,
        .rowStride = stride,
        .columnStride = headDim,
        .offset = offset,
        .columnDivisor =
            static_cast<int32_t>(isKey ? spec.heads / spec.keyHeads : 1)};
  };
  ImageParam q = view("q", head(AttentionSpec::Query, spec.queryStride,
                                spec.queryOffset, false));
  ImageParam k =
      view("k", head(AttentionSpec::Key, spec.keyStride, spec.keyOffset, true));
  ImageParam v = view("v", head(AttentionSpec::Value, spec.valueStride,
                                spec.valueOffset, true));
  Param<int32_t> keys = scalar("keys", TRANSOM_TASK_KEYS);
  Expr rows = q.dim(1).extent();

  // Keys that row i sees, and that any row of this task sees.
  Expr seen = keys, seenByTask = keys;
  // The key that the task's first row stands at.
  Expr place;
  if (spec.causal || spec.distances > 0) {
    Param<int32_t> begin = scalar("row_begin", TRANSOM_TASK_ROW_BEGIN);
    Param<int32_t> length = scalar("sequence_rows", TRANSOM_SEQUENCE_ROWS);
    place = begin + keys - length;
  }
  if (spec.causal) {
    seen = place + i + 1;
    seenByTask = clamp(place + rows, 0, keys);
  }
  Expr blocks = (seenByTask + (tiles.keys - 1)) / tiles.keys;
  auto keyRow = [&](Expr key, Expr block) {
    return min(likely(block * tiles.keys + key), keys - 1);
  };
  auto column = [&](Var d) -> Expr {
    return tiles.depth == headDim ? Expr(d) : min(d, headDim - 1);
  };

  packedQ(d, i) = q(d, min(i, rows - 1)) * (spec.scale * log2e);
  buildTranspose(lanes, [&](Expr d, Expr key, Var block) {
    return k(tiles.depth == headDim ? d : min(d, headDim - 1),
             keyRow(key, block));
  });
  packedV(d, key, block) = v(column(d), keyRow(key, block));

  depth = RDom(0, headDim, "depth");
  if (spec.distances > 0) {
    const auto distances = static_cast<int>(spec.distances);
    const auto first = static_cast<int>(spec.firstDistance);
    ImageParam table = view(
        "distance_bias", {.operand = indexOf(spec, AttentionSpec::DistanceBias),
                          .dims = {fixed(distances)},
                          .columnStride = rowStride(distances)});
    bias(distance) =
        table(clamp(distance - place - first, 0, distances - 1)) * log2e;
    dot(key, i, block) = bias(block * tiles.keys + key - i);
  } else {
    dot(key, i, block) = 0.0f;
  }
  dot(key, i, block) += packedQ(depth, i) * packedK(key, depth, block);
  // Kept, so that the bounds of loops do not follow from this comparison: they
  // would be negative for rows that see nothing.
  limit(i) = seen;
  score(key, i, block) =
      select(block * tiles.keys + key < limit(i), dot(key, i, block), masked);

  part = RDom(0, tiles.keys / lanes, 0, blocks, "part");
  fold = RDom(0, lanes, "fold");
  maxima(lane, i) = least;
  maxima(lane, i) =
      max(maxima(lane, i), score(part.x * lanes + lane, i, part.y));
  maximum(i) = least;
  maximum(i) = max(maximum(i), maxima(fold, i));
  weight(key, i, block) = exp2OfNonPositive(score(key, i, block) - maximum(i));
  sums(lane, i) = 0.0f;
  sums(lane, i) += weight(part.x * lanes + lane, i, part.y);
  total(i) = 0.0f;
  total(i) += sums(fold, i);
  // A row that sees no key is zero.
  inverse(i) = select(total(i) == 0.0f, 0.0f, 1.0f / total(i));

  each = RDom(0, tiles.keys, 0, blocks, "each");
  each.where(each.y * tiles.keys + each.x < seenByTask);
  sum(d, i) = 0.0f;
  sum(d, i) += weight(each.x, i, each.y) * packedV(d, each.x, each.y);
  row(d, i) = sum(d, i) * inverse(i);
  out(d, i) = row(d, i);
  result(out, {.operand = indexOf(spec, AttentionSpec::Output),
               .dims = {fixed(headDim), taskRows(spec.outStride)},
               .rows = TRANSOM_TASK_ROWS,
               .rowStride = spec.outStride,
               .columnStride = headDim});
}

/// packedK[key, d] = k[d, key] by squares of lanes x lanes. A square is read
/// row by row, as lanes^2 elements: its index has log2(lanes) bits of d and as
/// many of key. Interleaving the halves of a square rotates the bits by one;
/// after log2(lanes) times d and key have changed places. Vectors only, no
/// gathers.
void Attention::buildTranspose(
    int lanes, const std::function<Expr(Expr, Expr, Var)> &element) {
  Var dSquare("d_square"), keySquare("key_square");
  Func square("square");
  square(x, keySquare, dSquare, block) = element(
      dSquare * lanes + x % lanes, keySquare * lanes + x / lanes, block);
  squares = {square};
  for (int bit = 1; bit < lanes; bit *= 2) {
    Func from = squares.back(), to("square");
    to(x, keySquare, dSquare, block) =
        select(x % 2 == 0, from(x / 2, keySquare, dSquare, block),
               from(x / 2 + lanes * lanes / 2, keySquare, dSquare, block));
    squares.push_back(to);
  }
  packedK(key, d, block) = squares.back()(key % lanes + (d % lanes) * lanes,
                                          key / lanes, d / lanes, block);
}

void Attention::schedule(const Machine &machine) {
  const int lanes = machine.floatLanes;
  Var tile("tile"), slice("slice"), element("element");

  out.split(i, tile, i, tiles.rows, TailStrategy::GuardWithIf)
      .vectorize(d, lanes, TailStrategy::PredicateStores);
  Halide::LoopLevel perTile(out, tile), perTask = Halide::LoopLevel::root();

  Var keySquare("key_square"), dSquare("d_square");
  packedK.compute_at(perTask)
      .bound_extent(key, tiles.keys)
      .bound_extent(d, tiles.depth)
      .split(key, keySquare, key, lanes)
      .split(d, dSquare, d, lanes)
      .reorder(key, d, keySquare, dSquare, block)
      .vectorize(key)
      .unroll(d);
  for (size_t i = 0; i < squares.size(); ++i)
    squares[i]
        .compute_at(packedK, keySquare)
        .bound_extent(x, lanes * lanes)
        .vectorize(x, i == 0 ? lanes : 2 * lanes)
        .unroll(x);
  packedV.compute_at(perTask)
      .bound_extent(d, tiles.depth)
      .bound_extent(key, tiles.keys)
      .vectorize(d, lanes);
  if (spec.distances > 0)
    bias.compute_at(perTask).vectorize(distance, lanes, TailStrategy::RoundUp);
  packedQ.compute_at(perTile).bound_extent(i, tiles.rows);
  packedQ.vectorize(d, lanes, TailStrategy::GuardWithIf);
  limit.compute_at(perTile).bound_extent(i, tiles.rows);

  score.compute_at(perTile)
      .bound_extent(key, tiles.keys)
      .bound_extent(i, tiles.rows)
      .vectorize(key, lanes)
      .unroll(key)
      .unroll(i);
  dot.bound_extent(key, tiles.keys).bound_extent(i, tiles.rows);
  registerTile(dot, key, i, {score, block}, machine);
  outerProduct(dot.update(), key, i, depth, machine);

  for (Func partial : {maxima, sums}) {
    partial.compute_at(perTile)
        .bound_extent(i, tiles.rows)
        .vectorize(lane, lanes)
        .unroll(i);
    partial.update()
        .reorder(lane, i, part.x, part.y)
        .vectorize(lane, lanes)
        .unroll(i)
        .unroll(part.x);
  }
  for (Func folded : {maximum, total}) {
    folded.compute_at(perTile).bound_extent(i, tiles.rows);
    folded.update().atomic().vectorize(fold, lanes);
  }
  inverse.compute_at(perTile).bound_extent(i, tiles.rows);
  weight.compute_at(perTile)
      .bound_extent(key, tiles.keys)
      .bound_extent(i, tiles.rows)
      .vectorize(key, lanes)
      .unroll(key);

  row.compute_at(perTile)
      .bound_extent(d, tiles.depth)
      .bound_extent(i, tiles.rows)
      .split(d, slice, element, tiles.outDepth)
      .reorder(element, i, slice)
      .vectorize(element, lanes)
      .unroll(element)
      .unroll(i);
  sum.bound_extent(d, tiles.outDepth).bound_extent(i, tiles.rows);
  registerTile(sum, d, i, {row, slice}, machine);
  sum.update()
      .reorder(d, i, each.x, each.y)
      .vectorize(d, lanes)
      .unroll(d)
      .unroll(i);
}

class AttentionFamily : public Family {
public:
  const char *name() const override { return "attention"; }

  bool accepts(const KernelSpec &spec, const Machine &machine) const override {
    const auto *attention = std::get_if<AttentionSpec>(&spec);
    return attention && attention->headDim > 0 && attention->keyHeads > 0 &&
           attention->heads % attention->keyHeads == 0;
  }

  CompiledKernel plan(const KernelSpec &spec,
                      const Machine &machine) const override {
    const auto &attention = std::get<AttentionSpec>(spec);
    Tiles tiles = tilesOf(attention, machine);
    CompiledKernel kernel;
    kernel.grid = TRANSOM_GRID_RAGGED;
    kernel.columns = static_cast<int32_t>(attention.heads);
    kernel.queryOffsets = indexOf(attention, AttentionSpec::QueryOffsets);
    kernel.keyOffsets = indexOf(attention, AttentionSpec::KeyOffsets);
    kernel.keyLengths = indexOf(attention, AttentionSpec::KeyLengths);
    kernel.packing.resize(attention.operands().size());
    if (attention.distances > 0)
      kernel.packing[indexOf(attention, AttentionSpec::DistanceBias)] = {
          .stride = rowStride(attention.distances)};
    // Packed k and v, scores and weights, for keys in whole blocks; and what
    // is too big for the stack of one tile.
    int64_t perKey = 2 * tiles.depth + 2 * tiles.rows;
    // The bias of as many distances as there are keys and rows of a task.
    if (attention.distances > 0)
      ++perKey;
    kernel.scratchBytesPerKey = perKey * static_cast<int64_t>(sizeof(float));
    kernel.scratchBytes = scratchOf(perKey * tiles.keys) + 8 * scratchOf(0) +
                          2 * scratchOf(int64_t(tiles.rows) * tiles.depth);
    if (attention.distances > 0)
      kernel.scratchBytes +=
          scratchOf(tiles.taskRows + tiles.rows + machine.floatLanes);
    kernel.flopsPerPair =
        4.0 * static_cast<double>(attention.heads * attention.headDim);
    kernel.variants = {{"",
                        {.max_rows = INT64_MAX,
                         .row_tile = tiles.rows,
                         .task_rows = tiles.taskRows,
                         .task_columns = 1}}};
    return kernel;
  }

  std::unique_ptr<Kernel> build(const KernelSpec &spec, const Machine &machine,
                                size_t variant) const override {
    return std::make_unique<Attention>(std::get<AttentionSpec>(spec), machine);
  }
};

} // namespace

const Family &transom::codegen::attentionFamily() {
  static const AttentionFamily family;
  return family;
}
