//===- CachedAttention.cpp - attention over a cache -----------------------===//

#include "codegen/selection/Attention.h"

using namespace mlir;
using namespace transom;
using namespace transom::codegen;

Choice transom::codegen::selectCachedAttention(const Define &define) {
  auto attention = define.only<transformer::CachedAttentionOp>();
  if (!attention)
    return {};
  CachedAttentionSpec spec;
  Operands<CachedAttentionSpec> operands;
  describeQueries(attention, define, spec, operands);
  operands.read(CachedAttentionSpec::Cache, define.cache(attention.getCache()));
  spec.cache.width = widthOf(attention.getCache());
  spec.cache.offset = attention.getAt();
  operands.read(CachedAttentionSpec::QueryOffsets,
                define.integers(attention.getQueryOffsets()));
  operands.read(CachedAttentionSpec::KeyLengths,
                define.integers(attention.getKeyLengths()));
  operands.read(CachedAttentionSpec::BlockTable,
                define.integers(attention.getBlockTable()));
  operands.read(CachedAttentionSpec::BlockOffsets,
                define.integers(attention.getBlockOffsets()));
  return operands.select(spec);
}
