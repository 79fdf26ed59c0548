//===- CacheOps.cpp - keys and values of past tokens ----------------------===//

#include "ir/Transformer/CacheLayout.h"
#include "ir/Transformer/OpSupport.h"
#include "ir/Transformer/Transformer.h"

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

} // namespace transom::transformer
