//===- Error.h - failures: a status, and a sentence for the user ----------===//
#ifndef TRANSOM_RUNTIME_ERROR_H
#define TRANSOM_RUNTIME_ERROR_H

#include "runtime/transom.h"

namespace transom {

/// While it lives, the calling thread's messages begin with "function: ": what
/// runs and steps have in common fails in the name of what was called. The
/// outermost one counts.
class Calling {
public:
  explicit Calling(const char *function);
  ~Calling();
  Calling(const Calling &) = delete;

private:
  const char *const outer;
};

/// Keeps the message (what, where, expected, given) for the calling thread's
/// transom_error, cut to 1023 bytes, and returns `status`.
transom_status fail(transom_status status, const char *format, ...)
    __attribute__((format(printf, 2, 3)));

/// What the C library calls an errno; valid until the thread's next call.
const char *errorText(int number);

} // namespace transom

#endif // TRANSOM_RUNTIME_ERROR_H
