//===- PlanMemory.cpp - calls on tensors -> launches on one arena ---------===//
//
// An activation takes bytes-per-row times the rows of its extent, so the arena
// is one region an extent, regions one after another, and an offset is linear
// in the extents: a slot among the sequences starts at
//   (all bytes per token) * tokens + (its offset) * sequences.
// Within a region, slots whose live ranges don't meet share memory. The plan
// holds for every batch, and for every subset of the outputs: a launch that is
// skipped writes nothing, and the launches that would read from it are skipped
// too.
//
// What a kernel changes in place (the cache) is an argument of the function and
// stays where it is: no launch may read what it was before.
//
//===----------------------------------------------------------------------===//

#include "passes/Passes.h"
#include "passes/PlanMemory/Plan.h"

namespace transom {
#define GEN_PASS_DEF_PLANMEMORY
#include "passes/Passes.h.inc"
} // namespace transom

using namespace mlir;
using namespace transom;

namespace {

struct PlanMemory : transom::impl::PlanMemoryBase<PlanMemory> {
  void runOnOperation() override {
    SymbolTable symbols(getOperation());
    for (auto function :
         llvm::make_early_inc_range(getOperation().getOps<func::FuncOp>())) {
      if (function.isExternal())
        continue;
      memory::Plan plan(function, symbols);
      if (failed(memory::findRows(plan)))
        return signalPassFailure();
      memory::findOutputs(plan);
      memory::assignSlots(plan);
      memory::emitProgram(plan);
      arenaBytesPerToken +=
          plan.arena[static_cast<unsigned>(kernel::Extent::Tokens)];
    }
  }
};

} // namespace
