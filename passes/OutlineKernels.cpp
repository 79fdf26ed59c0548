//===- OutlineKernels.cpp - each distinct op -> one kernel symbol ---------===//
//
// Layers repeat: what they compute is said once, in the body of a
// `kernel.define`, and each place keeps a `kernel.call`. Slices of the last
// axis go along into the body, for they cost nothing: a kernel reads its
// operand at an offset. So do splat constants. Weights stay arguments.
//
//===----------------------------------------------------------------------===//

#include "ir/Kernel/Kernel.h"
#include "ir/Transformer/Transformer.h"
#include "passes/Passes.h"

#include "mlir/Dialect/Arith/IR/Arith.h"
#include "mlir/Dialect/Func/IR/FuncOps.h"
#include "mlir/IR/Matchers.h"
#include "mlir/IR/OperationSupport.h"
#include "mlir/IR/SymbolTable.h"
#include "llvm/ADT/StringMap.h"
#include "llvm/ADT/TypeSwitch.h"

namespace transom {
#define GEN_PASS_DEF_OUTLINEKERNELS
#include "passes/Passes.h.inc"
} // namespace transom

using namespace mlir;
using namespace transom::transformer;
namespace kernel = transom::kernel;

namespace {

//===----------------------------------------------------------------------===//
// Names
//===----------------------------------------------------------------------===//

/// The last extent of a tensor.
int64_t columns(Value value) {
  return cast<RankedTensorType>(value.getType()).getShape().back();
}

/// Appends what a region computes: `_gelu_add`. A long chain is only called
/// one.
void appendChain(llvm::raw_ostream &name, Region &region) {
  constexpr size_t longest = 4;
  SmallVector<llvm::StringRef> ops;
  for (Operation &op : region.getOps())
    if (isa<ElementwiseOpInterface>(op))
      ops.push_back(op.getName().stripDialect());
  if (ops.size() > longest)
    name << "_chain" << ops.size();
  else
    for (llvm::StringRef op : ops)
      name << '_' << op;
}

/// Heads and their size, of an attention to packed or cached keys.
template <typename AttentionOp>
void appendHeads(llvm::raw_ostream &name, AttentionOp op) {
  name << '_' << op.getHeads() << 'x' << columns(op.getQuery()) / op.getHeads();
  if (op.getKeyHeads() != op.getHeads())
    name << "_keys" << op.getKeyHeads();
  if (op.getCausal())
    name << "_causal";
  if (op.getDistanceBias())
    name << "_distances" << columns(op.getDistanceBias());
}

/// `linear_768x3072_gelu`: what and how wide, not where. Not unique.
std::string nameKernel(Operation *op) {
  std::string result;
  llvm::raw_string_ostream name(result);
  name << op->getName().stripDialect();
  llvm::TypeSwitch<Operation *>(op)
      .Case<LinearOp>([&](LinearOp op) {
        name << '_' << columns(op.getInput()) << 'x' << columns(op.getResult());
        appendChain(name, op.getEpilogue());
      })
      .Case<RaggedAttentionOp, CachedAttentionOp>(
          [&](auto op) { appendHeads(name, op); })
      .Case<AppendCacheOp>([&](AppendCacheOp op) {
        name << '_' << op.getKeyHeads() << 'x'
             << columns(op.getKey()) / op.getKeyHeads();
      })
      .Case<RotaryOp>([&](RotaryOp op) {
        name << '_' << *op.getHeads() << 'x'
             << columns(op.getInput()) / *op.getHeads();
      })
      .Case<ElementwiseOp>([&](ElementwiseOp op) {
        name << '_' << columns(op.getResult(0));
        appendChain(name, op.getBody());
      })
      .Case<ReshapeOp>([&](ReshapeOp) { name << "_column"; })
      .Case<ReduceOp>([&](ReduceOp op) {
        name << '_' << stringifyReduction(op.getKind()) << '_'
             << columns(op.getInput());
      })
      .Default(
          [&](Operation *op) { name << '_' << columns(op->getResult(0)); });
  return result;
}

/// Names of the model's places in a location, in order, each once.
void collectNames(Location location, SmallVectorImpl<llvm::StringRef> &names) {
  if (auto name = dyn_cast<NameLoc>(location)) {
    if (!llvm::is_contained(names, name.getName().getValue()))
      names.push_back(name.getName());
  } else if (auto fused = dyn_cast<FusedLoc>(location)) {
    for (Location part : fused.getLocations())
      collectNames(part, names);
  } else if (auto call = dyn_cast<CallSiteLoc>(location)) {
    collectNames(call.getCallee(), names);
  }
}

/// `encoder.layer.0.attention.self.{query,key,value}`: what the names of fused
/// ops share stands once.
std::string nameLayer(Location location) {
  SmallVector<llvm::StringRef> names;
  collectNames(location, names);
  if (names.empty())
    return "";
  if (names.size() == 1)
    return names.front().str();
  size_t shared = 0;
  for (size_t at = 0; at < names.front().size(); ++at) {
    if (!llvm::all_of(names, [&](llvm::StringRef name) {
          return name.starts_with(names.front().take_front(at + 1));
        }))
      break;
    if (names.front()[at] == '.')
      shared = at + 1;
  }
  std::string result = names.front().take_front(shared).str() + "{";
  llvm::raw_string_ostream stream(result);
  llvm::interleave(
      names, stream,
      [&](llvm::StringRef name) { stream << name.drop_front(shared); }, ",");
  return result + "}";
}

//===----------------------------------------------------------------------===//
// Outlining
//===----------------------------------------------------------------------===//

bool isLastAxisSlice(Operation *op) {
  auto slice = dyn_cast_or_null<SliceOp>(op);
  if (!slice)
    return false;
  int64_t rank = slice.getInput().getType().getRank();
  int64_t axis = slice.getAxis();
  return slice.getStep() == 1 && rank == 2 && (axis == 1 || axis == -1);
}

bool isSplat(Operation *op) {
  DenseElementsAttr constant;
  return op && matchPattern(op, m_Constant(&constant)) && constant.isSplat();
}

/// The operand whose leading extent is the number of rows.
unsigned getRowsOperand(Operation *op) {
  if (auto rowwise = dyn_cast<RowwiseOpInterface>(op))
    return rowwise.getRowsOperand().getOperandNumber();
  if (auto update = dyn_cast<UpdateOpInterface>(op))
    return update.getRowsOperand().getOperandNumber();
  return 0; // An attention's query, reduce's input.
}

/// Moves the ops of one module into definitions.
class Outliner {
public:
  explicit Outliner(ModuleOp module)
      : module(module), symbols(module),
        builder(OpBuilder::atBlockBegin(module.getBody())) {}

  void outline(func::FuncOp function);
  int64_t numKernels = 0, numCalls = 0;

private:
  void outline(Operation *op);
  kernel::DefineOp getOrInsert(kernel::DefineOp candidate,
                               llvm::StringRef name);

  ModuleOp module;
  SymbolTable symbols;
  OpBuilder builder;
  /// All definitions of one name, so that only these are compared.
  llvm::StringMap<SmallVector<kernel::DefineOp>> definitions;
};

/// The definition that is structurally `candidate`, which then goes, or else
/// `candidate` itself under a name of its own.
kernel::DefineOp Outliner::getOrInsert(kernel::DefineOp candidate,
                                       llvm::StringRef name) {
  SmallVector<kernel::DefineOp> &known = definitions[name];
  for (kernel::DefineOp definition : known)
    if (definition.getFunctionType() == candidate.getFunctionType() &&
        definition.getRows() == candidate.getRows() &&
        definition.getWeights() == candidate.getWeights() &&
        OperationEquivalence::isRegionEquivalentTo(
            &definition.getBody(), &candidate.getBody(),
            OperationEquivalence::IgnoreLocations)) {
      candidate.erase();
      return definition;
    }
  candidate.setSymName(name);
  builder.insert(candidate);
  symbols.insert(candidate, Block::iterator(candidate));
  known.push_back(candidate);
  ++numKernels;
  return candidate;
}

void Outliner::outline(Operation *op) {
  // Arguments of the kernel: the op's operands in order, one each even where
  // they are the same buffer, so that a family finds them by their place.
  SmallVector<Value> outside;
  SmallVector<int64_t> weights;
  int64_t rows = 0;
  for (OpOperand &operand : op->getOpOperands()) {
    Operation *producer = operand.get().getDefiningOp();
    if (isSplat(producer))
      continue;
    if (operand.getOperandNumber() == getRowsOperand(op))
      rows = outside.size();
    Value source = operand.get();
    if (isLastAxisSlice(producer))
      source = producer->getOperand(0);
    if (source.getDefiningOp<GetWeightOp>())
      weights.push_back(outside.size());
    outside.push_back(source);
  }
  // A second result without uses is not stored.
  SmallVector<OpResult> used(llvm::make_filter_range(
      op->getResults(), [](OpResult result) { return !result.use_empty(); }));

  std::string name = nameKernel(op);
  MLIRContext *context = op->getContext();
  Location unknown = UnknownLoc::get(context); // It belongs to many places.
  OpBuilder detached(context);
  auto candidate = kernel::DefineOp::create(
      detached, unknown, name,
      FunctionType::get(
          context, TypeRange(ValueRange(outside)),
          llvm::map_to_vector(
              used, [](OpResult result) { return result.getType(); })),
      rows, weights);
  Block &body = candidate.getBody().front();
  OpBuilder inside = OpBuilder::atBlockEnd(&body);
  SmallVector<Value> operands;
  unsigned argument = 0;
  for (Value operand : op->getOperands()) {
    Operation *producer = operand.getDefiningOp();
    if (!isSplat(producer) && !isLastAxisSlice(producer)) {
      operands.push_back(body.getArgument(argument++));
      continue;
    }
    Operation *along = inside.clone(*producer);
    along->setLoc(unknown);
    if (!isSplat(producer))
      along->setOperand(0, body.getArgument(argument++));
    operands.push_back(along->getResult(0));
  }
  Operation *clone = inside.clone(*op);
  clone->setOperands(operands);
  // All layers of a cache have the kernel of the first one.
  IntegerAttr at;
  if (auto layer = dyn_cast<CacheOpInterface>(clone); layer && layer.getAt()) {
    at = inside.getI64IntegerAttr(layer.getAt());
    layer.setAt(0);
  }
  clone->walk([&](Operation *nested) { nested->setLoc(unknown); });
  kernel::YieldOp::create(
      inside, unknown, llvm::map_to_vector(used, [&](OpResult result) -> Value {
        return clone->getResult(result.getResultNumber());
      }));
  kernel::DefineOp definition = getOrInsert(candidate, name);

  OpBuilder place(op);
  std::string layer = nameLayer(op->getLoc());
  auto call = kernel::CallOp::create(
      place, op->getLoc(), definition.getFunctionType().getResults(),
      FlatSymbolRefAttr::get(definition.getSymNameAttr()), outside,
      layer.empty() ? StringAttr() : place.getStringAttr(layer), at);
  for (auto [result, replacement] : llvm::zip_equal(used, call.getResults()))
    result.replaceAllUsesWith(replacement);
  op->erase();
  ++numCalls;
}

/// Whether every user takes the slice along into its kernel.
bool isAbsorbed(Operation *op) {
  return isLastAxisSlice(op) &&
         llvm::none_of(op->getUsers(), [](Operation *user) {
           return isa<SliceOp>(user) || user->hasTrait<OpTrait::IsTerminator>();
         });
}

/// All ops here are pure.
void eraseUnused(func::FuncOp function) {
  for (Operation &op :
       llvm::make_early_inc_range(llvm::reverse(function.front())))
    if (!op.hasTrait<OpTrait::IsTerminator>() && op.use_empty())
      op.erase();
}

void Outliner::outline(func::FuncOp function) {
  eraseUnused(function);
  for (Operation &op : llvm::make_early_inc_range(function.front()))
    if (!op.hasTrait<OpTrait::IsTerminator>() && !isa<GetWeightOp>(op) &&
        !isSplat(&op) && !isAbsorbed(&op))
      outline(&op);
  // The slices and constants that went along.
  eraseUnused(function);
}

struct OutlineKernels : transom::impl::OutlineKernelsBase<OutlineKernels> {
  void runOnOperation() override {
    Outliner outliner(getOperation());
    for (auto function : getOperation().getOps<func::FuncOp>())
      if (!function.isExternal())
        outliner.outline(function);
    numKernels += outliner.numKernels;
    numCalls += outliner.numCalls;
  }
};

} // namespace
