//===- Kernel.h - the kernel dialect ----------------------------*- C++ -*-===//
//
// Dialect, types, attributes and ops; what they mean is in the .td files and in
// docs/reference/kernel-dialect.md.
//
//===----------------------------------------------------------------------===//

#ifndef TRANSOM_IR_KERNEL_KERNEL_H
#define TRANSOM_IR_KERNEL_KERNEL_H

#include "ir/Transformer/Transformer.h"

#include "mlir/Bytecode/BytecodeOpInterface.h"
#include "mlir/IR/Builders.h"
#include "mlir/IR/BuiltinAttributes.h"
#include "mlir/IR/BuiltinTypes.h"
#include "mlir/IR/Dialect.h"
#include "mlir/IR/OpDefinition.h"
#include "mlir/IR/OpImplementation.h"
#include "mlir/IR/SymbolTable.h"
#include "mlir/Interfaces/ControlFlowInterfaces.h"
#include "mlir/Interfaces/FunctionInterfaces.h"
#include "mlir/Interfaces/SideEffectInterfaces.h"

#include "ir/Kernel/KernelDialect.h.inc"

#include "ir/Kernel/KernelEnums.h.inc"

namespace transom::kernel {
/// The first extents are those of slots in the arena, TRANSOM_EXTENTS of
/// runtime/abi.h; inputs may have the others too.
inline constexpr unsigned numArenaExtents = 4;
} // namespace transom::kernel

#define GET_ATTRDEF_CLASSES
#include "ir/Kernel/KernelAttributes.h.inc"

#define GET_TYPEDEF_CLASSES
#include "ir/Kernel/KernelTypes.h.inc"

#define GET_OP_CLASSES
#include "ir/Kernel/KernelOps.h.inc"

#endif // TRANSOM_IR_KERNEL_KERNEL_H
