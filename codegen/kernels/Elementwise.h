//===- Elementwise.h - row programs as Halide expressions -----------------===//
#ifndef TRANSOM_CODEGEN_KERNELS_ELEMENTWISE_H
#define TRANSOM_CODEGEN_KERNELS_ELEMENTWISE_H

#include "codegen/kernels/KernelSpec.h"

#include <Halide.h>

#include <functional>
#include <vector>

namespace transom::codegen {

/// 2^x, f32; relative error 1.2e-7, 0 from -127 down, infinity from 127.5 up.
Halide::Expr exp2Of(Halide::Expr x);
/// The same for x <= 0, cheaper; relative error 2.2e-7.
Halide::Expr exp2OfNonPositive(Halide::Expr x);

bool isReduction(Expression::Kind kind);

/// The value of one expression that is neither an input, a constant nor a
/// reduction, from the values of its operands. All are f32.
Halide::Expr evaluate(Expression::Kind kind,
                      const std::vector<Halide::Expr> &operands);

/// The values of a program without reductions; `input` gives input k.
std::vector<Halide::Expr>
translate(const RowProgram &program,
          const std::function<Halide::Expr(int)> &input);

} // namespace transom::codegen

#endif // TRANSOM_CODEGEN_KERNELS_ELEMENTWISE_H
