//===- Passes.td - passes over kernels and programs -------------*- tablegen -*-//
//
// For `transom-opt`; `transom compile` calls the same functions with the kernels
// that it has compiled.
//
//===----------------------------------------------------------------------===//

#ifndef TRANSOM_CODEGEN_PASSES_TD
#define TRANSOM_CODEGEN_PASSES_TD

include "mlir/Pass/PassBase.td"

def SelectKernels : Pass<"transom-select-kernels", "::mlir::ModuleOp"> {
  let summary = "select the kernel of each kernel.define";
  let description = [{
    Selects the kernel family of every `kernel.define`. A remark has the kernel's
    spec and, for each operand of the kernel, the argument (`arg`) or result
    (`res`) of the define.

    If a family refuses a define, a generic kernel computes it, and a missed
    remark of category `selection` says why. A linear that refuses its epilogue
    (an operand that is a slice at a row's end) becomes a plain linear, followed
    by a row program on the result's buffer. The pass changes nothing else, and
    so counts nothing.

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
    `transom_launch` for every launch, skips launches that no requested output
    needs, and returns a failure to its caller. Adds the tables and exported
    functions of the library. Kernels are not compiled: their tables are
    declarations. The pass changes every op, so it counts nothing.

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
