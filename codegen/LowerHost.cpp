//===- LowerHost.cpp - kernel.program -> LLVM dialect, as a pass ----------===//

#include "codegen/LibraryPlan.h"
#include "codegen/Passes.h"

#include "mlir/Dialect/LLVMIR/LLVMDialect.h"

using namespace mlir;

namespace transom::codegen {
#define GEN_PASS_DEF_LOWERHOST
#include "codegen/Passes.h.inc"

namespace {
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
    FailureOr<LibraryPlan> plan = LibraryPlan::of(module);
    if (failed(plan) || failed(plan->select(*machine)))
      return failure();
    HostOptions options;
    options.name = name;
    FailureOr<OwningOpRef<ModuleOp>> host = plan->lower(*machine, options);
    if (failed(host))
      return failure();
    module.getBodyRegion().takeBody((*host)->getBodyRegion());
    return success();
  }
};
} // namespace

} // namespace transom::codegen
