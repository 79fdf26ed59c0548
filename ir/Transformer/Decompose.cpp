//===- Decompose.cpp - every op in terms of simpler ones ------------------===//
//
// Fused ops become definition ops, definition ops become primitives. Each
// function reads like the equation in the op's description; inside the regions
// of fused ops the same code works on scalars.
//
//===----------------------------------------------------------------------===//

#include "ir/Transformer/Emitter.h"

#include "mlir/IR/IRMapping.h"
#include "llvm/ADT/SmallBitVector.h"

#include <cmath>
#include <numbers>

using namespace mlir;

namespace transom::transformer {

//===----------------------------------------------------------------------===//
// Regions of scalars -> tensors
//===----------------------------------------------------------------------===//

/// Whether an input of this shape can't repeat a value of the other shape.
static bool coversShape(ArrayRef<int64_t> value, ArrayRef<int64_t> input) {
  if (input.size() > value.size())
    return false;
  for (auto [extent, of] :
       llvm::zip(llvm::reverse(input), llvm::reverse(value)))
    if (extent != 1 && (ShapedType::isDynamic(extent) || extent != of))
      return false;
  return true;
}

/// Rebuilds the region's ops on tensors, `inputs` in place of its arguments,
/// and returns what it yields, of the common shape of the inputs.
static Values emitRegion(Emitter &emitter, Region &region, ValueRange inputs) {
  Block &block = region.front();
  IRMapping mapping;
  mapping.map(block.getArguments(), inputs);
  // A value that doesn't depend on an input doesn't have its extents yet.
  DenseMap<Value, llvm::SmallBitVector> dependencies;
  for (BlockArgument argument : block.getArguments()) {
    llvm::SmallBitVector &depends = dependencies[argument];
    depends.resize(inputs.size());
    depends.set(argument.getArgNumber());
  }
  for (Operation &op : block.without_terminator()) {
    llvm::SmallBitVector depends(inputs.size());
    for (Value operand : op.getOperands())
      depends |= dependencies[operand];
    for (Value result : op.getResults())
      dependencies[result] = depends;

    TypedAttr value;
    if (matchPattern(&op, m_Constant(&value))) {
      auto type = RankedTensorType::get({}, value.getType());
      mapping.map(
          op.getResult(0),
          emitter.emit<arith::ConstantOp>(cast<TypedAttr>(
              DenseElementsAttr::get(type, static_cast<Attribute>(value)))));
      continue;
    }
    Operation *copy = emitter.builder.clone(op, mapping);
    if (isa<CastOp>(copy)) {
      copy->getResult(0).setType(
          tensorType(copy->getOperand(0)).clone(op.getResult(0).getType()));
      continue;
    }
    SmallVector<Type> types;
    LogicalResult inferred = cast<InferTypeOpInterface>(copy).inferReturnTypes(
        copy->getContext(), copy->getLoc(), copy->getOperands(),
        copy->getRawDictionaryAttrs(), copy->getPropertiesStorage(),
        copy->getRegions(), types);
    assert(succeeded(inferred) && "inference of elementwise ops is total");
    (void)inferred;
    copy->getResult(0).setType(types.front());
  }
  Values results;
  for (Value yielded : block.getTerminator()->getOperands()) {
    Value result = mapping.lookup(yielded);
    for (auto [i, input] : llvm::enumerate(inputs))
      if (!dependencies[yielded].test(i) &&
          !coversShape(tensorType(result).getShape(),
                       tensorType(input).getShape()))
        result = emitter.emit<ExpandOp>(result, input);
    results.push_back(result);
  }
  return results;
}

FailureOr<Values> ElementwiseOp::decompose(OpBuilder &builder) {
  Emitter emitter(builder, *this);
  return emitter.finish(emitRegion(emitter, getBody(), getInputs()));
}

FailureOr<Values> LinearOp::decompose(OpBuilder &builder) {
  Emitter emitter(builder, *this);
  if (!getEpilogue().empty()) {
    Values inputs{emitter.emit<LinearOp>(getInput(), getWeight(), getBias())};
    llvm::append_range(inputs, getExtras());
    return emitter.finish(emitRegion(emitter, getEpilogue(), inputs));
  }
  Value result = emitter.emit<MatmulOp>(getInput(), getWeight(),
                                        /*transpose_rhs=*/true);
  if (getBias())
    result = emitter.add(result, getBias());
  return emitter.finish({result});
}

//===----------------------------------------------------------------------===//
// Activations
//===----------------------------------------------------------------------===//

FailureOr<Values> GeluOp::decompose(OpBuilder &builder) {
  Emitter emitter(builder, *this);
  Value x = getInput(), phi;
  if (getApproximation() == GeluApproximation::Tanh) {
    Value cube = emitter.mul(emitter.mul(x, x), x);
    Value sum = emitter.add(x, emitter.mul(cube, emitter.number(x, 0.044715)));
    double factor = std::sqrt(2.0 / std::numbers::pi);
    phi = emitter.emit<TanhOp>(emitter.mul(sum, emitter.number(x, factor)));
  } else {
    phi = emitter.emit<ErfOp>(
        emitter.div(x, emitter.number(x, std::numbers::sqrt2)));
  }
  Value half = emitter.mul(x, emitter.number(x, 0.5));
  return emitter.finish(
      {emitter.mul(half, emitter.add(phi, emitter.number(x, 1.0)))});
}

FailureOr<Values> ReluOp::decompose(OpBuilder &builder) {
  Emitter emitter(builder, *this);
  return emitter.finish(
      {emitter.emit<MaxOp>(getInput(), emitter.number(getInput(), 0.0))});
}

FailureOr<Values> SiluOp::decompose(OpBuilder &builder) {
  Emitter emitter(builder, *this);
  return emitter.finish(
      {emitter.mul(getInput(), emitter.emit<SigmoidOp>(getInput()))});
}

//===----------------------------------------------------------------------===//
// Softmax, norms
//===----------------------------------------------------------------------===//

FailureOr<Values> SoftmaxOp::decompose(OpBuilder &builder) {
  Emitter emitter(builder, *this);
  Value top = emitter.reduce(Reduction::Max, getInput());
  Value exponentials = emitter.emit<ExpOp>(emitter.sub(getInput(), top));
  return emitter.finish({emitter.div(
      exponentials, emitter.reduce(Reduction::Sum, exponentials))});
}

/// value * rsqrt(mean(value^2) + epsilon) * gamma: one root a row, and no
/// quotient in each column.
static Value emitRootMeanSquareNorm(Emitter &emitter, Value value, Value gamma,
                                    const APFloat &epsilon) {
  Value square = emitter.reduce(Reduction::Mean, emitter.mul(value, value));
  Value shifted =
      emitter.add(square, emitter.number(value, epsilon.convertToFloat()));
  return emitter.mul(emitter.mul(value, emitter.emit<RsqrtOp>(shifted)), gamma);
}

FailureOr<Values> LayerNormOp::decompose(OpBuilder &builder) {
  Emitter emitter(builder, *this);
  Value centered =
      emitter.sub(getInput(), emitter.reduce(Reduction::Mean, getInput()));
  Value scaled =
      emitRootMeanSquareNorm(emitter, centered, getGamma(), getEpsilon());
  return emitter.finish({emitter.add(scaled, getBeta())});
}

FailureOr<Values> RmsNormOp::decompose(OpBuilder &builder) {
  Emitter emitter(builder, *this);
  return emitter.finish(
      {emitRootMeanSquareNorm(emitter, getInput(), getGamma(), getEpsilon())});
}

FailureOr<Values> AddLayerNormOp::decompose(OpBuilder &builder) {
  Emitter emitter(builder, *this);
  Value sum = emitter.add(getInput(), getResidual());
  return emitter.finish(
      {emitter.emit<LayerNormOp>(sum, getGamma(), getBeta(), getEpsilon()),
       sum});
}

FailureOr<Values> AddRmsNormOp::decompose(OpBuilder &builder) {
  Emitter emitter(builder, *this);
  Value sum = emitter.add(getInput(), getResidual());
  return emitter.finish(
      {emitter.emit<RmsNormOp>(sum, getGamma(), getEpsilon()), sum});
}

//===----------------------------------------------------------------------===//
// Heads, masks, positions
//===----------------------------------------------------------------------===//

FailureOr<Values> SplitHeadsOp::decompose(OpBuilder &builder) {
  Emitter emitter(builder, *this);
  int64_t heads = getHeads(), width = extentOf(getInput(), 2);
  int64_t size = ShapedType::isDynamic(width) ? -1 : width / heads;
  Value split = emitter.reshape(getInput(), {0, 0, heads, size});
  return emitter.finish({emitter.transpose(split, {0, 2, 1, 3})});
}

FailureOr<Values> MergeHeadsOp::decompose(OpBuilder &builder) {
  Emitter emitter(builder, *this);
  Value tokens = emitter.transpose(getInput(), {0, 2, 1, 3});
  int64_t width = extentOf(getResult(), 2);
  return emitter.finish({emitter.reshape(
      tokens, {0, 0, ShapedType::isDynamic(width) ? -1 : width})});
}

FailureOr<Values> RepeatHeadsOp::decompose(OpBuilder &builder) {
  Emitter emitter(builder, *this);
  int64_t keyHeads = extentOf(getInput(), 1), heads = getHeads();
  int64_t size = extentOf(getInput(), 3);
  if (ShapedType::isDynamic(size))
    return failure();
  // Beside each head room for its copies, which a product with ones fills.
  Value column = emitter.reshape(getInput(), {0, keyHeads, 1, -1, size});
  auto elementType = tensorType(getInput()).getElementType();
  Value copies = emitter.emit<arith::ConstantOp>(DenseElementsAttr::get(
      RankedTensorType::get({heads / keyHeads, 1, 1}, elementType),
      builder.getFloatAttr(elementType, 1.0)));
  return emitter.finish(
      {emitter.reshape(emitter.mul(column, copies), {0, heads, -1, size})});
}

FailureOr<Values> PaddingMaskOp::decompose(OpBuilder &builder) {
  Emitter emitter(builder, *this);
  int64_t tokens = extentOf(getMask(), 1);
  Value mask = emitter.reshape(
      getMask(), {0, 1, 1, ShapedType::isDynamic(tokens) ? -1 : tokens});
  Value isThere =
      emitter.compare(mask, Comparison::NE, emitter.number(mask, 0));
  return emitter.finish({emitter.emit<SelectOp>(
      isThere, emitter.number(getResult(), 0), emitter.lowest(getResult()))});
}

FailureOr<Values> CausalMaskOp::decompose(OpBuilder &builder) {
  Emitter emitter(builder, *this);
  Value scores = getScores();
  Value queries = emitter.emit<DimOp>(scores, -2);
  Value keys = emitter.emit<DimOp>(scores, -1);
  // j <= i + Tk - Tq
  Value last =
      emitter.add(emitter.emit<RangeOp>(queries), emitter.sub(keys, queries));
  Value isPast = emitter.compare(emitter.emit<RangeOp>(keys), Comparison::LE,
                                 emitter.reshape(last, {0, 1}));
  return emitter.finish(
      {emitter.emit<SelectOp>(isPast, scores, emitter.lowest(scores))});
}

FailureOr<Values> SelectTokenOp::decompose(OpBuilder &builder) {
  Emitter emitter(builder, *this);
  auto type = RankedTensorType::get({}, builder.getI64Type());
  Value index = emitter.emit<arith::ConstantOp>(
      cast<TypedAttr>(DenseElementsAttr::get(type, int64_t(getIndex()))));
  return emitter.finish({emitter.emit<GatherOp>(getInput(), index, 1)});
}

//===----------------------------------------------------------------------===//
// Attention
//===----------------------------------------------------------------------===//

FailureOr<Values> AttentionOp::decompose(OpBuilder &builder) {
  int64_t heads = extentOf(getQuery(), 1), keyHeads = extentOf(getKey(), 1);
  if (ShapedType::isDynamic(heads) || ShapedType::isDynamic(keyHeads))
    return failure();
  Emitter emitter(builder, *this);
  Value key = emitter.repeatHeads(getKey(), 1, heads, keyHeads);
  Value value = emitter.repeatHeads(getValue(), 1, heads, keyHeads);
  Value scores = emitter.emit<MatmulOp>(getQuery(), key,
                                        /*transpose_rhs=*/true);
  if (!getScale().isExactlyValue(1.0))
    scores = emitter.emit<ScaleOp>(scores, getScale());
  if (getBias())
    scores = emitter.add(scores, getBias());
  if (getDistanceBias()) {
    // j - (i + Tk - Tq): [Tq, Tk]
    Value queries =
        emitter.cast(emitter.emit<DimOp>(getQuery(), 2), builder.getI32Type());
    Value keys =
        emitter.cast(emitter.emit<DimOp>(getKey(), 2), builder.getI32Type());
    Value last =
        emitter.add(emitter.indices(getQuery(), 2), emitter.sub(keys, queries));
    Value distance = emitter.sub(emitter.indices(getKey(), 2),
                                 emitter.reshape(last, {0, 1}));
    scores = emitter.add(scores, emitter.biasOf(getDistanceBias(), distance,
                                                getFirstDistance()));
  }
  if (getCausal())
    scores = emitter.emit<CausalMaskOp>(scores);
  Value mix = emitter.emit<SoftmaxOp>(scores);
  return emitter.finish({emitter.emit<MatmulOp>(mix, value)});
}

FailureOr<Values> RaggedAttentionOp::decompose(OpBuilder &builder) {
  Emitter emitter(builder, *this);
  int64_t heads = getHeads(), keyHeads = getKeyHeads();
  Type real = tensorType(getQuery()).getElementType();

  // [rows, heads * D] -> [heads, rows, D]
  auto split = [&](Value value, int64_t count) {
    Value rows = emitter.reshape(value, {0, count, -1});
    return emitter.repeatHeads(emitter.transpose(rows, {1, 0, 2}), 0, heads,
                               count);
  };
  Value scores = emitter.emit<MatmulOp>(split(getQuery(), heads),
                                        split(getKey(), keyHeads),
                                        /*transpose_rhs=*/true);
  scores = emitter.emit<ScaleOp>(scores, getScale());

  // Which row belongs to which sequence: [S, N] and [S, M].
  auto within = [&](Value row, Value begin, Value end) -> Value {
    return emitter.emit<AndOp>(emitter.compare(begin, Comparison::LE, row),
                               emitter.compare(row, Comparison::LT, end));
  };
  auto column = [&](Value vector) { return emitter.reshape(vector, {0, 1}); };
  Value queryBegin = column(emitter.slice(getQueryOffsets(), 0, 0, -1));
  Value queryEnd = column(emitter.slice(getQueryOffsets(), 0, 1, kEnd));
  Value keyBegin = column(emitter.slice(getKeyOffsets(), 0, 0, -1));
  Value keyEnd = emitter.add(keyBegin, column(getKeyLengths()));
  Value query = emitter.indices(getQuery(), 0);
  Value key = emitter.indices(getKey(), 0);
  Value ofQuery = within(query, queryBegin, queryEnd);
  Value ofKey = within(key, keyBegin, keyEnd);

  // A query sees a key if a sequence has both: [N, M].
  Value shared = emitter.emit<MatmulOp>(
      emitter.transpose(emitter.cast(ofQuery, real), {1, 0}),
      emitter.cast(ofKey, real));
  Value sees =
      emitter.compare(shared, Comparison::GT, emitter.number(shared, 0));
  if (getCausal() || getDistanceBias()) {
    // The last query of a sequence sees its last key: j <= i + ends' distance.
    Value distance = emitter.emit<SelectOp>(
        ofQuery, emitter.sub(keyEnd, queryEnd), emitter.number(query, 0));
    Value last = column(
        emitter.add(query, emitter.emit<ReduceOp>(Reduction::Sum, distance,
                                                  ArrayRef<int64_t>(0),
                                                  /*keep_dims=*/false)));
    if (getDistanceBias())
      scores = emitter.add(scores, emitter.biasOf(getDistanceBias(),
                                                  emitter.sub(key, last),
                                                  getFirstDistance()));
    if (getCausal())
      sees =
          emitter.emit<AndOp>(sees, emitter.compare(key, Comparison::LE, last));
  }

  Value mix = emitter.emit<SoftmaxOp>(
      emitter.emit<SelectOp>(sees, scores, emitter.lowest(scores)));
  Value result = emitter.emit<MatmulOp>(mix, split(getValue(), keyHeads));
  result = emitter.reshape(emitter.transpose(result, {1, 0, 2}), {0, -1});
  // Nothing seen: zeros.
  Value seen = emitter.reduce(Reduction::Max, emitter.cast(sees, real));
  Value zero = emitter.number(result, 0);
  return emitter.finish({emitter.emit<SelectOp>(
      emitter.compare(seen, Comparison::GT, zero), result, zero)});
}

} // namespace transom::transformer
