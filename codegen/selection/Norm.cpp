//===- Norm.cpp - layer and rms norms, with a residual --------------------===//

#include "codegen/selection/Families.h"

#include "llvm/ADT/TypeSwitch.h"

using namespace mlir;
using namespace transom;
using namespace transom::codegen;

namespace {
/// What the four ops say, in one form.
struct NormOp {
  Value input, gamma;
  APFloat epsilon;
  Value residual = {}, beta = {};
};
} // namespace

static std::optional<NormOp> normOf(Operation *op) {
  return llvm::TypeSwitch<Operation *, std::optional<NormOp>>(op)
      .Case([](transformer::LayerNormOp norm) {
        return NormOp{norm.getInput(), norm.getGamma(), norm.getEpsilon(),
                      Value(), norm.getBeta()};
      })
      .Case([](transformer::RmsNormOp norm) {
        return NormOp{norm.getInput(), norm.getGamma(), norm.getEpsilon()};
      })
      .Case([](transformer::AddLayerNormOp norm) {
        return NormOp{norm.getInput(), norm.getGamma(), norm.getEpsilon(),
                      norm.getResidual(), norm.getBeta()};
      })
      .Case([](transformer::AddRmsNormOp norm) {
        return NormOp{norm.getInput(), norm.getGamma(), norm.getEpsilon(),
                      norm.getResidual()};
      })
      .Default(std::nullopt);
}

Choice transom::codegen::selectNorm(const Define &define) {
  std::optional<NormOp> norm;
  if (define.ops.size() == 1)
    norm = normOf(define.ops[0]);
  if (!norm)
    return {};

  NormSpec spec;
  Operands<NormSpec> operands;
  spec.width = widthOf(norm->input);
  spec.result.stride = rowStride(spec.width);
  spec.epsilon = norm->epsilon.convertToFloat();
  spec.rms = !norm->beta;
  spec.hasBeta = static_cast<bool>(norm->beta);
  spec.x =
      operands.read(NormSpec::Input, define.activation(norm->input)).rows();
  if (norm->residual) {
    spec.hasResidual = true;
    spec.residual =
        operands.read(NormSpec::Residual, define.activation(norm->residual))
            .rows();
  }
  operands.read(NormSpec::Gamma, define.weight(norm->gamma));
  if (norm->beta)
    operands.read(NormSpec::Beta, define.weight(norm->beta));

  // The norm first or the sum first, each at most once; the norm at least.
  bool storesNorm = false;
  for (auto [index, value] : llvm::enumerate(define.yield.getValues())) {
    bool isNorm = value == define.ops[0]->getResult(0);
    bool &isStored = isNorm ? storesNorm : spec.storesSum;
    if (isStored || value.getDefiningOp() != define.ops[0])
      return {};
    isStored = true;
    operands.write(isNorm ? NormSpec::Output : NormSpec::Sum, index);
  }
  if (!storesNorm)
    return {};
  if (spec.storesSum)
    spec.sum.stride = rowStride(spec.width);
  return operands.select(spec);
}
