//===- Norm.cpp - layer norm and rms norm, with a residual ----------------===//
// s = x + residual
// layer norm: y = (s - mean) * rstd * gamma + beta, rstd over (s - mean)^2
// rms norm:   y = s * rstd * gamma,                 rstd over s^2
// Shapes, innermost first: x, residual, y, s [C, rows]; gamma, beta [C]; f32.
//
// Traffic: x and residual come from memory once; later reads of s hit L1.
// Two passes over the row: E[s^2] - E[s]^2 cancels in f32.
//===----------------------------------------------------------------------===//
#include "codegen/kernels/Verbs.h"

#include <optional>

using namespace transom::codegen;
using Halide::Expr;
using Halide::Func;
using Halide::ImageParam;
using Halide::Var;

namespace {

class Norm : public Kernel {
public:
  Norm(const NormSpec &spec, const Machine &machine);
  void schedule(const Machine &machine) override;

private:
  NormSpec spec;
  Var c{"c"}, m{"m"};
  Func s{"s"}, mean{"mean"}, rstd{"rstd"}, y{"y"};
  std::optional<RowReduction> sum, squares;
};

Norm::Norm(const NormSpec &spec, const Machine &machine) : spec(spec) {
  int64_t width = paddedRow(spec.width, machine);
  Expr count = static_cast<float>(spec.width);
  auto activation = [&](NormSpec::Operand operand,
                        const Activation &activation) {
    return View{.operand = indexOf(spec, operand),
                .type = activation.type,
                .dims = {fixed(width), taskRows(activation.stride)},
                .rows = TRANSOM_TASK_ROWS,
                .rowStride = activation.stride};
  };
  auto vector = [&](NormSpec::Operand operand) {
    return View{.operand = indexOf(spec, operand), .dims = {fixed(width)}};
  };
  ImageParam x = view("x", activation(NormSpec::Input, spec.x));
  Expr input = x(c, m);
  if (spec.hasResidual)
    input +=
        view("residual", activation(NormSpec::Residual, spec.residual))(c, m);
  s(c, m) = input;
  ImageParam gamma = view("gamma", vector(NormSpec::Gamma));

  if (spec.rms) {
    mean(m) = 0.0f;
  } else {
    sum.emplace("sum", Reduce::Sum, spec.width, machine, m,
                [&](Expr column) { return s(column, m); });
    mean(m) = sum->total(m) / count;
  }
  auto centred = [&](Expr column) {
    return spec.rms ? s(column, m) : s(column, m) - mean(m);
  };
  squares.emplace("squares", Reduce::Sum, spec.width, machine, m,
                  [&](Expr column) {
                    Expr value = centred(column);
                    return value * value;
                  });
  rstd(m) = 1.0f / sqrt(squares->total(m) / count + spec.epsilon);
  Expr normed = centred(c) * rstd(m) * gamma(c);
  if (spec.hasBeta)
    normed += view("beta", vector(NormSpec::Beta))(c);
  y(c, m) = normed;
  result(y, activation(NormSpec::Output, spec.result));
  if (spec.storesSum)
    result(s, activation(NormSpec::Sum, spec.sum));
}

void Norm::schedule(const Machine &machine) {
  int lanes = machine.floatLanes;
  y.vectorize(c, lanes);
  Halide::LoopLevel row(y, m);
  if (spec.storesSum)
    s.vectorize(c, lanes);
  else if (spec.hasResidual)
    s.compute_at(row).vectorize(c, lanes, Halide::TailStrategy::RoundUp);
  if (sum)
    sum->schedule(row, machine);
  mean.compute_at(row);
  squares->schedule(row, machine);
  rstd.compute_at(row);
}

class NormFamily : public Family {
public:
  const char *name() const override { return "norm"; }

  const char *refusal(const KernelSpec &spec,
                      const Machine &machine) const override {
    const auto &norm = std::get<NormSpec>(spec);
    if (norm.x.offset != 0 || norm.residual.offset != 0)
      return "it reads a slice, whose rows may end before a whole vector";
    if (norm.width <= 0 || (norm.rms && norm.hasBeta))
      return "it is neither a layer norm nor an rms norm";
    return nullptr;
  }

  CompiledKernel plan(const KernelSpec &spec,
                      const Machine &machine) const override {
    const auto &norm = std::get<NormSpec>(spec);
    CompiledKernel kernel;
    const Packing vector = {.stride = rowStride(norm.width)};
    kernel.packing[indexOf(norm, NormSpec::Gamma)] = vector;
    if (norm.hasBeta)
      kernel.packing[indexOf(norm, NormSpec::Beta)] = vector;
    // s of one row, when it is not on the stack or in an operand.
    kernel.scratchBytes = norm.hasResidual && !norm.storesSum
                              ? scratchOf(paddedRow(norm.width, machine))
                              : 0;
    kernel.flopsPerRow = 8.0 * static_cast<double>(norm.width);
    kernel.variants = {
        {"",
         {.max_rows = INT64_MAX, .row_tile = 1, .task_rows = shortTaskRows}}};
    return kernel;
  }

  std::unique_ptr<Kernel> build(const KernelSpec &spec, const Machine &machine,
                                size_t variant) const override {
    return std::make_unique<Norm>(std::get<NormSpec>(spec), machine);
  }
};

} // namespace

const Family &transom::codegen::normFamily() {
  static const NormFamily family;
  return family;
}
