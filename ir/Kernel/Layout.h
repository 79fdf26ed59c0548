//===- Layout.h - how activations lie in the arena --------------*- C++ -*-===//
//
// The numbers of runtime/abi.h, which ir/ may not include; codegen asserts that
// they are equal.
//
//===----------------------------------------------------------------------===//

#ifndef TRANSOM_IR_KERNEL_LAYOUT_H
#define TRANSOM_IR_KERNEL_LAYOUT_H

#include "mlir/IR/BuiltinTypes.h"
#include "llvm/Support/MathExtras.h"

namespace transom::kernel {

/// Rows are a multiple of so many elements apart: TRANSOM_ROW_ALIGNMENT.
inline constexpr int64_t rowAlignment = 64;
/// Slots have room for a multiple of so many rows: TRANSOM_ROWS_ALIGNMENT.
inline constexpr int64_t rowsAlignment = 16;
/// Outputs of a program: `transom_frame::requested` has a bit for each.
inline constexpr unsigned mostOutputs = 64;

/// Bytes of a row, columns of padding included; [rows] is stored as [rows, 1].
inline int64_t getRowBytes(mlir::RankedTensorType type) {
  int64_t width = type.getRank() == 2 ? type.getDimSize(1) : 1;
  return llvm::alignTo(width, rowAlignment) *
         llvm::divideCeil(type.getElementTypeBitWidth(), 8);
}

} // namespace transom::kernel

#endif // TRANSOM_IR_KERNEL_LAYOUT_H
