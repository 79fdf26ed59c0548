//===- InterpreterInterfaces.td - reference semantics -----------*- tablegen -*-//

#ifndef TRANSOM_IR_INTERPRETER_INTERFACES_TD
#define TRANSOM_IR_INTERPRETER_INTERFACES_TD

include "mlir/IR/OpBase.td"
include "mlir/IR/Interfaces.td"

def InterpretableOpInterface
    : OpInterface<"InterpretableOpInterface"> {
  let cppNamespace = "::transom::interpreter";
  let description = [{
    Reference semantics, in double precision where the element type is float:
    what the op means, independent of any kernel. Ops get it as external models
    (`registerInterpreterModels`), so that the dialects don't know the interpreter.
  }];
  let methods = [
    InterfaceMethod<
      "Computes the results from the operands' values.",
      "::mlir::LogicalResult", "interpret",
      (ins "::llvm::ArrayRef<::transom::interpreter::Tensor>":$operands,
           "::transom::interpreter::Context &":$context,
           "::llvm::SmallVectorImpl<::transom::interpreter::Tensor> &":$results)>
  ];
}

#endif // TRANSOM_IR_INTERPRETER_INTERFACES_TD
