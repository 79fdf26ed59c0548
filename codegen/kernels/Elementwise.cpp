//===- Elementwise.cpp - row programs as Halide expressions ---------------===//
//
// Halide's exp, log and pow are inline and vectorised; its tanh, sin and cos
// become calls of libm, one a lane, and its erf takes twice the instructions of
// ours. Coefficients below are minimax fits, found by iterated reweighted least
// squares on Chebyshev nodes and then rounded to f32.
//
//===----------------------------------------------------------------------===//
#include "codegen/kernels/Elementwise.h"

#include <optional>

using namespace transom::codegen;
using Halide::Expr;

namespace {

/// c[0] + c[1] x + c[2] x^2 + ...
template <size_t N> Expr polynomial(const float (&c)[N], Expr x) {
  Expr value = c[N - 1];
  for (size_t i = N - 1; i-- > 0;)
    value = value * x + c[i];
  return value;
}

/// 2^x = 2^n 2^f with f in [-1/2, 1/2], which the polynomial `c` is for.
/// Exponents -127 and 128 are 0 and infinity.
template <size_t N> Expr scaledPower(const float (&c)[N], Expr x) {
  Expr n = round(x);
  Expr scale = Halide::reinterpret<float>((Halide::cast<int>(n) + 127) << 23);
  return polynomial(c, x - n) * scale;
}

/// Phi(x) - 1/2 = erf(x / sqrt(2)) / 2; absolute error 2e-7.
/// An odd function, so x times a polynomial of x^2, which up to |x| = 5.2 is
/// mapped to [-1, 1], where the powers are well conditioned. Beyond, the
/// product grows past 1/2 and is cut.
Expr normalCdfMinusHalf(Expr x) {
  const float limit = 5.2f * 5.2f;
  const float c[] = {
      0.1359499841928482f,    -0.06774362176656723f,   0.050025008618831635f,
      -0.03993137553334236f,  0.03198319673538208f,    -0.024708129465579987f,
      0.017988476902246475f,  -0.012569311074912548f,  0.008485501632094383f,
      -0.004662912338972092f, 0.0018748374423012137f,  -0.0013381339376792312f,
      0.0012407604372128844f, -0.00044046039693057537f};
  Expr t = min(x * x, limit) * (2 / limit) - 1.0f;
  return clamp(x * polynomial(c, t), -0.5f, 0.5f);
}

Expr sigmoidOf(Expr x) {
  const float log2e = 1.44269504f;
  return 1.0f / (1.0f + exp2Of(x * -log2e));
}

/// sin(x) if `phase` is 0, cos(x) if 1; absolute error 2e-7 for |x| <= 1e5.
Expr sineOf(Expr x, int phase) {
  // In double: f32 arithmetic may be reassociated, which would undo the usual
  // reduction by parts of pi/2.
  Expr quadrant = round(x * 0.636619772f);
  Expr r = Halide::cast<float>(Halide::cast<double>(x) -
                               Halide::cast<double>(quadrant) *
                                   Expr(1.5707963267948966));
  Expr r2 = r * r;
  const float s[] = {1.0f, -1.6666654611e-1f, 8.3321608736e-3f,
                     -1.9515295891e-4f};
  const float c[] = {1.0f, -0.5f, 4.166664568298827e-2f, -1.388731625493765e-3f,
                     2.443315711809948e-5f};
  Expr n = cast<int>(quadrant) + phase;
  Expr value = select((n & 1) == 0, r * polynomial(s, r2), polynomial(c, r2));
  return select((n & 2) == 0, value, -value);
}

Expr powOf(Expr x, Expr y) {
  std::optional<double> exponent = Halide::Internal::as_const_float(y);
  if (exponent && *exponent == 0.5)
    return sqrt(x);
  return pow(x, y); // Small whole exponents become products.
}

Expr truth(Expr condition) { return select(condition, 1.0f, 0.0f); }

} // namespace

Expr transom::codegen::exp2Of(Expr x) {
  const float c[] = {1.0f,
                     0.6931471824645996f,
                     0.24022646248340607f,
                     0.05550328642129898f,
                     0.009618489071726799f,
                     0.0013399930903688073f,
                     0.00015345810970757157f};
  return scaledPower(c, clamp(x, -127.0f, 128.0f));
}

Expr transom::codegen::exp2OfNonPositive(Expr x) {
  const float c[] = {1.0000001192092896f,   0.6931469440460205f,
                     0.24022120237350464f,  0.05550713092088699f,
                     0.009675540961325169f, 0.001327647129073739f};
  return scaledPower(c, max(x, -127.0f));
}

bool transom::codegen::isReduction(Expression::Kind kind) {
  return kind == Expression::Kind::ReduceSum ||
         kind == Expression::Kind::ReduceMax ||
         kind == Expression::Kind::ReduceMin;
}

Expr transom::codegen::evaluate(Expression::Kind kind,
                                const std::vector<Expr> &operands) {
  using Kind = Expression::Kind;
  auto x = [&] { return operands[0]; };
  auto y = [&] { return operands[1]; };
  switch (kind) {
  case Kind::Neg:
    return -x();
  case Kind::Abs:
    return abs(x());
  case Kind::Exp:
    return exp(x());
  case Kind::Log:
    return log(x());
  case Kind::Sqrt:
    return sqrt(x());
  case Kind::Rsqrt:
    return 1.0f / sqrt(x());
  case Kind::Erf:
    return 2.0f * normalCdfMinusHalf(x() * 1.41421356f);
  case Kind::Tanh:
    return 2.0f * sigmoidOf(2.0f * x()) - 1.0f;
  case Kind::Sigmoid:
    return sigmoidOf(x());
  case Kind::Sin:
    return sineOf(x(), 0);
  case Kind::Cos:
    return sineOf(x(), 1);
  case Kind::Gelu:
    return x() * normalCdfMinusHalf(x()) + 0.5f * x();
  case Kind::GeluTanh: {
    // (1 + tanh(y)) / 2 = sigmoid(2 y)
    Expr cubic = 1.59576912f * (x() + 0.044715f * x() * x() * x());
    return x() * sigmoidOf(cubic);
  }
  case Kind::Relu:
    return max(x(), 0.0f);
  case Kind::Silu:
    return x() * sigmoidOf(x());
  case Kind::Add:
    return x() + y();
  case Kind::Sub:
    return x() - y();
  case Kind::Mul:
    return x() * y();
  case Kind::Div:
    return x() / y();
  case Kind::Pow:
    return powOf(x(), y());
  case Kind::Max:
    return max(x(), y());
  case Kind::Min:
    return min(x(), y());
  case Kind::CompareEq:
    return truth(x() == y());
  case Kind::CompareLt:
    return truth(x() < y());
  case Kind::CompareLe:
    return truth(x() <= y());
  case Kind::Select:
    return select(x() != 0.0f, y(), operands[2]);
  case Kind::Input:
  case Kind::Constant:
  case Kind::ReduceSum:
  case Kind::ReduceMax:
  case Kind::ReduceMin:
    break;
  }
  assert(false && "not an elementwise expression");
  return Expr();
}

std::vector<Expr>
transom::codegen::translate(const RowProgram &program,
                            const std::function<Expr(int)> &input) {
  std::vector<Expr> values;
  for (const Expression &expression : program.expressions) {
    if (expression.kind == Expression::Kind::Input) {
      values.push_back(input(expression.index));
      continue;
    }
    if (expression.kind == Expression::Kind::Constant) {
      values.push_back(static_cast<float>(expression.constant));
      continue;
    }
    std::vector<Expr> operands;
    for (int operand : expression.operands)
      operands.push_back(values[operand]);
    values.push_back(evaluate(expression.kind, operands));
  }
  return values;
}
