//===- Norm.cpp - layer and rms norms, with a residual --------------------===//

#include "codegen/selection/Families.h"

#include "llvm/ADT/TypeSwitch.h"

using namespace mlir;
using namespace transom;
using namespace transom::codegen;

std::optional<SelectedKernel>
transom::codegen::selectNorm(const Define &define) {
  if (define.ops.size() != 1)
    return std::nullopt;
  Operation *op = define.ops[0];
  Value input, residual, gamma, beta, sum;
  APFloat epsilon(0.0f);
  NormSpec spec;
  bool isNorm = TypeSwitch<Operation *, bool>(op)
                    .Case([&](transformer::LayerNormOp norm) {
                      input = norm.getInput();
                      gamma = norm.getGamma();
                      beta = norm.getBeta();
                      epsilon = norm.getEpsilon();
                      return true;
                    })
                    .Case([&](transformer::RmsNormOp norm) {
                      input = norm.getInput();
                      gamma = norm.getGamma();
                      epsilon = norm.getEpsilon();
                      spec.rms = true;
                      return true;
                    })
                    .Case([&](transformer::AddLayerNormOp norm) {
                      input = norm.getInput();
                      residual = norm.getResidual();
                      gamma = norm.getGamma();
                      beta = norm.getBeta();
                      sum = norm.getSum();
                      epsilon = norm.getEpsilon();
                      return true;
                    })
                    .Case([&](transformer::AddRmsNormOp norm) {
                      input = norm.getInput();
                      residual = norm.getResidual();
                      gamma = norm.getGamma();
                      sum = norm.getSum();
                      epsilon = norm.getEpsilon();
                      spec.rms = true;
                      return true;
                    })
                    .Default(false);
  if (!isNorm)
    return std::nullopt;

  SelectedKernel kernel;
  // Slices have a column offset, which the norm kernels do not take.
  auto addOperand = [&](std::optional<ColumnView> view) {
    if (!view || view->offset != 0)
      return false;
    kernel.operands.push_back({view->argument});
    return true;
  };
  std::optional<ColumnView> x = define.activation(input);
  if (!addOperand(x))
    return std::nullopt;
  spec.width = widthOf(input);
  spec.xStride = x->stride;
  spec.outStride = rowStride(spec.width);
  spec.epsilon = epsilon.convertToFloat();
  if (residual) {
    std::optional<ColumnView> view = define.activation(residual);
    if (!addOperand(view))
      return std::nullopt;
    spec.hasResidual = true;
    spec.residualStride = view->stride;
  }
  spec.hasBeta = static_cast<bool>(beta);
  if (!addOperand(define.weight(gamma)) ||
      (beta && !addOperand(define.weight(beta))))
    return std::nullopt;

  std::optional<unsigned> normResult, sumResult;
  for (auto [index, value] : llvm::enumerate(define.yield.getValues())) {
    std::optional<unsigned> &place =
        value == op->getResult(0) ? normResult : sumResult;
    if (place || value.getDefiningOp() != op)
      return std::nullopt;
    place = index;
  }
  if (!normResult)
    return std::nullopt;
  kernel.operands.push_back({*normResult, /*isResult=*/true});
  if (sumResult) {
    spec.storesSum = true;
    spec.sumStride = rowStride(spec.width);
    kernel.operands.push_back({*sumResult, /*isResult=*/true});
  }
  kernel.spec = spec;
  return kernel;
}
