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

/// A vector fills one padded row; a matrix pads each of its own.
static bool isVector(const WeightShape &shape, const Packing &packing) {
  return packing.kind == Packing::Kind::Dense && shape.vector;
}

int64_t transom::codegen::packedBytes(const WeightShape &shape,
                                      const Packing &packing) {
  int64_t elements;
  if (packing.kind == Packing::Kind::Blocked)
    elements = llvm::alignTo(shape.rows, packing.block) * shape.columns;
  else if (isVector(shape, packing))
    elements = std::max(shape.rows, packing.stride);
  else
    elements = shape.rows * std::max(shape.columns, packing.stride);
  return elements * sizeof(float);
}

WeightPieces transom::codegen::piecesOf(const WeightShape &shape,
                                        const Packing &packing) {
  // Rows that stay together.
  WeightShape unit = shape;
  if (packing.kind == Packing::Kind::Blocked)
    unit.rows = packing.block;
  else if (!isVector(shape, packing))
    unit.rows = 1;
  int64_t unitRows = std::max<int64_t>(unit.rows, 1);
  int64_t unitBytes = std::max<int64_t>(packedBytes(unit, packing), 1);
  int64_t units = std::max<int64_t>(1, pieceBytes / unitBytes);
  WeightPieces pieces;
  pieces.rows = unitRows * units;
  pieces.bytes = unitBytes * units;
  pieces.count = llvm::divideCeil(shape.rows, pieces.rows);
  return pieces;
}

void transom::codegen::packPiece(const WeightTensor &tensor,
                                 const Packing &packing, int64_t index,
                                 PackingBuffer &buffer) {
  const WeightShape &shape = tensor.shape;
  WeightPieces pieces = piecesOf(shape, packing);
  int64_t first = index * pieces.rows, columns = shape.columns;
  int64_t count = std::min(pieces.rows, shape.rows - first);
  WeightShape piece = {count, columns, shape.vector};
  std::vector<float> &packed = buffer.packed, &rows = buffer.rows;
  int64_t size = packedBytes(piece, packing) / sizeof(float);
  packed.resize(size);

  bool dense = packing.kind == Packing::Kind::Dense;
  if (dense && (isVector(shape, packing) || packing.stride <= columns)) {
    tensor.read(first, count, packed.data());
    std::fill(packed.begin() + count * columns, packed.end(), 0.0f);
    return;
  }
  if (size != count * columns)
    std::fill(packed.begin(), packed.end(), 0.0f);
  rows.resize(count * columns);
  tensor.read(first, count, rows.data());
  if (dense) {
    for (int64_t r = 0; r < count; ++r)
      std::memcpy(&packed[r * packing.stride], &rows[r * columns],
                  columns * sizeof(float));
    return;
  }
  for (int64_t begin = 0; begin < count; begin += packing.block)
    transpose(&rows[begin * columns], columns, &packed[begin * columns],
              packing.block, std::min(packing.block, count - begin), columns);
}
