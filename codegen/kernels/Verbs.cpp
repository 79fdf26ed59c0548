//===- Verbs.cpp - schedule idioms with a name ----------------------------===//
#include "codegen/kernels/Verbs.h"

#include <limits>

using namespace transom::codegen;
using Halide::Expr;

namespace {

float identityOf(Reduce kind) {
  const float infinity = std::numeric_limits<float>::infinity();
  switch (kind) {
  case Reduce::Sum:
    return 0.0f;
  case Reduce::Max:
    return -infinity;
  case Reduce::Min:
    return infinity;
  }
  return 0.0f;
}

Expr combine(Reduce kind, Expr a, Expr b) {
  switch (kind) {
  case Reduce::Sum:
    return a + b;
  case Reduce::Max:
    return max(a, b);
  case Reduce::Min:
    return min(a, b);
  }
  return a;
}

} // namespace

RowReduction::RowReduction(const std::string &name, Reduce kind,
                           int64_t columns, const Machine &machine,
                           Halide::Var row,
                           const std::function<Expr(Expr)> &value)
    : partial(name + "_partial"), total(name) {
  int width = static_cast<int>(reductionLanes(columns, machine));
  Expr identity = identityOf(kind);
  block = Halide::RDom(0, static_cast<int>(ceilDiv(columns, width)),
                       name + "_block");
  fold = Halide::RDom(0, width, name + "_fold");
  Expr column = block * width + lane;
  Expr term = value(column);
  if (columns % width != 0)
    term = select(column < static_cast<int>(columns), term, identity);
  partial(lane, row) = identity;
  partial(lane, row) = combine(kind, partial(lane, row), term);
  total(row) = identity;
  total(row) = combine(kind, total(row), partial(fold, row));
}

void RowReduction::schedule(Halide::LoopLevel level, const Machine &machine) {
  int lanes = machine.floatLanes;
  partial.compute_at(level).vectorize(lane, lanes).unroll(lane);
  partial.update().reorder(lane, block).vectorize(lane, lanes).unroll(lane);
  total.compute_at(level);
  total.update().atomic().vectorize(fold, lanes);
}
