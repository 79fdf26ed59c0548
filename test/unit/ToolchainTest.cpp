//===- ToolchainTest.cpp - MLIR and Halide in one process -----------------===//

#include "mlir/Dialect/Func/IR/FuncOps.h"
#include "mlir/IR/BuiltinOps.h"
#include "mlir/IR/MLIRContext.h"
#include "mlir/Parser/Parser.h"
#include "gtest/gtest.h"

#include <Halide.h>

namespace {

TEST(Toolchain, ParsesIRAndCompilesAKernel) {
  mlir::MLIRContext context;
  context.loadDialect<mlir::func::FuncDialect>();
  auto module = mlir::parseSourceString<mlir::ModuleOp>(
      "func.func @id(%x: tensor<?xf32>) -> tensor<?xf32> {\n"
      "  return %x : tensor<?xf32>\n"
      "}\n",
      &context);
  ASSERT_TRUE(module);

  Halide::Var x("x");
  Halide::Func twice("twice");
  twice(x) = 2 * x;
  Halide::Buffer<int> result = twice.realize({8});
  EXPECT_EQ(result(7), 14);
}

TEST(Toolchain, CatchesWhatHalideThrows) {
  Halide::Var x("x"), other("other");
  Halide::Func f("f");
  f(x) = x;
  EXPECT_THROW(f.vectorize(other, 8), Halide::Error);
}

} // namespace
