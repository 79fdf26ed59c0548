//===- Safetensors.h - one mapped .safetensors file -------------*- C++ -*-===//
//
// The format: 8 bytes, little endian: the length of a header; the header, JSON:
// {"name": {"dtype", "shape", "data_offsets": [begin, end]}, "__metadata__"};
// then the data, which the tensors cover from end to end without overlap.
//
//===----------------------------------------------------------------------===//

#ifndef TRANSOM_FRONTENDS_HUGGINGFACE_SAFETENSORS_H
#define TRANSOM_FRONTENDS_HUGGINGFACE_SAFETENSORS_H

#include "frontends/Problems.h"

#include "llvm/ADT/ArrayRef.h"
#include "llvm/ADT/SmallVector.h"
#include "llvm/ADT/StringMap.h"
#include "llvm/ADT/StringRef.h"
#include "llvm/Support/MemoryBuffer.h"

#include <cstdint>
#include <memory>
#include <string>

namespace transom::huggingface {

/// A tensor that a file holds, of any type that the format knows.
struct StoredTensor {
  llvm::StringRef dtype; ///< as the format spells it: "F32"
  llvm::SmallVector<int64_t, 4> shape;
  llvm::ArrayRef<uint8_t> bytes; ///< in the mapped file
};

class Safetensors {
public:
  /// Reads and checks the header of `contents`. What is wrong is an error in
  /// `problems` under the name `file`, and then the result is null. The data
  /// itself is not touched.
  static std::unique_ptr<Safetensors>
  create(std::unique_ptr<llvm::MemoryBuffer> contents, llvm::StringRef file,
         Problems &problems);

  const std::string &getFile() const { return file; }
  const llvm::StringMap<StoredTensor> &getTensors() const { return tensors; }

  /// Whether `bytes` lie in this file.
  bool contains(llvm::ArrayRef<uint8_t> bytes) const;

  /// Gives back the memory behind `bytes`, a range of this file; they are read
  /// from the file again when they are touched.
  void release(llvm::ArrayRef<uint8_t> bytes) const;

private:
  Safetensors(std::unique_ptr<llvm::MemoryBuffer> contents,
              llvm::StringRef file)
      : contents(std::move(contents)), file(file.str()) {}

  /// Both return false after having reported a problem.
  bool readHeader(Problems &problems);
  bool checkCoverage(size_t dataBytes, Problems &problems) const;

  std::unique_ptr<llvm::MemoryBuffer> contents;
  std::string file;
  llvm::StringMap<StoredTensor> tensors;
};

/// "[2, 3]".
std::string describeShape(llvm::ArrayRef<int64_t> shape);

} // namespace transom::huggingface

#endif // TRANSOM_FRONTENDS_HUGGINGFACE_SAFETENSORS_H
