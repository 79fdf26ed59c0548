//===- SelectKernels.cpp - which kernel each kernel.define is -------------===//

#include "codegen/Passes.h"
#include "codegen/selection/KernelSelection.h"

using namespace mlir;

namespace transom::codegen {
#define GEN_PASS_DEF_SELECTKERNELS
#include "codegen/Passes.h.inc"

namespace {
struct SelectKernels : impl::SelectKernelsBase<SelectKernels> {
  using impl::SelectKernelsBase<SelectKernels>::SelectKernelsBase;

  void runOnOperation() override {
    ModuleOp module = getOperation();
    std::string error;
    std::optional<Machine> machine = Machine::fromTarget(target, error);
    if (!machine) {
      module.emitError() << error;
      return signalPassFailure();
    }
    FailureOr<KernelTable> kernels = selectKernels(
        SmallVector<kernel::DefineOp>(module.getOps<kernel::DefineOp>()),
        *machine);
    if (failed(kernels))
      return signalPassFailure();
    SymbolTable symbols(module);
    for (const auto &[name, kernel] : *kernels) {
      InFlightDiagnostic remark = symbols.lookup(name)->emitRemark();
      remark << "'" << kernel.symbol << "' is " << describe(kernel.spec)
             << "; operands:";
      for (const SelectedKernel::Operand &operand : kernel.operands)
        remark << (operand.isResult ? " res" : " arg") << operand.index;
    }
  }
};
} // namespace

} // namespace transom::codegen
