//===- Norms.cpp - layer_norm and rms_norm from primitives ----------------===//

#include "passes/Raise/Match.h"
#include "passes/Raise/Patterns.h"

using namespace mlir;
using namespace transom::transformer;

namespace transom::raising {

/// x of x - mean(x), else null.
static Value matchCentered(Value value) {
  auto sub = value.getDefiningOp<SubOp>();
  return sub && matchReduction(sub.getRhs(), Reduction::Mean) == sub.getLhs()
             ? sub.getLhs()
             : Value();
}

/// x of x^2, else null.
static Value matchSquare(Value value) {
  if (auto pow = value.getDefiningOp<PowOp>())
    return isNumber(pow.getRhs(), 2.0) ? pow.getLhs() : Value();
  auto mul = value.getDefiningOp<MulOp>();
  return mul && mul.getLhs() == mul.getRhs() ? mul.getLhs() : Value();
}

/// x of mean(x^2) + epsilon, else null.
static Value matchMeanSquare(Value value, double &epsilon) {
  Value mean = value ? matchAddNumber(value, epsilon) : Value();
  Value square = mean ? matchReduction(mean, Reduction::Mean) : Value();
  return square ? matchSquare(square) : Value();
}

static FloatAttr getEpsilon(Builder &builder, double epsilon) {
  return builder.getF32FloatAttr(float(epsilon));
}

/// d / sqrt(mean(d^2) + epsilon) * gamma + beta, d = x - mean(x), with sqrt and
/// division, rsqrt or pow => layer_norm x, gamma, beta
static Value raiseLayerNorm(Value root, PatternRewriter &rewriter) {
  auto add = root.getDefiningOp<AddOp>();
  for (auto [scaled, beta] : {std::pair(add.getLhs(), add.getRhs()),
                              std::pair(add.getRhs(), add.getLhs())}) {
    if (!isVectorOf(beta, root))
      continue;
    Product product = factorize(scaled);
    double epsilon;
    Value deviation = matchMeanSquare(takeInverseRoot(product), epsilon);
    Value x = deviation ? matchCentered(deviation) : Value();
    if (!x || x.getType() != root.getType() ||
        !isClose(product.constant, 1.0) || !product.denominators.empty() ||
        product.numerators.size() != 2)
      continue;
    // The deviation may have been computed twice.
    Value first = product.numerators[0], second = product.numerators[1];
    Value gamma = matchCentered(first) == x ? second : first;
    if (matchCentered(gamma == first ? second : first) == x &&
        isVectorOf(gamma, root))
      return LayerNormOp::create(rewriter, root.getLoc(), x, gamma, beta,
                                 getEpsilon(rewriter, epsilon));
  }
  return {};
}

/// x / sqrt(mean(x^2) + epsilon) * gamma => rms_norm x, gamma
static Value raiseRmsNorm(Value root, PatternRewriter &rewriter) {
  Product product = factorize(root);
  double epsilon;
  Value x = matchMeanSquare(takeInverseRoot(product), epsilon);
  // Of centred values it is the middle of a layer norm.
  if (!x || matchCentered(x) || x.getType() != root.getType())
    return {};
  product = factorize(root, x); // Now x is in one piece, whatever it is.
  takeInverseRoot(product);
  for (Value gamma : product.numerators)
    if (isVectorOf(gamma, root) && product.is(1.0, {x, gamma}))
      return RmsNormOp::create(rewriter, root.getLoc(), x, gamma,
                               getEpsilon(rewriter, epsilon));
  return {};
}

void addNorms(Patterns &patterns) {
  patterns.add<AddOp>(raiseLayerNorm);
  patterns.add<DivOp, MulOp>(raiseRmsNorm);
}

} // namespace transom::raising
