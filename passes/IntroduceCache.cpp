//===- IntroduceCache.cpp - a function that continues sequences -----------===//
//
// Generating a text runs the model once a token. All that a token takes from
// those before it goes through attention: their keys and values, which are what
// they were when these tokens came. `@step` keeps them in a cache, one for all
// layers, whose columns the layers share out among themselves, and computes new
// tokens only: a prompt, a part of one, or a single token. What it takes from a
// source, an encoder's result, goes through attention, too: `@encode` puts
// these keys and values into blocks of the same cache, once.
//
// A frontend marks what generates: `transformer.generates`.
//
//===----------------------------------------------------------------------===//

#include "ir/Transformer/CacheLayout.h"
#include "ir/Transformer/Transformer.h"
#include "passes/Passes.h"
#include "passes/Raise/Shapes.h"

#include "mlir/Dialect/Func/IR/FuncOps.h"
#include "mlir/IR/IRMapping.h"
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
constexpr llvm::StringLiteral encodeName = "encode";

constexpr llvm::StringLiteral sourceTokens = "source_tokens";

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
  int64_t getNumSources() const { return sources.size(); }

private:
  FailureOr<func::FuncOp> copy(func::FuncOp from, llvm::StringRef name,
                               IRMapping &map);
  LogicalResult checkArguments();
  LogicalResult checkOps();
  LogicalResult checkResults();
  LogicalResult checkAttention(RaggedAttentionOp op);
  LogicalResult addEncode(RankedTensorType cacheType);
  void introduce(RankedTensorType cacheType);
  RankedTensorType getCacheType();
  LogicalResult refuse(Operation *op, const llvm::Twine &why);

  /// Weights, constants, and what is made of them alone.
  bool isUniform(Value value) const { return uniform.contains(value); }
  bool isPerToken(Value value) const { return tokens.contains(value); }
  /// What the sources alone decide.
  bool isOfSource(Value value) const {
    return ofSource.contains(value) || isUniform(value);
  }

  func::FuncOp forward, step;
  OpBuilder builder;
  SmallVector<RaggedAttentionOp> layers, sources; ///< of the step, by keys
  llvm::DenseSet<Value> uniform, tokens, ofSource;
  Value offsets, lengths, sourceOffsets, sourceLengths;
};

LogicalResult Stepper::refuse(Operation *op, const llvm::Twine &why) {
  InFlightDiagnostic diagnostic = op->emitOpError() << why;
  diagnostic.attachNote(forward.getLoc())
      << "'" << generatesAttr << "' of @" << forward.getName()
      << " asks for a step";
  return diagnostic;
}

FailureOr<func::FuncOp> Stepper::copy(func::FuncOp from, llvm::StringRef name,
                                      IRMapping &map) {
  auto module = forward->getParentOfType<ModuleOp>();
  if (Operation *taken = SymbolTable::lookupSymbolIn(module, name))
    return refuse(
        taken, llvm::Twine("has the name of a function to be added, @") + name);
  func::FuncOp function = from.clone(map);
  function.setSymName(name);
  function->removeAttr(generatesAttr);
  builder.setInsertionPointAfter(forward);
  builder.insert(function);
  return function;
}

/// Drops results by their leading dimension, all that only they needed, and
/// then the arguments that nothing reads, by theirs.
void drop(func::FuncOp function,
          llvm::function_ref<bool(llvm::StringRef)> isResultGone,
          llvm::function_ref<bool(llvm::StringRef)> isArgumentGone) {
  llvm::BitVector results(function.getNumResults());
  for (unsigned number = 0; number < function.getNumResults(); ++number)
    results[number] =
        isResultGone(getLeadingDim(function.getResultAttrDict(number)));
  function.front().getTerminator()->eraseOperands(results);
  // All operands of a function's type and attributes are known to be good.
  (void)function.eraseResults(results);
  for (Operation &op :
       llvm::make_early_inc_range(llvm::reverse(function.front())))
    if (isOpTriviallyDead(&op))
      op.erase();
  llvm::BitVector arguments(function.getNumArguments());
  for (BlockArgument argument : function.getArguments()) {
    unsigned number = argument.getArgNumber();
    arguments[number] =
        argument.use_empty() &&
        isArgumentGone(getLeadingDim(function.getArgAttrDict(number)));
  }
  (void)function.eraseArguments(arguments);
}

LogicalResult Stepper::checkArguments() {
  for (BlockArgument argument : step.getArguments()) {
    unsigned number = argument.getArgNumber();
    auto get = [&](llvm::StringRef name) {
      auto text = step.getArgAttrOfType<StringAttr>(number, name);
      return text ? text.getValue() : llvm::StringRef();
    };
    llvm::StringRef dim = getLeadingDim(step.getArgAttrDict(number));
    if (get(roleAttr) == "sequence_offsets")
      offsets = argument;
    else if (get(roleAttr) == "key_lengths")
      lengths = argument;
    else if (get(roleAttr) == "source_offsets")
      sourceOffsets = argument;
    else if (get(roleAttr) == "source_key_lengths")
      sourceLengths = argument;
    else if (dim == "tokens")
      tokens.insert(argument);
    if (argument == sourceOffsets || argument == sourceLengths ||
        dim == sourceTokens)
      ofSource.insert(argument);
    else if (get(defaultAttr) == "counted_positions")
      return refuse(step, "argument " + llvm::Twine(number) +
                              " counts tokens of the whole sequence, which a "
                              "step doesn't have");
  }
  return success();
}

LogicalResult Stepper::checkAttention(RaggedAttentionOp op) {
  bool toSource = ofSource.contains(op.getKey()) &&
                  ofSource.contains(op.getValue()) &&
                  op.getKeyOffsets() == sourceOffsets &&
                  op.getKeyLengths() == sourceLengths &&
                  op.getQueryOffsets() == offsets && isPerToken(op.getQuery());
  if (toSource) {
    // Rows are counted from the last one, and every step has its own.
    if (op.getCausal() || op.getDistanceBias())
      return refuse(op, "cannot have a cache: it asks how far a token is from "
                        "those of its source");
    sources.push_back(op);
    tokens.insert(op.getResult());
    return success();
  }
  if (!op.getCausal())
    return refuse(op, "cannot have a cache: a token sees later ones");
  if (op.getQueryOffsets() != offsets || op.getKeyOffsets() != offsets ||
      op.getKeyLengths() != lengths || !isPerToken(op.getQuery()) ||
      !isPerToken(op.getKey()) || !isPerToken(op.getValue()))
    return refuse(op, "cannot have a cache: its keys are neither those of the "
                      "function's own sequences nor those of their sources");
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
    auto areAll = [&](llvm::function_ref<bool(Value)> is) {
      return llvm::all_of(op.getOperands(), is);
    };
    if (areAll([&](Value value) { return isUniform(value); })) {
      uniform.insert_range(op.getResults());
      continue;
    }
    // However it is made: it is there before the first step.
    if (areAll([&](Value value) { return isOfSource(value); })) {
      ofSource.insert_range(op.getResults());
      continue;
    }
    if (auto attention = dyn_cast<RaggedAttentionOp>(op)) {
      if (failed(checkAttention(attention)))
        return failure();
      continue;
    }
    auto embedding = dyn_cast<EmbeddingOp>(op);
    if (!isRowwise(&op) || (embedding && !isUniform(embedding.getTable())) ||
        !areAll(
            [&](Value value) { return isUniform(value) || isPerToken(value); }))
      return refuse(&op, "cannot be part of a step: it mixes tokens");
    tokens.insert_range(op.getResults());
  }
  // Nor is there if no result per token is left that needs it.
  if (layers.empty())
    return refuse(step, "has no attention whose keys could be kept");
  return success();
}

LogicalResult Stepper::checkResults() {
  for (auto [number, result] :
       llvm::enumerate(step.front().getTerminator()->getOperands())) {
    bool ofStep = getLeadingDim(step.getResultAttrDict(number)) != sourceTokens;
    if (ofStep ? !isPerToken(result) : !ofSource.contains(result))
      return refuse(step, "result " + llvm::Twine(number) +
                              (ofStep ? " is not per token, as a step's are"
                                      : " is not made of the source alone"));
  }
  return success();
}

Value addArgument(func::FuncOp function, llvm::StringRef name,
                  ArrayRef<llvm::StringRef> dims, Type type) {
  Builder builder(function.getContext());
  unsigned number = function.getNumArguments();
  auto attributes = builder.getDictionaryAttr(
      {builder.getNamedAttr(dimsAttr, builder.getStrArrayAttr(dims)),
       builder.getNamedAttr(nameAttr, builder.getStringAttr(name)),
       builder.getNamedAttr(roleAttr, builder.getStringAttr(name))});
  (void)function.insertArgument(number, type, attributes,
                                NameLoc::get(builder.getStringAttr(name)));
  return function.getArgument(number);
}

Value addCache(func::FuncOp function, Type type) {
  return addArgument(function, "cache", {"slots", "columns"}, type);
}

/// Returns the cache as it is in the end, too; the function's last argument.
void returnCache(func::FuncOp function, Value cache) {
  Operation *terminator = function.front().getTerminator();
  terminator->insertOperands(terminator->getNumOperands(), cache);
  DictionaryAttr attributes =
      function.getArgAttrDict(function.getNumArguments() - 1);
  (void)function.insertResult(function.getNumResults(), cache.getType(),
                              attributes);
}

RankedTensorType getIntegers(Builder &builder) {
  return RankedTensorType::get({ShapedType::kDynamic}, builder.getI32Type());
}

int64_t getColumns(RaggedAttentionOp op) {
  return getCacheColumns(op.getKeyHeads(),
                         op.getQuery().getType().getDimSize(1) /
                             static_cast<int64_t>(op.getHeads()));
}

/// Room for a token, and for a source's: both kinds share the cache's blocks.
RankedTensorType Stepper::getCacheType() {
  auto count = [](ArrayRef<RaggedAttentionOp> ops) {
    int64_t columns = 0;
    for (RaggedAttentionOp op : ops)
      columns += getColumns(op);
    return columns;
  };
  return layers.front().getKey().getType().clone(
      {ShapedType::kDynamic, std::max(count(layers), count(sources))});
}

/// The tokens of a source are the only ones that its function has: of
/// `source_tokens` it makes `tokens`.
void makeOwnTokens(func::FuncOp function) {
  Builder builder(function.getContext());
  auto rename = [&](DictionaryAttr attributes) {
    NamedAttrList list(attributes);
    if (getLeadingDim(attributes) == sourceTokens) {
      SmallVector<Attribute> dims(
          attributes.getAs<ArrayAttr>(dimsAttr).getValue());
      dims[0] = builder.getStringAttr("tokens");
      list.set(dimsAttr, builder.getArrayAttr(dims));
    }
    auto role = attributes.getAs<StringAttr>(roleAttr);
    if (role && role.getValue().starts_with("source_")) {
      bool isOffsets = role.getValue() == "source_offsets";
      auto name =
          builder.getStringAttr(isOffsets ? "sequence_offsets" : "key_lengths");
      list.set(roleAttr, name);
      list.set(nameAttr, name);
    }
    return list.getDictionary(builder.getContext());
  };
  for (unsigned number = 0; number < function.getNumArguments(); ++number)
    function.setArgAttrs(number, rename(function.getArgAttrDict(number)));
  for (unsigned number = 0; number < function.getNumResults(); ++number)
    if (DictionaryAttr attributes = function.getResultAttrDict(number))
      function.setResultAttrs(number, rename(attributes));
}

/// What the step, still without a cache, takes from its sources.
LogicalResult Stepper::addEncode(RankedTensorType cacheType) {
  IRMapping map;
  FailureOr<func::FuncOp> encode = copy(step, encodeName, map);
  if (failed(encode))
    return failure();
  Value slots =
      addArgument(*encode, "cache_slots", {"tokens"}, getIntegers(builder));
  Value cache = addCache(*encode, cacheType);
  int64_t at = 0;
  for (RaggedAttentionOp op : sources) {
    Value key = map.lookup(op.getKey()), value = map.lookup(op.getValue());
    builder.setInsertionPoint(map.lookup(op.getOperation()));
    cache = AppendCacheOp::create(builder, op.getLoc(), cache, key, value,
                                  slots, op.getKeyHeads(), at);
    at += getColumns(op);
  }
  returnCache(*encode, cache);
  auto isOfStep = [](llvm::StringRef dim) {
    return dim != sourceTokens && dim != "slots";
  };
  drop(*encode, isOfStep, isOfStep);
  makeOwnTokens(*encode);
  return success();
}

/// ragged_attention(q, k, v) => cached_attention(q, append_cache(cache, k, v)),
/// or of a source's, which are there, cached_attention(q, cache).
void Stepper::introduce(RankedTensorType cacheType) {
  RankedTensorType integers = getIntegers(builder);
  auto add = [&](llvm::StringRef name, llvm::StringRef dim) {
    return addArgument(step, name, {dim}, integers);
  };
  Value slots = add("cache_slots", "tokens");
  Value table = add("block_table", "blocks");
  Value blocks = add("block_offsets", "sequences+1");
  Value sourceTable, sourceBlocks;
  if (!sources.empty()) {
    sourceTable = add("source_block_table", "source_blocks");
    sourceBlocks = add("source_block_offsets", "sequences+1");
  }
  Value cache = addCache(step, cacheType);

  auto attend = [&](RaggedAttentionOp op, Value lengths, Value table,
                    Value blocks, int64_t &at) {
    auto attention = CachedAttentionOp::create(
        builder, op.getLoc(), op.getQuery(), cache, offsets, lengths, table,
        blocks, op.getDistanceBias(), op.getFirstDistance(), op.getHeads(),
        op.getKeyHeads(), at, op.getCausal(), op.getScale());
    at += getColumns(op);
    op.replaceAllUsesWith(attention.getResult());
    op.erase();
  };
  int64_t at = 0, sourceAt = 0;
  for (Operation &op : llvm::make_early_inc_range(step.front())) {
    auto attention = dyn_cast<RaggedAttentionOp>(op);
    if (!attention)
      continue;
    builder.setInsertionPoint(attention);
    if (llvm::is_contained(sources, attention)) {
      attend(attention, sourceLengths, sourceTable, sourceBlocks, sourceAt);
    } else if (llvm::is_contained(layers, attention)) {
      cache = AppendCacheOp::create(builder, op.getLoc(), cache,
                                    attention.getKey(), attention.getValue(),
                                    slots, attention.getKeyHeads(), at);
      attend(attention, lengths, table, blocks, at);
    }
  }
  returnCache(step, cache);
  auto isOfSource = [](llvm::StringRef dim) { return dim == sourceTokens; };
  drop(step, isOfSource, [&](llvm::StringRef dim) {
    return isOfSource(dim) || dim == "sequences+1";
  });
}

LogicalResult Stepper::run() {
  IRMapping map;
  FailureOr<func::FuncOp> copied = copy(forward, stepName, map);
  if (failed(copied))
    return failure();
  step = *copied;
  // Results per sequence, such as a class, go with all that only they need.
  auto isPerSequence = [](llvm::StringRef dim) { return dim == "sequences"; };
  drop(step, isPerSequence, isPerSequence);
  if (failed(checkArguments()) || failed(checkOps()) || failed(checkResults()))
    return failure();
  RankedTensorType cacheType = getCacheType();
  if (!sources.empty() && failed(addEncode(cacheType)))
    return failure();
  introduce(cacheType);
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
      numSources += stepper.getNumSources();
    }
  }
};

} // namespace
