//===- KernelModels.cpp - calls, and programs on a real arena -------------===//
//
// A program runs on bytes, where its plan says: f32 as kernels store it, rows
// as far apart, columns and rows of padding written with garbage as kernels may
// do, and NaN where nothing was written. A plan that lets one activation
// overwrite another gives wrong numbers here as it would in a compiled library.
//
//===----------------------------------------------------------------------===//

#include "ir/Interpreter/Models.h"
#include "ir/Kernel/Kernel.h"
#include "ir/Kernel/Layout.h"
#include "ir/Transformer/Transformer.h"

#include "llvm/Support/MathExtras.h"

using namespace mlir;
using namespace transom;
using namespace transom::interpreter;
using transom::interpreter::Context;

/// [rows, W] with column `at` first.
static Tensor rotateColumns(const Tensor &tensor, int64_t at) {
  Tensor result = tensor;
  int64_t width = tensor.getShape()[1];
  double *row = result.floats().data();
  for (int64_t i = 0; i < tensor.getShape()[0]; ++i, row += width)
    std::rotate(row, row + at, row + width);
  return result;
}

static LogicalResult interpret(kernel::CallOp op, Operands operands,
                               Context &context, Results results) {
  auto define = dyn_cast_or_null<kernel::DefineOp>(
      context.lookup(op, op.getCalleeAttr()));
  if (!define)
    return op.emitOpError()
           << "expects " << op.getCalleeAttr() << " to be a kernel";
  std::optional<int64_t> at = op.getAt();
  if (!at)
    return context.run(define, operands, results);
  // Of a layer: the callee's begins at column 0.
  SmallVector<Tensor> arguments(operands);
  Tensor &cache = arguments[*define.getCacheArgument()];
  int64_t width = cache.getShape()[1];
  cache = rotateColumns(cache, *at);
  if (failed(context.run(define, arguments, results)))
    return failure();
  if (define.getUpdatedArgument())
    results[0] = rotateColumns(results[0], width - *at);
  return success();
}

namespace {

/// One run of a program.
class Machine {
public:
  Machine(kernel::ProgramOp program, Context &context)
      : program(program), context(context) {}

  LogicalResult run(Operands inputs, Results results);

private:
  LogicalResult bindInputs(Operands inputs);
  LogicalResult launch(kernel::LaunchOp op);
  FailureOr<Tensor> load(Operation *op, Value buffer);
  LogicalResult poison(Operation *op, Value buffer);
  LogicalResult store(Operation *op, Value buffer, const Tensor &tensor);
  FailureOr<char *> locate(Operation *op, Value buffer);
  int64_t padded(unsigned extent) const {
    return llvm::alignTo(extents[extent].value_or(0), kernel::rowsAlignment);
  }

  kernel::ProgramOp program;
  Context &context;
  llvm::DenseMap<Value, Tensor> inputs;
  /// Unknown until an input has it.
  std::array<std::optional<int64_t>, kernel::getMaxEnumValForExtent() + 1>
      extents;
  std::vector<char> arena;
};

LogicalResult Machine::bindInputs(Operands arguments) {
  Block &body = program.getBody().front();
  if (arguments.size() != body.getNumArguments())
    return program.emitOpError() << "expects " << body.getNumArguments()
                                 << " arguments, got " << arguments.size();
  for (auto [argument, tensor] :
       llvm::zip_equal(body.getArguments(), arguments)) {
    auto type = cast<kernel::BufferType>(argument.getType());
    if (!transformer::areCompatible(type.getTensor(), tensor.getType()) ||
        !type.getExtent())
      return program.emitOpError()
             << "argument " << argument.getArgNumber() << " expects "
             << type.getTensor() << ", got " << tensor.getType();
    int64_t rows = tensor.getShape()[0] - type.getSlack();
    auto &extent = extents[static_cast<unsigned>(*type.getExtent())];
    if (extent && *extent != rows)
      return program.emitOpError()
             << "argument " << argument.getArgNumber() << " has " << rows
             << " rows, another of the same extent has " << *extent;
    extent = rows;
    inputs[argument] = tensor;
  }
  return success();
}

/// Where a slot begins, for its rows rounded up.
FailureOr<char *> Machine::locate(Operation *op, Value buffer) {
  auto slot = buffer.getDefiningOp<kernel::SlotOp>();
  if (!slot)
    return op->emitOpError() << "expects a slot of the arena";
  auto type = cast<kernel::BufferType>(buffer.getType());
  int64_t begin = 0;
  for (auto [extent, offset] : llvm::enumerate(slot.getOffset()))
    begin += offset * padded(extent);
  int64_t bytes = kernel::getRowBytes(type.getTensor()) *
                  padded(static_cast<unsigned>(*type.getExtent()));
  if (begin < 0 || begin + bytes > static_cast<int64_t>(arena.size()))
    return op->emitOpError() << "slot lies outside of the arena";
  return arena.data() + begin;
}

FailureOr<Tensor> Machine::load(Operation *op, Value buffer) {
  if (auto weight = buffer.getDefiningOp<kernel::WeightOp>())
    return context.getWeight(op, weight.getWeightAttr());
  if (auto input = inputs.find(buffer); input != inputs.end())
    return input->second;
  if (auto layer = buffer.getDefiningOp<kernel::LayerOp>()) {
    FailureOr<Tensor> cache = load(op, layer.getCache());
    if (failed(cache))
      return failure();
    return rotateColumns(*cache, layer.getAt());
  }
  FailureOr<char *> at = locate(op, buffer);
  if (failed(at))
    return failure();
  auto type = cast<kernel::BufferType>(buffer.getType());
  SmallVector<int64_t> shape(type.getTensor().getShape());
  shape[0] = *extents[static_cast<unsigned>(*type.getExtent())];
  Tensor tensor(type.getTensor().getElementType(), shape);
  int64_t width = shape.size() == 2 ? shape[1] : 1;
  for (int64_t row = 0; row < shape[0]; ++row) {
    const char *bytes = *at + row * kernel::getRowBytes(type.getTensor());
    for (int64_t column = 0; column < width; ++column) {
      if (tensor.isFloat()) {
        float value;
        memcpy(&value, bytes + column * sizeof value, sizeof value);
        tensor.floats()[row * width + column] = value;
      } else {
        int32_t value;
        memcpy(&value, bytes + column * sizeof value, sizeof value);
        tensor.integers()[row * width + column] = value;
      }
    }
  }
  return tensor;
}

/// Fills a slot, all of its padding too, with NaN.
LogicalResult Machine::poison(Operation *op, Value buffer) {
  FailureOr<char *> at = locate(op, buffer);
  if (failed(at))
    return failure();
  auto type = cast<kernel::BufferType>(buffer.getType());
  memset(*at, 0xff,
         kernel::getRowBytes(type.getTensor()) *
             padded(static_cast<unsigned>(*type.getExtent())));
  return success();
}

/// Writes a result's numbers; the padding stays as `poison` left it.
LogicalResult Machine::store(Operation *op, Value buffer,
                             const Tensor &tensor) {
  // In place: an argument of the program, or a layer of one.
  if (auto layer = buffer.getDefiningOp<kernel::LayerOp>())
    return store(op, layer.getCache(),
                 rotateColumns(tensor, tensor.getShape()[1] - layer.getAt()));
  if (auto input = inputs.find(buffer); input != inputs.end()) {
    input->second = tensor;
    input->second.roundTo(tensor.getElementType());
    return success();
  }
  FailureOr<char *> at = locate(op, buffer);
  if (failed(at))
    return failure();
  auto type = cast<kernel::BufferType>(buffer.getType());
  Type element = type.getTensor().getElementType();
  if (!element.isF32() && !element.isInteger(32))
    return op->emitOpError() << "expects slots of f32 or i32, got " << element;
  int64_t rowBytes = kernel::getRowBytes(type.getTensor());
  int64_t rows = tensor.getShape()[0];
  int64_t width = tensor.getRank() == 2 ? tensor.getShape()[1] : 1;
  for (int64_t row = 0; row < rows; ++row)
    for (int64_t column = 0; column < width; ++column) {
      char *to = *at + row * rowBytes + column * sizeof(float);
      if (tensor.isFloat()) {
        float value = tensor.floats()[row * width + column];
        memcpy(to, &value, sizeof value);
      } else {
        int32_t value = tensor.integers()[row * width + column];
        memcpy(to, &value, sizeof value);
      }
    }
  return success();
}

LogicalResult Machine::launch(kernel::LaunchOp op) {
  auto define = dyn_cast_or_null<kernel::DefineOp>(
      context.lookup(op, op.getCalleeAttr()));
  if (!define)
    return op.emitOpError()
           << "expects " << op.getCalleeAttr() << " to be a kernel";
  SmallVector<Tensor> operands, results;
  // A kernel's tasks run in any order: what it writes may be gone before the
  // last of it is read. But what is changed in place keeps the rest.
  for (Value buffer : op.getWrites())
    if (!llvm::is_contained(op.getReads(), buffer) &&
        failed(poison(op, buffer)))
      return failure();
  for (Value buffer : op.getReads()) {
    FailureOr<Tensor> tensor = load(op, buffer);
    if (failed(tensor))
      return failure();
    operands.push_back(*tensor);
  }
  if (failed(context.run(define, operands, results)))
    return failure();
  for (auto [buffer, tensor] : llvm::zip_equal(op.getWrites(), results))
    if (failed(store(op, buffer, tensor)))
      return failure();
  return success();
}

LogicalResult Machine::run(Operands arguments, Results results) {
  if (failed(bindInputs(arguments)))
    return failure();
  int64_t bytes = 0;
  for (auto [extent, perRow] : llvm::enumerate(program.getArena()))
    bytes += perRow * padded(extent);
  arena.assign(bytes, '\xff'); // Reads as NaN.

  for (Operation &op : program.getBody().front()) {
    if (auto launched = dyn_cast<kernel::LaunchOp>(op)) {
      bool needed = llvm::any_of(launched.getOutputs(), [&](int64_t output) {
        return context.requested >> output & 1;
      });
      if (needed && failed(launch(launched)))
        return failure();
    }
  }
  for (Value result :
       program.getBody().front().getTerminator()->getOperands()) {
    FailureOr<Tensor> tensor = load(program, result);
    if (failed(tensor))
      return failure();
    results.push_back(*tensor);
  }
  return success();
}

} // namespace

static LogicalResult interpret(kernel::ProgramOp op, Operands operands,
                               Context &context, Results results) {
  return Machine(op, context).run(operands, results);
}

TRANSOM_DEFINE_ATTACH

void transom::interpreter::attachKernelModels(MLIRContext *context) {
  attach<kernel::CallOp, kernel::ProgramOp>(context);
}
