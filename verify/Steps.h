//===- Steps.h - a batch fed to a step function bit by bit ------*- C++ -*-===//
//
// What `@step` computes for tokens that follow others (transom-introduce-cache)
// is what the model computes for whole sequences, however these are cut. This
// runs it as an engine would: some sequences at a time, a whole prompt or a few
// tokens of it, keys and values in blocks that lie anywhere in the cache. If
// the model has sources, `@encode` runs on these before.
//
//===----------------------------------------------------------------------===//

#ifndef TRANSOM_VERIFY_STEPS_H
#define TRANSOM_VERIFY_STEPS_H

#include "ir/Interpreter/Interpreter.h"
#include "ir/Transformer/ModelAttributes.h"
#include "verify/Batch.h"

#include <string>
#include <vector>

namespace transom::verify {

/// New tokens of one sequence of a batch, or of its source, in one run.
struct Part {
  int64_t sequence;
  int64_t past; ///< tokens fed before, of those that are there
  llvm::SmallVector<int64_t> columns; ///< of the new ones, in padded form
};

/// All tokens of `batch` that are there, in runs of a step: of each sequence,
/// in order, one token, a few or all that are left at a time, `seed` decides.
std::vector<llvm::SmallVector<Part>> cutAtRandom(const Batch &batch,
                                                 unsigned seed);

/// All sources of `batch`, each in one part, in two runs of an encoder.
std::vector<llvm::SmallVector<Part>> cutSources(const Batch &batch);

/// Puts rows that one run gave, a row each new token, where they belong in a
/// result in padded form, [sequences, length of the set of tokens, ..].
/// `padded` is null before the first.
void placeRows(const Batch &batch, llvm::ArrayRef<Part> run, const Tensor &rows,
               Tensor &padded, Batch::Set set = Batch::Sequences);

/// A result of one of the functions, by its `transformer.name`.
struct NamedResult {
  std::string name;
  Tensor padded; ///< as Batch::unpack has it
};

/// Feeds all tokens of `batch` that are there to `step`, cut at random by
/// `seed`, after all sources to the encoder's program beside it, if there is
/// one. Returns the results of both but the cache. What the cache holds at
/// first is not a number. Fails with a diagnostic if an argument has no
/// counterpart in the batch, or a run fails.
mlir::FailureOr<std::vector<NamedResult>>
runInSteps(mlir::FunctionOpInterface step, const Batch &batch,
           interpreter::Context &context, unsigned seed);

/// The first function of this kind of `module`, before or after functions have
/// become programs that launch kernels; null if there is none.
mlir::FunctionOpInterface findProgram(mlir::Operation *module,
                                      transformer::ProgramKind kind);

} // namespace transom::verify

#endif // TRANSOM_VERIFY_STEPS_H
