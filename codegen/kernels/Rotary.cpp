//===- Rotary.cpp - rotary position embedding -----------------------------===//
// Shapes, innermost first: x, y [D/2, halves, heads, rows]; positions [rows]
// i32; f32. The frequencies are part of the code: D/2 numbers.
//   y[i, 0] = x[i, 0] cos(p f[i]) - x[i, 1] sin(p f[i])
//   y[i, 1] = x[i, 1] cos(p f[i]) + x[i, 0] sin(p f[i])
// Sines and cosines are computed once a row, for all of its heads.
//===----------------------------------------------------------------------===//
#include "codegen/kernels/Elementwise.h"
#include "codegen/kernels/Verbs.h"

#include <algorithm>

using namespace transom::codegen;
using Halide::Expr;
using Halide::Func;
using Halide::ImageParam;
using Halide::TailStrategy;
using Halide::Var;

namespace {

class Rotary : public Kernel {
public:
  explicit Rotary(const RotarySpec &spec);
  void schedule(const Machine &machine) override;

private:
  Var i{"i"}, half{"half"}, head{"head"}, m{"m"};
  Func frequency{"frequency"}, cosine{"cosine"}, sine{"sine"}, y{"y"};
};

Rotary::Rotary(const RotarySpec &spec) {
  const auto size = static_cast<int>(spec.headDim / 2);
  const auto heads = static_cast<int>(spec.heads);
  auto activation = [&](RotarySpec::Operand operand,
                        const Activation &activation) {
    return View{.operand = indexOf(spec, operand),
                .type = activation.type,
                .dims = {fixed(size), fixed(2, size), fixed(heads, 2 * size),
                         taskRows(activation.stride)},
                .rows = TRANSOM_TASK_ROWS,
                .rowStride = activation.stride,
                .offset = activation.offset};
  };
  ImageParam x = view("x", activation(RotarySpec::Input, spec.x));
  ImageParam positions =
      view("positions", {.operand = indexOf(spec, RotarySpec::Positions),
                         .type = i32,
                         .dims = {taskRows(1)},
                         .rows = TRANSOM_TASK_ROWS,
                         .rowStride = 1});
  Halide::Buffer<float> constants(size, "frequencies");
  std::copy(spec.frequencies.begin(), spec.frequencies.end(),
            constants.begin());
  frequency(i) = constants(i);
  // f32, as models are trained with.
  Expr angle = Halide::cast<float>(positions(m)) * frequency(i);
  cosine(i, m) = evaluate(Expression::Kind::Cos, {angle});
  sine(i, m) = evaluate(Expression::Kind::Sin, {angle});
  Expr low = x(i, 0, head, m), high = x(i, 1, head, m);
  y(i, half, head, m) =
      select(half == 0, low * cosine(i, m) - high * sine(i, m),
             high * cosine(i, m) + low * sine(i, m));
  result(y, activation(RotarySpec::Output, spec.result));
}

void Rotary::schedule(const Machine &machine) {
  // Halide aligns constants to less than a vector and reads vectors of them as
  // if they were aligned; so numbers are read one at a time, and once.
  frequency.compute_root();
  y.reorder(half, i, head, m)
      .vectorize(i, machine.floatLanes, TailStrategy::GuardWithIf)
      .unroll(half);
  for (Func func : {cosine, sine})
    func.compute_at(y, m).vectorize(i, machine.floatLanes,
                                    TailStrategy::GuardWithIf);
}

class RotaryFamily : public Family {
public:
  const char *name() const override { return "rotary"; }

  const char *refusal(const KernelSpec &spec,
                      const Machine &machine) const override {
    const auto &rotary = std::get<RotarySpec>(spec);
    if (rotary.heads <= 0 || rotary.headDim <= 0 ||
        static_cast<int64_t>(2 * rotary.frequencies.size()) != rotary.headDim)
      return "its heads have no two halves";
    return nullptr;
  }

  CompiledKernel plan(const KernelSpec &spec,
                      const Machine &machine) const override {
    const auto &rotary = std::get<RotarySpec>(spec);
    CompiledKernel kernel;
    kernel.scratchBytes = 3 * scratchOf(rotary.headDim);
    kernel.flopsPerRow =
        3.0 * static_cast<double>(rotary.heads * rotary.headDim);
    kernel.variants = {
        {"",
         {.max_rows = INT64_MAX, .row_tile = 1, .task_rows = shortTaskRows}}};
    return kernel;
  }

  std::unique_ptr<Kernel> build(const KernelSpec &spec, const Machine &machine,
                                size_t variant) const override {
    return std::make_unique<Rotary>(std::get<RotarySpec>(spec));
  }
};

} // namespace

const Family &transom::codegen::rotaryFamily() {
  static const RotaryFamily family;
  return family;
}
