//===- Rotary.cpp - rotary position embedding -----------------------------===//

#include "codegen/selection/Families.h"

#include <cmath>

using namespace mlir;
using namespace transom;
using namespace transom::codegen;

Choice transom::codegen::selectRotary(const Define &define) {
  auto rotary = define.only<transformer::RotaryOp>();
  if (!rotary || !rotary.getHeads())
    return {};
  RotarySpec spec;
  Operands<RotarySpec> operands;
  spec.x =
      operands.read(RotarySpec::Input, define.activation(rotary.getInput()))
          .rows();
  operands.read(RotarySpec::Positions, define.integers(rotary.getPositions()));
  operands.write(RotarySpec::Output, 0);
  spec.heads = *rotary.getHeads();
  spec.headDim = widthOf(rotary.getInput()) / spec.heads;
  spec.result.stride = rowStride(widthOf(rotary.getResult()));
  // Rounded to f32 where models that are trained in it round, for the angle of
  // a late position multiplies every difference.
  double theta = rotary.getTheta().convertToDouble();
  for (int64_t i = 0; i < spec.headDim / 2; ++i) {
    float exponent = float(2 * i) / float(spec.headDim);
    spec.frequencies.push_back(1.0f / float(std::pow(theta, exponent)));
  }
  return operands.select(std::move(spec));
}
