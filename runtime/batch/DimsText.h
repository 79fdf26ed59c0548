//===- DimsText.h - dims of a tensor in messages --------------------------===//
#ifndef TRANSOM_RUNTIME_DIMSTEXT_H
#define TRANSOM_RUNTIME_DIMSTEXT_H

#include "runtime/transom.h"

#include <cstdio>

namespace transom {

/// "[2, 128]", for messages.
struct DimsText {
  explicit DimsText(const transom_tensor &tensor) {
    size_t used = size_t(snprintf(text, sizeof(text), "["));
    for (int32_t i = 0; i < tensor.rank && i < 4; ++i)
      used += size_t(snprintf(text + used, sizeof(text) - used, "%s%lld",
                              i ? ", " : "", (long long)tensor.dims[i]));
    snprintf(text + used, sizeof(text) - used, "]");
  }
  char text[4 * 22 + 4];
};

} // namespace transom

#endif // TRANSOM_RUNTIME_DIMSTEXT_H
