//===- Steps.h - a batch fed to a step function bit by bit ------*- C++ -*-===//
//
// What `@step` computes for tokens that follow others (transom-introduce-cache)
// is what the model computes for whole sequences, however these are cut. This
// runs it as an engine would: some sequences at a time, a whole prompt or a few
// tokens of it, keys and values in blocks that lie anywhere in the cache.
//
//===----------------------------------------------------------------------===//

#ifndef TRANSOM_IR_INTERPRETER_STEPS_H
#define TRANSOM_IR_INTERPRETER_STEPS_H

#include "ir/Interpreter/Batch.h"
#include "ir/Interpreter/Interpreter.h"

namespace transom::interpreter {

/// Feeds all tokens of `batch` that are there to `step`, cut at random by
/// `seed`, and returns its results but the cache in padded form, as
/// Batch::unpack does. What the cache holds at first is not a number. Fails
/// with a diagnostic if an argument has no counterpart in the batch, or a run
/// fails.
mlir::FailureOr<llvm::SmallVector<Tensor>>
runInSteps(mlir::FunctionOpInterface step, const Batch &batch, Context &context,
           unsigned seed);

} // namespace transom::interpreter

#endif // TRANSOM_IR_INTERPRETER_STEPS_H
