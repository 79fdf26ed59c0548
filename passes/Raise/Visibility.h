//===- Visibility.h - which keys a mask hides from which queries -*- C++ -*-==//
//
// Exporters make of a mask what hides a key: where(mask, 0, lowest), or
// (1 - mask) * lowest, for the mask of one key [B, T], broadcast by unsqueezes
// and expands to [B, 1, Tq, Tk], and-ed with conditions that are always true
// and with "not later than the query". An analysis of the value reads these
// apart; a pattern for each spelling would need one for each combination.
//
//===----------------------------------------------------------------------===//

#ifndef TRANSOM_PASSES_RAISE_VISIBILITY_H
#define TRANSOM_PASSES_RAISE_VISIBILITY_H

#include "passes/Raise/Shapes.h"

#include <array>

namespace transom::raising {

/// Whether adding `number` to a score hides its key.
///
/// Any number up to -10000 does, -inf included: exp(-10000 + s) is 0 in f32 as
/// long as scores differ by less than 9896. Only for a query that sees no key
/// at all do they differ (-10000 leaves the softmax of the scores, -inf leaves
/// NaN, the lowest float leaves the mean of the values), and what such a query
/// computes is padding that no caller sees.
inline bool hidesKey(double number) { return number <= -10000.0; }

/// What hides keys from queries. The masks must be of the extents of `scores`.
class Visibility {
public:
  explicit Visibility(mlir::Value scores) : scores(scores) {}

  mlir::Value padding; ///< [B, T], 0 hides the key; null if there is none.
  bool isCausal = false;
  bool hasUnknownNumbers = false; ///< Refused: a mask that may not be 0 or 1.

  /// Whether `value`, which broadcasts to the scores, is 0 where a key is
  /// visible and lowest where it is not.
  bool matchAdditive(mlir::Value value);
  /// Whether `value` is true where a key is visible (hidden, if `isHidden`).
  bool matchCondition(mlir::Value value, bool isHidden);
  bool isEmpty() const { return !padding && !isCausal; }

private:
  /// A dimension of the value for each of the four of the scores, [B, H, Tq,
  /// Tk]; -1 where the value repeats.
  using Dims = std::array<int64_t, 4>;

  bool matchAdditive(mlir::Value value, Dims dims);
  bool matchCondition(mlir::Value value, Dims dims, bool isHidden,
                      bool isNumber);
  bool matchParts(mlir::Value value, Dims dims, bool isHidden, bool isNumber);
  bool matchComparison(transformer::CompareOp op, Dims dims, bool isHidden,
                       bool isNumber);
  bool matchPadding(mlir::Value mask, Dims dims, bool isNumber);
  bool matchGatheredPadding(transformer::GatherOp op, Dims dims, bool isNumber);
  bool isPosition(mlir::Value value, Dims dims, int64_t dim, mlir::Value of,
                  int64_t axis);
  bool stripBroadcast(mlir::Value &value, Dims &dims);

  mlir::Value scores;
  Extents extents;
};

} // namespace transom::raising

#endif // TRANSOM_PASSES_RAISE_VISIBILITY_H
