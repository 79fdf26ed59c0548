//===- Contracts.cpp - which pass should have consumed an op --------------===//

#include "passes/Contracts.h"

#include "ir/Transformer/Transformer.h"

#include "llvm/ADT/TypeSwitch.h"

using namespace mlir;
using namespace transom::transformer;

llvm::StringRef transom::getConsumingPass(Operation *op) {
  return llvm::TypeSwitch<Operation *, llvm::StringRef>(op)
      // What exporters write around the definition ops.
      .Case<ReshapeOp, TransposeOp, GatherOp, ExpandOp, DimOp, RangeOp,
            ConcatOp, CastOp>([](auto) { return "transom-raise"; })
      // Products that are not a linear, and the masks added to them.
      .Case<MatmulOp, CausalMaskOp, RepeatHeadsOp>(
          [](auto) { return "transom-fuse-attention"; })
      .Case<RelativeBiasOp>([](auto) { return "transom-fold-relative-bias"; })
      // Whatever knows that sequences are padded.
      .Case<AttentionOp, SplitHeadsOp, MergeHeadsOp, PaddingMaskOp,
            SelectTokenOp, GatherTokenOp>(
          [](auto) { return "transom-remove-padding"; })
      .Default([](auto) { return ""; });
}

void transom::attachConsumingPass(InFlightDiagnostic &diagnostic,
                                  Operation *op) {
  llvm::StringRef pass = getConsumingPass(op);
  if (!pass.empty())
    diagnostic.attachNote(op->getLoc()) << pass << " should have consumed it";
}
