//===- PrimitiveOps.cpp - what an exporter's graph contains ---------------===//

#include "ir/Transformer/OpSupport.h"
#include "ir/Transformer/Transformer.h"

#include "mlir/IR/TypeUtilities.h"

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
  std::optional<size_t> left;
  for (auto [i, extent] : llvm::enumerate(shape)) {
    if (extent == 0 && i < from.size()) {
      extent = input.getDimSize(i);
      from[i] = 1;
    } else if (extent <= 0) {
      extent = kDynamic;
      left = i;
    } else {
      known *= extent;
    }
  }
  int64_t total = countElements(from);
  if (left && !ShapedType::isDynamic(total) && total % known == 0)
    shape[*left] = total / known;
  types.push_back(input.clone(shape));
}

void TransposeOp::inferTypes(Adaptor adaptor, SmallVectorImpl<Type> &types) {
  RankedTensorType input = tensorType(adaptor.getInput());
  SmallVector<int64_t> shape;
  for (int64_t from : adaptor.getPermutation())
    shape.push_back(from >= 0 && from < input.getRank() ? input.getDimSize(from)
                                                        : kDynamic);
  types.push_back(input.clone(shape));
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
      else if (ShapedType::isDynamic(extent) || ShapedType::isDynamic(other[i]))
        extent = kDynamic;
      else
        extent += other[i];
    }
  }
  types.push_back(first.clone(shape));
}

void ExpandOp::inferTypes(Adaptor adaptor, SmallVectorImpl<Type> &types) {
  types.push_back(broadcastTypes(
      adaptor.getOperands(), tensorType(adaptor.getInput()).getElementType()));
}

void DimOp::inferTypes(Adaptor adaptor, SmallVectorImpl<Type> &types) {
  types.push_back(RankedTensorType::get(
      {}, IntegerType::get(adaptor.getInput().getContext(), 64)));
}

void RangeOp::inferTypes(Adaptor adaptor, SmallVectorImpl<Type> &types) {
  types.push_back(RankedTensorType::get(
      {kDynamic}, tensorType(adaptor.getLimit()).getElementType()));
}

} // namespace transom::transformer
