//===- Embedding.cpp - rows of a table by index ---------------------------===//

#include "codegen/selection/Families.h"

using namespace mlir;
using namespace transom;
using namespace transom::codegen;

Choice transom::codegen::selectEmbedding(const Define &define) {
  if (define.ops.empty() || define.ops.size() > 2 ||
      define.yield.getNumOperands() != 1 ||
      define.yield.getValues()[0] != define.ops.back()->getResult(0))
    return {};
  auto embedding = dyn_cast<transformer::EmbeddingOp>(define.ops[0]);
  if (!embedding)
    return {};
  // Rows of an activation are gathered the same way: select_token.
  std::optional<ColumnView> table = define.weight(embedding.getTable());
  bool isWeight = table.has_value();
  if (!table)
    table = define.activation(embedding.getTable());
  auto tableType = cast<RankedTensorType>(embedding.getTable().getType());
  if (tableType.getRank() != 2)
    return {};

  EmbeddingSpec spec;
  Operands<EmbeddingSpec> operands;
  operands.read(EmbeddingSpec::Ids, define.integers(embedding.getIds()));
  ColumnView rows = operands.read(EmbeddingSpec::Table, table);
  spec.width = widthOf(embedding.getResult());
  spec.tableRows = tableType.isDynamicDim(0) ? 0 : tableType.getDimSize(0);
  spec.table.stride = isWeight ? rowStride(spec.width) : rows.stride;
  spec.tableOffset = rows.offset;
  spec.result.stride = rowStride(spec.width);
  if (define.ops.size() == 2) {
    auto add = dyn_cast<transformer::AddOp>(define.ops[1]);
    if (!add || add.getResult().getType() != embedding.getResult().getType())
      return {};
    Value other =
        add.getLhs() == embedding.getResult() ? add.getRhs() : add.getLhs();
    if (other.getType() != add.getType())
      return {};
    spec.addend =
        operands.read(EmbeddingSpec::Addend, define.activation(other)).rows();
  }
  operands.write(EmbeddingSpec::Output, 0);
  return operands.select(spec);
}
