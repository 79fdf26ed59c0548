//===- Launch.cpp - runs a kernel over its grid ---------------------------===//
//
// The inner side of abi.h: a launch is planned into blocks and tasks (Grid.h),
// and each thread that takes part sets up the kernel's argv once, then for each
// task that it takes only what differs: pointers, extents, scalars.
//
//===----------------------------------------------------------------------===//
#include "runtime/Error.h"
#include "runtime/Session.h"
#include "runtime/arch/Arch.h"
#include "runtime/launch/Futex.h"

#include <atomic>

using namespace transom;

namespace {

// Halide's halide_dimension_t and halide_buffer_t, whose layout is part of the
// ABI of the kernels that it compiles.
struct HalideDimension {
  int32_t min, extent, stride;
  uint32_t flags;
};
struct HalideBuffer {
  uint64_t device;
  const void *deviceInterface;
  uint8_t *host;
  uint64_t flags;
  uint8_t code, bits;
  uint16_t lanes;
  int32_t dimensions;
  HalideDimension *dim;
  void *padding;
};
static_assert(sizeof(HalideDimension) == 16, "layout of Halide 21");
static_assert(sizeof(HalideBuffer) == 56, "layout of Halide 21");

/// Halide's type code and bits of a transom_dtype_values.
struct HalideType {
  uint8_t code, bits;
};
constexpr HalideType halideTypes[] = {{2, 32}, {0, 32}, {0, 64}, {4, 16},
                                      {2, 16}, {0, 8},  {1, 8}};

/// One argument's storage, in a worker's table.
struct Argument {
  HalideBuffer buffer;
  HalideDimension dims[4];
  int32_t scalar;
};

struct Launch {
  const transom_kernel &kernel;
  const void *const *operands;
  const ScratchSet &scratch;
  const Block *blocks;
  int64_t tasks;
  alignas(64) std::atomic<int64_t> next{0};
  std::atomic<int32_t> failure{0}; ///< what a kernel returned
};

size_t tableBytes(const transom_kernel &kernel) {
  size_t arguments = size_t(kernel.num_arguments);
  return arguments * sizeof(Argument) + (arguments + 1) * sizeof(void *);
}

/// A worker's argv, and the task that it stands for.
class Arguments {
public:
  Arguments(const Launch &launch, int32_t worker)
      : launch(launch), context(&launch.scratch.workers[worker]),
        argv(static_cast<void **>(launch.scratch.table(worker))) {
    const transom_kernel &kernel = launch.kernel;
    storage = reinterpret_cast<Argument *>(argv + kernel.num_arguments + 1);
    argv[0] = &context;
    for (int32_t i = 0; i < kernel.num_arguments; ++i) {
      const transom_kernel_argument &info = kernel.arguments[i];
      Argument &argument = storage[i];
      if (info.kind == TRANSOM_SCALAR) {
        argv[i + 1] = &argument.scalar;
        continue;
      }
      argv[i + 1] = &argument.buffer;
      HalideType type = halideTypes[info.dtype];
      argument.buffer = {};
      argument.buffer.code = type.code;
      argument.buffer.bits = type.bits;
      argument.buffer.lanes = 1;
      argument.buffer.dimensions = info.rank;
      argument.buffer.dim = argument.dims;
      for (int d = 0; d < info.rank; ++d)
        argument.dims[d] = {0, info.dims[d].extent, info.dims[d].stride, 0};
    }
  }

  void **prepare(const Block &block, const Task &task) {
    const transom_kernel &kernel = launch.kernel;
    for (int32_t i = 0; i < kernel.num_arguments; ++i) {
      const transom_kernel_argument &info = kernel.arguments[i];
      Argument &argument = storage[i];
      if (info.kind == TRANSOM_SCALAR) {
        argument.scalar = valueOf(info.source, block, task);
        continue;
      }
      int64_t row = info.rows == TRANSOM_TASK_ROWS
                        ? block.firstRow + task.rowBegin
                    : info.rows == TRANSOM_TASK_KEYS ? block.firstKey
                                                     : 0;
      int64_t column = info.column_divisor > 1
                           ? task.columnBegin / info.column_divisor
                           : task.columnBegin;
      argument.buffer.host =
          static_cast<uint8_t *>(
              const_cast<void *>(launch.operands[info.operand])) +
          info.offset + row * info.row_bytes + column * info.column_bytes;
      for (int d = 0; d < info.rank; ++d)
        if (info.dims[d].source != TRANSOM_CONSTANT)
          argument.dims[d].extent = valueOf(info.dims[d].source, block, task);
    }
    return argv;
  }

private:
  static int32_t valueOf(int32_t source, const Block &block, const Task &task) {
    switch (source) {
    case TRANSOM_TASK_ROWS:
      return int32_t(task.rows);
    case TRANSOM_TASK_COLUMNS:
      return int32_t(task.columns);
    case TRANSOM_TASK_KEYS:
      return int32_t(block.keys);
    case TRANSOM_TASK_ROW_BEGIN:
      return int32_t(task.rowBegin);
    case TRANSOM_SEQUENCE_ROWS:
      return int32_t(block.rows);
    default:
      return 0;
    }
  }

  const Launch &launch;
  void *context;
  void **argv;
  Argument *storage;
};

void runTasks(void *context, int32_t worker) {
  Launch &launch = *static_cast<Launch *>(context);
  int64_t index = launch.next.fetch_add(1, std::memory_order_relaxed);
  if (index >= launch.tasks)
    return;
  FloatMode mode; // The one that kernels were tested with.
  Arguments arguments(launch, worker);
  const Block *block = launch.blocks;
  do {
    // A thread's tasks ascend, so it only ever moves forward.
    while (block[1].firstTask <= index)
      ++block;
    Task task = taskOf(*block, index, launch.kernel.columns);
    if (int32_t code = block->variant->run(arguments.prepare(*block, task))) {
      launch.failure.store(code, std::memory_order_relaxed);
      launch.next.store(launch.tasks, std::memory_order_relaxed);
    }
    index = launch.next.fetch_add(1, std::memory_order_relaxed);
  } while (index < launch.tasks);
}

} // namespace

int32_t transom_launch(transom_frame *frame, const transom_kernel *kernel,
                       const void *const *operands, int64_t rows,
                       const char *layer) {
  if (rows <= 0)
    return TRANSOM_OK;
  auto &session = *static_cast<transom_session *>(frame->session);
  int64_t begin = session.profiling ? nanoseconds() : 0;
  int32_t threads = session.pool->threads;

  Block pair[2], *blocks = pair;
  GridSize size;
  if (kernel->grid == TRANSOM_GRID_RAGGED) {
    auto indices = [&](int32_t operand) {
      return static_cast<const int32_t *>(operands[operand]);
    };
    blocks = reinterpret_cast<Block *>(session.blocks.base);
    size =
        planRagged(*kernel, indices(kernel->query_offsets),
                   indices(kernel->key_offsets), indices(kernel->key_lengths),
                   frame->extents[TRANSOM_SEQUENCES], threads, blocks);
  } else {
    size = planRows(*kernel, rows, threads, blocks);
  }

  int64_t keys = size.longestKeys, scratchBytes = kernel->scratch_bytes;
  if (kernel->grid == TRANSOM_GRID_RAGGED && keys < session.maxTokens)
    keys = session.maxTokens; // Reserved, so that it never grows.
  if (!addProduct(scratchBytes, keys, kernel->scratch_bytes_per_key) ||
      !session.scratch.reserve(int64_t(tableBytes(*kernel)), scratchBytes)) {
    session.launchFailed = true;
    return fail(TRANSOM_EXHAUSTED,
                "layer '%s': no memory for the scratch of kernel '%s': "
                "expected %lld bytes on each of %d threads",
                layer, kernel->name, (long long)scratchBytes, threads);
  }

  Launch launch{*kernel, operands, session.scratch, blocks, size.tasks};
  int64_t helpers = size.tasks < threads ? size.tasks - 1 : threads - 1;
  if (helpers > 0)
    session.pool->parallel(session.pool, int32_t(helpers), runTasks, &launch);
  else
    runTasks(&launch, 0);

  if (int32_t code = launch.failure.load(std::memory_order_relaxed)) {
    session.launchFailed = true;
    return fail(TRANSOM_INTERNAL,
                "layer '%s': kernel '%s' expected to return 0, got %d", layer,
                kernel->name, code);
  }
  if (session.profiling)
    session.profile.addLaunch(layer, kernel, nanoseconds() - begin,
                              kernel->flops_per_row * double(rows) +
                                  kernel->flops_per_pair * double(size.pairs));
  return TRANSOM_OK;
}
