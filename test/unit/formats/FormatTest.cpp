//===- FormatTest.cpp - a storage format that only this test has ----------===//
//
// What a new format takes: this class, and nothing in the compiler. Numbers are
// 8 bits and the scale of their row, so that a block has two arrays, of another
// element type than kernels compute with; they are interleaved by pairs of
// columns, as formats for dot products are.
//
//===----------------------------------------------------------------------===//
#include "codegen/weights/Packing.h"
#include "test/unit/support/KernelTesting.h"

#include <Halide.h>

using namespace transom;
using namespace transom::codegen;
using namespace transom::test;

namespace {

class FixedPoint : public Format {
public:
  const char *name() const override { return "test_fixed_point"; }

  std::vector<StoredArray> arrays(int64_t rows,
                                  int64_t columns) const override {
    const ElementType i8 = {ElementType::Kind::Integer, 8};
    return {{f32, {rows}},
            {i8, {2, rows, ceilDiv(columns, 2)}, rows * f32.bytes()}};
  }

  void pack(const float *values, int64_t rows, int64_t columns,
            uint8_t *block) const override {
    auto *scales = reinterpret_cast<float *>(block);
    auto *numbers = reinterpret_cast<int8_t *>(scales + rows);
    for (int64_t r = 0; r < rows; ++r) {
      float most = 0;
      for (int64_t c = 0; c < columns; ++c)
        most = std::max(most, std::fabs(values[r * columns + c]));
      scales[r] = most / 127;
      for (int64_t c = 0; c < ceilDiv(columns, 2) * 2; ++c)
        numbers[(c / 2 * rows + r) * 2 + c % 2] =
            c < columns && most > 0 ? static_cast<int8_t>(std::lrint(
                                          values[r * columns + c] / scales[r]))
                                    : 0;
    }
  }

  Halide::Expr decode(const std::vector<Halide::ImageParam> &arrays,
                      Halide::Expr row, Halide::Expr column,
                      Halide::Expr block) const override {
    return Halide::cast<float>(arrays[1](column % 2, row, column / 2, block)) *
           arrays[0](row, block);
  }

private:
  static int64_t ceilDiv(int64_t x, int64_t y) { return (x + y - 1) / y; }
};

const FixedPoint fixedPoint;

/// A weight of the checkpoint in all of its pieces, as the weights file has it.
Aligned<uint8_t> packAll(const std::vector<float> &values, int64_t rows,
                         int64_t columns, const Packing &packing) {
  WeightTensor tensor;
  tensor.shape = {rows, columns};
  TensorView view;
  view.shape = {rows, columns};
  view.bytes = {reinterpret_cast<const uint8_t *>(values.data()),
                values.size() * sizeof(float)};
  tensor.parts = {{view, rows, false}};
  Aligned<uint8_t> file(packedBytes(tensor.shape, packing));
  WeightPieces pieces = piecesOf(tensor.shape, packing);
  PackingBuffer buffer;
  for (int64_t i = 0; i < pieces.count; ++i) {
    packPiece(tensor, packing, i, buffer);
    std::copy(buffer.packed.begin(), buffer.packed.end(),
              file.begin() + i * pieces.bytes);
  }
  return file;
}

std::vector<float> randomMatrix(int64_t rows, int64_t columns) {
  std::mt19937 random(7);
  std::uniform_real_distribution<float> uniform(-2, 2);
  std::vector<float> values(rows * columns);
  for (float &value : values)
    value = uniform(random);
  return values;
}

/// What is stored of `values`, in the words of the format's comment.
std::vector<double> stored(const std::vector<float> &values, int64_t columns) {
  std::vector<double> result;
  for (size_t begin = 0; begin < values.size(); begin += columns) {
    float most = 0;
    for (int64_t c = 0; c < columns; ++c)
      most = std::max(most, std::fabs(values[begin + c]));
    for (int64_t c = 0; c < columns; ++c)
      result.push_back(std::nearbyint(values[begin + c] / (most / 127)) *
                       double(most / 127));
  }
  return result;
}

class FormatTest : public KernelTest {};
INSTANTIATE_TEST_SUITE_P(Targets, FormatTest,
                         testing::ValuesIn(runnableTargets()));

TEST_P(FormatTest, LinearReadsIt) {
  for (auto [in, out] : {std::pair<int64_t, int64_t>{37, 70}, {128, 96}}) {
    LinearSpec spec{.in = in,
                    .out = out,
                    .x = {.stride = rowStride(in)},
                    .result = {.stride = rowStride(out)},
                    .weightFormat = &fixedPoint,
                    .hasBias = false};
    auto kernel = load(spec);
    ASSERT_TRUE(kernel);
    Packing packing = kernel->kernel.packing.at(1);
    ASSERT_EQ(packing.format, &fixedPoint);
    std::vector<float> values = randomMatrix(out, in);
    Aligned<uint8_t> weight = packAll(values, out, in, packing);
    // A byte a number, and four a row.
    EXPECT_LT(weight.size(), values.size() * 2);
    std::vector<double> weights = stored(values, in);
    for (int64_t rows : {1, 5, 19}) {
      Tensor x(rows, in), y(rows, out);
      x.fill(3);
      kernel->run({x.data(), weight.data(), y.data()}, rows);
      y.expectGuardsUntouched();
      for (int64_t m = 0; m < rows; ++m)
        for (int64_t n = 0; n < out; ++n) {
          double sum = 0, magnitude = 0;
          for (int64_t k = 0; k < in; ++k) {
            double term = x.at(m, k) * weights[n * in + k];
            sum += term;
            magnitude += std::fabs(term);
          }
          ASSERT_NEAR(y.at(m, n), sum, 1e-6 * magnitude) << m << ", " << n;
        }
    }
  }
}

// A tied table: rows are gathered from the blocks that the linear layer reads.
TEST_P(FormatTest, EmbeddingReadsTheSameBlocks) {
  const int64_t width = 50, tableRows = 45;
  EmbeddingSpec spec{.width = width,
                     .tableRows = tableRows,
                     .table = {.block = 16, .format = &fixedPoint},
                     .result = {.stride = rowStride(width)}};
  auto kernel = load(spec);
  ASSERT_TRUE(kernel);
  std::vector<float> values = randomMatrix(tableRows, width);
  Aligned<uint8_t> table = packAll(values, tableRows, width, spec.table);
  std::vector<double> expected = stored(values, width);
  Aligned<int32_t> ids = {44, 0, 17, 16, -1};
  ids.resize(TRANSOM_ROWS_ALIGNMENT, -1);
  Tensor y(5, width);
  kernel->run({ids.data(), table.data(), y.data()}, 5);
  for (int64_t m = 0; m < 5; ++m)
    for (int64_t c = 0; c < width; ++c) {
      double number = ids[m] < 0 ? 0 : expected[ids[m] * width + c];
      ASSERT_NEAR(y.at(m, c), number, 1e-6) << m << ", " << c;
    }
}

TEST_P(FormatTest, IsPartOfTheKernelsIdentity) {
  LinearSpec spec{.in = 8, .out = 8};
  std::string text = describe(spec);
  spec.weightFormat = &fixedPoint;
  EXPECT_NE(describe(spec), text);
}

} // namespace
