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

#include <vector>

namespace transom::interpreter {

/// New tokens of one sequence of a batch, in one run of a step.
struct Part {
  int64_t sequence;
  int64_t past; ///< tokens fed before, of those that are there
  llvm::SmallVector<int64_t> columns; ///< of the new ones, in padded form
};

/// All tokens of `batch` that are there, in runs of a step: of each sequence,
/// in order, one token, a few or all that are left at a time, `seed` decides.
std::vector<llvm::SmallVector<Part>> cutAtRandom(const Batch &batch,
                                                 unsigned seed);

/// Puts rows that one run gave, a row each new token, where they belong in a
/// result in padded form. `padded` is null before the first.
void placeRows(const Batch &batch, llvm::ArrayRef<Part> run, const Tensor &rows,
               Tensor &padded);

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
