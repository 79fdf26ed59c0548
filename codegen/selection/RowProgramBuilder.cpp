//===- RowProgramBuilder.cpp - chains of row-wise ops -> RowProgram -------===//
//
// Expressions have no shapes: a value that is one per row, per column, or one
// in all simply repeats. So only the tensors that are read, and reductions,
// need their types looked at.
//
// What an op means is said once, in ir/Transformer/Decompose.cpp: softmax and
// norms were spelled out here as well, and had begun to differ from it (a
// product with 1 / sqrt here, a quotient there). Activations stay whole: their
// expressions are polynomials that cost half of what decompositions would.
//
//===----------------------------------------------------------------------===//

#include "codegen/selection/RowProgramBuilder.h"
#include "codegen/selection/Define.h"
#include "ir/Transformer/Transformer.h"

#include "mlir/Dialect/Arith/IR/Arith.h"
#include "mlir/IR/Matchers.h"
#include "llvm/ADT/TypeSwitch.h"
#include "llvm/Support/SaveAndRestore.h"

using namespace mlir;
using namespace transom;
using namespace transom::codegen;

using Kind = Expression::Kind;

int RowProgramBuilder::add(Kind kind, std::vector<int> operands) {
  Expression expression;
  expression.kind = kind;
  expression.operands = std::move(operands);
  expressions.push_back(std::move(expression));
  return expressions.size() - 1;
}

int RowProgramBuilder::constant(double value) {
  int result = add(Kind::Constant, {});
  expressions[result].constant = value;
  return result;
}

/// A value that is one per row already is its own maximum; its sum counts once
/// for its one column.
int RowProgramBuilder::reduce(Kind kind, int value, int64_t operandWidth) {
  return operandWidth == 1 && width != 1 ? value : add(kind, {value});
}

void RowProgramBuilder::bindAccumulator(Value value) {
  assert(expressions.empty() && "the accumulator is input 0");
  firstOperand = 1;
  values[value] = add(Kind::Input, {});
}

LogicalResult RowProgramBuilder::addResult(Value value) {
  FailureOr<int> result = translate(value);
  if (failed(result))
    return failure();
  results.push_back(*result);
  return success();
}

/// Names what the model says: a part of a decomposition is of no use to a
/// reader.
InFlightDiagnostic RowProgramBuilder::refuse(Operation *op) const {
  op = decomposed ? decomposed : op;
  return op->emitError() << "no kernel accepts '" << op->getName() << "' ";
}

FailureOr<int> RowProgramBuilder::input(Value tensor) {
  auto type = cast<RankedTensorType>(tensor.getType());
  auto refuseTensor = [&](StringRef why) -> FailureOr<int> {
    return emitError(tensor.getLoc())
           << "no kernel reads " << type << " " << why;
  };
  std::optional<ColumnView> view = columnViewOf(tensor);
  if (!view)
    return refuseTensor("that is sliced along other dimensions than columns");
  if (view->type != f32)
    return refuseTensor("element by element; expected elements of f32");

  ProgramOperand operand;
  int64_t columns = widthOf(tensor);
  bool hasRows = type.getRank() == 2 && type.getDimSize(0) != 1;
  if (type.getRank() > 2 || (columns != 1 && columns != width) ||
      (type.getRank() == 1 && type.isDynamicDim(0)))
    return refuseTensor(("by rows of " + Twine(width) + "; expected [rows, " +
                         Twine(width) + "], [rows, 1], [" + Twine(width) +
                         "] or a scalar")
                            .str());
  if (hasRows && columns == width)
    operand.broadcast = Broadcast::None;
  else if (hasRows)
    operand.broadcast = Broadcast::PerRow;
  else
    operand.broadcast = columns == width && width != 1 ? Broadcast::PerColumn
                                                       : Broadcast::Scalar;
  if (hasRows)
    operand.stride = view->stride;
  operand.offset = view->offset;
  if (!hasRows && operand.offset != 0) // It is packed from its first column.
    return refuseTensor("from a column that is not the first");

  int value = add(Kind::Input, {});
  expressions[value].index = firstOperand + inputs.size();
  inputs.push_back(operand);
  inputArguments.push_back(view->argument);
  return value;
}

FailureOr<int> RowProgramBuilder::translate(Value value) {
  if (auto known = values.find(value); known != values.end())
    return known->second;
  Operation *op = value.getDefiningOp();
  FailureOr<int> result;
  if (!op || isa<transformer::SliceOp>(op)) {
    result = input(value);
  } else if (DenseElementsAttr dense; matchPattern(value, m_Constant(&dense))) {
    if (!dense.isSplat() || !isa<FloatType>(dense.getElementType()))
      return refuse(op) << "that is neither a weight nor one repeated number";
    result = constant(dense.getSplatValue<APFloat>().convertToDouble());
  } else {
    result = translate(op, cast<OpResult>(value).getResultNumber());
  }
  if (succeeded(result))
    values[value] = *result;
  return result;
}

static std::optional<Kind> unaryKind(Operation *op) {
  return TypeSwitch<Operation *, std::optional<Kind>>(op)
      .Case([](transformer::NegOp) { return Kind::Neg; })
      .Case([](transformer::AbsOp) { return Kind::Abs; })
      .Case([](transformer::ExpOp) { return Kind::Exp; })
      .Case([](transformer::LogOp) { return Kind::Log; })
      .Case([](transformer::SqrtOp) { return Kind::Sqrt; })
      .Case([](transformer::RsqrtOp) { return Kind::Rsqrt; })
      .Case([](transformer::ErfOp) { return Kind::Erf; })
      .Case([](transformer::TanhOp) { return Kind::Tanh; })
      .Case([](transformer::SigmoidOp) { return Kind::Sigmoid; })
      .Case([](transformer::SinOp) { return Kind::Sin; })
      .Case([](transformer::CosOp) { return Kind::Cos; })
      .Case([](transformer::ReluOp) { return Kind::Relu; })
      .Case([](transformer::SiluOp) { return Kind::Silu; })
      .Case([](transformer::GeluOp gelu) {
        return gelu.getApproximation() == transformer::GeluApproximation::Tanh
                   ? Kind::GeluTanh
                   : Kind::Gelu;
      })
      .Default(std::nullopt);
}

static std::optional<Kind> binaryKind(Operation *op) {
  return TypeSwitch<Operation *, std::optional<Kind>>(op)
      .Case([](transformer::AddOp) { return Kind::Add; })
      .Case([](transformer::SubOp) { return Kind::Sub; })
      .Case([](transformer::MulOp) { return Kind::Mul; })
      .Case([](transformer::DivOp) { return Kind::Div; })
      .Case([](transformer::PowOp) { return Kind::Pow; })
      .Case([](transformer::MaxOp) { return Kind::Max; })
      .Case([](transformer::MinOp) { return Kind::Min; })
      // Truth is 1 or 0.
      .Case([](transformer::AndOp) { return Kind::Mul; })
      .Case([](transformer::OrOp) { return Kind::Max; })
      .Default(std::nullopt);
}

/// f32 and truth values are what expressions can hold.
static bool isComputable(Type type) {
  Type element = getElementTypeOrSelf(type);
  return element.isF32() || element.isInteger(1);
}

FailureOr<int> RowProgramBuilder::translate(Operation *op, unsigned result) {
  for (Type type : llvm::concat<Type>(llvm::to_vector(op->getOperandTypes()),
                                      llvm::to_vector(op->getResultTypes())))
    if (!isComputable(type))
      return refuse(op) << "on " << type << "; expected elements of f32";

  // Repeating a value takes no work.
  if (auto expand = dyn_cast<transformer::ExpandOp>(op))
    return translate(expand->getOperand(0));
  std::optional<Kind> unary = unaryKind(op), binary = binaryKind(op);
  if (!unary && !binary &&
      !isa<transformer::ScaleOp, transformer::CompareOp, transformer::SelectOp,
           transformer::CastOp, transformer::ReshapeOp, transformer::ReduceOp>(
          op))
    return translateDecomposed(op, result);

  SmallVector<int> operands;
  for (Value operand : op->getOperands()) {
    FailureOr<int> value = translate(operand);
    if (failed(value))
      return failure();
    operands.push_back(*value);
  }
  if (unary)
    return add(*unary, {operands[0]});
  if (binary)
    return add(*binary, {operands[0], operands[1]});

  int64_t operandWidth = widthOf(op->getOperand(0));
  return TypeSwitch<Operation *, FailureOr<int>>(op)
      .Case([&](transformer::ScaleOp scale) {
        int factor = constant(scale.getFactor().convertToFloat());
        return add(Kind::Mul, {operands[0], factor});
      })
      .Case([&](transformer::CompareOp compare) {
        int a = operands[0], b = operands[1];
        switch (compare.getRelation()) {
        case transformer::Comparison::EQ:
          return add(Kind::CompareEq, {a, b});
        case transformer::Comparison::NE:
          return add(Kind::Sub, {constant(1.0), add(Kind::CompareEq, {a, b})});
        case transformer::Comparison::LT:
          return add(Kind::CompareLt, {a, b});
        case transformer::Comparison::LE:
          return add(Kind::CompareLe, {a, b});
        case transformer::Comparison::GT:
          return add(Kind::CompareLt, {b, a});
        case transformer::Comparison::GE:
          return add(Kind::CompareLe, {b, a});
        }
        llvm_unreachable("no such relation");
      })
      .Case([&](transformer::SelectOp) {
        return add(Kind::Select, {operands[0], operands[1], operands[2]});
      })
      .Case([&](transformer::CastOp cast) {
        Type from = getElementTypeOrSelf(cast.getInput().getType());
        Type to = getElementTypeOrSelf(cast.getResult().getType());
        if (from.isF32() && to.isInteger(1))
          return add(Kind::Sub,
                     {constant(1.0),
                      add(Kind::CompareEq, {operands[0], constant(0.0)})});
        return operands[0];
      })
      .Case([&](transformer::ReshapeOp) -> FailureOr<int> {
        auto from = cast<RankedTensorType>(op->getOperandTypes().front());
        auto to = cast<RankedTensorType>(op->getResultTypes().front());
        if (from.getRank() != 2 || operandWidth != 1 || to.getRank() != 1)
          return refuse(op) << "but for [rows, 1] to [rows]";
        return operands[0];
      })
      .Case([&](transformer::ReduceOp reduction) -> FailureOr<int> {
        auto type = cast<RankedTensorType>(reduction.getInput().getType());
        ArrayRef<int64_t> axes = reduction.getAxes();
        if (axes.size() != 1 ||
            (axes[0] != -1 && axes[0] != type.getRank() - 1) ||
            !reduction.getKeepDims())
          return refuse(op) << "along other axes than the last one, kept";
        switch (reduction.getKind()) {
        case transformer::Reduction::Sum:
          return reduce(Kind::ReduceSum, operands[0], operandWidth);
        case transformer::Reduction::Mean:
          if (operandWidth == 1)
            return operands[0];
          return add(Kind::Mul,
                     {add(Kind::ReduceSum, {operands[0]}),
                      constant(1.0 / static_cast<double>(operandWidth))});
        case transformer::Reduction::Max:
          return reduce(Kind::ReduceMax, operands[0], operandWidth);
        case transformer::Reduction::Min:
          return reduce(Kind::ReduceMin, operands[0], operandWidth);
        }
        llvm_unreachable("no such reduction");
      });
}

/// By what it means, in simpler ops.
FailureOr<int> RowProgramBuilder::translateDecomposed(Operation *op,
                                                      unsigned result) {
  auto [known, isNew] = decompositions.try_emplace(op);
  if (isNew) {
    auto decomposable = dyn_cast<transformer::DecomposableOpInterface>(op);
    OpBuilder builder(op);
    FailureOr<SmallVector<Value>> simpler =
        decomposable ? decomposable.decompose(builder)
                     : FailureOr<SmallVector<Value>>();
    if (failed(simpler)) {
      SmallVector<Type> types(
          (decomposed ? decomposed : op)->getOperandTypes());
      return refuse(op) << "on " << types;
    }
    known->second = std::move(*simpler);
  }
  llvm::SaveAndRestore<Operation *> part(decomposed,
                                         decomposed ? decomposed : op);
  return translate(known->second[result]);
}
