//===- Linear.cpp - linear and scale from matmul, add and mul -------------===//
//
// Exporters fold the transposition of a weight into the file: nn.Linear's
// [N, K] arrives as [K, N]. A linear wants [N, K] again, so the weight gets a
// symbol of its own that reads the same tensor transposed.
//
//===----------------------------------------------------------------------===//

#include "passes/Raise/Match.h"
#include "passes/Raise/Patterns.h"
#include "passes/Raise/Shapes.h"

#include "mlir/Dialect/Arith/IR/Arith.h"
#include "mlir/IR/BuiltinOps.h"
#include "mlir/IR/Matchers.h"
#include "mlir/IR/SymbolTable.h"
#include "mlir/IR/TypeUtilities.h"

#include <cmath>

using namespace mlir;
using namespace transom::transformer;

namespace transom::raising {

static RankedTensorType transposeType(RankedTensorType type) {
  return type.clone({type.getDimSize(1), type.getDimSize(0)});
}

static DenseElementsAttr transposeElements(DenseElementsAttr elements) {
  auto type = cast<RankedTensorType>(elements.getType());
  if (elements.isSplat())
    return elements.resizeSplat(transposeType(type));
  SmallVector<Attribute> values(elements.getValues<Attribute>()), result;
  int64_t rows = type.getDimSize(0), columns = type.getDimSize(1);
  for (int64_t j = 0; j < columns; ++j)
    for (int64_t i = 0; i < rows; ++i)
      result.push_back(values[i * columns + j]);
  return DenseElementsAttr::get(transposeType(type), result);
}

/// The symbol that reads what `weight` reads, transposed: an existing one or a
/// new one. Null if a weight has several sources: they stand one below the
/// other and would have to stand side by side.
static WeightOp getTransposed(WeightOp weight, PatternRewriter &rewriter) {
  ArrayAttr sources;
  ElementsAttr value;
  if (auto old = weight.getSources()) {
    if (old->size() != 1)
      return {};
    auto source = cast<SourceAttr>((*old)[0]);
    if (!source.getColumns().empty())
      return {}; // They would become rows.
    sources = rewriter.getArrayAttr(SourceAttr::get(
        weight.getContext(), source.getTensor(), !source.getTransposed()));
  } else if (auto dense = dyn_cast<DenseElementsAttr>(*weight.getValue())) {
    value = transposeElements(dense);
  } else {
    return {};
  }
  auto type = transposeType(cast<RankedTensorType>(weight.getType()));
  auto module = weight->getParentOfType<ModuleOp>();
  std::string name = (weight.getSymName() + ".transposed").str();
  for (;; name += '_') { // Until the name is free or has the same meaning.
    Operation *taken = SymbolTable::lookupSymbolIn(module, name);
    if (!taken)
      break;
    auto existing = dyn_cast<WeightOp>(taken);
    if (existing && existing.getSourcesAttr() == sources &&
        existing.getValueAttr() == value && existing.getType() == type)
      return existing;
  }
  OpBuilder::InsertionGuard guard(rewriter);
  rewriter.setInsertionPoint(weight);
  return WeightOp::create(rewriter, weight.getLoc(), name,
                          weight.getSymVisibilityAttr(), sources, value, type);
}

/// The transposed value of a parameter, at the rewriter; null if it is none.
static Value transposeParameter(Value value, PatternRewriter &rewriter) {
  DenseElementsAttr elements;
  if (matchPattern(value, m_Constant(&elements)))
    return arith::ConstantOp::create(rewriter, value.getLoc(),
                                     transposeElements(elements));
  auto get = value.getDefiningOp<GetWeightOp>();
  auto weight = get ? SymbolTable::lookupNearestSymbolFrom<WeightOp>(
                          get, get.getWeightAttr())
                    : WeightOp();
  WeightOp transposed = weight ? getTransposed(weight, rewriter) : WeightOp();
  if (!transposed)
    return {};
  return GetWeightOp::create(
      rewriter, get.getLoc(),
      transposeType(cast<RankedTensorType>(value.getType())),
      transposed.getSymName());
}

/// matmul(x, w) of a parameter w [K, N] or, transposed in the graph, [N, K]
///   => linear(x, w of [N, K])
static Value raiseLinear(Value root, PatternRewriter &rewriter) {
  auto matmul = root.getDefiningOp<MatmulOp>();
  Value weight = matmul.getRhs();
  bool isOutputFirst = matmul.getTransposeRhs();
  auto transpose = weight.getDefiningOp<TransposeOp>();
  if (transpose && isPermutation(transpose, {1, 0})) {
    weight = transpose.getInput();
    isOutputFirst = !isOutputFirst;
  }
  auto type = cast<RankedTensorType>(weight.getType());
  auto inputType = cast<RankedTensorType>(matmul.getLhs().getType());
  if (type.getRank() != 2 || inputType.getRank() < 2 ||
      !type.hasStaticShape() || !isParameter(weight) ||
      type.getElementType() != inputType.getElementType())
    return {};
  if (!isOutputFirst)
    weight = transposeParameter(weight, rewriter);
  if (!weight)
    return {};
  return LinearOp::create(rewriter, root.getLoc(), matmul.getLhs(), weight);
}

/// linear(x, w) + b, the linear's only use => linear(x, w) bias b
static Value raiseBias(Value root, PatternRewriter &rewriter) {
  auto add = root.getDefiningOp<AddOp>();
  for (auto [product, bias] : {std::pair(add.getLhs(), add.getRhs()),
                               std::pair(add.getRhs(), add.getLhs())}) {
    auto linear = product.getDefiningOp<LinearOp>();
    if (linear && linear->hasOneUse() && !linear.getBias() &&
        linear.getEpilogue().empty() && isParameter(bias) &&
        isVectorOf(bias, product) && linear.getType() == root.getType())
      return LinearOp::create(rewriter, root.getLoc(), linear.getInput(),
                              linear.getWeight(), bias);
  }
  return {};
}

/// x * c, x / c => scale x by c
static Value raiseScale(Value root, PatternRewriter &rewriter) {
  double factor;
  Value x = matchMultiple(root, factor);
  if (!x || x.getType() != root.getType() || !std::isfinite(float(factor)) ||
      !isa<FloatType>(getElementTypeOrSelf(x)))
    return {};
  return ScaleOp::create(rewriter, root.getLoc(), x, APFloat(float(factor)));
}

void addLinear(Patterns &patterns) {
  patterns.add<MatmulOp>(raiseLinear);
  patterns.add<AddOp>(raiseBias);
  patterns.add<DivOp, MulOp>(raiseScale);
}

} // namespace transom::raising
