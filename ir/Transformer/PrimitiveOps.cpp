//===- PrimitiveOps.cpp - what an exporter's graph contains ---------------===//

#include "ir/Transformer/OpSupport.h"
#include "ir/Transformer/Transformer.h"

#include "mlir/IR/PatternMatch.h"
#include "mlir/IR/TypeUtilities.h"
#include "llvm/Support/MathExtras.h"

#include <limits>

using namespace mlir;

namespace transom::transformer {

static constexpr int64_t kDynamic = ShapedType::kDynamic;

//===----------------------------------------------------------------------===//
// Elementwise
//===----------------------------------------------------------------------===//

void CompareOp::inferTypes(Adaptor adaptor, SmallVectorImpl<Type> &types) {
  types.push_back(
      broadcastTypes(adaptor.getOperands(),
                     IntegerType::get(adaptor.getLhs().getContext(), 1)));
}

void SelectOp::inferTypes(Adaptor adaptor, SmallVectorImpl<Type> &types) {
  types.push_back(broadcastTypes(
      adaptor.getOperands(), getElementTypeOrSelf(adaptor.getLhs().getType())));
}

LogicalResult CompareOp::verify() {
  return verifyElementwise(*this, getOperands());
}

LogicalResult SelectOp::verify() {
  if (!getElementTypeOrSelf(getCondition().getType()).isInteger(1))
    return emitOpError() << "expects a condition of i1, got "
                         << getCondition().getType();
  Type lhs = getElementTypeOrSelf(getLhs().getType());
  Type rhs = getElementTypeOrSelf(getRhs().getType());
  if (lhs != rhs)
    return emitOpError() << "expects operands of one element type, got " << lhs
                         << " and " << rhs;
  return verifyBroadcast(*this, getOperands());
}

LogicalResult CastOp::verify() {
  Type input = getInput().getType(), result = getType();
  if (isa<RankedTensorType>(input) == isa<RankedTensorType>(result) &&
      succeeded(verifyCompatibleShape(input, result)))
    return success();
  return emitOpError() << "expects a result of the input's shape, " << input
                       << ", got " << result;
}

OpFoldResult CastOp::fold(FoldAdaptor) {
  return getType() == getInput().getType() ? getInput() : OpFoldResult();
}

//===----------------------------------------------------------------------===//
// Reductions and gathers
//===----------------------------------------------------------------------===//

void ReduceOp::inferTypes(Adaptor adaptor, SmallVectorImpl<Type> &types) {
  RankedTensorType input = tensorType(adaptor.getInput());
  SmallVector<bool> isReduced(input.getRank());
  for (int64_t axis : adaptor.getAxes())
    if (std::optional<int64_t> index = normalizeAxis(axis, input.getRank()))
      isReduced[*index] = true;
  SmallVector<int64_t> shape;
  for (auto [extent, reduced] : llvm::zip(input.getShape(), isReduced)) {
    if (!reduced)
      shape.push_back(extent);
    else if (adaptor.getKeepDims())
      shape.push_back(1);
  }
  types.push_back(input.clone(shape));
}

LogicalResult ReduceOp::verify() {
  RankedTensorType input = tensorType(getInput());
  if (getAxes().empty())
    return emitOpError() << "expects one axis or more, got none";
  int64_t last = -1;
  for (int64_t axis : getAxes()) {
    if (failed(verifyAxis(*this, axis, input.getRank())))
      return failure();
    int64_t index = *normalizeAxis(axis, input.getRank());
    if (index <= last)
      return emitOpError() << "expects distinct axes in ascending order, got ["
                           << getAxes() << "]";
    last = index;
  }
  if (getKind() == Reduction::Mean && !isa<FloatType>(input.getElementType()))
    return emitOpError() << "expects floating-point numbers for a mean, got "
                         << input;
  return success();
}

bool ReduceOp::isRowwise(int64_t rowDims) {
  int64_t rank = getInput().getType().getRank();
  return llvm::all_of(getAxes(), [&](int64_t axis) {
    return *normalizeAxis(axis, rank) >= rowDims;
  });
}

/// An axis of what `merged` was, now that `rowDims` of its extents are one.
static int64_t mergeAxis(int64_t axis, Value merged, int64_t rowDims) {
  return axis < 0 ? axis + tensorType(merged).getRank() : axis - (rowDims - 1);
}

void ReduceOp::mergeRowDims(int64_t rowDims) {
  setAxes(llvm::map_to_vector(getAxes(), [&](int64_t axis) {
    return mergeAxis(axis, getInput(), rowDims);
  }));
}

void GatherOp::inferTypes(Adaptor adaptor, SmallVectorImpl<Type> &types) {
  RankedTensorType input = tensorType(adaptor.getInput());
  ArrayRef<int64_t> indices = tensorType(adaptor.getIndices()).getShape();
  SmallVector<int64_t> shape(input.getShape());
  if (std::optional<int64_t> axis =
          normalizeAxis(adaptor.getAxis(), input.getRank())) {
    shape.erase(shape.begin() + *axis);
    shape.insert(shape.begin() + *axis, indices.begin(), indices.end());
  }
  types.push_back(input.clone(shape));
}

LogicalResult GatherOp::verify() {
  return verifyAxis(*this, getAxis(), tensorType(getInput()).getRank());
}

//===----------------------------------------------------------------------===//
// Shapes
//===----------------------------------------------------------------------===//

void ReshapeOp::inferTypes(Adaptor adaptor, SmallVectorImpl<Type> &types) {
  RankedTensorType input = tensorType(adaptor.getInput());
  SmallVector<int64_t> shape(adaptor.getShape());
  // An extent that is copied divides out of both sides of "what is left", so
  // [?, 8, 4] to [0, -1] is [?, 32].
  SmallVector<int64_t> from(input.getShape());
  int64_t known = 1;
  bool isTooLarge = false;
  std::optional<size_t> left;
  for (auto [i, extent] : llvm::enumerate(shape)) {
    if (extent == 0 && i < from.size()) {
      extent = input.getDimSize(i);
      from[i] = 1;
    } else if (extent <= 0) {
      extent = kDynamic;
      left = i;
    } else {
      isTooLarge |= llvm::MulOverflow(known, extent, known) != 0;
    }
  }
  int64_t total = countElements(from);
  if (left && !isTooLarge && !ShapedType::isDynamic(total) &&
      total % known == 0)
    shape[*left] = total / known;
  types.push_back(input.clone(shape));
}

LogicalResult ReshapeOp::verify() {
  RankedTensorType input = tensorType(getInput());
  SmallVector<int64_t> from(input.getShape());
  int64_t known = 1;
  bool hasRest = false;
  for (auto [i, extent] : llvm::enumerate(getShape())) {
    if (extent < -1)
      return emitOpError() << "expects extents, 0 or -1, got " << extent;
    if (extent == -1 && hasRest)
      return emitOpError() << "expects -1 once at most, got [" << getShape()
                           << "]";
    if (extent == 0 && i >= from.size())
      return emitOpError() << "expects 0 only where the input has an extent, "
                              "got it at "
                           << i << " for " << input;
    if (extent == 0)
      from[i] = 1;
    else if (extent == -1)
      hasRest = true;
    else if (llvm::MulOverflow(known, extent, known))
      return emitOpError() << "expects fewer than 2^63 elements, got ["
                           << getShape() << "]";
  }
  int64_t total = countElements(from);
  if (!ShapedType::isDynamic(total) &&
      (hasRest ? total % known != 0 : total != known))
    return emitOpError() << "expects as many elements as the input, " << input
                         << ", has, got [" << getShape() << "]";
  return success();
}

bool ReshapeOp::keepsLeading(int64_t count) {
  ArrayRef<int64_t> from = getInput().getType().getShape();
  ArrayRef<int64_t> to = getType().getShape();
  if (count > int64_t(from.size()) || count > int64_t(to.size()))
    return false;
  bool hasRest = false;
  for (int64_t i = 0; i < count; ++i) {
    int64_t entry = getShape()[i];
    if (entry == 0 || (from[i] == to[i] && !ShapedType::isDynamic(to[i])))
      continue;
    if (entry != -1)
      return false;
    hasRest = true;
  }
  // "What is left" is the input's extent if all else is known to be equal.
  int64_t before = countElements(from.drop_front(count));
  int64_t after = countElements(to.drop_front(count));
  return !hasRest || (before == after && !ShapedType::isDynamic(after));
}

bool ReshapeOp::isColumn() {
  ArrayRef<int64_t> from = getInput().getType().getShape();
  int64_t rank = getType().getRank();
  return int64_t(from.size()) == rank + 1 && from.back() == 1 &&
         keepsLeading(rank);
}

bool ReshapeOp::isRowwise(int64_t rowDims) {
  return isColumn() && getType().getRank() >= rowDims;
}

void ReshapeOp::mergeRowDims(int64_t rowDims) {
  setShape(SmallVector<int64_t>(getShape().size() - (rowDims - 1), 0));
}

OpFoldResult ReshapeOp::fold(FoldAdaptor) {
  RankedTensorType type = getType();
  if (type != getInput().getType())
    return {};
  // Of one type, and every extent but one is known to be the same.
  int64_t unknown = 0;
  for (auto [i, extent] : llvm::enumerate(getShape()))
    unknown += extent != 0 && type.isDynamicDim(i);
  return unknown <= 1 ? getInput() : OpFoldResult();
}

namespace {
/// reshape(reshape(x)) => reshape(x)
/// if each extent that the outer one copies, the inner one copied too.
struct MergeReshapes : OpRewritePattern<ReshapeOp> {
  using OpRewritePattern::OpRewritePattern;

  LogicalResult matchAndRewrite(ReshapeOp outer,
                                PatternRewriter &rewriter) const override {
    auto inner = outer.getInput().getDefiningOp<ReshapeOp>();
    if (!inner)
      return rewriter.notifyMatchFailure(outer, "not a reshape of a reshape");
    SmallVector<int64_t> shape(outer.getShape());
    for (auto [i, extent] : llvm::enumerate(shape)) {
      if (extent != 0 || inner.getShape()[i] == 0)
        continue;
      extent = inner.getShape()[i];
      if (extent == -1)
        return rewriter.notifyMatchFailure(outer, "copies a computed extent");
    }
    rewriter.replaceOpWithNewOp<ReshapeOp>(outer, outer.getType(),
                                           inner.getInput(), shape);
    return success();
  }
};
} // namespace

void ReshapeOp::getCanonicalizationPatterns(RewritePatternSet &patterns,
                                            MLIRContext *context) {
  patterns.add<MergeReshapes>(context);
}

void TransposeOp::inferTypes(Adaptor adaptor, SmallVectorImpl<Type> &types) {
  RankedTensorType input = tensorType(adaptor.getInput());
  SmallVector<int64_t> shape;
  for (int64_t from : adaptor.getPermutation())
    shape.push_back(from >= 0 && from < input.getRank() ? input.getDimSize(from)
                                                        : kDynamic);
  types.push_back(input.clone(shape));
}

LogicalResult TransposeOp::verify() {
  int64_t rank = tensorType(getInput()).getRank();
  SmallVector<int64_t> sorted(getPermutation());
  llvm::sort(sorted);
  if (!llvm::equal(sorted, llvm::seq<int64_t>(rank)))
    return emitOpError() << "expects a permutation of the " << rank
                         << " dimensions of the input, got ["
                         << getPermutation() << "]";
  return success();
}

OpFoldResult TransposeOp::fold(FoldAdaptor) {
  if (getType() == getInput().getType() &&
      llvm::equal(getPermutation(), llvm::seq<int64_t>(getType().getRank())))
    return getInput();
  // transpose(transpose(x)) is one transpose, or x itself the next time.
  auto inner = getInput().getDefiningOp<TransposeOp>();
  if (!inner)
    return {};
  SmallVector<int64_t> permutation;
  for (int64_t from : getPermutation())
    permutation.push_back(inner.getPermutation()[from]);
  setPermutation(permutation);
  getInputMutable().assign(inner.getInput());
  return getResult();
}

void SliceOp::inferTypes(Adaptor adaptor, SmallVectorImpl<Type> &types) {
  RankedTensorType input = tensorType(adaptor.getInput());
  SmallVector<int64_t> shape(input.getShape());
  if (std::optional<int64_t> axis =
          normalizeAxis(adaptor.getAxis(), input.getRank()))
    shape[*axis] = sliceExtent(shape[*axis], adaptor.getBegin(),
                               adaptor.getEnd(), adaptor.getStep());
  types.push_back(input.clone(shape));
}

LogicalResult SliceOp::verify() {
  if (failed(verifyAxis(*this, getAxis(), tensorType(getInput()).getRank())))
    return failure();
  if (int64_t step = getStep(); step < 1)
    return emitOpError() << "expects a step of 1 or more, got " << step;
  return success();
}

bool SliceOp::isRowwise(int64_t rowDims) {
  int64_t rank = getInput().getType().getRank();
  return *normalizeAxis(getAxis(), rank) >= rowDims;
}

void SliceOp::mergeRowDims(int64_t rowDims) {
  setAxis(mergeAxis(getAxis(), getInput(), rowDims));
}

OpFoldResult SliceOp::fold(FoldAdaptor) {
  if (getType() != getInput().getType() || getBegin() != 0 || getStep() != 1)
    return {};
  int64_t extent = extentOf(getInput(), getAxis()), end = getEnd();
  bool reachesEnd = ShapedType::isDynamic(extent)
                        ? end == std::numeric_limits<int64_t>::max()
                        : end >= extent;
  return reachesEnd ? getInput() : OpFoldResult();
}

void ConcatOp::inferTypes(Adaptor adaptor, SmallVectorImpl<Type> &types) {
  if (adaptor.getInputs().empty()) {
    // The verifier refuses it; a type is needed until then.
    types.push_back(RankedTensorType::get(
        {}, Float32Type::get(adaptor.getAxisAttr().getContext())));
    return;
  }
  RankedTensorType first = tensorType(adaptor.getInputs().front());
  SmallVector<int64_t> shape(first.getShape());
  std::optional<int64_t> axis =
      normalizeAxis(adaptor.getAxis(), first.getRank());
  for (Value input : adaptor.getInputs().drop_front()) {
    ArrayRef<int64_t> other = tensorType(input).getShape();
    if (other.size() != shape.size())
      continue;
    for (auto [i, extent] : llvm::enumerate(shape)) {
      if (axis != int64_t(i))
        extent = meetExtents(extent, other[i]);
      else if (ShapedType::isDynamic(extent) ||
               ShapedType::isDynamic(other[i]) ||
               llvm::AddOverflow(extent, other[i], extent))
        extent = kDynamic;
    }
  }
  types.push_back(first.clone(shape));
}

LogicalResult ConcatOp::verify() {
  if (getInputs().empty())
    return emitOpError() << "expects one input or more, got none";
  RankedTensorType first = tensorType(getInputs().front());
  if (failed(verifyAxis(*this, getAxis(), first.getRank())) ||
      failed(verifyElementTypes(*this, getInputs())))
    return failure();
  int64_t axis = *normalizeAxis(getAxis(), first.getRank());
  for (Value input : getInputs().drop_front()) {
    ArrayRef<int64_t> shape = tensorType(input).getShape();
    bool fits = int64_t(shape.size()) == first.getRank();
    for (int64_t i = 0; fits && i < first.getRank(); ++i)
      fits = i == axis || areCompatibleExtents(shape[i], first.getDimSize(i));
    if (!fits)
      return emitOpError() << "expects inputs that differ along axis " << axis
                           << " only, got " << first << " and "
                           << input.getType();
  }
  return success();
}

OpFoldResult ConcatOp::fold(FoldAdaptor) {
  bool isIdentity =
      getInputs().size() == 1 && getInputs().front().getType() == getType();
  return isIdentity ? getInputs().front() : OpFoldResult();
}

void ExpandOp::inferTypes(Adaptor adaptor, SmallVectorImpl<Type> &types) {
  types.push_back(broadcastTypes(
      adaptor.getOperands(), tensorType(adaptor.getInput()).getElementType()));
}

LogicalResult ExpandOp::verify() {
  return verifyBroadcast(*this, getOperands());
}

OpFoldResult ExpandOp::fold(FoldAdaptor) {
  // Only what is static is known not to repeat.
  bool isIdentity = getType() == getInput().getType() &&
                    (getType().hasStaticShape() || getInput() == getLike());
  return isIdentity ? getInput() : OpFoldResult();
}

void DimOp::inferTypes(Adaptor adaptor, SmallVectorImpl<Type> &types) {
  types.push_back(RankedTensorType::get(
      {}, IntegerType::get(adaptor.getInput().getContext(), 64)));
}

LogicalResult DimOp::verify() {
  return verifyAxis(*this, getAxis(), tensorType(getInput()).getRank());
}

OpFoldResult DimOp::fold(FoldAdaptor) {
  int64_t extent = extentOf(getInput(), getAxis());
  if (ShapedType::isDynamic(extent))
    return {};
  return DenseElementsAttr::get(getType(), llvm::ArrayRef<int64_t>(extent));
}

void RangeOp::inferTypes(Adaptor adaptor, SmallVectorImpl<Type> &types) {
  types.push_back(RankedTensorType::get(
      {kDynamic}, tensorType(adaptor.getLimit()).getElementType()));
}

LogicalResult RangeOp::verify() {
  return verifyRank(*this, "limit", getLimit(), 0);
}

} // namespace transom::transformer
