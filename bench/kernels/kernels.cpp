//===- kernels.cpp - what each kernel reaches of the machine's peak -------===//
//
// GFLOP/s of the kernels of BERT-base and MiniLM on one thread, beside this
// machine's own peak of f32 multiply-adds, which is measured between any two
// measurements: a machine shared with others slows both alike.
//
//   bench-kernels [FILTER] [TARGET] [ROWS]
//
// warm: the same weights again and again. cold: each call reads another
// layer's, as a model does; there are more of them than the caches hold.
// Rates are of the best call; % is the median of rate over peak.
//
//===----------------------------------------------------------------------===//
#include "test/unit/support/KernelHarness.h"

#include <algorithm>
#include <cstdio>
#include <cstdlib>
#include <cstring>
#include <ctime>
#include <functional>
#include <immintrin.h>
#include <numeric>
#include <sys/mman.h>
#include <vector>

using namespace transom::codegen;
using namespace transom::test;

namespace {

/// Of this thread's own time: others on the machine do not count.
double seconds(const std::function<void()> &run) {
  auto now = [] {
    timespec time;
    clock_gettime(CLOCK_THREAD_CPUTIME_ID, &time);
    return static_cast<double>(time.tv_sec) + 1e-9 * double(time.tv_nsec);
  };
  double start = now();
  run();
  return now() - start;
}

constexpr int accumulators = 12;
constexpr long peakSteps = 20000;

#define PEAK_LOOP(VECTOR, SET, FMA)                                            \
  VECTOR sums[accumulators], x = SET(0.5f), y = SET(0.25f);                    \
  for (VECTOR &sum : sums)                                                     \
    sum = SET(0.0f);                                                           \
  for (long i = 0; i < peakSteps; ++i) {                                       \
    _Pragma("clang loop unroll(full)") for (VECTOR &sum : sums) sum =          \
        FMA(x, y, sum);                                                        \
    __asm__ volatile("" : "+v"(x), "+v"(y));                                   \
  }                                                                            \
  for (VECTOR &sum : sums)                                                     \
    __asm__ volatile("" : : "v"(sum));

__attribute__((target("avx512f"))) void peak512() {
  PEAK_LOOP(__m512, _mm512_set1_ps, _mm512_fmadd_ps)
}
__attribute__((target("avx2,fma"))) void peak256() {
  PEAK_LOOP(__m256, _mm256_set1_ps, _mm256_fmadd_ps)
}

/// GFLOP/s now.
double peak(const Machine &machine) {
  double best = 0;
  for (int i = 0; i < 3; ++i)
    best = std::max(best,
                    2.0 * machine.floatLanes * accumulators * peakSteps /
                        seconds(machine.floatLanes == 16 ? peak512 : peak256));
  return best / 1e9;
}

/// In huge pages, as the runtime's arena and cache are.
struct Floats {
  explicit Floats(size_t count) {
    constexpr size_t page = size_t(2) << 20;
    size_t bytes = (count * sizeof(float) + page - 1) / page * page;
    data = static_cast<float *>(std::aligned_alloc(page, bytes));
    madvise(data, bytes, MADV_HUGEPAGE);
    for (size_t i = 0; i < count; ++i)
      data[i] = static_cast<float>(i * 2654435761u % 1024) / 1024 - 0.5f;
  }
  Floats(const Floats &) = delete;
  ~Floats() { std::free(data); }
  float *data;
};

/// Only this number of rows (or length of a sequence); 0: all.
int64_t onlyRows = 0;
bool skips(int64_t rows) { return onlyRows != 0 && rows != onlyRows; }

int64_t roundUp16(int64_t x) { return (x + 15) / 16 * 16; }

struct Rate {
  double best, share;
};

Rate measure(const Machine &machine, double flops,
             const std::function<void()> &run) {
  double once = seconds(run);
  int inner = std::max(1, static_cast<int>(0.003 / once));
  std::vector<double> shares;
  double best = 0;
  for (int i = 0; i < 15; ++i) {
    double now = peak(machine);
    double rate = flops * inner / 1e9 / seconds([&] {
                    for (int j = 0; j < inner; ++j)
                      run();
                  });
    now = (now + peak(machine)) / 2;
    best = std::max(best, rate);
    shares.push_back(rate / now);
  }
  std::nth_element(shares.begin(), shares.begin() + 7, shares.end());
  return {best, 100 * shares[7]};
}

std::unique_ptr<LoadedKernel> load(const KernelSpec &spec,
                                   const Machine &machine) {
  std::string error;
  std::unique_ptr<LoadedKernel> kernel =
      LoadedKernel::load(spec, machine, {}, error);
  if (!kernel) {
    std::fprintf(stderr, "bench-kernels: %s\n", error.c_str());
    std::exit(1);
  }
  return kernel;
}

void benchLinear(const Machine &machine, const char *name, int64_t in,
                 int64_t out, bool gelu) {
  using Kind = Expression::Kind;
  LinearSpec spec{.in = in,
                  .out = out,
                  .x = {.stride = rowStride(in)},
                  .result = {.stride = rowStride(out)}};
  if (gelu)
    spec.epilogue = {{{.kind = Kind::Input, .index = 0},
                      {.kind = Kind::Gelu, .operands = {0}}},
                     {1}};
  auto kernel = load(spec, machine);
  size_t weights = static_cast<size_t>(kernel->kernel.columns *
                                       kernel->kernel.packing.at(1).block * in);
  size_t copies = (size_t(128) << 20) / (weights * sizeof(float)) + 1;
  Floats weight(weights * copies), bias(spec.result.stride + 64);
  for (int64_t rows : {1, 8, 12, 16, 32, 64, 128, 512, 1024}) {
    if (skips(rows))
      continue;
    Floats x((rows + 15) * spec.x.stride), y((rows + 15) * spec.result.stride);
    size_t copy = 0;
    auto run = [&](bool cold) {
      copy = cold ? (copy + 1) % copies : 0;
      // As the runtime does on many threads: one block of columns a task.
      kernel->run({x.data, weight.data + copy * weights, bias.data, y.data},
                  rows, {.columns = rows < 16 ? 0 : 1});
    };
    double flops = 2.0 * double(in) * double(out) * double(rows);
    Rate warm = measure(machine, flops, [&] { run(false); });
    Rate cold = measure(machine, flops, [&] { run(true); });
    std::printf("%-22s %5lld  %6.1f %5.1f %%  %6.1f %5.1f %%\n", name,
                static_cast<long long>(rows), warm.best, warm.share, cold.best,
                cold.share);
    std::fflush(stdout);
  }
}

void benchAttention(const Machine &machine, const char *name, int64_t heads,
                    int64_t headDim, bool causal = false) {
  int64_t width = heads * headDim;
  AttentionSpec spec{
      .heads = heads,
      .keyHeads = heads,
      .headDim = headDim,
      .query = {.stride = rowStride(3 * width)},
      .key = {.stride = rowStride(3 * width), .offset = width},
      .value = {.stride = rowStride(3 * width), .offset = 2 * width},
      .result = {.stride = rowStride(width)},
      .scale = 0.125f,
      .causal = causal};
  auto kernel = load(spec, machine);
  for (int64_t length : {8, 16, 24, 32, 64, 128, 256, 512, 1024, 2048}) {
    if (skips(length))
      continue;
    int64_t sequences = std::max<int64_t>(1, 128 / length);
    int64_t rows = sequences * length;
    std::vector<int32_t> offsets(sequences + 1), lengths(sequences);
    for (int64_t s = 0; s <= sequences; ++s)
      offsets[s] = static_cast<int32_t>(s * length);
    std::fill(lengths.begin(), lengths.end(), static_cast<int32_t>(length));
    Floats qkv((rows + 15) * spec.query.stride),
        y((rows + 15) * spec.result.stride);
    double pairs =
        double(rows) * double(causal ? length + 1 : length) / (causal ? 2 : 1);
    double flops = kernel->kernel.flopsPerPair * pairs;
    Rate warm = measure(machine, flops, [&] {
      kernel->runRagged({qkv.data, qkv.data, qkv.data, offsets.data(),
                         offsets.data(), lengths.data(), y.data},
                        sequences);
    });
    std::printf("%-22s %5lld  %6.1f %5.1f %%\n", name,
                static_cast<long long>(length), warm.best, warm.share);
    std::fflush(stdout);
  }
}

/// The last `newRows` rows of one sequence of a length, or all of them: causal,
/// and counted as such.
void benchCachedAttention(const Machine &machine, const char *name,
                          int64_t heads, int64_t headDim, int64_t newRows = 0) {
  constexpr int64_t block = TRANSOM_CACHE_BLOCK;
  int64_t width = heads * headDim;
  // Twelve layers, in turn: the keys of one step are cold.
  CachedAttentionSpec spec{.heads = heads,
                           .keyHeads = heads,
                           .headDim = headDim,
                           .query = {.stride = rowStride(3 * width)},
                           .cache = {.width = 2 * heads * roundUp16(headDim)},
                           .result = {.stride = rowStride(width)},
                           .scale = 0.125f,
                           .causal = true};
  auto kernel = load(spec, machine);
  for (int64_t length : {16, 64, 128, 256, 512, 1024, 2048}) {
    if (skips(length))
      continue;
    int64_t rows = newRows ? std::min(newRows, length) : length,
            blocks = (length + block - 1) / block;
    constexpr int64_t layers = 12;
    Floats qkv((rows + 15) * spec.query.stride),
        y((rows + 15) * spec.result.stride),
        cache(layers * blocks * block * spec.cache.width);
    std::vector<int32_t> table(blocks), offsets = {0, int32_t(rows)},
                                        lengths = {int32_t(length)},
                                        tableOffsets = {0, int32_t(blocks)};
    for (int64_t b = 0; b < blocks; ++b)
      table[b] = static_cast<int32_t>(b * 7919 % blocks);
    double pairs = double(rows) * (double(length) - 0.5 * double(rows - 1));
    int64_t layer = 0;
    Rate rate = measure(machine, kernel->kernel.flopsPerPair * pairs, [&] {
      layer = (layer + 1) % layers;
      kernel->runRagged({qkv.data,
                         cache.data + layer * blocks * block * spec.cache.width,
                         offsets.data(), lengths.data(), table.data(),
                         tableOffsets.data(), y.data},
                        1);
    });
    std::printf("%-22s %5lld  %6.1f %5.1f %%", name,
                static_cast<long long>(length), rate.best, rate.share);
    if (newRows)
      std::printf("  %6.1f GB/s", rate.best *
                                      double(length * spec.cache.width) * 4 /
                                      (kernel->kernel.flopsPerPair * pairs));
    std::printf("\n");
    std::fflush(stdout);
  }
}

/// Microseconds of storing keys and values of new rows.
void benchAppendCache(const Machine &machine, const char *name, int64_t heads,
                      int64_t headDim) {
  int64_t width = heads * headDim;
  AppendCacheSpec spec{
      .keyHeads = heads,
      .headDim = headDim,
      .key = {.stride = rowStride(3 * width), .offset = width},
      .value = {.stride = rowStride(3 * width), .offset = 2 * width},
      .cache = {.width = 12 * 2 * heads * roundUp16(headDim)}};
  auto kernel = load(spec, machine);
  for (int64_t rows : {1, 8, 128, 512}) {
    if (skips(rows))
      continue;
    Floats qkv((rows + 15) * spec.key.stride),
        cache((rows + 15) * spec.cache.width);
    std::vector<int32_t> slots(rows);
    std::iota(slots.begin(), slots.end(), 0);
    auto run = [&] {
      kernel->run({qkv.data, qkv.data, slots.data(), cache.data}, rows);
    };
    double best = 1;
    for (int i = 0; i < 20; ++i)
      best = std::min(best, seconds([&] {
                              for (int j = 0; j < 10; ++j)
                                run();
                            }) / 10);
    std::printf("%-22s %5lld  %8.2f us\n", name, static_cast<long long>(rows),
                best * 1e6);
  }
}

void benchNorm(const Machine &machine, const char *name, int64_t width) {
  NormSpec spec{.width = width,
                .x = {.stride = rowStride(width)},
                .residual = {.stride = rowStride(width)},
                .result = {.stride = rowStride(width)},
                .hasResidual = true};
  auto kernel = load(spec, machine);
  for (int64_t rows : {128, 1024}) {
    Floats x(rows * spec.x.stride), residual(rows * spec.x.stride),
        y(rows * spec.x.stride), gamma(spec.x.stride), beta(spec.x.stride);
    double flops = kernel->kernel.flopsPerRow * double(rows);
    Rate warm = measure(machine, flops, [&] {
      kernel->run({x.data, residual.data, gamma.data, beta.data, y.data}, rows);
    });
    std::printf("%-22s %5lld  %6.1f %5.1f %%\n", name,
                static_cast<long long>(rows), warm.best, warm.share);
  }
}

} // namespace

int main(int argc, char **argv) {
  std::string filter = argc > 1 ? argv[1] : "", error;
  auto machine = Machine::fromTarget(argc > 2 ? argv[2] : "host", error);
  if (!machine) {
    std::fprintf(stderr, "bench-kernels: %s\n", error.c_str());
    return 1;
  }
  if (argc > 3)
    onlyRows = std::atoll(argv[3]);
  setScratchChecks(false);
  auto wanted = [&](const char *name) {
    return std::string(name).find(filter) != std::string::npos;
  };
  std::printf("%s, peak %.1f GFLOP/s a thread\n", machine->halideTarget.c_str(),
              peak(*machine));
  std::printf("%-22s %5s  %14s  %14s\n", "kernel", "rows", "warm GFLOP/s",
              "cold GFLOP/s");
  const struct {
    const char *name;
    int64_t in, out;
    bool gelu;
  } linears[] = {
      {"linear 768x2304", 768, 2304, false},
      {"linear 768x768", 768, 768, false},
      {"linear 768x3072 gelu", 768, 3072, true},
      {"linear 3072x768", 3072, 768, false},
      {"linear 768x50257", 768, 50257, false},
      {"linear 384x1152", 384, 1152, false},
      {"linear 384x1536 gelu", 384, 1536, true},
      {"linear 1536x384", 1536, 384, false},
  };
  for (const auto &linear : linears)
    if (wanted(linear.name))
      benchLinear(*machine, linear.name, linear.in, linear.out, linear.gelu);
  if (wanted("attention 12x64"))
    benchAttention(*machine, "attention 12x64", 12, 64);
  if (wanted("attention 12x32"))
    benchAttention(*machine, "attention 12x32", 12, 32);
  if (wanted("causal 12x64"))
    benchAttention(*machine, "causal 12x64", 12, 64, true);
  if (wanted("cached 12x64"))
    benchCachedAttention(*machine, "cached 12x64", 12, 64);
  if (wanted("decode 12x64"))
    for (int64_t rows : {1, 4, 8})
      benchCachedAttention(*machine,
                           ("decode 12x64, " + std::to_string(rows)).c_str(),
                           12, 64, rows);
  if (wanted("append 12x64"))
    benchAppendCache(*machine, "append 12x64", 12, 64);
  if (wanted("norm 768"))
    benchNorm(*machine, "norm 768", 768);
  if (wanted("norm 384"))
    benchNorm(*machine, "norm 384", 384);
  return 0;
}
