//===- KernelTesting.h - tensors and targets for kernel tests -------------===//
#ifndef TRANSOM_TEST_UNIT_SUPPORT_KERNELTESTING_H
#define TRANSOM_TEST_UNIT_SUPPORT_KERNELTESTING_H

#include "test/unit/support/KernelHarness.h"

#include "gtest/gtest.h"

#include <cmath>
#include <cstring>
#include <limits>
#include <random>

namespace transom::test {

/// Half the distance of 1 to the next number of `type`: what rounding to
/// nearest changes a result by, relative to it.
inline double unitRoundoff(codegen::ElementType type) {
  using Kind = codegen::ElementType::Kind;
  int mantissa = type.kind == Kind::BFloat ? 8 : type.bits == 16 ? 11 : 24;
  return std::ldexp(1.0, -mantissa);
}

/// How far a sum of `terms` products may be from the exact one, relative to the
/// sum of their magnitudes: sqrt(n) u, to which n roundings that are
/// independent add up (Higham and Mary, A New Approach to Probabilistic
/// Rounding Error Analysis, SIAM J. Sci. Comput. 41(5), 2019). The worst case
/// is n u.
inline double sumBound(int64_t terms,
                       codegen::ElementType type = codegen::f32) {
  return std::sqrt(double(terms)) * unitRoundoff(type);
}

/// How far a weighed sum of values may be from the exact one, relative to the
/// largest value. A score that is off by d makes its weight off by d, relative
/// to it; `largest` is that of the scores' sums of magnitudes. The sums over
/// `keys`, of weights and of weighed values, round, too, and so does exp.
inline double attentionBound(int64_t headDim, int64_t keys, double largest,
                             codegen::ElementType type = codegen::f32) {
  constexpr int64_t expRoundings = 16;
  return sumBound(headDim, type) * largest +
         2 * sumBound(keys + expRoundings, type);
}

/// An activation [rows, width] as the arena holds it: padded rows and columns,
/// and guards on both sides. All that is not set is NaN.
class Tensor {
public:
  Tensor(int64_t rows, int64_t width, int64_t stride = 0)
      : rows(rows), width(width),
        stride(stride ? stride : codegen::rowStride(width)) {
    size = (rows + TRANSOM_ROWS_ALIGNMENT - 1) / TRANSOM_ROWS_ALIGNMENT *
           TRANSOM_ROWS_ALIGNMENT * this->stride;
    values.reset(static_cast<float *>(
        std::aligned_alloc(64, (size + 2 * guard) * sizeof(float))));
    for (int64_t i = 0; i < size + 2 * guard; ++i)
      values.get()[i] = std::numeric_limits<float>::quiet_NaN();
  }
  float &at(int64_t row, int64_t column) {
    return values.get()[guard + row * stride + column];
  }
  float at(int64_t row, int64_t column) const {
    return values.get()[guard + row * stride + column];
  }
  void *data() { return values.get() + guard; }

  /// Uniform in [-scale, scale].
  Tensor &fill(uint32_t seed, float scale = 1.0f) {
    std::mt19937 random(seed);
    std::uniform_real_distribution<float> uniform(-scale, scale);
    for (int64_t m = 0; m < rows; ++m)
      for (int64_t n = 0; n < width; ++n)
        at(m, n) = uniform(random);
    return *this;
  }

  /// Nothing outside of the rows was written: all of it is still NaN.
  void expectGuardsUntouched() const {
    for (int64_t i = 0; i < size + 2 * guard; ++i)
      if (i < guard || i >= guard + rows * stride) {
        ASSERT_TRUE(std::isnan(values.get()[i])) << "guard word " << i;
      }
  }
  void expectSameBits(const Tensor &other) const {
    for (int64_t m = 0; m < rows; ++m)
      for (int64_t n = 0; n < width; ++n) {
        float a = at(m, n), b = other.at(m, n);
        ASSERT_EQ(std::memcmp(&a, &b, sizeof a), 0)
            << "row " << m << ", column " << n << ": " << a << " and " << b;
      }
  }

  const int64_t rows, width, stride;

private:
  struct Free {
    void operator()(float *pointer) const { std::free(pointer); }
  };
  static constexpr int64_t guard = 64;
  int64_t size;
  std::unique_ptr<float, Free> values;
};

/// Operands start on cache lines.
template <typename T> struct CacheLineAllocator {
  using value_type = T;
  CacheLineAllocator() = default;
  template <typename U> CacheLineAllocator(const CacheLineAllocator<U> &) {}
  T *allocate(size_t count) {
    return static_cast<T *>(
        ::operator new(count * sizeof(T), std::align_val_t(64)));
  }
  void deallocate(T *pointer, size_t) {
    ::operator delete(pointer, std::align_val_t(64));
  }
  bool operator==(const CacheLineAllocator &) const { return true; }
};
template <typename T> using Aligned = std::vector<T, CacheLineAllocator<T>>;

/// A weight vector as the weights file holds it: padded with zeros.
inline Aligned<float> paddedVector(int64_t width, int64_t padded, uint32_t seed,
                                   float scale = 1.0f) {
  std::mt19937 random(seed);
  std::uniform_real_distribution<float> uniform(-scale, scale);
  Aligned<float> values(padded, 0.0f);
  for (int64_t i = 0; i < width; ++i)
    values[i] = uniform(random);
  return values;
}

/// The targets whose code this machine can run.
inline std::vector<std::string> runnableTargets() {
  std::string error;
  auto host = codegen::Machine::fromTarget("host", error);
  std::vector<std::string> targets;
  if (host) {
    targets = {"haswell"};
    if (host->floatLanes == 16)
      targets.push_back("host");
  }
  return targets;
}

/// Tests of kernels take a target and compile for it.
class KernelTest : public testing::TestWithParam<std::string> {
protected:
  void SetUp() override {
    std::string error;
    auto found = codegen::Machine::fromTarget(GetParam(), error);
    ASSERT_TRUE(found) << error;
    machine = *found;
  }
  std::unique_ptr<LoadedKernel> load(const codegen::KernelSpec &spec,
                                     codegen::KernelOptions options = {}) {
    std::string error;
    auto kernel = LoadedKernel::load(spec, machine, options, error);
    EXPECT_TRUE(kernel) << error;
    return kernel;
  }

  codegen::Machine machine;
};

} // namespace transom::test

#endif // TRANSOM_TEST_UNIT_SUPPORT_KERNELTESTING_H
