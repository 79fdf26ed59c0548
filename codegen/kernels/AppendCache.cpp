//===- AppendCache.cpp - keys and values into their slots -----------------===//
// Shapes, innermost first: key, value [D, heads, rows]; slots [rows] i32; the
// cache's keys [16, D, heads, blocks] and values [D, 16, heads, blocks], where
// a head's P rows or columns are D in whole vectors of 16; f32.
// A column unit of the grid is one head of keys. A slot of -1 is not stored.
//
// Traffic: key and value are read once and stored once. All rows of one head
// come before the next head: 16 slots of keys share their cache lines.
//===----------------------------------------------------------------------===//
#include "codegen/kernels/Verbs.h"

using namespace transom::codegen;
using Halide::Expr;
using Halide::Func;
using Halide::ImageParam;
using Halide::RDom;
using Halide::TailStrategy;
using Halide::Var;

namespace {

constexpr int blockKeys = TRANSOM_CACHE_BLOCK;
/// Slots are counted in 32 bits.
constexpr int mostBlocks = INT32_MAX / blockKeys;

class AppendCache : public Kernel {
public:
  AppendCache(const AppendCacheSpec &spec, const Machine &machine);
  void schedule(const Machine &machine) override;

private:
  struct Half {
    Func cache;
    RDom row;
  };
  int headDim;
  Var d{"d"}, head{"head"}, slot{"slot"}, block{"block"};
  std::vector<Half> halves; ///< keys, values
};

AppendCache::AppendCache(const AppendCacheSpec &spec, const Machine &machine)
    : headDim(static_cast<int>(spec.headDim)) {
  const int64_t depth = roundUp(spec.headDim, blockKeys);
  auto activation = [&](AppendCacheSpec::Operand operand,
                        const Activation &activation) {
    return View{.operand = indexOf(spec, operand),
                .type = activation.type,
                .dims = {fixed(headDim), taskColumns(headDim),
                         taskRows(activation.stride)},
                .rows = TRANSOM_TASK_ROWS,
                .rowStride = activation.stride,
                .columnStride = headDim,
                .offset = activation.offset};
  };
  ImageParam key = view("key", activation(AppendCacheSpec::Key, spec.key));
  ImageParam value =
      view("value", activation(AppendCacheSpec::Value, spec.value));
  ImageParam slots =
      view("slots", {.operand = indexOf(spec, AppendCacheSpec::Slots),
                     .type = i32,
                     .dims = {taskRows(1)},
                     .rows = TRANSOM_TASK_ROWS,
                     .rowStride = 1});

  auto half = [&](const char *name, const ImageParam &from, int64_t column,
                  bool isKey) {
    Func cache(name);
    RDom row(0, slots.dim(0).extent(), std::string(name) + "_row");
    row.where(slots(row) >= 0);
    Expr place = unsafe_promise_clamped(slots(row), 0, INT32_MAX);
    Expr inBlock = place % blockKeys,
         blockNumber =
             unsafe_promise_clamped(place / blockKeys, 0, mostBlocks - 1);
    Dim slotDim = fixed(blockKeys, isKey ? 1 : depth);
    Dim depthDim = fixed(headDim, isKey ? blockKeys : 1);
    View shape = {.operand = indexOf(spec, AppendCacheSpec::Cache),
                  .type = spec.cache.type,
                  .dims = {isKey ? slotDim : depthDim,
                           isKey ? depthDim : slotDim,
                           taskColumns(depth * blockKeys),
                           fixed(mostBlocks, spec.cache.width * blockKeys)},
                  .columnStride = depth * blockKeys,
                  .offset = column * blockKeys};
    // What is not appended stays as it is.
    if (isKey) {
      cache(slot, d, head, block) = Halide::undef<float>();
      cache(inBlock, d, head, blockNumber) = from(d, head, row);
    } else {
      cache(d, slot, head, block) = Halide::undef<float>();
      cache(d, inBlock, head, blockNumber) = from(d, head, row);
    }
    result(cache, shape);
    halves.push_back({cache, row});
  };
  half("keys", key, spec.cache.offset, true);
  half("values", value, spec.cache.offset + spec.keyHeads * depth, false);
}

void AppendCache::schedule(const Machine &machine) {
  for (Half &half : halves)
    half.cache.update()
        .reorder(d, half.row.x, head)
        .vectorize(d, machine.floatLanes, TailStrategy::GuardWithIf);
}

class AppendCacheFamily : public Family {
public:
  const char *name() const override { return "append_cache"; }

  const char *refusal(const KernelSpec &spec,
                      const Machine &machine) const override {
    const auto &append = std::get<AppendCacheSpec>(spec);
    if (append.headDim <= 0 || append.keyHeads <= 0)
      return "it has no heads";
    if (append.cache.width > INT32_MAX / blockKeys)
      return "a block of its cache has more than 2^31 elements";
    return nullptr;
  }

  /// A pool of blocks may have more than 2^31 elements.
  bool addressesLargeBuffers() const override { return true; }

  CompiledKernel plan(const KernelSpec &spec,
                      const Machine &machine) const override {
    const auto &append = std::get<AppendCacheSpec>(spec);
    CompiledKernel kernel;
    kernel.columns = static_cast<int32_t>(append.keyHeads);
    // A row of a column unit is one head, a twelfth of a row of 768 columns.
    kernel.variants = {{"",
                        {.max_rows = INT64_MAX,
                         .row_tile = 1,
                         .task_rows = 16 * shortTaskRows,
                         .task_columns = 1}}};
    return kernel;
  }

  std::unique_ptr<Kernel> build(const KernelSpec &spec, const Machine &machine,
                                size_t variant) const override {
    return std::make_unique<AppendCache>(std::get<AppendCacheSpec>(spec),
                                         machine);
  }
};

} // namespace

const Family &transom::codegen::appendCacheFamily() {
  static const AppendCacheFamily family;
  return family;
}
