//===- ElementwiseRegions.h - elementwise ops inside regions ----*- C++ -*-===//
//
// The same elementwise op on tensors and, in the region of a fused op, on the
// scalars of one index.
//
//===----------------------------------------------------------------------===//

#ifndef TRANSOM_PASSES_ELEMENTWISEREGIONS_H
#define TRANSOM_PASSES_ELEMENTWISEREGIONS_H

#include "mlir/IR/Builders.h"
#include "mlir/IR/BuiltinTypes.h"

namespace transom {

/// True if `op` computes elementwise on tensors (not inside a region already).
bool isTensorElementwise(mlir::Operation *op);

/// The one element that a constant tensor repeats, or null.
mlir::TypedAttr getSplatElement(mlir::Value value);

/// True if `type` repeats to `result` and names an operand that kernels take:
/// an activation [.., N] or [.., 1], a vector [N], or one value.
bool isRegionOperand(mlir::RankedTensorType type,
                     mlir::RankedTensorType result);

/// `op` on scalars, one for each operand; returns its scalar result.
mlir::Value createOnScalars(mlir::OpBuilder &builder, mlir::Operation *op,
                            mlir::ValueRange scalars);

} // namespace transom

#endif // TRANSOM_PASSES_ELEMENTWISEREGIONS_H
