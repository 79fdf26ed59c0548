//===- AttentionKernel.cpp - what both attention kernels share ------------===//
#include "codegen/kernels/AttentionKernel.h"

using namespace transom::codegen;
using Halide::Expr;
using Halide::Func;
using Halide::ImageParam;
using Halide::Param;
using Halide::TailStrategy;

void AttentionKernel::readQueries() {
  ImageParam q =
      view("q", {.operand = shape.queryOperand,
                 .type = shape.query.type,
                 .dims = {fixed(shape.headDim), taskRows(shape.query.stride)},
                 .rows = TRANSOM_TASK_ROWS,
                 .rowStride = shape.query.stride,
                 .columnStride = shape.headDim,
                 .offset = shape.query.offset});
  rows = q.dim(1).extent();
  packedQ(d, i) = q(d, min(i, rows - 1)) * (shape.scale * log2e);
}

void AttentionKernel::readLengths() {
  keys = scalar("keys", TRANSOM_TASK_KEYS);
  Expr seen = keys;
  seenByTask = keys;
  if (shape.causal || shape.hasBias()) {
    Param<int32_t> begin = scalar("row_begin", TRANSOM_TASK_ROW_BEGIN);
    Param<int32_t> length = scalar("sequence_rows", TRANSOM_SEQUENCE_ROWS);
    firstKey = begin + keys - length;
  }
  if (shape.causal) {
    seen = firstKey + i + 1;
    seenByTask = clamp(firstKey + rows, 0, keys);
  }
  // A Func, so that the bounds of loops do not follow from the comparison with
  // it: they would be negative for rows that see nothing.
  limit(i) = seen;
}

std::function<Expr(Expr)> AttentionKernel::readBias() {
  const auto distances = static_cast<int>(shape.distances);
  const auto first = static_cast<int>(shape.firstDistance);
  ImageParam table =
      view("distance_bias", {.operand = shape.biasOperand,
                             .dims = {fixed(distances)},
                             .columnStride = rowStride(distances)});
  return [=, this](Expr key) {
    return table(clamp(key - firstKey - first, 0, distances - 1)) * log2e;
  };
}

void AttentionKernel::writeRows(Expr value) {
  out(d, i) = value;
  result(out, {.operand = shape.resultOperand,
               .type = shape.result.type,
               .dims = {fixed(shape.headDim), taskRows(shape.result.stride)},
               .rows = TRANSOM_TASK_ROWS,
               .rowStride = shape.result.stride,
               .columnStride = shape.headDim});
}

Expr AttentionKernel::inverseOf(Expr total) {
  return select(total == 0.0f, 0.0f, 1.0f / total);
}

Halide::LoopLevel AttentionKernel::scheduleRows(int rows,
                                                const Machine &machine) {
  Halide::Var tile("tile");
  out.split(i, tile, i, rows, TailStrategy::GuardWithIf)
      .vectorize(d, machine.floatLanes, TailStrategy::PredicateStores);
  Halide::LoopLevel perTile(out, tile);
  packedQ.compute_at(perTile).bound_extent(i, rows).vectorize(
      d, machine.floatLanes, TailStrategy::GuardWithIf);
  limit.compute_at(perTile).bound_extent(i, rows);
  return perTile;
}

void AttentionKernel::scheduleReductions(
    Halide::LoopLevel level, int rows,
    const std::vector<Halide::RVar> &maximumKeys,
    const std::vector<Halide::RVar> &sumKeys, const Machine &machine) {
  const int lanes = machine.floatLanes;
  auto scheduleLanes = [&](Func partial,
                           const std::vector<Halide::RVar> &keys) {
    partial.compute_at(level)
        .bound_extent(i, rows)
        .vectorize(lane, lanes)
        .unroll(i);
    std::vector<Halide::VarOrRVar> order = {lane, i};
    order.insert(order.end(), keys.begin(), keys.end());
    Halide::Stage update = partial.update();
    update.reorder(order).vectorize(lane, lanes).unroll(i);
    for (size_t k = 0; k + 1 < keys.size(); ++k)
      update.unroll(keys[k]);
  };
  scheduleLanes(maxima, maximumKeys);
  scheduleLanes(sums, sumKeys);
  for (Func folded : {maximum, total}) {
    folded.compute_at(level).bound_extent(i, rows);
    folded.update().atomic().vectorize(fold, lanes);
  }
}

CompiledKernel transom::codegen::planAttention(const AttentionShape &shape) {
  CompiledKernel kernel;
  kernel.grid = TRANSOM_GRID_RAGGED;
  kernel.columns = static_cast<int32_t>(shape.heads);
  if (shape.hasBias())
    kernel.packing[shape.biasOperand] = {.stride = rowStride(shape.distances)};
  kernel.flopsPerPair = 4.0 * static_cast<double>(shape.heads * shape.headDim);
  return kernel;
}
