//===- DeadlineTest.cpp - hangs, so that Deadline.cpp can be seen to bite -===//
#include <chrono>
#include <gtest/gtest.h>
#include <thread>

TEST(DeadlineTest, Hangs) {
  std::this_thread::sleep_for(std::chrono::hours(1));
}
