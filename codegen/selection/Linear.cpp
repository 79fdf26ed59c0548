//===- Linear.cpp - linear layers with an epilogue ------------------------===//

#include "codegen/selection/Families.h"
#include "codegen/selection/RowProgramBuilder.h"

using namespace mlir;
using namespace transom;
using namespace transom::codegen;

std::optional<SelectedKernel>
transom::codegen::selectLinear(const Define &define) {
  auto linear = define.only<transformer::LinearOp>();
  if (!linear)
    return std::nullopt;
  std::optional<ColumnView> input = define.activation(linear.getInput());
  std::optional<ColumnView> weight = define.weight(linear.getWeight());
  if (!input || !weight ||
      cast<RankedTensorType>(linear.getResult().getType()).getRank() != 2)
    return std::nullopt;

  SelectedKernel kernel;
  LinearSpec spec;
  spec.in = widthOf(linear.getInput());
  spec.out = widthOf(linear.getResult());
  spec.xStride = input->stride;
  spec.xOffset = input->offset;
  spec.outStride = rowStride(spec.out);
  spec.hasBias = static_cast<bool>(linear.getBias());
  kernel.operands = {{input->argument}, {weight->argument}};
  if (spec.hasBias) {
    std::optional<ColumnView> bias = define.weight(linear.getBias());
    if (!bias)
      return std::nullopt;
    kernel.operands.push_back({bias->argument});
  }
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
      kernel.operands.push_back({argument});
  }
  kernel.operands.push_back({0, /*isResult=*/true});
  kernel.spec = std::move(spec);
  return kernel;
}
