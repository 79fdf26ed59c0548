//===- runtime.cpp - what the runtime itself costs ------------------------===//
//
//   bench-runtime [THREADS [MILLISECONDS]]
//
// 1. The time of a launch whose kernel does nothing: plan, hand out, meet.
// 2. What a launch of 8 tasks of about 3 us takes more than its share of the
//    work, each thread having a part of it.
// 3. A forward with the launches of a 12-layer encoder, of about MILLISECONDS,
//    alone and beside one busy process a core. Its fair share is then half of
//    the machine, twice the time; a pool that waits for workers without a core
//    takes many times that.
//
// The library is made by hand (see abi.h), its kernels only count.
//
//===----------------------------------------------------------------------===//
#include "bench/BenchLibrary.h"
#include "runtime/entry.h"

#include <algorithm>
#include <chrono>
#include <csignal>
#include <cstdio>
#include <cstdlib>
#include <cstring>
#include <sys/wait.h>
#include <thread>
#include <unistd.h>
#include <vector>

namespace {

double now() {
  return std::chrono::duration<double>(
             std::chrono::steady_clock::now().time_since_epoch())
      .count();
}

/// Iterations of a row and column of a forward's kernels, in sixteenths.
int64_t work = 0;
/// Launches that a run makes instead of a forward, and of each: its rows, which
/// are a task each, and the iterations of a task.
int64_t launches = 0, launchRows = 8, launchWork = 0;
volatile uint64_t sink;

int32_t scalarAt(void **argv, int argument) {
  return *static_cast<int32_t *>(argv[1 + argument]);
}
int32_t iterate(uint64_t steps) {
  uint64_t value = 1;
  for (uint64_t i = 0; i < steps; ++i)
    value = value * 6364136223846793005u + i;
  if (steps)
    sink = value;
  return 0;
}
int32_t iterateTask(void **) { return iterate(uint64_t(launchWork)); }
int32_t iterateUnits(void **argv) {
  return iterate(uint64_t(scalarAt(argv, 0)) * uint64_t(scalarAt(argv, 1)) *
                 uint64_t(work) / 16);
}

constexpr transom_kernel_argument scalar(int32_t source) {
  return {TRANSOM_SCALAR, 0, 0, 0, source, 0, 1, 0, 0, 0, {}};
}
constexpr transom_kernel_argument buffer() {
  return {TRANSOM_BUFFER,
          TRANSOM_F32,
          2,
          TRANSOM_TASK_ROWS,
          0,
          0,
          1,
          0,
          256,
          0,
          {{TRANSOM_CONSTANT, 64, 1}, {TRANSOM_TASK_ROWS, 0, 64}}};
}
// Eight arguments, as many as a fused kernel has.
constexpr transom_kernel_argument arguments[] = {scalar(TRANSOM_TASK_ROWS),
                                                 scalar(TRANSOM_TASK_COLUMNS),
                                                 buffer(),
                                                 buffer(),
                                                 buffer(),
                                                 buffer(),
                                                 buffer(),
                                                 buffer()};
constexpr transom_kernel_variant taskVariant = {iterateTask, INT64_MAX, 1,
                                                1,           1,         0};
constexpr transom_kernel_variant unitVariant = {iterateUnits, INT64_MAX, 6,
                                                96,           1,         0};

transom_kernel makeKernel(const char *name, int32_t columns, double flops,
                          const transom_kernel_variant &variant) {
  return {name,     TRANSOM_GRID_ROWS,
          columns,  8,
          1,        arguments,
          &variant, 0,
          0,        0,
          0,        0,
          0,        flops,
          0};
}

int32_t run(transom_frame *frame) {
  // Blocks of 64 columns of BERT-base's layers; a norm is one column.
  static const transom_kernel task = makeKernel("task", 1, 1e6, taskVariant),
                              qkv = makeKernel("qkv", 36, 3.5e6, unitVariant),
                              attention =
                                  makeKernel("attention", 4, 4e5, unitVariant),
                              project =
                                  makeKernel("project", 12, 1.2e6, unitVariant),
                              norm = makeKernel("norm", 1, 1e4, unitVariant),
                              wide = makeKernel("wide", 48, 4.7e6, unitVariant),
                              narrow =
                                  makeKernel("narrow", 48, 4.7e6, unitVariant);
  const void *operands[] = {frame->arena};
  int64_t rows = frame->extents[TRANSOM_TOKENS];
  frame->outputs[0] = frame->arena;
  for (int64_t i = 0; i < launches; ++i)
    transom_launch(frame, &task, operands, launchRows, "layer");
  if (launches)
    return 0;
  for (int layer = 0; layer < 12; ++layer)
    for (const transom_kernel *kernel :
         {&qkv, &attention, &project, &norm, &wide, &narrow, &norm})
      if (int32_t status =
              transom_launch(frame, kernel, operands, rows, "layer"))
        return status;
  return 0;
}

const BenchLibrary library(run);

struct Session {
  explicit Session(int32_t threads) {
    transom_session_options options = {};
    options.threads = threads;
    check(transom_open(library.get(), nullptr, &model));
    check(transom_session_create(model, &options, &session));
  }
  ~Session() {
    transom_session_destroy(session);
    transom_close(model);
  }
  /// Seconds of one run of 128 tokens.
  double time() {
    transom_tensor in = {"input_ids",   ids, sizeof(ids),
                         TRANSOM_INT32, 2,   {1, 128}};
    transom_tensor out = {"out",           result, sizeof(result),
                          TRANSOM_FLOAT32, 0,      {}};
    double begin = now();
    check(transom_run(session, &in, 1, &out, 1));
    return now() - begin;
  }
  double median(double seconds) {
    std::vector<double> times;
    for (double end = now() + seconds; now() < end || times.size() < 5;)
      times.push_back(time());
    std::nth_element(times.begin(), times.begin() + long(times.size() / 2),
                     times.end());
    return times[times.size() / 2];
  }
  transom_model *model = nullptr;
  transom_session *session = nullptr;
  int32_t ids[128] = {};
  float result[128];
};

/// Microseconds of one launch of `rows` tasks of `steps` iterations.
double launchTime(int32_t threads, int64_t rows, int64_t steps) {
  Session session(threads);
  launches = 1000;
  launchRows = rows;
  launchWork = steps;
  session.time();
  double time = session.median(0.3) / double(launches) * 1e6;
  launches = 0;
  return time;
}

void benchLaunches(int32_t most) {
  printf("launch of a kernel that does nothing, median:\n");
  for (int32_t threads = 1; threads <= most; threads *= 2)
    for (int64_t rows : {1, 8, 64})
      printf("  %2d threads, %2d tasks: %6.2f us\n", threads, int(rows),
             launchTime(threads, rows, 0));
  printf("launch of 8 tasks, beyond its share of the work:\n");
  double alone = launchTime(1, 8, 3000);
  for (int32_t threads = 2; threads <= most && threads <= 8; threads *= 2)
    printf("  %2d threads: %6.2f us (of %.2f us)\n", threads,
           launchTime(threads, 8, 3000) - alone / threads, alone / threads);
}

void benchLoad(int32_t threads, double milliseconds) {
  // Set the work so that a forward takes the time that is asked for.
  Session session(threads);
  work = 16;
  double once = session.median(0.2);
  work = std::max<int64_t>(1, int64_t(16e-3 * milliseconds / once));
  work = std::max<int64_t>(
      1, int64_t(double(work) * milliseconds * 1e-3 / session.median(0.2)));
  double alone = session.median(2);
  std::vector<pid_t> busy;
  for (unsigned i = 0; i < std::thread::hardware_concurrency(); ++i) {
    pid_t child = fork();
    if (child == 0) {
      for (double end = now() + 60; now() < end;) {
      }
      _exit(0);
    }
    if (child > 0)
      busy.push_back(child);
  }
  usleep(200000);
  double beside = session.median(4);
  for (pid_t child : busy) {
    kill(child, SIGKILL);
    waitpid(child, nullptr, 0);
  }
  printf("forward of 84 launches on %d threads: alone %.2f ms, beside %zu busy "
         "processes %.2f ms: %.2f times the fair share\n",
         threads, alone * 1e3, busy.size(), beside * 1e3, beside / alone / 2);
}

} // namespace

int main(int argc, char **argv) {
  int32_t threads =
      argc > 1 ? atoi(argv[1]) : int32_t(std::thread::hardware_concurrency());
  benchLaunches(threads);
  if (argc > 2) {
    benchLoad(threads, atof(argv[2]));
  } else {
    benchLoad(threads, 100);
    benchLoad(threads, 5);
  }
}
