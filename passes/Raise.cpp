//===- Raise.cpp - chains of primitives -> definition ops -----------------===//
//
// An exporter writes a layer norm in nine ops and no two exporters write it
// alike. Later passes know one spelling of everything; this one gets there. The
// chains are in Raise/, one file a family. Their order doesn't matter: a family
// reads the primitives that others have not touched yet as well as what they
// make of them (mul by a constant and scale).
//
//===----------------------------------------------------------------------===//

#include "passes/Passes.h"

#include "ir/Transformer/Transformer.h"
#include "passes/Raise/Patterns.h"
#include "passes/UsedWeights.h"

#include "mlir/Transforms/GreedyPatternRewriteDriver.h"

using namespace mlir;
using transom::transformer::WeightOp;

namespace transom {
#define GEN_PASS_DEF_RAISE
#include "passes/Passes.h.inc"
} // namespace transom

namespace {

struct Raise : transom::impl::RaiseBase<Raise> {
  void runOnOperation() override {
    RewritePatternSet set(&getContext());
    transom::raising::Patterns patterns{set, numRaised};
    transom::raising::addActivations(patterns);
    transom::raising::addEmbedding(patterns);
    transom::raising::addHeads(patterns);
    transom::raising::addLinear(patterns);
    transom::raising::addMasks(patterns);
    transom::raising::addNorms(patterns);
    transom::raising::addSoftmax(patterns);
    llvm::DenseSet<StringAttr> before =
        transom::findUsedWeights(getOperation());
    if (failed(applyPatternsGreedily(getOperation(), std::move(set))))
      return signalPassFailure();
    transom::raising::remarkMasks(getOperation());
    // What is read transposed now is not read any more.
    llvm::DenseSet<StringAttr> after = transom::findUsedWeights(getOperation());
    for (auto weight :
         llvm::make_early_inc_range(getOperation().getOps<WeightOp>()))
      if (before.contains(weight.getSymNameAttr()) &&
          !after.contains(weight.getSymNameAttr()))
        weight.erase();
  }
};

} // namespace
