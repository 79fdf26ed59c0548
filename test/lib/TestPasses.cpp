//===- TestPasses.cpp - transom-opt with passes that only tests use -------===//
//
// transom-test-opt knows all that transom-opt does, and:
//   --test-decompose              replaces what decomposes, one level
//   --test-decompose-equivalence  runs each function on random arguments before
//                                 and after all that decomposes is decomposed,
//                                 and fails where the results differ
//   --test-pass-equivalence       the same, before and after a pass pipeline
//   --test-interpret              runs each function without arguments and
//                                 prints its results; each program, on three
//                                 tokens of two sequences
// Random arguments cover several sizes of the dimensions that transformer.dims
// names.
//
//===----------------------------------------------------------------------===//

#include "ir/Interpreter/Interpreter.h"
#include "ir/Kernel/Kernel.h"
#include "ir/Transformer/CacheLayout.h"
#include "ir/Transformer/Transformer.h"
#include "tools/Registry.h"
#include "verify/Compare.h"

#include "mlir/Dialect/Arith/IR/Arith.h"
#include "mlir/Dialect/Func/IR/FuncOps.h"
#include "mlir/IR/PatternMatch.h"
#include "mlir/Pass/Pass.h"
#include "mlir/Pass/PassManager.h"
#include "mlir/Pass/PassRegistry.h"
#include "mlir/Tools/mlir-opt/MlirOptMain.h"
#include "llvm/ADT/StringMap.h"

#include <random>

using namespace mlir;
using namespace transom;
using interpreter::Tensor;

namespace {

/// An input of a program for two sequences, of two tokens and of one: counts
/// from 0, or what offsets are; an empty cache of three blocks.
Tensor makeInput(kernel::BufferType type) {
  if (type.getExtent() == kernel::Extent::Slots)
    return Tensor(
        type.getTensor().getElementType(),
        {3 * transformer::cacheBlock, type.getTensor().getDimSize(1)});
  bool perSequence = type.getExtent() == kernel::Extent::Sequences;
  int64_t rows = (perSequence ? 2 : 3) + type.getSlack();
  Tensor result(type.getTensor().getElementType(), {rows});
  for (auto [row, value] : llvm::enumerate(result.integers()))
    value = type.getSlack() && row ? row + 1 : row;
  return result;
}

struct TestInterpret : PassWrapper<TestInterpret, OperationPass<ModuleOp>> {
  MLIR_DEFINE_EXPLICIT_INTERNAL_INLINE_TYPE_ID(TestInterpret)
  StringRef getArgument() const final { return "test-interpret"; }
  StringRef getDescription() const final {
    return "run functions without arguments and print their results";
  }

  void runOnOperation() override {
    interpreter::Context context(getOperation());
    for (auto function : getOperation().getOps<FunctionOpInterface>()) {
      bool isProgram = isa<kernel::ProgramOp>(function);
      if (function.isExternal() ||
          (!isProgram && function.getNumArguments() > 0))
        continue;
      SmallVector<Tensor> arguments, results;
      if (isProgram)
        for (Type type : function.getArgumentTypes())
          arguments.push_back(makeInput(cast<kernel::BufferType>(type)));
      if (failed(context.run(function, arguments, results)))
        return signalPassFailure();
      llvm::outs() << '@' << function.getName() << '\n';
      for (const Tensor &result : results) {
        result.print(llvm::outs());
        llvm::outs() << '\n';
      }
    }
  }
};

/// Sizes for the dimensions of a function's arguments: one for each name, the
/// same wherever the name is.
class Sizes {
public:
  /// Round 0 is all ones; later rounds give different names different sizes.
  explicit Sizes(int64_t round) : round(round) {}

  int64_t get(StringRef name) {
    auto [known, isNew] = sizes.try_emplace(name, 1);
    if (isNew && round > 0)
      known->second =
          2 + (int64_t(3) * round + 2 * (int64_t(sizes.size()) - 1)) % 11;
    return known->second;
  }

private:
  int64_t round;
  llvm::StringMap<int64_t> sizes;
};

/// Random numbers for every argument: floats in [-2, 2), integers in
/// [0, transformer.bound), by default below 2.
SmallVector<Tensor> makeArguments(func::FuncOp function, int64_t round) {
  Sizes sizes(round);
  std::mt19937 engine(round + 1);
  SmallVector<Tensor> result;
  for (BlockArgument argument : function.getArguments()) {
    unsigned number = argument.getArgNumber();
    auto type = cast<RankedTensorType>(argument.getType());
    auto dims =
        function.getArgAttrOfType<ArrayAttr>(number, transformer::dimsAttr);
    auto bound =
        function.getArgAttrOfType<IntegerAttr>(number, transformer::boundAttr);
    SmallVector<int64_t> shape(type.getShape());
    for (auto [axis, extent] : llvm::enumerate(shape))
      if (ShapedType::isDynamic(extent))
        extent =
            sizes.get(dims ? cast<StringAttr>(dims[axis]).getValue() : "?");
    Tensor tensor(type.getElementType(), shape);
    if (tensor.isFloat()) {
      std::uniform_real_distribution<double> numbers(-2, 2);
      for (double &value : tensor.floats())
        value = numbers(engine);
    } else {
      std::uniform_int_distribution<int64_t> numbers(
          0, bound ? bound.getInt() - 1 : 1);
      for (int64_t &value : tensor.integers())
        value = numbers(engine);
    }
    result.push_back(tensor);
  }
  return result;
}

/// Fails, with a diagnostic, if two functions of the same type don't compute
/// the same numbers for random arguments. `other` says what the second one is.
LogicalResult compareFunctions(func::FuncOp function, ModuleOp module,
                               func::FuncOp changed, ModuleOp changedModule,
                               StringRef other) {
  interpreter::Context before(module), after(changedModule);
  for (int64_t round = 0; round < 5; ++round) {
    SmallVector<Tensor> arguments = makeArguments(function, round);
    SmallVector<Tensor> expected, actual;
    if (failed(before.run(function, arguments, expected)) ||
        failed(after.run(changed, arguments, actual)))
      return failure();
    for (auto [number, pair] :
         llvm::enumerate(llvm::zip_equal(expected, actual)))
      if (double error = verify::getError(std::get<0>(pair), std::get<1>(pair));
          !(error <= 1e-6))
        return function.emitOpError()
               << "result " << number << " departs from " << other << " by "
               << error << " of its root mean square, for extents of "
               << std::get<0>(pair).getType();
  }
  return success();
}

struct TestPassEquivalence
    : PassWrapper<TestPassEquivalence, OperationPass<ModuleOp>> {
  MLIR_DEFINE_EXPLICIT_INTERNAL_INLINE_TYPE_ID(TestPassEquivalence)
  TestPassEquivalence() = default;
  TestPassEquivalence(const TestPassEquivalence &other) : PassWrapper(other) {}
  StringRef getArgument() const final { return "test-pass-equivalence"; }
  StringRef getDescription() const final {
    return "check that functions compute what they compute after passes";
  }

  void getDependentDialects(DialectRegistry &registry) const override {
    registry.insert<transformer::TransformerDialect, arith::ArithDialect>();
  }

  void runOnOperation() override {
    OpPassManager manager(ModuleOp::getOperationName());
    if (failed(parsePassPipeline(passes, manager)))
      return signalPassFailure();
    // The module must be as it was for the next pass: the clone changes.
    OwningOpRef<ModuleOp> clone(getOperation().clone());
    auto changed = cast<ModuleOp>(
        OpBuilder::atBlockEnd(getOperation().getBody()).clone(**clone));
    bool failedAny = failed(runPipeline(manager, changed));
    for (auto function : clone->getOps<func::FuncOp>())
      failedAny = failedAny ||
                  failed(compareFunctions(
                      function, *clone,
                      changed.lookupSymbol<func::FuncOp>(function.getName()),
                      changed, "what it is after '" + passes + "'"));
    changed.erase();
    if (failedAny)
      signalPassFailure();
  }

  Option<std::string> passes{*this, "passes",
                             llvm::cl::desc("a textual pass pipeline")};
};

struct TestDecomposeEquivalence
    : PassWrapper<TestDecomposeEquivalence, OperationPass<ModuleOp>> {
  MLIR_DEFINE_EXPLICIT_INTERNAL_INLINE_TYPE_ID(TestDecomposeEquivalence)
  StringRef getArgument() const final { return "test-decompose-equivalence"; }
  StringRef getDescription() const final {
    return "check that ops compute what their decompositions compute";
  }

  void runOnOperation() override {
    for (auto function : getOperation().getOps<func::FuncOp>())
      if (failed(check(function)))
        return signalPassFailure();
  }

  /// Decomposes everything that does, again and again. Fails if nothing does.
  LogicalResult decomposeAll(func::FuncOp function) {
    bool decomposed = false;
    for (bool changed = true; changed; decomposed |= changed) {
      changed = false;
      SmallVector<transformer::DecomposableOpInterface> ops;
      function.walk(
          [&](transformer::DecomposableOpInterface op) { ops.push_back(op); });
      for (transformer::DecomposableOpInterface op : ops) {
        OpBuilder builder(op);
        FailureOr<SmallVector<Value>> values = op.decompose(builder);
        if (failed(values))
          continue;
        op->replaceAllUsesWith(*values);
        op->erase();
        changed = true;
      }
    }
    if (decomposed)
      return success();
    return function.emitOpError() << "has nothing that decomposes";
  }

  LogicalResult check(func::FuncOp function) {
    OwningOpRef<ModuleOp> clone(getOperation().clone());
    auto decomposed = clone->lookupSymbol<func::FuncOp>(function.getName());
    if (failed(decomposeAll(decomposed)) || failed(mlir::verify(*clone)))
      return failure();
    return compareFunctions(function, getOperation(), decomposed, *clone,
                            "its decomposition");
  }
};

/// One level at a time, so that a test sees what `decompose` builds: what a
/// fused op becomes is left as it is, and so are ops that don't decompose.
struct TestDecompose : PassWrapper<TestDecompose, OperationPass<>> {
  MLIR_DEFINE_EXPLICIT_INTERNAL_INLINE_TYPE_ID(TestDecompose)
  StringRef getArgument() const final { return "test-decompose"; }
  StringRef getDescription() const final {
    return "replace each decomposable op by its decomposition, once";
  }

  void getDependentDialects(DialectRegistry &registry) const override {
    registry.insert<arith::ArithDialect>();
  }

  void runOnOperation() override {
    SmallVector<transformer::DecomposableOpInterface> ops;
    getOperation()->walk([&](transformer::DecomposableOpInterface op) {
      // Where a region's owner goes, its ops go as they are.
      if (!op->getParentOfType<transformer::DecomposableOpInterface>())
        ops.push_back(op);
    });
    for (transformer::DecomposableOpInterface op : ops) {
      OpBuilder builder(op);
      FailureOr<SmallVector<Value>> values = op.decompose(builder);
      if (failed(values))
        continue;
      op->replaceAllUsesWith(*values);
      op->erase();
    }
  }
};

} // namespace

int main(int argc, char **argv) {
  DialectRegistry registry;
  registerDialects(registry);
  registerAllPasses();
  PassRegistration<TestDecompose>();
  PassRegistration<TestInterpret>();
  PassRegistration<TestDecomposeEquivalence>();
  PassRegistration<TestPassEquivalence>();
  return asMainReturnCode(MlirOptMain(
      argc, argv, "Transom's passes and those of its tests\n", registry));
}
