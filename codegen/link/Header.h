//===- Header.h - NAME.h, the interface of a compiled library -------------===//
#ifndef TRANSOM_CODEGEN_LINK_HEADER_H
#define TRANSOM_CODEGEN_LINK_HEADER_H

#include "llvm/ADT/ArrayRef.h"
#include "llvm/ADT/StringRef.h"
#include "llvm/Support/Error.h"

#include <string>
#include <vector>

namespace transom::codegen {

/// NAME of a file `libNAME.so`, `libNAME.a`, `NAME.o`, ...: what the exported
/// functions begin with. Characters that no C identifier has become '_'. Fails
/// if nothing is left, or if the runtime's own functions would be hit.
llvm::Expected<std::string> libraryName(llvm::StringRef path);

/// A tensor of the interface, for documentation.
struct TensorDocumentation {
  std::string name, type, dims, note;
};

/// What NAME_<function> takes and returns.
struct ProgramDocumentation {
  std::string function;
  std::vector<TensorDocumentation> inputs, outputs;
};

/// The text of NAME.h: transom.h, NAME's functions, and the tensors of its
/// programs in words.
std::string libraryHeader(llvm::StringRef name, llvm::StringRef summary,
                          llvm::ArrayRef<ProgramDocumentation> programs);

} // namespace transom::codegen

#endif // TRANSOM_CODEGEN_LINK_HEADER_H
