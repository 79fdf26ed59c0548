//===- CachedAttention.cpp - attention over a cache -----------------------===//

#include "codegen/selection/Families.h"

using namespace mlir;
using namespace transom;
using namespace transom::codegen;

std::optional<SelectedKernel>
transom::codegen::selectCachedAttention(const Define &define) {
  auto attention = define.only<transformer::CachedAttentionOp>();
  if (!attention)
    return std::nullopt;
  std::optional<ColumnView> query = define.activation(attention.getQuery());
  auto cache = dyn_cast<BlockArgument>(attention.getCache());
  std::optional<ColumnView> queryOffsets =
      define.integers(attention.getQueryOffsets());
  std::optional<ColumnView> keyLengths =
      define.integers(attention.getKeyLengths());
  std::optional<ColumnView> blockTable =
      define.integers(attention.getBlockTable());
  std::optional<ColumnView> blockOffsets =
      define.integers(attention.getBlockOffsets());
  if (!query || !cache || !queryOffsets || !keyLengths || !blockTable ||
      !blockOffsets)
    return std::nullopt;

  SelectedKernel kernel;
  CachedAttentionSpec spec;
  spec.heads = attention.getHeads();
  spec.keyHeads = attention.getKeyHeads();
  spec.headDim = widthOf(attention.getQuery()) / spec.heads;
  spec.queryStride = query->stride;
  spec.queryOffset = query->offset;
  spec.cacheWidth = widthOf(cache);
  spec.cacheOffset = attention.getAt();
  spec.outStride = rowStride(widthOf(attention.getResult()));
  spec.scale = attention.getScale().convertToFloat();
  spec.causal = attention.getCausal();
  for (unsigned argument :
       {query->argument, cache.getArgNumber(), queryOffsets->argument,
        keyLengths->argument, blockTable->argument, blockOffsets->argument})
    kernel.operands.push_back({argument});
  if (!addDistanceBias(attention, define, spec, kernel))
    return std::nullopt;
  kernel.operands.push_back({0, /*isResult=*/true});
  kernel.spec = spec;
  return kernel;
}
