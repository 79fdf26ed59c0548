//===- KernelHarness.cpp - runs a compiled kernel as the runtime would ----===//
#include "test/unit/support/KernelHarness.h"

#include "llvm/ADT/SmallString.h"
#include "llvm/Support/FileSystem.h"
#include "llvm/Support/Program.h"
#include "llvm/Support/raw_ostream.h"

#include <algorithm>
#include <cstdlib>
#include <cstring>
#include <dlfcn.h>

using namespace transom;
using namespace transom::test;
using namespace transom::codegen;

namespace {

/// Halide's dimension and buffer, as its generated code reads them.
struct BufferDim {
  int32_t min, extent, stride;
  uint32_t flags;
};
struct Buffer {
  uint64_t device;
  const void *interface;
  uint8_t *host;
  uint64_t flags;
  uint8_t code, bits;
  uint16_t lanes;
  int32_t dimensions;
  BufferDim *dim;
  void *padding;
};
static_assert(sizeof(Buffer) == 56 && sizeof(BufferDim) == 16);

int64_t liveScratch = 0, mostScratch = 0;
bool overrun = false;
constexpr size_t guardBytes = 64;

bool scratchChecks = true;
alignas(64) uint8_t arena[16 << 20];
size_t arenaUsed = 0;
int arenaLive = 0;

} // namespace

/// Scratch is filled with NaNs and has guards on both sides. Weak, for programs
/// that link the runtime, which defines the same.
extern "C" __attribute__((weak, visibility("default"))) void *
halide_malloc(void *context, size_t bytes) {
  if (!scratchChecks) {
    uint8_t *block = arena + arenaUsed;
    arenaUsed += (bytes + 127) / 64 * 64;
    ++arenaLive;
    return block;
  }
  size_t room = (bytes + 63) / 64 * 64 + 3 * guardBytes;
  auto *block =
      static_cast<uint8_t *>(std::aligned_alloc(64, (room + 63) / 64 * 64));
  std::memset(block, 0xFF, room);
  std::memcpy(block, &bytes, sizeof bytes);
  liveScratch += static_cast<int64_t>(bytes);
  mostScratch = std::max(mostScratch, liveScratch);
  return block + guardBytes;
}

extern "C" __attribute__((weak, visibility("default"))) void
halide_free(void *context, void *pointer) {
  if (!pointer)
    return;
  if (!scratchChecks) {
    if (--arenaLive == 0)
      arenaUsed = 0;
    return;
  }
  uint8_t *block = static_cast<uint8_t *>(pointer) - guardBytes;
  size_t bytes;
  std::memcpy(&bytes, block, sizeof bytes);
  for (size_t i = sizeof bytes; i < guardBytes; ++i)
    overrun |= block[i] != 0xFF;
  for (size_t i = 0; i < guardBytes; ++i)
    overrun |= block[guardBytes + bytes + i] != 0xFF;
  liveScratch -= static_cast<int64_t>(bytes);
  std::free(block);
}

void transom::test::setScratchChecks(bool on) { scratchChecks = on; }
int64_t transom::test::peakScratch() { return mostScratch; }
void transom::test::resetScratch() { mostScratch = liveScratch; }
bool transom::test::scratchOverrun() { return overrun; }

std::unique_ptr<LoadedKernel> LoadedKernel::load(const KernelSpec &spec,
                                                 const Machine &machine,
                                                 const KernelOptions &options,
                                                 std::string &error) {
  CompiledKernel compiled;
  if (!compileKernel(spec, machine, "kernel", options, compiled, error))
    return nullptr;
  llvm::SmallString<128> objectPath, libraryPath;
  int descriptor;
  if (llvm::sys::fs::createTemporaryFile("kernel", "o", descriptor,
                                         objectPath) ||
      llvm::sys::fs::createTemporaryFile("kernel", "so", libraryPath)) {
    error = "cannot make a temporary file";
    return nullptr;
  }
  {
    llvm::raw_fd_ostream file(descriptor, /*shouldClose=*/true);
    file.write(compiled.object.data(), compiled.object.size());
  }
  auto linker = llvm::sys::findProgramByName("ld.lld-22");
  std::string message;
  int status =
      linker ? llvm::sys::ExecuteAndWait(*linker,
                                         {"ld.lld", "-shared", "-z", "now",
                                          "-o", libraryPath, objectPath},
                                         std::nullopt, {}, 60, 0, &message)
             : -1;
  std::unique_ptr<LoadedKernel> loaded(new LoadedKernel(std::move(compiled)));
  if (status == 0)
    loaded->library = dlopen(libraryPath.c_str(), RTLD_NOW | RTLD_LOCAL);
  llvm::sys::fs::remove(objectPath);
  llvm::sys::fs::remove(libraryPath);
  if (!loaded->library) {
    error = status == 0 ? dlerror() : "ld.lld-22 failed: " + message;
    return nullptr;
  }
  for (const CompiledKernel::Variant &variant : loaded->kernel.variants) {
    void *symbol = dlsym(loaded->library, (variant.symbol + "_argv").c_str());
    if (!symbol) {
      error = dlerror();
      return nullptr;
    }
    loaded->functions.push_back(reinterpret_cast<int32_t (*)(void **)>(symbol));
  }
  return loaded;
}

LoadedKernel::~LoadedKernel() {
  if (library)
    dlclose(library);
}

int LoadedKernel::variantOf(int64_t rows) const {
  size_t variant = 0;
  while (rows > kernel.variants[variant].shape.max_rows)
    ++variant;
  return static_cast<int>(variant);
}

void LoadedKernel::runTask(const std::vector<void *> &operands,
                           const Task &task, int variant) const {
  auto valueOf = [&](int32_t source) -> int64_t {
    switch (source) {
    case TRANSOM_TASK_ROWS:
      return task.rows;
    case TRANSOM_TASK_COLUMNS:
      return task.columns;
    case TRANSOM_TASK_KEYS:
      return task.keys;
    case TRANSOM_TASK_ROW_BEGIN:
      return task.rowBegin;
    case TRANSOM_SEQUENCE_ROWS:
      return task.sequenceRows;
    }
    return 0;
  };
  constexpr size_t most = 16;
  Buffer buffers[most];
  BufferDim dims[most][4];
  int32_t scalars[most];
  void *argv[most + 1];
  void *context = nullptr;
  argv[0] = &context;
  for (size_t a = 0; a < kernel.arguments.size(); ++a) {
    const transom_kernel_argument &argument = kernel.arguments[a];
    if (argument.kind == TRANSOM_SCALAR) {
      scalars[a] = static_cast<int32_t>(valueOf(argument.source));
      argv[a + 1] = &scalars[a];
      continue;
    }
    int64_t row = argument.rows == TRANSOM_TASK_ROWS   ? task.row
                  : argument.rows == TRANSOM_TASK_KEYS ? task.keyRow
                                                       : 0;
    auto *base = static_cast<uint8_t *>(operands[argument.operand]);
    for (int d = 0; d < argument.rank; ++d) {
      const transom_kernel_dim &dim = argument.dims[d];
      dims[a][d] = {0,
                    dim.source == TRANSOM_CONSTANT
                        ? dim.extent
                        : static_cast<int32_t>(valueOf(dim.source)),
                    dim.stride, 0};
    }
    bool isInteger = argument.dtype == TRANSOM_I32;
    buffers[a] = {0,
                  nullptr,
                  base + argument.offset + row * argument.row_bytes +
                      task.column / argument.column_divisor *
                          argument.column_bytes,
                  0,
                  static_cast<uint8_t>(isInteger ? 0 : 2),
                  32,
                  1,
                  argument.rank,
                  dims[a],
                  nullptr};
    argv[a + 1] = &buffers[a];
  }
  functions[variant](argv);
}

void LoadedKernel::run(const std::vector<void *> &operands, int64_t rows,
                       Cut cut) const {
  int variant = cut.variant >= 0 ? cut.variant : variantOf(rows);
  const transom_kernel_variant &shape = kernel.variants[variant].shape;
  int64_t rowStep = cut.rows ? cut.rows : shape.task_rows;
  int64_t columnStep = cut.columns ? cut.columns : kernel.columns;
  if (rowStep == 0)
    rowStep = rows;
  for (int64_t column = 0; column < kernel.columns; column += columnStep)
    for (int64_t row = 0; row < rows; row += rowStep)
      runTask(operands,
              {.row = row,
               .rows = std::min(rowStep, rows - row),
               .column = column,
               .columns = std::min(columnStep, kernel.columns - column)},
              variant);
}

void LoadedKernel::runRagged(const std::vector<void *> &operands,
                             int64_t sequences, Cut cut) const {
  auto ints = [&](int32_t operand) {
    return static_cast<const int32_t *>(operands[operand]);
  };
  const int32_t *queries = ints(kernel.queryOffsets);
  const int32_t *keys = ints(kernel.keyOffsets);
  const int32_t *lengths = ints(kernel.keyLengths);
  for (int64_t s = 0; s < sequences; ++s) {
    int64_t rows = queries[s + 1] - queries[s];
    int variant = cut.variant >= 0 ? cut.variant : variantOf(rows);
    int64_t step =
        cut.rows ? cut.rows : kernel.variants[variant].shape.task_rows;
    for (int64_t column = 0; column < kernel.columns; ++column)
      for (int64_t row = 0; row < rows; row += step)
        runTask(operands,
                {.row = queries[s] + row,
                 .rows = std::min(step, rows - row),
                 .column = column,
                 .columns = 1,
                 .keyRow = keys[s],
                 .keys = lengths[s],
                 .rowBegin = row,
                 .sequenceRows = rows},
                variant);
  }
}
