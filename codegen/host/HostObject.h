//===- HostObject.h - LLVM dialect -> LLVM IR, assembly, object -----------===//
#ifndef TRANSOM_CODEGEN_HOST_HOSTOBJECT_H
#define TRANSOM_CODEGEN_HOST_HOSTOBJECT_H

#include "codegen/Machine.h"

#include "mlir/IR/BuiltinOps.h"
#include "mlir/IR/DialectRegistry.h"
#include "llvm/Support/Error.h"

namespace transom::codegen {

/// What compileHost needs of a context.
void registerHostTranslations(mlir::DialectRegistry &registry);

enum class HostOutput { LLVM, Assembly, Object };

/// Optimizes a module of the LLVM dialect and compiles it. The code runs on any
/// CPU of the machine's architecture: it is what finds out at open whether the
/// kernels do.
llvm::Expected<std::string>
compileHost(mlir::ModuleOp host, const Machine &machine, HostOutput output);

} // namespace transom::codegen

#endif // TRANSOM_CODEGEN_HOST_HOSTOBJECT_H
