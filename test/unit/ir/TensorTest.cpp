//===- TensorTest.cpp - numbers of the interpreter, as stored -------------===//
#include "ir/Interpreter/Tensor.h"

#include "mlir/IR/Builders.h"
#include "gtest/gtest.h"

#include <cmath>
#include <limits>

using namespace transom::interpreter;

namespace {

class TensorTest : public testing::Test {
protected:
  double rounded(double value, mlir::Type storage) {
    Tensor tensor(builder.getF32Type(), {1});
    tensor.floats()[0] = value;
    Tensor copy = tensor;
    copy.roundTo(storage);
    EXPECT_TRUE(std::isnan(value) || tensor.floats()[0] == value);
    return copy.floats()[0];
  }
  mlir::MLIRContext context;
  mlir::Builder builder{&context};
};

// Ties, of which one half goes up and one down, and ends of the range.
TEST_F(TensorTest, RoundsFloatsToEven) {
  mlir::Type bf16 = builder.getBF16Type(), f16 = builder.getF16Type();
  EXPECT_EQ(rounded(1.0 + 1.0 / 256, bf16), 1.0);
  EXPECT_EQ(rounded(1.0 + 3.0 / 256, bf16), 1.0 + 4.0 / 256);
  EXPECT_EQ(rounded(1.0 + 1.1 / 256, bf16), 1.0 + 2.0 / 256);
  EXPECT_EQ(rounded(1.0 + 1.0 / 2048, f16), 1.0);
  EXPECT_EQ(rounded(65504.0, f16), 65504.0);
  EXPECT_EQ(rounded(1e5, f16), std::numeric_limits<double>::infinity());
  EXPECT_EQ(rounded(1e-8, f16), 0.0);
  EXPECT_TRUE(std::isnan(rounded(std::nan(""), bf16)));
  EXPECT_EQ(rounded(0.1, builder.getF32Type()), double(0.1f));
  EXPECT_EQ(rounded(0.1, builder.getF64Type()), 0.1);
}

TEST_F(TensorTest, RoundsFloatsToIntegersInRange) {
  mlir::Type i8 = builder.getI8Type();
  mlir::Type u8 = builder.getIntegerType(8, /*isSigned=*/false);
  EXPECT_EQ(rounded(2.5, i8), 2.0);
  EXPECT_EQ(rounded(-3.5, i8), -4.0);
  EXPECT_EQ(rounded(200.0, i8), 127.0);
  EXPECT_EQ(rounded(-200.0, i8), -128.0);
  EXPECT_EQ(rounded(200.0, u8), 200.0);
  EXPECT_EQ(rounded(300.0, u8), 255.0);
  EXPECT_EQ(rounded(-1.0, u8), 0.0);
  EXPECT_TRUE(std::isnan(rounded(std::nan(""), i8)));
}

TEST_F(TensorTest, WrapsIntegers) {
  Tensor tensor(builder.getI32Type(), {2});
  tensor.integers()[0] = 300;
  tensor.integers()[1] = -1;
  tensor.roundTo(builder.getI8Type());
  EXPECT_EQ(tensor.integers()[0], 44);
  EXPECT_EQ(tensor.integers()[1], -1);
}

} // namespace
