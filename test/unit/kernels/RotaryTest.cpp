//===- RotaryTest.cpp - rotary embedding against double precision ---------===//
#include "test/unit/support/KernelTesting.h"

using namespace transom::codegen;
using namespace transom::test;

namespace {

class RotaryTest : public KernelTest {};
INSTANTIATE_TEST_SUITE_P(Targets, RotaryTest,
                         testing::ValuesIn(runnableTargets()));

RotarySpec rotary(int64_t heads, int64_t headDim, int64_t xWidth,
                  int64_t xOffset) {
  RotarySpec spec;
  spec.heads = heads;
  spec.headDim = headDim;
  spec.x.stride = rowStride(xWidth);
  spec.x.offset = xOffset;
  spec.result.stride = rowStride(heads * headDim);
  for (int64_t i = 0; i < headDim / 2; ++i)
    spec.frequencies.push_back(static_cast<float>(
        std::pow(10000.0, -2.0 * double(i) / double(headDim))));
  return spec;
}

void check(const RotarySpec &spec, const LoadedKernel &kernel, int64_t xWidth,
           int64_t rows, int32_t step) {
  Tensor x(rows, xWidth), y(rows, spec.heads * spec.headDim);
  x.fill(2);
  Aligned<int32_t> positions(rows);
  for (int64_t m = 0; m < rows; ++m)
    positions[m] = static_cast<int32_t>(m) * step;
  kernel.run({x.data(), positions.data(), y.data()}, rows);
  y.expectGuardsUntouched();
  int64_t half = spec.headDim / 2;
  for (int64_t m = 0; m < rows; ++m)
    for (int64_t h = 0; h < spec.heads; ++h)
      for (int64_t i = 0; i < half; ++i) {
        float angle = static_cast<float>(positions[m]) * spec.frequencies[i];
        double c = std::cos(double(angle)), s = std::sin(double(angle));
        double low = x.at(m, spec.x.offset + h * spec.headDim + i);
        double high = x.at(m, spec.x.offset + h * spec.headDim + half + i);
        // A sine and a cosine round as often as their polynomials have terms.
        double bound = sumBound(2 + 16) * (std::fabs(low) + std::fabs(high));
        ASSERT_NEAR(y.at(m, h * spec.headDim + i), low * c - high * s, bound)
            << m << ", " << h << ", " << i;
        ASSERT_NEAR(y.at(m, h * spec.headDim + half + i), high * c + low * s,
                    bound)
            << m << ", " << h << ", " << i;
      }
}

TEST_P(RotaryTest, HeadDimsRowsAndPositions) {
  for (int64_t dim : {2, 6, 20, 64, 128}) {
    SCOPED_TRACE(testing::Message() << "head dim " << dim);
    RotarySpec spec = rotary(3, dim, 3 * dim, 0);
    auto kernel = load(spec);
    ASSERT_TRUE(kernel);
    check(spec, *kernel, 3 * dim, 1, 1);
    check(spec, *kernel, 3 * dim, 37, 1);
    check(spec, *kernel, 3 * dim, 5, 30000);
  }
}

/// The last columns of a wider activation: nothing past them is touched.
TEST_P(RotaryTest, Slice) {
  RotarySpec spec = rotary(2, 20, 64, 24);
  auto kernel = load(spec);
  ASSERT_TRUE(kernel);
  check(spec, *kernel, 64, 9, 3);
}

TEST_P(RotaryTest, AlgorithmAloneIsRight) {
  RotarySpec spec = rotary(2, 8, 16, 0);
  auto kernel = load(spec, {.schedule = false});
  ASSERT_TRUE(kernel);
  check(spec, *kernel, 16, 3, 5);
}

} // namespace
