//===- Grid.cpp - task sizes ----------------------------------------------===//
//
// A task should be small enough that threads end together, and large enough
// that its start (about 0.2 us) does not count. How a launch is cut changes its
// time only: every result has one order of accumulation, which the kernel
// fixes.
//
//===----------------------------------------------------------------------===//
#include "runtime/launch/Grid.h"

#include "runtime/Memory.h"

using namespace transom;

namespace {

/// So many tasks a thread, if rows and columns allow: a thread that loses its
/// core for a while then holds up an eighth of a launch on two threads.
constexpr double tasksPerThread = 4;
/// Below this a task is not worth its start, in floating-point operations at
/// about 100 a nanosecond: 2 us.
constexpr double leastCost = 2e5;
/// From here on more work in a task gains nothing.
constexpr double goodCost = 1e6;
/// Operations in the time that a byte takes to arrive.
constexpr double costPerByte = 2;

int64_t atLeast(int64_t value, int64_t least) {
  return value < least ? least : value;
}
int64_t atMost(int64_t value, int64_t most) {
  return value > most ? most : value;
}

const transom_kernel_variant *variantFor(const transom_kernel &kernel,
                                         int64_t rows) {
  int32_t chosen = 0;
  while (chosen + 1 < kernel.num_variants &&
         kernel.variants[chosen].max_rows < rows)
    ++chosen;
  return &kernel.variants[chosen];
}

/// What one row of all columns costs beside its keys.
double costOfRow(const transom_kernel &kernel) {
  double bytes = 0;
  for (int32_t i = 0; i < kernel.num_arguments; ++i)
    if (kernel.arguments[i].kind == TRANSOM_BUFFER &&
        kernel.arguments[i].rows == TRANSOM_TASK_ROWS)
      bytes += double(kernel.arguments[i].row_bytes);
  return kernel.flops_per_row + costPerByte * bytes;
}

/// Cuts a block whose every row and column unit costs `unitCost` into tasks
/// of about `limit`, or less if they are `goodCost` then, and of `mostColumns`
/// at most; returns their index.
int64_t cut(Block &block, int64_t columns, int64_t mostColumns, double unitCost,
            double limit) {
  if (block.rows <= 0)
    return 0;
  const transom_kernel_variant &variant = *block.variant;
  int64_t tile = atLeast(variant.row_tile, 1);
  int64_t leastColumns = atMost(atLeast(variant.task_columns, 1), columns);
  int64_t mostRows = variant.task_rows > 0 ? atLeast(variant.task_rows, tile)
                                           : roundUp(block.rows, tile);
  // Rows first: fewer of them, if the narrowest task would be over the limit.
  double rowCost = unitCost * double(leastColumns);
  if (rowCost * double(atMost(mostRows, block.rows)) > limit)
    mostRows = int64_t(limit / rowCost);
  block.rowTiles = divideUp(block.rows, tile);
  block.rowChunks = divideUp(block.rowTiles, atLeast(mostRows / tile, 1));

  // Then as many columns as still make a good task.
  double rows = double(block.rows) / double(block.rowChunks);
  double wanted = (limit < goodCost ? limit : goodCost) / (unitCost * rows);
  int64_t perTask =
      wanted < double(mostColumns) ? int64_t(wanted) : mostColumns;
  perTask = atLeast(perTask, leastColumns);
  block.columnBlocks =
      atMost(divideUp(columns, perTask), columns / leastColumns);
  return block.rowChunks * block.columnBlocks;
}

double limitFor(double totalCost, int32_t threads) {
  double limit = totalCost / (tasksPerThread * double(threads));
  return limit > leastCost ? limit : leastCost;
}

} // namespace

GridSize transom::planRows(const transom_kernel &kernel, int64_t rows,
                           int32_t threads, Block *blocks) {
  // A kernel without operands to go by still costs something.
  double total = (costOfRow(kernel) + 1) * double(rows);
  blocks[0] = {};
  blocks[0].rows = rows;
  blocks[0].variant = variantFor(kernel, rows);
  int64_t tasks =
      cut(blocks[0], kernel.columns, kernel.columns,
          total / double(rows) / kernel.columns, limitFor(total, threads));
  blocks[1] = {};
  blocks[1].firstTask = tasks;
  return {tasks, 0, 0};
}

GridSize transom::planRagged(const transom_kernel &kernel,
                             const int32_t *queryOffsets,
                             const int32_t *keyOffsets,
                             const int32_t *keyLengths, int64_t sequences,
                             int32_t threads, Block *blocks) {
  GridSize size = {};
  int64_t rows = 0;
  for (int64_t s = 0; s < sequences; ++s) {
    Block &block = blocks[s] = {};
    block.firstRow = queryOffsets[s];
    block.rows = queryOffsets[s + 1] - queryOffsets[s];
    block.firstKey = keyOffsets[s];
    block.keys = keyLengths[s];
    block.variant = variantFor(kernel, block.rows);
    rows += block.rows;
    size.pairs += block.rows * block.keys;
    if (block.keys > size.longestKeys)
      size.longestKeys = block.keys;
  }
  double rowCost = costOfRow(kernel) + 1, pairCost = kernel.flops_per_pair;
  double limit =
      limitFor(rowCost * double(rows) + pairCost * double(size.pairs), threads);
  for (int64_t s = 0; s < sequences; ++s) {
    blocks[s].firstTask = size.tasks;
    // A head is a task's only one: it packs the keys of that head.
    size.tasks += cut(
        blocks[s], kernel.columns, /*mostColumns=*/1,
        (rowCost + pairCost * double(blocks[s].keys)) / kernel.columns, limit);
  }
  blocks[sequences] = {};
  blocks[sequences].firstTask = size.tasks;
  return size;
}
