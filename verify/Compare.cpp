//===- Compare.cpp - how far two results lie apart ------------------------===//

#include "verify/Compare.h"

#include "llvm/ADT/STLExtras.h"

#include <cmath>

using namespace transom;

double verify::getError(const interpreter::Tensor &expected,
                        const interpreter::Tensor &actual) {
  if (expected.getType() != actual.getType())
    return INFINITY;
  if (expected.isInteger())
    return expected.integers() == actual.integers() ? 0 : INFINITY;
  double square = 0, largest = 0;
  int64_t finite = 0;
  for (auto [want, have] :
       llvm::zip_equal(expected.floats(), actual.floats())) {
    // A mask's scores are -inf on both sides.
    if (std::isinf(want) && want == have)
      continue;
    if (!(std::isfinite(want) && std::isfinite(have)))
      return INFINITY;
    square += want * want;
    largest = std::max(largest, std::fabs(want - have));
    ++finite;
  }
  return largest == 0 ? 0 : largest / std::sqrt(square / finite);
}
