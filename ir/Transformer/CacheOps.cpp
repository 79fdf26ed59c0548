//===- CacheOps.cpp - keys and values of past tokens ----------------------===//

#include "ir/Transformer/CacheLayout.h"
#include "ir/Transformer/Emitter.h"

using namespace mlir;

namespace transom::transformer {

/// Of both ops: a layer's columns lie within the cache. `headSize` may be
/// unknown.
static LogicalResult verifyLayer(Operation *op, Value cache, int64_t keyHeads,
                                 int64_t headSize, int64_t at) {
  if (failed(verifyRank(op, "cache", cache, 2)))
    return failure();
  if (at < 0 || at % cacheAlignment != 0)
    return op->emitOpError() << "expects at to be a multiple of "
                             << cacheAlignment << ", got " << at;
  int64_t width = extentOf(cache, 1);
  if (ShapedType::isDynamic(headSize) || ShapedType::isDynamic(width))
    return success();
  int64_t columns = getCacheColumns(keyHeads, headSize);
  if (at + columns > width)
    return op->emitOpError() << "expects " << columns << " columns from " << at
                             << " in the cache, got a width of " << width;
  return success();
}

//===----------------------------------------------------------------------===//
// append_cache
//===----------------------------------------------------------------------===//

void AppendCacheOp::inferTypes(Adaptor adaptor, SmallVectorImpl<Type> &types) {
  types.push_back(adaptor.getCache().getType());
}

OpOperand &AppendCacheOp::getUpdatedOperand() { return getCacheMutable(); }

OpOperand &AppendCacheOp::getRowsOperand() { return getKeyMutable(); }

LogicalResult AppendCacheOp::verify() {
  Value key = getKey();
  if (failed(verifyRank(*this, "key", key, 2)) ||
      failed(verifyRank(*this, "slots", getSlots(), 1)))
    return failure();
  if (!areCompatible(key.getType(), getValue().getType()))
    return emitOpError() << "expects key and value of one type, got "
                         << key.getType() << " and " << getValue().getType();
  if (failed(verifyElementTypes(*this, {getCache(), key})) ||
      failed(verifyExtents(*this, "a slot for each row of the key",
                           extentOf(getSlots(), 0), extentOf(key, 0))))
    return failure();
  int64_t width = extentOf(key, 1), keyHeads = getKeyHeads();
  if (keyHeads <= 0 || (!ShapedType::isDynamic(width) && width % keyHeads != 0))
    return emitOpError() << "expects key_heads to divide the key's width, got "
                         << keyHeads << " and " << extentOf(key, 1);
  return verifyLayer(*this, getCache(), keyHeads,
                     ShapedType::isDynamic(width) ? width : width / keyHeads,
                     getAt());
}

//===----------------------------------------------------------------------===//
// cached_attention
//===----------------------------------------------------------------------===//

void CachedAttentionOp::inferTypes(Adaptor adaptor,
                                   SmallVectorImpl<Type> &types) {
  types.push_back(adaptor.getQuery().getType());
}

LogicalResult CachedAttentionOp::verify() {
  Value query = getQuery();
  if (failed(verifyRank(*this, "query", query, 2)) ||
      failed(verifyRank(*this, "query_offsets", getQueryOffsets(), 1)) ||
      failed(verifyRank(*this, "key_lengths", getKeyLengths(), 1)) ||
      failed(verifyRank(*this, "block_table", getBlockTable(), 1)) ||
      failed(verifyRank(*this, "block_offsets", getBlockOffsets(), 1)) ||
      failed(verifyElementTypes(*this, {query, getCache()})))
    return failure();
  int64_t heads = getHeads(), keyHeads = getKeyHeads();
  if (heads <= 0 || keyHeads <= 0 || heads % keyHeads != 0)
    return emitOpError() << "expects key_heads to divide heads, got "
                         << keyHeads << " and " << heads;
  int64_t width = extentOf(query, 1);
  if (!ShapedType::isDynamic(width) && width % heads != 0)
    return emitOpError() << "expects heads to divide the query's width, got "
                         << heads << " and " << width;
  int64_t offsets = extentOf(getQueryOffsets(), 0);
  if (failed(verifyExtents(*this, "as many block_offsets as query_offsets",
                           extentOf(getBlockOffsets(), 0), offsets)) ||
      failed(verifyExtents(*this, "one key length less than there are offsets",
                           extentOf(getKeyLengths(), 0),
                           ShapedType::isDynamic(offsets) ? offsets
                                                          : offsets - 1)) ||
      failed(verifyDistanceBias(*this, getDistanceBias(), query, heads)))
    return failure();
  return verifyLayer(*this, getCache(), keyHeads,
                     ShapedType::isDynamic(width) ? width : width / heads,
                     getAt());
}

//===----------------------------------------------------------------------===//
// Decompositions
//===----------------------------------------------------------------------===//

/// A layer's heads [rows, 2 * Hkv, P] of rows of a cache: keys, then values.
static Value headsOf(Emitter &emitter, Value rows, int64_t keyHeads,
                     int64_t headSize, int64_t at) {
  int64_t end = at + getCacheColumns(keyHeads, headSize);
  return emitter.reshape(emitter.slice(rows, 1, at, end),
                         {0, 2 * keyHeads, getCacheHeadColumns(headSize)});
}

FailureOr<Values> AppendCacheOp::decompose(OpBuilder &builder) {
  Emitter emitter(builder, *this);
  auto keyHeads = static_cast<int64_t>(getKeyHeads());
  auto at = static_cast<int64_t>(getAt());
  int64_t headSize = extentOf(getKey(), 1) / keyHeads;
  Value cache = getCache();
  Value heads = headsOf(emitter, cache, keyHeads, headSize, at);
  auto concat = [&](ValueRange values, int64_t axis) {
    return emitter.emit<ConcatOp>(values, axis);
  };

  // The new tokens, and after them what is in the slots now: slot s takes the
  // token that goes there, or else row N + s. A token's slot is its alone, so
  // that a sum over tokens finds it.
  Value added = concat({emitter.reshape(getKey(), {0, keyHeads, -1}),
                        emitter.reshape(getValue(), {0, keyHeads, -1})},
                       1);
  Value rows = concat({added, emitter.slice(heads, 2, 0, headSize)}, 0);
  Value slot = emitter.reshape(emitter.indices(cache, 0), {0, 1});
  Value kept = emitter.add(slot, emitter.cast(emitter.emit<DimOp>(getKey(), 0),
                                              builder.getI32Type()));
  Value moved = emitter.emit<SelectOp>(
      emitter.compare(slot, Comparison::EQ, getSlots()),
      emitter.sub(emitter.indices(getKey(), 0), kept), emitter.number(slot, 0));
  Value row = emitter.reshape(
      emitter.add(kept, emitter.reduce(Reduction::Sum, moved)), {-1});
  Value taken = emitter.emit<GatherOp>(rows, row, 0);

  SmallVector<Value> columns;
  if (int64_t padded = getCacheHeadColumns(headSize); headSize < padded)
    taken = concat({taken, emitter.slice(heads, 2, headSize, padded)}, 2);
  if (at > 0)
    columns.push_back(emitter.slice(cache, 1, 0, at));
  columns.push_back(emitter.reshape(taken, {0, -1}));
  int64_t end = at + getCacheColumns(keyHeads, headSize);
  if (end < extentOf(cache, 1))
    columns.push_back(emitter.slice(cache, 1, end, kEnd));
  return emitter.finish(
      {columns.size() == 1 ? columns.front() : concat(columns, 1)});
}

/// Sequences of whole blocks, gathered from the cache, are packed ones whose
/// keys end before the next sequence begins.
FailureOr<Values> CachedAttentionOp::decompose(OpBuilder &builder) {
  Emitter emitter(builder, *this);
  auto heads = static_cast<int64_t>(getHeads());
  auto keyHeads = static_cast<int64_t>(getKeyHeads());
  int64_t headSize = extentOf(getQuery(), 1) / heads;
  Value table = getBlockTable();
  Value inBlock = emitter.emit<arith::ConstantOp>(DenseElementsAttr::get(
      RankedTensorType::get(cacheBlock, builder.getI32Type()),
      ArrayRef(llvm::to_vector(llvm::seq<int32_t>(0, cacheBlock)))));
  Value first = emitter.mul(table, emitter.number(table, cacheBlock));
  Value slots = emitter.reshape(
      emitter.add(emitter.reshape(first, {0, 1}), inBlock), {-1});
  Value cached = headsOf(emitter, emitter.emit<GatherOp>(getCache(), slots, 0),
                         keyHeads, headSize, static_cast<int64_t>(getAt()));
  cached = emitter.slice(cached, 2, 0, headSize);
  auto from = [&](int64_t head) {
    return emitter.reshape(emitter.slice(cached, 1, head, head + keyHeads),
                           {0, -1});
  };
  Value offsets = emitter.mul(getBlockOffsets(),
                              emitter.number(getBlockOffsets(), cacheBlock));
  return emitter.finish({emitter.emit<RaggedAttentionOp>(
      getResult().getType(), getQuery(), from(0), from(keyHeads),
      getQueryOffsets(), offsets, getKeyLengths(), getDistanceBias(),
      getFirstDistance(), getHeads(), getKeyHeads(), getCausal(), getScale())});
}

} // namespace transom::transformer
