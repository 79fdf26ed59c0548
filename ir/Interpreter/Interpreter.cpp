//===- Interpreter.cpp - what a program means, in numbers -----------------===//

#include "ir/Interpreter/Interpreter.h"

#include "ir/Interpreter/Models.h"
#include "ir/Kernel/Kernel.h"
#include "ir/Transformer/Transformer.h"

#include "mlir/Dialect/Arith/IR/Arith.h"
#include "mlir/IR/TypeUtilities.h"
#include "llvm/Support/Parallel.h"

using namespace mlir;
using namespace transom;
using namespace transom::interpreter;

#include "ir/Interpreter/InterpreterInterfaces.cpp.inc"

//===----------------------------------------------------------------------===//
// Running
//===----------------------------------------------------------------------===//

/// Whether a tensor is a value of `type`: a scalar's is of rank 0, but inside
/// regions scalars stand for whole tensors.
static bool isValueOf(const Tensor &tensor, Type type) {
  if (getElementTypeOrSelf(type) != tensor.getElementType())
    return false;
  auto shaped = dyn_cast<RankedTensorType>(type);
  return !shaped || transformer::areCompatible(shaped, tensor.getType());
}

LogicalResult Context::run(Block &block, ArrayRef<Tensor> arguments,
                           SmallVectorImpl<Tensor> &results) {
  // Values go after their last use: all activations of a model at once would be
  // large in double precision.
  llvm::DenseMap<Value, Tensor> values;
  llvm::DenseMap<Value, int64_t> uses;
  auto define = [&](Value value, const Tensor &tensor) {
    if (value.use_empty())
      return;
    values[value] = tensor;
    uses[value] = std::distance(value.use_begin(), value.use_end());
  };
  for (auto [argument, tensor] :
       llvm::zip_equal(block.getArguments(), arguments))
    define(argument, tensor);

  for (Operation &op : block) {
    SmallVector<Tensor> operands;
    for (Value operand : op.getOperands()) {
      auto found = values.find(operand);
      if (found == values.end())
        return op.emitOpError() << "uses a value from outside of its region";
      operands.push_back(found->second);
    }
    for (Value operand : op.getOperands())
      if (--uses[operand] == 0)
        values.erase(operand);
    if (op.hasTrait<OpTrait::IsTerminator>()) {
      results.assign(operands.begin(), operands.end());
      return success();
    }
    auto interpretable = dyn_cast<InterpretableOpInterface>(op);
    if (!interpretable)
      return op.emitOpError() << "has no reference semantics";
    SmallVector<Tensor> computed;
    if (failed(interpretable.interpret(operands, *this, computed)))
      return failure();
    for (auto [result, tensor] : llvm::zip_equal(op.getResults(), computed)) {
      if (!isValueOf(tensor, result.getType()))
        return op.emitOpError() << "computes " << tensor.getType()
                                << " for a result of " << result.getType();
      define(result, tensor);
    }
  }
  return success();
}

LogicalResult Context::run(FunctionOpInterface function,
                           ArrayRef<Tensor> arguments,
                           SmallVectorImpl<Tensor> &results) {
  if (auto program = dyn_cast<InterpretableOpInterface>(*function))
    return program.interpret(arguments, *this, results);
  if (function.isExternal() || !function.getFunctionBody().hasOneBlock())
    return function.emitOpError() << "expects one block to run";
  if (arguments.size() != function.getNumArguments())
    return function.emitOpError() << "expects " << function.getNumArguments()
                                  << " arguments, got " << arguments.size();
  for (auto [number, tensor] : llvm::enumerate(arguments))
    if (Type type = function.getArgumentTypes()[number];
        !isValueOf(tensor, type))
      return function.emitOpError() << "argument " << number << " expects "
                                    << type << ", got " << tensor.getType();
  return run(function.getFunctionBody().front(), arguments, results);
}

//===----------------------------------------------------------------------===//
// Weights
//===----------------------------------------------------------------------===//

/// Appends the numbers of one tensor of the checkpoint.
static llvm::Error appendSource(const WeightSource &weights,
                                transformer::SourceAttr source,
                                MutableArrayRef<double> &rest) {
  llvm::Expected<TensorView> view = weights.lookup(source.getTensor());
  if (!view)
    return view.takeError();
  std::vector<float> stored(view->numElements());
  readAsFloat(*view, 0, stored);
  weights.release(*view);
  if (source.getTransposed() && view->shape.size() == 2) {
    int64_t rows = view->shape[0], columns = view->shape[1];
    std::vector<float> transposed(stored.size());
    for (int64_t i = 0; i < rows; ++i)
      for (int64_t j = 0; j < columns; ++j)
        transposed[j * rows + i] = stored[i * columns + j];
    stored = std::move(transposed);
    std::swap(view->shape[0], view->shape[1]);
  }
  if (!source.getColumns().empty() && view->shape.size() == 2) {
    std::vector<float> chosen;
    for (int64_t i = 0; i < view->shape[0]; ++i)
      for (int64_t column : source.getColumns()) {
        if (column >= view->shape[1])
          return llvm::createStringError("\"" + source.getTensor() +
                                         "\" has no column " +
                                         std::to_string(column));
        chosen.push_back(stored[i * view->shape[1] + column]);
      }
    stored = std::move(chosen);
  }
  if (stored.size() > rest.size())
    return llvm::createStringError("\"" + source.getTensor() +
                                   "\" has more elements than the weight");
  llvm::copy(stored, rest.begin());
  rest = rest.drop_front(stored.size());
  return llvm::Error::success();
}

FailureOr<Tensor> Context::getWeight(Operation *op, FlatSymbolRefAttr symbol) {
  auto weight = dyn_cast_or_null<transformer::WeightOp>(lookup(op, symbol));
  if (!weight)
    return op->emitOpError() << "expects " << symbol << " to be a weight";
  if (ElementsAttr value = weight.getValueAttr()) {
    std::optional<Tensor> tensor = Tensor::fromAttribute(value);
    if (!tensor)
      return op->emitOpError() << "cannot read the value of " << symbol;
    return *tensor;
  }
  auto type = dyn_cast<RankedTensorType>(weight.getType());
  if (!weights || !type || !type.hasStaticShape() ||
      !type.getElementType().isFloat())
    return op->emitOpError()
           << "has no checkpoint to read " << symbol << " from";
  Tensor tensor(type.getElementType(), type.getShape());
  MutableArrayRef<double> rest = tensor.floats();
  for (auto source :
       weight.getSourcesAttr().getAsRange<transformer::SourceAttr>())
    if (llvm::Error error = appendSource(*weights, source, rest))
      return op->emitOpError()
             << "cannot read " << symbol << ": " << toString(std::move(error));
  if (!rest.empty())
    return op->emitOpError()
           << "cannot read " << symbol << ": its sources have fewer elements";
  return tensor;
}

//===----------------------------------------------------------------------===//
// Shared arithmetic
//===----------------------------------------------------------------------===//

double transom::interpreter::dot(const double *lhs, const double *rhs,
                                 int64_t count) {
  constexpr int64_t lanes = 8;
  double sums[lanes] = {};
  int64_t i = 0;
  for (; i + lanes <= count; i += lanes)
    for (int64_t lane = 0; lane < lanes; ++lane)
      sums[lane] += lhs[i + lane] * rhs[i + lane];
  double sum = 0;
  for (double partial : sums)
    sum += partial;
  for (; i < count; ++i)
    sum += lhs[i] * rhs[i];
  return sum;
}

void transom::interpreter::multiplyTransposed(const double *lhs,
                                              const double *rhs, double *result,
                                              int64_t rows, int64_t columns,
                                              int64_t depth) {
  // A block of rhs rows stays in the cache for all rows of lhs.
  constexpr int64_t block = 16;
  llvm::parallelFor(0, llvm::divideCeil(columns, block), [&](size_t number) {
    int64_t begin = number * block, end = std::min(begin + block, columns);
    for (int64_t i = 0; i < rows; ++i)
      for (int64_t j = begin; j < end; ++j)
        result[i * columns + j] = dot(lhs + i * depth, rhs + j * depth, depth);
  });
}

void transom::interpreter::softmaxInPlace(MutableArrayRef<double> row) {
  if (row.empty())
    return;
  double largest = *llvm::max_element(row), sum = 0;
  for (double &value : row)
    sum += value = std::exp(value - largest);
  for (double &value : row)
    value /= sum;
}

//===----------------------------------------------------------------------===//
// Registration
//===----------------------------------------------------------------------===//

static LogicalResult interpret(arith::ConstantOp op, Operands, Context &,
                               Results results) {
  std::optional<Tensor> tensor = Tensor::fromAttribute(op.getValue());
  if (!tensor)
    return op.emitOpError() << "has a value that cannot be read";
  results.push_back(*tensor);
  return success();
}

TRANSOM_DEFINE_ATTACH

void transom::interpreter::registerInterpreterModels(
    DialectRegistry &registry) {
  registry.addExtension(
      +[](MLIRContext *context, transformer::TransformerDialect *) {
        attachPrimitiveModels(context);
        attachDefinitionModels(context);
        attachFusedModels(context);
        attachCacheModels(context);
      });
  registry.addExtension(+[](MLIRContext *context, kernel::KernelDialect *) {
    attachKernelModels(context);
  });
  registry.addExtension(+[](MLIRContext *context, arith::ArithDialect *) {
    attach<arith::ConstantOp>(context);
  });
}
