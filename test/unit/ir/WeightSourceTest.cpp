//===- WeightSourceTest.cpp - stored numbers become f32 exactly -----------===//

#include "ir/Weights/WeightSource.h"

#include "llvm/ADT/APFloat.h"
#include "llvm/ADT/bit.h"
#include "gtest/gtest.h"

#include <cmath>
#include <cstring>
#include <vector>

using namespace llvm;
using namespace transom;

namespace {

/// All 65536 values of a 16-bit type, against LLVM's own arithmetic.
void checkAll(WeightType type, const fltSemantics &semantics) {
  std::vector<uint8_t> bytes;
  for (unsigned bits = 0; bits < 65536; ++bits) {
    bytes.push_back(bits & 255);
    bytes.push_back(bits >> 8);
  }
  TensorView view{type, {65536}, bytes};
  ASSERT_EQ(view.numElements(), 65536);
  std::vector<float> values(65536);
  readAsFloat(view, 0, values);
  for (unsigned bits = 0; bits < 65536; ++bits) {
    float expected = APFloat(semantics, APInt(16, bits)).convertToFloat();
    if (std::isnan(expected))
      EXPECT_TRUE(std::isnan(values[bits])) << bits;
    else
      EXPECT_EQ(bit_cast<uint32_t>(values[bits]), bit_cast<uint32_t>(expected))
          << bits;
  }
}

TEST(WeightSource, ReadsEveryHalf) {
  checkAll(WeightType::F16, APFloat::IEEEhalf());
}

TEST(WeightSource, ReadsEveryBFloat) {
  checkAll(WeightType::BF16, APFloat::BFloat());
}

TEST(WeightSource, ReadsARangeAtAnyAlignment) {
  std::vector<float> stored = {1.0f, -2.5f, 3e-41f, INFINITY};
  std::vector<uint8_t> bytes(1 + 4 * stored.size());
  std::memcpy(bytes.data() + 1, stored.data(), 4 * stored.size());
  TensorView view{WeightType::F32, {2, 2}, ArrayRef(bytes).drop_front()};
  std::vector<float> values(2);
  readAsFloat(view, 1, values);
  EXPECT_EQ(values, std::vector<float>({-2.5f, 3e-41f}));
  readAsFloat(view, 4, {});
}

} // namespace
