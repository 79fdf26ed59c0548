//===- Match.cpp - reading chains of primitives ---------------------------===//

#include "passes/Raise/Match.h"

#include "mlir/Dialect/Arith/IR/Arith.h"
#include "mlir/IR/Matchers.h"

#include <cmath>

using namespace mlir;
using namespace transom::transformer;

namespace transom::raising {

int64_t getRank(Value value) {
  return cast<RankedTensorType>(value.getType()).getRank();
}

std::optional<double> getNumber(Value value) {
  DenseElementsAttr elements;
  if (!matchPattern(value, m_Constant(&elements)) ||
      elements.getNumElements() != 1)
    return std::nullopt;
  if (isa<FloatType>(elements.getElementType()))
    return (*elements.value_begin<APFloat>()).convertToDouble();
  if (elements.getElementType().isInteger(1))
    return *elements.value_begin<bool>() ? 1.0 : 0.0;
  return double((*elements.value_begin<APInt>()).getSExtValue());
}

bool isClose(double a, double b) {
  // f32 rounds at 6e-8; a larger difference would change results visibly.
  return a == b || std::abs(a - b) <= 1e-6 * std::abs(b);
}

bool isNumber(Value value, double number) {
  std::optional<double> constant = getNumber(value);
  return constant && isClose(*constant, number);
}

bool Product::is(double number, ArrayRef<Value> factors) const {
  return isClose(constant, number) && denominators.empty() &&
         numerators.size() == factors.size() &&
         std::is_permutation(numerators.begin(), numerators.end(),
                             factors.begin());
}

/// Multiplies `product` by `value`, or divides by it. Powers other than 2 and 3
/// stay whole: a variance has x^2, GELU by tanh has x^3.
static void multiply(Product &product, Value value, bool isInverse,
                     Value whole) {
  auto multiplyNumber = [&](double number) {
    product.constant =
        isInverse ? product.constant / number : product.constant * number;
  };
  Operation *op = value == whole ? nullptr : value.getDefiningOp();
  if (std::optional<double> number = getNumber(value)) {
    multiplyNumber(*number);
  } else if (auto mul = dyn_cast_or_null<MulOp>(op)) {
    multiply(product, mul.getLhs(), isInverse, whole);
    multiply(product, mul.getRhs(), isInverse, whole);
  } else if (auto div = dyn_cast_or_null<DivOp>(op)) {
    multiply(product, div.getLhs(), isInverse, whole);
    multiply(product, div.getRhs(), !isInverse, whole);
  } else if (auto scale = dyn_cast_or_null<ScaleOp>(op)) {
    multiplyNumber(scale.getFactor().convertToDouble());
    multiply(product, scale.getInput(), isInverse, whole);
  } else if (auto neg = dyn_cast_or_null<NegOp>(op)) {
    multiplyNumber(-1.0);
    multiply(product, neg.getInput(), isInverse, whole);
  } else if (auto pow = dyn_cast_or_null<PowOp>(op);
             pow && (isNumber(pow.getRhs(), 2) || isNumber(pow.getRhs(), 3))) {
    for (int i = isNumber(pow.getRhs(), 2) ? 2 : 3; i > 0; --i)
      multiply(product, pow.getLhs(), isInverse, whole);
  } else {
    (isInverse ? product.denominators : product.numerators).push_back(value);
  }
}

Product factorize(Value value, Value whole) {
  Product product;
  multiply(product, value, /*isInverse=*/false, whole);
  return product;
}

Value matchMultiple(Value value, double &number) {
  if (auto scale = value.getDefiningOp<ScaleOp>()) {
    number = scale.getFactor().convertToDouble();
    return scale.getInput();
  }
  if (auto neg = value.getDefiningOp<NegOp>()) {
    number = -1.0;
    return neg.getInput();
  }
  if (auto div = value.getDefiningOp<DivOp>()) {
    std::optional<double> divisor = getNumber(div.getRhs());
    if (!divisor)
      return {};
    number = 1.0 / *divisor;
    return div.getLhs();
  }
  auto mul = value.getDefiningOp<MulOp>();
  if (!mul)
    return {};
  for (auto [factor, x] : {std::pair(mul.getLhs(), mul.getRhs()),
                           std::pair(mul.getRhs(), mul.getLhs())})
    if (std::optional<double> constant = getNumber(factor)) {
      number = *constant;
      return x;
    }
  return {};
}

Value matchAddNumber(Value value, double &number) {
  auto add = value.getDefiningOp<AddOp>();
  if (!add)
    return {};
  for (auto [term, x] : {std::pair(add.getLhs(), add.getRhs()),
                         std::pair(add.getRhs(), add.getLhs())})
    if (std::optional<double> constant = getNumber(term)) {
      number = *constant;
      return x;
    }
  return {};
}

Value matchReduction(Value value, Reduction kind) {
  auto reduce = value.getDefiningOp<ReduceOp>();
  if (!reduce || reduce.getKind() != kind || !reduce.getKeepDims() ||
      reduce.getAxes().size() != 1)
    return {};
  int64_t rank = getRank(reduce.getInput());
  std::optional<int64_t> axis = normalizeAxis(reduce.getAxes()[0], rank);
  return axis == rank - 1 ? reduce.getInput() : Value();
}

Value takeInverseRoot(Product &product) {
  auto take = [](SmallVector<Value> &factors, double exponent) -> Value {
    for (auto *it = factors.begin(); it != factors.end(); ++it) {
      Operation *op = it->getDefiningOp();
      Value root;
      if (auto sqrt = dyn_cast_or_null<SqrtOp>(op); sqrt && exponent > 0)
        root = sqrt.getInput();
      else if (auto rsqrt = dyn_cast_or_null<RsqrtOp>(op);
               rsqrt && exponent < 0)
        root = rsqrt.getInput();
      else if (auto pow = dyn_cast_or_null<PowOp>(op);
               pow && isNumber(pow.getRhs(), exponent))
        root = pow.getLhs();
      if (root) {
        factors.erase(it);
        return root;
      }
    }
    return {};
  };
  if (Value root = take(product.denominators, 0.5))
    return root;
  return take(product.numerators, -0.5);
}

bool isVectorOf(Value value, Value like) {
  auto type = dyn_cast<RankedTensorType>(value.getType());
  auto likeType = dyn_cast<RankedTensorType>(like.getType());
  return type && likeType && type.getRank() == 1 && likeType.getRank() > 0 &&
         type.hasStaticShape() &&
         type.getDimSize(0) == likeType.getShape().back();
}

bool isParameter(Value value) {
  Operation *op = value.getDefiningOp();
  return isa_and_nonnull<GetWeightOp, arith::ConstantOp>(op);
}

} // namespace transom::raising
