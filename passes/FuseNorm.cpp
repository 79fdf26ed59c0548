//===- FuseNorm.cpp - residual add and norm -> one op ---------------------===//
//
// The sum of a residual connection is read at once by the norm after it: as one
// op it goes through memory once less. Pre-norm models carry the sum on, so it
// stays a result.
//
//===----------------------------------------------------------------------===//

#include "ir/Transformer/Transformer.h"
#include "passes/Passes.h"
#include "passes/Remarks.h"

#include "mlir/IR/PatternMatch.h"
#include "mlir/Transforms/GreedyPatternRewriteDriver.h"

namespace transom {
#define GEN_PASS_DEF_FUSENORM
#include "passes/Passes.h.inc"
} // namespace transom

using namespace mlir;
using namespace transom::transformer;

namespace {

/// The fused op stands where the add stood, because the sum's other users may
/// come before the norm; a weight that is read later only can be read earlier.
bool canMoveBefore(Value weight, Operation *add) {
  Operation *op = weight.getDefiningOp();
  return !op || op->getBlock() != add->getBlock() || op->isBeforeInBlock(add) ||
         isa<GetWeightOp>(op);
}

void moveBefore(Value weight, Operation *add, RewriterBase &rewriter) {
  Operation *op = weight.getDefiningOp();
  if (op && op->getBlock() == add->getBlock() && !op->isBeforeInBlock(add))
    rewriter.moveOpBefore(op, add);
}

bool broadcastsOperand(AddOp add) {
  return add.getLhs().getType() != add.getType() ||
         add.getRhs().getType() != add.getType();
}

/// norm(add(x, r), weights..) => add_norm(x, r, weights..)
template <typename NormOp, typename FusedOp>
struct FuseResidual : OpRewritePattern<NormOp> {
  FuseResidual(MLIRContext *context, Pass::Statistic &numFused)
      : OpRewritePattern<NormOp>(context), numFused(numFused) {}

  LogicalResult matchAndRewrite(NormOp norm,
                                PatternRewriter &rewriter) const override {
    auto add = norm.getInput().template getDefiningOp<AddOp>();
    if (!add || add->getBlock() != norm->getBlock())
      return rewriter.notifyMatchFailure(norm, "the input is not a sum");
    if (broadcastsOperand(add))
      return rewriter.notifyMatchFailure(norm, "the sum broadcasts");
    ValueRange weights = norm->getOperands().drop_front();
    for (Value weight : weights)
      if (!canMoveBefore(weight, add))
        return rewriter.notifyMatchFailure(norm, "a weight is computed later");

    for (Value weight : weights)
      moveBefore(weight, add, rewriter);
    rewriter.setInsertionPoint(add);
    FusedOp fused = build(norm, add, rewriter);
    rewriter.replaceOp(norm, fused.getResult());
    rewriter.replaceOp(add, fused.getSum());
    ++numFused;
    return success();
  }

  static AddLayerNormOp build(LayerNormOp norm, AddOp add,
                              RewriterBase &rewriter) {
    return AddLayerNormOp::create(rewriter, norm.getLoc(), add.getLhs(),
                                  add.getRhs(), norm.getGamma(), norm.getBeta(),
                                  norm.getEpsilonAttr());
  }
  static AddRmsNormOp build(RmsNormOp norm, AddOp add, RewriterBase &rewriter) {
    return AddRmsNormOp::create(rewriter, norm.getLoc(), add.getLhs(),
                                add.getRhs(), norm.getGamma(),
                                norm.getEpsilonAttr());
  }

  Pass::Statistic &numFused;
};

struct FuseNorm : transom::impl::FuseNormBase<FuseNorm> {
  void runOnOperation() override {
    RewritePatternSet patterns(&getContext());
    patterns.add<FuseResidual<LayerNormOp, AddLayerNormOp>,
                 FuseResidual<RmsNormOp, AddRmsNormOp>>(&getContext(),
                                                        numFused);
    if (failed(applyPatternsGreedily(getOperation(), std::move(patterns))))
      return signalPassFailure();
    getOperation().walk([](Operation *op) {
      if (!isa<LayerNormOp, RmsNormOp>(op))
        return;
      auto add = op->getOperand(0).getDefiningOp<AddOp>();
      if (add && broadcastsOperand(add))
        transom::missedFusion(op, "fuse-norm",
                              "the sum before the norm broadcasts an operand");
    });
  }
};

} // namespace
