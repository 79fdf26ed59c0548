//===- Linear.cpp - out = epilogue(x * weight^T + bias) -------------------===//
// Shapes, innermost first: x [K, rows]; weight [NB, K, N / NB], packed; bias
// [NB, N / NB]; out [NB, rows, N / NB] over rows of outStride elements; f32.
// A column unit of the grid is one block of NB outputs.
//
// Registers: an accumulator tile of rowTile x NB, which sees every k in order,
// then bias and epilogue, then memory once. Each output is the same chain of
// fused multiply-adds in every variant, so variants agree bit by bit.
//
// Traffic: a block of weights (K x NB) stays in L2 while all rows of the task
// pass over it; rows of x come from L1. Reads of x run on to a whole tile if
// TRANSOM_ROWS_ALIGNMENT gives every slot that room, writes do not.
// Tasks are best taken all rows of a block of columns before the next block: a
// block then comes from memory once.
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

/// Those with one suffix are one function, of one tile.
struct Variant {
  const char *suffix;
  int64_t maxRows;
  int32_t rowTile, taskRows;
};

/// Longest task. A weight of a block serves as many multiply-adds as the task
/// has rows; a core does 2 vectors of them in a cycle, in which about 4 bytes,
/// one weight, arrive from memory: 128 rows take four times as long as their
/// weights with 16 lanes, and eight times with 8.
constexpr int64_t mostRows = 128;

/// The tile is chosen by the vectors of a block: accumulators must leave
/// registers for the weights and one value of x, and enough of them (8 or
/// more) must be in flight to hide the latency of a fused multiply-add.
std::vector<Variant> variantsOf(int64_t blockVectors, const Machine &machine) {
  int64_t free = machine.vectorRegisters - blockVectors - 1;
  int32_t tile = 1;
  for (int32_t rows : {2, 4, 8})
    if (rows * blockVectors <= free)
      tile = rows;
  const int64_t unlimited = INT64_MAX;
  // 8 accumulators are just as many as are in flight; with 12 none waits.
  if (tile == 4 && 6 * blockVectors <= free)
    return {{"_one", 1, 1, 1},
            {"_few", 4, 4, 4},
            {"_six", 6, 6, 6},
            {"_few", 8, 4, 8},
            {"_six", unlimited, 6, wholeTiles(mostRows, 6)}};
  if (tile <= 4)
    return {{"_one", 1, 1, 1},
            {"_many", unlimited, tile, wholeTiles(mostRows, tile)}};
  // A tile that is not full costs as much as a full one: two of six rows are
  // better than one and a half of eight.
  return {
      {"_one", 1, 1, 1},   {"_few", 4, 4, 4},
      {"_six", 6, 6, 6},   {"_many", 8, 8, 8},
      {"_six", 12, 6, 12}, {"_many", unlimited, 8, wholeTiles(mostRows, 8)}};
}

/// Columns that a block of `block` outputs makes of `columns`.
int64_t padded(int64_t columns, int64_t block) {
  return roundUp(columns, block);
}

/// Outputs of a weight block. Blocks must not reach past the row's stride,
/// should waste little on padding, and the widest tile that the registers
/// hold is fastest.
int64_t blockOf(const LinearSpec &spec, const Machine &machine) {
  int64_t best = machine.floatLanes;
  // 8x48 on 32 registers, 4x24 on 16; then what fits the width better.
  for (int64_t vectors : {1, 2, 4, 3}) {
    int64_t block = vectors * machine.floatLanes;
    if (vectors == 4 && machine.vectorRegisters < 32)
      continue;
    if (padded(spec.out, block) <= spec.result.stride &&
        padded(spec.out, block) <= padded(spec.out, best))
      best = block;
  }
  return best;
}

Packing packingOf(const LinearSpec &spec, const Machine &machine) {
  return {.block = blockOf(spec, machine), .format = spec.weightFormat};
}

class Linear : public Kernel {
public:
  Linear(const LinearSpec &spec, const Machine &machine,
         const Variant &variant);
  void schedule(const Machine &machine) override;

private:
  Variant variant;
  int block;
  Var n{"n"}, m{"m"}, unit{"unit"}; ///< column of a block, row, block
  Halide::RDom k;
  Func sum{"sum"}, out{"out"};
};

Linear::Linear(const LinearSpec &spec, const Machine &machine,
               const Variant &variant)
    : variant(variant), block(static_cast<int>(blockOf(spec, machine))),
      k(0, static_cast<int>(spec.in), "k") {
  ImageParam x = view("x", {.operand = indexOf(spec, LinearSpec::Input),
                            .type = spec.x.type,
                            .dims = {fixed(spec.in), taskRows(spec.x.stride)},
                            .rows = TRANSOM_TASK_ROWS,
                            .rowStride = spec.x.stride,
                            .offset = spec.x.offset});
  Weight weights = weight("weight", indexOf(spec, LinearSpec::Weight),
                          packingOf(spec, machine), spec.in, taskColumns(0));

  Expr start = 0.0f;
  if (spec.hasBias)
    start = view("bias", {.operand = indexOf(spec, LinearSpec::Bias),
                          .dims = {fixed(block), taskColumns(block)},
                          .columnStride = block})(n, unit);
  sum(n, m, unit) = start;
  // The last tile may be one that its slot has no room for.
  Expr row = m;
  if (TRANSOM_ROWS_ALIGNMENT % variant.rowTile != 0)
    row = min(m, x.dim(1).extent() - 1);
  sum(n, m, unit) += x(k, row) * weights(n, k, unit);

  std::vector<Expr> inputs = {sum(n, m, unit)};
  int32_t operand = indexOf(spec, LinearSpec::Output) -
                    static_cast<int32_t>(spec.epilogueOperands.size());
  for (const ProgramOperand &program : spec.epilogueOperands) {
    std::string name = "operand" + std::to_string(inputs.size());
    View shape = {.operand = operand++, .type = program.type};
    switch (program.broadcast) {
    case Broadcast::None:
      shape.dims = {fixed(block), taskRows(program.stride), taskColumns(block)};
      shape.rows = TRANSOM_TASK_ROWS;
      shape.rowStride = program.stride;
      shape.columnStride = block;
      shape.offset = program.offset;
      inputs.push_back(view(name, shape)(n, m, unit));
      break;
    case Broadcast::PerColumn:
      shape.dims = {fixed(block), taskColumns(block)};
      shape.columnStride = block;
      inputs.push_back(view(name, shape)(n, unit));
      break;
    case Broadcast::PerRow: {
      int64_t stride = program.stride ? program.stride : rowStride(1);
      shape.dims = {taskRows(stride)};
      shape.rows = TRANSOM_TASK_ROWS;
      shape.rowStride = stride;
      shape.offset = program.offset;
      inputs.push_back(view(name, shape)(m));
      break;
    }
    case Broadcast::Scalar:
      shape.dims = {fixed(1)};
      inputs.push_back(view(name, shape)(0));
      break;
    }
  }
  std::vector<Expr> values =
      translate(spec.epilogue, [&](int index) { return inputs[index]; });
  out(n, m, unit) =
      values.empty() ? inputs[0] : values[spec.epilogue.results.front()];
  result(out, {.operand = indexOf(spec, LinearSpec::Output),
               .type = spec.result.type,
               .dims = {fixed(block), taskRows(spec.result.stride),
                        taskColumns(block)},
               .rows = TRANSOM_TASK_ROWS,
               .rowStride = spec.result.stride,
               .columnStride = block});
}

void Linear::schedule(const Machine &machine) {
  Var tile("tile"), row("row");
  out.split(m, tile, row, variant.rowTile, TailStrategy::GuardWithIf)
      .reorder(n, row, tile, unit)
      .vectorize(n, machine.floatLanes)
      .unroll(n)
      .unroll(row);
  sum.bound_extent(m, variant.rowTile);
  registerTile(sum, n, m, {out, tile}, machine);
  outerProduct(sum.update(), n, m, k, machine);
}

class LinearFamily : public Family {
public:
  const char *name() const override { return "linear"; }

  const char *refusal(const KernelSpec &spec,
                      const Machine &machine) const override {
    const auto &linear = std::get<LinearSpec>(spec);
    if (linear.epilogue.results.size() > 1 || linear.in <= 0 ||
        linear.out <= 0 ||
        padded(linear.out, machine.floatLanes) > linear.result.stride)
      return "it is not a matrix product with one result";
    for (const ProgramOperand &operand : linear.epilogueOperands)
      // Whole blocks are read, also where the last one is padding.
      if (operand.broadcast == Broadcast::None &&
          operand.offset + padded(linear.out, blockOf(linear, machine)) >
              operand.stride)
        return "an operand of its epilogue is a slice whose rows end before a "
               "whole block of columns";
    for (const Expression &expression : linear.epilogue.expressions)
      if (isReduction(expression.kind))
        return "its epilogue reduces a row, of which a task has a block";
    return nullptr;
  }

  CompiledKernel plan(const KernelSpec &spec,
                      const Machine &machine) const override {
    const auto &linear = std::get<LinearSpec>(spec);
    int64_t block = blockOf(linear, machine);
    int64_t width = padded(linear.out, block);
    CompiledKernel kernel;
    kernel.columns = static_cast<int32_t>(width / block);
    kernel.packing[indexOf(linear, LinearSpec::Weight)] =
        packingOf(linear, machine);
    if (linear.hasBias)
      kernel.packing[indexOf(linear, LinearSpec::Bias)] = {.stride = width};
    for (size_t i = 0; i < linear.epilogueOperands.size(); ++i)
      if (linear.epilogueOperands[i].broadcast == Broadcast::PerColumn)
        kernel.packing[indexOf(linear, LinearSpec::Epilogue) + i] = {.stride =
                                                                         width};
    kernel.flopsPerRow = 2.0 * static_cast<double>(linear.in * linear.out);
    for (const Variant &variant :
         variantsOf(block / machine.floatLanes, machine))
      kernel.variants.push_back({variant.suffix,
                                 {.max_rows = variant.maxRows,
                                  .row_tile = variant.rowTile,
                                  .task_rows = variant.taskRows,
                                  .task_columns = 1}});
    return kernel;
  }

  std::unique_ptr<Kernel> build(const KernelSpec &spec, const Machine &machine,
                                size_t variant) const override {
    const auto &linear = std::get<LinearSpec>(spec);
    int64_t vectors = blockOf(linear, machine) / machine.floatLanes;
    return std::make_unique<Linear>(linear, machine,
                                    variantsOf(vectors, machine)[variant]);
  }
};

} // namespace

const Family &transom::codegen::linearFamily() {
  static const LinearFamily family;
  return family;
}
