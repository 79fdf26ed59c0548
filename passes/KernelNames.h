//===- KernelNames.h - names for kernels and for their calls ----*- C++ -*-===//

#ifndef TRANSOM_PASSES_KERNELNAMES_H
#define TRANSOM_PASSES_KERNELNAMES_H

#include "mlir/IR/Operation.h"

#include <string>

namespace transom {

/// `linear_768x3072_gelu`: what a kernel made of `op` computes and how wide it
/// is. Two kernels may have one name: it leaves out parameters.
std::string nameKernel(mlir::Operation *op);

/// `encoder.layer.0.attention.self.{query,key,value}`: the model's own names
/// for what is computed here, from its location; what they share stands once.
/// Empty if the location has none.
std::string nameLayer(mlir::Location location);

} // namespace transom

#endif // TRANSOM_PASSES_KERNELNAMES_H
