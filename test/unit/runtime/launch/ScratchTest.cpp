//===- ScratchTest.cpp - halide_malloc in any order -----------------------===//
#include "runtime/launch/Scratch.h"

#include <cstring>
#include <gtest/gtest.h>
#include <random>
#include <vector>

using namespace transom;

extern "C" void *halide_malloc(void *context, size_t bytes);
extern "C" void halide_free(void *context, void *memory);

namespace {

struct ScratchTest : testing::Test {
  ScratchTest() { EXPECT_TRUE(set.create(2)); }
  ~ScratchTest() override { set.release(); }
  bool isScratch(void *memory) const {
    auto *byte = static_cast<uint8_t *>(memory);
    return byte >= set.region.base && byte < set.region.base + set.region.bytes;
  }
  ScratchSet set;
};

TEST_F(ScratchTest, AlignsAndReuses) {
  ASSERT_TRUE(set.reserve(100, 10000));
  Scratch *worker = &set.workers[1];
  void *first = halide_malloc(worker, 1);
  void *second = halide_malloc(worker, 5000);
  EXPECT_TRUE(isScratch(first) && isScratch(second));
  EXPECT_EQ(reinterpret_cast<uintptr_t>(first) % 128, 0u);
  EXPECT_EQ(reinterpret_cast<uintptr_t>(second) % 128, 0u);
  // Given back in the order of allocation: room comes back with the last.
  halide_free(worker, first);
  EXPECT_NE(worker->top, 0u);
  halide_free(worker, second);
  EXPECT_EQ(worker->top, 0u);
  EXPECT_EQ(halide_malloc(worker, 10), first);
}

TEST_F(ScratchTest, KeepsWorkersApart) {
  ASSERT_TRUE(set.reserve(100, 3000));
  auto *zero = static_cast<char *>(set.table(0));
  auto *one = static_cast<char *>(set.table(1));
  EXPECT_GE(one - zero, 3100);
  EXPECT_EQ(reinterpret_cast<uintptr_t>(zero) % 4096, 0u);
  EXPECT_EQ(reinterpret_cast<uintptr_t>(one) % 4096, 0u);
}

TEST_F(ScratchTest, FallsBackToTheHeapAndLearns) {
  ASSERT_TRUE(set.reserve(0, 0));
  Scratch *worker = &set.workers[0];
  void *big = halide_malloc(worker, 100000),
       *more = halide_malloc(worker, 500000);
  ASSERT_TRUE(big && more);
  EXPECT_FALSE(isScratch(big) || isScratch(more));
  memset(more, 1, 500000);
  halide_free(worker, more);
  halide_free(worker, big);
  EXPECT_EQ(worker->onHeap, 0u);
  ASSERT_TRUE(set.reserve(0, 0));
  for (Scratch *each : {&set.workers[0], &set.workers[1]}) {
    big = halide_malloc(each, 100000);
    more = halide_malloc(each, 500000);
    EXPECT_TRUE(isScratch(big) && isScratch(more));
    halide_free(each, more);
    halide_free(each, big);
  }
}

TEST_F(ScratchTest, WorksWithoutAContext) {
  void *memory = halide_malloc(nullptr, 100);
  ASSERT_TRUE(memory);
  halide_free(nullptr, memory);
  halide_free(nullptr, nullptr);
  EXPECT_EQ(halide_malloc(nullptr, SIZE_MAX), nullptr);
}

TEST_F(ScratchTest, SurvivesRandomOrders) {
  std::mt19937 random(7);
  ASSERT_TRUE(set.reserve(64, 20000));
  Scratch *worker = &set.workers[0];
  struct Block {
    char *memory;
    size_t bytes;
    char mark;
  };
  std::vector<Block> blocks;
  for (int step = 0; step < 20000; ++step) {
    if (blocks.size() < 12 && random() % 2) {
      size_t bytes = random() % 4000;
      char mark = char(random());
      auto *memory = static_cast<char *>(halide_malloc(worker, bytes));
      ASSERT_TRUE(memory);
      memset(memory, mark, bytes);
      blocks.push_back({memory, bytes, mark});
    } else if (!blocks.empty()) {
      size_t index = random() % blocks.size();
      Block block = blocks[index];
      for (size_t i = 0; i < block.bytes; ++i)
        ASSERT_EQ(block.memory[i], block.mark);
      halide_free(worker, block.memory);
      blocks.erase(blocks.begin() + ptrdiff_t(index));
    }
  }
  for (Block &block : blocks)
    halide_free(worker, block.memory);
  EXPECT_EQ(worker->top, 0u);
  EXPECT_EQ(worker->onHeap, 0u);
}

TEST_F(ScratchTest, SaysThatThereIsNoMemory) {
  EXPECT_FALSE(set.reserve(0, int64_t(1) << 62));
  EXPECT_FALSE(set.reserve(0, int64_t(1) << 55));
  EXPECT_TRUE(set.reserve(0, 100));
}

} // namespace
