//===- Model.h - a library and its mapped weights -------------------------===//
#ifndef TRANSOM_RUNTIME_MODEL_H
#define TRANSOM_RUNTIME_MODEL_H

#include "runtime/abi.h"
#include "runtime/transom.h"

#include <atomic>

/// Immutable once open. Its user and each of its sessions hold a reference.
struct transom_model {
  const transom_library *library = nullptr;
  const uint8_t *weights = nullptr;
  size_t mappedBytes = 0; ///< 0: the weights are embedded
  std::atomic<int32_t> references{1};
};

namespace transom {

/// Everything that this runtime relies on and a compiler's mistake, or a later
/// compiler, could break: TRANSOM_MISMATCH if it is.
transom_status checkLibrary(const transom_library &library);

} // namespace transom

#endif // TRANSOM_RUNTIME_MODEL_H
