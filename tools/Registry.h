//===- Registry.h - the dialects and passes that our tools know ----------===//

#ifndef TRANSOM_TOOLS_REGISTRY_H
#define TRANSOM_TOOLS_REGISTRY_H

#include "codegen/Passes.h"
#include "ir/Interpreter/Interpreter.h"
#include "ir/Kernel/Kernel.h"
#include "ir/Transformer/Transformer.h"
#include "passes/Passes.h"
#include "passes/Pipelines.h"

#include "mlir/Dialect/Arith/IR/Arith.h"
#include "mlir/Dialect/Func/IR/FuncOps.h"
#include "mlir/IR/DialectRegistry.h"
#include "mlir/Transforms/Passes.h"

namespace transom {

inline void registerDialects(mlir::DialectRegistry &registry) {
  registry.insert<kernel::KernelDialect, transformer::TransformerDialect,
                  mlir::arith::ArithDialect, mlir::func::FuncDialect>();
  interpreter::registerInterpreterModels(registry);
}

inline void registerAllPasses() {
  mlir::registerTransformsPasses();
  registerPasses();
  registerPipelines();
  codegen::registerCodegenPasses();
}

} // namespace transom

#endif // TRANSOM_TOOLS_REGISTRY_H
