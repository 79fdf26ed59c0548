//===- Passes.h - every pass of the pipeline --------------------*- C++ -*-===//
//
// One declaration a pass (`createRaise()`, ...), generated from Passes.td.
//
//===----------------------------------------------------------------------===//

#ifndef TRANSOM_PASSES_PASSES_H
#define TRANSOM_PASSES_PASSES_H

#include "mlir/Pass/Pass.h"

#include <memory>

namespace transom {

#define GEN_PASS_DECL
#include "passes/Passes.h.inc"

/// Makes every pass of this folder known to the command line (`--transom-x`).
/// Call once, before options are parsed.
void registerPasses();

} // namespace transom

#endif // TRANSOM_PASSES_PASSES_H
