//===- Attention.cpp - attention over packed keys -------------------------===//

#include "codegen/selection/Families.h"

using namespace mlir;
using namespace transom;
using namespace transom::codegen;

std::optional<SelectedKernel>
transom::codegen::selectAttention(const Define &define) {
  auto attention = define.only<transformer::RaggedAttentionOp>();
  if (!attention)
    return std::nullopt;
  std::optional<ColumnView> query = define.activation(attention.getQuery());
  std::optional<ColumnView> key = define.activation(attention.getKey());
  std::optional<ColumnView> value = define.activation(attention.getValue());
  std::optional<ColumnView> queryOffsets =
      define.integers(attention.getQueryOffsets());
  std::optional<ColumnView> keyOffsets =
      define.integers(attention.getKeyOffsets());
  std::optional<ColumnView> keyLengths =
      define.integers(attention.getKeyLengths());
  if (!query || !key || !value || !queryOffsets || !keyOffsets || !keyLengths)
    return std::nullopt;

  SelectedKernel kernel;
  AttentionSpec spec;
  spec.heads = attention.getHeads();
  spec.keyHeads = attention.getKeyHeads();
  spec.headDim = widthOf(attention.getQuery()) / spec.heads;
  spec.queryStride = query->stride;
  spec.queryOffset = query->offset;
  spec.keyStride = key->stride;
  spec.keyOffset = key->offset;
  spec.valueStride = value->stride;
  spec.valueOffset = value->offset;
  spec.outStride = rowStride(widthOf(attention.getResult()));
  spec.scale = attention.getScale().convertToFloat();
  spec.causal = attention.getCausal();
  for (const ColumnView &view :
       {*query, *key, *value, *queryOffsets, *keyOffsets, *keyLengths})
    kernel.operands.push_back({view.argument});
  if (!addDistanceBias(attention, define, spec, kernel))
    return std::nullopt;
  kernel.operands.push_back({0, /*isResult=*/true});
  kernel.spec = spec;
  return kernel;
}
