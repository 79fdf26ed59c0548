//===- Attention.cpp - attention over packed keys -------------------------===//

#include "codegen/selection/Attention.h"

using namespace mlir;
using namespace transom;
using namespace transom::codegen;

Choice transom::codegen::selectAttention(const Define &define) {
  auto attention = define.only<transformer::RaggedAttentionOp>();
  if (!attention)
    return {};
  AttentionSpec spec;
  Operands<AttentionSpec> operands;
  describeQueries(attention, define, spec, operands);
  spec.key =
      operands.read(AttentionSpec::Key, define.activation(attention.getKey()))
          .rows();
  spec.value =
      operands
          .read(AttentionSpec::Value, define.activation(attention.getValue()))
          .rows();
  operands.read(AttentionSpec::QueryOffsets,
                define.integers(attention.getQueryOffsets()));
  operands.read(AttentionSpec::KeyOffsets,
                define.integers(attention.getKeyOffsets()));
  operands.read(AttentionSpec::KeyLengths,
                define.integers(attention.getKeyLengths()));
  return operands.select(spec);
}
