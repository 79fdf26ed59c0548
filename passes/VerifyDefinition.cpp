//===- VerifyDefinition.cpp - no exporter's shapes are left ---------------===//

#include "ir/Transformer/Transformer.h"
#include "passes/Contracts.h"
#include "passes/Passes.h"

#include "mlir/Dialect/Func/IR/FuncOps.h"

namespace transom {
#define GEN_PASS_DEF_VERIFYDEFINITION
#include "passes/Passes.h.inc"
} // namespace transom

using namespace mlir;
using namespace transom::transformer;

namespace {

struct VerifyDefinition
    : transom::impl::VerifyDefinitionBase<VerifyDefinition> {
  void runOnOperation() override {
    markAllAnalysesPreserved();
    for (auto function : getOperation().getOps<func::FuncOp>())
      for (Operation &op : function.getOps()) {
        // Heads of classes read one column ([.., 1] -> [..]): no definition op
        // would say it better.
        auto reshape = dyn_cast<ReshapeOp>(op);
        if (reshape && reshape.isColumn())
          continue;
        if (isa<ReshapeOp, TransposeOp, GatherOp, ExpandOp, ConcatOp, DimOp,
                RangeOp>(op)) {
          InFlightDiagnostic diagnostic = emitError(op.getLoc())
                                          << "no definition contains '"
                                          << op.getName() << "'";
          transom::attachConsumingPass(diagnostic, &op);
          return signalPassFailure();
        }
      }
  }
};

} // namespace
