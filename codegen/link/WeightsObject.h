//===- WeightsObject.h - packed weights as an object file -----------------===//
//
// --embed-weights: the weights file becomes a section of the library. Neither
// an assembler nor LLVM's MC is involved: both hold a section in memory, and
// weights are larger than that. The object is written around the weights
// instead, which the weight writer streams into the same file.
//
//===----------------------------------------------------------------------===//
#ifndef TRANSOM_CODEGEN_LINK_WEIGHTSOBJECT_H
#define TRANSOM_CODEGEN_LINK_WEIGHTSOBJECT_H

#include "targets/Target.h"

#include "llvm/ADT/StringRef.h"
#include "llvm/Support/Error.h"

#include <cstdint>

namespace transom::codegen {

/// Where in the object the weights' bytes begin.
inline constexpr int64_t weightsObjectOffset = 4096;

/// Writes all of an ELF object but its weights: `bytes` of them, in a read-only
/// section aligned to 4096, with the hidden symbol `symbol` at its start.
/// `descriptor` is an open, empty file.
llvm::Error writeWeightsObject(const targets::Linkage &linkage, int descriptor,
                               llvm::StringRef path, llvm::StringRef symbol,
                               int64_t bytes);

} // namespace transom::codegen

#endif // TRANSOM_CODEGEN_LINK_WEIGHTSOBJECT_H
