//===- CacheModels.cpp - reference semantics of the cache -----------------===//

#include "ir/Interpreter/Models.h"
#include "ir/Transformer/CacheLayout.h"
#include "ir/Transformer/Transformer.h"

using namespace mlir;
using namespace transom::interpreter;
using namespace transom::transformer;
using transom::interpreter::Context;

static LogicalResult interpret(AppendCacheOp op, Operands operands, Context &,
                               Results results) {
  const Tensor &key = operands[1], &value = operands[2];
  ArrayRef<int64_t> slots = operands[3].integers();
  Tensor result = operands[0];
  int64_t capacity = result.getShape()[0], columns = result.getShape()[1];
  int64_t rows = key.getShape()[0], width = key.getShape()[1];
  int64_t keyHeads = op.getKeyHeads(), size = width / keyHeads;
  int64_t padded = getCacheHeadColumns(size), at = op.getAt();
  if (failed(require(op,
                     value.getShape() == key.getShape() &&
                         static_cast<int64_t>(slots.size()) == rows &&
                         size * keyHeads == width &&
                         at + getCacheColumns(keyHeads, size) <= columns,
                     "key, value and slots whose extents fit")))
    return failure();
  llvm::DenseSet<int64_t> taken;
  MutableArrayRef<double> to = result.floats();
  for (int64_t i = 0; i < rows; ++i) {
    if (slots[i] == -1)
      continue;
    if (failed(require(op, slots[i] >= 0 && slots[i] < capacity,
                       "slots of the cache, or -1")) ||
        failed(require(op, taken.insert(slots[i]).second, "distinct slots")))
      return failure();
    double *slot = to.data() + slots[i] * columns + at;
    for (int64_t h = 0; h < keyHeads; ++h)
      for (int64_t d = 0; d < size; ++d) {
        slot[h * padded + d] = key.floats()[i * width + h * size + d];
        slot[(keyHeads + h) * padded + d] =
            value.floats()[i * width + h * size + d];
      }
  }
  results.push_back(result);
  return success();
}

/// The slots of a sequence's keys; fails at `op` if one isn't in the cache.
static FailureOr<SmallVector<int64_t>>
findSlots(CachedAttentionOp op, ArrayRef<int64_t> table, int64_t begin,
          int64_t end, int64_t keys, int64_t capacity) {
  SmallVector<int64_t> slots;
  bool fits = 0 <= begin && begin <= end &&
              end <= static_cast<int64_t>(table.size()) && 0 <= keys &&
              keys <= (end - begin) * cacheBlock;
  for (int64_t j = 0; fits && j < keys; ++j) {
    int64_t block = table[begin + j / cacheBlock];
    slots.push_back(block * cacheBlock + j % cacheBlock);
    fits = block >= 0 && slots.back() < capacity;
  }
  if (failed(require(op, fits, "sequences whose keys the block table has")))
    return failure();
  return slots;
}

static LogicalResult interpret(CachedAttentionOp op, Operands operands,
                               Context &, Results results) {
  const Tensor &query = operands[0], &cache = operands[1];
  ArrayRef<int64_t> queryOffsets = operands[2].integers(),
                    keyLengths = operands[3].integers(),
                    table = operands[4].integers(),
                    blockOffsets = operands[5].integers();
  int64_t heads = op.getHeads(), keyHeads = op.getKeyHeads();
  int64_t rows = query.getShape()[0], width = query.getShape()[1];
  int64_t columns = cache.getShape()[1], size = width / heads;
  int64_t padded = getCacheHeadColumns(size);
  size_t sequences = keyLengths.size();
  if (failed(require(op,
                     queryOffsets.size() == sequences + 1 &&
                         blockOffsets.size() == sequences + 1,
                     "one offset more than there are lengths")) ||
      failed(require(op,
                     size * heads == width &&
                         op.getAt() + getCacheColumns(keyHeads, size) <=
                             static_cast<uint64_t>(columns),
                     "a query and a cache whose extents fit")))
    return failure();
  DistanceBias distances = getDistanceBias(op, operands);
  double scale = op.getScale().convertToDouble();
  Tensor result(query.getElementType(), query.getShape());
  MutableArrayRef<double> to = result.floats();
  ArrayRef<double> from = cache.floats();
  for (size_t s = 0; s < sequences; ++s) {
    int64_t begin = queryOffsets[s], end = queryOffsets[s + 1];
    int64_t keys = keyLengths[s];
    if (failed(require(op, 0 <= begin && begin <= end && end <= rows,
                       "sequences that lie within the rows")))
      return failure();
    FailureOr<SmallVector<int64_t>> slots =
        findSlots(op, table, blockOffsets[s], blockOffsets[s + 1], keys,
                  cache.getShape()[0]);
    if (failed(slots))
      return failure();
    SmallVector<double> scores;
    for (int64_t i = begin; i < end; ++i) {
      // The last query sees all keys, the one before all but the last.
      int64_t last = keys - 1 - (end - 1 - i);
      int64_t seen =
          op.getCausal() ? std::clamp<int64_t>(last + 1, 0, keys) : keys;
      scores.resize(seen);
      for (int64_t h = 0; h < heads; ++h) {
        int64_t group = h * keyHeads / heads;
        int64_t keyAt = op.getAt() + group * padded;
        int64_t valueAt = op.getAt() + (keyHeads + group) * padded;
        for (int64_t j = 0; j < seen; ++j)
          scores[j] =
              distances.at(h, j - last) +
              scale * dot(query.floats().data() + i * width + h * size,
                          from.data() + (*slots)[j] * columns + keyAt, size);
        softmaxInPlace(scores);
        for (int64_t j = 0; j < seen; ++j)
          for (int64_t d = 0; d < size; ++d)
            to[i * width + h * size + d] +=
                scores[j] * from[(*slots)[j] * columns + valueAt + d];
      }
    }
  }
  results.push_back(result);
  return success();
}

TRANSOM_DEFINE_ATTACH

void transom::interpreter::attachCacheModels(MLIRContext *context) {
  attach<AppendCacheOp, CachedAttentionOp>(context);
}
