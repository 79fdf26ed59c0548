//===- LibraryPlan.h - a library before its kernels compile ---------------===//
#ifndef TRANSOM_CODEGEN_LIBRARYPLAN_H
#define TRANSOM_CODEGEN_LIBRARYPLAN_H

#include "codegen/host/LowerHost.h"

namespace transom::codegen {

/// All that is decided about a library of a module's programs: what the
/// compiler and the pass `transom-lower-host` have in common.
struct LibraryPlan {
  llvm::SmallVector<kernel::ProgramOp> programs;
  std::vector<Interface> interfaces; ///< of `programs`
  KernelTable kernels;
  WeightPlan weights;

  /// Finds the programs and their interfaces, and no more. Errors are emitted,
  /// here and below.
  static mlir::FailureOr<LibraryPlan> of(mlir::ModuleOp module);
  /// Selects kernels, which may change launches, and plans the weights file.
  mlir::LogicalResult select(const Machine &machine);
  /// The host program; `options` need no metadata.
  mlir::FailureOr<mlir::OwningOpRef<mlir::ModuleOp>>
  lower(const Machine &machine, HostOptions options);

private:
  mlir::ModuleOp module;
};

} // namespace transom::codegen

#endif // TRANSOM_CODEGEN_LIBRARYPLAN_H
