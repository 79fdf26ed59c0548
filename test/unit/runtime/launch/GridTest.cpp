//===- GridTest.cpp - every row and column once, in tasks of good size ----===//
#include "runtime/launch/Grid.h"

#include <gtest/gtest.h>
#include <random>
#include <vector>

using namespace transom;

namespace {

int32_t neverRun(void **) { return -1; }

transom_kernel_variant variant(int64_t maxRows, int32_t tile, int32_t taskRows,
                               int32_t taskColumns) {
  return {neverRun, maxRows, tile, taskRows, taskColumns, 0};
}

/// A kernel of these variants that costs `flops` a row.
struct Kernel {
  Kernel(int32_t columns, double flops,
         std::vector<transom_kernel_variant> variants)
      : variants(variants) {
    kernel.columns = columns;
    kernel.flops_per_row = flops;
    kernel.num_variants = int32_t(this->variants.size());
    kernel.variants = this->variants.data();
  }
  std::vector<transom_kernel_variant> variants;
  transom_kernel kernel = {};
};

/// Checks that the tasks of blocks[0 .. count) are `tasks` in number, and take
/// each row and column once, in pieces that the variants allow.
void expectCoverage(const std::vector<Block> &blocks, size_t count,
                    int64_t tasks, int64_t columns) {
  EXPECT_EQ(blocks[0].firstTask, 0);
  EXPECT_EQ(blocks[count].firstTask, tasks);
  for (size_t b = 0; b < count; ++b) {
    const Block &block = blocks[b];
    std::vector<int> taken(size_t(block.rows * columns), 0);
    for (int64_t t = block.firstTask; t < blocks[b + 1].firstTask; ++t) {
      Task task = taskOf(block, t, columns);
      ASSERT_GE(task.rows, 1);
      ASSERT_GE(task.columns, 1);
      ASSERT_LE(task.rowBegin + task.rows, block.rows);
      ASSERT_LE(task.columnBegin + task.columns, columns);
      EXPECT_EQ(task.rowBegin % block.variant->row_tile, 0);
      if (block.variant->task_rows)
        EXPECT_LE(task.rows, block.variant->task_rows);
      if (task.columns < columns)
        EXPECT_GE(task.columns, block.variant->task_columns);
      for (int64_t r = 0; r < task.rows; ++r)
        for (int64_t c = 0; c < task.columns; ++c)
          ++taken[size_t((task.rowBegin + r) * columns + task.columnBegin + c)];
    }
    for (int times : taken)
      ASSERT_EQ(times, 1) << "block " << b;
  }
}

TEST(GridTest, CoversRowsTimesColumns) {
  for (int32_t threads : {1, 2, 3, 16})
    for (int64_t rows : {1, 2, 5, 6, 7, 31, 96, 97, 500, 2049})
      for (int32_t columns : {1, 2, 7, 48})
        for (double flops : {0.0, 1e3, 1e5, 1e7})
          for (auto shape :
               {variant(INT64_MAX, 1, 0, 1), variant(INT64_MAX, 6, 96, 1),
                variant(INT64_MAX, 4, 4, 3), variant(INT64_MAX, 8, 128, 100)}) {
            Kernel kernel(columns, flops, {shape});
            std::vector<Block> blocks(2);
            GridSize size =
                planRows(kernel.kernel, rows, threads, blocks.data());
            expectCoverage(blocks, 1, size.tasks, columns);
          }
}

TEST(GridTest, CoversRaggedSequences) {
  std::mt19937 random(1);
  for (int round = 0; round < 300; ++round) {
    size_t sequences = random() % 20;
    std::vector<int32_t> queries = {0}, lengths;
    for (size_t s = 0; s < sequences; ++s) {
      int32_t rows = random() % 4 ? int32_t(random() % 200) : 0;
      queries.push_back(queries.back() + rows);
      lengths.push_back(rows ? int32_t(random() % unsigned(rows + 1)) : 0);
    }
    Kernel kernel(1 + int32_t(random() % 16), double(random() % 2000),
                  {variant(1, 1, 0, 1), variant(INT64_MAX, 6, 48, 2)});
    kernel.kernel.flops_per_pair = double(random() % 10000);
    std::vector<Block> blocks(sequences + 1);
    GridSize size = planRagged(kernel.kernel, queries.data(), queries.data(),
                               lengths.data(), int64_t(sequences),
                               1 + int32_t(random() % 8), blocks.data());
    expectCoverage(blocks, sequences, size.tasks, kernel.kernel.columns);
    int64_t pairs = 0, longest = 0;
    for (size_t s = 0; s < sequences; ++s) {
      pairs += int64_t(lengths[s]) * (queries[s + 1] - queries[s]);
      longest = std::max<int64_t>(longest, lengths[s]);
      EXPECT_EQ(blocks[s].firstRow, queries[s]);
      EXPECT_EQ(blocks[s].keys, lengths[s]);
    }
    EXPECT_EQ(size.pairs, pairs);
    EXPECT_EQ(size.longestKeys, longest);
  }
}

TEST(GridTest, ChoosesTheVariantByRows) {
  Kernel kernel(
      1, 1, {variant(1, 1, 0, 1), variant(16, 4, 0, 1), variant(100, 8, 0, 1)});
  Block blocks[2];
  auto chosen = [&](int64_t rows) {
    planRows(kernel.kernel, rows, 2, blocks);
    return blocks[0].variant - kernel.variants.data();
  };
  EXPECT_EQ(chosen(1), 0);
  EXPECT_EQ(chosen(2), 1);
  EXPECT_EQ(chosen(16), 1);
  EXPECT_EQ(chosen(17), 2);
  EXPECT_EQ(chosen(1000), 2) << "the last one takes what is left";

  // Ragged: by the rows of each sequence.
  int32_t offsets[] = {0, 1, 21, 24}, lengths[] = {1, 20, 3};
  Block ragged[4];
  planRagged(kernel.kernel, offsets, offsets, lengths, 3, 2, ragged);
  EXPECT_EQ(ragged[0].variant - kernel.variants.data(), 0);
  EXPECT_EQ(ragged[1].variant - kernel.variants.data(), 2);
  EXPECT_EQ(ragged[2].variant - kernel.variants.data(), 1);
}

// However little work a short sequence is: an attention task packs one head.
TEST(GridTest, GivesARaggedTaskOneColumn) {
  Kernel kernel(12, 0, {variant(INT64_MAX, 8, 240, 1)});
  kernel.kernel.flops_per_pair = 1536;
  int32_t offsets[] = {0, 1, 9, 300}, lengths[] = {1, 8, 291};
  Block blocks[4];
  planRagged(kernel.kernel, offsets, offsets, lengths, 3, 2, blocks);
  for (int s = 0; s < 3; ++s)
    EXPECT_EQ(blocks[s].columnBlocks, 12) << "sequence " << s;
}

TEST(GridTest, GivesEachThreadFourTasksWhereItCan) {
  auto tasks = [](int64_t rows, int32_t columns, double flops, int32_t threads,
                  transom_kernel_variant shape) {
    Kernel kernel(columns, flops, {shape});
    Block blocks[2];
    return planRows(kernel.kernel, rows, threads, blocks).tasks;
  };
  // A linear layer of BERT-base at 128 tokens: 12 blocks of 64 columns.
  EXPECT_GE(tasks(128, 12, 2 * 768 * 768, 2, variant(999, 6, 96, 1)), 8);
  EXPECT_GE(tasks(128, 12, 2 * 768 * 768, 8, variant(999, 6, 96, 1)), 32);
  // One token: columns only.
  EXPECT_GE(tasks(1, 48, 2 * 768 * 3072, 2, variant(1, 1, 0, 1)), 8);
  // A norm: rows only.
  EXPECT_GE(tasks(512, 1, 8 * 768, 2, variant(999, 1, 0, 1)), 8);
  // Not worth a second thread.
  EXPECT_EQ(tasks(1, 1, 8 * 384, 2, variant(999, 1, 0, 1)), 1);
  EXPECT_EQ(tasks(4, 6, 4 * 384, 16, variant(999, 1, 0, 1)), 1);
  // Small, but not nothing: fewer than four, rather than tasks of 100 ns.
  EXPECT_LE(tasks(64, 1, 8 * 768, 16, variant(999, 1, 0, 1)), 4);
}

TEST(GridTest, MakesChunksAlike) {
  Kernel kernel(1, 1e6, {variant(INT64_MAX, 6, 96, 1)});
  Block blocks[2];
  GridSize size = planRows(kernel.kernel, 100, 1, blocks);
  int64_t least = 100, most = 0;
  for (int64_t t = 0; t < size.tasks; ++t) {
    Task task = taskOf(blocks[0], t, 1);
    least = std::min(least, task.rows);
    most = std::max(most, task.rows);
  }
  EXPECT_LE(most - least, 10) << "a tile, and what the last tile lacks";
}

} // namespace
