//===- RowKernelsTest.cpp - norm, embedding, row programs -----------------===//
#include "test/unit/support/KernelTesting.h"

#include <functional>

using namespace transom::codegen;
using namespace transom::test;
using Kind = Expression::Kind;

namespace {

/// The roundings of a chain of ops on one element, with the polynomial of a
/// function in it.
constexpr int64_t chainRoundings = 16;

void expectClose(const Tensor &out,
                 const std::function<double(int64_t, int64_t)> &expected,
                 int64_t roundings = chainRoundings, double magnitude = 1) {
  for (int64_t m = 0; m < out.rows; ++m)
    for (int64_t c = 0; c < out.width; ++c) {
      double want = expected(m, c);
      ASSERT_NEAR(out.at(m, c), want,
                  sumBound(roundings) * (magnitude + std::fabs(want)))
          << "row " << m << ", column " << c;
    }
}

//===----------------------------------------------------------------------===//
// Norm
//===----------------------------------------------------------------------===//

class NormTest : public KernelTest {
protected:
  void check(NormSpec spec, int64_t rows, float scale = 1.0f,
             KernelOptions options = {}) {
    SCOPED_TRACE(testing::Message() << spec.width << " wide, " << rows
                                    << " rows, scale " << scale);
    spec.x.stride = spec.residual.stride = spec.result.stride =
        spec.sum.stride = rowStride(spec.width);
    auto kernel = load(spec, options);
    ASSERT_TRUE(kernel);
    Tensor x(rows, spec.width), residual(rows, spec.width);
    x.fill(1, scale);
    residual.fill(2, scale);
    auto gamma = paddedVector(spec.width, rowStride(spec.width), 3);
    auto beta = paddedVector(spec.width, rowStride(spec.width), 4);
    Tensor y(rows, spec.width), sum(rows, spec.width);
    std::vector<void *> operands = {x.data()};
    if (spec.hasResidual)
      operands.push_back(residual.data());
    operands.push_back(gamma.data());
    if (spec.hasBeta)
      operands.push_back(beta.data());
    operands.push_back(y.data());
    if (spec.storesSum)
      operands.push_back(sum.data());
    resetScratch();
    kernel->run(operands, rows);
    EXPECT_LE(peakScratch(), kernel->kernel.scratchBytes);
    EXPECT_FALSE(scratchOverrun());
    y.expectGuardsUntouched();
    sum.expectGuardsUntouched();

    auto s = [&](int64_t m, int64_t c) {
      return double(x.at(m, c)) + (spec.hasResidual ? residual.at(m, c) : 0);
    };
    std::vector<double> mean(rows), rstd(rows);
    for (int64_t m = 0; m < rows; ++m) {
      double total = 0, squares = 0;
      for (int64_t c = 0; c < spec.width; ++c)
        total += s(m, c);
      mean[m] = spec.rms ? 0 : total / spec.width;
      for (int64_t c = 0; c < spec.width; ++c)
        squares += (s(m, c) - mean[m]) * (s(m, c) - mean[m]);
      rstd[m] = 1 / std::sqrt(squares / spec.width + spec.epsilon);
    }
    expectClose(
        y,
        [&](int64_t m, int64_t c) {
          return (s(m, c) - mean[m]) * rstd[m] * gamma[c] +
                 (spec.hasBeta ? beta[c] : 0);
        },
        spec.width + chainRoundings);
    if (spec.storesSum)
      expectClose(sum, s);
  }
};
INSTANTIATE_TEST_SUITE_P(Targets, NormTest,
                         testing::ValuesIn(runnableTargets()));

TEST_P(NormTest, AlgorithmAloneIsRight) {
  check({.width = 21, .hasResidual = true}, 3, 1, {.schedule = false});
}

TEST_P(NormTest, LayerNorm) {
  for (int64_t width : {1, 60, 64, 111, 384, 768})
    for (int64_t rows : {1, 5, 16, 37})
      check({.width = width, .epsilon = 1e-5f}, rows);
}

TEST_P(NormTest, ResidualAndStoredSum) {
  for (int64_t width : {1, 60, 111, 5000}) {
    check({.width = width, .hasResidual = true}, 19);
    check({.width = width, .hasResidual = true, .storesSum = true}, 19);
  }
  check({.width = 5000, .hasResidual = true}, 3); // Too wide for the stack.
}

TEST_P(NormTest, RmsNorm) {
  for (int64_t width : {1, 60, 111, 5000}) {
    check({.width = width, .rms = true, .hasBeta = false}, 7);
    check({.width = width,
           .rms = true,
           .hasResidual = true,
           .hasBeta = false,
           .storesSum = true},
          7);
  }
}

TEST_P(NormTest, LargeAndSmallMagnitudes) {
  check({.width = 96}, 5, 1e6f);
  check({.width = 96, .epsilon = 1e-12f}, 5, 1e-4f);
}

//===----------------------------------------------------------------------===//
// Embedding
//===----------------------------------------------------------------------===//

class EmbeddingTest : public KernelTest {};
INSTANTIATE_TEST_SUITE_P(Targets, EmbeddingTest,
                         testing::ValuesIn(runnableTargets()));

TEST_P(EmbeddingTest, GathersRowsAndAdds) {
  for (int64_t width : {1, 60, 384})
    for (bool adds : {false, true})
      for (bool schedule : {true, false}) {
        int64_t stride = rowStride(width), rows = 45;
        auto kernel =
            load(EmbeddingSpec{.width = width,
                               .tableRows = 30,
                               .table = {.stride = stride},
                               .result = {.stride = stride},
                               .addend = {.stride = adds ? stride : 0}},
                 {.schedule = schedule});
        ASSERT_TRUE(kernel);
        Tensor table(30, width), addend(rows, width), y(rows, width);
        table.fill(1);
        addend.fill(2);
        Aligned<int32_t> ids(rows);
        for (int64_t m = 0; m < rows; ++m)
          ids[m] = static_cast<int32_t>(m * 7 % 31) - 1;
        std::vector<void *> operands = {ids.data(), table.data()};
        if (adds)
          operands.push_back(addend.data());
        operands.push_back(y.data());
        kernel->run(operands, rows);
        y.expectGuardsUntouched();
        expectClose(y, [&](int64_t m, int64_t c) {
          return (ids[m] < 0 ? 0 : table.at(ids[m], c)) +
                 (adds ? addend.at(m, c) : 0);
        });
      }
}

/// The last columns of a table and of an addend, beyond which a row has no room
/// for whole vectors.
TEST_P(EmbeddingTest, GathersColumnsOfWiderRows) {
  constexpr int64_t wide = 64, entries = 30, rows = 45;
  for (int64_t width : {3, 60}) {
    const int64_t offset = wide - width;
    auto kernel = load(
        EmbeddingSpec{.width = width,
                      .tableRows = entries,
                      .table = {.stride = rowStride(wide)},
                      .tableOffset = offset,
                      .result = {.stride = rowStride(width)},
                      .addend = {.stride = rowStride(wide), .offset = offset}});
    ASSERT_TRUE(kernel);
    Tensor table(entries, wide), addend(rows, wide), y(rows, width);
    table.fill(1);
    addend.fill(2);
    Aligned<int32_t> ids(rows);
    for (int64_t m = 0; m < rows; ++m)
      ids[m] = static_cast<int32_t>(m * 7 % entries);
    kernel->run({ids.data(), table.data(), addend.data(), y.data()}, rows);
    y.expectGuardsUntouched();
    expectClose(y, [&](int64_t m, int64_t c) {
      return table.at(ids[m], offset + c) + addend.at(m, offset + c);
    });
  }
}

/// A table in blocks of 8 rows, the last of which is not full.
TEST_P(EmbeddingTest, GathersFromALinearsWeight) {
  constexpr int64_t block = 8, entries = 30, rows = 45;
  for (int64_t width : {1, 60, 384}) {
    int64_t stride = rowStride(width);
    auto kernel = load(EmbeddingSpec{.width = width,
                                     .tableRows = entries,
                                     .table = {.block = block},
                                     .result = {.stride = stride}});
    ASSERT_TRUE(kernel);
    Tensor table(entries, width), y(rows, width);
    table.fill(1);
    Aligned<float> blocked((entries + block - 1) / block * block * width);
    for (int64_t row = 0; row < entries; ++row)
      for (int64_t c = 0; c < width; ++c)
        blocked[(row / block * width + c) * block + row % block] =
            table.at(row, c);
    Aligned<int32_t> ids(rows);
    for (int64_t m = 0; m < rows; ++m)
      ids[m] = static_cast<int32_t>(m * 7 % 31) - 1;
    kernel->run({ids.data(), blocked.data(), y.data()}, rows);
    y.expectGuardsUntouched();
    expectClose(y, [&](int64_t m, int64_t c) {
      return ids[m] < 0 ? 0 : table.at(ids[m], c);
    });
  }
}

//===----------------------------------------------------------------------===//
// Row programs
//===----------------------------------------------------------------------===//

class RowProgramTest : public KernelTest {
protected:
  /// A program of one operand and one result of the same shape.
  void checkUnary(const std::vector<Expression> &expressions,
                  const std::function<double(double)> &expected, float scale,
                  double magnitude = 1) {
    const int64_t width = 77, rows = 9;
    RowProgramSpec spec;
    spec.width = width;
    spec.program.expressions = expressions;
    spec.program.results = {static_cast<int>(expressions.size()) - 1};
    spec.inputs = {{Broadcast::None, rowStride(width), 0}};
    spec.results = {{.stride = rowStride(width)}};
    auto kernel = load(spec);
    ASSERT_TRUE(kernel);
    Tensor x(rows, width), y(rows, width);
    x.fill(5, scale);
    x.at(0, 0) = 0.0f;
    kernel->run({x.data(), y.data()}, rows);
    y.expectGuardsUntouched();
    expectClose(
        y, [&](int64_t m, int64_t c) { return expected(x.at(m, c)); },
        chainRoundings, magnitude);
  }
};
INSTANTIATE_TEST_SUITE_P(Targets, RowProgramTest,
                         testing::ValuesIn(runnableTargets()));

const Expression input = {.kind = Kind::Input, .index = 0};
Expression unary(Kind kind) { return {.kind = kind, .operands = {0}}; }

TEST_P(RowProgramTest, UnaryFunctions) {
  const struct {
    Kind kind;
    double (*expected)(double);
    float scale;
    double magnitude = 1; ///< of terms that cancel
  } cases[] = {
      {Kind::Neg, [](double x) { return -x; }, 5},
      {Kind::Abs, [](double x) { return std::fabs(x); }, 5},
      {Kind::Exp, [](double x) { return std::exp(x); }, 10},
      {Kind::Erf, [](double x) { return std::erf(x); }, 5},
      {Kind::Tanh, [](double x) { return std::tanh(x); }, 8},
      {Kind::Tanh, [](double x) { return std::tanh(x); }, 1e4f},
      {Kind::Sigmoid, [](double x) { return 1 / (1 + std::exp(-x)); }, 20},
      {Kind::Sigmoid, [](double x) { return 1 / (1 + std::exp(-x)); }, 1e4f},
      {Kind::Sin, [](double x) { return std::sin(x); }, 100},
      {Kind::Cos, [](double x) { return std::cos(x); }, 2000},
      {Kind::Gelu,
       [](double x) { return 0.5 * x * (1 + std::erf(x / std::sqrt(2.0))); }, 7,
       4},
      {Kind::Gelu, [](double x) { return x > 0 ? x : 0; }, 1e6f},
      {Kind::GeluTanh,
       [](double x) {
         return 0.5 * x *
                (1 +
                 std::tanh(std::sqrt(2 / M_PI) * (x + 0.044715 * x * x * x)));
       },
       7},
      {Kind::Relu, [](double x) { return x > 0 ? x : 0; }, 5},
      {Kind::Silu, [](double x) { return x / (1 + std::exp(-x)); }, 20},
  };
  for (const auto &each : cases) {
    SCOPED_TRACE(testing::Message() << "kind " << static_cast<int>(each.kind)
                                    << ", scale " << each.scale);
    checkUnary({input, unary(each.kind)}, each.expected, each.scale,
               each.magnitude);
  }
}

TEST_P(RowProgramTest, FunctionsOfPositiveNumbers) {
  const struct {
    Kind kind;
    double (*expected)(double);
  } cases[] = {{Kind::Log, [](double x) { return std::log(std::fabs(x)); }},
               {Kind::Sqrt, [](double x) { return std::sqrt(std::fabs(x)); }},
               {Kind::Rsqrt,
                [](double x) { return 1 / std::sqrt(std::fabs(x) + 0.25); }}};
  for (const auto &each : cases) {
    bool shifts = each.kind != Kind::Sqrt;
    std::vector<Expression> chain = {input, unary(Kind::Abs)};
    double shift = each.kind == Kind::Rsqrt ? 0.25 : 1.0;
    if (shifts) {
      chain.push_back({.kind = Kind::Constant, .constant = shift});
      chain.push_back({.kind = Kind::Add, .operands = {1, 2}});
    }
    chain.push_back(
        {.kind = each.kind, .operands = {static_cast<int>(chain.size()) - 1}});
    checkUnary(
        chain,
        [&](double x) {
          return each.kind == Kind::Log ? std::log(std::fabs(x) + 1)
                                        : each.expected(x);
        },
        50);
  }
}

TEST_P(RowProgramTest, BinaryFunctionsAndSelect) {
  // x < 0.25 ? max(x, -1) * 2 - x / 3 : min(x, 3) ** 2
  checkUnary(
      {input,
       {.kind = Kind::Constant, .constant = 0.25},
       {.kind = Kind::CompareLt, .operands = {0, 1}},
       {.kind = Kind::Constant, .constant = -1},
       {.kind = Kind::Max, .operands = {0, 3}},
       {.kind = Kind::Constant, .constant = 2},
       {.kind = Kind::Mul, .operands = {4, 5}},
       {.kind = Kind::Constant, .constant = 3},
       {.kind = Kind::Div, .operands = {0, 7}},
       {.kind = Kind::Sub, .operands = {6, 8}},
       {.kind = Kind::Min, .operands = {0, 7}},
       {.kind = Kind::Pow, .operands = {10, 5}},
       {.kind = Kind::Select, .operands = {2, 9, 11}}},
      [](double x) {
        return x < 0.25 ? std::max(x, -1.0) * 2 - x / 3
                        : std::min(x, 3.0) * std::min(x, 3.0);
      },
      5);
  // (x == 0) + (x <= 1) + |x| ** 1.5
  checkUnary(
      {input,
       {.kind = Kind::Constant, .constant = 0},
       {.kind = Kind::CompareEq, .operands = {0, 1}},
       {.kind = Kind::Constant, .constant = 1},
       {.kind = Kind::CompareLe, .operands = {0, 3}},
       {.kind = Kind::Add, .operands = {2, 4}},
       {.kind = Kind::Abs, .operands = {0}},
       {.kind = Kind::Constant, .constant = 1.5},
       {.kind = Kind::Pow, .operands = {6, 7}},
       {.kind = Kind::Add, .operands = {5, 8}}},
      [](double x) {
        return (x == 0) + (x <= 1) + std::pow(std::fabs(x), 1.5);
      },
      3);
}

TEST_P(RowProgramTest, SoftmaxWithBroadcastsAndSeveralResults) {
  // z = x * scale[row] + bias[column] + offset; softmax(z), and its sum of
  // exponentials, one a row.
  for (int64_t width : {1, 60, 111, 5000}) {
    for (bool schedule : {true, false}) {
      if (!schedule && width > 111)
        continue;
      SCOPED_TRACE(testing::Message() << width << " wide");
      RowProgramSpec spec;
      spec.width = width;
      spec.program.expressions = {{.kind = Kind::Input, .index = 0},
                                  {.kind = Kind::Input, .index = 1},
                                  {.kind = Kind::Mul, .operands = {0, 1}},
                                  {.kind = Kind::Input, .index = 2},
                                  {.kind = Kind::Add, .operands = {2, 3}},
                                  {.kind = Kind::Input, .index = 3},
                                  {.kind = Kind::Add, .operands = {4, 5}},
                                  {.kind = Kind::ReduceMax, .operands = {6}},
                                  {.kind = Kind::Sub, .operands = {6, 7}},
                                  {.kind = Kind::Exp, .operands = {8}},
                                  {.kind = Kind::ReduceSum, .operands = {9}},
                                  {.kind = Kind::Div, .operands = {9, 10}},
                                  {.kind = Kind::ReduceMin, .operands = {0}}};
      spec.program.results = {11, 10, 12};
      spec.inputs = {{Broadcast::None, rowStride(width + 3), 3},
                     {Broadcast::PerRow},
                     {Broadcast::PerColumn},
                     {Broadcast::Scalar}};
      spec.results = {{.stride = rowStride(width)},
                      {.stride = rowStride(1)},
                      {.stride = rowStride(1)}};
      auto kernel = load(spec, {.schedule = schedule});
      ASSERT_TRUE(kernel);
      const int64_t rows = 21;
      Tensor x(rows, width + 3), scale(rows, 1);
      x.fill(1, 3.0f);
      scale.fill(2);
      auto bias = paddedVector(width, rowStride(width), 3);
      alignas(64) float offset = 0.5f;
      Tensor y(rows, width), total(rows, 1), least(rows, 1);
      resetScratch();
      kernel->run({x.data(), scale.data(), bias.data(), &offset, y.data(),
                   total.data(), least.data()},
                  rows);
      if (schedule) {
        EXPECT_LE(peakScratch(), kernel->kernel.scratchBytes);
      }
      EXPECT_FALSE(scratchOverrun());
      for (const Tensor *result : {&y, &total, &least})
        result->expectGuardsUntouched();
      std::vector<double> most(rows, -INFINITY), sum(rows), low(rows, INFINITY);
      auto z = [&](int64_t m, int64_t c) {
        return double(x.at(m, c + 3)) * scale.at(m, 0) + bias[c] + offset;
      };
      for (int64_t m = 0; m < rows; ++m) {
        for (int64_t c = 0; c < width; ++c) {
          most[m] = std::max(most[m], z(m, c));
          low[m] = std::min<double>(low[m], x.at(m, c + 3));
        }
        for (int64_t c = 0; c < width; ++c)
          sum[m] += std::exp(z(m, c) - most[m]);
      }
      expectClose(y, [&](int64_t m, int64_t c) {
        return std::exp(z(m, c) - most[m]) / sum[m];
      });
      expectClose(
          total, [&](int64_t m, int64_t) { return sum[m]; },
          width + chainRoundings);
      expectClose(least, [&](int64_t m, int64_t) { return low[m]; });
    }
  }
}

TEST_P(RowProgramTest, NarrowRowsAreNotReadBeforeTheirStart) {
  // A value that only a reduction reads: its loop is as wide as the row, and a
  // vector is wider. Halide warns of the operand's bounds if they are broken.
  RowProgramSpec spec;
  spec.width = 1;
  spec.program.expressions = {{.kind = Kind::Input, .index = 0},
                              {.kind = Kind::Abs, .operands = {0}},
                              {.kind = Kind::ReduceSum, .operands = {1}}};
  spec.program.results = {2};
  spec.inputs = {{Broadcast::None, rowStride(1), 0}};
  spec.results = {{.stride = rowStride(1)}};
  testing::internal::CaptureStderr();
  auto kernel = load(spec, {.emitStatement = true});
  EXPECT_EQ(testing::internal::GetCapturedStderr(), "");
  ASSERT_TRUE(kernel);
}

} // namespace
