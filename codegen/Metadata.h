//===- Metadata.h - what a library says about itself ----------------------===//
#ifndef TRANSOM_CODEGEN_METADATA_H
#define TRANSOM_CODEGEN_METADATA_H

#include "codegen/Machine.h"
#include "codegen/host/LowerHost.h"
#include "codegen/link/Header.h"

#include "mlir/IR/BuiltinOps.h"

namespace transom::codegen {

/// The JSON of a library: all of the module's `transformer.metadata`, and
///   "name", "target", "cpu", "cpu_features" (as Linux names them), "dtype",
///   "abi", "compiler", "weights_hash" (16 digits), "weights_bytes", "inputs"
///   (of the caller: "name", "dtype", "dims", "default", "bound"), "outputs"
///   ("name", "dtype", "dims"), and, if there are others than the first
///   program, which those are of: "programs", an object that has "inputs" and
///   "outputs" for each of their names. With a cache, "cache": "columns",
///   "block_tokens", "block_bytes".
/// A dim is a number or "tokens", "sequences". Beside it what the runtime's
/// generation takes from "generation_config", if the program `step` has an
/// output "logits" at output positions. Fails with an error at the module if
/// its metadata is not a JSON object.
mlir::FailureOr<LibraryMetadata>
libraryMetadata(mlir::ModuleOp module, llvm::ArrayRef<Interface> interfaces,
                llvm::StringRef name, const Machine &machine,
                uint64_t weightsHash, int64_t weightsBytes);

/// Inputs and outputs of a program in words, for the generated header. The
/// first program of a library is what "run" runs.
ProgramDocumentation documentProgram(const Interface &interface, bool isFirst);

} // namespace transom::codegen

#endif // TRANSOM_CODEGEN_METADATA_H
