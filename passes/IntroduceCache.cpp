//===- IntroduceCache.cpp - a function that continues sequences -----------===//
//
// Generation runs a decoder once per new token. All that a token needs of the
// earlier ones are their keys and values, which don't change any more. `@step`
// keeps them in a cache and computes new tokens only: a prompt, a chunk of one,
// or a single token. Attention to an encoder's tokens needs the same keys and
// values in every step: `@encode` computes them once, for the same cache.
//
// One cache holds all layers, each in columns of its own: then one block table
// serves all of them, and a block is one piece of memory. A cache per layer
// would need as many arguments as a model has layers.
//
// A frontend marks what generates: `transformer.generates`.
//
//===----------------------------------------------------------------------===//

#include "ir/Transformer/CacheLayout.h"
#include "ir/Transformer/Transformer.h"
#include "passes/Passes.h"
#include "passes/StepParts.h"

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
using namespace transom;

namespace {

using IsGone = llvm::function_ref<bool(std::optional<Dimension>)>;

/// Makes the step of one function.
class Stepper {
public:
  explicit Stepper(func::FuncOp forward)
      : forward(forward), builder(forward.getContext()) {}

  LogicalResult run();
  const StepParts &getParts() const { return parts; }

private:
  FailureOr<func::FuncOp> copy(func::FuncOp from, ProgramKind kind,
                               IRMapping &map);
  LogicalResult addEncode(RankedTensorType cacheType);
  void introduce(RankedTensorType cacheType);

  func::FuncOp forward, step;
  OpBuilder builder;
  StepParts parts; ///< of the step
};

FailureOr<func::FuncOp> Stepper::copy(func::FuncOp from, ProgramKind kind,
                                      IRMapping &map) {
  llvm::StringRef name = stringifyProgramKind(kind);
  auto module = forward->getParentOfType<ModuleOp>();
  if (Operation *taken = SymbolTable::lookupSymbolIn(module, name))
    return refuseStep(forward, taken,
                      "expects another name than @" + name +
                          ", which is added");
  func::FuncOp function = from.clone(map);
  function.setSymName(name);
  function->removeAttr(generatesAttr);
  function->setAttr(programAttr,
                    ProgramKindAttr::get(builder.getContext(), kind));
  builder.setInsertionPointAfter(forward);
  builder.insert(function);
  return function;
}

/// Drops results by their leading dimension, all that only they needed, and
/// then the arguments that nothing reads, by theirs.
void drop(func::FuncOp function, IsGone isResultGone, IsGone isArgumentGone) {
  llvm::BitVector results(function.getNumResults());
  for (unsigned number = 0; number < function.getNumResults(); ++number)
    results[number] = isResultGone(getDim(function.getResultAttrDict(number)));
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
    arguments[number] = argument.use_empty() &&
                        isArgumentGone(getDim(function.getArgAttrDict(number)));
  }
  (void)function.eraseArguments(arguments);
}

Value addArgument(func::FuncOp function, InputRole role, Type type) {
  unsigned number = function.getNumArguments();
  DictionaryAttr attributes = getRoleAttributes(function.getContext(), role);
  (void)function.insertArgument(
      number, type, attributes,
      NameLoc::get(attributes.getAs<StringAttr>(nameAttr)));
  return function.getArgument(number);
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

/// Wide enough for a token of the decoder and for one of its encoder, whose
/// blocks are the same cache's.
RankedTensorType getCacheType(const StepParts &parts) {
  auto count = [](ArrayRef<RaggedAttentionOp> ops) {
    int64_t columns = 0;
    for (RaggedAttentionOp op : ops)
      columns += getColumns(op);
    return columns;
  };
  RaggedAttentionOp first = parts.layers.front();
  return first.getKey().getType().clone(
      {ShapedType::kDynamic,
       std::max(count(parts.layers), count(parts.crossAttentions))});
}

/// The encoder's tokens are the only ones that its function has: what were
/// `encoder_tokens` beside a decoder's are its `tokens`.
void makeOwnTokens(func::FuncOp function) {
  auto rename = [&](DictionaryAttr attributes) {
    if (getDim(attributes) == Dimension::EncoderTokens)
      return replaceDims(attributes, Dimension::Tokens);
    InputRole role = getRole(attributes);
    const TokenSetInfo &encoder = tokenSets[1];
    if (role == encoder.offsets)
      return getRoleAttributes(function.getContext(), tokenSets[0].offsets);
    if (role != encoder.keyLengths)
      return attributes;
    NamedAttrList list(attributes);
    for (NamedAttribute own :
         getRoleAttributes(function.getContext(), tokenSets[0].keyLengths))
      list.set(own.getName(), own.getValue());
    return list.getDictionary(function.getContext());
  };
  for (unsigned number = 0; number < function.getNumArguments(); ++number)
    function.setArgAttrs(number, rename(function.getArgAttrDict(number)));
  for (unsigned number = 0; number < function.getNumResults(); ++number)
    if (DictionaryAttr attributes = function.getResultAttrDict(number))
      function.setResultAttrs(number, rename(attributes));
}

/// What the step, still without a cache, takes from the encoder.
LogicalResult Stepper::addEncode(RankedTensorType cacheType) {
  IRMapping map;
  FailureOr<func::FuncOp> encode = copy(step, ProgramKind::Encode, map);
  if (failed(encode))
    return failure();
  Value slots =
      addArgument(*encode, InputRole::CacheSlots, getIntegers(builder));
  Value cache = addArgument(*encode, InputRole::Cache, cacheType);
  int64_t at = 0;
  for (RaggedAttentionOp op : parts.crossAttentions) {
    Value key = map.lookup(op.getKey()), value = map.lookup(op.getValue());
    builder.setInsertionPoint(map.lookup(op.getOperation()));
    cache = AppendCacheOp::create(builder, op.getLoc(), cache, key, value,
                                  slots, op.getKeyHeads(), at);
    at += getColumns(op);
  }
  returnCache(*encode, cache);
  auto isOfStep = [](std::optional<Dimension> dim) {
    return dim != Dimension::EncoderTokens && dim != Dimension::Slots;
  };
  drop(*encode, isOfStep, isOfStep);
  makeOwnTokens(*encode);
  return success();
}

/// ragged_attention(q, k, v) => cached_attention(q, append_cache(cache, k, v)),
/// or, of an encoder's keys, which are there, cached_attention(q, cache).
void Stepper::introduce(RankedTensorType cacheType) {
  RankedTensorType integers = getIntegers(builder);
  auto add = [&](InputRole role) { return addArgument(step, role, integers); };
  Value slots = add(InputRole::CacheSlots);
  Value table = add(InputRole::BlockTable);
  Value blocks = add(InputRole::BlockOffsets);
  Value encoderTable, encoderBlocks;
  if (!parts.crossAttentions.empty()) {
    encoderTable = add(InputRole::EncoderBlockTable);
    encoderBlocks = add(InputRole::EncoderBlockOffsets);
  }
  Value cache = addArgument(step, InputRole::Cache, cacheType);

  auto attend = [&](RaggedAttentionOp op, Value lengths, Value table,
                    Value blocks, int64_t &at) {
    auto attention = CachedAttentionOp::create(
        builder, op.getLoc(), op.getQuery(), cache, parts.offsets, lengths,
        table, blocks, op.getDistanceBias(), op.getFirstDistance(),
        op.getHeads(), op.getKeyHeads(), at, op.getCausal(), op.getScale());
    at += getColumns(op);
    op.replaceAllUsesWith(attention.getResult());
    op.erase();
  };
  int64_t at = 0, encoderAt = 0;
  for (Operation &op : llvm::make_early_inc_range(step.front())) {
    auto attention = dyn_cast<RaggedAttentionOp>(op);
    if (!attention)
      continue;
    builder.setInsertionPoint(attention);
    if (llvm::is_contained(parts.crossAttentions, attention)) {
      attend(attention, parts.encoderLengths, encoderTable, encoderBlocks,
             encoderAt);
    } else if (llvm::is_contained(parts.layers, attention)) {
      cache = AppendCacheOp::create(builder, op.getLoc(), cache,
                                    attention.getKey(), attention.getValue(),
                                    slots, attention.getKeyHeads(), at);
      attend(attention, parts.lengths, table, blocks, at);
    }
  }
  returnCache(step, cache);
  auto isOfEncoder = [](std::optional<Dimension> dim) {
    return dim == Dimension::EncoderTokens;
  };
  drop(step, isOfEncoder, [&](std::optional<Dimension> dim) {
    return isOfEncoder(dim) || dim == Dimension::SequencesPlusOne;
  });
}

LogicalResult Stepper::run() {
  IRMapping map;
  FailureOr<func::FuncOp> copied = copy(forward, ProgramKind::Step, map);
  if (failed(copied))
    return failure();
  step = *copied;
  // Results per sequence, such as a class, go with all that only they need.
  auto isPerSequence = [](std::optional<Dimension> dim) {
    return dim == Dimension::Sequences;
  };
  drop(step, isPerSequence, isPerSequence);
  if (failed(findStepParts(forward, step, parts)))
    return failure();
  RankedTensorType cacheType = getCacheType(parts);
  if (!parts.crossAttentions.empty() && failed(addEncode(cacheType)))
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
      numLayers += stepper.getParts().layers.size();
      numCrossAttentions += stepper.getParts().crossAttentions.size();
    }
  }
};

} // namespace
