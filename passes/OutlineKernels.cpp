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
#include "passes/KernelNames.h"
#include "passes/Passes.h"

#include "mlir/Dialect/Arith/IR/Arith.h"
#include "mlir/Dialect/Func/IR/FuncOps.h"
#include "mlir/IR/Matchers.h"
#include "mlir/IR/OperationSupport.h"
#include "mlir/IR/SymbolTable.h"

namespace transom {
#define GEN_PASS_DEF_OUTLINEKERNELS
#include "passes/Passes.h.inc"
} // namespace transom

using namespace mlir;
using namespace transom;
using namespace transom::transformer;

namespace {

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
  return 0; // An attention's query.
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
  kernel::DefineOp define(Operation *op, ArrayRef<OpResult> results,
                          SmallVectorImpl<Value> &arguments);
  kernel::DefineOp getOrInsert(kernel::DefineOp candidate);

  ModuleOp module;
  SymbolTable symbols;
  OpBuilder builder;
  /// All definitions of one name, so that only these are compared.
  llvm::DenseMap<StringAttr, SmallVector<kernel::DefineOp>> definitions;
};

/// The definition that is structurally `candidate`, which then goes, or else
/// `candidate` itself, in the module and under a name of its own.
kernel::DefineOp Outliner::getOrInsert(kernel::DefineOp candidate) {
  SmallVector<kernel::DefineOp> &known =
      definitions[candidate.getSymNameAttr()];
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
  builder.insert(candidate);
  symbols.insert(candidate, Block::iterator(candidate));
  known.push_back(candidate);
  ++numKernels;
  return candidate;
}

/// A kernel of `op` alone, not yet in the module. Its arguments are the
/// operands in order, one each even where two are the same buffer, so that a
/// family finds them by their place.
kernel::DefineOp Outliner::define(Operation *op, ArrayRef<OpResult> results,
                                  SmallVectorImpl<Value> &arguments) {
  SmallVector<int64_t> weights;
  int64_t rows = 0;
  for (OpOperand &operand : op->getOpOperands()) {
    Operation *producer = operand.get().getDefiningOp();
    if (isSplat(producer))
      continue;
    if (operand.getOperandNumber() == getRowsOperand(op))
      rows = arguments.size();
    Value source =
        isLastAxisSlice(producer) ? producer->getOperand(0) : operand.get();
    if (source.getDefiningOp<GetWeightOp>())
      weights.push_back(arguments.size());
    arguments.push_back(source);
  }
  auto types = llvm::map_to_vector(
      results, [](OpResult result) { return result.getType(); });
  // Without a place: it belongs to many.
  MLIRContext *context = op->getContext();
  OpBuilder builder(context);
  auto define = kernel::DefineOp::create(
      builder, UnknownLoc::get(context), nameKernel(op),
      FunctionType::get(context, TypeRange(ValueRange(arguments)), types), rows,
      weights);

  Block &body = define.getBody().front();
  builder.setInsertionPointToEnd(&body);
  Block::BlockArgListType::iterator argument = body.args_begin();
  SmallVector<Value> operands;
  for (Value operand : op->getOperands()) {
    Operation *producer = operand.getDefiningOp();
    if (isSplat(producer)) {
      operands.push_back(builder.clone(*producer)->getResult(0));
    } else if (isLastAxisSlice(producer)) {
      Operation *slice = builder.clone(*producer);
      slice->setOperand(0, *argument++);
      operands.push_back(slice->getResult(0));
    } else {
      operands.push_back(*argument++);
    }
  }
  Operation *clone = builder.clone(*op);
  clone->setOperands(operands);
  auto yielded = llvm::map_to_vector(results, [&](OpResult result) -> Value {
    return clone->getResult(result.getResultNumber());
  });
  kernel::YieldOp::create(builder, define.getLoc(), yielded);
  // All layers of a cache have the kernel of the first one.
  if (auto layer = dyn_cast<CacheOpInterface>(clone))
    layer.setAt(0);
  define.walk([&](Operation *inner) { inner->setLoc(define.getLoc()); });
  return define;
}

void Outliner::outline(Operation *op) {
  // A second result without uses is not stored.
  SmallVector<OpResult> results(llvm::make_filter_range(
      op->getResults(), [](OpResult result) { return !result.use_empty(); }));
  SmallVector<Value> arguments;
  kernel::DefineOp definition = getOrInsert(define(op, results, arguments));

  OpBuilder place(op);
  std::string layer = nameLayer(op->getLoc());
  auto cached = dyn_cast<CacheOpInterface>(op);
  auto call = kernel::CallOp::create(
      place, op->getLoc(), definition.getFunctionType().getResults(),
      FlatSymbolRefAttr::get(definition.getSymNameAttr()), arguments,
      layer.empty() ? StringAttr() : place.getStringAttr(layer),
      cached && cached.getAt() ? place.getI64IntegerAttr(cached.getAt())
                               : IntegerAttr());
  for (auto [result, replacement] : llvm::zip_equal(results, call.getResults()))
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
