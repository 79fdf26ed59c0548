//===- FuseAttention.cpp - softmax(scale(q k^T) + bias) v -> attention ----===//
//
// Attention as a paper writes it keeps two [B, H, Tq, Tk] tensors in memory.
// The fused op keeps neither: a kernel computes it a tile of queries at a time.
// What may stand between the two products is read off in any order: scales (of
// the query, of the key, of the scores), biases and causal masks.
// Key and value heads that are repeated for groups of query heads are not.
//
//===----------------------------------------------------------------------===//

#include "passes/Passes.h"

#include "ir/Transformer/Transformer.h"
#include "passes/Remarks.h"

#include "mlir/IR/PatternMatch.h"
#include "mlir/Transforms/GreedyPatternRewriteDriver.h"

using namespace mlir;
using namespace transom::transformer;

namespace transom {
#define GEN_PASS_DEF_FUSEATTENTION
#include "passes/Passes.h.inc"
} // namespace transom

namespace {

/// A term added to the scores, and the factor that was applied after it.
struct Bias {
  Value value;
  double factor;
};

/// Reads the parts of an attention off the product of probabilities and values.
/// On failure `reason` says why, and `isRegrettable` whether a user, who wrote
/// what is nearly attention, wants to hear it.
struct Attention {
  Value query, key, value;
  SmallVector<Bias> biases;
  double scale = 1.0;
  bool isCausal = false;

  const char *reason = "";
  bool isRegrettable = false;

  LogicalResult match(MatmulOp mix);

private:
  LogicalResult matchScores(Value scores, double factor);
  LogicalResult matchShapes(MatmulOp mix, RankedTensorType scores);

  LogicalResult refuse(const char *why, bool regrettable = true) {
    reason = why;
    isRegrettable = regrettable;
    return failure();
  }
};

/// Strips scales off an operand of the first product: they commute with it.
Value stripScales(Value operand, double &scale) {
  while (auto op = operand.getDefiningOp<ScaleOp>()) {
    scale *= op.getFactor().convertToDouble();
    operand = op.getInput();
  }
  return operand;
}

/// The heads that groups of query heads share, if key and value repeat them
/// alike: attention knows groups.
void stripRepeats(Value &key, Value &value, double &scale) {
  auto repeatedKey = key.getDefiningOp<RepeatHeadsOp>();
  auto repeatedValue = value.getDefiningOp<RepeatHeadsOp>();
  if (!repeatedKey || !repeatedValue ||
      repeatedKey.getInput().getType().getDimSize(1) !=
          repeatedValue.getInput().getType().getDimSize(1))
    return;
  key = stripScales(repeatedKey.getInput(), scale);
  value = repeatedValue.getInput();
}

LogicalResult Attention::matchScores(Value scores, double factor) {
  if (!scores.hasOneUse())
    return refuse("attention scores are also used elsewhere");
  if (auto product = scores.getDefiningOp<MatmulOp>()) {
    if (!product.getTransposeRhs())
      return refuse("the key is not transposed by the product");
    scale = factor;
    query = stripScales(product.getLhs(), scale);
    key = stripScales(product.getRhs(), scale);
    return success();
  }
  if (auto op = scores.getDefiningOp<ScaleOp>())
    return matchScores(op.getInput(),
                       factor * op.getFactor().convertToDouble());
  if (auto op = scores.getDefiningOp<CausalMaskOp>()) {
    // A factor applied later scales what hides, and hides as well if positive.
    if (factor <= 0.0)
      return refuse("a causal mask is scaled by a factor that isn't positive");
    isCausal = true;
    return matchScores(op.getScores(), factor);
  }
  if (auto op = scores.getDefiningOp<AddOp>()) {
    // The scores are on the side that leads to a product.
    for (auto [side, bias] : {std::pair(op.getLhs(), op.getRhs()),
                              std::pair(op.getRhs(), op.getLhs())}) {
      Attention attempt = *this;
      attempt.biases.push_back({bias, factor});
      if (succeeded(attempt.matchScores(side, factor))) {
        *this = attempt;
        return success();
      }
      // Of two refusals the one that has something to say wins.
      if (!isRegrettable)
        (void)refuse(attempt.reason, attempt.isRegrettable);
    }
    return failure();
  }
  return refuse("no scores under the softmax", /*regrettable=*/false);
}

/// Whether the extents are the same, or both unknown.
bool isSameExtent(int64_t a, int64_t b) { return a == b; }

LogicalResult Attention::matchShapes(MatmulOp mix, RankedTensorType scores) {
  auto queryType = cast<RankedTensorType>(query.getType());
  auto keyType = cast<RankedTensorType>(key.getType());
  auto valueType = cast<RankedTensorType>(value.getType());
  if (queryType.getRank() != 4 || keyType.getRank() != 4 ||
      valueType.getRank() != 4)
    return refuse("query, key and value are not [B, H, T, D]");
  ArrayRef<int64_t> q = queryType.getShape(), k = keyType.getShape(),
                    v = valueType.getShape();
  if (ShapedType::isDynamic(q[1]) || ShapedType::isDynamic(k[1]))
    return refuse("the number of heads is not known");
  if (!isSameExtent(q[0], k[0]) || !isSameExtent(k[0], v[0]) || k[1] != v[1] ||
      k[1] == 0 || q[1] % k[1] != 0)
    return refuse("batches or heads of query, key and value differ");
  if (!areCompatibleExtents(k[2], v[2]) || !isSameExtent(q[3], k[3]) ||
      !isSameExtent(q[3], v[3]))
    return refuse("head sizes or lengths of query, key and value differ");
  for (Bias bias : biases) {
    auto type = cast<RankedTensorType>(bias.value.getType());
    if (type.getRank() != 4 || !type.getElementType().isF32())
      return refuse("the bias is not a [B, H, Tq, Tk] of f32");
    for (auto [extent, of] : llvm::zip(type.getShape(), scores.getShape()))
      if (extent != 1 && !areCompatibleExtents(extent, of))
        return refuse("the bias does not broadcast to the scores");
  }
  return success();
}

LogicalResult Attention::match(MatmulOp mix) {
  auto softmax = mix.getLhs().getDefiningOp<SoftmaxOp>();
  if (!softmax || mix.getTransposeRhs())
    return refuse("not probabilities times value", /*regrettable=*/false);
  value = mix.getRhs();
  if (failed(matchScores(softmax.getInput(), 1.0)))
    return failure();
  stripRepeats(key, value, scale);
  if (!softmax->hasOneUse())
    return refuse("attention probabilities are also used elsewhere");
  return matchShapes(mix, softmax.getInput().getType());
}

/// matmul(softmax([causal_mask]([scale](matmul(q, k^T)) [+ bias])), v)
///   => attention(q, k, v [bias] [causal] scale)
struct FuseScaledDotProduct : OpRewritePattern<MatmulOp> {
  FuseScaledDotProduct(MLIRContext *context, Pass::Statistic &numFused)
      : OpRewritePattern(context), numFused(numFused) {}

  LogicalResult matchAndRewrite(MatmulOp mix,
                                PatternRewriter &rewriter) const override {
    Attention attention;
    if (failed(attention.match(mix)))
      return rewriter.notifyMatchFailure(mix, attention.reason);
    rewriter.replaceOpWithNewOp<AttentionOp>(
        mix, mix.getType(), attention.query, attention.key, attention.value,
        sumBiases(attention.biases, mix.getLoc(), rewriter), attention.isCausal,
        llvm::APFloat(float(attention.scale)));
    ++numFused;
    return success();
  }

private:
  /// One bias, with what was scaled after it scaled by itself.
  static Value sumBiases(ArrayRef<Bias> biases, Location loc,
                         OpBuilder &builder) {
    Value sum;
    for (auto [value, factor] : biases) {
      // What a positive factor leaves of the lowest float hides as well.
      if (factor != 1.0 &&
          !(factor > 0.0 && value.getDefiningOp<PaddingMaskOp>()))
        value =
            ScaleOp::create(builder, loc, value, llvm::APFloat(float(factor)));
      sum = sum ? AddOp::create(builder, loc, sum, value).getResult() : value;
    }
    return sum;
  }

  Pass::Statistic &numFused;
};

struct FuseAttention : transom::impl::FuseAttentionBase<FuseAttention> {
  void runOnOperation() override {
    RewritePatternSet patterns(&getContext());
    patterns.add<FuseScaledDotProduct>(&getContext(), numFused);
    if (failed(applyPatternsGreedily(getOperation(), std::move(patterns))))
      return signalPassFailure();
    getOperation().walk([](MatmulOp mix) {
      Attention attention;
      if (failed(attention.match(mix)) && attention.isRegrettable)
        transom::missedFusion(mix, "fuse-attention", attention.reason);
    });
  }
};

} // namespace
