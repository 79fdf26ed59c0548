//===- Error.h - failures: a status, and a sentence for the user ----------===//
#ifndef TRANSOM_RUNTIME_ERROR_H
#define TRANSOM_RUNTIME_ERROR_H

#include "runtime/transom.h"

namespace transom {

/// Keeps the message (what, where, expected, given) for the calling thread's
/// transom_error, cut to 1023 bytes, and returns `status`.
transom_status fail(transom_status status, const char *format, ...)
    __attribute__((format(printf, 2, 3)));

/// What the C library calls an errno; valid until the thread's next call.
const char *errorText(int number);

} // namespace transom

#endif // TRANSOM_RUNTIME_ERROR_H
