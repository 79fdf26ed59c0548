//===- Profile.h - where the time of runs goes, by layer ------------------===//
#ifndef TRANSOM_RUNTIME_PROFILE_H
#define TRANSOM_RUNTIME_PROFILE_H

#include "runtime/abi.h"

#include <cstddef>
#include <cstdint>

namespace transom {

/// Sums over runs, one record for each pair of layer and kernel. Memory that
/// can't be had makes the profile incomplete, and it says so.
struct Profile {
  void beginRun() { next = 0; }
  void addLaunch(const char *layer, const transom_kernel *kernel,
                 int64_t nanoseconds, double flops);
  void endRun(int64_t rows, int64_t sequences, int64_t nanoseconds);
  /// JSON, valid until the next call; null if there is no memory. See
  /// docs/c-api.md.
  const char *write(int32_t threads);
  void release();

private:
  struct Record {
    const char *layer;
    const transom_kernel *kernel;
    int64_t calls, nanoseconds;
    double flops;
  };
  bool append(const char *format, ...) __attribute__((format(printf, 2, 3)));
  bool appendString(const char *string);

  Record *records = nullptr;
  size_t count = 0, capacity = 0;
  /// Where the next launch's record is, if this run goes like the last one.
  size_t next = 0;
  bool incomplete = false;
  int64_t runs = 0, tokens = 0, sequences = 0, nanoseconds = 0;

  char *text = nullptr;
  size_t textLength = 0, textCapacity = 0;
};

} // namespace transom

#endif // TRANSOM_RUNTIME_PROFILE_H
