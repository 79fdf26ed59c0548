//===- WeightPlan.cpp - what the weights file holds, and where ------------===//

#include "codegen/weights/WeightPlan.h"
#include "runtime/abi.h"

#include "llvm/Support/MathExtras.h"

using namespace mlir;
using namespace transom;
using namespace transom::codegen;

// Of every weight in the file: a cache line, and a vector register.
static constexpr int64_t weightAlignment = 64;

WeightPlan::Key WeightPlan::keyOf(transformer::WeightOp weight,
                                  const Packing &packing) {
  // Attributes are unique in their context, so their addresses compare them.
  const void *contents = weight.getSourcesAttr()
                             ? weight.getSourcesAttr().getAsOpaquePointer()
                             : weight.getValueAttr().getAsOpaquePointer();
  return {contents, weight.getType().getAsOpaquePointer(), int(packing.kind),
          packing.block, packing.stride};
}

static FailureOr<WeightShape> shapeOf(transformer::WeightOp weight) {
  RankedTensorType type = weight.getType();
  if (!type.getElementType().isF32())
    return weight.emitOpError() << "expects elements of f32 to be packed, got "
                                << type.getElementType();
  if (!type.hasStaticShape())
    return weight.emitOpError() << "expects a static shape, got " << type;
  WeightShape shape;
  shape.rows = type.getRank() == 0 ? 1 : type.getDimSize(0);
  for (int64_t dim : type.getShape().drop_front(type.getRank() > 0))
    shape.columns *= dim;
  shape.vector = type.getRank() <= 1;
  return shape;
}

/// Adds those that no launch before has read.
WalkResult WeightPlan::addWeights(kernel::LaunchOp launch,
                                  const SelectedKernel &kernel,
                                  SymbolTableCollection &symbols) {
  for (auto [operand, packing] :
       llvm::zip_equal(kernel.operands, kernel.packing)) {
    if (operand.isResult)
      continue;
    auto read =
        launch.getReads()[operand.index].getDefiningOp<kernel::WeightOp>();
    if (!read)
      continue;
    auto weight = symbols.lookupNearestSymbolFrom<transformer::WeightOp>(
        launch->getParentOfType<ModuleOp>(), read.getWeightAttr());
    auto [entry, isNew] =
        index.try_emplace(keyOf(weight, packing), packed.size());
    if (!isNew)
      continue;
    FailureOr<WeightShape> shape = shapeOf(weight);
    if (failed(shape))
      return WalkResult::interrupt();
    int64_t bytes = packedBytes(*shape, packing);
    packed.push_back({weight, packing, *shape, end, bytes});
    end = llvm::alignTo(end + bytes, weightAlignment);
  }
  return WalkResult::advance();
}

FailureOr<WeightPlan> WeightPlan::create(ArrayRef<kernel::ProgramOp> programs,
                                         const KernelTable &kernels) {
  WeightPlan plan;
  plan.end = sizeof(transom_weights_header);
  SymbolTableCollection symbols;
  for (kernel::ProgramOp program : programs) {
    WalkResult result = program->walk([&](kernel::LaunchOp launch) {
      return plan.addWeights(launch, kernels.lookup(launch), symbols);
    });
    if (result.wasInterrupted())
      return failure();
  }
  return plan;
}

int64_t WeightPlan::offsetOf(transformer::WeightOp weight,
                             const Packing &packing) const {
  return packed[index.at(keyOf(weight, packing))].offset;
}
