//===- BenchLibrary.h - a library by hand, for launches to be measured ----===//
#ifndef TRANSOM_BENCH_BENCHLIBRARY_H
#define TRANSOM_BENCH_BENCHLIBRARY_H

#include "runtime/abi.h"
#include "runtime/entry.h"

#include <cstdio>
#include <cstdlib>

/// One program, of one input and one output of a number a token. Its weights
/// file holds nothing.
class BenchLibrary {
public:
  explicit BenchLibrary(int32_t (*run)(transom_frame *))
      : program{
            "forward", TRANSOM_PROGRAM_FORWARD, 1, 1, 0, &input, &output, {256},
            run},
        library{TRANSOM_ABI_VERSION,
                sizeof(transom_library),
                "bench",
                "{}",
                "host",
                0,
                0,
                sizeof(weights),
                &weights,
                1,
                0,
                &program,
                0,
                nullptr} {}
  BenchLibrary(const BenchLibrary &) = delete;

  const transom_library *get() const { return &library; }

private:
  transom_input_info input = {"input_ids",
                              TRANSOM_I32,
                              TRANSOM_ROLE_VALUES,
                              TRANSOM_DEFAULT_NONE,
                              TRANSOM_TOKENS,
                              0,
                              0};
  transom_output_info output = {
      "out", TRANSOM_F32, TRANSOM_TOKENS, 1, 0, 0, {1}, 256, 1};
  alignas(64) transom_weights_header weights = {
      {'T', 'R', 'A', 'N', 'S', 'O', 'M', 'W'},
      TRANSOM_ABI_VERSION,
      64,
      64,
      0,
      {}};
  transom_program program;
  transom_library library;
};

/// Ends the process if a call failed.
inline void check(transom_status status) {
  if (status != TRANSOM_OK) {
    std::fprintf(stderr, "error: %s\n", transom_error());
    std::exit(1);
  }
}

#endif // TRANSOM_BENCH_BENCHLIBRARY_H
