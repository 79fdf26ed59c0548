//===- Passes.td - passes over kernels and programs -------------*- tablegen -*-//
//
// For `transom-opt`; `transom compile` calls the same functions with what it
// has compiled.
//
//===----------------------------------------------------------------------===//

#ifndef TRANSOM_CODEGEN_PASSES_TD
#define TRANSOM_CODEGEN_PASSES_TD

include "mlir/Pass/PassBase.td"

def SelectKernels : Pass<"transom-select-kernels", "::mlir::ModuleOp"> {
  let summary = "say which kernel each kernel.define is";
  let description = [{
    Selects the kernel family of every `kernel.define` and says what it is asked
    to compute in a remark: the spec's fields, and for each operand of the kernel
    which argument (`arg`) or result (`res`) of the define it is.

    A family that refuses what a define asks of it hands it to a generic kernel,
    and a missed remark of category `selection` says why. A linear that refuses
    its epilogue (an operand that is a slice at a row's end) becomes a plain
    linear and a row program, which follow one another on the result's buffer.
    Nothing else is changed, and so nothing is counted.

    (* example test/codegen/select-kernels.mlir @linear *)
  }];
  let options = [
    Option<"target", "target", "std::string", "\"host\"",
           "the CPU that kernels are for">];
}

def LowerHost : Pass<"transom-lower-host", "::mlir::ModuleOp"> {
  let summary = "kernel.program -> LLVM dialect";
  let description = [{
    Turns the program into a function of the LLVM dialect that calls
    `transom_launch` for every launch, skips those that no requested output
    needs, and hands a failure through; and makes the tables and exported
    functions of the library around it. Kernels are not compiled: their tables
    are declarations. It changes every op, so there is nothing to count.

    (* example test/codegen/lower-host.mlir @forward *)
  }];
  let options = [
    Option<"name", "name", "std::string", "\"model\"",
           "NAME of the library: what exported functions begin with">,
    Option<"target", "target", "std::string", "\"host\"",
           "the CPU that weights are packed for">];
  let dependentDialects = ["::mlir::LLVM::LLVMDialect"];
}

#endif // TRANSOM_CODEGEN_PASSES_TD
