//===- Match.h - reading chains of primitives -------------------*- C++ -*-===//
//
// Exporters associate, commute and fold as they please. So the families match
// what a value is, a product of these factors, a sum with this constant, rather
// than the ops that it happens to be spelled with.
//
//===----------------------------------------------------------------------===//

#ifndef TRANSOM_PASSES_RAISE_MATCH_H
#define TRANSOM_PASSES_RAISE_MATCH_H

#include "ir/Transformer/Transformer.h"

#include <optional>

namespace transom::raising {

/// Of a value that is a tensor.
int64_t getRank(mlir::Value value);

/// The number in a constant of one element, whatever its rank and type.
std::optional<double> getNumber(mlir::Value value);

/// Whether two constants are the same but for the rounding of exporters, which
/// write sqrt(2) as f32 or with seven decimals.
bool isClose(double a, double b);

/// Whether `value` is the constant `number`, but for rounding.
bool isNumber(mlir::Value value, double number);

/// c * numerators / denominators.
struct Product {
  double constant = 1.0;
  llvm::SmallVector<mlir::Value> numerators, denominators;

  /// Whether it is `number` times exactly these factors, in any order.
  bool is(double number, llvm::ArrayRef<mlir::Value> factors) const;
};

/// The factors of a value: mul, div, neg, scale and small whole powers are
/// taken apart, other values and `whole` are not.
Product factorize(mlir::Value value, mlir::Value whole = {});

/// Of c * x for a number c, x; `number` is set to c. Null for anything else.
mlir::Value matchMultiple(mlir::Value value, double &number);

/// Of x + c for a number c, x; `number` is set to c. Null for anything else.
mlir::Value matchAddNumber(mlir::Value value, double &number);

/// What is reduced along the last axis, whose extent becomes 1; null if `value`
/// is not such a reduction.
mlir::Value matchReduction(mlir::Value value, transformer::Reduction kind);

/// Takes the inverse root out of a product of which it is one factor: y of
/// 1 / sqrt(y), rsqrt(y), y^-0.5. Null, and the product as it was, if there is
/// none.
mlir::Value takeInverseRoot(Product &product);

/// Whether `value` is a vector [C], C the last extent of `like`.
bool isVectorOf(mlir::Value value, mlir::Value like);

/// Whether `value` is a parameter: of a checkpoint, or a constant.
bool isParameter(mlir::Value value);

} // namespace transom::raising

#endif // TRANSOM_PASSES_RAISE_MATCH_H
