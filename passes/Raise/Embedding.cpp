//===- Embedding.cpp - embedding and select_token from gathers ------------===//
//
// A gather counts negative indices from the end, an embedding refuses them, as
// the nn.Embedding that was exported did. So the ids must be arguments, which
// get the table's height as their bound, or numbers that can't be negative.
//
//===----------------------------------------------------------------------===//

#include "passes/Raise/Match.h"
#include "passes/Raise/Patterns.h"
#include "passes/Raise/Shapes.h"

#include "mlir/IR/Matchers.h"
#include "mlir/Interfaces/FunctionInterfaces.h"

using namespace mlir;
using namespace transom::transformer;

namespace transom::raising {

/// Where ids come from, behind ops that don't change their values.
static Value stripIds(Value ids) {
  while (isa_and_nonnull<CastOp, ExpandOp, ReshapeOp, TransposeOp>(
      ids.getDefiningOp()))
    ids = ids.getDefiningOp()->getOperand(0);
  return ids;
}

static FunctionOpInterface getFunction(BlockArgument argument) {
  return dyn_cast<FunctionOpInterface>(argument.getOwner()->getParentOp());
}

static bool isNeverNegative(Value ids) {
  DenseIntElementsAttr numbers;
  if (matchPattern(ids, m_Constant(&numbers)))
    return llvm::all_of(numbers, [](APInt id) { return !id.isNegative(); });
  if (auto argument = dyn_cast<BlockArgument>(ids))
    return bool(getFunction(argument));
  return bool(ids.getDefiningOp<RangeOp>());
}

/// Tells the caller of the function how large an id may be.
static void limitIds(Value ids, int64_t bound, PatternRewriter &rewriter) {
  auto argument = dyn_cast<BlockArgument>(ids);
  if (!argument)
    return;
  FunctionOpInterface function = getFunction(argument);
  unsigned number = argument.getArgNumber();
  auto old = function.getArgAttrOfType<IntegerAttr>(number, boundAttr);
  if (old && old.getInt() <= bound)
    return;
  rewriter.modifyOpInPlace(function, [&] {
    function.setArgAttr(number, boundAttr, rewriter.getI64IntegerAttr(bound));
  });
}

/// gather(table [V, C], ids) on axis 0 of a parameter => embedding ids, table
static Value raiseEmbedding(Value root, PatternRewriter &rewriter) {
  auto gather = root.getDefiningOp<GatherOp>();
  auto type = cast<RankedTensorType>(gather.getInput().getType());
  if (gather.getAxis() != 0 || type.getRank() != 2 || !type.hasStaticShape() ||
      !isa<FloatType>(type.getElementType()) || !isParameter(gather.getInput()))
    return {};
  Value ids = stripIds(gather.getIndices());
  if (!isNeverNegative(ids))
    return {};
  limitIds(ids, type.getDimSize(0), rewriter);
  return EmbeddingOp::create(rewriter, root.getLoc(), gather.getIndices(),
                             gather.getInput());
}

static Value createSelectToken(Value x, int64_t index, Value root,
                               PatternRewriter &rewriter) {
  auto type = cast<RankedTensorType>(x.getType());
  if (type.getRank() != 3 || index < 0 ||
      !isa<FloatType>(type.getElementType()))
    return {};
  return SelectTokenOp::create(rewriter, root.getLoc(), x, index);
}

/// gather(x [B, T, C], i) on axis 1, i a number => select_token x at i
static Value raiseSelectByGather(Value root, PatternRewriter &rewriter) {
  auto gather = root.getDefiningOp<GatherOp>();
  std::optional<double> index = getNumber(gather.getIndices());
  if (!index || gather.getAxis() != 1 ||
      cast<RankedTensorType>(gather.getIndices().getType()).getRank() != 0)
    return {};
  return createSelectToken(gather.getInput(), int64_t(*index), root, rewriter);
}

/// reshape(slice(x [B, T, C] axis 1 from i to i + 1) to [B, C])
///   => select_token x at i
static Value raiseSelectBySlice(Value root, PatternRewriter &rewriter) {
  auto reshape = root.getDefiningOp<ReshapeOp>();
  auto slice = reshape.getInput().getDefiningOp<SliceOp>();
  if (!slice || slice.getAxis() != 1 || slice.getStep() != 1 ||
      slice.getEnd() != slice.getBegin() + 1 ||
      slice.getType().getRank() != 3 || reshape.getType().getRank() != 2 ||
      !reshape.keepsLeading(1) || reshape.getType().isDynamicDim(1) ||
      reshape.getType().getDimSize(1) != slice.getType().getDimSize(2))
    return {};
  return createSelectToken(slice.getInput(), slice.getBegin(), root, rewriter);
}

void addEmbedding(Patterns &patterns) {
  patterns.add<GatherOp>(raiseEmbedding);
  patterns.add<GatherOp>(raiseSelectByGather);
  patterns.add<ReshapeOp>(raiseSelectBySlice);
}

} // namespace transom::raising
