//===- FusedOps.cpp - one kernel family each ------------------------------===//

#include "ir/Transformer/OpSupport.h"
#include "ir/Transformer/Transformer.h"

using namespace mlir;

namespace transom::transformer {

void AttentionOp::inferTypes(Adaptor adaptor, SmallVectorImpl<Type> &types) {
  RankedTensorType query = tensorType(adaptor.getQuery());
  RankedTensorType value = tensorType(adaptor.getValue());
  SmallVector<int64_t> shape(query.getShape());
  if (!shape.empty() && value.getRank() > 0)
    shape.back() = value.getShape().back();
  types.push_back(query.clone(shape));
}

void RaggedAttentionOp::inferTypes(Adaptor adaptor,
                                   SmallVectorImpl<Type> &types) {
  types.push_back(adaptor.getQuery().getType());
}

void AddLayerNormOp::inferTypes(Adaptor adaptor, SmallVectorImpl<Type> &types) {
  types.append(2, adaptor.getInput().getType());
}

void AddRmsNormOp::inferTypes(Adaptor adaptor, SmallVectorImpl<Type> &types) {
  types.append(2, adaptor.getInput().getType());
}

} // namespace transom::transformer
