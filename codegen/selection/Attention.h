//===- Attention.h - what all kinds of attention have ---------------------===//
#ifndef TRANSOM_CODEGEN_SELECTION_ATTENTION_H
#define TRANSOM_CODEGEN_SELECTION_ATTENTION_H

#include "codegen/selection/Families.h"

namespace transom::codegen {

/// Heads, queries, scale, mask, distance bias and result of an attention,
/// wherever its keys are.
template <typename Op, typename Spec>
void describeQueries(Op op, const Define &define, Spec &spec,
                     Operands<Spec> &operands) {
  spec.query =
      operands.read(Spec::Query, define.activation(op.getQuery())).rows();
  spec.heads = op.getHeads();
  spec.keyHeads = op.getKeyHeads();
  spec.headDim = widthOf(op.getQuery()) / spec.heads;
  spec.result.stride = rowStride(widthOf(op.getResult()));
  spec.scale = op.getScale().convertToFloat();
  spec.causal = op.getCausal();
  if (mlir::Value bias = op.getDistanceBias()) {
    operands.read(Spec::DistanceBias, define.weight(bias));
    spec.distances = widthOf(bias);
    spec.firstDistance = op.getFirstDistance();
  }
  operands.write(Spec::Output, 0);
}

} // namespace transom::codegen

#endif // TRANSOM_CODEGEN_SELECTION_ATTENTION_H
