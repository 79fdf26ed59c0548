//===- Visibility.cpp - which keys a mask hides from which queries --------===//

#include "passes/Raise/Visibility.h"

#include "passes/Raise/Match.h"

#include "mlir/IR/TypeUtilities.h"
#include "mlir/Interfaces/FunctionInterfaces.h"

#include <tuple>

using namespace mlir;
using namespace transom::transformer;

namespace transom::raising {

using Dims = std::array<int64_t, 4>;

/// Of a value that broadcasts to scores.
static Dims alignDims(int64_t rank) {
  Dims dims;
  for (int64_t i = 0; i < 4; ++i)
    dims[i] = std::max<int64_t>(i - 4 + rank, -1);
  return dims;
}

/// The dims of an operand that broadcasts, aligned at the end, to `rank`.
static Dims getOperandDims(Dims dims, int64_t rank, Value operand) {
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
static bool variesAlong(Value value, Dims dims, Dims expected) {
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
static bool isZeroOrOne(Value value) {
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
  auto bound = function.getArgAttrOfType<IntegerAttr>(number, boundAttr);
  return getRole(function_interface_impl::getArgAttrDict(function, number)) ==
             InputRole::AttentionMask ||
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

/// Takes the value apart as far as it can, and what is left for a mask. A part
/// that matched before another didn't must leave no trace.
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

/// A sum hides what any of its terms hides: lowest + lowest may be -inf, which
/// hides as well.
bool Visibility::matchAdditive(Value value, Dims dims) {
  auto getOperand = [&](Value operand) {
    return getOperandDims(dims, getRank(value), operand);
  };
  if (auto select = value.getDefiningOp<SelectOp>()) {
    std::optional<double> ifTrue = getNumber(select.getLhs()),
                          ifFalse = getNumber(select.getRhs());
    if (!ifTrue || !ifFalse)
      return false;
    bool isHidden = *ifFalse == 0 && hidesKey(*ifTrue);
    return (isHidden || (*ifTrue == 0 && hidesKey(*ifFalse))) &&
           matchCondition(select.getCondition(),
                          getOperand(select.getCondition()), isHidden,
                          /*isNumber=*/false);
  }
  if (auto add = value.getDefiningOp<AddOp>())
    return matchAdditive(add.getLhs(), getOperand(add.getLhs())) &&
           matchAdditive(add.getRhs(), getOperand(add.getRhs()));
  double lowest;
  if (Value factor = matchMultiple(value, lowest))
    return hidesKey(lowest) &&
           matchCondition(factor, getOperand(factor), /*isHidden=*/true,
                          /*isNumber=*/true);
  if (auto cast = value.getDefiningOp<CastOp>())
    return isa<FloatType>(getElementTypeOrSelf(cast.getInput())) &&
           matchAdditive(cast.getInput(), dims);
  return stripBroadcast(value, dims) && matchAdditive(value, dims);
}

bool Visibility::matchAdditive(Value value) {
  int64_t rank = getRank(value);
  return rank <= 4 && matchAdditive(value, alignDims(rank));
}

bool Visibility::matchCondition(Value value, bool isHidden) {
  int64_t rank = getRank(value);
  return rank <= 4 && matchCondition(value, alignDims(rank), isHidden,
                                     /*isNumber=*/false);
}

} // namespace transom::raising
