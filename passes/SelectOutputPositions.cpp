//===- SelectOutputPositions.cpp - compute only the requested rows --------===//
//
// Logits over a vocabulary are the widest activation of a model and, next to
// what feeds them, the most work, while a caller wants them for a few tokens:
// the masked ones, or the last one. Row i of such a tail needs row i of the
// activations before it alone, so these are gathered first, by an argument with
// the requested rows, and all that follows is as many rows long.
//
// A frontend marks the results: `transformer.select_output_positions`.
//
//===----------------------------------------------------------------------===//

#include "ir/Transformer/Transformer.h"
#include "passes/Passes.h"
#include "passes/Remarks.h"

#include "mlir/Dialect/Func/IR/FuncOps.h"
#include "llvm/ADT/MapVector.h"
#include "llvm/ADT/SmallPtrSet.h"

namespace transom {
#define GEN_PASS_DEF_SELECTOUTPUTPOSITIONS
#include "passes/Passes.h.inc"
} // namespace transom

using namespace mlir;
using namespace transom::transformer;

namespace {

/// Weights and constants have no rows that only a run knows.
bool hasRows(Value value) {
  auto type = cast<RankedTensorType>(value.getType());
  return type.getRank() > 0 && type.isDynamicDim(0);
}

/// What an embedding can take rows of: [N, C] of f32.
bool isTable(Value value) {
  auto type = cast<RankedTensorType>(value.getType());
  return type.getRank() == 2 && type.isDynamicDim(0) && !type.isDynamicDim(1) &&
         type.getElementType().isF32();
}

/// Makes each row from the same rows of its activations, all of which are
/// tables; so embeddings, whose rows are of ids, are not meant.
bool isOfTail(Operation &op) {
  auto rowwise = dyn_cast<RowwiseOpInterface>(op);
  if (!rowwise || !rowwise.isRowwise(/*rowDims=*/1))
    return false;
  auto activations = llvm::make_filter_range(op.getOperands(), hasRows);
  return !activations.empty() && llvm::all_of(activations, isTable);
}

/// Works on one function of packed tokens.
class Selector {
public:
  explicit Selector(func::FuncOp function)
      : function(function), terminator(function.front().getTerminator()) {}

  LogicalResult run();
  int64_t getNumSelected() const { return tail.size(); }

private:
  LogicalResult findResults();
  bool isSelected(OpOperand &use) const {
    return use.getOwner() == terminator
               ? llvm::is_contained(results, use.getOperandNumber())
               : tail.contains(use.getOwner());
  }
  void findTail();
  Value gather(Value value);
  void addArgument();

  func::FuncOp function;
  Operation *terminator;
  SmallVector<unsigned> results; ///< numbers of those that are marked
  llvm::SmallPtrSet<Operation *, 16> tail;
  Value rows; ///< the argument
  llvm::DenseMap<Value, Value> gathered;
};

LogicalResult Selector::findResults() {
  for (unsigned number = 0; number < function.getNumResults(); ++number) {
    if (!function.getResultAttr(number, selectOutputPositionsAttr))
      continue;
    if (getDim(function.getResultAttrDict(number)) != Dimension::Tokens)
      return function.emitOpError()
             << "result " << number << " expects '" << dimsAttr
             << "' to begin with \"tokens\" for '" << selectOutputPositionsAttr
             << "'";
    if (!isTable(terminator->getOperand(number)))
      return function.emitOpError()
             << "result " << number << " expects rows of f32 for '"
             << selectOutputPositionsAttr << "', got "
             << function.getResultTypes()[number];
    results.push_back(number);
  }
  if (results.empty())
    return success();
  for (unsigned number = 0; number < function.getNumArguments(); ++number)
    if (getName(function.getArgAttrDict(number)) ==
        stringifyInputRole(InputRole::OutputPositions))
      return function.emitOpError()
             << "argument " << number << " expects another name than \""
             << stringifyInputRole(InputRole::OutputPositions) << "\", which '"
             << selectOutputPositionsAttr << "' adds";
  return success();
}

/// The largest one: an op belongs to it if nothing else needs its results.
void Selector::findTail() {
  for (Operation &op : llvm::reverse(function.front()))
    if (!op.use_empty() && isOfTail(op) &&
        llvm::all_of(op.getUses(),
                     [&](OpOperand &use) { return isSelected(use); }))
      tail.insert(&op);
  for (unsigned number : results) {
    Operation *producer = terminator->getOperand(number).getDefiningOp();
    if (producer && !tail.contains(producer))
      transom::missedFusion(producer, "select-output-positions",
                            "result is also used elsewhere, or not made row by "
                            "row: it is computed for all tokens");
  }
}

/// The requested rows of `value`. A slice costs nothing where it is used,
/// so it follows its gather.
Value Selector::gather(Value value) {
  if (Value known = gathered.lookup(value))
    return known;
  OpBuilder builder(function.getContext());
  Value result;
  auto slice = value.getDefiningOp<SliceOp>();
  if (slice && slice.isRowwise(/*rowDims=*/1) && isTable(slice.getInput())) {
    Value input = gather(slice.getInput());
    builder.setInsertionPointAfterValue(value);
    auto copy = cast<SliceOp>(builder.clone(*slice));
    copy.getInputMutable().assign(input);
    result = copy.getResult();
  } else {
    builder.setInsertionPointAfterValue(value);
    result = EmbeddingOp::create(builder, value.getLoc(), value.getType(), rows,
                                 value);
  }
  gathered[value] = result;
  return result;
}

void Selector::addArgument() {
  Builder builder(function.getContext());
  DictionaryAttr attributes =
      getRoleAttributes(function.getContext(), InputRole::OutputPositions);
  unsigned number = function.getNumArguments();
  // All operands of a function's type and attributes are known to be good.
  (void)function.insertArgument(
      number,
      RankedTensorType::get({ShapedType::kDynamic}, builder.getI32Type()),
      attributes, NameLoc::get(attributes.getAs<StringAttr>(nameAttr)));
  rows = function.getArgument(number);
  for (unsigned result : results) {
    function.setResultAttrs(result,
                            replaceDims(function.getResultAttrDict(result),
                                        Dimension::OutputPositions));
    function.removeResultAttr(result,
                              builder.getStringAttr(selectOutputPositionsAttr));
  }
}

LogicalResult Selector::run() {
  if (failed(findResults()))
    return failure();
  if (results.empty())
    return success();
  findTail();
  addArgument();
  SmallVector<OpOperand *> frontier;
  for (Operation &op : function.front())
    for (OpOperand &operand : op.getOpOperands())
      if (isSelected(operand) && hasRows(operand.get()) &&
          !tail.contains(operand.get().getDefiningOp()))
        frontier.push_back(&operand);
  for (OpOperand *operand : frontier)
    operand->set(gather(operand->get()));
  return success();
}

struct SelectOutputPositions
    : transom::impl::SelectOutputPositionsBase<SelectOutputPositions> {
  void runOnOperation() override {
    for (auto function : getOperation().getOps<func::FuncOp>()) {
      if (function.isExternal() || !function.getBody().hasOneBlock())
        continue;
      Selector selector(function);
      if (failed(selector.run()))
        return signalPassFailure();
      numSelected += selector.getNumSelected();
    }
  }
};

} // namespace
