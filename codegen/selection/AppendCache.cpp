//===- AppendCache.cpp - keys and values into a cache ---------------------===//

#include "codegen/selection/Families.h"

using namespace mlir;
using namespace transom;
using namespace transom::codegen;

std::optional<SelectedKernel>
transom::codegen::selectAppendCache(const Define &define) {
  auto append = define.only<transformer::AppendCacheOp>();
  if (!append)
    return std::nullopt;
  std::optional<ColumnView> key = define.activation(append.getKey());
  std::optional<ColumnView> value = define.activation(append.getValue());
  std::optional<ColumnView> slots = define.integers(append.getSlots());
  // The result is the cache's own buffer.
  if (!key || !value || !slots || !isa<BlockArgument>(append.getCache()))
    return std::nullopt;

  SelectedKernel kernel;
  AppendCacheSpec spec;
  spec.keyHeads = append.getKeyHeads();
  spec.headDim = widthOf(append.getKey()) / spec.keyHeads;
  spec.keyStride = key->stride;
  spec.keyOffset = key->offset;
  spec.valueStride = value->stride;
  spec.valueOffset = value->offset;
  spec.cacheWidth = widthOf(append.getCache());
  spec.cacheOffset = append.getAt();
  kernel.operands = {{key->argument},
                     {value->argument},
                     {slots->argument},
                     {0, /*isResult=*/true}};
  kernel.spec = spec;
  return kernel;
}
