//===- Shapes.cpp - what reshapes and extents are -------------------------===//

#include "passes/Raise/Shapes.h"

#include "mlir/Interfaces/FunctionInterfaces.h"
#include "llvm/ADT/TypeSwitch.h"

using namespace mlir;
using namespace transom::transformer;

namespace transom::raising {

static ArrayRef<int64_t> getShape(Value value) {
  return cast<RankedTensorType>(value.getType()).getShape();
}

// Two pointers over both shapes, past extents of 1. A pair of dynamic extents
// is the same only if the reshape copies it (entry 0), or if it is the only
// pair that isn't known: the number of elements decides it then.
std::optional<SmallVector<int64_t>> matchUnitReshape(ReshapeOp op) {
  ArrayRef<int64_t> from = getShape(op.getInput()), to = getShape(op);
  SmallVector<int64_t> dims(to.size(), -1);
  size_t i = 0;
  bool hasRest = false;
  for (size_t j = 0; j < to.size(); ++j) {
    if (to[j] == 1)
      continue;
    while (i < from.size() && from[i] == 1)
      ++i;
    if (i == from.size())
      return std::nullopt;
    int64_t entry = op.getShape()[j];
    bool isKnown = (entry == 0 && i == j) ||
                   (from[i] == to[j] && !ShapedType::isDynamic(to[j]));
    // What is left over is the last pair, if all others are equal.
    if (!isKnown && (entry != -1 || hasRest))
      return std::nullopt;
    hasRest |= !isKnown;
    dims[j] = i++;
  }
  while (i < from.size() && from[i] == 1)
    ++i;
  if (i < from.size())
    return std::nullopt;
  return dims;
}

bool isPermutation(TransposeOp op, ArrayRef<int64_t> permutation) {
  return op.getPermutation() == permutation;
}

bool Extents::isExtentOf(Value count, Value a, int64_t i) {
  while (Operation *op = count.getDefiningOp()) {
    if (auto dim = dyn_cast<DimOp>(op)) {
      int64_t rank = getShape(dim.getInput()).size();
      std::optional<int64_t> axis = normalizeAxis(dim.getAxis(), rank);
      return axis && isSame(dim.getInput(), *axis, a, i);
    }
    // Exporters cast and reshape counts to their taste.
    if (!isa<CastOp, ReshapeOp>(op))
      return false;
    count = op->getOperand(0);
  }
  return false;
}

/// The name that a function gives to a dimension of its argument, or null.
static Attribute getDimensionName(BlockArgument argument, int64_t dimension) {
  auto function =
      dyn_cast<FunctionOpInterface>(argument.getOwner()->getParentOp());
  auto names = function ? function.getArgAttrOfType<ArrayAttr>(
                              argument.getArgNumber(), dimsAttr)
                        : ArrayAttr();
  return names && dimension < int64_t(names.size()) ? names[dimension]
                                                    : Attribute();
}

Extents::Origin Extents::find(Value value, int64_t dimension) {
  Dimension key(value, dimension);
  if (auto it = known.find(key); it != known.end())
    return it->second;
  Origin origin(value.getAsOpaquePointer(), dimension);
  int64_t extent = getShape(value)[dimension];
  if (!ShapedType::isDynamic(extent))
    origin = {nullptr, extent};
  else if (auto argument = dyn_cast<BlockArgument>(value)) {
    if (Attribute name = getDimensionName(argument, dimension))
      origin = {name.getAsOpaquePointer(), -1};
  } else if (std::optional<Dimension> from = step(value, dimension)) {
    origin = find(from->first, from->second);
  }
  known[key] = origin;
  return origin;
}

/// The operand, aligned at the last dimension, that doesn't repeat there. Where
/// several don't, they are as long as each other, and any of them will do; one
/// that leads to a name is found before one that leads nowhere.
std::optional<Extents::Dimension> Extents::stepBroadcast(Value value,
                                                         int64_t dimension) {
  std::optional<Dimension> found;
  int64_t rank = getShape(value).size();
  for (Value operand : value.getDefiningOp()->getOperands()) {
    ArrayRef<int64_t> shape = getShape(operand);
    int64_t i = dimension - (rank - int64_t(shape.size()));
    if (i < 0 || shape[i] == 1)
      continue;
    if (!found || find(operand, i).second == -1)
      found = {operand, i};
  }
  return found;
}

std::optional<Extents::Dimension> Extents::step(Value value, int64_t i) {
  using Result = std::optional<Dimension>;
  int64_t rank = getShape(value).size();
  return llvm::TypeSwitch<Operation *, Result>(value.getDefiningOp())
      .Case<ElementwiseOpInterface, ExpandOp>(
          [&](auto) { return stepBroadcast(value, i); })
      .Case<LayerNormOp, RmsNormOp, SoftmaxOp, CausalMaskOp, LinearOp, RotaryOp,
            RepeatHeadsOp>([&](Operation *op) -> Result {
        return {{op->getOperand(0), i}}; // Widths, heads are static.
      })
      .Case([&](EmbeddingOp op) -> Result { return {{op.getIds(), i}}; })
      .Case([&](GatherOp op) -> Result {
        int64_t numIndices = getShape(op.getIndices()).size();
        if (op.getAxis() == 0 && i < numIndices)
          return {{op.getIndices(), i}};
        return std::nullopt;
      })
      .Case([&](MatmulOp op) -> Result {
        if (i == rank - 1)
          return {{op.getRhs(), int64_t(getShape(op.getRhs()).size()) -
                                    (op.getTransposeRhs() ? 2 : 1)}};
        if (i == rank - 2)
          return {{op.getLhs(), int64_t(getShape(op.getLhs()).size()) - 2}};
        return stepBroadcast(value, i);
      })
      .Case([&](TransposeOp op) -> Result {
        return {{op.getInput(), op.getPermutation()[i]}};
      })
      .Case([&](ReshapeOp op) -> Result {
        if (op.getShape()[i] == 0)
          return {{op.getInput(), i}};
        auto dims = matchUnitReshape(op);
        if (dims && (*dims)[i] >= 0)
          return {{op.getInput(), (*dims)[i]}};
        if (op.keepsLeading(i + 1))
          return {{op.getInput(), i}};
        return std::nullopt;
      })
      .Case([&](SplitHeadsOp op) -> Result {
        return {{op.getInput(), i == 0 ? 0 : 1}}; // Heads, sizes are static.
      })
      .Case([&](MergeHeadsOp op) -> Result {
        return {{op.getInput(), i == 0 ? 0 : 2}};
      })
      .Case([&](PaddingMaskOp op) -> Result {
        return {{op.getMask(), i == 0 ? 0 : 1}};
      })
      .Case([&](RangeOp op) -> Result {
        auto dim = op.getLimit().getDefiningOp<DimOp>();
        if (auto cast = op.getLimit().getDefiningOp<CastOp>())
          dim = cast.getInput().getDefiningOp<DimOp>();
        if (!dim)
          return std::nullopt;
        std::optional<int64_t> axis =
            normalizeAxis(dim.getAxis(), getShape(dim.getInput()).size());
        return axis ? Result({dim.getInput(), *axis}) : std::nullopt;
      })
      .Default([](Operation *) { return std::nullopt; });
}

} // namespace transom::raising
