//===- UsedWeights.h - which weights a module reads -------------*- C++ -*-===//

#ifndef TRANSOM_PASSES_USEDWEIGHTS_H
#define TRANSOM_PASSES_USEDWEIGHTS_H

#include "ir/Transformer/Transformer.h"

#include "mlir/IR/BuiltinOps.h"
#include "llvm/ADT/DenseSet.h"

namespace transom {

/// The names of all weights that something reads. One walk: asking for the uses
/// of one symbol walks the module, too, and a model has weights by layers.
inline llvm::DenseSet<mlir::StringAttr> findUsedWeights(mlir::ModuleOp module) {
  llvm::DenseSet<mlir::StringAttr> names;
  module.walk([&](transformer::GetWeightOp op) {
    names.insert(op.getWeightAttr().getAttr());
  });
  return names;
}

} // namespace transom

#endif // TRANSOM_PASSES_USEDWEIGHTS_H
