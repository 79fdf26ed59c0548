//===- ArchitectureSpec.h - what the specs of families share ----*- C++ -*-===//
//
// A family of models is one definition under many names: an architecture spec
// says how each relative spells its configuration and its modules.
//
//===----------------------------------------------------------------------===//

#ifndef TRANSOM_FRONTENDS_HUGGINGFACE_ARCHITECTURESPEC_H
#define TRANSOM_FRONTENDS_HUGGINGFACE_ARCHITECTURESPEC_H

#include "frontends/huggingface/Config.h"

#include "llvm/ADT/StringRef.h"

#include <cstdint>
#include <limits>

namespace transom::huggingface {

/// A key of config.json, and what transformers takes if it is missing.
struct SizeKey {
  llvm::StringLiteral key;
  int64_t fallback;
};

// Ids are 32-bit integers; the other limits are far beyond any real model and
// keep products of two sizes inside 64 bits.
inline constexpr int64_t maxIds = std::numeric_limits<int32_t>::max();
inline constexpr int64_t maxWidth = 1 << 20;
inline constexpr int64_t maxLayers = 1 << 12;

/// `otherwise` if the spec has no such key.
inline int64_t readSize(Config &config, const SizeKey &size, int64_t most,
                        int64_t otherwise = 0) {
  return size.key.empty() ? otherwise
                          : config.size(size.key, size.fallback, most);
}

} // namespace transom::huggingface

#endif // TRANSOM_FRONTENDS_HUGGINGFACE_ARCHITECTURESPEC_H
