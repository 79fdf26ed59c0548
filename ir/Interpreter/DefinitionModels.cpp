//===- DefinitionModels.cpp - reference semantics of definition ops -------===//

#include "ir/Interpreter/Models.h"
#include "ir/Transformer/Transformer.h"

#include <cmath>

using namespace mlir;
using namespace transom::interpreter;
using namespace transom::transformer;
using transom::interpreter::Context;

//===----------------------------------------------------------------------===//
// Weights, embeddings, linear algebra
//===----------------------------------------------------------------------===//

static LogicalResult interpret(GetWeightOp op, Operands, Context &context,
                               Results results) {
  FailureOr<Tensor> weight = context.getWeight(op, op.getWeightAttr());
  if (failed(weight))
    return failure();
  results.push_back(*weight);
  return success();
}

static LogicalResult interpret(EmbeddingOp op, Operands operands, Context &,
                               Results results) {
  const Tensor &ids = operands[0], &table = operands[1];
  int64_t rows = table.getShape()[0], width = table.getShape()[1];
  SmallVector<int64_t> shape(ids.getShape());
  shape.push_back(width);
  Tensor result(table.getElementType(), shape);
  double *target = result.floats().data();
  for (int64_t id : ids.integers()) {
    if (id < -1 || id >= rows)
      return op.emitOpError() << "id " << id << " lies outside of a table of "
                              << rows << " rows";
    if (id >= 0)
      llvm::copy(table.floats().slice(id * width, width), target);
    target += width;
  }
  results.push_back(result);
  return success();
}

FailureOr<Tensor> transom::interpreter::linear(Operation *op,
                                               const Tensor &input,
                                               const Tensor &weight,
                                               const Tensor *bias) {
  int64_t columns = weight.getShape()[0], depth = weight.getShape()[1];
  if (failed(require(op, input.getShape().back() == depth,
                     "an input as wide as the weight")) ||
      (bias && failed(require(op, bias->getNumElements() == columns,
                              "a bias as long as the weight"))))
    return failure();
  SmallVector<int64_t> shape(input.getShape().drop_back());
  int64_t rows = llvm::product_of(shape);
  shape.push_back(columns);
  Tensor result(weight.getElementType(), shape);
  double *to = result.floats().data();
  multiplyTransposed(input.floats().data(), weight.floats().data(), to, rows,
                     columns, depth);
  if (bias)
    for (int64_t i = 0; i < rows; ++i)
      for (int64_t j = 0; j < columns; ++j)
        to[i * columns + j] += bias->floats()[j];
  return result;
}

static LogicalResult interpret(MatmulOp op, Operands operands, Context &,
                               Results results) {
  const Tensor &lhs = operands[0];
  int64_t rank = lhs.getRank();
  // Rows of the transposed rhs lie together.
  Tensor rhs = operands[1];
  if (!op.getTransposeRhs()) {
    auto order = llvm::to_vector(llvm::seq<int64_t>(0, rhs.getRank()));
    std::swap(order[rhs.getRank() - 1], order[rhs.getRank() - 2]);
    rhs = rhs.permute(order);
  }
  int64_t rows = lhs.getShape()[rank - 2], depth = lhs.getShape()[rank - 1];
  int64_t columns = rhs.getShape()[rhs.getRank() - 2];
  auto batch =
      broadcastShapes(lhs.getShape().drop_back(2), rhs.getShape().drop_back(2));
  if (failed(require(op, batch && rhs.getShape().back() == depth,
                     "operands whose extents fit")))
    return failure();
  auto wide = [&](const Tensor &tensor) {
    SmallVector<int64_t> shape(*batch);
    llvm::append_range(shape, tensor.getShape().take_back(2));
    return *tensor.broadcast(shape);
  };
  const Tensor left = wide(lhs), right = wide(rhs);
  SmallVector<int64_t> shape(*batch);
  shape.append({rows, columns});
  Tensor result(lhs.getElementType(), shape);
  double *to = result.floats().data();
  for (int64_t b = 0, end = llvm::product_of(*batch); b < end; ++b)
    multiplyTransposed(left.floats().data() + b * rows * depth,
                       right.floats().data() + b * columns * depth,
                       to + b * rows * columns, rows, columns, depth);
  results.push_back(result);
  return success();
}

//===----------------------------------------------------------------------===//
// Norms
//===----------------------------------------------------------------------===//

static LogicalResult interpret(SoftmaxOp op, Operands operands, Context &,
                               Results results) {
  Tensor result = operands[0];
  MutableArrayRef<double> values = result.floats();
  int64_t width = result.getShape().back();
  for (int64_t row = 0, end = countRows(result); row < end; ++row)
    softmaxInPlace(values.slice(row * width, width));
  results.push_back(result);
  return success();
}

FailureOr<Tensor> transom::interpreter::normalize(Operation *op, Tensor input,
                                                  const Tensor &gamma,
                                                  const Tensor *beta,
                                                  double epsilon) {
  int64_t width = input.getShape().back();
  if (failed(require(op,
                     gamma.getNumElements() == width &&
                         (!beta || beta->getNumElements() == width),
                     "gamma and beta as wide as a row")))
    return failure();
  for (int64_t row = 0, end = countRows(input); row < end; ++row) {
    MutableArrayRef<double> values = input.floats().slice(row * width, width);
    // Without beta it is the root mean square's norm, around zero.
    double mean = 0, square = 0;
    if (beta) {
      for (double value : values)
        mean += value;
      mean /= width;
    }
    for (double value : values)
      square += (value - mean) * (value - mean);
    double scale = 1 / std::sqrt(square / width + epsilon);
    for (auto [i, value] : llvm::enumerate(values))
      value = (value - mean) * scale * gamma.floats()[i] +
              (beta ? beta->floats()[i] : 0);
  }
  return input;
}

static LogicalResult interpret(LayerNormOp op, Operands operands, Context &,
                               Results results) {
  FailureOr<Tensor> result =
      normalize(op, operands[0], operands[1], &operands[2],
                op.getEpsilon().convertToDouble());
  if (succeeded(result))
    results.push_back(*result);
  return result;
}

static LogicalResult interpret(RmsNormOp op, Operands operands, Context &,
                               Results results) {
  FailureOr<Tensor> result =
      normalize(op, operands[0], operands[1], /*beta=*/nullptr,
                op.getEpsilon().convertToDouble());
  if (succeeded(result))
    results.push_back(*result);
  return result;
}

//===----------------------------------------------------------------------===//
// Heads, masks, positions
//===----------------------------------------------------------------------===//

/// The most negative finite float, which masks add to scores.
static constexpr double lowest = std::numeric_limits<float>::lowest();

static LogicalResult interpret(SplitHeadsOp op, Operands operands, Context &,
                               Results results) {
  ArrayRef<int64_t> shape = operands[0].getShape();
  int64_t heads = op.getHeads();
  if (failed(require(op, shape[2] % heads == 0, "heads to divide the width")))
    return failure();
  results.push_back(operands[0]
                        .reshape({shape[0], shape[1], heads, shape[2] / heads})
                        .permute({0, 2, 1, 3}));
  return success();
}

static LogicalResult interpret(MergeHeadsOp op, Operands operands, Context &,
                               Results results) {
  ArrayRef<int64_t> shape = operands[0].getShape();
  results.push_back(operands[0]
                        .permute({0, 2, 1, 3})
                        .reshape({shape[0], shape[2], shape[1] * shape[3]}));
  return success();
}

static LogicalResult interpret(RepeatHeadsOp op, Operands operands, Context &,
                               Results results) {
  const Tensor &input = operands[0];
  ArrayRef<int64_t> shape = input.getShape();
  int64_t heads = op.getHeads(), keyHeads = shape[1];
  int64_t size = shape[2] * shape[3];
  Tensor result(input.getElementType(), {shape[0], heads, shape[2], shape[3]});
  for (int64_t row = 0; row < shape[0] * heads; ++row) {
    int64_t group = row / heads * keyHeads + row % heads * keyHeads / heads;
    llvm::copy(input.floats().slice(group * size, size),
               result.floats().begin() + row * size);
  }
  results.push_back(result);
  return success();
}

static LogicalResult interpret(PaddingMaskOp op, Operands operands, Context &,
                               Results results) {
  ArrayRef<int64_t> shape = operands[0].getShape();
  Tensor result(getElementTypeOrSelf(op.getType()), {shape[0], 1, 1, shape[1]});
  for (auto [bias, present] :
       llvm::zip_equal(result.floats(), operands[0].integers()))
    bias = present ? 0 : lowest;
  results.push_back(result);
  return success();
}

static LogicalResult interpret(CausalMaskOp op, Operands operands, Context &,
                               Results results) {
  Tensor result = operands[0];
  ArrayRef<int64_t> extents = result.getShape().take_back(2);
  int64_t queries = extents[0], keys = extents[1];
  for (auto [at, score] : llvm::enumerate(result.floats()))
    if (int64_t i = at / keys % queries, j = at % keys; j > i + keys - queries)
      score = lowest;
  results.push_back(result);
  return success();
}

static LogicalResult interpret(RelativeBiasOp op, Operands operands, Context &,
                               Results results) {
  const Tensor &table = operands[0];
  int64_t buckets = table.getShape()[0], heads = table.getShape()[1];
  int64_t queries = operands[1].getShape()[1], keys = operands[2].getShape()[1];
  Tensor result(table.getElementType(), {1, heads, queries, keys});
  MutableArrayRef<double> to = result.floats();
  for (int64_t i = 0; i < queries; ++i)
    for (int64_t j = 0; j < keys; ++j) {
      int64_t bucket = op.getBucket(j - i - (keys - queries), buckets);
      for (int64_t h = 0; h < heads; ++h)
        to[(h * queries + i) * keys + j] = table.floats()[bucket * heads + h];
    }
  results.push_back(result);
  return success();
}

static LogicalResult interpret(RotaryOp op, Operands operands, Context &,
                               Results results) {
  const Tensor &input = operands[0], &positions = operands[1];
  ArrayRef<int64_t> shape = input.getShape();
  bool packed = op.getHeads().has_value();
  int64_t heads = packed ? *op.getHeads() : shape[1];
  int64_t batches = packed ? 1 : shape[0], tokens = shape[packed ? 0 : 2];
  int64_t size = packed ? shape[1] / heads : shape[3];
  if (failed(
          require(op,
                  positions.getNumElements() == batches * tokens &&
                      input.getNumElements() == batches * heads * tokens * size,
                  "a position for each token")))
    return failure();
  double theta = op.getTheta().convertToDouble();
  Tensor result = input;
  MutableArrayRef<double> values = result.floats();
  auto rotate = [&](double *x, double position) {
    for (int64_t i = 0; i < size / 2; ++i) {
      double angle = position * std::pow(theta, -2.0 * i / size);
      double low = x[i], high = x[i + size / 2];
      x[i] = low * std::cos(angle) - high * std::sin(angle);
      x[i + size / 2] = high * std::cos(angle) + low * std::sin(angle);
    }
  };
  for (int64_t b = 0; b < batches; ++b)
    for (int64_t h = 0; h < heads; ++h)
      for (int64_t t = 0; t < tokens; ++t) {
        int64_t head = packed ? t * heads + h : (b * heads + h) * tokens + t;
        rotate(values.data() + head * size,
               positions.integers()[b * tokens + t]);
      }
  results.push_back(result);
  return success();
}

static LogicalResult interpret(SelectTokenOp op, Operands operands, Context &,
                               Results results) {
  const Tensor &input = operands[0];
  ArrayRef<int64_t> shape = input.getShape();
  int64_t index = op.getIndex(), tokens = shape[1], width = shape[2];
  if (index < 0)
    index += tokens;
  if (failed(require(op, index >= 0 && index < tokens,
                     "token " + llvm::Twine(op.getIndex()) +
                         " in sequences of " + llvm::Twine(tokens))))
    return failure();
  Tensor result(input.getElementType(), {shape[0], width});
  for (int64_t batch = 0; batch < shape[0]; ++batch)
    llvm::copy(input.floats().slice((batch * tokens + index) * width, width),
               result.floats().begin() + batch * width);
  results.push_back(result);
  return success();
}

static LogicalResult interpret(GatherTokenOp op, Operands operands, Context &,
                               Results results) {
  const Tensor &input = operands[0], &index = operands[1];
  ArrayRef<int64_t> shape = input.getShape();
  int64_t sequences = shape[0], tokens = shape[1], width = shape[2];
  if (failed(require(op, index.getNumElements() == sequences,
                     "an index for each sequence")))
    return failure();
  Tensor result(input.getElementType(), {sequences, width});
  for (int64_t batch = 0; batch < sequences; ++batch) {
    int64_t token = index.integers()[batch];
    if (failed(require(op, token >= 0 && token < tokens,
                       "token " + llvm::Twine(token) + " in sequences of " +
                           llvm::Twine(tokens))))
      return failure();
    llvm::copy(input.floats().slice((batch * tokens + token) * width, width),
               result.floats().begin() + batch * width);
  }
  results.push_back(result);
  return success();
}

TRANSOM_DEFINE_ATTACH

void transom::interpreter::attachDefinitionModels(MLIRContext *context) {
  attach<GetWeightOp, EmbeddingOp, MatmulOp, SoftmaxOp, LayerNormOp, RmsNormOp,
         SplitHeadsOp, MergeHeadsOp, RepeatHeadsOp, PaddingMaskOp, CausalMaskOp,
         RelativeBiasOp, RotaryOp, SelectTokenOp, GatherTokenOp>(context);
}
