//===- FuseAttention.cpp - softmax(scale(q k^T) + bias) v -> attention ----===//
//
// Attention as papers write it keeps a [B, H, T, T] matrix in memory three
// times over. As one op it is a kernel that never stores it, and
// `remove-padding` can take the padding from under it.
//
//===----------------------------------------------------------------------===//

#include "ir/Transformer/Transformer.h"
#include "passes/Passes.h"

#include "mlir/IR/PatternMatch.h"
#include "mlir/IR/Remarks.h"
#include "mlir/Transforms/GreedyPatternRewriteDriver.h"

namespace transom {
#define GEN_PASS_DEF_FUSEATTENTION
#include "passes/Passes.h.inc"
} // namespace transom

using namespace mlir;
using namespace transom::transformer;

namespace {

/// What stands between the product of queries and keys and the softmax.
struct Scores {
  MatmulOp product;
  SmallVector<Value> biases;
  bool causal = false;
  llvm::APFloat factor = llvm::APFloat(1.0f);
};

bool hasRank4(Value value) {
  return cast<RankedTensorType>(value.getType()).getRank() == 4;
}

/// An addend of scores repeats along extents of 1 only; it never widens them.
bool isBiasOf(Value bias, RankedTensorType scores) {
  auto type = dyn_cast<RankedTensorType>(bias.getType());
  if (!type || type.getRank() != 4)
    return false;
  for (auto [extent, wanted] : llvm::zip(type.getShape(), scores.getShape()))
    if (extent != 1 && extent != wanted && !ShapedType::isDynamic(extent))
      return false;
  return true;
}

/// Follows masks, biases and the scale back to the product. A scale outside a
/// bias would scale the bias too, so it must be the innermost.
FailureOr<Scores> matchScores(Value logits, RewriterBase &rewriter,
                              Operation *root) {
  Scores scores;
  auto type = dyn_cast<RankedTensorType>(logits.getType());
  while (true) {
    if (auto mask = logits.getDefiningOp<CausalMaskOp>()) {
      scores.causal = true;
      logits = mask.getScores();
      continue;
    }
    auto add = logits.getDefiningOp<AddOp>();
    if (!add)
      break;
    // The side that leads to a product is the scores; a bias never does.
    auto leadsToProduct = [](Value value) {
      while (Operation *op = value.getDefiningOp()) {
        if (isa<MatmulOp>(op))
          return true;
        if (!isa<CausalMaskOp, AddOp, ScaleOp>(op))
          return false;
        value = op->getOperand(0);
      }
      return false;
    };
    bool left = leadsToProduct(add.getLhs());
    Value bias = left ? add.getRhs() : add.getLhs();
    if (!isBiasOf(bias, type))
      return rewriter.notifyMatchFailure(root, "an addend is no bias");
    scores.biases.push_back(bias);
    logits = left ? add.getLhs() : add.getRhs();
  }
  if (auto scale = logits.getDefiningOp<ScaleOp>()) {
    scores.factor = scale.getFactor();
    logits = scale.getInput();
  }
  scores.product = logits.getDefiningOp<MatmulOp>();
  if (!scores.product || !scores.product.getTransposeRhs())
    return rewriter.notifyMatchFailure(root, "scores are no product q k^T");
  return scores;
}

/// matmul(softmax([causal_mask]([scale](matmul(q, kT)) [+ bias])), v)
///   => attention(q, k, v, bias)
struct FuseScaledDotProduct : OpRewritePattern<MatmulOp> {
  FuseScaledDotProduct(MLIRContext *context, Pass::Statistic &numFused)
      : OpRewritePattern(context), numFused(numFused) {}

  LogicalResult matchAndRewrite(MatmulOp mix,
                                PatternRewriter &rewriter) const override {
    auto softmax = mix.getLhs().getDefiningOp<SoftmaxOp>();
    if (!softmax || mix.getTransposeRhs())
      return rewriter.notifyMatchFailure(mix, "not probabilities times value");
    FailureOr<Scores> scores = matchScores(softmax.getInput(), rewriter, mix);
    if (failed(scores))
      return failure();
    Value query = scores->product.getLhs(), key = scores->product.getRhs();
    if (!hasRank4(query) || !hasRank4(key) || !hasRank4(mix.getRhs()))
      return rewriter.notifyMatchFailure(mix, "not [B, H, T, D]");
    auto queryType = cast<RankedTensorType>(query.getType());
    auto valueType = cast<RankedTensorType>(mix.getRhs().getType());
    if (queryType.getDimSize(3) != valueType.getDimSize(3) ||
        cast<RankedTensorType>(key.getType()).getDimSize(1) !=
            valueType.getDimSize(1))
      return rewriter.notifyMatchFailure(mix, "heads of unequal shape");
    if (!softmax->hasOneUse()) {
      remark::missed(
          mix.getLoc(),
          remark::RemarkOpts::name("fuse-attention").category("fusion"))
          << remark::reason("attention probabilities are also used elsewhere");
      return rewriter.notifyMatchFailure(mix, "probabilities have other users");
    }

    // (c q) k^T = c (q k^T): exporters scale the query instead.
    if (auto scale = query.getDefiningOp<ScaleOp>()) {
      scores->factor = scores->factor * scale.getFactor();
      query = scale.getInput();
    }
    Value bias;
    for (Value addend : scores->biases)
      bias =
          bias ? AddOp::create(rewriter, mix.getLoc(), bias, addend).getResult()
               : addend;
    rewriter.replaceOpWithNewOp<AttentionOp>(mix, mix.getType(), query, key,
                                             mix.getRhs(), bias, scores->causal,
                                             scores->factor);
    ++numFused;
    return success();
  }

  Pass::Statistic &numFused;
};

struct FuseAttention : transom::impl::FuseAttentionBase<FuseAttention> {
  void runOnOperation() override {
    RewritePatternSet patterns(&getContext());
    patterns.add<FuseScaledDotProduct>(&getContext(), numFused);
    if (failed(applyPatternsGreedily(getOperation(), std::move(patterns))))
      signalPassFailure();
  }
};

} // namespace
