//===- Lookup.h - guessing tokens from what was said before ---------------===//
#ifndef TRANSOM_RUNTIME_GENERATION_LOOKUP_H
#define TRANSOM_RUNTIME_GENERATION_LOOKUP_H

#include <algorithm>
#include <cstdint>

namespace transom {

/// What followed the first earlier occurrence of the last tokens: of the last
/// `ngramSize`, or else of fewer. Writes up to `most` tokens to `draft`, which
/// may be the memory behind `tokens`, and returns how many.
inline int64_t lookUp(const int32_t *tokens, int64_t length, int64_t ngramSize,
                      int64_t most, int32_t *draft) {
  for (int64_t size = std::min(ngramSize, length - 1); size > 0; --size) {
    const int32_t *last = tokens + length - size;
    // The last occurrence is itself, and nothing follows it.
    const int32_t *end = tokens + length - 1;
    const int32_t *match = std::search(tokens, end, last, tokens + length);
    if (match == end)
      continue;
    const int32_t *next = match + size;
    int64_t count = std::min(most, int64_t(tokens + length - next));
    std::copy(next, next + count, draft);
    return count;
  }
  return 0;
}

} // namespace transom

#endif // TRANSOM_RUNTIME_GENERATION_LOOKUP_H
