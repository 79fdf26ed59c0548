//===- Kernel.h - what a kernel family builds -----------------------------===//
//
// A family turns a spec into kernels: a constructor states the algorithm, which
// alone is correct and slow, and schedule() makes it fast. Parameters are made
// by view(), scalar() and result(), which write down in the same breath how the
// runtime finds them, so that the two cannot disagree.
//
//===----------------------------------------------------------------------===//
#ifndef TRANSOM_CODEGEN_KERNELS_KERNEL_H
#define TRANSOM_CODEGEN_KERNELS_KERNEL_H

#include "codegen/Machine.h"
#include "codegen/kernels/KernelSpec.h"

#include <Halide.h>

#include <functional>
#include <memory>
#include <string>
#include <vector>

namespace transom::codegen {

inline int64_t ceilDiv(int64_t x, int64_t y) { return (x + y - 1) / y; }
inline int64_t roundUp(int64_t x, int64_t y) { return ceilDiv(x, y) * y; }

/// At most so many rows, in whole tiles: the longest task of a kernel. The
/// runtime cuts a launch finer where threads would wait for each other.
inline int32_t wholeTiles(int64_t rows, int64_t tile) {
  return static_cast<int32_t>(rows / tile * tile);
}

/// Rows of a task of a kernel that does little for each: 16 of 768 columns,
/// read and written once, cost about twice what runtime/Grid.cpp takes as worth
/// the start of a task. More of them would only let threads end further apart.
constexpr int32_t shortTaskRows = 16;

/// Most bytes that a temporary of so many f32 takes from halide_malloc: Halide
/// adds room for a vector's worth of reads past the end.
inline int64_t scratchOf(int64_t floats) { return floats * f32.bytes() + 64; }

/// Extent and stride (in elements) of one dimension of a view.
struct Dim {
  int32_t source = TRANSOM_CONSTANT; ///< transom_task_value of the extent
  int64_t extent = 0;                ///< if TRANSOM_CONSTANT
  int64_t stride = 1;
};
inline Dim fixed(int64_t extent, int64_t stride = 1) {
  return {TRANSOM_CONSTANT, extent, stride};
}
inline Dim taskRows(int64_t stride) { return {TRANSOM_TASK_ROWS, 0, stride}; }
inline Dim taskColumns(int64_t stride) {
  return {TRANSOM_TASK_COLUMNS, 0, stride};
}
inline Dim taskKeys(int64_t stride) { return {TRANSOM_TASK_KEYS, 0, stride}; }

/// A task's view of an operand; counts are in elements.
struct View {
  int32_t operand = 0;
  ElementType type = f32;
  std::vector<Dim> dims; ///< innermost first
  int32_t rows =
      TRANSOM_CONSTANT; ///< transom_task_value: which rows address it
  int64_t rowStride = 0;
  int64_t columnStride = 0; ///< from one column unit to the next
  int64_t offset = 0;
  int32_t columnDivisor = 1;
};

/// One function of a kernel.
class Kernel {
public:
  virtual ~Kernel() = default;
  virtual void schedule(const Machine &machine) = 0;

  const std::vector<Halide::Func> &results() const { return resultFuncs; }
  const std::vector<Halide::Argument> &arguments() const { return inputs; }
  /// In the order of the argv entry: inputs, then results.
  std::vector<transom_kernel_argument> launchArguments() const;

protected:
  Halide::ImageParam view(const std::string &name, const View &view);
  /// The numbers of a weight in f32, by row of a block, column and block. A row
  /// has `columns`; `blocks` says how many blocks the view has, and those of a
  /// task if it depends on it.
  using Weight =
      std::function<Halide::Expr(Halide::Expr, Halide::Expr, Halide::Expr)>;
  Weight weight(const std::string &name, int32_t operand,
                const Packing &packing, int64_t columns, Dim blocks);
  /// An int32 that the runtime takes from a transom_task_value.
  Halide::Param<int32_t> scalar(const std::string &name, int32_t source);
  void result(Halide::Func func, const View &view);

private:
  std::vector<Halide::Func> resultFuncs;
  std::vector<Halide::Argument> inputs;
  std::vector<transom_kernel_argument> launchInputs, launchResults;
};

/// A kind of kernel, which compiles the specs of one type.
class Family {
public:
  virtual ~Family() = default;
  virtual const char *name() const = 0;
  /// Why the spec can't be compiled, null if it can.
  virtual const char *refusal(const KernelSpec &spec,
                              const Machine &machine) const = 0;
  /// True if buffers may have more than 2^31 elements, at some cost.
  virtual bool addressesLargeBuffers() const { return false; }
  /// All of a compiled kernel that needs no compiling: packing, grid, scratch,
  /// and the variants, each with the suffix of its symbol. No arguments yet.
  virtual CompiledKernel plan(const KernelSpec &spec,
                              const Machine &machine) const = 0;
  virtual std::unique_ptr<Kernel> build(const KernelSpec &spec,
                                        const Machine &machine,
                                        size_t variant) const = 0;
};

const Family &linearFamily();
const Family &attentionFamily();
const Family &appendCacheFamily();
const Family &cachedAttentionFamily();
const Family &rotaryFamily();
const Family &normFamily();
const Family &embeddingFamily();
const Family &rowProgramFamily();

} // namespace transom::codegen

#endif // TRANSOM_CODEGEN_KERNELS_KERNEL_H
