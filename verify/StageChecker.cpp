//===- StageChecker.cpp - which pass changes the numbers ------------------===//

#include "verify/StageChecker.h"

#include "ir/Interpreter/Interpreter.h"
#include "ir/Transformer/ModelAttributes.h"
#include "passes/Pipelines.h"
#include "verify/Compare.h"

#include "mlir/IR/SymbolTable.h"
#include "mlir/Pass/PassInstrumentation.h"

using namespace mlir;
using namespace transom;
using namespace transom::verify;

double StageChecker::Stage::getError() const {
  return errors.empty() ? 0 : *llvm::max_element(errors);
}

FailureOr<StageChecker> StageChecker::create(ModuleOp module,
                                             StringRef function,
                                             const WeightSource *weights) {
  auto padded = module.lookupSymbol<FunctionOpInterface>(function);
  if (!padded)
    return module.emitError() << "expects a function @" << function;
  FailureOr<Batch> batch = Batch::generate(padded, /*seed=*/1);
  if (failed(batch))
    return failure();
  StageChecker checker(*batch, function.str(), weights);
  FailureOr<SmallVector<Tensor>> arguments = batch->bind(padded);
  interpreter::Context context(module, weights);
  SmallVector<Tensor> results;
  if (failed(arguments) || failed(context.run(padded, *arguments, results)))
    return failure();
  checker.expected = batch->unpack(padded, results);
  for (unsigned number = 0; number < padded.getNumResults(); ++number)
    checker.numbers[transformer::getName(
        function_interface_impl::getResultAttrDict(padded, number))] = number;
  return checker;
}

StageChecker::Stage StageChecker::compare(StringRef stage,
                                          ArrayRef<Tensor> results) const {
  Stage outcome{stage.str(), {}};
  for (auto [number, tensor] : llvm::enumerate(expected))
    outcome.errors.push_back(number < results.size()
                                 ? verify::getError(tensor, results[number])
                                 : INFINITY);
  return outcome;
}

StageChecker::Stage StageChecker::check(StringRef stage,
                                        ModuleOp module) const {
  auto changed = module.lookupSymbol<FunctionOpInterface>(function);
  SmallVector<Tensor> results;
  if (!changed)
    return compare(stage, results);
  FailureOr<SmallVector<Tensor>> arguments = batch.bind(changed);
  interpreter::Context context(module, weights);
  if (failed(arguments) || failed(context.run(changed, *arguments, results)))
    return compare(stage, {});
  Stage outcome = compare(stage, batch.unpack(changed, results));
  auto step = findProgram(module, transformer::ProgramKind::Step);
  if (!step)
    return outcome;
  FailureOr<std::vector<NamedResult>> stepped =
      runInSteps(step, batch, context, /*seed=*/1);
  if (failed(stepped))
    outcome.errors.push_back(INFINITY);
  else
    compareStep(*stepped, outcome);
  return outcome;
}

const Tensor *StageChecker::findExpected(StringRef name) const {
  auto number = numbers.find(name);
  return number == numbers.end() ? nullptr : &expected[number->second];
}

void StageChecker::compareStep(ArrayRef<NamedResult> results,
                               Stage &outcome) const {
  for (const NamedResult &result : results) {
    const Tensor *expected = findExpected(result.name);
    outcome.errors.push_back(
        expected ? verify::getError(*expected, result.padded) : INFINITY);
  }
}

namespace {

class CheckingInstrumentation : public PassInstrumentation {
public:
  CheckingInstrumentation(
      const StageChecker &checker,
      std::function<void(const StageChecker::Stage &)> report)
      : checker(checker), report(std::move(report)) {}

private:
  void runAfterPass(Pass *pass, Operation *op) override {
    auto module = dyn_cast<ModuleOp>(op);
    // A pass manager inside is not a pass of the pipeline.
    if (module && !pass->getArgument().empty())
      report(checker.check(getStageName(pass), module));
  }

  const StageChecker &checker;
  std::function<void(const StageChecker::Stage &)> report;
};

} // namespace

void StageChecker::checkEachPass(
    PassManager &manager, std::function<void(const Stage &)> report) const {
  manager.addInstrumentation(
      std::make_unique<CheckingInstrumentation>(*this, std::move(report)));
}
