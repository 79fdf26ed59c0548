//===- Compare.h - how far two results lie apart ----------------*- C++ -*-===//

#ifndef TRANSOM_VERIFY_COMPARE_H
#define TRANSOM_VERIFY_COMPARE_H

#include "ir/Interpreter/Tensor.h"

namespace transom::verify {

/// The largest difference over the root mean square of `expected`: an error of
/// one element is measured against all, since an element near zero is often
/// the sum of large terms. 0 or infinity for integers. Infinity, too, where the
/// types differ, where either side is NaN, and where an infinity of one side is
/// not one of the other; equal infinities are left out of the mean.
double getError(const interpreter::Tensor &expected,
                const interpreter::Tensor &actual);

} // namespace transom::verify

#endif // TRANSOM_VERIFY_COMPARE_H
