//===- Error.cpp - the calling thread's last failure ----------------------===//
#include "runtime/Error.h"

#include "runtime/entry.h"

#include <cstdarg>
#include <cstdio>
#include <cstring>

// Plain arrays: thread-local data with constructors would need the C++ library.
static thread_local char message[1024];
static thread_local char description[128];
static thread_local const char *calling = nullptr;

transom::Calling::Calling(const char *function) : outer(calling) {
  if (!calling)
    calling = function;
}

transom::Calling::~Calling() { calling = outer; }

transom_status transom::fail(transom_status status, const char *format, ...) {
  va_list arguments;
  va_start(arguments, format);
  int begin = calling ? snprintf(message, sizeof(message), "%s: ", calling) : 0;
  vsnprintf(message + begin, sizeof(message) - size_t(begin), format,
            arguments);
  va_end(arguments);
  return status;
}

const char *transom::errorText(int number) {
  // The POSIX and the GNU function differ in what they return; both are happy
  // with a buffer, and the GNU one may not use it.
#ifdef __GLIBC__
  return strerror_r(number, description, sizeof(description));
#else
  strerror_r(number, description, sizeof(description));
  return description;
#endif
}

const char *transom_error(void) { return message; }
