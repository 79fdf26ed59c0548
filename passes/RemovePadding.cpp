//===- RemovePadding.cpp - [batch, length] -> packed [tokens] -------------===//
//
// Only the interface of a model pads a batch of sequences of unequal length to
// [batch, length, ..]. This pass rebuilds the function on the tokens that are
// there, one after another: [tokens, ..]. A rowwise op stays as it is; ops
// with a packed form of their own build it (ir/Transformer/Packing.cpp);
// anything else mixes tokens with padding, and is refused.
//
//===----------------------------------------------------------------------===//

#include "passes/Contracts.h"
#include "passes/PaddedSignature.h"
#include "passes/Passes.h"

#include "mlir/Dialect/Arith/IR/Arith.h"
#include "mlir/IR/IRMapping.h"

namespace transom {
#define GEN_PASS_DEF_REMOVEPADDING
#include "passes/Passes.h.inc"
} // namespace transom

using namespace mlir;
using namespace transom;
using namespace transom::transformer;

namespace {

/// Packs the ops of one function that have no packed form of their own.
class OpPacker {
public:
  OpPacker(Operation *op, Packing &packing) : op(op), packing(packing) {}

  bool isUniform() const {
    return llvm::all_of(op->getOperands(), [&](Value value) {
      return packing.lookup(value).kind == PackedValue::Uniform;
    });
  }
  void cloneUniform();
  LogicalResult packRowwise();

private:
  FailureOr<Value> packOperand(OpOperand &operand);
  FailureOr<Value> narrow(OpOperand &operand);
  bool isBroadcast(OpOperand &operand) const;
  InFlightDiagnostic refuse() {
    InFlightDiagnostic diagnostic = op->emitOpError();
    attachConsumingPass(diagnostic, op);
    return diagnostic;
  }

  Operation *op;
  Packing &packing;
  /// Of a rowwise op: whose rows the results have, and what they are.
  OpOperand *rows = nullptr;
  PackedValue packed;
  int64_t rank = 0; ///< of the padded rows operand
};
} // namespace

/// Weights, constants and what is made of them alone stay as they are.
void OpPacker::cloneUniform() {
  IRMapping mapping;
  for (Value operand : op->getOperands())
    mapping.map(operand, packing.lookup(operand).value);
  Operation *clone = packing.builder.clone(*op, mapping);
  for (auto [padded, result] :
       llvm::zip_equal(op->getResults(), clone->getResults()))
    packing.set(padded, {PackedValue::Uniform, result, 0});
}

/// Whether the op repeats an operand of fewer dimensions along its rows.
bool OpPacker::isBroadcast(OpOperand &operand) const {
  if (auto linear = dyn_cast<LinearOp>(op))
    return operand.getOperandNumber() >=
           op->getNumOperands() - linear.getExtras().size();
  return isa<ElementwiseOpInterface, ElementwiseOp>(op);
}

/// A uniform operand that is broadcast must not reach the dimensions that are
/// packed: [T, C] beside [B, T, C] is a table of positions. Extents of 1 there
/// are dropped if need be.
FailureOr<Value> OpPacker::narrow(OpOperand &operand) {
  Value value = packing.lookup(operand.get()).value;
  auto type = dyn_cast<RankedTensorType>(value.getType());
  int64_t features = rank - packed.getRowDims();
  if (!type || type.getRank() <= features)
    return value;
  ArrayRef<int64_t> leading = type.getShape().drop_back(features);
  if (llvm::any_of(leading, [](int64_t extent) { return extent != 1; }))
    return refuse() << "expects operand " << operand.getOperandNumber()
                    << " without a batch to be the same for all tokens, got "
                    << type;
  if (leading.size() == 1)
    return value;
  DenseElementsAttr constant;
  if (!matchPattern(value, m_Constant(&constant)))
    return refuse() << "expects operand " << operand.getOperandNumber()
                    << " to have at most " << features + 1
                    << " dimensions, got " << type;
  auto shape = RankedTensorType::get(type.getShape().take_back(features),
                                     type.getElementType());
  return arith::ConstantOp::create(packing.builder, value.getLoc(),
                                   constant.reshape(shape))
      .getResult();
}

FailureOr<Value> OpPacker::packOperand(OpOperand &operand) {
  PackedValue value = packing.lookup(operand.get());
  if (value.kind == PackedValue::Uniform)
    return isBroadcast(operand) ? narrow(operand) : value.value;
  if (!value.hasRowsOf(packed))
    return refuse() << "expects operand " << operand.getOperandNumber()
                    << " to be " << describe(packed) << ", got "
                    << describe(value);
  // An embedding's table is the one operand whose rows are not the result's.
  if (cast<ShapedType>(operand.get().getType()).getRank() != rank ||
      (isa<EmbeddingOp>(op) && &operand != rows))
    return refuse() << "expects operand " << operand.getOperandNumber()
                    << " to have the rows of the result, got "
                    << operand.get().getType();
  return value.value;
}

LogicalResult OpPacker::packRowwise() {
  auto rowwise = dyn_cast<RowwiseOpInterface>(op);
  if (!rowwise)
    return refuse() << "has no packed form";
  rows = &rowwise.getRowsOperand();
  packed = packing.lookup(rows->get());
  rank = cast<ShapedType>(rows->get().getType()).getRank();
  if (!packed.hasRows())
    return refuse() << "expects values per token or per sequence, got "
                    << describe(packed);
  int64_t rowDims = packed.getRowDims();
  if (!rowwise.isRowwise(rowDims))
    return refuse() << "expects to be rowwise in the first " << rowDims
                    << " dimensions, which are packed, got one that mixes "
                    << describe(packed);

  IRMapping mapping;
  for (OpOperand &operand : op->getOpOperands()) {
    FailureOr<Value> value = packOperand(operand);
    if (failed(value))
      return failure();
    mapping.map(operand.get(), *value);
  }
  Operation *clone = packing.builder.clone(*op, mapping);
  for (auto [padded, result] :
       llvm::zip_equal(op->getResults(), clone->getResults())) {
    result.setType(packed.getType(padded.getType()));
    packing.set(padded, {packed.kind, result, packed.set});
  }
  cast<RowwiseOpInterface>(clone).mergeRowDims(rowDims);
  return success();
}

/// Ops with a packed form of their own come first: a table of positions without
/// a batch is not a query, though it could stay as it is.
static LogicalResult pack(Operation *op, Packing &packing) {
  if (auto packable = dyn_cast<PackableOpInterface>(op))
    return packable.pack(packing);
  OpPacker packer(op, packing);
  if (!packer.isUniform())
    return packer.packRowwise();
  packer.cloneUniform();
  return success();
}

/// Nothing of the padded body changes before all of it has a packed form.
static LogicalResult pack(func::FuncOp function) {
  Packing packing(function.getContext());
  Block &padded = function.front();
  if (failed(packArguments(function, packing)))
    return failure();
  for (Operation &op : padded.without_terminator())
    if (failed(pack(&op, packing)))
      return failure();
  FailureOr<SmallVector<Attribute>> resultAttrs =
      packResults(function, packing);
  if (failed(resultAttrs) || failed(packing.verifyLastRows()))
    return failure();

  Block *body = packing.body.release();
  function.getBody().push_back(body);
  padded.dropAllReferences();
  padded.erase();
  function.setType(FunctionType::get(function.getContext(),
                                     body->getArgumentTypes(),
                                     body->getTerminator()->getOperandTypes()));
  Builder builder(function.getContext());
  function.setArgAttrsAttr(builder.getArrayAttr(packing.argumentAttrs));
  function.setResAttrsAttr(builder.getArrayAttr(*resultAttrs));
  return success();
}

namespace {

struct RemovePadding : transom::impl::RemovePaddingBase<RemovePadding> {
  void runOnOperation() override {
    for (auto function : getOperation().getOps<func::FuncOp>()) {
      if (!isPadded(function))
        continue;
      numPacked += llvm::range_size(function.front());
      if (failed(pack(function)))
        return signalPassFailure();
    }
  }
};

} // namespace
