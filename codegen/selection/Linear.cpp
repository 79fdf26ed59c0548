//===- Linear.cpp - linear layers with an epilogue ------------------------===//

#include "codegen/selection/Families.h"
#include "codegen/selection/RowProgramBuilder.h"

using namespace mlir;
using namespace transom;
using namespace transom::codegen;

std::optional<SelectedKernel>
transom::codegen::selectLinear(const Define &define) {
  auto linear = define.only<transformer::LinearOp>();
  if (!linear ||
      cast<RankedTensorType>(linear.getResult().getType()).getRank() != 2)
    return std::nullopt;
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
    RowProgramBuilder builder(spec.out);
    Block &block = linear.getEpilogue().front();
    builder.bindAccumulator(block.getArgument(0));
    for (auto [extra, argument] :
         llvm::zip_equal(linear.getExtras(), block.getArguments().drop_front()))
      if (failed(builder.bindOperand(argument, extra)))
        return std::nullopt;
    auto yield = cast<transformer::YieldOp>(block.getTerminator());
    if (failed(builder.addResult(yield.getValues()[0])))
      return std::nullopt;
    spec.epilogue = builder.program();
    spec.epilogueOperands = builder.operands();
    for (unsigned argument : builder.arguments())
      operands.read(LinearSpec::Epilogue, ColumnView{argument});
  }
  operands.write(LinearSpec::Output, 0);
  return operands.select(std::move(spec));
}
