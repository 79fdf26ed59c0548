//===- KernelSelection.h - kernel.define -> KernelSpec --------------------===//
//
// The bridge between IR and kernels: what a kernel.define computes, said in the
// plain data that kernel families read, and which of a launch's buffers each
// operand of the kernel is.
//
//===----------------------------------------------------------------------===//
#ifndef TRANSOM_CODEGEN_SELECTION_KERNELSELECTION_H
#define TRANSOM_CODEGEN_SELECTION_KERNELSELECTION_H

#include "codegen/Machine.h"
#include "codegen/kernels/KernelSpec.h"
#include "ir/Kernel/Kernel.h"

#include "mlir/IR/BuiltinOps.h"
#include "llvm/ADT/MapVector.h"

namespace transom::codegen {

struct SelectedKernel {
  /// What an operand of the kernel is at a launch: one of its `reads` (an
  /// argument of the define), or of its `writes` (a result).
  struct Operand {
    unsigned index = 0;
    bool isResult = false;
  };
  std::string symbol; ///< in object files
  KernelSpec spec;
  llvm::SmallVector<Operand> operands; ///< in the order that the spec names
  std::map<int32_t, Packing> packing;  ///< as in CompiledKernel

  Packing packingOf(int32_t operand) const {
    auto found = packing.find(operand);
    return found == packing.end() ? Packing() : found->second;
  }
};

/// The kernels of a program, in the order of their definitions.
class KernelTable {
public:
  const SelectedKernel &lookup(kernel::LaunchOp launch) const {
    return kernels.find(launch.getCalleeAttr().getAttr())->second;
  }
  void insert(mlir::StringAttr name, SelectedKernel kernel) {
    kernels.insert({name, std::move(kernel)});
  }
  SelectedKernel &lookup(kernel::LaunchOp launch) {
    return kernels.find(launch.getCalleeAttr().getAttr())->second;
  }
  auto begin() const { return kernels.begin(); }
  auto end() const { return kernels.end(); }
  size_t size() const { return kernels.size(); }

private:
  llvm::MapVector<mlir::StringAttr, SelectedKernel> kernels;
};

/// The definitions that launches in `module` name. One that nothing launches
/// costs no compilation.
llvm::SmallVector<kernel::DefineOp> launchedKernels(mlir::ModuleOp module);

/// Selects the kernels of definitions of one module. Where a family refuses
/// what it is asked for, a generic one computes the same, and a missed remark
/// of category `selection` says so; an epilogue that its linear refuses becomes
/// a definition and launches of its own. Emits an error for each one that can't
/// be compiled, not for the first only.
mlir::FailureOr<KernelTable>
selectKernels(llvm::ArrayRef<kernel::DefineOp> defines, const Machine &machine);

} // namespace transom::codegen

#endif // TRANSOM_CODEGEN_SELECTION_KERNELSELECTION_H
