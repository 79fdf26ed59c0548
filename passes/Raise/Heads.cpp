//===- Heads.cpp - split_heads and merge_heads from reshapes --------------===//
//
// nn.MultiheadAttention's view and permute: reshape and transpose. The key
// arrives transposed in full, [B, H, D, T], because ONNX's product can't
// transpose an operand; ours can, so the transposition goes into the product.
//
//===----------------------------------------------------------------------===//

#include "passes/Raise/Match.h"
#include "passes/Raise/Patterns.h"
#include "passes/Raise/Shapes.h"

using namespace mlir;
using namespace transom::transformer;

namespace transom::raising {

static RankedTensorType getTensorType(Value value) {
  return cast<RankedTensorType>(value.getType());
}

/// transpose(reshape(x [B, T, C] to [B, T, H, D]), [0, 2, 1, 3])
///   => split_heads x heads H
static Value raiseSplitHeads(Value root, PatternRewriter &rewriter) {
  auto transpose = root.getDefiningOp<TransposeOp>();
  auto reshape = transpose.getInput().getDefiningOp<ReshapeOp>();
  if (!reshape || !isPermutation(transpose, {0, 2, 1, 3}))
    return {};
  RankedTensorType from = getTensorType(reshape.getInput());
  RankedTensorType to = reshape.getType();
  if (from.getRank() != 3 || from.isDynamicDim(2) || to.isDynamicDim(2) ||
      to.isDynamicDim(3) || !reshape.keepsLeading(2) ||
      !isa<FloatType>(from.getElementType()))
    return {};
  return SplitHeadsOp::create(rewriter, root.getLoc(), reshape.getInput(),
                              to.getDimSize(2));
}

/// reshape(transpose(x [B, H, T, D], [0, 2, 1, 3]) to [B, T, C])
///   => merge_heads x
static Value raiseMergeHeads(Value root, PatternRewriter &rewriter) {
  auto reshape = root.getDefiningOp<ReshapeOp>();
  auto transpose = reshape.getInput().getDefiningOp<TransposeOp>();
  if (!transpose || !isPermutation(transpose, {0, 2, 1, 3}) ||
      reshape.getType().getRank() != 3 || reshape.getType().isDynamicDim(2) ||
      !reshape.keepsLeading(2))
    return {};
  RankedTensorType from = getTensorType(transpose.getInput());
  if (from.isDynamicDim(1) || from.isDynamicDim(3) ||
      !isa<FloatType>(from.getElementType()))
    return {};
  return MergeHeadsOp::create(rewriter, root.getLoc(), transpose.getInput());
}

/// matmul(q, [scale] transpose(k, p)), p moving the last dimension
///   => matmul(q, [scale] transpose(k, p'), transpose_rhs), p' not moving it
static Value raiseTransposedProduct(Value root, PatternRewriter &rewriter) {
  auto matmul = root.getDefiningOp<MatmulOp>();
  double factor = 1.0;
  Value right = matmul.getRhs();
  Value scaled = matchMultiple(right, factor);
  if (scaled && scaled.getType() == right.getType())
    right = scaled;
  else
    scaled = {};
  auto transpose = right.getDefiningOp<TransposeOp>();
  if (matmul.getTransposeRhs() || !transpose)
    return {};
  SmallVector<int64_t> permutation(transpose.getPermutation());
  int64_t rank = permutation.size();
  if (rank < 2 || permutation[rank - 1] == rank - 1 ||
      permutation[rank - 2] != rank - 1)
    return {};
  std::swap(permutation[rank - 1], permutation[rank - 2]);
  Location loc = transpose.getLoc();
  Value key = transpose.getInput();
  if (!llvm::is_sorted(permutation))
    key = TransposeOp::create(rewriter, loc, key, permutation);
  if (scaled)
    key = ScaleOp::create(rewriter, loc, key, APFloat(float(factor)));
  return MatmulOp::create(rewriter, root.getLoc(), matmul.getLhs(), key,
                          /*transpose_rhs=*/true);
}

/// A reshape, cast, transpose or expand of a value to what it is => the value
static Value raiseIdentity(Value root, PatternRewriter &) {
  Operation *op = root.getDefiningOp();
  Value input = op->getOperand(0);
  if (input.getType() != root.getType())
    return {};
  if (auto reshape = dyn_cast<ReshapeOp>(op))
    return reshape.keepsLeading(reshape.getType().getRank()) ? input : Value();
  if (auto transpose = dyn_cast<TransposeOp>(op))
    return llvm::is_sorted(transpose.getPermutation()) ? input : Value();
  if (auto expand = dyn_cast<ExpandOp>(op))
    return expand.getType().hasStaticShape() ? input : Value();
  return input; // A cast.
}

void addHeads(Patterns &patterns) {
  patterns.add<TransposeOp>(raiseSplitHeads);
  patterns.add<ReshapeOp>(raiseMergeHeads);
  patterns.add<MatmulOp>(raiseTransposedProduct);
  patterns.add<CastOp, ExpandOp, ReshapeOp, TransposeOp>(raiseIdentity);
}

} // namespace transom::raising
