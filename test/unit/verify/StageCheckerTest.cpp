// StageChecker: a pass that changes the numbers is caught and named; all others
// agree, in padded and in packed form.

#include "verify/StageChecker.h"

#include "ir/Interpreter/Interpreter.h"
#include "ir/Kernel/Kernel.h"
#include "ir/Transformer/Transformer.h"
#include "passes/Pipelines.h"
#include "verify/Steps.h"

#include "mlir/Dialect/Arith/IR/Arith.h"
#include "mlir/Dialect/Func/IR/FuncOps.h"
#include "mlir/Parser/Parser.h"
#include "gmock/gmock.h"
#include "gtest/gtest.h"

#include <cmath>

using namespace mlir;
using namespace transom;
using namespace transom::verify;
using testing::ElementsAre;

namespace {

/// Attention, a residual norm, a pooler that reads token 0, and a head whose
/// results a caller may choose.
constexpr const char *model = R"(
transformer.weight @table value dense<[[1.0, 2.0, 3.0, 4.0], [-1.0, 0.5, 2.0, -3.0], [0.1, 0.2, 0.3, 1.4]]> : tensor<3x4xf32>
transformer.weight @words value dense<[[1.0, 0.0, 0.0, 0.5], [0.0, 1.0, 0.3, 0.0]]> : tensor<2x4xf32>
transformer.weight @g value dense<[1.0, 0.5, 2.0, 1.0]> : tensor<4xf32>
func.func @forward(
    %ids: tensor<?x?xi32> {transformer.name = "ids", transformer.dims = ["batch", "length"], transformer.bound = 3 : i64},
    %mask: tensor<?x?xi32> {transformer.name = "mask", transformer.dims = ["batch", "length"], transformer.role = #transformer.role<attention_mask>})
    -> (tensor<?x?x4xf32> {transformer.name = "hidden", transformer.dims = ["batch", "length", "width"]},
        tensor<?x4xf32> {transformer.name = "pooled", transformer.dims = ["batch", "width"]},
        tensor<?x?x2xf32> {transformer.name = "logits", transformer.dims = ["batch", "length", "words"], transformer.select_output_positions}) {
  %t = transformer.get_weight @table : tensor<3x4xf32>
  %g = transformer.get_weight @g : tensor<4xf32>
  %x = transformer.embedding %ids, %t : tensor<?x?xi32>, tensor<3x4xf32> -> tensor<?x?x4xf32>
  %h = transformer.split_heads %x heads 2 : tensor<?x?x4xf32> -> tensor<?x2x?x2xf32>
  %m = transformer.padding_mask %mask : tensor<?x?xi32> -> tensor<?x1x1x?xf32>
  %s = transformer.matmul %h, %h transpose_rhs : tensor<?x2x?x2xf32>, tensor<?x2x?x2xf32> -> tensor<?x2x?x?xf32>
  %b = transformer.add %s, %m : tensor<?x2x?x?xf32>, tensor<?x1x1x?xf32> -> tensor<?x2x?x?xf32>
  %p = transformer.softmax %b : tensor<?x2x?x?xf32>
  %c = transformer.matmul %p, %h : tensor<?x2x?x?xf32>, tensor<?x2x?x2xf32> -> tensor<?x2x?x2xf32>
  %a = transformer.merge_heads %c : tensor<?x2x?x2xf32> -> tensor<?x?x4xf32>
  %r = transformer.add %a, %x : tensor<?x?x4xf32>, tensor<?x?x4xf32> -> tensor<?x?x4xf32>
  %y = transformer.rms_norm %r, %g epsilon 1.0e-6 : tensor<?x?x4xf32>, tensor<4xf32> -> tensor<?x?x4xf32>
  %z = transformer.select_token %y at 0 : tensor<?x?x4xf32> -> tensor<?x4xf32>
  %w = transformer.tanh %z : tensor<?x4xf32>
  %words = transformer.get_weight @words : tensor<2x4xf32>
  %l = transformer.linear %y, %words : tensor<?x?x4xf32>, tensor<2x4xf32> -> tensor<?x?x2xf32>
  return %y, %w, %l : tensor<?x?x4xf32>, tensor<?x4xf32>, tensor<?x?x2xf32>
})";

/// A decoder of two layers, the second with shared key heads and rotary
/// positions, whose logits are those of the next token.
constexpr const char *decoder = R"(
transformer.weight @table value dense<[[1.0, 2.0, 3.0, 4.0], [-1.0, 0.5, 2.0, -3.0], [0.1, 0.2, 0.3, 1.4]]> : tensor<3x4xf32>
transformer.weight @place value dense<[[0.1], [0.9], [-0.4], [0.3], [0.7], [-0.1], [0.2], [0.5], [-0.6], [0.8], [-0.9], [0.0], [0.4], [-0.2], [0.6], [-0.3], [-0.5], [1.0]]> : tensor<18x1xf32>
transformer.weight @words value dense<[[1.0, 0.0, 0.0, 0.5], [0.0, 1.0, 0.3, 0.0]]> : tensor<2x4xf32>
transformer.weight @keys value dense<[[1.0, 0.0, 0.2, 0.5], [0.0, 1.0, 0.3, 0.0]]> : tensor<2x4xf32>
func.func @forward(
    %ids: tensor<?x?xi32> {transformer.name = "ids", transformer.dims = ["batch", "length"], transformer.bound = 3 : i64},
    %mask: tensor<?x?xi32> {transformer.name = "mask", transformer.dims = ["batch", "length"], transformer.role = #transformer.role<attention_mask>},
    %positions: tensor<?x?xi32> {transformer.name = "positions_of_tokens", transformer.dims = ["batch", "length"], transformer.bound = 18 : i64, transformer.default = #transformer.default<position_ids>})
    -> (tensor<?x?x4xf32> {transformer.name = "hidden", transformer.dims = ["batch", "length", "width"]},
        tensor<?x?x2xf32> {transformer.name = "logits", transformer.dims = ["batch", "length", "words"], transformer.select_output_positions})
    attributes {transformer.generates} {
  %t = transformer.get_weight @table : tensor<3x4xf32>
  %pl = transformer.get_weight @place : tensor<18x1xf32>
  %k = transformer.get_weight @keys : tensor<2x4xf32>
  %words = transformer.get_weight @words : tensor<2x4xf32>
  %x0 = transformer.embedding %ids, %t : tensor<?x?xi32>, tensor<3x4xf32> -> tensor<?x?x4xf32>
  %p0 = transformer.embedding %positions, %pl : tensor<?x?xi32>, tensor<18x1xf32> -> tensor<?x?x1xf32>
  %x = transformer.add %x0, %p0 : tensor<?x?x4xf32>, tensor<?x?x1xf32> -> tensor<?x?x4xf32>
  %m = transformer.padding_mask %mask : tensor<?x?xi32> -> tensor<?x1x1x?xf32>
  %h = transformer.split_heads %x heads 2 : tensor<?x?x4xf32> -> tensor<?x2x?x2xf32>
  %s = transformer.matmul %h, %h transpose_rhs : tensor<?x2x?x2xf32>, tensor<?x2x?x2xf32> -> tensor<?x2x?x?xf32>
  %c = transformer.causal_mask %s : tensor<?x2x?x?xf32>
  %b = transformer.add %c, %m : tensor<?x2x?x?xf32>, tensor<?x1x1x?xf32> -> tensor<?x2x?x?xf32>
  %p = transformer.softmax %b : tensor<?x2x?x?xf32>
  %v = transformer.matmul %p, %h : tensor<?x2x?x?xf32>, tensor<?x2x?x2xf32> -> tensor<?x2x?x2xf32>
  %a = transformer.merge_heads %v : tensor<?x2x?x2xf32> -> tensor<?x?x4xf32>
  %r = transformer.add %a, %x : tensor<?x?x4xf32>, tensor<?x?x4xf32> -> tensor<?x?x4xf32>
  %kl = transformer.linear %r, %k : tensor<?x?x4xf32>, tensor<2x4xf32> -> tensor<?x?x2xf32>
  %q1 = transformer.split_heads %r heads 2 : tensor<?x?x4xf32> -> tensor<?x2x?x2xf32>
  %k1 = transformer.split_heads %kl heads 1 : tensor<?x?x2xf32> -> tensor<?x1x?x2xf32>
  %qr = transformer.rotary %q1, %positions theta 100.0 : tensor<?x2x?x2xf32>, tensor<?x?xi32> -> tensor<?x2x?x2xf32>
  %kr = transformer.rotary %k1, %positions theta 100.0 : tensor<?x1x?x2xf32>, tensor<?x?xi32> -> tensor<?x1x?x2xf32>
  %kk = transformer.repeat_heads %kr heads 2 : tensor<?x1x?x2xf32> -> tensor<?x2x?x2xf32>
  %vv = transformer.repeat_heads %k1 heads 2 : tensor<?x1x?x2xf32> -> tensor<?x2x?x2xf32>
  %s1 = transformer.matmul %qr, %kk transpose_rhs : tensor<?x2x?x2xf32>, tensor<?x2x?x2xf32> -> tensor<?x2x?x?xf32>
  %b1 = transformer.add %s1, %m : tensor<?x2x?x?xf32>, tensor<?x1x1x?xf32> -> tensor<?x2x?x?xf32>
  %c1 = transformer.causal_mask %b1 : tensor<?x2x?x?xf32>
  %w1 = transformer.softmax %c1 : tensor<?x2x?x?xf32>
  %v1 = transformer.matmul %w1, %vv : tensor<?x2x?x?xf32>, tensor<?x2x?x2xf32> -> tensor<?x2x?x2xf32>
  %y = transformer.merge_heads %v1 : tensor<?x2x?x2xf32> -> tensor<?x?x4xf32>
  %l = transformer.linear %y, %words : tensor<?x?x4xf32>, tensor<2x4xf32> -> tensor<?x?x2xf32>
  return %y, %l : tensor<?x?x4xf32>, tensor<?x?x2xf32>
})";

class StageCheckerTest : public testing::Test {
protected:
  StageCheckerTest() {
    DialectRegistry registry;
    registry.insert<kernel::KernelDialect, transformer::TransformerDialect,
                    arith::ArithDialect, func::FuncDialect>();
    interpreter::registerInterpreterModels(registry);
    context.appendDialectRegistry(registry);
    module = parseSourceString<ModuleOp>(model, &context);
  }

  MLIRContext context;
  OwningOpRef<ModuleOp> module;
};

/// Does `Change` to the module: a pass with a bug.
template <typename Change>
struct BrokenPass : PassWrapper<BrokenPass<Change>, OperationPass<ModuleOp>> {
  MLIR_DEFINE_EXPLICIT_INTERNAL_INLINE_TYPE_ID(BrokenPass)
  explicit BrokenPass(Change change) : change(change) {}
  StringRef getArgument() const override { return "transom-broken"; }
  void runOnOperation() override { change(this->getOperation()); }
  Change change;
};

TEST_F(StageCheckerTest, AllStagesAgree) {
  ASSERT_TRUE(module);
  auto checker = StageChecker::create(*module, "forward", nullptr);
  ASSERT_TRUE(succeeded(checker));
  PassManager manager(&context);
  buildPipeline(manager, FusionOptions());
  std::vector<std::string> names;
  checker->checkEachPass(manager, [&](const StageChecker::Stage &stage) {
    names.push_back(stage.name);
    EXPECT_EQ(stage.errors.size(), 3u) << stage.name;
    EXPECT_LT(stage.getError(), 1e-6) << stage.name;
  });
  ASSERT_TRUE(succeeded(manager.run(*module)));
  EXPECT_THAT(names, testing::Contains("remove-padding"));
  EXPECT_EQ(names.back(), "plan-memory");
}

TEST_F(StageCheckerTest, NamesThePassThatChangesTheResults) {
  auto checker = StageChecker::create(*module, "forward", nullptr);
  ASSERT_TRUE(succeeded(checker));
  PassManager manager(&context);
  buildDefinitionPipeline(manager);
  auto change = [](ModuleOp module) {
    module.walk(
        [](transformer::RmsNormOp op) { op.setEpsilon(llvm::APFloat(0.01f)); });
  };
  manager.addPass(std::make_unique<BrokenPass<decltype(change)>>(change));
  std::vector<std::string> departures;
  checker->checkEachPass(manager, [&](const StageChecker::Stage &stage) {
    if (!(stage.getError() <= 1e-4))
      departures.push_back(stage.name);
  });
  ASSERT_TRUE(succeeded(manager.run(*module)));
  EXPECT_THAT(departures, ElementsAre("broken"));
}

// All rows are asked for, but not in the order in which they stand.
TEST_F(StageCheckerTest, MissingGatherDeparts) {
  auto checker = StageChecker::create(*module, "forward", nullptr);
  ASSERT_TRUE(succeeded(checker));
  PassManager manager(&context);
  buildDefinitionPipeline(manager);
  buildFusionPipeline(manager, FusionOptions());
  ASSERT_TRUE(succeeded(manager.run(*module)));
  EXPECT_LT(checker->check("selected", *module).getError(), 1e-6);
  auto function = module->lookupSymbol<func::FuncOp>("forward");
  Value positions = function.getArguments().back();
  ASSERT_TRUE(positions.hasOneUse());
  auto gather = cast<transformer::EmbeddingOp>(*positions.user_begin());
  gather.getResult().replaceAllUsesWith(gather.getTable());
  EXPECT_GT(checker->check("all rows", *module).errors[2], 1e-2);
}

// A kernel may write the padding of its rows: a plan that puts two living
// activations together departs, by numbers or by what is none.
TEST_F(StageCheckerTest, WrongMemoryPlanDeparts) {
  auto checker = StageChecker::create(*module, "forward", nullptr);
  ASSERT_TRUE(succeeded(checker));
  PassManager manager(&context);
  buildPipeline(manager, FusionOptions());
  ASSERT_TRUE(succeeded(manager.run(*module)));
  EXPECT_LT(checker->check("planned", *module).getError(), 1e-6);
  module->walk([](kernel::SlotOp op) { op.setOffset({0, 0, 0, 0}); });
  EXPECT_GT(checker->check("overlapping", *module).getError(), 1e-2);
}

TEST_F(StageCheckerTest, MissingFunctionDeparts) {
  auto checker = StageChecker::create(*module, "forward", nullptr);
  ASSERT_TRUE(succeeded(checker));
  module->lookupSymbol<func::FuncOp>("forward").erase();
  EXPECT_TRUE(std::isinf(checker->check("erased", *module).getError()));
}

// The rows that a compiled library would see: kept tokens in order, then a
// masked token 0, which is a query but no key.
TEST_F(StageCheckerTest, PacksAsTheDoorDoes) {
  auto padded = module->lookupSymbol<func::FuncOp>("forward");
  auto batch = Batch::generate(padded, 1);
  ASSERT_TRUE(succeeded(batch));
  EXPECT_THAT(batch->getMask().getShape(), ElementsAre(5, 9));

  PassManager manager(&context);
  buildPipeline(manager, FusionOptions());
  ASSERT_TRUE(succeeded(manager.run(*module)));
  auto packed = module->lookupSymbol<FunctionOpInterface>("forward");
  auto arguments = batch->bind(packed);
  ASSERT_TRUE(succeeded(arguments));
  // ids, sequence_offsets, key_lengths, token_rows of token 0, positions.
  ASSERT_EQ(arguments->size(), 5u);
  EXPECT_THAT((*arguments)[1].integers(), ElementsAre(0, 9, 14, 21, 28, 30));
  EXPECT_THAT((*arguments)[2].integers(), ElementsAre(9, 5, 6, 6, 1));
  EXPECT_THAT((*arguments)[3].integers(), ElementsAre(0, 9, 20, 27, 29));
  EXPECT_EQ((*arguments)[0].getNumElements(), 30);
  // Backwards, without the three rows that are masked.
  EXPECT_THAT((*arguments)[4].integers(),
              ElementsAre(28, 26, 25, 24, 23, 22, 21, 19, 18, 17, 16, 15, 14,
                          13, 12, 11, 10, 9, 8, 7, 6, 5, 4, 3, 2, 1, 0));
  const Tensor &ids = batch->getInputs().lookup("ids");
  EXPECT_EQ((*arguments)[0].integers()[14], ids.integers()[2 * 9 + 3]);
  EXPECT_EQ((*arguments)[0].integers()[20], ids.integers()[2 * 9]);
}

// Launches that only unasked outputs need are skipped: what is asked for does
// not depend on them, the rest holds no numbers.
TEST_F(StageCheckerTest, SkipsWhatIsNotAskedFor) {
  auto checker = StageChecker::create(*module, "forward", nullptr);
  ASSERT_TRUE(succeeded(checker));
  PassManager manager(&context);
  buildPipeline(manager, FusionOptions());
  ASSERT_TRUE(succeeded(manager.run(*module)));
  auto program = module->lookupSymbol<FunctionOpInterface>("forward");
  auto arguments = checker->getBatch().bind(program);
  ASSERT_TRUE(succeeded(arguments));
  interpreter::Context interpreter(*module);
  interpreter.requested = 1;
  SmallVector<Tensor> results;
  ASSERT_TRUE(succeeded(interpreter.run(program, *arguments, results)));
  StageChecker::Stage stage =
      checker->compare("one", checker->getBatch().unpack(program, results));
  EXPECT_LT(stage.errors[0], 1e-6);
  EXPECT_TRUE(std::isinf(stage.errors[1]));
  EXPECT_TRUE(std::isinf(stage.errors[2]));
}

// A step gives what the function gives, whole prompts or parts of them at a
// time, through every pass from the one that makes it.
TEST_F(StageCheckerTest, StepsAgreeWithTheWhole) {
  module = parseSourceString<ModuleOp>(decoder, &context);
  ASSERT_TRUE(module);
  auto checker = StageChecker::create(*module, "forward", nullptr);
  ASSERT_TRUE(succeeded(checker));
  PassManager manager(&context);
  buildPipeline(manager, FusionOptions());
  std::vector<size_t> results;
  checker->checkEachPass(manager, [&](const StageChecker::Stage &stage) {
    results.push_back(stage.errors.size());
    EXPECT_LT(stage.getError(), 1e-5) << stage.name;
  });
  ASSERT_TRUE(succeeded(manager.run(*module)));
  // Two of the function, and the same two of the step once there is one.
  EXPECT_EQ(results.front(), 2u);
  EXPECT_EQ(results.back(), 4u);
}

// Of a cache that loses a layer's keys, tokens of later parts know nothing.
TEST_F(StageCheckerTest, LostKeysDepart) {
  module = parseSourceString<ModuleOp>(decoder, &context);
  auto checker = StageChecker::create(*module, "forward", nullptr);
  ASSERT_TRUE(succeeded(checker));
  PassManager manager(&context);
  buildPipeline(manager, FusionOptions());
  ASSERT_TRUE(succeeded(manager.run(*module)));
  SmallVector<kernel::LayerOp> layers;
  module->walk([&](kernel::LayerOp op) { layers.push_back(op); });
  ASSERT_EQ(layers.size(), 2u); // Append's and attention's of the second.
  layers[0].setAt(0);
  StageChecker::Stage stage = checker->check("lost", *module);
  ASSERT_EQ(stage.errors.size(), 4u);
  EXPECT_LT(stage.errors[0], 1e-5);
  EXPECT_TRUE(std::isinf(stage.errors[2]));
}

// Every token comes once, after those before it in its sequence; some come
// alone, some with others, and not all sequences are in every run.
TEST_F(StageCheckerTest, CutsFeedEachTokenOnce) {
  module = parseSourceString<ModuleOp>(decoder, &context);
  auto batch =
      Batch::generate(module->lookupSymbol<func::FuncOp>("forward"), 1);
  ASSERT_TRUE(succeeded(batch));
  ArrayRef<int64_t> shape = batch->getMask().getShape();
  std::vector<std::vector<int64_t>> columns(shape[0]);
  bool single = false, several = false, absent = false;
  for (ArrayRef<Part> run : cutAtRandom(*batch, 1)) {
    ASSERT_FALSE(run.empty());
    absent |= static_cast<int64_t>(run.size()) < shape[0];
    for (const Part &part : run) {
      std::vector<int64_t> &fed = columns[part.sequence];
      EXPECT_EQ(part.past, static_cast<int64_t>(fed.size()));
      fed.insert(fed.end(), part.columns.begin(), part.columns.end());
      single |= part.columns.size() == 1 && part.past > 0;
      several |= part.columns.size() > 1 && part.past > 0;
    }
  }
  EXPECT_TRUE(single && several && absent);
  for (int64_t sequence = 0; sequence < shape[0]; ++sequence) {
    std::vector<int64_t> present;
    for (int64_t column = 0; column < shape[1]; ++column)
      if (batch->getMask().integers()[sequence * shape[1] + column])
        present.push_back(column);
    EXPECT_EQ(columns[sequence], present) << sequence;
  }
}

} // namespace
