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
#include "codegen/kernels/AttentionKernel.h"
#include "codegen/kernels/Elementwise.h"

#include <functional>

using namespace transom::codegen;
using Halide::Expr;
using Halide::Func;
using Halide::ImageParam;
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
  // Every task packs the keys of its head anew, which costs as much as about 6
  // rows: 2.5 % of 240. A causal task of r rows besides computes r / 2 masked
  // scores a row, so that its cost above the least is 6 / r + r / 2 of the
  // keys, least for r = sqrt(12 keys): 64 at 340 keys, and close to it from 128
  // to 1024 keys.
  tiles.taskRows = wholeTiles(spec.causal ? 64 : 240, tiles.rows);
  return tiles;
}

class Attention : public AttentionKernel {
public:
  Attention(const AttentionSpec &spec, const Machine &machine);
  void schedule(const Machine &machine) override;

private:
  void packKeys(const AttentionSpec &spec, int lanes);
  void buildTranspose(
      int lanes,
      const std::function<Expr(Expr d, Expr key, Var block)> &element);
  void buildScores();
  void buildWeights(int lanes);
  void schedulePacking(int lanes);

  Tiles tiles;
  Expr blocks;                    ///< of keys that the task sees
  Var x{"x"};                     ///< element of a square
  Var key{"key"}, block{"block"}; ///< a key is block * tiles.keys + key
  Var distance{"distance"};
  RDom depth, part, each;
  std::vector<Func> squares; ///< pieces of k, transposed step by step
  Func packedK{"packed_k"}, packedV{"packed_v"};
  Func bias{"bias"}; ///< by a key's index less its row's, within the task
  Func dot{"dot"}, score{"score"}, weight{"weight"};
  Func inverse{"inverse"}, sum{"sum"}, row{"row"};
};

Attention::Attention(const AttentionSpec &spec, const Machine &machine)
    : AttentionKernel(AttentionShape(spec)), tiles(tilesOf(spec, machine)) {
  readQueries();
  packKeys(spec, machine.floatLanes);
  buildScores();
  buildWeights(machine.floatLanes);
  each = RDom(0, tiles.keys, 0, blocks, "each");
  each.where(each.y * tiles.keys + each.x < seenByTask);
  sum(d, i) = 0.0f;
  sum(d, i) += weight(each.x, i, each.y) * packedV(d, each.x, each.y);
  row(d, i) = sum(d, i) * inverse(i);
  writeRows(row(d, i));
}

void Attention::packKeys(const AttentionSpec &spec, int lanes) {
  const auto headDim = static_cast<int>(shape.headDim);
  auto head = [&](AttentionSpec::Operand operand, const Activation &rows) {
    return View{.operand = indexOf(spec, operand),
                .type = rows.type,
                .dims = {fixed(headDim), taskKeys(rows.stride)},
                .rows = TRANSOM_TASK_KEYS,
                .rowStride = rows.stride,
                .columnStride = headDim,
                .offset = rows.offset,
                .columnDivisor = shape.group()};
  };
  ImageParam k = view("k", head(AttentionSpec::Key, spec.key));
  ImageParam v = view("v", head(AttentionSpec::Value, spec.value));
  readLengths();
  blocks = (seenByTask + (tiles.keys - 1)) / tiles.keys;
  auto keyRow = [&](Expr key, Expr block) {
    return min(likely(block * tiles.keys + key), keys - 1);
  };
  auto column = [&](Expr d) {
    return tiles.depth == headDim ? d : min(d, headDim - 1);
  };
  buildTranspose(lanes, [&](Expr d, Expr key, Var block) {
    return k(column(d), keyRow(key, block));
  });
  packedV(d, key, block) = v(column(d), keyRow(key, block));
}

void Attention::buildScores() {
  depth = RDom(0, static_cast<int>(shape.headDim), "depth");
  if (shape.hasBias()) {
    bias(distance) = readBias()(distance);
    dot(key, i, block) = bias(block * tiles.keys + key - i);
  } else {
    dot(key, i, block) = 0.0f;
  }
  dot(key, i, block) += packedQ(depth, i) * packedK(key, depth, block);
  score(key, i, block) = select(block * tiles.keys + key < limit(i),
                                dot(key, i, block), maskedScore);
}

void Attention::buildWeights(int lanes) {
  part = RDom(0, tiles.keys / lanes, 0, blocks, "part");
  fold = RDom(0, lanes, "fold");
  maxima(lane, i) = leastMaximum;
  maxima(lane, i) =
      max(maxima(lane, i), score(part.x * lanes + lane, i, part.y));
  maximum(i) = leastMaximum;
  maximum(i) = max(maximum(i), maxima(fold, i));
  weight(key, i, block) = exp2OfNonPositive(score(key, i, block) - maximum(i));
  sums(lane, i) = 0.0f;
  sums(lane, i) += weight(part.x * lanes + lane, i, part.y);
  total(i) = 0.0f;
  total(i) += sums(fold, i);
  inverse(i) = inverseOf(total(i));
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

/// Keys and values are packed once a task.
void Attention::schedulePacking(int lanes) {
  Halide::LoopLevel perTask = Halide::LoopLevel::root();
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
  if (shape.hasBias())
    bias.compute_at(perTask).vectorize(distance, lanes, TailStrategy::RoundUp);
}

void Attention::schedule(const Machine &machine) {
  const int lanes = machine.floatLanes;
  Var slice("slice"), element("element");
  Halide::LoopLevel perTile = scheduleRows(tiles.rows, machine);
  schedulePacking(lanes);

  score.compute_at(perTile)
      .bound_extent(key, tiles.keys)
      .bound_extent(i, tiles.rows)
      .vectorize(key, lanes)
      .unroll(key)
      .unroll(i);
  dot.bound_extent(key, tiles.keys).bound_extent(i, tiles.rows);
  registerTile(dot, key, i, {score, block}, machine);
  outerProduct(dot.update(), key, i, depth, machine);

  scheduleReductions(perTile, tiles.rows, {part.x, part.y}, {part.x, part.y},
                     machine);
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

  const char *refusal(const KernelSpec &spec,
                      const Machine &machine) const override {
    return AttentionShape(std::get<AttentionSpec>(spec)).isValid()
               ? nullptr
               : "its heads are not a multiple of its key heads";
  }

  CompiledKernel plan(const KernelSpec &spec,
                      const Machine &machine) const override {
    const auto &attention = std::get<AttentionSpec>(spec);
    Tiles tiles = tilesOf(attention, machine);
    CompiledKernel kernel = planAttention(AttentionShape(attention));
    kernel.queryOffsets = indexOf(attention, AttentionSpec::QueryOffsets);
    kernel.keyOffsets = indexOf(attention, AttentionSpec::KeyOffsets);
    kernel.keyLengths = indexOf(attention, AttentionSpec::KeyLengths);
    // Packed k and v, scores and weights, for keys in whole blocks; and what
    // is too big for the stack of one tile.
    int64_t perKey = 2 * tiles.depth + 2 * tiles.rows;
    // The bias of as many distances as there are keys and rows of a task.
    if (attention.distances > 0)
      ++perKey;
    kernel.scratchBytesPerKey = perKey * f32.bytes();
    kernel.scratchBytes = scratchOf(perKey * tiles.keys) + 8 * scratchOf(0) +
                          2 * scratchOf(int64_t(tiles.rows) * tiles.depth);
    if (attention.distances > 0)
      kernel.scratchBytes +=
          scratchOf(tiles.taskRows + tiles.rows + machine.floatLanes);
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
