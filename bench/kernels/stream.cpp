//===- stream.cpp - how fast linear layers of few rows read weights -------===//
//
//   bench-stream [THREADS [ROUNDS [ROWS...]]]
//
// A decoder's step multiplies one row, or one a sequence, by every weight: its
// time is that of reading them. This runs the linear layers of GPT-2 124M, as
// launches of the runtime (49 of them, 0.5 GB, more than any cache holds), and
// then reads the same bytes plainly, launch by launch, on the same threads of
// the same pool, 256 KB at a time. Weights are in huge pages.
//
// Each launch and each read is timed by itself, and its best round counts: it
// takes a millisecond or less, so that on a machine shared with others some
// rounds are undisturbed.
//
//===----------------------------------------------------------------------===//
#include "bench/BenchLibrary.h"
#include "runtime/Session.h"
#include "runtime/entry.h"
#include "test/unit/support/KernelHarness.h"

#include <algorithm>
#include <cstdio>
#include <cstdlib>
#include <ctime>
#include <immintrin.h>
#include <string>
#include <vector>

using namespace transom::codegen;
using namespace transom::test;

namespace {

struct Layer {
  const char *name;
  int64_t in, out;
  int copies; ///< in a step
};
const Layer layers[] = {{"768x2304", 768, 2304, 12},
                        {"768x768", 768, 768, 12},
                        {"768x3072", 768, 3072, 12},
                        {"3072x768", 3072, 768, 12},
                        {"768x50257", 768, 50257, 1}};

struct Linear {
  std::unique_ptr<LoadedKernel> loaded;
  std::vector<transom_kernel_variant> variants;
  transom_kernel kernel = {};
  int64_t weightFloats = 0;
};

/// One launch: a kernel and its weights, and the best times of it and of
/// reading them.
struct Launch {
  const Linear *linear;
  const float *weights;
  double seconds = 1e9, readSeconds = 1e9;
  double bytes() const { return double(linear->weightFloats) * sizeof(float); }
};

/// One thread's own time counts, which others on the machine do not lengthen;
/// threads together are as fast as the wall clock says.
clockid_t timer = CLOCK_MONOTONIC;
double now() {
  timespec time;
  clock_gettime(timer, &time);
  return static_cast<double>(time.tv_sec) + 1e-9 * double(time.tv_nsec);
}

std::vector<Launch> program;
int64_t launchRows = 1;
const float *activations, *biases;
float *results;

int32_t run(transom_frame *frame) {
  frame->outputs[0] = frame->arena;
  for (Launch &launch : program) {
    const void *operands[] = {activations, launch.weights, biases, results};
    double start = now();
    if (int32_t status = transom_launch(frame, &launch.linear->kernel, operands,
                                        launchRows, "layer"))
      return status;
    launch.seconds = std::min(launch.seconds, now() - start);
  }
  return 0;
}

const BenchLibrary library(run);

/// What threads read together, a piece at a time.
struct Reading {
  const char *begin;
  size_t bytes;
  std::atomic<size_t> next{0};
};
constexpr size_t pieceBytes = 256 << 10;
std::atomic<float> sink;

__attribute__((target("avx2"))) void readPieces(void *context, int32_t) {
  auto &reading = *static_cast<Reading *>(context);
  __m256 sums[4] = {};
  for (size_t begin;
       (begin = reading.next.fetch_add(pieceBytes)) < reading.bytes;) {
    const char *at = reading.begin + begin;
    const char *end =
        reading.begin + std::min(begin + pieceBytes, reading.bytes);
    for (; at < end; at += 128)
      for (int v = 0; v < 4; ++v)
        sums[v] = _mm256_add_ps(
            sums[v],
            _mm256_load_ps(reinterpret_cast<const float *>(at) + 8 * v));
  }
  __m256 all = _mm256_add_ps(_mm256_add_ps(sums[0], sums[1]),
                             _mm256_add_ps(sums[2], sums[3]));
  sink = all[0] + all[1];
}

class Bench {
public:
  Bench(int32_t threads, const Machine &machine);
  void measure(int64_t rows, int rounds);

private:
  void report(const char *name, const Linear *linear);

  transom_model *model = nullptr;
  transom_session *session = nullptr;
  std::vector<Linear> linears;
  transom::Region weights, x, bias, y;
};

float *region(transom::Region &region, size_t floats) {
  if (!region.reserve(floats * sizeof(float))) {
    std::fprintf(stderr, "bench-stream: no memory\n");
    std::exit(1);
  }
  auto *data = reinterpret_cast<float *>(region.base);
  for (size_t i = 0; i < floats; ++i)
    data[i] = static_cast<float>(i * 2654435761u % 1024) / 1024 - 0.5f;
  return data;
}

Bench::Bench(int32_t threads, const Machine &machine)
    : linears(std::size(layers)) {
  transom_session_options options = {};
  options.threads = threads;
  check(transom_open(library.get(), nullptr, &model));
  check(transom_session_create(model, &options, &session));
  for (size_t i = 0; i < std::size(layers); ++i) {
    Linear &linear = linears[i];
    LinearSpec spec{.in = layers[i].in,
                    .out = layers[i].out,
                    .x = {.stride = rowStride(layers[i].in)},
                    .result = {.stride = rowStride(layers[i].out)}};
    std::string error;
    linear.loaded = LoadedKernel::load(spec, machine, {}, error);
    if (!linear.loaded) {
      std::fprintf(stderr, "bench-stream: %s\n", error.c_str());
      std::exit(1);
    }
    const CompiledKernel &kernel = linear.loaded->kernel;
    for (size_t v = 0; v < kernel.variants.size(); ++v) {
      linear.variants.push_back(kernel.variants[v].shape);
      linear.variants.back().run = linear.loaded->function(v);
    }
    linear.kernel.name = layers[i].name;
    linear.kernel.grid = kernel.grid;
    linear.kernel.columns = kernel.columns;
    linear.kernel.num_arguments = static_cast<int32_t>(kernel.arguments.size());
    linear.kernel.num_variants = static_cast<int32_t>(linear.variants.size());
    linear.kernel.arguments = kernel.arguments.data();
    linear.kernel.variants = linear.variants.data();
    linear.kernel.flops_per_row = kernel.flopsPerRow;
    linear.weightFloats =
        kernel.columns * kernel.packing.at(1).block * layers[i].in;
  }
  size_t floats = 0;
  for (size_t i = 0; i < std::size(layers); ++i)
    floats += size_t(linears[i].weightFloats) * layers[i].copies;
  const float *at = region(weights, floats);
  for (int copy = 0; copy < layers[0].copies; ++copy)
    for (size_t i = 0; i < std::size(layers); ++i)
      if (copy < layers[i].copies) {
        program.push_back({&linears[i], at});
        at += linears[i].weightFloats;
      }
  activations = region(x, 64 * 3072);
  biases = region(bias, rowStride(50257));
  results = region(y, 64 * rowStride(50257));
}

void Bench::report(const char *name, const Linear *linear) {
  double bytes = 0, seconds = 0, readSeconds = 0;
  for (const Launch &launch : program)
    if (!linear || launch.linear == linear) {
      bytes += launch.bytes();
      seconds += launch.seconds;
      readSeconds += launch.readSeconds;
    }
  std::printf("%-10s %3lld  %8.3f ms %6.1f GB/s  %8.3f ms %6.1f GB/s  %5.1f "
              "%%\n",
              name, static_cast<long long>(launchRows), seconds * 1e3,
              1e-9 * bytes / seconds, readSeconds * 1e3,
              1e-9 * bytes / readSeconds, 100 * readSeconds / seconds);
}

void Bench::measure(int64_t rows, int rounds) {
  launchRows = rows;
  for (Launch &launch : program)
    launch.seconds = launch.readSeconds = 1e9;
  for (int i = 0; i < rounds; ++i) {
    int32_t ids[1] = {0};
    float result[1];
    transom_tensor in = {"input_ids",   ids, sizeof(ids),
                         TRANSOM_INT32, 2,   {1, 1}};
    transom_tensor out = {"out",           result, sizeof(result),
                          TRANSOM_FLOAT32, 0,      {}};
    check(transom_run(session, &in, 1, &out, 1));
    for (Launch &launch : program) {
      Reading reading{reinterpret_cast<const char *>(launch.weights),
                      size_t(launch.bytes())};
      double start = now();
      session->pool->parallel(session->pool, session->pool->threads - 1,
                              readPieces, &reading);
      launch.readSeconds = std::min(launch.readSeconds, now() - start);
    }
  }
  for (size_t i = 0; i < std::size(layers); ++i)
    report(layers[i].name, &linears[i]);
  report("step", nullptr);
  std::fflush(stdout);
}

} // namespace

int main(int argc, char **argv) {
  int32_t threads = argc > 1 ? std::atoi(argv[1]) : 2;
  int rounds = argc > 2 ? std::atoi(argv[2]) : 20;
  std::vector<int64_t> rows;
  for (int i = 3; i < argc; ++i)
    rows.push_back(std::atoll(argv[i]));
  if (rows.empty())
    rows = {1, 4, 8, 16};
  std::string error;
  auto machine = Machine::fromTarget("host", error);
  if (!machine) {
    std::fprintf(stderr, "bench-stream: %s\n", error.c_str());
    return 1;
  }
  if (threads == 1)
    timer = CLOCK_THREAD_CPUTIME_ID;
  Bench bench(threads, *machine);
  std::printf("%-10s %4s  %23s  %23s  %s\n", "layer", "rows", "launches",
              "plain reads", "share");
  for (int64_t row : rows)
    bench.measure(row, rounds);
  return 0;
}
