//===- StageChecker.h - which pass changes the numbers ----------*- C++ -*-===//

#ifndef TRANSOM_VERIFY_STAGECHECKER_H
#define TRANSOM_VERIFY_STAGECHECKER_H

#include "ir/Weights/WeightSource.h"
#include "verify/Batch.h"
#include "verify/Steps.h"

#include "mlir/IR/BuiltinOps.h"
#include "mlir/Pass/PassManager.h"

#include <functional>

namespace transom::verify {

/// Holds what a model's function computes before any pass against what it
/// computes later, and what its `@step` does once there is one.
class StageChecker {
public:
  /// One comparison: for each result, the largest difference over the root mean
  /// square of what is expected; infinite if the stage could not be run or
  /// gives something that is not a number. Results of the step follow those of
  /// the function.
  struct Stage {
    std::string name;
    llvm::SmallVector<double> errors;

    double getError() const;
  };

  /// Runs `function` of `module`, as a frontend made it, on a generated batch.
  /// `weights` is the model's, or null if all weights have values. Fails with a
  /// diagnostic if it can't be run.
  static mlir::FailureOr<StageChecker> create(mlir::ModuleOp module,
                                              llvm::StringRef function,
                                              const WeightSource *weights);

  /// Runs what the function has become in `module` and compares; so with the
  /// step, to which the batch is fed in parts, after its sources.
  Stage check(llvm::StringRef stage, mlir::ModuleOp module) const;

  /// Compares results in padded form, as Batch::unpack has them.
  Stage compare(llvm::StringRef stage, llvm::ArrayRef<Tensor> results) const;

  /// Adds the errors of what a step gave, and what its sources were made to:
  /// each is one of the function's results, by its name.
  void compareStep(llvm::ArrayRef<NamedResult> results, Stage &outcome) const;

  /// Checks after each pass of `manager`, and hands the outcome to `report`.
  /// The checker must outlive the run.
  void checkEachPass(mlir::PassManager &manager,
                     std::function<void(const Stage &)> report) const;

  const Batch &getBatch() const { return batch; }
  llvm::ArrayRef<Tensor> getExpected() const { return expected; }
  /// The function's result of that name; null if there is none.
  const Tensor *findExpected(llvm::StringRef name) const;

private:
  StageChecker(Batch batch, std::string function, const WeightSource *weights)
      : batch(std::move(batch)), function(std::move(function)),
        weights(weights) {}

  Batch batch;
  std::string function;
  const WeightSource *weights;
  llvm::SmallVector<Tensor> expected;
  llvm::StringMap<unsigned> numbers; ///< of the results, by their names
};

} // namespace transom::verify

#endif // TRANSOM_VERIFY_STAGECHECKER_H
