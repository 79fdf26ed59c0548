//===- ColumnView.cpp - some columns of an argument -----------------------===//

#include "codegen/selection/ColumnView.h"
#include "ir/Transformer/Transformer.h"

using namespace mlir;
using namespace transom;
using namespace transom::codegen;

std::optional<ColumnView> transom::codegen::columnViewOf(Value value) {
  ColumnView view;
  while (auto slice = value.getDefiningOp<transformer::SliceOp>()) {
    auto type = cast<RankedTensorType>(slice.getInput().getType());
    int64_t axis = slice.getAxis();
    if (axis < 0)
      axis += type.getRank();
    if (axis != type.getRank() - 1 || slice.getStep() != 1)
      return std::nullopt;
    int64_t begin = slice.getBegin();
    if (begin < 0)
      begin += type.getShape().back();
    view.offset += std::max<int64_t>(begin, 0);
    value = slice.getInput();
  }
  auto argument = dyn_cast<BlockArgument>(value);
  auto type = dyn_cast<RankedTensorType>(value.getType());
  if (!argument || !type)
    return std::nullopt;
  view.type = elementTypeOf(type.getElementType());
  view.argument = argument.getArgNumber();
  // A vector has no rows: nothing to stride over.
  view.stride = type.getRank() == 2 ? rowStride(type.getDimSize(1)) : 0;
  return view;
}
