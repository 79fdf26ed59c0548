//===- FusedModels.cpp - reference semantics of fused ops -----------------===//

#include "ir/Interpreter/Models.h"
#include "ir/Transformer/Transformer.h"

using namespace mlir;
using namespace transom::interpreter;
using namespace transom::transformer;
using transom::interpreter::Context;

/// Runs a region of scalars on whole tensors: elementwise ops don't mind. What
/// it yields is broadcast to `shape`.
static LogicalResult runElementwise(Operation *op, Region &region,
                                    ArrayRef<Tensor> inputs,
                                    ArrayRef<int64_t> shape, Context &context,
                                    Results results) {
  SmallVector<Tensor> wide, yielded;
  for (const Tensor &input : inputs) {
    std::optional<Tensor> tensor = input.broadcast(shape);
    if (!tensor)
      return op->emitOpError() << "expects extents that broadcast, got "
                               << input.getType() << " for [" << shape << "]";
    wide.push_back(*tensor);
  }
  if (failed(context.run(region.front(), wide, yielded)))
    return failure();
  for (const Tensor &tensor : yielded)
    results.push_back(*tensor.broadcast(shape));
  return success();
}

static LogicalResult interpret(LinearOp op, Operands operands, Context &context,
                               Results results) {
  const Tensor *bias = op.getBias() ? &operands[2] : nullptr;
  FailureOr<Tensor> accumulator = linear(op, operands[0], operands[1], bias);
  if (failed(accumulator))
    return failure();
  if (op.getEpilogue().empty()) {
    results.push_back(*accumulator);
    return success();
  }
  SmallVector<Tensor> inputs{*accumulator};
  llvm::append_range(inputs, operands.drop_front(bias ? 3 : 2));
  return runElementwise(op, op.getEpilogue(), inputs, accumulator->getShape(),
                        context, results);
}

static LogicalResult interpret(ElementwiseOp op, Operands operands,
                               Context &context, Results results) {
  SmallVector<int64_t> shape;
  for (const Tensor &operand : operands) {
    auto wider = broadcastShapes(shape, operand.getShape());
    if (!wider)
      return op.emitOpError() << "expects extents that broadcast";
    shape = *wider;
  }
  return runElementwise(op, op.getBody(), operands, shape, context, results);
}

static LogicalResult interpret(AttentionOp op, Operands operands, Context &,
                               Results results) {
  const Tensor &query = operands[0], &key = operands[1], &value = operands[2];
  ArrayRef<int64_t> shape = query.getShape();
  int64_t batches = shape[0], heads = shape[1], rows = shape[2];
  int64_t size = shape[3], keyHeads = key.getShape()[1];
  int64_t keys = key.getShape()[2], valueSize = value.getShape()[3];
  if (failed(require(
          op,
          key.getShape()[0] == batches && value.getShape()[0] == batches &&
              key.getShape()[3] == size && value.getShape()[1] == keyHeads &&
              value.getShape()[2] == keys && keyHeads > 0 &&
              heads % keyHeads == 0,
          "query, key and value whose extents fit")))
    return failure();
  std::optional<Tensor> bias;
  if (op.getBias()) {
    bias = operands[3].broadcast({batches, heads, rows, keys});
    if (failed(require(op, bias.has_value(), "a bias that broadcasts")))
      return failure();
  }
  DistanceBias distances = getDistanceBias(op, operands);
  double scale = op.getScale().convertToDouble();
  Tensor result(query.getElementType(), {batches, heads, rows, valueSize});
  MutableArrayRef<double> to = result.floats();
  SmallVector<double> scores(keys);
  for (int64_t b = 0; b < batches; ++b)
    for (int64_t h = 0; h < heads; ++h) {
      int64_t group = b * keyHeads + h * keyHeads / heads;
      const double *k = key.floats().data() + group * keys * size;
      const double *v = value.floats().data() + group * keys * valueSize;
      for (int64_t i = 0; i < rows; ++i) {
        int64_t row = (b * heads + h) * rows + i;
        for (int64_t j = 0; j < keys; ++j) {
          scores[j] = scale * dot(query.floats().data() + row * size,
                                  k + j * size, size);
          if (bias)
            scores[j] += std::as_const(*bias).floats()[row * keys + j];
          scores[j] += distances.at(h, j - (i + keys - rows));
          if (op.getCausal() && j > i + keys - rows)
            scores[j] = -std::numeric_limits<double>::infinity();
        }
        // Of a row that may see nothing, nothing comes.
        if (op.getCausal() && i + keys - rows < 0)
          continue;
        softmaxInPlace(scores);
        for (int64_t j = 0; j < keys; ++j)
          for (int64_t d = 0; d < valueSize; ++d)
            to[row * valueSize + d] += scores[j] * v[j * valueSize + d];
      }
    }
  results.push_back(result);
  return success();
}

static LogicalResult interpret(RaggedAttentionOp op, Operands operands,
                               Context &, Results results) {
  const Tensor &query = operands[0], &key = operands[1], &value = operands[2];
  ArrayRef<int64_t> queryOffsets = operands[3].integers(),
                    keyOffsets = operands[4].integers(),
                    keyLengths = operands[5].integers();
  int64_t heads = op.getHeads(), keyHeads = op.getKeyHeads();
  int64_t width = query.getShape()[1], keyWidth = key.getShape()[1];
  int64_t size = width / heads, sequences = keyLengths.size();
  int64_t rows = query.getShape()[0], keyRows = key.getShape()[0];
  if (failed(
          require(op,
                  static_cast<int64_t>(queryOffsets.size()) == sequences + 1 &&
                      static_cast<int64_t>(keyOffsets.size()) == sequences + 1,
                  "one offset more than there are lengths")) ||
      failed(require(
          op, value.getShape() == key.getShape() && keyWidth == keyHeads * size,
          "key and value whose extents fit")))
    return failure();
  DistanceBias distances = getDistanceBias(op, operands);
  double scale = op.getScale().convertToDouble();
  Tensor result(query.getElementType(), query.getShape());
  MutableArrayRef<double> to = result.floats();
  for (int64_t s = 0; s < sequences; ++s) {
    int64_t begin = queryOffsets[s], end = queryOffsets[s + 1];
    int64_t first = keyOffsets[s], keys = keyLengths[s];
    if (failed(require(op,
                       0 <= begin && begin <= end && end <= rows &&
                           0 <= first && 0 <= keys && first + keys <= keyRows,
                       "sequences that lie within the rows")))
      return failure();
    SmallVector<double> scores;
    for (int64_t i = begin; i < end; ++i) {
      // The last query sees all keys, the one before all but the last.
      int64_t last = keys - 1 - (end - 1 - i);
      int64_t seen =
          op.getCausal() ? std::clamp<int64_t>(last + 1, 0, keys) : keys;
      scores.resize(seen);
      for (int64_t h = 0; h < heads; ++h) {
        int64_t group = h * keyHeads / heads * size;
        for (int64_t j = 0; j < seen; ++j)
          scores[j] =
              distances.at(h, j - last) +
              scale * dot(query.floats().data() + i * width + h * size,
                          key.floats().data() + (first + j) * keyWidth + group,
                          size);
        softmaxInPlace(scores);
        for (int64_t j = 0; j < seen; ++j)
          for (int64_t d = 0; d < size; ++d)
            to[i * width + h * size + d] +=
                scores[j] * value.floats()[(first + j) * keyWidth + group + d];
      }
    }
  }
  results.push_back(result);
  return success();
}

/// Both norms: the normalized sum and the sum.
static LogicalResult addAndNormalize(Operation *op, Operands operands,
                                     const Tensor *beta, double epsilon,
                                     Results results) {
  if (failed(require(op, operands[0].getShape() == operands[1].getShape(),
                     "input and residual of equal extents")))
    return failure();
  Tensor sum = operands[0];
  for (auto [value, residual] :
       llvm::zip_equal(sum.floats(), operands[1].floats()))
    value += residual;
  FailureOr<Tensor> result = normalize(op, sum, operands[2], beta, epsilon);
  if (failed(result))
    return failure();
  results.append({*result, sum});
  return success();
}

static LogicalResult interpret(AddLayerNormOp op, Operands operands, Context &,
                               Results results) {
  return addAndNormalize(op, operands, &operands[3],
                         op.getEpsilon().convertToDouble(), results);
}

static LogicalResult interpret(AddRmsNormOp op, Operands operands, Context &,
                               Results results) {
  return addAndNormalize(op, operands, /*beta=*/nullptr,
                         op.getEpsilon().convertToDouble(), results);
}

TRANSOM_DEFINE_ATTACH

void transom::interpreter::attachFusedModels(MLIRContext *context) {
  attach<LinearOp, ElementwiseOp, AttentionOp, RaggedAttentionOp,
         AddLayerNormOp, AddRmsNormOp>(context);
}
