//===- PackingTest.cpp - weights in the order in which kernels read them --===//

#include "codegen/weights/Packing.h"

#include "gtest/gtest.h"

#include <cstring>
#include <random>

using namespace transom;
using namespace transom::codegen;

namespace {

/// A tensor of the checkpoint: 0, 1, 2, ... from `first` on.
struct Stored {
  Stored(std::vector<int64_t> shape, float first) {
    int64_t size = 1;
    for (int64_t dim : shape)
      size *= dim;
    for (int64_t i = 0; i < size; ++i)
      values.push_back(first + static_cast<float>(i));
    view.shape.assign(shape.begin(), shape.end());
    view.bytes = {reinterpret_cast<const uint8_t *>(values.data()),
                  values.size() * sizeof(float)};
  }
  std::vector<float> values;
  TensorView view;
};

/// All pieces, one after another, as they lie in the file.
std::vector<float> packAll(const WeightTensor &tensor, const Packing &packing) {
  WeightPieces pieces = piecesOf(tensor.shape, packing);
  std::vector<float> file(packedBytes(tensor.shape, packing) / sizeof(float),
                          -1.0f);
  PackingBuffer buffer;
  for (int64_t i = 0; i < pieces.count; ++i) {
    packPiece(tensor, packing, i, buffer);
    size_t begin = i * pieces.bytes;
    EXPECT_LE(begin + buffer.packed.size(), file.size() * sizeof(float));
    std::memcpy(file.data() + begin / sizeof(float), buffer.packed.data(),
                buffer.packed.size());
  }
  return file;
}

/// Element (r, c) of a matrix whose parts count on from each other.
void expectBlocked(const WeightTensor &tensor, int64_t block,
                   const std::vector<float> &expected) {
  int64_t rows = tensor.shape.rows, columns = tensor.shape.columns;
  std::vector<float> file = packAll(tensor, {.block = block});
  int64_t blocks = (rows + block - 1) / block;
  ASSERT_EQ(int64_t(file.size()), blocks * block * columns);
  for (int64_t n = 0; n < blocks * block; ++n)
    for (int64_t k = 0; k < columns; ++k)
      ASSERT_EQ(file[(n / block * columns + k) * block + n % block],
                n < rows ? expected[n * columns + k] : 0.0f)
          << "row " << n << ", column " << k;
}

TEST(Packing, ChoosesColumns) {
  Stored stored({3, 2}, 10); // [[10, 11], [12, 13], [14, 15]]
  const int64_t columns[] = {2, 0, 0, 2, 1};
  WeightTensor transposed{{2, 5}, {{stored.view, 2, true, columns}}, {}};
  std::vector<float> file = packAll(transposed, {.stride = 8});
  EXPECT_EQ(file, std::vector<float>({14, 10, 10, 14, 12, 0, 0, 0, //
                                      15, 11, 11, 15, 13, 0, 0, 0}));
  const int64_t swapped[] = {1, 0};
  WeightTensor plain{{3, 2}, {{stored.view, 3, false, swapped}}, {}};
  EXPECT_EQ(packAll(plain, {}), std::vector<float>({11, 10, 13, 12, 15, 14}));
}

TEST(Packing, BlocksAndPadsRows) {
  for (int64_t rows : {1, 7, 8, 9, 64, 100})
    for (int64_t columns : {1, 3, 16, 17, 200}) {
      Stored stored({rows, columns}, 0);
      WeightTensor tensor;
      tensor.shape = {rows, columns};
      tensor.parts = {{stored.view, rows, false}};
      expectBlocked(tensor, 8, stored.values);
      expectBlocked(tensor, 48, stored.values);
    }
}

// Larger than a piece, whose ends are not a multiple of the weight's.
TEST(Packing, CutsLargeWeightsIntoPieces) {
  Stored stored({1000, 701}, 0);
  WeightTensor tensor;
  tensor.shape = {1000, 701};
  tensor.parts = {{stored.view, 1000, false}};
  EXPECT_GT(piecesOf(tensor.shape, {.block = 48}).count, 1);
  EXPECT_GT(piecesOf(tensor.shape, {.stride = 704}).count, 1);
  expectBlocked(tensor, 48, stored.values);
  std::vector<float> file = packAll(tensor, {.stride = 704});
  ASSERT_EQ(file.size(), 1000u * 704);
  for (int64_t r = 0; r < 1000; ++r)
    for (int64_t c = 0; c < 704; ++c)
      ASSERT_EQ(file[r * 704 + c], c < 701 ? stored.values[r * 701 + c] : 0);
}

TEST(Packing, JoinsPartsAndTransposes) {
  Stored first({5, 6}, 0), second({6, 9}, 1000), third({3, 6}, 5000);
  WeightTensor tensor;
  tensor.shape = {17, 6};
  tensor.parts = {
      {first.view, 5, false}, {second.view, 9, true}, {third.view, 3, false}};
  std::vector<float> expected = first.values;
  for (int64_t r = 0; r < 9; ++r)
    for (int64_t c = 0; c < 6; ++c)
      expected.push_back(second.values[c * 9 + r]);
  expected.insert(expected.end(), third.values.begin(), third.values.end());
  for (int64_t block : {2, 4, 8, 16})
    expectBlocked(tensor, block, expected);
  // Any run of rows, across parts.
  for (int64_t begin = 0; begin < 17; ++begin)
    for (int64_t count = 1; begin + count <= 17; ++count) {
      std::vector<float> rows(count * 6);
      tensor.read(begin, count, rows.data());
      ASSERT_TRUE(
          std::equal(rows.begin(), rows.end(), expected.begin() + begin * 6));
    }
}

TEST(Packing, TellsVectorsFromMatricesOfOneColumn) {
  Stored stored({5}, 1);
  WeightTensor tensor;
  tensor.parts = {{stored.view, 5, false}};
  tensor.shape = {5, 1, /*vector=*/true};
  EXPECT_EQ(packAll(tensor, {.stride = 8}),
            (std::vector<float>{1, 2, 3, 4, 5, 0, 0, 0}));
  EXPECT_EQ(packAll(tensor, {}), (std::vector<float>{1, 2, 3, 4, 5}));
  tensor.shape = {5, 1, /*vector=*/false};
  EXPECT_EQ(packAll(tensor, {.stride = 2}),
            (std::vector<float>{1, 0, 2, 0, 3, 0, 4, 0, 5, 0}));
}

} // namespace
