//===- Linear.cpp - linear layers with an epilogue ------------------------===//

#include "codegen/selection/Families.h"
#include "codegen/selection/RowProgramBuilder.h"

using namespace mlir;
using namespace transom;
using namespace transom::codegen;

Choice transom::codegen::selectLinear(const Define &define) {
  auto linear = define.only<transformer::LinearOp>();
  if (!linear ||
      cast<RankedTensorType>(linear.getResult().getType()).getRank() != 2)
    return {};
  LinearSpec spec;
  Operands<LinearSpec> operands;
  spec.x =
      operands.read(LinearSpec::Input, define.activation(linear.getInput()))
          .rows();
  operands.read(LinearSpec::Weight, define.weight(linear.getWeight()));
  spec.in = widthOf(linear.getInput());
  spec.out = widthOf(linear.getResult());
  spec.result.stride = rowStride(spec.out);
  spec.hasBias = static_cast<bool>(linear.getBias());
  if (spec.hasBias)
    operands.read(LinearSpec::Bias, define.weight(linear.getBias()));
  if (!linear.getEpilogue().empty()) {
    // Its meaning: a plain linear, the accumulator, and ops on its result.
    OwningOpRef<kernel::DefineOp> copy(define.op.clone());
    auto whole = Define(*copy).only<transformer::LinearOp>();
    OpBuilder at(whole);
    FailureOr<SmallVector<Value>> results = whole.decompose(at);
    Operation *plain = Define(*copy).ops.front();
    RowProgramBuilder builder(spec.out);
    builder.bindAccumulator(plain->getResult(0));
    // What can't be translated is not an error yet.
    ScopedDiagnosticHandler silent(define.op.getContext(),
                                   [](Diagnostic &) { return success(); });
    if (failed(results) || failed(builder.addResult(results->front())))
      return {std::nullopt, "its epilogue is none of its columns alone"};
    spec.epilogue = builder.program();
    spec.epilogueOperands = builder.operands();
    for (unsigned argument : builder.arguments())
      operands.read(LinearSpec::Epilogue, ColumnView{argument});
  }
  operands.write(LinearSpec::Output, 0);
  return operands.select(std::move(spec));
}
