//===- peak.cpp - what this machine can do at most ------------------------===//
//
// f32 fused multiply-adds from registers and reads from memory, on N threads:
// the yardsticks that bench/run.py reports shares of. Prints one line of JSON.
//
//   peak [threads] [milliseconds a measurement]
//
// The best vector unit is found at run time; 12 independent accumulators hide
// the latency of the multiply-add on every core we know.
//
//===----------------------------------------------------------------------===//

#include <immintrin.h>

#include <atomic>
#include <chrono>
#include <cstdio>
#include <cstdlib>
#include <cstring>
#include <thread>
#include <vector>

namespace {

/// As many as 16 registers hold beside the factors: more than are in flight.
constexpr int accumulators = 12;
constexpr size_t bytesRead = size_t(512) << 20;

using Clock = std::chrono::steady_clock;

double secondsSince(Clock::time_point start) {
  return std::chrono::duration<double>(Clock::now() - start).count();
}

volatile float sink;

/// One accumulator at a time: indexable, yet each in its own register.
#define FMA_LOOP(VECTOR, SET, FMA)                                             \
  VECTOR sums[accumulators], x = SET(0.5f), y = SET(0.25f);                    \
  for (VECTOR &sum : sums)                                                     \
    sum = SET(0.0f);                                                           \
  for (long i = 0; i < steps; ++i) {                                           \
    _Pragma("clang loop unroll(full)") for (VECTOR &sum : sums) sum =          \
        FMA(x, y, sum);                                                        \
    __asm__ volatile("" : "+v"(x), "+v"(y));                                   \
  }                                                                            \
  float total = 0;                                                             \
  for (VECTOR &sum : sums)                                                     \
    total += reinterpret_cast<float *>(&sum)[0];                               \
  sink = total

__attribute__((target("avx512f"))) void multiplyAdd512(long steps) {
  FMA_LOOP(__m512, _mm512_set1_ps, _mm512_fmadd_ps);
}

__attribute__((target("avx2,fma"))) void multiplyAdd256(long steps) {
  FMA_LOOP(__m256, _mm256_set1_ps, _mm256_fmadd_ps);
}

struct Unit {
  void (*run)(long steps);
  int lanes;
  const char *name;
};

Unit bestUnit() {
  if (__builtin_cpu_supports("avx512f"))
    return {multiplyAdd512, 16, "avx512"};
  if (__builtin_cpu_supports("avx2") && __builtin_cpu_supports("fma"))
    return {multiplyAdd256, 8, "avx2"};
  std::fprintf(stderr, "peak: expects a CPU with AVX2 and FMA\n");
  std::exit(1);
}

__attribute__((target("avx2"))) void readMemory(const char *begin,
                                                const char *end) {
  __m256i sums[4] = {};
  for (; begin != end; begin += 128)
    for (int i = 0; i < 4; ++i)
      sums[i] = _mm256_xor_si256(
          sums[i],
          _mm256_load_si256(reinterpret_cast<const __m256i *>(begin + 32 * i)));
  __m256i all = _mm256_xor_si256(_mm256_xor_si256(sums[0], sums[1]),
                                 _mm256_xor_si256(sums[2], sums[3]));
  sink = float(_mm256_extract_epi32(all, 0));
}

/// Seconds from the moment all threads are ready until the last is done.
template <typename Work> double timed(int threads, Work work) {
  std::atomic<int> ready{0};
  std::vector<double> seconds(threads);
  std::vector<std::thread> pool;
  for (int i = 0; i < threads; ++i)
    pool.emplace_back([&, i] {
      ready.fetch_add(1);
      while (ready.load() < threads)
        ;
      Clock::time_point start = Clock::now();
      work(i);
      seconds[i] = secondsSince(start);
    });
  double last = 0;
  for (int i = 0; i < threads; ++i) {
    pool[i].join();
    last = seconds[i] > last ? seconds[i] : last;
  }
  return last;
}

/// The best of a few: interruptions only ever add.
template <typename Work> double best(int threads, Work work) {
  double least = 1e9;
  for (int i = 0; i < 5; ++i) {
    double seconds = timed(threads, work);
    least = seconds < least ? seconds : least;
  }
  return least;
}

} // namespace

int main(int argc, char **argv) {
  int threads = argc > 1 ? std::atoi(argv[1]) : 1;
  double milliseconds = argc > 2 ? std::atof(argv[2]) : 100;
  if (threads < 1 || threads > 256 || milliseconds < 1) {
    std::fprintf(stderr, "usage: peak [threads] [milliseconds]\n");
    return 2;
  }
  Unit unit = bestUnit();
  long steps = 100000;
  double once = timed(1, [&](int) { unit.run(steps); });
  steps = long(double(steps) * milliseconds / 1e3 / once) + 1;
  double fma = best(threads, [&](int) { unit.run(steps); });
  double gflops =
      1e-9 * threads * 2.0 * unit.lanes * accumulators * double(steps) / fma;

  char *memory = static_cast<char *>(std::aligned_alloc(4096, bytesRead));
  if (!memory) {
    std::fprintf(stderr, "peak: no memory for %zu bytes\n", bytesRead);
    return 1;
  }
  std::memset(memory, 1, bytesRead);
  size_t share = bytesRead / size_t(threads) / 4096 * 4096;
  double read = best(threads, [&](int i) {
    readMemory(memory + share * size_t(i), memory + share * size_t(i + 1));
  });
  std::printf("{\"threads\": %d, \"unit\": \"%s\", \"f32_gflops\": %.1f, "
              "\"read_gbs\": %.2f}\n",
              threads, unit.name, gflops,
              1e-9 * double(share) * threads / read);
  std::free(memory);
  return 0;
}
