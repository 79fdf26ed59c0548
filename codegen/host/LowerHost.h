//===- LowerHost.h - kernel.program -> LLVM dialect -----------------------===//
#ifndef TRANSOM_CODEGEN_HOST_LOWERHOST_H
#define TRANSOM_CODEGEN_HOST_LOWERHOST_H

#include "codegen/host/Interface.h"
#include "codegen/selection/KernelSelection.h"
#include "codegen/weights/WeightPlan.h"

#include "mlir/IR/BuiltinOps.h"

#include <optional>
#include <string>
#include <vector>

namespace transom::codegen {

/// A transom_generation_info.
struct GenerationInfo {
  std::vector<int32_t> eosTokenIds;
  int32_t decoderStartTokenId = -1; ///< -1: none
  size_t logits = 0;                ///< index of the step's output
};

/// What a library says about itself.
struct LibraryMetadata {
  std::string json;
  std::optional<GenerationInfo> generation; ///< of one that generates text
};

struct HostOptions {
  std::string name; ///< NAME of the library
  LibraryMetadata metadata;
  uint64_t weightsHash = 0;
  /// The symbol of an object with the weights; "": they are in a file.
  std::string embeddedWeights;
  /// Also exports `transom_entry`, by which loaders find the library.
  bool isShared = true;
};

/// The host programs of a library, in the LLVM dialect: functions that run the
/// launches of `programs`, the tables that the runtime reads, and the exported
/// functions. Tables of kernels are declared only. `interfaces` is theirs, see
/// Interface::ofAll. Fails with an error at what abi.h can't express.
mlir::FailureOr<mlir::OwningOpRef<mlir::ModuleOp>>
lowerHost(llvm::ArrayRef<kernel::ProgramOp> programs,
          llvm::ArrayRef<Interface> interfaces, const KernelTable &kernels,
          const WeightPlan &weights, const Machine &machine,
          const HostOptions &options);

/// Gives the declared tables of `host` their contents: one compiled kernel for
/// each of `kernels`, in the same order.
void defineKernelTables(mlir::ModuleOp host, const KernelTable &kernels,
                        llvm::ArrayRef<CompiledKernel> compiled);

/// The symbols that a library NAME shows.
std::vector<std::string> exportedSymbols(llvm::StringRef name, bool isShared);

} // namespace transom::codegen

#endif // TRANSOM_CODEGEN_HOST_LOWERHOST_H
