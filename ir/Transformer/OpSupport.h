//===- OpSupport.h - shared by the files that implement ops ----*- C++ -*-===//
//
// Internal to ir/Transformer.
//
//===----------------------------------------------------------------------===//

#ifndef TRANSOM_IR_TRANSFORMER_OPSUPPORT_H
#define TRANSOM_IR_TRANSFORMER_OPSUPPORT_H

#include "mlir/IR/BuiltinAttributes.h"
#include "mlir/IR/BuiltinTypes.h"
#include "mlir/IR/OpImplementation.h"
#include "mlir/IR/Operation.h"

namespace transom::transformer {

/// The type of a value that an op's definition says is a ranked tensor.
inline mlir::RankedTensorType tensorType(mlir::Value value) {
  return llvm::cast<mlir::RankedTensorType>(value.getType());
}

/// Extent `index` of a tensor, or ? if its rank (which the verifier refuses)
/// has no such extent; negative indices count from the end.
int64_t extentOf(mlir::Value value, int64_t index);

/// The type of an elementwise result: the operands' shapes broadcast, or
/// `elementType` itself if no operand is a tensor. Where two extents don't
/// broadcast, which the verifier reports, the result's is dynamic.
mlir::Type broadcastTypes(mlir::ValueRange operands, mlir::Type elementType);

/// Whether `operands` are all scalars or all tensors whose shapes broadcast;
/// reports what is not.
mlir::LogicalResult verifyBroadcast(mlir::Operation *op,
                                    mlir::ValueRange operands);

/// As verifyBroadcast, and of one element type.
mlir::LogicalResult verifyElementwise(mlir::Operation *op,
                                      mlir::ValueRange operands);

/// What the verifiers ask, each reporting `expects X, got Y`. `name` is the
/// operand's, as the definition has it.
mlir::LogicalResult verifyRank(mlir::Operation *op, llvm::StringRef name,
                               mlir::Value value, int64_t rank);
mlir::LogicalResult verifyRankAtLeast(mlir::Operation *op, llvm::StringRef name,
                                      mlir::Value value, int64_t rank);
/// `claim` completes "expects": "the widths of input and weight to be equal".
mlir::LogicalResult verifyExtents(mlir::Operation *op, llvm::StringRef claim,
                                  int64_t a, int64_t b);
mlir::LogicalResult verifyElementTypes(mlir::Operation *op,
                                       mlir::ValueRange values);
mlir::LogicalResult verifyAxis(mlir::Operation *op, int64_t axis, int64_t rank);
/// `parameters`, gamma and beta, are vectors over the last dimension of
/// `input`.
mlir::LogicalResult verifyNorm(mlir::Operation *op, mlir::Value input,
                               mlir::ValueRange parameters,
                               const llvm::APFloat &epsilon);
/// `bias`, if there is one, is [heads, R] of the query's element type.
mlir::LogicalResult verifyDistanceBias(mlir::Operation *op, mlir::Value bias,
                                       mlir::Value query, int64_t heads);

/// Whether `region` computes one scalar for each of `results` by elementwise
/// ops on scalar arguments of the types `arguments`.
mlir::LogicalResult verifyScalarRegion(mlir::Operation *op,
                                       mlir::Region &region,
                                       llvm::ArrayRef<mlir::Type> arguments,
                                       llvm::ArrayRef<mlir::Type> results);

/// The assembly of a weight: `from [sources] : type` or `value dense<..> :
/// type`.
mlir::ParseResult parseWeightContents(mlir::OpAsmParser &parser,
                                      mlir::ArrayAttr &sources,
                                      mlir::ElementsAttr &value,
                                      mlir::TypeAttr &type);
void printWeightContents(mlir::OpAsmPrinter &printer, mlir::Operation *op,
                         mlir::ArrayAttr sources, mlir::ElementsAttr value,
                         mlir::TypeAttr type);

} // namespace transom::transformer

#endif // TRANSOM_IR_TRANSFORMER_OPSUPPORT_H
