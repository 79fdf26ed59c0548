//===- Softmax.cpp - softmax from primitives ------------------------------===//

#include "passes/Raise/Match.h"
#include "passes/Raise/Patterns.h"

using namespace mlir;
using namespace transom::transformer;

namespace transom::raising {

/// e / sum(e), e = exp(x - max(x)), along the last axis => softmax x
/// Without the maximum it is left alone: it overflows where softmax doesn't.
static Value raiseSoftmax(Value root, PatternRewriter &rewriter) {
  Product product = factorize(root);
  if (!isClose(product.constant, 1.0) || product.numerators.size() != 1 ||
      product.denominators.size() != 1)
    return {};
  Value power = product.numerators.front();
  auto exp = power.getDefiningOp<ExpOp>();
  auto sub = exp ? exp.getInput().getDefiningOp<SubOp>() : SubOp();
  Value x = sub ? sub.getLhs() : Value();
  if (!x || matchReduction(product.denominators[0], Reduction::Sum) != power ||
      matchReduction(sub.getRhs(), Reduction::Max) != x ||
      x.getType() != root.getType())
    return {};
  return SoftmaxOp::create(rewriter, root.getLoc(), x);
}

void addSoftmax(Patterns &patterns) {
  patterns.add<DivOp, MulOp>(raiseSoftmax);
}

} // namespace transom::raising
