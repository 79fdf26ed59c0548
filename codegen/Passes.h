//===- Passes.h - codegen as passes, for transom-opt ------------*- C++ -*-===//
#ifndef TRANSOM_CODEGEN_PASSES_H
#define TRANSOM_CODEGEN_PASSES_H

#include "mlir/Pass/Pass.h"

#include <memory>

namespace transom::codegen {

#define GEN_PASS_DECL
#include "codegen/Passes.h.inc"

/// Makes every pass of this folder known to the command line. Call once, before
/// options are parsed.
void registerCodegenPasses();

} // namespace transom::codegen

#endif // TRANSOM_CODEGEN_PASSES_H
