//===- Passes.cpp - codegen as passes, for transom-opt --------------------===//

#include "codegen/Passes.h"
#include "codegen/Metadata.h"
#include "codegen/host/LowerHost.h"
#include "codegen/selection/KernelSelection.h"
#include "codegen/weights/WeightPlan.h"

#include "mlir/Dialect/LLVMIR/LLVMDialect.h"

using namespace mlir;

namespace transom::codegen {
#define GEN_PASS_DEF_SELECTKERNELS
#define GEN_PASS_DEF_LOWERHOST
#define GEN_PASS_REGISTRATION
#include "codegen/Passes.h.inc"

namespace {
struct SelectKernels : impl::SelectKernelsBase<SelectKernels> {
  void runOnOperation() override {
    bool good = true;
    for (auto define : getOperation().getOps<kernel::DefineOp>()) {
      FailureOr<SelectedKernel> kernel = selectKernel(define);
      if (failed(kernel)) {
        good = false;
        continue;
      }
      InFlightDiagnostic remark = define.emitRemark();
      remark << "'" << kernel->symbol << "' is " << describe(kernel->spec)
             << "; operands:";
      for (const SelectedKernel::Operand &operand : kernel->operands)
        remark << (operand.isResult ? " res" : " arg") << operand.index;
    }
    if (!good)
      signalPassFailure();
    markAllAnalysesPreserved();
  }
};

struct LowerHost : impl::LowerHostBase<LowerHost> {
  using impl::LowerHostBase<LowerHost>::LowerHostBase;

  void runOnOperation() override {
    if (failed(lower()))
      signalPassFailure();
  }

  LogicalResult lower() {
    ModuleOp module = getOperation();
    std::string error;
    std::optional<Machine> machine = Machine::fromTarget(target, error);
    if (!machine)
      return module.emitError() << error;
    SmallVector<kernel::ProgramOp> programs(module.getOps<kernel::ProgramOp>());
    if (programs.empty())
      return module.emitError() << "expects a 'kernel.program'";
    FailureOr<KernelTable> kernels = selectKernels(module, *machine);
    if (failed(kernels))
      return failure();
    shareTables(module, *machine, *kernels);
    FailureOr<WeightPlan> weights = WeightPlan::create(programs, *kernels);
    FailureOr<std::vector<Interface>> interfaces = Interface::ofAll(programs);
    if (failed(weights) || failed(interfaces))
      return failure();
    HostOptions options;
    options.name = name;
    FailureOr<std::string> metadata =
        libraryMetadata(module, *interfaces, name, *machine,
                        options.weightsHash, weights->fileBytes());
    if (failed(metadata))
      return failure();
    options.metadata = *metadata;
    auto host =
        lowerHost(programs, *interfaces, *kernels, *weights, *machine, options);
    if (failed(host))
      return failure();
    module.getBodyRegion().takeBody((*host)->getBodyRegion());
    return success();
  }
};
} // namespace

void registerCodegenPasses() { registerTransomCodegenPasses(); }

} // namespace transom::codegen
