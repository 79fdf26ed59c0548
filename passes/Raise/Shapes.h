//===- Shapes.h - what reshapes and extents are -----------------*- C++ -*-===//
//
// A chain means the same only if its extents are what they seem: which
// dimension of its input a dimension of a reshape is, and which unknown extents
// are one. A dynamic extent is never taken for a broadcast: that is an extent
// of 1.
//
//===----------------------------------------------------------------------===//

#ifndef TRANSOM_PASSES_RAISE_SHAPES_H
#define TRANSOM_PASSES_RAISE_SHAPES_H

#include "ir/Transformer/Transformer.h"

#include "llvm/ADT/DenseMap.h"

#include <optional>

namespace transom::raising {

/// Of a reshape that only inserts and removes extents of 1: for each dimension
/// of the result the dimension of the input that it is, or -1. Nothing if it
/// does more, or may do more.
std::optional<llvm::SmallVector<int64_t>>
matchUnitReshape(transformer::ReshapeOp op);

/// Whether two permutations are the same.
bool isPermutation(transformer::TransposeOp op,
                   llvm::ArrayRef<int64_t> permutation);

/// Follows extents back to where they come from. Facts are kept for the life of
/// the object, during which the IR must not change.
class Extents {
public:
  /// Whether dimension `i` of `a` is as long as dimension `j` of `b` for sure.
  bool isSame(mlir::Value a, int64_t i, mlir::Value b, int64_t j) {
    return find(a, i) == find(b, j);
  }

  /// Whether `count`, a tensor of rank 0, is the length of dimension `i` of
  /// `a`.
  bool isExtentOf(mlir::Value count, mlir::Value a, int64_t i);

private:
  /// A number (null, n), a named dimension of the function (name, -1), or a
  /// dimension of the value that it is first seen at (value, i).
  using Origin = std::pair<const void *, int64_t>;
  using Dimension = std::pair<mlir::Value, int64_t>;

  Origin find(mlir::Value value, int64_t dimension);
  /// A dimension of an operand that is as long, or nothing.
  std::optional<Dimension> step(mlir::Value value, int64_t dimension);
  std::optional<Dimension> stepBroadcast(mlir::Value value, int64_t dimension);

  llvm::DenseMap<Dimension, Origin> known;
};

} // namespace transom::raising

#endif // TRANSOM_PASSES_RAISE_SHAPES_H
