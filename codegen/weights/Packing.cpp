//===- Packing.cpp - weights in the order in which kernels read them ------===//

#include "codegen/weights/Packing.h"

#include "llvm/Support/MathExtras.h"

#include <algorithm>
#include <cassert>
#include <cstring>

using namespace transom;
using namespace transom::codegen;

// Small enough for a second-level cache, large enough that a system call and a
// task cost nothing beside it.
static constexpr int64_t pieceBytes = 1 << 20;

/// result[c][r] = source[r][c], in tiles: writing whole columns at a stride of
/// a page would miss the cache at every element.
static void transpose(const float *source, int64_t sourceStride, float *result,
                      int64_t resultStride, int64_t rows, int64_t columns) {
  constexpr int64_t tile = 16;
  for (int64_t c0 = 0; c0 < columns; c0 += tile)
    for (int64_t r0 = 0; r0 < rows; r0 += tile) {
      int64_t rEnd = std::min(rows, r0 + tile);
      int64_t cEnd = std::min(columns, c0 + tile);
      for (int64_t c = c0; c < cEnd; ++c)
        for (int64_t r = r0; r < rEnd; ++r)
          result[c * resultStride + r] = source[r * sourceStride + c];
    }
}

/// Rows [first, first + count) of a tensor of which some columns are chosen,
/// element by element: such a tensor is small.
static void readColumns(const WeightTensor::Part &part, int64_t first,
                        int64_t count, float *result) {
  int64_t stride = part.view.shape[1];
  for (int64_t r = first; r < first + count; ++r)
    for (int64_t c : part.columns)
      readAsFloat(part.view, part.transposed ? c * stride + r : r * stride + c,
                  llvm::MutableArrayRef(result++, 1));
}

void WeightTensor::read(int64_t first, int64_t count, float *result) const {
  assert(first >= 0 && first + count <= shape.rows &&
         "expects rows of the weight");
  int64_t columns = shape.columns;
  std::vector<float> stored;
  for (const Part &part : parts) {
    // `first` counts from the part's first row from here on.
    if (first >= part.rows) {
      first -= part.rows;
      continue;
    }
    int64_t here = std::min(count, part.rows - first);
    if (here == 0)
      return;
    if (!part.columns.empty()) {
      readColumns(part, first, here, result);
    } else if (!part.transposed) {
      readAsFloat(part.view, first * columns,
                  llvm::MutableArrayRef(result, here * columns));
    } else {
      stored.resize(columns * here);
      for (int64_t c = 0; c < columns; ++c)
        readAsFloat(part.view, c * part.rows + first,
                    llvm::MutableArrayRef(stored).slice(c * here, here));
      transpose(stored.data(), here, result, columns, columns, here);
    }
    result += here * columns;
    count -= here;
    first = 0;
  }
}

namespace {
/// What a block is made of, and what it becomes.
struct Block {
  Block(const WeightShape &shape, const Packing &packing) {
    // A vector fills one padded row; a matrix pads each of its own.
    bool isVector = shape.vector && packing.block == 1;
    weightRows = isVector ? std::max<int64_t>(shape.rows, 1) : packing.block;
    columns = std::max(isVector ? shape.rows : shape.columns, packing.stride);
    bytes = packing.format->blockBytes(packing.block, columns);
  }
  int64_t weightRows; ///< rows of the weight
  int64_t columns, bytes;
};
} // namespace

int64_t transom::codegen::packedBytes(const WeightShape &shape,
                                      const Packing &packing) {
  Block block(shape, packing);
  return llvm::divideCeil(shape.rows, block.weightRows) * block.bytes;
}

WeightPieces transom::codegen::piecesOf(const WeightShape &shape,
                                        const Packing &packing) {
  Block block(shape, packing);
  int64_t blocks =
      std::max<int64_t>(1, pieceBytes / std::max<int64_t>(block.bytes, 1));
  WeightPieces pieces;
  pieces.rows = block.weightRows * blocks;
  pieces.bytes = block.bytes * blocks;
  pieces.count = llvm::divideCeil(shape.rows, pieces.rows);
  return pieces;
}

void transom::codegen::packPiece(const WeightTensor &tensor,
                                 const Packing &packing, int64_t index,
                                 PackingBuffer &buffer) {
  const WeightShape &shape = tensor.shape;
  Block block(shape, packing);
  WeightPieces pieces = piecesOf(shape, packing);
  int64_t first = index * pieces.rows;
  int64_t count = std::min(pieces.rows, shape.rows - first);
  int64_t blocks = llvm::divideCeil(count, block.weightRows);
  buffer.rows.resize(count * shape.columns);
  tensor.read(first, count, buffer.rows.data());
  buffer.packed.resize(blocks * block.bytes);

  const int64_t blockSize = packing.block * block.columns;
  for (int64_t b = 0; b < blocks; ++b) {
    int64_t begin = b * block.weightRows;
    int64_t rows = std::min(block.weightRows, count - begin);
    const float *values = &buffer.rows[begin * shape.columns];
    if (rows * shape.columns != blockSize) {
      buffer.block.assign(blockSize, 0.0f);
      // A row of the block is as many numbers of the weight as it has columns,
      // or all of a vector.
      int64_t width = packing.block == 1 ? rows * shape.columns : shape.columns;
      for (int64_t at = 0; at < rows * shape.columns; at += width)
        std::memcpy(&buffer.block[at / width * block.columns], values + at,
                    width * sizeof(float));
      values = buffer.block.data();
    }
    packing.format->pack(values, packing.block, block.columns,
                         &buffer.packed[b * block.bytes]);
  }
}
