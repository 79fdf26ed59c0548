//===- Embedding.cpp - y[m] = table[ids[m]] (+ addend[m]) -----------------===//
// Shapes, innermost first: ids [rows] i32; table [C, tableRows]; addend, y
// [C, rows]; f32. An id of -1 gives zeros (plus the addend).
// A table that is a linear's weight, too, is [B, C, blocks], as that wants it:
// a row's elements are then a cache line apart.
// Traffic: one row of the table is read and one of y written; nothing else.
//===----------------------------------------------------------------------===//
#include "codegen/kernels/Verbs.h"

using namespace transom::codegen;
using Halide::Expr;
using Halide::Func;
using Halide::ImageParam;
using Halide::Var;

namespace {

class Embedding : public Kernel {
public:
  Embedding(const EmbeddingSpec &spec, const Machine &machine);
  void schedule(const Machine &machine) override;

private:
  Var c{"c"}, m{"m"};
  Func y{"y"};
};

Embedding::Embedding(const EmbeddingSpec &spec, const Machine &machine) {
  int64_t width = roundUp(spec.width, machine.floatLanes);
  // An activation's rows are only known at run time: as many as Halide, which
  // counts elements in 32 bits, can address.
  int64_t rows =
      spec.tableRows > 0 ? spec.tableRows : INT32_MAX / spec.table.stride;
  auto activation = [&](EmbeddingSpec::Operand operand,
                        const Activation &activation) {
    return View{.operand = indexOf(spec, operand),
                .type = activation.type,
                .dims = {fixed(width), taskRows(activation.stride)},
                .rows = TRANSOM_TASK_ROWS,
                .rowStride = activation.stride,
                .offset = activation.offset};
  };
  // A slice at the end of wider rows has no room for whole vectors, nor has a
  // row of a linear's weight.
  auto column = [&](int64_t offset, int64_t columns) -> Expr {
    return offset + width <= columns ? Expr(c)
                                     : min(c, static_cast<int>(spec.width) - 1);
  };
  ImageParam ids = view("ids", {.operand = indexOf(spec, EmbeddingSpec::Ids),
                                .type = i32,
                                .dims = {taskRows(1)},
                                .rows = TRANSOM_TASK_ROWS,
                                .rowStride = 1});
  Expr id = ids(m), row = clamp(id, 0, static_cast<int>(rows) - 1);
  const auto block = static_cast<int>(spec.table.block);
  int64_t columns = std::max(spec.width, spec.table.stride);
  Weight table = weight("table", indexOf(spec, EmbeddingSpec::Table),
                        spec.table, columns, fixed(ceilDiv(rows, block)));
  Expr first = static_cast<int>(spec.tableOffset);
  Expr element = table(row % block, first + column(spec.tableOffset, columns),
                       row / block);
  Expr value = select(id < 0, 0.0f, element);
  if (spec.addend.stride != 0)
    value += view("addend", activation(EmbeddingSpec::Addend, spec.addend))(
        column(spec.addend.offset, spec.addend.stride), m);
  y(c, m) = value;
  result(y, activation(EmbeddingSpec::Output, spec.result));
}

void Embedding::schedule(const Machine &machine) {
  y.vectorize(c, machine.floatLanes);
}

class EmbeddingFamily : public Family {
public:
  const char *name() const override { return "embedding"; }

  const char *refusal(const KernelSpec &spec,
                      const Machine &machine) const override {
    const auto &embedding = std::get<EmbeddingSpec>(spec);
    return embedding.width > 0 && embedding.tableRows >= 0
               ? nullptr
               : "its table has no columns";
  }

  CompiledKernel plan(const KernelSpec &spec,
                      const Machine &machine) const override {
    const auto &embedding = std::get<EmbeddingSpec>(spec);
    CompiledKernel kernel;
    kernel.packing[indexOf(embedding, EmbeddingSpec::Table)] = embedding.table;
    // One row is read and one written, where norms read two and write two.
    kernel.variants = {{"",
                        {.max_rows = INT64_MAX,
                         .row_tile = 1,
                         .task_rows = 2 * shortTaskRows}}};
    return kernel;
  }

  std::unique_ptr<Kernel> build(const KernelSpec &spec, const Machine &machine,
                                size_t variant) const override {
    return std::make_unique<Embedding>(std::get<EmbeddingSpec>(spec), machine);
  }
};

} // namespace

const Family &transom::codegen::embeddingFamily() {
  static const EmbeddingFamily family;
  return family;
}
