//===- LibraryPlan.cpp - a library before its kernels compile -------------===//

#include "codegen/LibraryPlan.h"
#include "codegen/Metadata.h"

using namespace mlir;
using namespace transom;
using namespace transom::codegen;

FailureOr<LibraryPlan> LibraryPlan::of(ModuleOp module) {
  LibraryPlan plan;
  plan.module = module;
  llvm::append_range(plan.programs, module.getOps<kernel::ProgramOp>());
  if (plan.programs.empty())
    return module.emitError()
           << "expects a 'kernel.program', which transom-plan-memory leaves";
  FailureOr<std::vector<Interface>> interfaces =
      Interface::ofAll(plan.programs);
  if (failed(interfaces))
    return failure();
  plan.interfaces = std::move(*interfaces);
  return plan;
}

LogicalResult LibraryPlan::select(const Machine &machine) {
  FailureOr<KernelTable> selected =
      selectKernels(launchedKernels(module), machine);
  if (failed(selected))
    return failure();
  kernels = std::move(*selected);
  // Before weights are planned: it changes how tables are packed.
  shareTables(module, machine, kernels);
  FailureOr<WeightPlan> planned = WeightPlan::create(programs, kernels);
  if (failed(planned))
    return failure();
  weights = std::move(*planned);
  return success();
}

FailureOr<OwningOpRef<ModuleOp>> LibraryPlan::lower(const Machine &machine,
                                                    HostOptions options) {
  FailureOr<LibraryMetadata> metadata =
      libraryMetadata(module, interfaces, options.name, machine,
                      options.weightsHash, weights.fileBytes());
  if (failed(metadata))
    return failure();
  options.metadata = std::move(*metadata);
  return lowerHost(programs, interfaces, kernels, weights, machine, options);
}
