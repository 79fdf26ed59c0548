//===- LaunchTest.cpp - what a kernel's argv holds ------------------------===//
#include "../FakeLibrary.h"

#include <atomic>
#include <cfenv>
#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <mutex>

#if defined(__x86_64__)
#include <xmmintrin.h>
#endif

using namespace transom::test;
using testing::HasSubstr;
using testing::StrEq;
using Ints = std::vector<int32_t>;

extern "C" void *halide_malloc(void *context, size_t bytes);
extern "C" void halide_free(void *context, void *memory);

namespace {

constexpr transom_kernel_dim constant(int32_t extent) {
  return {TRANSOM_CONSTANT, extent, 1};
}
constexpr transom_kernel_dim perTask = {TRANSOM_TASK_COLUMNS, 0, 1};

/// A session on whose frame a test launches kernels of its own.
class LaunchTest : public testing::TestWithParam<int32_t> {
protected:
  LaunchTest() : opened(GetParam()) {}
  /// Runs `program` on a ragged batch of these lengths.
  transom_status launch(Ints lengths,
                        std::function<int32_t(transom_frame *)> program) {
    opened.fake.program = [&](transom_frame *frame) {
      int32_t status = program(frame);
      frame->outputs[0] = frame->arena;
      return status;
    };
    Ints offsets = {0};
    for (int32_t length : lengths)
      offsets.push_back(offsets.back() + length);
    Ints ids(size_t(offsets.back()), 1), positions(ids.size(), 0);
    std::vector<float> tokens(ids.size() * 5);
    int64_t total = offsets.back();
    return opened.run(
        {input("input_ids", ids, {total}),
         input("position_ids", positions, {total}),
         input("sequence_offsets", offsets, {int64_t(offsets.size())})},
        {output("tokens", tokens)});
  }
  Opened opened;
};

INSTANTIATE_TEST_SUITE_P(Threads, LaunchTest, testing::Values(1, 2, 5));

/// Counts itself into every (row, column) of its task.
int32_t countKernel(void **argv) {
  const Buffer &out = bufferAt(argv, 0);
  EXPECT_EQ(out.code, 0);
  EXPECT_EQ(out.bits, 32);
  EXPECT_EQ(out.lanes, 1);
  EXPECT_EQ(out.dimensions, 2);
  EXPECT_EQ(out.dim[0].min + out.dim[1].min, 0);
  for (int m = 0; m < out.dim[1].extent; ++m)
    for (int n = 0; n < out.dim[0].extent; ++n) {
      int32_t &place = hostAt<int32_t>(argv, 0)[m * out.dim[1].stride + n];
      __atomic_fetch_add(&place, 1, __ATOMIC_RELAXED);
    }
  return 0;
}

TEST_P(LaunchTest, RunsEveryRowAndColumnOnce) {
  const transom_kernel_argument arguments[] = {matrix(
      0, 20, TRANSOM_TASK_ROWS, TRANSOM_TASK_ROWS, perTask, 1, TRANSOM_I32)};
  const transom_kernel_variant variants[] = {
      {countKernel, 4, 1, 0, 1, 0}, {countKernel, INT64_MAX, 6, 48, 2, 0}};
  const transom_kernel kernel = {"count",  TRANSOM_GRID_ROWS,
                                 20,       1,
                                 2,        arguments,
                                 variants, 0,
                                 0,        0,
                                 0,        0,
                                 0,        1e6,
                                 0};
  for (int32_t rows : {1, 4, 5, 37, 501}) {
    Ints counts(size_t(rows) * 20, 0);
    EXPECT_EQ(launch({rows},
                     [&](transom_frame *frame) {
                       const void *operands[] = {counts.data()};
                       for (int times = 0; times < 10; ++times)
                         if (int32_t status = transom_launch(
                                 frame, &kernel, operands, rows, "layer"))
                           return status;
                       return 0;
                     }),
              TRANSOM_OK);
    EXPECT_EQ(counts, Ints(counts.size(), 10)) << rows;
  }
}

/// Ragged: each task adds its argument to its rows of `out`.
/// Arguments: out, keys, grouped, row begin, sequence rows, keys, columns.
int32_t raggedKernel(void **argv) {
  const Buffer &out = bufferAt(argv, 0), &keys = bufferAt(argv, 1);
  EXPECT_EQ(keys.dim[1].extent, scalarAt(argv, 5));
  EXPECT_EQ(out.dim[0].extent, scalarAt(argv, 6));
  for (int m = 0; m < out.dim[1].extent; ++m)
    for (int h = 0; h < out.dim[0].extent; ++h)
      hostAt<int32_t>(argv, 0)[m * out.dim[1].stride + h] +=
          100000000 * hostAt<int32_t>(argv, 1)[0] +
          1000000 * scalarAt(argv, 4) + 1000 * scalarAt(argv, 5) +
          scalarAt(argv, 3) + m;
  return hostAt<int32_t>(argv, 2)[0] >= 3; // Heads 0 to 8 by three.
}

TEST_P(LaunchTest, RunsRaggedSequences) {
  constexpr int heads = 9;
  const transom_kernel_argument arguments[] = {
      matrix(0, heads, TRANSOM_TASK_ROWS, TRANSOM_TASK_ROWS, perTask, 1,
             TRANSOM_I32),
      matrix(1, 1, TRANSOM_TASK_KEYS, TRANSOM_TASK_KEYS, constant(1), 0,
             TRANSOM_I32),
      [] {
        auto argument = matrix(2, 0, TRANSOM_CONSTANT, TRANSOM_CONSTANT,
                               constant(1), 1, TRANSOM_I32);
        argument.column_divisor = 3;
        argument.dims[1].extent = 1;
        return argument;
      }(),
      scalar(TRANSOM_TASK_ROW_BEGIN),
      scalar(TRANSOM_SEQUENCE_ROWS),
      scalar(TRANSOM_TASK_KEYS),
      scalar(TRANSOM_TASK_COLUMNS)};
  const transom_kernel_variant variants[] = {
      {raggedKernel, INT64_MAX, 4, 8, 1, 0}};
  const transom_kernel kernel = {"ragged", TRANSOM_GRID_RAGGED,
                                 heads,    7,
                                 1,        arguments,
                                 variants, 3,
                                 3,        4,
                                 0,        0,
                                 0,        0,
                                 1e4};
  Ints lengths = {3, 0, 17, 1, 64, 0}, group = {0, 1, 2, 99}, where;
  for (int32_t s = 0; s < 6; ++s) // Every key knows its sequence.
    where.insert(where.end(), size_t(lengths[size_t(s)]), s);
  Ints out(where.size() * heads, 0);
  ASSERT_EQ(launch(lengths,
                   [&](transom_frame *frame) {
                     const void *operands[] = {
                         out.data(), where.data(), group.data(),
                         frame->inputs[FakeLibrary::Offsets],
                         frame->inputs[FakeLibrary::Lengths]};
                     return transom_launch(frame, &kernel, operands,
                                           int64_t(where.size()), "layer");
                   }),
            TRANSOM_OK)
      << transom_error();
  size_t row = 0;
  for (int32_t s = 0; s < 6; ++s)
    for (int32_t i = 0; i < lengths[size_t(s)]; ++i, ++row)
      for (size_t h = 0; h < heads; ++h)
        EXPECT_EQ(out[row * heads + h],
                  100000000 * s + 1001000 * lengths[size_t(s)] + i)
            << "sequence " << s << " row " << i;
}

int32_t failingKernel(void **argv) { return scalarAt(argv, 0) >= 8 ? 42 : 0; }

TEST_P(LaunchTest, HandsAFailureThrough) {
  const transom_kernel_argument arguments[] = {scalar(TRANSOM_TASK_ROW_BEGIN)};
  const transom_kernel_variant variants[] = {
      {failingKernel, INT64_MAX, 1, 1, 1, 0}};
  const transom_kernel kernel = {"failing", TRANSOM_GRID_ROWS,
                                 1,         1,
                                 1,         arguments,
                                 variants,  0,
                                 0,         0,
                                 0,         0,
                                 0,         1e6,
                                 0};
  EXPECT_EQ(launch({100},
                   [&](transom_frame *frame) {
                     return transom_launch(frame, &kernel, nullptr, 100,
                                           "encoder.layer.0");
                   }),
            TRANSOM_INTERNAL);
  EXPECT_THAT(transom_error(),
              StrEq("run: layer 'encoder.layer.0': kernel 'failing' expected "
                    "to return 0, got 42"));
  // The session stays usable.
  EXPECT_EQ(launch({1},
                   [&](transom_frame *frame) {
                     return transom_launch(frame, &kernel, nullptr, 1, "layer");
                   }),
            TRANSOM_OK);
}

TEST_P(LaunchTest, ReportsAProgramThatFailsByItself) {
  EXPECT_EQ(launch({1}, [](transom_frame *) { return 3; }), TRANSOM_INTERNAL);
  EXPECT_THAT(
      transom_error(),
      StrEq("run: program 'forward' of library 'fake' failed with status 3"));
  opened.fake.program = [](transom_frame *) { return 0; };
  Ints ids = {1};
  std::vector<float> tokens(5);
  EXPECT_EQ(
      opened.run({input("input_ids", ids, {1, 1})}, {output("tokens", tokens)}),
      TRANSOM_INTERNAL);
  EXPECT_THAT(transom_error(), HasSubstr("did not set output 'tokens'"));
}

/// Allocates what its scratch promises, and more if the scalar says so.
int32_t scratchKernel(void **argv) {
  void *context = *static_cast<void **>(argv[0]);
  if (!context)
    return 1;
  char *first = static_cast<char *>(halide_malloc(context, 1000));
  char *second = static_cast<char *>(halide_malloc(context, 50000));
  if (!first || !second || reinterpret_cast<uintptr_t>(first) % 128 ||
      reinterpret_cast<uintptr_t>(second) % 128)
    return 2;
  memset(first, 1, 1000);
  memset(second, 2, 50000);
  for (int i = 0; i < 1000; ++i)
    if (first[i] != 1)
      return 3;
  halide_free(context, first);
  halide_free(context, second);
  return 0;
}

TEST_P(LaunchTest, GivesKernelsTheirScratch) {
  const transom_kernel_variant variants[] = {
      {scratchKernel, INT64_MAX, 1, 1, 1, 0}};
  for (int64_t promised : {51000, 0}) {
    const transom_kernel kernel = {"scratch", TRANSOM_GRID_ROWS, 1, 0,   1,
                                   nullptr,   variants,          0, 0,   0,
                                   0,         promised,          0, 1e6, 0};
    EXPECT_EQ(launch({50},
                     [&](transom_frame *frame) {
                       for (int i = 0; i < 5; ++i)
                         if (int32_t status = transom_launch(
                                 frame, &kernel, nullptr, 50, "layer"))
                           return status;
                       return 0;
                     }),
              TRANSOM_OK)
        << transom_error();
  }
}

TEST_P(LaunchTest, SaysThatThereIsNoScratch) {
  const transom_kernel_variant variants[] = {
      {scratchKernel, INT64_MAX, 1, 1, 1, 0}};
  const transom_kernel kernel = {"greedy", TRANSOM_GRID_ROWS, 1, 0,   1,
                                 nullptr,  variants,          0, 0,   0,
                                 0,        int64_t(1) << 60,  0, 1e6, 0};
  EXPECT_EQ(launch({1},
                   [&](transom_frame *frame) {
                     return transom_launch(frame, &kernel, nullptr, 1, "layer");
                   }),
            TRANSOM_EXHAUSTED);
  EXPECT_THAT(transom_error(),
              HasSubstr("no memory for the scratch of kernel 'greedy'"));
}

#if defined(__x86_64__)
int32_t modeKernel(void **) {
  return (_mm_getcsr() & 0xffc0) == 0x9fc0 ? 0 : int32_t(_mm_getcsr());
}

TEST_P(LaunchTest, RunsKernelsInOneFloatingPointMode) {
  const transom_kernel_variant variants[] = {
      {modeKernel, INT64_MAX, 1, 1, 1, 0}};
  const transom_kernel kernel = {"mode",   TRANSOM_GRID_ROWS,
                                 1,        0,
                                 1,        nullptr,
                                 variants, 0,
                                 0,        0,
                                 0,        0,
                                 0,        1e6,
                                 0};
  unsigned before = _mm_getcsr();
  fesetround(FE_UPWARD);
  unsigned upward = _mm_getcsr();
  EXPECT_EQ(launch({64},
                   [&](transom_frame *frame) {
                     return transom_launch(frame, &kernel, nullptr, 64,
                                           "layer");
                   }),
            TRANSOM_OK)
      << transom_error();
  EXPECT_EQ(_mm_getcsr(), upward) << "the caller's mode comes back";
  _mm_setcsr(before);
}
#endif

} // namespace
