//===- IntroduceCache.cpp - a function that continues sequences -----------===//
//
// Generating a text runs the model once a token. All that a token takes from
// those before it goes through attention: their keys and values, which are what
// they were when these tokens came. `@step` keeps them in a cache, one for all
// layers, whose columns the layers share out among themselves, and computes new
// tokens only: a prompt, a part of one, or a single token.
//
// A frontend marks what generates: `transformer.generates`.
//
//===----------------------------------------------------------------------===//

#include "ir/Transformer/CacheLayout.h"
#include "ir/Transformer/Transformer.h"
#include "passes/Passes.h"
#include "passes/Raise/Shapes.h"

#include "mlir/Dialect/Func/IR/FuncOps.h"
#include "mlir/Interfaces/SideEffectInterfaces.h"
#include "llvm/ADT/BitVector.h"

namespace transom {
#define GEN_PASS_DEF_INTRODUCECACHE
#include "passes/Passes.h.inc"
} // namespace transom

using namespace mlir;
using namespace transom::transformer;

namespace {

constexpr llvm::StringLiteral stepName = "step";

/// The name of the leading dimension, or empty.
llvm::StringRef getLeadingDim(DictionaryAttr attributes) {
  auto dims = attributes ? attributes.getAs<ArrayAttr>(dimsAttr) : ArrayAttr();
  auto name =
      dims && !dims.empty() ? dyn_cast<StringAttr>(dims[0]) : StringAttr();
  return name ? name.getValue() : llvm::StringRef();
}

/// Makes the step of one function.
class Stepper {
public:
  explicit Stepper(func::FuncOp forward)
      : forward(forward), builder(forward.getContext()) {}

  LogicalResult run();
  int64_t getNumLayers() const { return layers.size(); }

private:
  LogicalResult copy();
  void dropSequences();
  LogicalResult checkArguments();
  LogicalResult checkOps();
  LogicalResult checkAttention(RaggedAttentionOp op);
  Value addArgument(llvm::StringRef name, ArrayRef<llvm::StringRef> dims,
                    RankedTensorType type);
  void introduce();
  LogicalResult refuse(Operation *op, const llvm::Twine &why);

  /// Weights, constants, and what is made of them alone.
  bool isUniform(Value value) const { return uniform.contains(value); }
  bool isPerToken(Value value) const { return tokens.contains(value); }

  func::FuncOp forward, step;
  OpBuilder builder;
  SmallVector<RaggedAttentionOp> layers;
  llvm::DenseSet<Value> uniform, tokens;
  Value offsets, lengths;
};

LogicalResult Stepper::refuse(Operation *op, const llvm::Twine &why) {
  InFlightDiagnostic diagnostic = op->emitOpError() << why;
  diagnostic.attachNote(forward.getLoc())
      << "'" << generatesAttr << "' of @" << forward.getName()
      << " asks for a step";
  return diagnostic;
}

LogicalResult Stepper::copy() {
  auto module = forward->getParentOfType<ModuleOp>();
  if (Operation *taken = SymbolTable::lookupSymbolIn(module, stepName))
    return refuse(taken, llvm::Twine("has the name of the step, @") + stepName);
  step = forward.clone();
  step.setSymName(stepName);
  step->removeAttr(generatesAttr);
  builder.setInsertionPointAfter(forward);
  builder.insert(step);
  return success();
}

/// Results per sequence, such as a class, go with all that only they need.
void Stepper::dropSequences() {
  Operation *terminator = step.front().getTerminator();
  llvm::BitVector results(step.getNumResults());
  for (unsigned number = 0; number < step.getNumResults(); ++number)
    if (getLeadingDim(step.getResultAttrDict(number)) == "sequences")
      results.set(number);
  terminator->eraseOperands(results);
  // All operands of a function's type and attributes are known to be good.
  (void)step.eraseResults(results);
  for (Operation &op : llvm::make_early_inc_range(llvm::reverse(step.front())))
    if (isOpTriviallyDead(&op))
      op.erase();
  llvm::BitVector arguments(step.getNumArguments());
  for (BlockArgument argument : step.getArguments())
    if (argument.use_empty() && getLeadingDim(step.getArgAttrDict(
                                    argument.getArgNumber())) == "sequences")
      arguments.set(argument.getArgNumber());
  (void)step.eraseArguments(arguments);
}

LogicalResult Stepper::checkArguments() {
  for (BlockArgument argument : step.getArguments()) {
    unsigned number = argument.getArgNumber();
    auto get = [&](llvm::StringRef name) {
      auto text = step.getArgAttrOfType<StringAttr>(number, name);
      return text ? text.getValue() : llvm::StringRef();
    };
    if (get(roleAttr) == "sequence_offsets")
      offsets = argument;
    else if (get(roleAttr) == "key_lengths")
      lengths = argument;
    else if (getLeadingDim(step.getArgAttrDict(number)) == "tokens")
      tokens.insert(argument);
    if (get(defaultAttr) == "counted_positions")
      return refuse(step, "argument " + llvm::Twine(number) +
                              " counts tokens of the whole sequence, which a "
                              "step doesn't have");
  }
  return success();
}

LogicalResult Stepper::checkAttention(RaggedAttentionOp op) {
  if (!op.getCausal())
    return refuse(op, "cannot have a cache: a token sees later ones");
  if (op.getQueryOffsets() != offsets || op.getKeyOffsets() != offsets ||
      op.getKeyLengths() != lengths || !isPerToken(op.getQuery()) ||
      !isPerToken(op.getKey()) || !isPerToken(op.getValue()))
    return refuse(op, "cannot have a cache: its keys are not those of the "
                      "function's own sequences");
  layers.push_back(op);
  tokens.insert(op.getResult());
  return success();
}

/// Whether an op makes a token's row of that token's rows alone.
bool isRowwise(Operation *op) {
  if (auto reduce = dyn_cast<ReduceOp>(op)) {
    int64_t rank = reduce.getInput().getType().getRank();
    return llvm::none_of(reduce.getAxes(), [&](int64_t axis) {
      return axis == 0 || axis == -rank;
    });
  }
  if (auto reshape = dyn_cast<ReshapeOp>(op))
    return transom::raising::isColumn(reshape);
  return isa<RowwiseOpInterface, RotaryOp>(op);
}

LogicalResult Stepper::checkOps() {
  for (Operation &op : step.front().without_terminator()) {
    if (auto attention = dyn_cast<RaggedAttentionOp>(op)) {
      if (failed(checkAttention(attention)))
        return failure();
      continue;
    }
    if (llvm::all_of(op.getOperands(),
                     [&](Value value) { return isUniform(value); })) {
      uniform.insert_range(op.getResults());
      continue;
    }
    auto embedding = dyn_cast<EmbeddingOp>(op);
    if (!isRowwise(&op) || (embedding && !isUniform(embedding.getTable())) ||
        !llvm::all_of(op.getOperands(), [&](Value value) {
          return isUniform(value) || isPerToken(value);
        }))
      return refuse(&op, "cannot be part of a step: it mixes tokens");
    tokens.insert_range(op.getResults());
  }
  // Nor is there if no result per token is left that needs it.
  if (layers.empty())
    return refuse(step, "has no attention whose keys could be kept");
  for (auto [number, result] :
       llvm::enumerate(step.front().getTerminator()->getOperands()))
    if (!isPerToken(result))
      return refuse(step, "result " + llvm::Twine(number) +
                              " is not per token, as a step's are");
  return success();
}

Value Stepper::addArgument(llvm::StringRef name, ArrayRef<llvm::StringRef> dims,
                           RankedTensorType type) {
  unsigned number = step.getNumArguments();
  auto attributes = builder.getDictionaryAttr(
      {builder.getNamedAttr(dimsAttr, builder.getStrArrayAttr(dims)),
       builder.getNamedAttr(nameAttr, builder.getStringAttr(name)),
       builder.getNamedAttr(roleAttr, builder.getStringAttr(name))});
  (void)step.insertArgument(number, type, attributes,
                            NameLoc::get(builder.getStringAttr(name)));
  return step.getArgument(number);
}

/// ragged_attention(q, k, v) => cached_attention(q, append_cache(cache, k, v))
void Stepper::introduce() {
  auto sizeOf = [](RaggedAttentionOp op) {
    return op.getQuery().getType().getDimSize(1) /
           static_cast<int64_t>(op.getHeads());
  };
  int64_t columns = 0;
  for (RaggedAttentionOp op : layers)
    columns += getCacheColumns(op.getKeyHeads(), sizeOf(op));

  constexpr int64_t any = ShapedType::kDynamic;
  auto integers = RankedTensorType::get({any}, builder.getI32Type());
  Value slots = addArgument("cache_slots", {"tokens"}, integers);
  Value table = addArgument("block_table", {"blocks"}, integers);
  Value blocks = addArgument("block_offsets", {"sequences+1"}, integers);
  Value cache =
      addArgument("cache", {"slots", "columns"},
                  layers.front().getKey().getType().clone({any, columns}));

  int64_t at = 0;
  for (RaggedAttentionOp op : layers) {
    builder.setInsertionPoint(op);
    cache = AppendCacheOp::create(builder, op.getLoc(), cache, op.getKey(),
                                  op.getValue(), slots, op.getKeyHeads(), at);
    auto attention = CachedAttentionOp::create(
        builder, op.getLoc(), op.getQuery(), cache, offsets, lengths, table,
        blocks, op.getHeads(), op.getKeyHeads(), at, op.getCausal(),
        op.getScale());
    at += getCacheColumns(op.getKeyHeads(), sizeOf(op));
    op.replaceAllUsesWith(attention.getResult());
    op.erase();
  }

  Operation *terminator = step.front().getTerminator();
  terminator->insertOperands(terminator->getNumOperands(), cache);
  DictionaryAttr attributes = step.getArgAttrDict(step.getNumArguments() - 1);
  (void)step.insertResult(step.getNumResults(), cache.getType(), attributes);
}

LogicalResult Stepper::run() {
  if (failed(copy()))
    return failure();
  dropSequences();
  if (failed(checkArguments()) || failed(checkOps()))
    return failure();
  introduce();
  return success();
}

struct IntroduceCache : transom::impl::IntroduceCacheBase<IntroduceCache> {
  void runOnOperation() override {
    SmallVector<func::FuncOp> functions;
    for (auto function : getOperation().getOps<func::FuncOp>())
      if (function->hasAttr(generatesAttr) && !function.isExternal() &&
          function.getBody().hasOneBlock())
        functions.push_back(function);
    for (func::FuncOp function : functions) {
      Stepper stepper(function);
      if (failed(stepper.run()))
        return signalPassFailure();
      numLayers += stepper.getNumLayers();
    }
  }
};

} // namespace
