//===- Define.cpp - a kernel.define as selection reads it -----------------===//

#include "codegen/selection/Define.h"
#include "ir/Transformer/Transformer.h"

using namespace mlir;
using namespace transom;
using namespace transom::codegen;

Define::Define(kernel::DefineOp op)
    : op(op), yield(cast<kernel::YieldOp>(op.getBody().front().back())) {
  for (Operation &each : op.getBody().front().without_terminator())
    if (!isa<transformer::SliceOp>(each) &&
        !each.hasTrait<OpTrait::ConstantLike>())
      ops.push_back(&each);
}

std::optional<ColumnView> Define::activation(Value value) const {
  auto type = dyn_cast<RankedTensorType>(value.getType());
  std::optional<ColumnView> view = columnViewOf(value);
  if (!view || !type || type.getRank() != 2 || view->type != f32 ||
      isWeight(*view))
    return std::nullopt;
  return view;
}

std::optional<ColumnView> Define::weight(Value value) const {
  std::optional<ColumnView> view = columnViewOf(value);
  if (!view || isa_and_present<transformer::SliceOp>(value.getDefiningOp()) ||
      !isWeight(*view) || view->type != f32)
    return std::nullopt;
  return view;
}

std::optional<ColumnView> Define::cache(Value value) const {
  auto argument = dyn_cast<BlockArgument>(value);
  return argument ? columnViewOf(argument) : std::nullopt;
}

std::optional<ColumnView> Define::integers(Value value) const {
  auto type = dyn_cast<RankedTensorType>(value.getType());
  std::optional<ColumnView> view = columnViewOf(value);
  if (!view || !type || type.getRank() != 1 || view->type != i32)
    return std::nullopt;
  return view;
}

int64_t transom::codegen::widthOf(Value value) {
  auto type = cast<RankedTensorType>(value.getType());
  return type.getRank() == 0 || ShapedType::isDynamic(type.getShape().back())
             ? 1
             : type.getShape().back();
}
