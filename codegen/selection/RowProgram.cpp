//===- RowProgram.cpp - anything else that works on rows ------------------===//

#include "codegen/selection/Families.h"
#include "codegen/selection/RowProgramBuilder.h"

using namespace mlir;
using namespace transom;
using namespace transom::codegen;

FailureOr<SelectedKernel>
transom::codegen::selectRowProgram(const Define &define) {
  int64_t width = 1;
  auto widen = [&](Type type) {
    auto tensor = dyn_cast<RankedTensorType>(type);
    if (tensor && tensor.getRank() == 2)
      width = std::max(width, tensor.getDimSize(1));
  };
  for (Operation *op : define.ops) {
    llvm::for_each(op->getOperandTypes(), widen);
    llvm::for_each(op->getResultTypes(), widen);
  }
  llvm::for_each(define.yield.getOperandTypes(), widen);

  // Decomposing changes the body.
  OwningOpRef<kernel::DefineOp> copy(define.op.clone());
  RowProgramBuilder builder(width);
  RowProgramSpec spec;
  Operands<RowProgramSpec> operands;
  spec.width = width;
  for (auto [index, value] : llvm::enumerate(Define(*copy).yield.getValues())) {
    if (failed(builder.addResult(value)))
      return failure();
    spec.results.push_back({.stride = rowStride(widthOf(value))});
    operands.write(RowProgramSpec::Result, index);
  }
  spec.program = builder.program();
  spec.inputs = builder.operands();
  for (unsigned argument : builder.arguments())
    operands.read(RowProgramSpec::Input, ColumnView{argument});
  return *operands.select(std::move(spec)).kernel;
}
