//===- LinearTest.cpp - linear kernels against a double-precision loop ----===//
#include "test/unit/support/KernelTesting.h"

#include <sys/mman.h>

using namespace transom::codegen;
using namespace transom::test;
using Kind = Expression::Kind;

namespace {

/// One linear layer: its data, its reference, and its check.
class Problem {
public:
  Problem(LinearSpec spec, const LoadedKernel &kernel, int64_t rows,
          float scale = 1.0f)
      : spec(spec), kernel(kernel), x(rows, spec.x.stride, spec.x.stride),
        weight(spec.out, spec.in),
        residual(rows, spec.out, spec.result.stride) {
    Tensor values(rows, spec.in);
    values.fill(1, scale);
    weight.fill(2);
    for (int64_t m = 0; m < rows; ++m)
      for (int64_t k = 0; k < spec.in; ++k)
        x.at(m, spec.x.offset + k) = values.at(m, k);
    residual.fill(4);
    const Packing &packing = kernel.kernel.packing.at(1);
    EXPECT_EQ(packing.format, &f32Format());
    int64_t block = packing.block, blocks = kernel.kernel.columns;
    packed.assign(blocks * spec.in * block, 0.0f);
    for (int64_t n = 0; n < spec.out; ++n)
      for (int64_t k = 0; k < spec.in; ++k)
        packed[(n / block * spec.in + k) * block + n % block] = weight.at(n, k);
    bias = paddedVector(spec.out, blocks * block, 3);
  }

  Tensor run(Cut cut = {}) {
    Tensor out(x.rows, spec.out, spec.result.stride);
    std::vector<void *> operands = {x.data(), packed.data()};
    if (spec.hasBias)
      operands.push_back(bias.data());
    for (const ProgramOperand &operand : spec.epilogueOperands)
      operands.push_back(operand.broadcast == Broadcast::None
                             ? residual.data()
                             : static_cast<void *>(bias.data()));
    operands.push_back(out.data());
    kernel.run(operands, x.rows, cut);
    out.expectGuardsUntouched();
    return out;
  }

  /// `epilogue` gets the accumulator, the residual and the column's vector.
  void check(const Tensor &out,
             double (*epilogue)(double, double, double)) const {
    double worst = 0;
    for (int64_t m = 0; m < x.rows; ++m)
      for (int64_t n = 0; n < spec.out; ++n) {
        double sum = spec.hasBias ? bias[n] : 0, magnitude = std::fabs(sum);
        for (int64_t k = 0; k < spec.in; ++k) {
          double term = double(x.at(m, spec.x.offset + k)) * weight.at(n, k);
          sum += term;
          magnitude += std::fabs(term);
        }
        double expected = epilogue(sum, residual.at(m, n), bias[n]);
        double error = std::fabs(out.at(m, n) - expected) / (magnitude + 1);
        ASSERT_FALSE(std::isnan(out.at(m, n))) << m << ", " << n;
        worst = std::max(worst, error);
      }
    EXPECT_LT(worst, sumBound(spec.in + epilogueRoundings, spec.x.type));
  }

  /// The bias, and the longest of the epilogues below: the polynomial of an
  /// activation, a factor, a residual.
  static constexpr int64_t epilogueRoundings = 16;

  LinearSpec spec;
  const LoadedKernel &kernel;
  Tensor x, weight, residual;
  Aligned<float> packed, bias;
};

LinearSpec plain(int64_t in, int64_t out) {
  LinearSpec spec;
  spec.in = in;
  spec.out = out;
  spec.x.stride = rowStride(in);
  spec.result.stride = rowStride(out);
  return spec;
}

double identity(double sum, double, double) { return sum; }
double gelu(double x, double, double) {
  return 0.5 * x * (1 + std::erf(x / std::sqrt(2.0)));
}

RowProgram unary(Kind kind) {
  return {{{.kind = Kind::Input, .index = 0}, {.kind = kind, .operands = {0}}},
          {1}};
}

class LinearTest : public KernelTest {};
INSTANTIATE_TEST_SUITE_P(Targets, LinearTest,
                         testing::ValuesIn(runnableTargets()));

TEST_P(LinearTest, AlgorithmAloneIsRight) {
  LinearSpec spec = plain(37, 60);
  auto kernel = load(spec, {.schedule = false});
  ASSERT_TRUE(kernel);
  Problem problem(spec, *kernel, 5);
  problem.check(problem.run(), identity);
}

TEST_P(LinearTest, OddSizesAndRows) {
  const std::pair<int64_t, int64_t> shapes[] = {
      {1, 1}, {3, 2}, {60, 111}, {111, 60}, {64, 64}, {129, 48}, {768, 96}};
  for (auto [in, out] : shapes) {
    LinearSpec spec = plain(in, out);
    auto kernel = load(spec);
    ASSERT_TRUE(kernel);
    for (int64_t rows : {1, 2, 3, 4, 5, 7, 8, 9, 15, 16, 17, 33, 131}) {
      SCOPED_TRACE(testing::Message() << in << "x" << out << ", " << rows);
      Problem problem(spec, *kernel, rows);
      problem.check(problem.run(), identity);
    }
  }
}

TEST_P(LinearTest, EveryVariantAndCutGivesTheSameBits) {
  LinearSpec spec = plain(301, 192);
  spec.epilogue = unary(Kind::Gelu);
  auto kernel = load(spec);
  ASSERT_TRUE(kernel);
  Problem problem(spec, *kernel, 67);
  Tensor out = problem.run();
  problem.check(out, gelu);
  int variants = static_cast<int>(kernel->kernel.variants.size());
  ASSERT_GE(variants, 2);
  for (int variant = 0; variant < variants; ++variant) {
    int64_t tile = kernel->kernel.variants[variant].shape.row_tile;
    for (int64_t tiles : {1, 3})
      for (int64_t columns : {1, 2}) {
        if (tile == 1 && tiles != 1)
          continue; // The variant for one row is given one row.
        SCOPED_TRACE(testing::Message() << "variant " << variant << ", "
                                        << tiles << " tiles a task");
        problem
            .run({.rows = tile * tiles, .columns = columns, .variant = variant})
            .expectSameBits(out);
      }
  }
}

TEST_P(LinearTest, RowsDoNotDependOnTheirNeighbours) {
  LinearSpec spec = plain(100, 70);
  auto kernel = load(spec);
  ASSERT_TRUE(kernel);
  Problem all(spec, *kernel, 19);
  Tensor out = all.run();
  for (int64_t row : {0, 7, 18}) {
    Problem one(spec, *kernel, 1);
    for (int64_t k = 0; k < spec.in; ++k)
      one.x.at(0, k) = all.x.at(row, k);
    Tensor alone = one.run();
    for (int64_t n = 0; n < spec.out; ++n)
      ASSERT_EQ(alone.at(0, n), out.at(row, n)) << row << ", " << n;
  }
}

/// The last tile may be one that the slot has no room for.
TEST_P(LinearTest, ReadsNothingPastItsSlot) {
  LinearSpec spec = plain(64, 64);
  auto kernel = load(spec);
  ASSERT_TRUE(kernel);
  constexpr size_t page = 4096;
  for (int64_t rows : {16, 32, 112, 128}) {
    Problem problem(spec, *kernel, rows);
    Tensor expected = problem.run();
    size_t bytes = rows * spec.x.stride * sizeof(float);
    ASSERT_EQ(bytes % page, 0u);
    void *memory = mmap(nullptr, bytes + page, PROT_READ | PROT_WRITE,
                        MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
    ASSERT_NE(memory, MAP_FAILED);
    std::memcpy(memory, problem.x.data(), bytes);
    ASSERT_EQ(mprotect(static_cast<char *>(memory) + bytes, page, PROT_NONE),
              0);
    for (int variant = 0;
         variant < static_cast<int>(kernel->kernel.variants.size());
         ++variant) {
      int32_t tile = kernel->kernel.variants[variant].shape.row_tile;
      Tensor out(rows, spec.out, spec.result.stride);
      kernel->run(
          {memory, problem.packed.data(), problem.bias.data(), out.data()},
          rows, {.rows = tile == 1 ? 1 : 0, .variant = variant});
      out.expectSameBits(expected);
    }
    munmap(memory, bytes + page);
  }
}

TEST_P(LinearTest, EpilogueOfEveryOperandKind) {
  LinearSpec spec = plain(50, 111);
  // (gelu(sum) + residual) * vector
  spec.epilogue.expressions = {{.kind = Kind::Input, .index = 0},
                               {.kind = Kind::Gelu, .operands = {0}},
                               {.kind = Kind::Input, .index = 1},
                               {.kind = Kind::Add, .operands = {1, 2}},
                               {.kind = Kind::Input, .index = 2},
                               {.kind = Kind::Mul, .operands = {3, 4}}};
  spec.epilogue.results = {5};
  spec.epilogueOperands = {{Broadcast::None, spec.result.stride, 0},
                           {Broadcast::PerColumn}};
  auto kernel = load(spec);
  ASSERT_TRUE(kernel);
  for (int64_t rows : {1, 6, 20}) {
    Problem problem(spec, *kernel, rows);
    problem.check(problem.run(), [](double sum, double residual, double bias) {
      return (gelu(sum, 0, 0) + residual) * bias;
    });
  }
}

TEST_P(LinearTest, ViewOfWiderRowsWithoutBias) {
  LinearSpec spec = plain(60, 33);
  spec.x.stride = rowStride(180);
  spec.x.offset = 60;
  spec.hasBias = false;
  auto kernel = load(spec);
  ASSERT_TRUE(kernel);
  Problem problem(spec, *kernel, 9);
  problem.check(problem.run(), identity);
}

TEST_P(LinearTest, LargeMagnitudes) {
  LinearSpec spec = plain(65, 80);
  spec.epilogue = unary(Kind::Gelu);
  auto kernel = load(spec);
  ASSERT_TRUE(kernel);
  Problem problem(spec, *kernel, 8, 1e4f);
  problem.check(problem.run(), gelu);
}

TEST_P(LinearTest, InnerLoopIsVectorOfFusedMultiplyAdds) {
  auto kernel =
      load(plain(768, 768), {.emitAssembly = true, .emitStatement = true});
  ASSERT_TRUE(kernel);
  EXPECT_NE(kernel->kernel.statement.find("ramp("), std::string::npos);
  const char *wide = machine.floatLanes == 16 ? "%zmm" : "%ymm";
  size_t at = kernel->kernel.assembly.find("vfmadd231ps");
  ASSERT_NE(at, std::string::npos);
  EXPECT_NE(kernel->kernel.assembly.substr(at, 80).find(wide),
            std::string::npos);
}

TEST_P(LinearTest, RefusesWhatItCannotCompute) {
  LinearSpec spec = plain(8, 8);
  spec.epilogue = unary(Kind::ReduceSum);
  CompiledKernel kernel;
  std::string error;
  EXPECT_FALSE(compileKernel(spec, machine, "kernel", {}, kernel, error));
  EXPECT_EQ(error.find("no kernel accepts linear(in=8,out=8,"), 0u) << error;
}

} // namespace
