//===- WeightPlan.cpp - what the weights file holds, and where ------------===//

#include "codegen/weights/WeightPlan.h"
#include "codegen/kernels/KernelCompiler.h"
#include "runtime/abi.h"

#include "llvm/Support/MathExtras.h"

using namespace mlir;
using namespace transom;
using namespace transom::codegen;

// Of every weight in the file: a cache line, and a vector register.
static constexpr int64_t weightAlignment = 64;

/// What a weight is, whatever its symbol. Attributes are unique in their
/// context, so their addresses compare them.
static std::pair<const void *, const void *>
contentsOf(transformer::WeightOp weight) {
  return {weight.getSourcesAttr() ? weight.getSourcesAttr().getAsOpaquePointer()
                                  : weight.getValueAttr().getAsOpaquePointer(),
          weight.getType().getAsOpaquePointer()};
}

/// The weight that a launch's operand is, or null.
static transformer::WeightOp weightOf(kernel::LaunchOp launch,
                                      SelectedKernel::Operand operand,
                                      SymbolTableCollection &symbols) {
  if (operand.isResult)
    return {};
  auto read =
      launch.getReads()[operand.index].getDefiningOp<kernel::WeightOp>();
  if (!read)
    return {};
  return symbols.lookupNearestSymbolFrom<transformer::WeightOp>(
      launch->getParentOfType<ModuleOp>(), read.getWeightAttr());
}

WeightPlan::Key WeightPlan::keyOf(transformer::WeightOp weight,
                                  const Packing &packing) {
  auto [value, type] = contentsOf(weight);
  return {value, type, packing.format, packing.block, packing.stride};
}

void transom::codegen::shareTables(ModuleOp module, const Machine &machine,
                                   KernelTable &kernels) {
  SymbolTableCollection symbols;
  llvm::DenseMap<std::pair<const void *, const void *>, const Packing *>
      blocked;
  module.walk([&](kernel::LaunchOp launch) {
    const SelectedKernel &kernel = kernels.lookup(launch);
    for (const auto &[index, packing] : kernel.packing)
      if (packing.block > 1)
        if (transformer::WeightOp weight =
                weightOf(launch, kernel.operands[index], symbols))
          blocked.try_emplace(contentsOf(weight), &packing);
  });

  // A kernel has one form for all its launches: null if that of rows.
  llvm::MapVector<SelectedKernel *, const Packing *> forms;
  module.walk([&](kernel::LaunchOp launch) {
    SelectedKernel &kernel = kernels.lookup(launch);
    const auto *embedding = std::get_if<EmbeddingSpec>(&kernel.spec);
    if (!embedding)
      return;
    transformer::WeightOp table = weightOf(
        launch, kernel.operands[indexOf(*embedding, EmbeddingSpec::Table)],
        symbols);
    const Packing *packing =
        table ? blocked.lookup(contentsOf(table)) : nullptr;
    auto [form, isNew] = forms.try_emplace(&kernel, packing);
    if (!isNew && form->second != packing)
      form->second = nullptr;
  });
  for (auto [kernel, packing] : forms) {
    if (!packing)
      continue;
    std::get<EmbeddingSpec>(kernel->spec).table = *packing;
    kernel->packing = packingOf(kernel->spec, machine);
  }
}

static FailureOr<WeightShape> shapeOf(transformer::WeightOp weight) {
  RankedTensorType type = weight.getType();
  if (elementTypeOf(type.getElementType()) != f32)
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
  for (auto [operand, role] : llvm::enumerate(kernel.operands)) {
    transformer::WeightOp weight = weightOf(launch, role, symbols);
    if (!weight)
      continue;
    Packing packing = kernel.packingOf(operand);
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
