//===- AppendCache.cpp - keys and values into a cache ---------------------===//

#include "codegen/selection/Families.h"

using namespace mlir;
using namespace transom;
using namespace transom::codegen;

Choice transom::codegen::selectAppendCache(const Define &define) {
  auto append = define.only<transformer::AppendCacheOp>();
  // The result is the cache's own buffer.
  if (!append || !define.cache(append.getCache()))
    return {};
  AppendCacheSpec spec;
  Operands<AppendCacheSpec> operands;
  spec.key =
      operands.read(AppendCacheSpec::Key, define.activation(append.getKey()))
          .rows();
  spec.value =
      operands
          .read(AppendCacheSpec::Value, define.activation(append.getValue()))
          .rows();
  operands.read(AppendCacheSpec::Slots, define.integers(append.getSlots()));
  operands.write(AppendCacheSpec::Cache, 0);
  spec.keyHeads = append.getKeyHeads();
  spec.headDim = widthOf(append.getKey()) / spec.keyHeads;
  spec.cache.width = widthOf(append.getCache());
  spec.cache.offset = append.getAt();
  return operands.select(spec);
}
