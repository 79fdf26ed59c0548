//===- PoolTest.cpp - workers: all help, none is waited for ---------------===//
#include "runtime/launch/Pool.h"
#include "runtime/entry.h"

#include <atomic>
#include <chrono>
#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <sys/resource.h>
#include <sys/wait.h>
#include <thread>
#include <unistd.h>
#include <vector>

using testing::HasSubstr;

namespace {

struct PoolTest : testing::Test {
  ~PoolTest() override { transom_pool_destroy(pool); }
  void create(int32_t threads) {
    transom_pool_destroy(pool);
    ASSERT_EQ(transom_pool_create(threads, &pool), TRANSOM_OK);
  }
  transom_pool *pool = nullptr;
};

/// Takes numbers until there are none left.
struct Count {
  explicit Count(int64_t tasks) : taken(size_t(tasks)) {
    for (auto &times : taken)
      times.store(0, std::memory_order_relaxed);
  }
  static void body(void *context, int32_t worker) {
    auto &self = *static_cast<Count *>(context);
    EXPECT_FALSE(self.inside[worker].exchange(true)) << "two with one number";
    for (size_t i; (i = self.next.fetch_add(1)) < self.taken.size();) {
      self.taken[i].fetch_add(1, std::memory_order_relaxed);
      if (self.work)
        self.work(i);
    }
    self.inside[worker].store(false);
  }
  void expectOnce() {
    for (auto &times : taken)
      ASSERT_EQ(times.load(), 1);
  }
  std::vector<std::atomic<int>> taken;
  std::atomic<size_t> next{0};
  std::atomic<bool> inside[64] = {};
  void (*work)(size_t) = nullptr;
};

TEST_F(PoolTest, RunsEveryTaskOnce) {
  for (int32_t threads : {1, 2, 3, 8}) {
    create(threads);
    EXPECT_EQ(pool->threads, threads);
    for (int round = 0; round < 2000; ++round) {
      Count count(round % 17);
      pool->parallel(pool, threads - 1, Count::body, &count);
      count.expectOnce();
    }
  }
}

TEST_F(PoolTest, WakesSleepingWorkers) {
  create(2);
  for (int round = 0; round < 20; ++round) {
    // Longer than any worker spins.
    std::this_thread::sleep_for(std::chrono::milliseconds(2));
    // Two tasks that wait for each other: one thread alone would wait in vain.
    struct Meeting {
      std::atomic<int> here{0};
      static void body(void *context, int32_t) {
        auto &self = *static_cast<Meeting *>(context);
        self.here.fetch_add(1);
        auto end = std::chrono::steady_clock::now() + std::chrono::seconds(10);
        while (self.here.load() < 2 && std::chrono::steady_clock::now() < end)
          std::this_thread::yield();
      }
    } meeting;
    pool->parallel(pool, 1, Meeting::body, &meeting);
    ASSERT_EQ(meeting.here.load(), 2) << "the worker slept for 10 s";
  }
}

TEST_F(PoolTest, SleepsWhenIdle) {
  create(4);
  Count count(100);
  pool->parallel(pool, 3, Count::body, &count);
  std::this_thread::sleep_for(std::chrono::milliseconds(20));
  rusage before, after;
  getrusage(RUSAGE_SELF, &before);
  std::this_thread::sleep_for(std::chrono::milliseconds(100));
  getrusage(RUSAGE_SELF, &after);
  auto micros = [](const rusage &usage) {
    return (usage.ru_utime.tv_sec + usage.ru_stime.tv_sec) * 1000000 +
           usage.ru_utime.tv_usec + usage.ru_stime.tv_usec;
  };
  EXPECT_LT(micros(after) - micros(before), 20000) << "us of CPU in 100 ms";
}

TEST_F(PoolTest, ServesManyCallersAtOnce) {
  create(3);
  std::vector<std::thread> callers;
  for (int c = 0; c < 12; ++c) // More than there are slots.
    callers.emplace_back([this] {
      for (int round = 0; round < 300; ++round) {
        Count count(20);
        pool->parallel(pool, 2, Count::body, &count);
        count.expectOnce();
      }
    });
  for (std::thread &caller : callers)
    caller.join();
}

TEST_F(PoolTest, WorksNested) {
  create(3);
  struct Outer {
    transom_pool *pool;
    std::atomic<int> next{0}, inner{0};
    static void body(void *context, int32_t) {
      auto &self = *static_cast<Outer *>(context);
      while (self.next.fetch_add(1) < 50) {
        Count count(10);
        self.pool->parallel(self.pool, 2, Count::body, &count);
        count.expectOnce();
        self.inner.fetch_add(1);
      }
    }
  } outer{pool};
  pool->parallel(pool, 2, Outer::body, &outer);
  EXPECT_EQ(outer.inner.load(), 50);
}

TEST_F(PoolTest, WorksWhileOthersHoldTheCores) {
  create(4);
  std::atomic<bool> stop{false};
  std::vector<std::thread> busy;
  for (unsigned i = 0; i < 2 * std::thread::hardware_concurrency(); ++i)
    busy.emplace_back([&] {
      while (!stop.load(std::memory_order_relaxed)) {
      }
    });
  auto begin = std::chrono::steady_clock::now();
  for (int round = 0; round < 500; ++round) {
    Count count(16);
    pool->parallel(pool, 3, Count::body, &count);
    count.expectOnce();
  }
  double seconds =
      std::chrono::duration<double>(std::chrono::steady_clock::now() - begin)
          .count();
  stop = true;
  for (std::thread &thread : busy)
    thread.join();
  // Nothing to do but to meet: a barrier that spins takes some time slices a
  // round, 5 to 20 s.
  EXPECT_LT(seconds, 5);
}

TEST_F(PoolTest, ComesAndGoes) {
  for (int round = 0; round < 100; ++round) {
    create(1 + round % 5);
    Count count(3);
    pool->parallel(pool, pool->threads - 1, Count::body, &count);
    count.expectOnce();
  }
}

TEST_F(PoolTest, StopsWorkersThatAreJustStarting) {
  for (int round = 0; round < 500; ++round)
    create(4);
}

#if !defined(__SANITIZE_THREAD__) && !__has_feature(thread_sanitizer)
TEST_F(PoolTest, WorksInTheChildOfAFork) {
  create(3);
  Count before(10);
  pool->parallel(pool, 2, Count::body, &before);
  pid_t child = fork();
  if (child == 0) {
    Count count(10);
    pool->parallel(pool, 2, Count::body, &count);
    int sum = 0;
    for (auto &times : count.taken)
      sum += times.load();
    transom_pool_destroy(pool);
    _exit(sum == 10 ? 0 : 1);
  }
  int status = -1;
  ASSERT_EQ(waitpid(child, &status, 0), child);
  EXPECT_EQ(status, 0);
}
#endif

TEST_F(PoolTest, RefusesWhatIsNoNumberOfThreads) {
  EXPECT_EQ(transom_pool_create(-1, &pool), TRANSOM_INVALID_ARGUMENT);
  EXPECT_THAT(transom_error(),
              HasSubstr("'threads' expects 0 (the default) to 1024, got -1"));
  EXPECT_EQ(transom_pool_create(1025, &pool), TRANSOM_INVALID_ARGUMENT);
  EXPECT_EQ(transom_pool_create(1, nullptr), TRANSOM_INVALID_ARGUMENT);
  EXPECT_EQ(pool, nullptr);
  transom_pool_destroy(nullptr);
}

TEST_F(PoolTest, TakesTheDefaultForNone) {
  setenv("TRANSOM_NUM_THREADS", "3", 1);
  create(0);
  unsetenv("TRANSOM_NUM_THREADS");
  EXPECT_EQ(pool->threads, 3);
}

} // namespace
