//===- ThreadsTest.cpp - the default number of threads --------------------===//
#include "runtime/launch/Threads.h"

#include <cstdlib>
#include <filesystem>
#include <fstream>
#include <gtest/gtest.h>
#include <sched.h>
#include <string>
#include <unistd.h>

using namespace transom;
namespace fs = std::filesystem;

namespace {

/// A /proc and a /sys made of files.
struct ThreadsTest : testing::Test {
  ThreadsTest() {
    unsetenv("TRANSOM_NUM_THREADS");
    unsetenv("OMP_NUM_THREADS");
  }
  ~ThreadsTest() override {
    fs::remove_all(root);
    unsetenv("TRANSOM_NUM_THREADS");
    unsetenv("OMP_NUM_THREADS");
  }
  void write(const std::string &path, const std::string &text) {
    fs::create_directories((root + path).substr(0, (root + path).rfind('/')));
    std::ofstream(root + path) << text;
  }
  int32_t quota() { return cgroupThreads(root.c_str()); }
  std::string root =
      testing::TempDir() + "threads-test-" + std::to_string(getpid());
};

TEST_F(ThreadsTest, ReadsVersion2) {
  EXPECT_EQ(quota(), maxThreads) << "no cgroups";
  write("/proc/self/cgroup", "0::/user/app\n");
  EXPECT_EQ(quota(), maxThreads) << "no limits";
  write("/sys/fs/cgroup/user/app/cpu.max", "max 100000\n");
  EXPECT_EQ(quota(), maxThreads);
  write("/sys/fs/cgroup/user/app/cpu.max", "400000 100000\n");
  EXPECT_EQ(quota(), 4);
  write("/sys/fs/cgroup/user/app/cpu.max", "150000 100000\n");
  EXPECT_EQ(quota(), 2) << "rounded up";
  write("/sys/fs/cgroup/user/app/cpu.max", "1000 100000\n");
  EXPECT_EQ(quota(), 1);
}

TEST_F(ThreadsTest, HeedsTheGroupsAbove) {
  write("/proc/self/cgroup", "0::/user/app/inner\n");
  write("/sys/fs/cgroup/user/app/inner/cpu.max", "800000 100000\n");
  write("/sys/fs/cgroup/user/cpu.max", "300000 100000\n");
  EXPECT_EQ(quota(), 3);
  // A container: only the root of the namespace can be seen.
  write("/proc/self/cgroup", "0::/docker/not-mounted-here\n");
  write("/sys/fs/cgroup/cpu.max", "200000 100000\n");
  EXPECT_EQ(quota(), 2);
}

TEST_F(ThreadsTest, ReadsVersion1) {
  write("/proc/self/cgroup", "5:memory:/x\n4:cpu,cpuacct:/app\n1:cpuset:/\n");
  EXPECT_EQ(quota(), maxThreads);
  write("/sys/fs/cgroup/cpu,cpuacct/app/cpu.cfs_quota_us", "-1\n");
  write("/sys/fs/cgroup/cpu,cpuacct/app/cpu.cfs_period_us", "100000\n");
  EXPECT_EQ(quota(), maxThreads);
  write("/sys/fs/cgroup/cpu,cpuacct/app/cpu.cfs_quota_us", "250000\n");
  EXPECT_EQ(quota(), 3);
  write("/proc/self/cgroup", "4:cpuset,cpu:/app\n");
  write("/sys/fs/cgroup/cpu/app/cpu.cfs_quota_us", "100000\n");
  write("/sys/fs/cgroup/cpu/app/cpu.cfs_period_us", "50000\n");
  EXPECT_EQ(quota(), 2);
}

TEST_F(ThreadsTest, IgnoresWhatItCannotRead) {
  for (const char *text : {"", "\n", ":", "::", "0::", "garbage", "0:cpu"}) {
    write("/proc/self/cgroup", text);
    EXPECT_EQ(quota(), maxThreads) << text;
  }
  write("/proc/self/cgroup", "0::/" + std::string(5000, 'x') + "\n");
  EXPECT_EQ(quota(), maxThreads);
  write("/proc/self/cgroup", "0::/a\n");
  for (const char *text : {"", "x y", "100000", "100000 0", "0 100000", "-5 7",
                           "99999999999999999999 1"}) {
    write("/sys/fs/cgroup/a/cpu.max", text);
    EXPECT_EQ(quota(), maxThreads) << text;
  }
}

TEST_F(ThreadsTest, HeedsTheEnvironment) {
  int32_t alone = defaultThreads();
  EXPECT_GE(alone, 1);
  setenv("OMP_NUM_THREADS", "7", 1);
  EXPECT_EQ(defaultThreads(), 7);
  setenv("OMP_NUM_THREADS", "5,3,2", 1);
  EXPECT_EQ(defaultThreads(), 5);
  setenv("TRANSOM_NUM_THREADS", "3", 1);
  EXPECT_EQ(defaultThreads(), 3) << "stronger than OMP_NUM_THREADS";
  for (const char *text : {"", "zero", "0", "-3", "+4", "4x", "1e3", "1025",
                           "99999999999999999999999", "0x10", "4 5"}) {
    setenv("TRANSOM_NUM_THREADS", text, 1);
    EXPECT_EQ(defaultThreads(), 5) << "'" << text << "' counts as not set";
  }
  setenv("OMP_NUM_THREADS", "many", 1);
  EXPECT_EQ(defaultThreads(), alone);
  setenv("TRANSOM_NUM_THREADS", " 6 ", 1);
  EXPECT_EQ(defaultThreads(), 6);
}

TEST_F(ThreadsTest, HeedsAffinity) {
  cpu_set_t all, one;
  ASSERT_EQ(sched_getaffinity(0, sizeof(all), &all), 0);
  EXPECT_EQ(affinityThreads(), CPU_COUNT(&all));
  CPU_ZERO(&one);
  for (int cpu = 0; cpu < CPU_SETSIZE && !CPU_COUNT(&one); ++cpu)
    if (CPU_ISSET(cpu, &all))
      CPU_SET(cpu, &one);
  ASSERT_EQ(sched_setaffinity(0, sizeof(one), &one), 0);
  EXPECT_EQ(affinityThreads(), 1);
  EXPECT_EQ(defaultThreads(), 1);
  ASSERT_EQ(sched_setaffinity(0, sizeof(all), &all), 0);
}

} // namespace
