//===- RowProgram.cpp - any elementwise chain, with rows reduced ----------===//
// Shapes, innermost first: operands [C, rows], [C], [rows] or [1]; results
// [C, rows] or, of a value that is one per row, [1, rows]; f32.
//
// The family that refuses nothing. A chain between two reductions is one loop
// over a row; what a reduction reads is kept in L1 for the next loop, unless it
// is an operand. Each result is computed on its own: a second result repeats
// what it shares with the first.
//===----------------------------------------------------------------------===//
#include "codegen/kernels/Elementwise.h"
#include "codegen/kernels/Verbs.h"

#include <algorithm>

using namespace transom::codegen;
using Halide::Expr;
using Halide::Func;
using Halide::ImageParam;
using Halide::Var;

namespace {

bool hasReductions(const RowProgram &program) {
  return std::any_of(program.expressions.begin(), program.expressions.end(),
                     [](const Expression &e) { return isReduction(e.kind); });
}

/// Columns that are read and written of a row.
int64_t widthOf(const RowProgramSpec &spec, const Machine &machine) {
  return hasReductions(spec.program) ? paddedRow(spec.width, machine)
                                     : roundUp(spec.width, machine.floatLanes);
}

Reduce reduceOf(Expression::Kind kind) {
  switch (kind) {
  case Expression::Kind::ReduceMax:
    return Reduce::Max;
  case Expression::Kind::ReduceMin:
    return Reduce::Min;
  default:
    return Reduce::Sum;
  }
}

class Program : public Kernel {
public:
  Program(const RowProgramSpec &spec, const Machine &machine);
  void schedule(const Machine &machine) override;

private:
  /// A value of the program: an expression in the column c and the row m.
  struct Value {
    Expr expr;
    bool perRow = false;
  };
  /// One result with all that only it uses.
  struct Chain {
    Func out;
    bool perRow = false;
    std::vector<Func> rowFuncs; ///< kept at the row: [row] or [column, row]
    std::vector<RowReduction> reductions;
  };

  Value operandValue(size_t index) const;
  Chain chain(int result);

  const RowProgramSpec spec;
  const Machine machine;
  std::vector<ImageParam> operands;
  Var c{"c"}, m{"m"};
  std::vector<Chain> chains;
};

Program::Program(const RowProgramSpec &spec, const Machine &machine)
    : spec(spec), machine(machine) {
  int32_t operand = 0;
  int64_t width = widthOf(spec, machine);
  for (const ProgramOperand &program : spec.inputs) {
    View shape = {
        .operand = operand, .type = program.type, .offset = program.offset};
    switch (program.broadcast) {
    case Broadcast::None:
      shape.dims = {fixed(width), taskRows(program.stride)};
      shape.rows = TRANSOM_TASK_ROWS;
      shape.rowStride = program.stride;
      break;
    case Broadcast::PerColumn:
      shape.dims = {fixed(width)};
      break;
    case Broadcast::PerRow: {
      int64_t stride = program.stride ? program.stride : rowStride(1);
      shape.dims = {taskRows(stride)};
      shape.rows = TRANSOM_TASK_ROWS;
      shape.rowStride = stride;
      break;
    }
    case Broadcast::Scalar:
      shape.dims = {fixed(1)};
      break;
    }
    operands.push_back(view("operand" + std::to_string(operand), shape));
    ++operand;
  }
  for (size_t r = 0; r < spec.program.results.size(); ++r) {
    chains.push_back(chain(spec.program.results[r]));
    const Activation &stored = spec.results[r];
    result(chains.back().out, {.operand = operand++,
                               .type = stored.type,
                               .dims = {fixed(chains.back().perRow ? 1 : width),
                                        taskRows(stored.stride)},
                               .rows = TRANSOM_TASK_ROWS,
                               .rowStride = stored.stride});
  }
}

Program::Value Program::operandValue(size_t index) const {
  const ProgramOperand &operand = spec.inputs[index];
  const ImageParam &param = operands[index];
  // A view at the end of wider rows has no room for whole vectors.
  bool room = operand.offset + widthOf(spec, machine) <= operand.stride;
  switch (operand.broadcast) {
  case Broadcast::None:
    return {
        param(room ? Expr(c) : min(c, static_cast<int>(spec.width) - 1), m)};
  case Broadcast::PerColumn:
    return {param(c)};
  case Broadcast::PerRow:
    return {param(m), true};
  case Broadcast::Scalar:
    return {param(0), true};
  }
  return {};
}

Program::Chain Program::chain(int result) {
  const std::vector<Expression> &expressions = spec.program.expressions;
  Chain chain;
  std::vector<Value> values;
  for (int index = 0; index <= result; ++index) {
    const Expression &expression = expressions[index];
    if (expression.kind == Expression::Kind::Input) {
      values.push_back(operandValue(expression.index));
      continue;
    }
    if (expression.kind == Expression::Kind::Constant) {
      values.push_back({static_cast<float>(expression.constant), true});
      continue;
    }
    std::string name = "value" + std::to_string(index);
    if (isReduction(expression.kind)) {
      int source = expression.operands.front();
      Func input(name + "_in");
      input(c, m) = values[source].expr;
      if (!values[source].perRow &&
          expressions[source].kind != Expression::Kind::Input) {
        chain.rowFuncs.push_back(input);
        values[source].expr = input(c, m);
      }
      chain.reductions.emplace_back(
          name, reduceOf(expression.kind), spec.width, machine, m,
          [&](Expr column) { return input(column, m); });
      values.push_back({chain.reductions.back().total(m), true});
      continue;
    }
    std::vector<Expr> arguments;
    bool perRow = true;
    for (int operand : expression.operands) {
      arguments.push_back(values[operand].expr);
      perRow &= values[operand].perRow;
    }
    Expr value = evaluate(expression.kind, arguments);
    if (perRow) { // Once a row, not once a column.
      Func rowValue(name);
      rowValue(m) = value;
      chain.rowFuncs.push_back(rowValue);
      value = rowValue(m);
    }
    values.push_back({value, perRow});
  }
  chain.out = Func("result" + std::to_string(chains.size()));
  chain.perRow = values[result].perRow;
  chain.out(c, m) = values[result].expr;
  return chain;
}

void Program::schedule(const Machine &machine) {
  for (Chain &chain : chains) {
    Halide::LoopLevel row(chain.out, m);
    if (!chain.perRow)
      chain.out.vectorize(c, machine.floatLanes);
    for (Func func : chain.rowFuncs) {
      func.compute_at(row);
      // Round up: shifted inwards, a row narrower than a vector would be read
      // from before its start.
      if (func.dimensions() == 2)
        func.vectorize(c, machine.floatLanes, Halide::TailStrategy::RoundUp);
    }
    for (RowReduction &reduction : chain.reductions)
      reduction.schedule(row, machine);
  }
}

class RowProgramFamily : public Family {
public:
  const char *name() const override { return "row_program"; }

  const char *refusal(const KernelSpec &spec,
                      const Machine &machine) const override {
    return nullptr;
  }

  CompiledKernel plan(const KernelSpec &spec,
                      const Machine &machine) const override {
    const auto &program = std::get<RowProgramSpec>(spec);
    CompiledKernel kernel;
    for (size_t i = 0; i < program.inputs.size(); ++i)
      if (program.inputs[i].broadcast == Broadcast::PerColumn)
        kernel.packing[i] = {.stride = rowStride(program.width)};
    int64_t reductions = 0, operations = 0;
    for (const Expression &expression : program.program.expressions) {
      reductions += isReduction(expression.kind);
      operations += expression.kind != Expression::Kind::Input &&
                    expression.kind != Expression::Kind::Constant;
    }
    kernel.scratchBytes = reductions * scratchOf(widthOf(program, machine));
    kernel.flopsPerRow = static_cast<double>(operations * program.width);
    kernel.variants = {
        {"",
         {.max_rows = INT64_MAX, .row_tile = 1, .task_rows = shortTaskRows}}};
    return kernel;
  }

  std::unique_ptr<Kernel> build(const KernelSpec &spec, const Machine &machine,
                                size_t variant) const override {
    return std::make_unique<Program>(std::get<RowProgramSpec>(spec), machine);
  }
};

} // namespace

const Family &transom::codegen::rowProgramFamily() {
  static const RowProgramFamily family;
  return family;
}
