//===- VerifyLibrary.h - what a library computes of a batch -----*- C++ -*-===//

#ifndef TRANSOM_TOOLS_COMMANDS_VERIFYLIBRARY_H
#define TRANSOM_TOOLS_COMMANDS_VERIFYLIBRARY_H

#include "passes/StageChecker.h"

#include "llvm/Support/Error.h"

namespace transom {

/// Runs the library at `path`, which was made of `module`, on the checker's
/// batch and compares: as a whole and, if it has a step, in random parts, after
/// its sources if there are any.
llvm::Expected<StageChecker::Stage> checkLibrary(llvm::StringRef path,
                                                 mlir::ModuleOp module,
                                                 const StageChecker &checker);

} // namespace transom

#endif // TRANSOM_TOOLS_COMMANDS_VERIFYLIBRARY_H
