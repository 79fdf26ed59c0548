//===- TransformerInterfaces.td - what passes ask of any op -----*- tablegen -*-//

#ifndef TRANSOM_IR_TRANSFORMER_INTERFACES_TD
#define TRANSOM_IR_TRANSFORMER_INTERFACES_TD

include "mlir/IR/OpBase.td"
include "mlir/IR/Interfaces.td"

def Transformer_DecomposableOpInterface : OpInterface<"DecomposableOpInterface"> {
  let cppNamespace = "::transom::transformer";
  let description = [{
    The meaning of a fused op: `decompose` builds the definition ops (for a
    definition op, the primitives) that compute the same results. They document
    the op, are the oracle of its tests, and replace it if no kernel accepts it.
  }];
  let methods = [
    InterfaceMethod<
      "Builds the equivalent ops before this op; returns their results, one for "
      "each result of the op. Fails if the op has no such form.",
      "::mlir::FailureOr<::llvm::SmallVector<::mlir::Value>>", "decompose",
      (ins "::mlir::OpBuilder &":$builder)>
  ];
}

def Transformer_ElementwiseOpInterface : OpInterface<"ElementwiseOpInterface"> {
  let cppNamespace = "::transom::transformer";
  let description = [{
    Each element of a result depends only on the operands' elements at the same
    (broadcast) index. Such an op takes tensors, or scalars inside the region of
    `transformer.linear` and `transformer.elementwise`.
  }];
}

def Transformer_RowwiseOpInterface : OpInterface<"RowwiseOpInterface"> {
  let cppNamespace = "::transom::transformer";
  let description = [{
    An op that may be rowwise: result row i depends only on row i of its
    activations (operands that are not weights). A rowwise op does not know
    sequences, so padding can be removed without changing it. The attributes of
    the op decide: a reduction along the last axis is rowwise, one along the
    tokens mixes them.
  }];
  let methods = [
    InterfaceMethod<
      "The operand with the same leading extents as the results.",
      "::mlir::OpOperand &", "getRowsOperand", (ins), "",
      "return ::transom::transformer::findRowsOperand($_op.getOperation());">,
    InterfaceMethod<
      "Whether the op is rowwise if the first `rowDims` extents count rows.",
      "bool", "isRowwise", (ins "int64_t":$rowDims), "",
      "return ::transom::transformer::leavesRowsAlone($_op.getOperation(), rowDims);">,
    InterfaceMethod<
      "Renumbers the axes of a rowwise op whose first `rowDims` extents became one.",
      "void", "mergeRowDims", (ins "int64_t":$rowDims), "",
      "(void)rowDims;">
  ];
}

def Transformer_PackableOpInterface : OpInterface<"PackableOpInterface"> {
  let cppNamespace = "::transom::transformer";
  let description = [{
    An op that is not rowwise on padded sequences, [batch, length, ..], but has a
    form on packed tokens.
  }];
  let methods = [
    InterfaceMethod<
      "Builds the op's packed form from the packed forms of its operands, and "
      "records it. Reports an error and fails if an operand has no form that it can "
      "use.",
      "::llvm::LogicalResult", "pack",
      (ins "::transom::transformer::Packing &":$packing)>
  ];
}

def Transformer_UpdateOpInterface : OpInterface<"UpdateOpInterface"> {
  let cppNamespace = "::transom::transformer";
  let description = [{
    An op whose only result is one of its operands with some elements replaced.
    In memory the op changes that operand in place: `transom-plan-memory` checks
    that no op reads the old state afterwards.
  }];
  let methods = [
    InterfaceMethod<
      "The operand whose new state is the result.",
      "::mlir::OpOperand &", "getUpdatedOperand">,
    InterfaceMethod<
      "The operand whose leading extent counts the written rows.",
      "::mlir::OpOperand &", "getRowsOperand">
  ];
}

def Transformer_CacheOpInterface : OpInterface<"CacheOpInterface"> {
  let cppNamespace = "::transom::transformer";
  let description = [{
    An op on one layer of a cache, whose columns begin at the column offset `at`.
    All layers share one kernel; each launch passes the layer's columns.
  }];
  let methods = [
    InterfaceMethod<"The cache.", "::mlir::OpOperand &", "getCacheMutable">,
    InterfaceMethod<"The column offset of the layer.", "uint64_t", "getAt">,
    InterfaceMethod<"Moves the op to another layer.", "void", "setAt",
                    (ins "uint64_t":$at)>
  ];
}

#endif // TRANSOM_IR_TRANSFORMER_INTERFACES_TD
