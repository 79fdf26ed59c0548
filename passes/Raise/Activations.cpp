//===- Activations.cpp - gelu, silu and relu from primitives --------------===//

#include "passes/Raise/Match.h"
#include "passes/Raise/Patterns.h"

#include "mlir/IR/TypeUtilities.h"

#include <cmath>
#include <numbers>

using namespace mlir;
using namespace transom::transformer;

namespace transom::raising {

/// x of sqrt(2/pi) (x + 0.044715 x^3), or of sqrt(2/pi) x (1 + 0.044715 x^2);
/// null if `value` is neither.
static Value matchCubic(Value value) {
  constexpr double cubic = 0.044715;
  const double slope = std::sqrt(2.0 / std::numbers::pi);
  for (Value factor : factorize(value).numerators) {
    auto add = factor.getDefiningOp<AddOp>();
    if (!add)
      continue;
    double one;
    if (Value square = matchAddNumber(factor, one)) {
      Product factors = factorize(square);
      if (!isClose(one, 1.0) || factors.numerators.empty())
        continue;
      Value x = factors.numerators.front();
      if (factors.is(cubic, {x, x}) &&
          factorize(value, x).is(slope, {x, factor}))
        return x;
      continue;
    }
    for (auto [x, cube] : {std::pair(add.getLhs(), add.getRhs()),
                           std::pair(add.getRhs(), add.getLhs())})
      if (factorize(cube, x).is(cubic, {x, x, x}) &&
          factorize(value).is(slope, {factor}))
        return x;
  }
  return {};
}

/// x * (1 + erf(x / sqrt 2)) * 0.5, associated in any way => gelu none x
/// x * (1 + tanh(sqrt(2/pi) (x + 0.044715 x^3))) * 0.5 => gelu tanh x
static Value raiseGelu(Value root, PatternRewriter &rewriter) {
  for (Value factor : factorize(root).numerators) {
    double one, slope;
    Value sigmoidal = matchAddNumber(factor, one);
    if (!sigmoidal || !isClose(one, 1.0))
      continue;
    Value x;
    auto approximation = GeluApproximation::None;
    if (auto erf = sigmoidal.getDefiningOp<ErfOp>()) {
      x = matchMultiple(erf.getInput(), slope);
      if (!x || !isClose(slope, std::numbers::sqrt2 / 2))
        continue;
    } else if (auto tanh = sigmoidal.getDefiningOp<TanhOp>()) {
      x = matchCubic(tanh.getInput());
      approximation = GeluApproximation::Tanh;
    }
    if (x && x.getType() == root.getType() &&
        factorize(root, x).is(0.5, {x, factor}))
      return GeluOp::create(rewriter, root.getLoc(), approximation, x);
  }
  return {};
}

/// x * sigmoid(x) => silu x
static Value raiseSilu(Value root, PatternRewriter &rewriter) {
  for (Value factor : factorize(root).numerators) {
    auto sigmoid = factor.getDefiningOp<SigmoidOp>();
    if (!sigmoid)
      continue;
    Value x = sigmoid.getInput();
    if (x.getType() == root.getType() &&
        factorize(root, x).is(1.0, {x, factor}))
      return SiluOp::create(rewriter, root.getLoc(), x);
  }
  return {};
}

/// x / (1 + exp(-x)) => silu x
static Value raiseSiluByExp(Value root, PatternRewriter &rewriter) {
  auto div = root.getDefiningOp<DivOp>();
  double one, sign;
  Value power = matchAddNumber(div.getRhs(), one);
  auto exp = power ? power.getDefiningOp<ExpOp>() : ExpOp();
  Value x = exp ? matchMultiple(exp.getInput(), sign) : Value();
  if (!x || x != div.getLhs() || !isClose(one, 1.0) || !isClose(sign, -1.0) ||
      x.getType() != root.getType())
    return {};
  return SiluOp::create(rewriter, root.getLoc(), x);
}

/// max(x, 0) => relu x
static Value raiseRelu(Value root, PatternRewriter &rewriter) {
  auto max = root.getDefiningOp<MaxOp>();
  for (auto [x, zero] : {std::pair(max.getLhs(), max.getRhs()),
                         std::pair(max.getRhs(), max.getLhs())})
    if (isNumber(zero, 0.0) && x.getType() == root.getType() &&
        isa<FloatType>(getElementTypeOrSelf(x)))
      return ReluOp::create(rewriter, root.getLoc(), x);
  return {};
}

void addActivations(Patterns &patterns) {
  patterns.add<DivOp, MulOp, ScaleOp>(raiseGelu);
  patterns.add<MulOp>(raiseSilu);
  patterns.add<DivOp>(raiseSiluByExp);
  patterns.add<MaxOp>(raiseRelu);
}

} // namespace transom::raising
