//===- Npy.h - NumPy's array files ------------------------------*- C++ -*-===//

#ifndef TRANSOM_TOOLS_COMMANDS_NPY_H
#define TRANSOM_TOOLS_COMMANDS_NPY_H

#include "llvm/ADT/ArrayRef.h"
#include "llvm/ADT/StringRef.h"
#include "llvm/Support/Error.h"

#include <cstdint>
#include <string>
#include <vector>

namespace transom {

/// A dense, row-major array in memory.
struct NpyArray {
  enum class Type { Float32, Int32, Int64 };
  Type type = Type::Float32;
  std::vector<int64_t> shape;
  std::vector<char> data;
};

/// Bytes of an element.
int64_t sizeOf(NpyArray::Type type);

/// Parses a file of version 1, 2 or 3, little endian, in C order. Fails with
/// what is wrong and what is supported; the message does not name the file.
llvm::Expected<NpyArray> parseNpy(llvm::StringRef bytes);

/// The bytes of a file of version 1.
std::string formatNpy(NpyArray::Type type, llvm::ArrayRef<int64_t> shape,
                      llvm::StringRef data);

} // namespace transom

#endif // TRANSOM_TOOLS_COMMANDS_NPY_H
