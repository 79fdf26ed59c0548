//===- Interface.h - a program's tensors, as its library shows them -------===//
#ifndef TRANSOM_CODEGEN_HOST_INTERFACE_H
#define TRANSOM_CODEGEN_HOST_INTERFACE_H

#include "ir/Kernel/Kernel.h"
#include "runtime/abi.h"

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
  std::vector<InterfaceInput> inputs;
  std::vector<InterfaceOutput> outputs;

  /// Fails with an error at the program if a tensor can't be at the surface of
  /// a library: without a name, or of a type that abi.h does not have.
  static mlir::FailureOr<Interface> of(kernel::ProgramOp program);
};

} // namespace transom::codegen

#endif // TRANSOM_CODEGEN_HOST_INTERFACE_H
