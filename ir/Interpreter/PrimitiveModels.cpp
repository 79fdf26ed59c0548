//===- PrimitiveModels.cpp - reference semantics of primitives ------------===//

#include "ir/Interpreter/Models.h"
#include "ir/Transformer/Transformer.h"

#include <cmath>
#include <numbers>

using namespace mlir;
using namespace transom::interpreter;
using namespace transom::transformer;
using transom::interpreter::Context;

//===----------------------------------------------------------------------===//
// Elementwise
//===----------------------------------------------------------------------===//

/// The element type of an op's only result.
static Type resultElement(Operation *op) {
  return getElementTypeOrSelf(op->getResult(0).getType());
}

static double evaluate(NegOp, double x) { return -x; }
static double evaluate(AbsOp, double x) { return std::fabs(x); }
static double evaluate(ExpOp, double x) { return std::exp(x); }
static double evaluate(LogOp, double x) { return std::log(x); }
static double evaluate(SqrtOp, double x) { return std::sqrt(x); }
static double evaluate(RsqrtOp, double x) { return 1 / std::sqrt(x); }
static double evaluate(ErfOp, double x) { return std::erf(x); }
static double evaluate(SigmoidOp, double x) { return 1 / (1 + std::exp(-x)); }
static double evaluate(SinOp, double x) { return std::sin(x); }
static double evaluate(CosOp, double x) { return std::cos(x); }
static double evaluate(TanhOp, double x) { return std::tanh(x); }
static double evaluate(ReluOp, double x) { return x < 0 ? 0 : x; }
static double evaluate(SiluOp, double x) { return x / (1 + std::exp(-x)); }
static double evaluate(ScaleOp op, double x) {
  return op.getFactor().convertToDouble() * x;
}
static double evaluate(GeluOp op, double x) {
  if (op.getApproximation() == GeluApproximation::None)
    return 0.5 * x * (1 + std::erf(x / std::numbers::sqrt2));
  return 0.5 * x *
         (1 + std::tanh(std::sqrt(2 / std::numbers::pi) *
                        (x + 0.044715 * x * x * x)));
}

template <typename OpT>
  requires requires(OpT op, double x) { evaluate(op, x); }
static LogicalResult interpret(OpT op, Operands operands, Context &,
                               Results results) {
  if (failed(require(op, operands[0].isFloat(), "floating-point numbers")))
    return failure();
  Tensor result = operands[0];
  for (double &value : result.floats())
    value = evaluate(op, value);
  results.push_back(result);
  return success();
}

static double evaluate(AddOp, double x, double y) { return x + y; }
static double evaluate(SubOp, double x, double y) { return x - y; }
static double evaluate(MulOp, double x, double y) { return x * y; }
static double evaluate(DivOp, double x, double y) { return x / y; }
static double evaluate(PowOp, double x, double y) { return std::pow(x, y); }
static double evaluate(MaxOp, double x, double y) { return x < y ? y : x; }
static double evaluate(MinOp, double x, double y) { return y < x ? y : x; }

// Integers wrap; unsigned arithmetic in between, where overflow is defined.
using Unsigned = uint64_t;
static int64_t evaluate(AddOp, int64_t x, int64_t y) {
  return Unsigned(x) + Unsigned(y);
}
static int64_t evaluate(SubOp, int64_t x, int64_t y) {
  return Unsigned(x) - Unsigned(y);
}
static int64_t evaluate(MulOp, int64_t x, int64_t y) {
  return Unsigned(x) * Unsigned(y);
}
static int64_t evaluate(DivOp, int64_t x, int64_t y) {
  return y == -1 ? Unsigned(0) - Unsigned(x) : x / y;
}
static int64_t evaluate(PowOp, int64_t x, int64_t y) {
  if (y < 0) // 1 / x^-y, truncated.
    return x == 1 ? 1 : x == -1 ? (y & 1 ? -1 : 1) : 0;
  Unsigned result = 1, base = x;
  for (; y; y >>= 1, base *= base)
    if (y & 1)
      result *= base;
  return result;
}
static int64_t evaluate(MaxOp, int64_t x, int64_t y) { return std::max(x, y); }
static int64_t evaluate(MinOp, int64_t x, int64_t y) { return std::min(x, y); }
static int64_t evaluate(AndOp, int64_t x, int64_t y) { return x & y; }
static int64_t evaluate(OrOp, int64_t x, int64_t y) { return x | y; }

/// The operands, broadcast to one shape.
static FailureOr<SmallVector<Tensor>> broadcastAll(Operation *op,
                                                   Operands operands) {
  SmallVector<int64_t> shape;
  for (const Tensor &operand : operands) {
    auto wider = broadcastShapes(shape, operand.getShape());
    if (!wider)
      return op->emitOpError()
             << "expects extents that broadcast, got " << operand.getType()
             << " beside extents [" << shape << "]";
    shape = *wider;
  }
  SmallVector<Tensor> result;
  for (const Tensor &operand : operands) {
    std::optional<Tensor> wide = operand.broadcast(shape);
    if (!wide)
      return op->emitOpError() << "expects extents that broadcast";
    result.push_back(*wide);
  }
  return result;
}

template <typename OpT>
  requires requires(OpT op, int64_t x) { evaluate(op, x, x); }
static LogicalResult interpret(OpT op, Operands operands, Context &,
                               Results results) {
  FailureOr<SmallVector<Tensor>> wide = broadcastAll(op, operands);
  if (failed(wide) ||
      failed(require(
          op, operands[0].getElementType() == operands[1].getElementType(),
          "operands of one element type")))
    return failure();
  Tensor result = (*wide)[0];
  if (result.isFloat()) {
    if constexpr (requires(double x) { evaluate(op, x, x); } &&
                  !std::is_same_v<OpT, AndOp> && !std::is_same_v<OpT, OrOp>) {
      for (auto [x, y] : llvm::zip_equal(result.floats(), (*wide)[1].floats()))
        x = evaluate(op, x, y);
    } else {
      return op.emitOpError() << "expects integers";
    }
  } else {
    ArrayRef<int64_t> rhs = std::as_const((*wide)[1]).integers();
    if (isa<DivOp>(op) && llvm::is_contained(rhs, 0))
      return op.emitOpError() << "expects no division by zero";
    for (auto [x, y] : llvm::zip_equal(result.integers(), rhs))
      x = wrap(evaluate(op, x, y), result.getElementType());
  }
  results.push_back(result);
  return success();
}

template <typename T> static bool holds(Comparison relation, T x, T y) {
  switch (relation) {
  case Comparison::EQ:
    return x == y;
  case Comparison::NE:
    return x != y;
  case Comparison::LT:
    return x < y;
  case Comparison::LE:
    return x <= y;
  case Comparison::GT:
    return x > y;
  case Comparison::GE:
    return x >= y;
  }
  llvm_unreachable("unknown relation");
}

static LogicalResult interpret(CompareOp op, Operands operands, Context &,
                               Results results) {
  FailureOr<SmallVector<Tensor>> wide = broadcastAll(op, operands);
  if (failed(wide) ||
      failed(require(
          op, operands[0].getElementType() == operands[1].getElementType(),
          "operands of one element type")))
    return failure();
  const Tensor &lhs = (*wide)[0], &rhs = (*wide)[1];
  Tensor result(resultElement(op), lhs.getShape());
  for (auto [i, truth] : llvm::enumerate(result.integers()))
    truth = lhs.isFloat()
                ? holds(op.getRelation(), lhs.floats()[i], rhs.floats()[i])
                : holds(op.getRelation(), lhs.integers()[i], rhs.integers()[i]);
  results.push_back(result);
  return success();
}

static LogicalResult interpret(SelectOp op, Operands operands, Context &,
                               Results results) {
  FailureOr<SmallVector<Tensor>> wide = broadcastAll(op, operands);
  if (failed(wide) ||
      failed(require(
          op, operands[1].getElementType() == operands[2].getElementType(),
          "operands of one element type")))
    return failure();
  const Tensor &condition = (*wide)[0], &lhs = (*wide)[1], &rhs = (*wide)[2];
  Tensor result = rhs;
  for (int64_t i = 0, end = result.getNumElements(); i < end; ++i) {
    if (!(condition.isFloat() ? condition.floats()[i] != 0
                              : condition.integers()[i] != 0))
      continue;
    if (result.isFloat())
      result.floats()[i] = lhs.floats()[i];
    else
      result.integers()[i] = lhs.integers()[i];
  }
  results.push_back(result);
  return success();
}

/// `value` as a float of `type` holds it.
static double roundTo(double value, Type type) {
  APFloat number(value);
  bool losesInfo;
  number.convert(cast<FloatType>(type).getFloatSemantics(),
                 APFloat::rmNearestTiesToEven, &losesInfo);
  return number.convertToDouble();
}

/// Truncates toward zero; what an int64 can't hold becomes its limit, NaN 0.
static int64_t truncate(double value) {
  if (std::isnan(value))
    return 0;
  if (value >= 0x1p63)
    return std::numeric_limits<int64_t>::max();
  if (value <= -0x1p63)
    return std::numeric_limits<int64_t>::min();
  return value;
}

static LogicalResult interpret(CastOp op, Operands operands, Context &,
                               Results results) {
  const Tensor &input = operands[0];
  Type type = resultElement(op);
  Tensor result(type, input.getShape());
  for (int64_t i = 0, end = input.getNumElements(); i < end; ++i) {
    if (result.isFloat())
      result.floats()[i] = roundTo(
          input.isFloat() ? input.floats()[i] : input.integers()[i], type);
    else if (type.isInteger(1))
      result.integers()[i] =
          input.isFloat() ? input.floats()[i] != 0 : input.integers()[i] != 0;
    else
      result.integers()[i] = wrap(input.isFloat() ? truncate(input.floats()[i])
                                                  : input.integers()[i],
                                  type);
  }
  results.push_back(result);
  return success();
}

//===----------------------------------------------------------------------===//
// Reductions, shapes
//===----------------------------------------------------------------------===//

template <typename T> static T reduce(Reduction kind, ArrayRef<T> values) {
  switch (kind) {
  case Reduction::Sum:
  case Reduction::Mean: {
    T sum = 0;
    for (T value : values)
      sum += value;
    return kind == Reduction::Sum ? sum : sum / static_cast<T>(values.size());
  }
  case Reduction::Max:
    return *llvm::max_element(values);
  case Reduction::Min:
    return *llvm::min_element(values);
  }
  llvm_unreachable("unknown reduction");
}

static LogicalResult interpret(ReduceOp op, Operands operands, Context &,
                               Results results) {
  const Tensor &input = operands[0];
  // The reduced axes go last, so that each result's values lie together.
  SmallVector<int64_t> order, reduced, kept, shape;
  for (int64_t axis : op.getAxes())
    reduced.push_back(axis < 0 ? axis + input.getRank() : axis);
  int64_t count = 1;
  for (auto [axis, extent] : llvm::enumerate(input.getShape())) {
    bool isReduced = llvm::is_contained(reduced, axis);
    if (isReduced)
      count *= extent;
    else
      order.push_back(axis);
    if (!isReduced || op.getKeepDims())
      shape.push_back(isReduced ? 1 : extent);
  }
  llvm::append_range(order, reduced);
  if (failed(require(op, count > 0 || op.getKind() == Reduction::Sum,
                     "something to reduce")))
    return failure();
  Tensor moved = input.permute(order);
  Tensor result(input.getElementType(), shape);
  for (int64_t i = 0, end = result.getNumElements(); i < end; ++i) {
    if (input.isFloat())
      result.floats()[i] = reduce(
          op.getKind(), std::as_const(moved).floats().slice(i * count, count));
    else
      result.integers()[i] =
          wrap(reduce(op.getKind(),
                      std::as_const(moved).integers().slice(i * count, count)),
               input.getElementType());
  }
  results.push_back(result);
  return success();
}

/// Copies `count` elements between tensors of one element type.
static void copyElements(const Tensor &from, int64_t source, Tensor &to,
                         int64_t target, int64_t count) {
  if (from.isFloat())
    llvm::copy(from.floats().slice(source, count),
               to.floats().begin() + target);
  else
    llvm::copy(from.integers().slice(source, count),
               to.integers().begin() + target);
}

/// The extents before and behind an axis, each as one.
static std::pair<int64_t, int64_t> around(const Tensor &tensor, int64_t axis) {
  return {llvm::product_of(tensor.getShape().take_front(axis)),
          llvm::product_of(tensor.getShape().drop_front(axis + 1))};
}

static LogicalResult interpret(GatherOp op, Operands operands, Context &,
                               Results results) {
  const Tensor &input = operands[0], &indices = operands[1];
  int64_t axis = op.getAxis();
  if (axis < 0)
    axis += input.getRank();
  int64_t extent = input.getShape()[axis];
  auto [before, behind] = around(input, axis);
  SmallVector<int64_t> shape(input.getShape().take_front(axis));
  llvm::append_range(shape, indices.getShape());
  llvm::append_range(shape, input.getShape().drop_front(axis + 1));
  Tensor result(input.getElementType(), shape);
  int64_t target = 0;
  for (int64_t outer = 0; outer < before; ++outer)
    for (int64_t index : indices.integers()) {
      int64_t place = index < 0 ? index + extent : index;
      if (place < 0 || place >= extent)
        return op.emitOpError() << "index " << index << " lies outside of "
                                << extent << " along axis " << axis;
      copyElements(input, (outer * extent + place) * behind, result, target,
                   behind);
      target += behind;
    }
  results.push_back(result);
  return success();
}

static LogicalResult interpret(ReshapeOp op, Operands operands, Context &,
                               Results results) {
  const Tensor &input = operands[0];
  SmallVector<int64_t> shape(op.getShape());
  int64_t known = 1;
  for (auto [axis, extent] : llvm::enumerate(shape)) {
    if (extent == 0)
      extent = input.getShape()[axis];
    if (extent != -1)
      known *= extent;
  }
  for (int64_t &extent : shape)
    if (extent == -1)
      extent = known ? input.getNumElements() / known : 0;
  if (failed(require(op, llvm::product_of(shape) == input.getNumElements(),
                     "a shape with the operand's " +
                         llvm::Twine(input.getNumElements()) + " elements")))
    return failure();
  results.push_back(input.reshape(shape));
  return success();
}

static LogicalResult interpret(TransposeOp op, Operands operands, Context &,
                               Results results) {
  results.push_back(operands[0].permute(op.getPermutation()));
  return success();
}

static LogicalResult interpret(SliceOp op, Operands operands, Context &,
                               Results results) {
  const Tensor &input = operands[0];
  int64_t axis = op.getAxis();
  if (axis < 0)
    axis += input.getRank();
  int64_t extent = input.getShape()[axis], step = op.getStep();
  if (failed(require(op, step >= 1, "a step of 1 or more")))
    return failure();
  // As ONNX and NumPy: from the end if negative, then clamped.
  auto place = [&](int64_t at) {
    return std::clamp<int64_t>(at < 0 ? at + extent : at, 0, extent);
  };
  SmallVector<int64_t> places;
  for (int64_t at = place(op.getBegin()), end = place(op.getEnd()); at < end;
       at += step)
    places.push_back(at);
  SmallVector<int64_t> shape(input.getShape());
  shape[axis] = places.size();
  Tensor result(input.getElementType(), shape);
  auto [before, behind] = around(input, axis);
  int64_t target = 0;
  for (int64_t outer = 0; outer < before; ++outer)
    for (int64_t at : places) {
      copyElements(input, (outer * extent + at) * behind, result, target,
                   behind);
      target += behind;
    }
  results.push_back(result);
  return success();
}

static LogicalResult interpret(ConcatOp op, Operands operands, Context &,
                               Results results) {
  int64_t axis = op.getAxis(), rank = operands[0].getRank();
  if (axis < 0)
    axis += rank;
  SmallVector<int64_t> shape(operands[0].getShape());
  shape[axis] = 0;
  for (const Tensor &operand : operands) {
    SmallVector<int64_t> other(operand.getShape());
    shape[axis] += other[axis];
    other[axis] = shape[axis];
    if (failed(require(op, other == shape, "equal extents but for the axis")))
      return failure();
  }
  Tensor result(operands[0].getElementType(), shape);
  auto [before, behind] = around(result, axis);
  int64_t target = 0;
  for (int64_t outer = 0; outer < before; ++outer)
    for (const Tensor &operand : operands) {
      int64_t count = operand.getShape()[axis] * behind;
      copyElements(operand, outer * count, result, target, count);
      target += count;
    }
  results.push_back(result);
  return success();
}

static LogicalResult interpret(ExpandOp op, Operands operands, Context &,
                               Results results) {
  auto shape = broadcastShapes(operands[0].getShape(), operands[1].getShape());
  std::optional<Tensor> result;
  if (shape)
    result = operands[0].broadcast(*shape);
  if (!result)
    return op.emitOpError() << "expects extents that broadcast";
  results.push_back(*result);
  return success();
}

static LogicalResult interpret(DimOp op, Operands operands, Context &,
                               Results results) {
  int64_t axis = op.getAxis();
  if (axis < 0)
    axis += operands[0].getRank();
  Tensor result(resultElement(op), {});
  result.integers()[0] = operands[0].getShape()[axis];
  results.push_back(result);
  return success();
}

static LogicalResult interpret(RangeOp op, Operands operands, Context &,
                               Results results) {
  int64_t limit = std::max<int64_t>(operands[0].integers()[0], 0);
  if (failed(require(op, limit <= std::numeric_limits<int32_t>::max(),
                     "a limit below 2^31")))
    return failure();
  Tensor result(resultElement(op), {limit});
  for (auto [i, value] : llvm::enumerate(result.integers()))
    value = i;
  results.push_back(result);
  return success();
}

TRANSOM_DEFINE_ATTACH

void transom::interpreter::attachPrimitiveModels(MLIRContext *context) {
  attach<NegOp, AbsOp, ExpOp, LogOp, SqrtOp, RsqrtOp, ErfOp, SigmoidOp, SinOp,
         CosOp, TanhOp, ReluOp, SiluOp, ScaleOp, GeluOp>(context);
  attach<AddOp, SubOp, MulOp, DivOp, PowOp, MaxOp, MinOp, AndOp, OrOp,
         CompareOp, SelectOp, CastOp>(context);
  attach<ReduceOp, GatherOp, ReshapeOp, TransposeOp, SliceOp, ConcatOp,
         ExpandOp, DimOp, RangeOp>(context);
}
