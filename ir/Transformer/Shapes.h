//===- Shapes.h - extents, broadcasting, axes -------------------*- C++ -*-===//
//
// Arithmetic on shapes with dynamic extents (`ShapedType::kDynamic`, `?`), for
// inference and verifiers here and for passes.
//
//===----------------------------------------------------------------------===//

#ifndef TRANSOM_IR_TRANSFORMER_SHAPES_H
#define TRANSOM_IR_TRANSFORMER_SHAPES_H

#include "mlir/IR/BuiltinTypes.h"
#include "mlir/IR/TypeRange.h"

#include <optional>

namespace transom::transformer {

/// Whether two extents can be equal at run time: same, or one is dynamic.
bool areCompatibleExtents(int64_t a, int64_t b);

/// The more precise of two extents that are equal at run time: N and ? give N.
int64_t meetExtents(int64_t a, int64_t b);

/// The extent of NumPy broadcasting: 1 and ? give ?, N and ? give N (N != 1).
/// Nothing if the extents don't broadcast.
std::optional<int64_t> broadcastExtents(int64_t a, int64_t b);

/// The shape of NumPy broadcasting: aligned at the last dimension. Nothing if
/// the shapes don't broadcast.
std::optional<llvm::SmallVector<int64_t>>
broadcastShapes(llvm::ArrayRef<int64_t> a, llvm::ArrayRef<int64_t> b);

/// `axis` in [0, rank), where a negative one counts from the end; nothing if it
/// lies outside [-rank, rank).
std::optional<int64_t> normalizeAxis(int64_t axis, int64_t rank);

/// The number of elements of a static shape, or ? (also if it exceeds 2^63 -
/// 1).
int64_t countElements(llvm::ArrayRef<int64_t> shape);

/// The extent of a slice `begin : end : step` of `extent`, where negative
/// numbers count from the end and ends are clamped; ? if it isn't known.
int64_t sliceExtent(int64_t extent, int64_t begin, int64_t end, int64_t step);

/// Whether values of these types can be the same value: equal types, or tensors
/// of one element type whose shapes differ in static and dynamic extents only.
bool areCompatible(mlir::Type a, mlir::Type b);
bool areCompatible(mlir::TypeRange a, mlir::TypeRange b);

} // namespace transom::transformer

#endif // TRANSOM_IR_TRANSFORMER_SHAPES_H
