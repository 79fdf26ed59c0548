//===- Grid.h - how a launch is cut into tasks ----------------------------===//
#ifndef TRANSOM_RUNTIME_GRID_H
#define TRANSOM_RUNTIME_GRID_H

#include "runtime/abi.h"

namespace transom {

/// The rows that tasks are cut from: all rows of a launch, or if ragged those
/// of one sequence. A task is a chunk of rows x some columns; all chunks of one
/// range of columns come before the next range, so that the weights (or the
/// keys of a head) stay in the cache.
struct Block {
  int64_t firstTask; ///< its tasks end where the next block's begin
  int64_t firstRow, rows;
  int64_t firstKey, keys; ///< ragged only, else 0
  const transom_kernel_variant *variant;
  int64_t rowTiles, rowChunks, columnBlocks;
};

/// One task's part of its block.
struct Task {
  int64_t rowBegin, rows; ///< rows counted within the block
  int64_t columnBegin, columns;
};

/// What tells the size of a launch's work apart.
struct GridSize {
  int64_t tasks;
  int64_t pairs;       ///< of rows and keys; 0 if not ragged
  int64_t longestKeys; ///< of any sequence
};

/// Plans rows x columns as `blocks[0]`, and the end of its tasks as blocks[1].
GridSize planRows(const transom_kernel &kernel, int64_t rows, int32_t threads,
                  Block *blocks);

/// Plans a block a sequence; `blocks` has room for one more. The arrays are
/// those of the launch: offsets [sequences + 1], lengths [sequences].
GridSize planRagged(const transom_kernel &kernel, const int32_t *queryOffsets,
                    const int32_t *keyOffsets, const int32_t *keyLengths,
                    int64_t sequences, int32_t threads, Block *blocks);

/// The task of a block that has this index, which must be one of the block's.
inline Task taskOf(const Block &block, int64_t index, int64_t columns) {
  int64_t local = index - block.firstTask;
  int64_t chunk = local % block.rowChunks, range = local / block.rowChunks;
  // Shares differ by one tile or one column at most: no short rest at the end.
  auto begin = [](int64_t part, int64_t parts, int64_t whole) {
    return part * whole / parts;
  };
  int64_t tile = block.variant->row_tile > 1 ? block.variant->row_tile : 1;
  int64_t rowEnd = begin(chunk + 1, block.rowChunks, block.rowTiles) * tile;
  Task task;
  task.rowBegin = begin(chunk, block.rowChunks, block.rowTiles) * tile;
  task.rows = (rowEnd < block.rows ? rowEnd : block.rows) - task.rowBegin;
  task.columnBegin = begin(range, block.columnBlocks, columns);
  task.columns =
      begin(range + 1, block.columnBlocks, columns) - task.columnBegin;
  return task;
}

} // namespace transom

#endif // TRANSOM_RUNTIME_GRID_H
