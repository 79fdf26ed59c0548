//===- Transformer.h - the transformer dialect ------------------*- C++ -*-===//
//
// Dialect, attributes, interfaces and ops; what they mean is in the .td files
// and in docs/reference/transformer-dialect.md.
//
//===----------------------------------------------------------------------===//

#ifndef TRANSOM_IR_TRANSFORMER_TRANSFORMER_H
#define TRANSOM_IR_TRANSFORMER_TRANSFORMER_H

#include "ir/Transformer/Shapes.h"

#include "mlir/Bytecode/BytecodeOpInterface.h"
#include "mlir/IR/Builders.h"
#include "mlir/IR/BuiltinAttributes.h"
#include "mlir/IR/BuiltinTypes.h"
#include "mlir/IR/Dialect.h"
#include "mlir/IR/OpDefinition.h"
#include "mlir/IR/OpImplementation.h"
#include "mlir/IR/SymbolTable.h"
#include "mlir/Interfaces/ControlFlowInterfaces.h"
#include "mlir/Interfaces/InferTypeOpInterface.h"
#include "mlir/Interfaces/SideEffectInterfaces.h"

#include "ir/Transformer/TransformerDialect.h.inc"

#include "ir/Transformer/TransformerEnums.h.inc"

#define GET_ATTRDEF_CLASSES
#include "ir/Transformer/TransformerAttributes.h.inc"

#include "ir/Transformer/ModelAttributes.h"

namespace transom::transformer {
/// The first operand whose extents, but for the last, are the first result's;
/// the first operand if there is none (its rows are the result's then).
mlir::OpOperand &findRowsOperand(mlir::Operation *op);
/// Whether an op that looks at one element at a time, or else along the last
/// axis, keeps the first `rowDims` extents of its rows operand apart.
bool leavesRowsAlone(mlir::Operation *op, int64_t rowDims);

class Packing;
} // namespace transom::transformer

#include "ir/Transformer/TransformerInterfaces.h.inc"

namespace transom::transformer {

/// Of ops whose result types follow from the operands: runs the op's verifier
/// before the inferred result types are compared with the actual ones.
template <typename ConcreteOp>
class InferredTypes
    : public mlir::OpTrait::TraitBase<ConcreteOp, InferredTypes> {
public:
  static mlir::LogicalResult verifyTrait(mlir::Operation *operation) {
    auto op = llvm::cast<ConcreteOp>(operation);
    if constexpr (requires { op.verify(); })
      return op.verify();
    else
      return mlir::success();
  }
};

} // namespace transom::transformer

#define GET_OP_CLASSES
#include "ir/Transformer/TransformerOps.h.inc"

#endif // TRANSOM_IR_TRANSFORMER_TRANSFORMER_H
