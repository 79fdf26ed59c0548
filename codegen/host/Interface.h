//===- Interface.h - a program's tensors, as its library shows them -------===//
#ifndef TRANSOM_CODEGEN_HOST_INTERFACE_H
#define TRANSOM_CODEGEN_HOST_INTERFACE_H

#include "codegen/ElementType.h"
#include "ir/Kernel/Kernel.h"
#include "runtime/abi.h"

#include <optional>
#include <string>
#include <vector>

namespace transom::codegen {

struct InterfaceInput {
  std::string name;
  transom_input_info info; ///< but for its name
};

struct InterfaceOutput {
  std::string name;
  transom_output_info info; ///< but for its name
};

/// Inputs and outputs of a kernel.program by its `transformer.*` attributes.
struct Interface {
  std::string name; ///< of the program
  transom_program_kind kind = TRANSOM_PROGRAM_FORWARD;
  std::vector<InterfaceInput> inputs;
  std::vector<InterfaceOutput> outputs;
  /// Which output each result is; none for a cache, which is an input that the
  /// program writes to.
  std::vector<std::optional<size_t>> outputOfResult;
  int64_t cacheColumns = 0; ///< 0: the program has no cache
  ElementType cacheType = f32;

  /// Of all columns; 0: the program has no cache.
  int64_t cacheBlockBytes() const {
    return cacheColumns * TRANSOM_CACHE_BLOCK * cacheType.bytes();
  }

  /// Fails with an error at the program if a tensor can't be in the interface
  /// of a library: without a name, or of a type that abi.h does not have.
  static mlir::FailureOr<Interface> of(kernel::ProgramOp program);

  /// Of a module's programs, in their order. Also fails if they don't make one
  /// library: without a program, with two of a kind, with a cache in the first
  /// one, or with caches that differ.
  static mlir::FailureOr<std::vector<Interface>>
  ofAll(llvm::ArrayRef<kernel::ProgramOp> programs);
};

} // namespace transom::codegen

#endif // TRANSOM_CODEGEN_HOST_INTERFACE_H
