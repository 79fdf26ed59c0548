//===- Passes.cpp - registration of the passes ----------------------------===//

#include "passes/Passes.h"

#define GEN_PASS_REGISTRATION
namespace transom {
#include "passes/Passes.h.inc"
} // namespace transom

void transom::registerPasses() { registerTransomPasses(); }
