//===- Passes.cpp - codegen as passes, for transom-opt --------------------===//

#include "codegen/Passes.h"

namespace transom::codegen {
#define GEN_PASS_REGISTRATION
#include "codegen/Passes.h.inc"

void registerCodegenPasses() { registerTransomCodegenPasses(); }

} // namespace transom::codegen
