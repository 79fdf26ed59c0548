//===- Packing.h - weights in the order in which kernels read them --------===//
//
// No MLIR here: a weight is its checkpoint tensors, packed piece by piece into
// buffers of about a megabyte, whatever its size.
//
//===----------------------------------------------------------------------===//
#ifndef TRANSOM_CODEGEN_WEIGHTS_PACKING_H
#define TRANSOM_CODEGEN_WEIGHTS_PACKING_H

#include "codegen/kernels/KernelSpec.h"
#include "ir/Weights/WeightSource.h"

#include <memory>
#include <vector>

namespace transom::codegen {

/// A weight as a matrix. A vector [n] has n rows of one column, a scalar one
/// row; `vector` tells them from a matrix [n, 1], whose rows are padded.
struct WeightShape {
  int64_t rows = 0, columns = 1;
  bool vector = false;
};

/// A weight as it lies in a checkpoint.
struct WeightTensor {
  /// A checkpoint tensor that makes up the next `rows` rows. `transposed`: it
  /// is stored as [columns, rows]. `columns`: those of the tensor that the
  /// weight has, in this order; empty: all.
  struct Part {
    TensorView view;
    int64_t rows = 0;
    bool transposed = false;
    llvm::ArrayRef<int64_t> columns = {};
  };
  WeightShape shape;
  std::vector<Part> parts;
  /// What the views of a weight with an inline value point into.
  std::shared_ptr<std::vector<float>> inlined;

  /// Writes rows [first, first + count), dense, to `result`.
  void read(int64_t first, int64_t count, float *result) const;
};

/// Bytes of the weight in the weights file, without alignment.
int64_t packedBytes(const WeightShape &shape, const Packing &packing);

/// The pieces that a weight is packed in: each a run of whole blocks, hence
/// contiguous in the file.
struct WeightPieces {
  int64_t count = 0;
  int64_t rows = 0;  ///< of one piece, but for the last
  int64_t bytes = 0; ///< of one piece, but for the last
};
WeightPieces piecesOf(const WeightShape &shape, const Packing &packing);

/// Memory for one piece at a time, kept from one to the next.
struct PackingBuffer {
  std::vector<uint8_t> packed; ///< the result
  std::vector<float> rows;     ///< as read
  std::vector<float> block;    ///< with its padding
};

/// Packs piece `index` into `buffer.packed`, which is resized to it. Padding is
/// zero.
void packPiece(const WeightTensor &tensor, const Packing &packing,
               int64_t index, PackingBuffer &buffer);

} // namespace transom::codegen

#endif // TRANSOM_CODEGEN_WEIGHTS_PACKING_H
