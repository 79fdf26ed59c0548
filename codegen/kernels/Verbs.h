//===- Verbs.h - schedule idioms with a name ------------------------------===//
#ifndef TRANSOM_CODEGEN_KERNELS_VERBS_H
#define TRANSOM_CODEGEN_KERNELS_VERBS_H

#include "codegen/kernels/Kernel.h"

#include <Halide.h>

#include <algorithm>
#include <functional>
#include <string>

namespace transom::codegen {

enum class Reduce { Sum, Max, Min };

/// Lanes that a RowReduction keeps partial results in: up to four vectors,
/// which hides the latency of adds.
inline int64_t reductionLanes(int64_t columns, const Machine &machine) {
  return machine.floatLanes *
         std::min<int64_t>(4, ceilDiv(columns, machine.floatLanes));
}

/// Columns that a kernel with RowReductions reads and writes of a row: whole
/// steps of them. Never more than rowStride(columns).
inline int64_t paddedRow(int64_t columns, const Machine &machine) {
  return roundUp(columns, reductionLanes(columns, machine));
}

/// A value per row from all columns of the row: each of `width` lanes reduces
/// every width-th column, then the lanes are folded. One fixed order, whatever
/// the rows around it. Columns past the last one are never trusted.
struct RowReduction {
  Halide::Func partial, total; ///< total(row)
  Halide::Var lane{"lane"};
  Halide::RDom block, fold;

  /// `value` is called with a column.
  RowReduction(const std::string &name, Reduce kind, int64_t columns,
               const Machine &machine, Halide::Var row,
               const std::function<Halide::Expr(Halide::Expr)> &value);

  void schedule(Halide::LoopLevel level, const Machine &machine);
};

/// An accumulator in registers: every lane and every row of the tile unrolled,
/// at `level`.
inline void registerTile(Halide::Func accumulator, Halide::Var lane,
                         Halide::Var row, Halide::LoopLevel level,
                         const Machine &machine) {
  accumulator.compute_at(level)
      .vectorize(lane, machine.floatLanes)
      .unroll(lane)
      .unroll(row);
}

/// The product's loop: one step of `depth` is an outer product of a vector of
/// lanes and a column of rows.
inline void outerProduct(Halide::Stage update, Halide::Var lane,
                         Halide::Var row, Halide::RVar depth,
                         const Machine &machine) {
  update.reorder(lane, row, depth)
      .vectorize(lane, machine.floatLanes)
      .unroll(lane)
      .unroll(row);
}

} // namespace transom::codegen

#endif // TRANSOM_CODEGEN_KERNELS_VERBS_H
