//===- ColumnView.h - some columns of an argument -------------------------===//
#ifndef TRANSOM_CODEGEN_SELECTION_COLUMNVIEW_H
#define TRANSOM_CODEGEN_SELECTION_COLUMNVIEW_H

#include "codegen/kernels/KernelSpec.h"

#include "mlir/IR/Value.h"

#include <optional>

namespace transom::codegen {

/// Some columns of an argument of a kernel.define.
struct ColumnView {
  unsigned argument = 0;
  int64_t offset = 0; ///< the first column
  int64_t stride = 0; ///< between rows, in elements; 0 for a vector
  std::optional<ElementType> type = {}; ///< none: no kernel computes with it

  Activation rows() const { return {stride, offset, type.value_or(f32)}; }
};

/// Looks through slices of columns; nullopt if `value` is not an argument's.
std::optional<ColumnView> columnViewOf(mlir::Value value);

} // namespace transom::codegen

#endif // TRANSOM_CODEGEN_SELECTION_COLUMNVIEW_H
