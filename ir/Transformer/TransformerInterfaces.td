//===- TransformerInterfaces.td - what passes ask of any op -----*- tablegen -*-//

#ifndef TRANSOM_IR_TRANSFORMER_INTERFACES_TD
#define TRANSOM_IR_TRANSFORMER_INTERFACES_TD

include "mlir/IR/OpBase.td"
include "mlir/IR/Interfaces.td"

def Transformer_DecomposableOpInterface : OpInterface<"DecomposableOpInterface"> {
  let cppNamespace = "::transom::transformer";
  let description = [{
    A fused op's meaning: builds the definition ops (or, of a definition op, the
    primitives) that compute the same results. It is documentation, test oracle
    and the fallback when no kernel accepts the op.
  }];
  let methods = [
    InterfaceMethod<
      "Builds the equivalent ops before this op; returns their results, one for "
      "each of the op's. Fails if the op has no such form.",
      "::mlir::FailureOr<::llvm::SmallVector<::mlir::Value>>", "decompose",
      (ins "::mlir::OpBuilder &":$builder)>
  ];
}

def Transformer_ElementwiseOpInterface : OpInterface<"ElementwiseOpInterface"> {
  let cppNamespace = "::transom::transformer";
  let description = [{
    An op whose every result element depends on the operands' elements at the
    same (broadcast) index only. Such ops take tensors, or scalars inside the
    region of `transformer.linear` and `transformer.elementwise`.
  }];
}

def Transformer_RowwiseOpInterface : OpInterface<"RowwiseOpInterface"> {
  let cppNamespace = "::transom::transformer";
  let description = [{
    An op that can make result row i from row i of its activations (operands
    that are not weights) alone. It then doesn't know sequences, and padding can
    be taken from under it. Whether it does depends on its attributes: a reduction
    along the last axis is rowwise, one along the tokens mixes them.
  }];
  let methods = [
    InterfaceMethod<
      "The operand whose leading extents the results have.",
      "::mlir::OpOperand &", "getRowsOperand", (ins), "",
      "return ::transom::transformer::findRowsOperand($_op.getOperation());">,
    InterfaceMethod<
      "Whether it is rowwise if the first `rowDims` extents count rows.",
      "bool", "isRowwise", (ins "int64_t":$rowDims), "",
      "return ::transom::transformer::leavesRowsAlone($_op.getOperation(), rowDims);">,
    InterfaceMethod<
      "Renumbers its axes: the first `rowDims` extents, rowwise, are one now.",
      "void", "mergeRowDims", (ins "int64_t":$rowDims), "",
      "(void)rowDims;">
  ];
}

def Transformer_PackableOpInterface : OpInterface<"PackableOpInterface"> {
  let cppNamespace = "::transom::transformer";
  let description = [{
    An op that isn't rowwise on padded sequences, [batch, length, ..], but has a
    form on packed tokens: it knows what of its operands padding hides.
  }];
  let methods = [
    InterfaceMethod<
      "Builds the packed form from those of the operands and sets the result's. "
      "Fails, with an error, if the operands have none that it can use.",
      "::llvm::LogicalResult", "pack",
      (ins "::transom::transformer::Packing &":$packing)>
  ];
}

def Transformer_UpdateOpInterface : OpInterface<"UpdateOpInterface"> {
  let cppNamespace = "::transom::transformer";
  let description = [{
    An op whose only result is one of its operands with some elements replaced.
    In memory that operand is changed in place: `transom-plan-memory` sees to it
    that no op reads what it was before.
  }];
  let methods = [
    InterfaceMethod<
      "The operand that the result is a newer state of.",
      "::mlir::OpOperand &", "getUpdatedOperand">,
    InterfaceMethod<
      "The operand whose leading extent counts what is written.",
      "::mlir::OpOperand &", "getRowsOperand">
  ];
}

def Transformer_CacheOpInterface : OpInterface<"CacheOpInterface"> {
  let cppNamespace = "::transom::transformer";
  let description = [{
    An op on one layer of a cache: on columns of it that begin at `at`. All
    layers have one kernel, which finds its columns where a launch says.
  }];
  let methods = [
    InterfaceMethod<"The cache.", "::mlir::OpOperand &", "getCacheMutable">,
    InterfaceMethod<"Its first column that is the layer's.", "uint64_t", "getAt">,
    InterfaceMethod<"Makes the op one on another layer.", "void", "setAt",
                    (ins "uint64_t":$at)>
  ];
}

#endif // TRANSOM_IR_TRANSFORMER_INTERFACES_TD
