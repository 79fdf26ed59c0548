//===- CacheLayout.h - which column of the cache is what --------*- C++ -*-===//
//
// The one place that says how wide a layer's part of the cache is; the ops are
// documented in CacheOps.td. Needs nothing of MLIR.
//
//===----------------------------------------------------------------------===//

#ifndef TRANSOM_IR_TRANSFORMER_CACHELAYOUT_H
#define TRANSOM_IR_TRANSFORMER_CACHELAYOUT_H

#include <cstdint>

namespace transom::transformer {

/// Slots in a block, which a sequence's table names: TRANSOM_CACHE_BLOCK of
/// runtime/abi.h.
inline constexpr int64_t cacheBlock = 16;

/// What a head's columns are rounded up to, so that each begins on a cache
/// line: 16 floats.
inline constexpr int64_t cacheAlignment = 16;

/// Columns of a head: its size, rounded up.
constexpr int64_t getCacheHeadColumns(int64_t headSize) {
  return (headSize + cacheAlignment - 1) / cacheAlignment * cacheAlignment;
}

/// Columns of a layer: keys, then values, of `keyHeads` heads.
constexpr int64_t getCacheColumns(int64_t keyHeads, int64_t headSize) {
  return 2 * keyHeads * getCacheHeadColumns(headSize);
}

} // namespace transom::transformer

#endif // TRANSOM_IR_TRANSFORMER_CACHELAYOUT_H
