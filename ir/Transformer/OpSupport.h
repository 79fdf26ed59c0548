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

/// The type of an elementwise result: the operands' shapes broadcast, or
/// `elementType` itself if no operand is a tensor. Where two extents don't
/// broadcast, which the verifier reports, the result's is dynamic.
mlir::Type broadcastTypes(mlir::ValueRange operands, mlir::Type elementType);

/// Whether `operands` are all scalars or all tensors that broadcast, of one
/// element type; reports what is not.
mlir::LogicalResult verifyElementwise(mlir::Operation *op,
                                      mlir::ValueRange operands);

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
