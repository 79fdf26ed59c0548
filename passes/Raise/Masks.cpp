//===- Masks.cpp - padding_mask and causal_mask from primitives -----------===//
//
// Scores that keys are hidden from: x + mask, where(visible, x, lowest). What
// the mask hides is read by an analysis (Visibility.h).
//
//===----------------------------------------------------------------------===//

#include "passes/Raise/Match.h"
#include "passes/Raise/Patterns.h"
#include "passes/Raise/Visibility.h"
#include "passes/Remarks.h"

using namespace mlir;
using namespace transom::transformer;

namespace transom::raising {

namespace {

/// [causal_mask](x [+ padding_mask]), of the type of `root`; null, and nothing
/// built, if masks would not fit.
Value createMasked(Value x, const Visibility &visible, Value root,
                   PatternRewriter &rewriter) {
  auto type = dyn_cast<RankedTensorType>(x.getType());
  if (visible.isEmpty() || !type || type != root.getType() ||
      type.getRank() != 4 || !type.getElementType().isF32())
    return {};
  Location loc = root.getLoc();
  if (visible.padding) {
    Value mask = PaddingMaskOp::create(rewriter, loc, visible.padding);
    x = AddOp::create(rewriter, loc, x, mask);
  }
  return visible.isCausal ? Value(CausalMaskOp::create(rewriter, loc, x)) : x;
}

/// x + where(visible, 0, lowest), x + (1 - visible) * lowest
///   => [causal_mask](x [+ padding_mask mask])
Value raiseAdditiveMask(Value root, PatternRewriter &rewriter) {
  auto add = root.getDefiningOp<AddOp>();
  for (auto [x, mask] : {std::pair(add.getLhs(), add.getRhs()),
                         std::pair(add.getRhs(), add.getLhs())}) {
    Visibility visible(x);
    if (visible.matchAdditive(mask))
      if (Value masked = createMasked(x, visible, root, rewriter))
        return masked;
  }
  return {};
}

/// where(visible, x, lowest) => [causal_mask](x [+ padding_mask mask])
Value raiseSelectedMask(Value root, PatternRewriter &rewriter) {
  auto select = root.getDefiningOp<SelectOp>();
  for (bool isHidden : {false, true}) {
    Value x = isHidden ? select.getRhs() : select.getLhs();
    std::optional<double> lowest =
        getNumber(isHidden ? select.getLhs() : select.getRhs());
    if (!lowest || !hidesKey(*lowest))
      continue;
    Visibility visible(x);
    if (visible.matchCondition(select.getCondition(), isHidden))
      return createMasked(x, visible, root, rewriter);
  }
  return {};
}

/// Whether no row is hidden as a whole by -inf: a raised mask stands there.
bool isFinitelyMasked(Value logits) {
  if (auto add = logits.getDefiningOp<AddOp>())
    return add.getLhs().getDefiningOp<PaddingMaskOp>() ||
           add.getRhs().getDefiningOp<PaddingMaskOp>();
  return bool(logits.getDefiningOp<CausalMaskOp>());
}

/// where(isnan(p), 0, p), p the softmax of masked scores => p
/// The guard is for queries without a key, whose softmax under -inf is NaN.
/// isnan arrives as p != p.
Value raiseUnguardedSoftmax(Value root, PatternRewriter &) {
  auto select = root.getDefiningOp<SelectOp>();
  auto isNaN = select.getCondition().getDefiningOp<CompareOp>();
  Value p = select.getRhs();
  auto softmax = p.getDefiningOp<SoftmaxOp>();
  if (!isNaN || !softmax || isNaN.getRelation() != Comparison::NE ||
      isNaN.getLhs() != p || isNaN.getRhs() != p ||
      !isNumber(select.getLhs(), 0.0) || p.getType() != root.getType() ||
      !isFinitelyMasked(softmax.getInput()))
    return {};
  return p;
}

/// Whether `op` adds what would be a mask if its numbers were known to be 0 and
/// 1: the one mismatch that the caller can mend.
bool addsUnknownNumbers(AddOp op) {
  return llvm::any_of(op.getOperands(), [&](Value mask) {
    Visibility visible(op.getResult());
    return isa<RankedTensorType>(mask.getType()) &&
           !visible.matchAdditive(mask) && visible.hasUnknownNumbers;
  });
}

} // namespace

void remarkMasks(Operation *module) {
  module->walk([](AddOp op) {
    if (addsUnknownNumbers(op))
      missedFusion(op, "raise",
                   "a mask is used as a number and may be neither 0 nor 1; an "
                   "argument of role attention_mask is");
  });
}

void addMasks(Patterns &patterns) {
  patterns.add<AddOp>(raiseAdditiveMask);
  patterns.add<SelectOp>(raiseSelectedMask);
  patterns.add<SelectOp>(raiseUnguardedSoftmax);
}

} // namespace transom::raising
