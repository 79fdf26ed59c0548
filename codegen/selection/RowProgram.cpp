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

  RowProgramBuilder builder(width);
  SelectedKernel kernel;
  RowProgramSpec spec;
  spec.width = width;
  for (Value value : define.yield.getValues()) {
    if (failed(builder.addResult(value)))
      return failure();
    spec.resultStrides.push_back(rowStride(widthOf(value)));
  }
  spec.program = builder.program();
  spec.operands = builder.operands();
  for (unsigned argument : builder.arguments())
    kernel.operands.push_back({argument});
  for (unsigned i = 0; i < define.yield.getNumOperands(); ++i)
    kernel.operands.push_back({i, /*isResult=*/true});
  kernel.spec = std::move(spec);
  return kernel;
}
