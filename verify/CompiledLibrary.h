//===- CompiledLibrary.h - what a library computes of a batch ---*- C++ -*-===//

#ifndef TRANSOM_VERIFY_COMPILEDLIBRARY_H
#define TRANSOM_VERIFY_COMPILEDLIBRARY_H

#include "runtime/transom.h"
#include "verify/StageChecker.h"

#include "llvm/Support/Error.h"

namespace transom::verify {

/// Runs a library that was made of `module` on the checker's batch, in a new
/// session of it, and compares: the batch as a whole and, if the module has a
/// step, in random parts, after the encoder inputs if there are any.
llvm::Expected<StageChecker::Stage>
checkLibrary(const transom_entry_points &entry, transom_session *session,
             mlir::ModuleOp module, const StageChecker &checker);

} // namespace transom::verify

#endif // TRANSOM_VERIFY_COMPILEDLIBRARY_H
