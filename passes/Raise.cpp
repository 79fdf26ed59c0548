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

#include "mlir/Transforms/GreedyPatternRewriteDriver.h"

using namespace mlir;

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
    transom::raising::addNorms(patterns);
    transom::raising::addSoftmax(patterns);
    if (failed(applyPatternsGreedily(getOperation(), std::move(set))))
      signalPassFailure();
  }
};

} // namespace
