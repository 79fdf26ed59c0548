//===- Masks.cpp - padding_mask and causal_mask from primitives -----------===//
//
// Exporters make of a mask what hides a key: where(mask, 0, lowest), or
// (1 - mask) * lowest, for the mask of one key [B, T], broadcast by unsqueezes
// and expands to [B, 1, Tq, Tk], and-ed with conditions that are always true
// and with "not later than the query". An analysis reads which of them a value
// is.
//
// What counts as lowest: any number up to -10000, -inf included. All of them
// hide: exp(-10000 + s) is 0 in f32 as long as scores differ by less than 9896.
// Only for a query that sees no key at all do they differ (-10000 leaves the
// softmax of the scores, -inf leaves NaN, the lowest float leaves the mean of
// the values), and what such a query computes is padding that no caller sees.
//
//===----------------------------------------------------------------------===//

#include "passes/Raise/Match.h"
#include "passes/Raise/Patterns.h"
#include "passes/Raise/Shapes.h"
#include "passes/Remarks.h"

#include "mlir/IR/TypeUtilities.h"
#include "mlir/Interfaces/FunctionInterfaces.h"

#include <array>
#include <tuple>

using namespace mlir;
using namespace transom::transformer;

namespace transom::raising {

namespace {

constexpr double highestMask = -10000.0;

/// A dimension of the value for each of the four of the scores, [B, H, Tq, Tk];
/// -1 where the value repeats.
using Dims = std::array<int64_t, 4>;

int64_t getRank(Value value) {
  return cast<RankedTensorType>(value.getType()).getRank();
}

/// Of a value that broadcasts to scores.
Dims alignDims(int64_t rank) {
  Dims dims;
  for (int64_t i = 0; i < 4; ++i)
    dims[i] = std::max<int64_t>(i - 4 + rank, -1);
  return dims;
}

/// What hides keys from queries. The masks must be of the extents of `scores`.
class Visibility {
public:
  explicit Visibility(Value scores) : scores(scores) {}

  Value padding; ///< [B, T], 0 hides the key; null if there is none.
  bool isCausal = false;
  bool hasUnknownNumbers = false; ///< Refused: a mask that may not be 0 or 1.

  /// Whether `value` is 0 where a key is visible and lowest where it is not.
  bool matchAdditive(Value value) {
    return matchAdditive(value, alignDims(getRank(value)));
  }
  /// Whether `value` is true where a key is visible (hidden, if `isHidden`).
  bool matchCondition(Value value, bool isHidden) {
    return matchCondition(value, alignDims(getRank(value)), isHidden,
                          /*isNumber=*/false);
  }
  bool isEmpty() const { return !padding && !isCausal; }

private:
  bool matchAdditive(Value value, Dims dims);
  bool matchCondition(Value value, Dims dims, bool isHidden, bool isNumber);
  bool matchParts(Value value, Dims dims, bool isHidden, bool isNumber);
  bool matchComparison(CompareOp op, Dims dims, bool isHidden, bool isNumber);
  bool matchPadding(Value mask, Dims dims, bool isNumber);
  bool matchGatheredPadding(GatherOp op, Dims dims, bool isNumber);
  bool isPosition(Value value, Dims dims, int64_t dim, Value of, int64_t axis);
  bool stripBroadcast(Value &value, Dims &dims);

  Value scores;
  Extents extents;
};

/// The dims of an operand that broadcasts, aligned at the end, to `rank`.
Dims getOperandDims(Dims dims, int64_t rank, Value operand) {
  for (int64_t &dim : dims)
    if (dim >= 0)
      dim = std::max<int64_t>(dim - (rank - getRank(operand)), -1);
  return dims;
}

/// Goes behind one op that only repeats or unsqueezes; false if there is none.
bool Visibility::stripBroadcast(Value &value, Dims &dims) {
  if (auto expand = value.getDefiningOp<ExpandOp>()) {
    dims = getOperandDims(dims, getRank(value), expand.getInput());
    value = expand.getInput();
    return true;
  }
  auto reshape = value.getDefiningOp<ReshapeOp>();
  auto from = reshape ? matchUnitReshape(reshape) : std::nullopt;
  if (!from)
    return false;
  for (int64_t &dim : dims)
    if (dim >= 0)
      dim = (*from)[dim];
  value = reshape.getInput();
  return true;
}

/// Whether a value is the same along each of the scores' dimensions but these.
bool variesAlong(Value value, Dims dims, Dims expected) {
  ArrayRef<int64_t> shape = cast<RankedTensorType>(value.getType()).getShape();
  for (auto [dim, want] : llvm::zip(dims, expected))
    if ((dim >= 0 && shape[dim] == 1 ? -1 : dim) != want && want != dim)
      return false;
  return true;
}

/// Whether `value` is 0, 1, 2, .. along `dim` of the scores, as many as
/// dimension `axis` of `of` has.
bool Visibility::isPosition(Value value, Dims dims, int64_t dim, Value of,
                            int64_t axis) {
  while (true) {
    if (auto cast = value.getDefiningOp<CastOp>())
      value = cast.getInput();
    else if (!stripBroadcast(value, dims))
      break;
  }
  Dims expected = {-1, -1, -1, -1};
  expected[dim] = 0;
  auto range = value.getDefiningOp<RangeOp>();
  return range && variesAlong(value, dims, expected) &&
         extents.isExtentOf(range.getLimit(), of, axis);
}

/// Whether every number of the tensor is 0 or 1: a truth value, an attention
/// mask, an argument that says so.
bool isZeroOrOne(Value value) {
  if (getElementTypeOrSelf(value).isInteger(1))
    return true;
  auto argument = dyn_cast<BlockArgument>(value);
  auto function =
      argument
          ? dyn_cast<FunctionOpInterface>(argument.getOwner()->getParentOp())
          : FunctionOpInterface();
  if (!function)
    return false;
  unsigned number = argument.getArgNumber();
  auto role = function.getArgAttrOfType<StringAttr>(number, roleAttr);
  auto bound = function.getArgAttrOfType<IntegerAttr>(number, boundAttr);
  return (role && role.getValue() == "attention_mask") ||
         (bound && bound.getInt() <= 2);
}

bool Visibility::matchPadding(Value mask, Dims dims, bool isNumber) {
  auto type = cast<RankedTensorType>(mask.getType());
  if (type.getRank() != 2 || !isa<IntegerType>(type.getElementType()) ||
      !variesAlong(mask, dims, {0, -1, -1, 1}) || (padding && padding != mask))
    return false;
  if (isNumber && !isZeroOrOne(mask)) {
    hasUnknownNumbers = true;
    return false;
  }
  padding = mask;
  return true;
}

/// mask[b, k] as newer exporters write it for all b and k:
/// gather(reshape(mask, [-1]), k + b * T)
bool Visibility::matchGatheredPadding(GatherOp op, Dims dims, bool isNumber) {
  auto flat = op.getInput().getDefiningOp<ReshapeOp>();
  if (!flat || op.getAxis() != 0 || flat.getType().getRank() != 1)
    return false;
  Value mask = flat.getInput();
  while (auto cast = mask.getDefiningOp<CastOp>()) {
    isNumber &= !getElementTypeOrSelf(cast).isInteger(1);
    mask = cast.getInput();
  }
  if (getRank(mask) != 2)
    return false;
  Value index = op.getIndices();
  while (true) {
    if (auto cast = index.getDefiningOp<CastOp>())
      index = cast.getInput();
    else if (!stripBroadcast(index, dims))
      break;
  }
  auto add = index.getDefiningOp<AddOp>();
  if (!add)
    return false;
  int64_t rank = getRank(index);
  for (auto [key, row] : {std::pair(add.getLhs(), add.getRhs()),
                          std::pair(add.getRhs(), add.getLhs())}) {
    auto mul = row.getDefiningOp<MulOp>();
    if (!mul || !isPosition(key, getOperandDims(dims, rank, key), 3, mask, 1))
      continue;
    for (auto [batch, length] : {std::pair(mul.getLhs(), mul.getRhs()),
                                 std::pair(mul.getRhs(), mul.getLhs())})
      if (extents.isExtentOf(length, mask, 1) &&
          isPosition(batch, getOperandDims(dims, rank, batch), 0, mask, 0))
        return matchPadding(mask, {0, -1, -1, 1}, isNumber);
  }
  return false;
}

/// `isNumber`: nonzero numbers count as they are, not as true.
bool Visibility::matchComparison(CompareOp op, Dims dims, bool isHidden,
                                 bool isNumber) {
  Value lhs = op.getLhs(), rhs = op.getRhs();
  Comparison relation = op.getRelation();
  if (getNumber(lhs)) { // The number to the right.
    static constexpr Comparison swapped[] = {Comparison::EQ, Comparison::NE,
                                             Comparison::GT, Comparison::GE,
                                             Comparison::LT, Comparison::LE};
    std::swap(lhs, rhs);
    relation = swapped[unsigned(relation)];
  }
  Dims left = getOperandDims(dims, getRank(op), lhs);
  Dims right = getOperandDims(dims, getRank(op), rhs);
  if (isNumber && !getNumber(rhs))
    isNumber = false;
  if (std::optional<double> number = getNumber(rhs)) {
    // A position is at least 0, always.
    if (*number == 0 && relation == Comparison::GE && !isHidden) {
      Value position = lhs;
      while (isa_and_nonnull<CastOp, ExpandOp, ReshapeOp>(
          position.getDefiningOp()))
        position = position.getDefiningOp()->getOperand(0);
      return bool(position.getDefiningOp<RangeOp>());
    }
    if (*number == 0 && relation == Comparison::NE)
      return matchCondition(lhs, left, isHidden, /*isNumber=*/false);
    if (*number == 0 && relation == Comparison::EQ)
      return matchCondition(lhs, left, !isHidden, /*isNumber=*/false);
    // Of 0 and 1 these are the same.
    if ((*number == 1 &&
         (relation == Comparison::EQ || relation == Comparison::GE)) ||
        (*number == 0 && relation == Comparison::GT))
      return matchCondition(lhs, left, isHidden, /*isNumber=*/true);
    return false;
  }
  // key <= query, or hidden if key > query; Tq = Tk makes it a causal mask.
  if (isHidden)
    relation = relation == Comparison::GT   ? Comparison::LE
               : relation == Comparison::LT ? Comparison::GE
                                            : Comparison::EQ;
  if (relation == Comparison::GE) {
    std::swap(lhs, rhs);
    std::swap(left, right);
  } else if (relation != Comparison::LE) {
    return false;
  }
  if (getRank(scores) != 4 || !extents.isSame(scores, 2, scores, 3) ||
      !isPosition(lhs, left, 3, scores, 3) ||
      !isPosition(rhs, right, 2, scores, 2))
    return false;
  isCausal = true;
  return true;
}

bool Visibility::matchCondition(Value value, Dims dims, bool isHidden,
                                bool isNumber) {
  auto before = std::pair(padding, isCausal);
  if (matchParts(value, dims, isHidden, isNumber))
    return true;
  std::tie(padding, isCausal) = before;
  return !isHidden && matchPadding(value, dims, isNumber);
}

bool Visibility::matchParts(Value value, Dims dims, bool isHidden,
                            bool isNumber) {
  if (std::optional<double> number = getNumber(value))
    return (*number != 0) != isHidden && (!isNumber || *number == 1);
  if (auto cast = value.getDefiningOp<CastOp>())
    return matchCondition(
        cast.getInput(), dims, isHidden,
        isNumber && !getElementTypeOrSelf(cast).isInteger(1) &&
            !getElementTypeOrSelf(cast.getInput()).isInteger(1));
  if (auto gather = value.getDefiningOp<GatherOp>())
    return !isHidden && matchGatheredPadding(gather, dims, isNumber);
  if (auto compare = value.getDefiningOp<CompareOp>())
    return matchComparison(compare, dims, isHidden, isNumber);
  // All conditions must hold: and, a product of 0 and 1; or, of what hides.
  Operation *op = value.getDefiningOp();
  if (isa_and_nonnull<AndOp, MulOp>(op) ? !isHidden
                                        : isa_and_nonnull<OrOp>(op) && isHidden)
    return llvm::all_of(op->getOperands(), [&](Value operand) {
      return matchCondition(operand,
                            getOperandDims(dims, getRank(value), operand),
                            isHidden, isNumber);
    });
  // 1 - m hides what m shows.
  auto sub = value.getDefiningOp<SubOp>();
  if (sub && isNumber && raising::isNumber(sub.getLhs(), 1.0))
    return matchCondition(sub.getRhs(),
                          getOperandDims(dims, getRank(value), sub.getRhs()),
                          !isHidden, isNumber);
  return stripBroadcast(value, dims) &&
         matchCondition(value, dims, isHidden, isNumber);
}

bool Visibility::matchAdditive(Value value, Dims dims) {
  auto getOperand = [&](Value operand) {
    return getOperandDims(dims, getRank(value), operand);
  };
  if (auto select = value.getDefiningOp<SelectOp>()) {
    std::optional<double> ifTrue = getNumber(select.getLhs()),
                          ifFalse = getNumber(select.getRhs());
    if (!ifTrue || !ifFalse)
      return false;
    bool isHidden = *ifFalse == 0 && *ifTrue <= highestMask;
    return (isHidden || (*ifTrue == 0 && *ifFalse <= highestMask)) &&
           matchCondition(select.getCondition(),
                          getOperand(select.getCondition()), isHidden,
                          /*isNumber=*/false);
  }
  if (auto add = value.getDefiningOp<AddOp>())
    return matchAdditive(add.getLhs(), getOperand(add.getLhs())) &&
           matchAdditive(add.getRhs(), getOperand(add.getRhs()));
  double lowest;
  if (Value factor = matchMultiple(value, lowest))
    return lowest <= highestMask &&
           matchCondition(factor, getOperand(factor), /*isHidden=*/true,
                          /*isNumber=*/true);
  if (auto cast = value.getDefiningOp<CastOp>())
    return isa<FloatType>(getElementTypeOrSelf(cast.getInput())) &&
           matchAdditive(cast.getInput(), dims);
  return stripBroadcast(value, dims) && matchAdditive(value, dims);
}

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
    if (getRank(mask) <= 4 && visible.matchAdditive(mask))
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
    if (!lowest || *lowest > highestMask || getRank(select.getCondition()) > 4)
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
    return isa<RankedTensorType>(mask.getType()) && getRank(mask) <= 4 &&
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
