//===- Plan.h - where a function's values lie in memory ---------*- C++ -*-===//
//
// Private to transom-plan-memory, whose steps fill it in this order: the rows
// of every value (Rows.cpp), the outputs that need a call and the slots of its
// results (Slots.cpp), the program (Launches.cpp).
//
//===----------------------------------------------------------------------===//

#ifndef TRANSOM_PASSES_PLANMEMORY_PLAN_H
#define TRANSOM_PASSES_PLANMEMORY_PLAN_H

#include "ir/Kernel/Kernel.h"

#include "mlir/Dialect/Func/IR/FuncOps.h"
#include "mlir/IR/SymbolTable.h"
#include "llvm/ADT/BitVector.h"
#include "llvm/ADT/MapVector.h"

#include <array>

namespace transom::memory {

/// Number of rows of an activation: those of `extent`, and `slack` more.
struct Rows {
  kernel::Extent extent;
  int64_t slack = 0;
};

/// One activation in the arena: alive from the call that writes it to the last
/// that reads it, both included.
struct Slot {
  kernel::Extent extent; ///< whose region it is in
  int64_t bytes;         ///< per row
  int64_t begin, end;
  unsigned number; ///< in the order of the calls
  int64_t offset = 0;

  bool meets(const Slot &other) const {
    return begin <= other.end && other.begin <= end;
  }
};

struct Plan {
  Plan(mlir::func::FuncOp function, mlir::SymbolTable &symbols)
      : function(function), symbols(symbols) {}

  mlir::func::FuncOp function;
  mlir::SymbolTable &symbols;
  llvm::SmallVector<kernel::CallOp> calls;
  llvm::DenseMap<mlir::Value, Rows> rows;
  /// The argument whose memory a value is a later state of.
  llvm::DenseMap<mlir::Value, mlir::Value> updates;
  llvm::DenseMap<mlir::Operation *, llvm::BitVector> outputs;
  llvm::MapVector<mlir::Value, Slot> slots;
  /// Bytes per row of each extent's region.
  std::array<int64_t, kernel::numArenaExtents> arena{};

  kernel::DefineOp getKernel(kernel::CallOp call) {
    return symbols.lookup<kernel::DefineOp>(call.getCallee());
  }
  mlir::OperandRange getResults() {
    return function.front().getTerminator()->getOperands();
  }
};

/// Finds the calls and the rows of all values; fails at what is not a call of a
/// kernel, or changes in place what it may not.
mlir::LogicalResult findRows(Plan &plan);

/// Drops the calls that no output needs.
void findOutputs(Plan &plan);

/// Gives each activation a place in the region of its extent.
void assignSlots(Plan &plan);

/// Replaces the function by a program of launches.
void emitProgram(Plan &plan);

} // namespace transom::memory

#endif // TRANSOM_PASSES_PLANMEMORY_PLAN_H
