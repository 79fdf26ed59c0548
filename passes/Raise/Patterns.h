//===- Patterns.h - the families that raise recognises ----------*- C++ -*-===//

#ifndef TRANSOM_PASSES_RAISE_PATTERNS_H
#define TRANSOM_PASSES_RAISE_PATTERNS_H

#include "mlir/IR/PatternMatch.h"
#include "mlir/Pass/Pass.h"

namespace transom::raising {

/// Builds what `root`, the last value of a chain, means, of its type; null, and
/// nothing built, if it is not such a chain. The function's arrow comment says
/// what it reads and what it builds.
using Raiser = mlir::Value (*)(mlir::Value root,
                               mlir::PatternRewriter &rewriter);

/// Replaces the result of an `OpTy` by what a raiser makes of it.
template <typename OpTy> struct RaiseResult : mlir::OpRewritePattern<OpTy> {
  RaiseResult(mlir::MLIRContext *context, Raiser raise,
              mlir::Pass::Statistic &numRaised)
      : mlir::OpRewritePattern<OpTy>(context), raise(raise),
        numRaised(numRaised) {}

  mlir::LogicalResult
  matchAndRewrite(OpTy op, mlir::PatternRewriter &rewriter) const override {
    mlir::Value raised = raise(op->getResult(0), rewriter);
    if (!raised)
      return rewriter.notifyMatchFailure(op, "no chain of this family");
    rewriter.replaceOp(op, raised);
    ++numRaised;
    return mlir::success();
  }

  Raiser raise;
  mlir::Pass::Statistic &numRaised;
};

/// The patterns of the pass, and what they count.
struct Patterns {
  mlir::RewritePatternSet &set;
  mlir::Pass::Statistic &numRaised;

  /// Adds a raiser of chains that end in one of `Ops`.
  template <typename... Ops> void add(Raiser raise) {
    (set.add<RaiseResult<Ops>>(set.getContext(), raise, numRaised), ...);
  }
};

/// gelu (erf, tanh), silu, relu.
void addActivations(Patterns &patterns);
/// embedding, select_token.
void addEmbedding(Patterns &patterns);
/// split_heads, merge_heads, transposed products.
void addHeads(Patterns &patterns);
/// linear, scale.
void addLinear(Patterns &patterns);
/// padding_mask, causal_mask.
void addMasks(Patterns &patterns);
/// Says, in missed remarks, which masks of `module` stayed primitives for want
/// of a promise about their numbers.
void remarkMasks(mlir::Operation *module);
/// layer_norm, rms_norm.
void addNorms(Patterns &patterns);
/// softmax.
void addSoftmax(Patterns &patterns);

} // namespace transom::raising

#endif // TRANSOM_PASSES_RAISE_PATTERNS_H
