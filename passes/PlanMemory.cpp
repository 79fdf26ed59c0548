//===- PlanMemory.cpp - calls on tensors -> launches on one arena ---------===//
//
// An activation takes bytes-per-row times the rows of its extent, so the arena
// is one region an extent, regions one after another, and an offset is linear
// in the extents: a slot among the sequences starts at
//   (all bytes per token) * tokens + (its offset) * sequences.
// Within a region, slots whose live ranges don't meet share memory. The plan
// holds for every batch, and for every subset of the outputs: a launch that is
// skipped writes nothing, and the launches that would read from it are skipped
// too.
//
// What a kernel changes in place (the cache) is an argument of the function and
// stays where it is: no launch may read what it was before.
//
//===----------------------------------------------------------------------===//

#include "ir/Kernel/Kernel.h"
#include "ir/Transformer/Transformer.h"
#include "passes/Passes.h"

#include "mlir/Dialect/Func/IR/FuncOps.h"
#include "mlir/IR/SymbolTable.h"
#include "llvm/ADT/BitVector.h"
#include "llvm/ADT/MapVector.h"
#include "llvm/ADT/StringSwitch.h"

namespace transom {
#define GEN_PASS_DEF_PLANMEMORY
#include "passes/Passes.h.inc"
} // namespace transom

using namespace mlir;
namespace kernel = transom::kernel;
using transom::transformer::GetWeightOp;

namespace {

constexpr unsigned numExtents = kernel::numArenaExtents;
/// `transom_frame::requested` in runtime/abi.h has a bit for each output.
constexpr unsigned mostOutputs = 64;
/// TRANSOM_ROW_ALIGNMENT of runtime/abi.h, in elements.
constexpr int64_t rowAlignment = 64;

/// Number of rows of an activation: those of `extent`, and `slack` more.
struct Rows {
  kernel::Extent extent;
  int64_t slack = 0;
};

/// What the name of a leading dimension says.
std::optional<Rows> parseRows(llvm::StringRef name) {
  Rows rows{kernel::Extent::Tokens};
  auto [base, slack] = name.split('+');
  if (!slack.empty() && slack.getAsInteger(10, rows.slack))
    return std::nullopt;
  std::optional<kernel::Extent> extent = kernel::symbolizeExtent(base);
  if (!extent)
    return std::nullopt;
  rows.extent = *extent;
  return rows;
}

/// Bytes of one row in the arena: rows of [rows, width] are `rowAlignment`
/// elements or a multiple of it apart, and [rows] is stored as [rows, 1].
int64_t getRowBytes(RankedTensorType type) {
  int64_t width = type.getRank() == 2 ? type.getDimSize(1) : 1;
  int64_t elements = llvm::alignTo(width, rowAlignment);
  return elements * llvm::divideCeil(type.getElementTypeBitWidth(), 8);
}

/// One activation in the arena: alive from the call that writes it to the last
/// that reads it, both included.
struct Slot {
  Value value;
  Rows rows;
  int64_t bytes; ///< per row
  int64_t begin, end;
  unsigned number; ///< in the order of the calls
  int64_t offset = 0;

  bool meets(const Slot &other) const {
    return begin <= other.end && other.begin <= end;
  }
};

/// Places the slots of one region, the largest first, each into the tightest
/// gap that the slots alive at the same time leave. Returns the region's bytes
/// per row.
int64_t place(MutableArrayRef<Slot *> slots) {
  llvm::sort(slots, [](const Slot *lhs, const Slot *rhs) {
    return std::tie(rhs->bytes, lhs->number) <
           std::tie(lhs->bytes, rhs->number);
  });
  int64_t total = 0;
  for (auto [number, slot] : llvm::enumerate(slots)) {
    SmallVector<const Slot *> neighbours;
    for (const Slot *placed : slots.take_front(number))
      if (placed->meets(*slot))
        neighbours.push_back(placed);
    llvm::sort(neighbours, [](const Slot *lhs, const Slot *rhs) {
      return lhs->offset < rhs->offset;
    });
    int64_t gapBegin = 0, best = -1, bestGap = 0;
    for (const Slot *neighbour : neighbours) {
      int64_t gap = neighbour->offset - gapBegin;
      if (gap >= slot->bytes && (best < 0 || gap < bestGap)) {
        best = gapBegin;
        bestGap = gap;
      }
      gapBegin = std::max(gapBegin, neighbour->offset + neighbour->bytes);
    }
    slot->offset = best < 0 ? gapBegin : best;
    total = std::max(total, slot->offset + slot->bytes);
  }
  return total;
}

/// Turns one function into a program.
class Planner {
public:
  Planner(func::FuncOp function, SymbolTable &symbols)
      : function(function), symbols(symbols) {}

  LogicalResult run();
  int64_t getArenaBytes(kernel::Extent extent) const {
    return arena[static_cast<unsigned>(extent)];
  }

private:
  LogicalResult findRows();
  LogicalResult findRowsOfResults(kernel::CallOp call);
  LogicalResult checkUpdate(kernel::CallOp call, Value updated);
  void findOutputs();
  void findSlots();
  void rewrite();
  kernel::BufferType bufferType(Value value);

  func::FuncOp function;
  SymbolTable &symbols;
  SmallVector<kernel::CallOp> calls;
  llvm::DenseMap<Value, Rows> rows;
  /// The argument whose memory a value is a later state of.
  llvm::DenseMap<Value, Value> updates;
  llvm::DenseMap<Operation *, llvm::BitVector> outputs;
  llvm::MapVector<Value, Slot> slots;
  SmallVector<int64_t> arena = SmallVector<int64_t>(numExtents, 0);
};

/// A new state takes the memory of the old one, so that all that read the old
/// one must have run before.
LogicalResult Planner::checkUpdate(kernel::CallOp call, Value updated) {
  Value origin = updates.lookup(updated);
  if (!origin && isa<BlockArgument>(updated))
    origin = updated;
  if (!origin)
    return call.emitOpError()
           << "expects to change an argument of the function "
              "in place, got another value";
  for (Operation *user : updated.getUsers())
    if (user != call && !user->isBeforeInBlock(call)) {
      InFlightDiagnostic diagnostic =
          call.emitOpError()
          << "changes in place what is read again later as it was before";
      diagnostic.attachNote(user->getLoc()) << "it is read here";
      return diagnostic;
    }
  updates[call.getResult(0)] = origin;
  Rows same = rows.find(updated)->second;
  rows[call.getResult(0)] = same;
  return success();
}

LogicalResult Planner::findRowsOfResults(kernel::CallOp call) {
  auto define = symbols.lookup<kernel::DefineOp>(call.getCallee());
  auto leading = rows.find(call.getArguments()[define.getRows()]);
  if (leading == rows.end())
    return call.emitOpError() << "expects its rows operand to be an "
                                 "activation, got a weight";
  if (std::optional<unsigned> updated = define.getUpdatedArgument())
    return checkUpdate(call, call.getArguments()[*updated]);
  Rows result{leading->second.extent};
  if (static_cast<unsigned>(result.extent) >= numExtents)
    return call.emitOpError() << "expects rows that the arena has, got "
                              << kernel::stringifyExtent(result.extent);
  for (Value value : call.getResults())
    rows[value] = result;
  return success();
}

/// Rows of arguments by the names of their dimensions, of results by the rows
/// operand of their kernel.
LogicalResult Planner::findRows() {
  for (BlockArgument argument : function.getArguments()) {
    auto dims = function.getArgAttrOfType<ArrayAttr>(
        argument.getArgNumber(), transom::transformer::dimsAttr);
    auto name =
        dims && !dims.empty() ? dyn_cast<StringAttr>(dims[0]) : StringAttr();
    std::optional<Rows> found = name ? parseRows(name) : std::nullopt;
    if (!found) {
      InFlightDiagnostic diagnostic =
          function.emitOpError()
          << "argument " << argument.getArgNumber()
          << " expects the first of 'transformer.dims' to be \"tokens\", "
             "\"sequences\", \"encoder_tokens\", \"output_positions\", "
             "\"blocks\", "
             "\"slots\" or \"encoder_blocks\", got ";
      return name ? diagnostic << name : diagnostic << "no names";
    }
    rows[argument] = *found;
  }
  for (Operation &op : function.front().without_terminator()) {
    if (isa<GetWeightOp>(op))
      continue;
    auto call = dyn_cast<kernel::CallOp>(op);
    if (!call) {
      InFlightDiagnostic diagnostic = op.emitOpError()
                                      << "expects to be outlined into a kernel";
      diagnostic.attachNote(op.getLoc())
          << "transom-outline-kernels should have consumed it";
      return diagnostic;
    }
    if (failed(findRowsOfResults(call)))
      return failure();
    calls.push_back(call);
  }
  auto results = function.front().getTerminator()->getOperands();
  if (results.size() > mostOutputs)
    return function.emitOpError() << "expects at most " << mostOutputs
                                  << " results, got " << results.size();
  for (auto [number, result] : llvm::enumerate(results))
    if (!rows.contains(result))
      return function.emitOpError()
             << "result " << number << " expects an activation, got a weight";
  return success();
}

/// Which outputs need a call: those that it is one of, and those of its users.
void Planner::findOutputs() {
  auto results = function.front().getTerminator()->getOperands();
  for (kernel::CallOp call : calls)
    outputs[call].resize(results.size());
  for (auto [number, result] : llvm::enumerate(results))
    if (auto call = result.getDefiningOp<kernel::CallOp>())
      outputs[call].set(number);
  for (kernel::CallOp call : llvm::reverse(calls))
    for (Value argument : call.getArguments())
      if (auto producer = argument.getDefiningOp<kernel::CallOp>())
        outputs[producer] |= outputs[call];
  // What no output needs is not launched.
  llvm::erase_if(calls,
                 [&](kernel::CallOp call) { return outputs[call].none(); });
}

void Planner::findSlots() {
  for (auto [time, call] : llvm::enumerate(calls)) {
    for (Value argument : call.getArguments())
      if (auto slot = slots.find(argument); slot != slots.end())
        slot->second.end = time;
    for (Value result : call.getResults())
      if (!updates.contains(result))
        slots.insert({result,
                      {result, rows[result],
                       getRowBytes(cast<RankedTensorType>(result.getType())),
                       static_cast<int64_t>(time), static_cast<int64_t>(time),
                       static_cast<unsigned>(slots.size())}});
  }
  for (Value result : function.front().getTerminator()->getOperands())
    if (auto slot = slots.find(result); slot != slots.end())
      slot->second.end = calls.size();

  SmallVector<SmallVector<Slot *>> regions(numExtents);
  for (auto &[value, slot] : slots)
    regions[static_cast<unsigned>(slot.rows.extent)].push_back(&slot);
  for (auto [extent, region] : llvm::enumerate(regions))
    arena[extent] = place(region);
}

kernel::BufferType Planner::bufferType(Value value) {
  return kernel::BufferType::get(value.getContext(),
                                 cast<RankedTensorType>(value.getType()),
                                 rows[value].extent, rows[value].slack);
}

void Planner::rewrite() {
  MLIRContext *context = function.getContext();
  OpBuilder builder(function);
  Operation *terminator = function.front().getTerminator();
  SmallVector<Type> argumentTypes, resultTypes;
  auto body = std::make_unique<Block>();
  llvm::DenseMap<Value, Value> buffers;
  for (BlockArgument argument : function.getArguments()) {
    argumentTypes.push_back(bufferType(argument));
    buffers[argument] =
        body->addArgument(argumentTypes.back(), argument.getLoc());
  }
  for (Value result : terminator->getOperands())
    resultTypes.push_back(bufferType(result));

  OperationState state(function.getLoc(),
                       kernel::ProgramOp::getOperationName());
  state.getOrAddProperties<kernel::ProgramOp::Properties>() = {};
  state.addAttribute("sym_name", function.getSymNameAttr());
  state.addAttribute(
      "function_type",
      TypeAttr::get(FunctionType::get(context, argumentTypes, resultTypes)));
  state.addAttribute("arena", builder.getDenseI64ArrayAttr(arena));
  if (ArrayAttr attributes = function.getArgAttrsAttr())
    state.addAttribute("arg_attrs", attributes);
  if (ArrayAttr attributes = function.getResAttrsAttr())
    state.addAttribute("res_attrs", attributes);
  Block *block = body.get();
  state.addRegion()->push_back(body.release());
  builder.create(state);

  // Weights first, then each slot before the launch that writes it.
  builder.setInsertionPointToStart(block);
  llvm::DenseMap<Attribute, Value> weights;
  for (kernel::CallOp call : calls)
    for (Value argument : call.getArguments())
      if (auto get = argument.getDefiningOp<GetWeightOp>()) {
        Value &weight = weights[get.getWeightAttr()];
        if (!weight)
          weight = kernel::WeightOp::create(
              builder, get.getLoc(),
              kernel::BufferType::get(context,
                                      cast<RankedTensorType>(get.getType()),
                                      std::nullopt, 0),
              get.getWeightAttr());
        buffers[argument] = weight;
      }
  for (kernel::CallOp call : calls) {
    SmallVector<Value> reads, writes;
    for (Value argument : call.getArguments())
      reads.push_back(buffers[argument]);
    auto define = symbols.lookup<kernel::DefineOp>(call.getCallee());
    if (call.getAt()) {
      Value &cache = reads[*define.getCacheArgument()];
      cache = kernel::LayerOp::create(builder, call.getLoc(), cache.getType(),
                                      cache, call.getAtAttr());
    }
    for (Value result : call.getResults()) {
      if (Value origin = updates.lookup(result)) {
        buffers[result] = buffers[origin];
        writes.push_back(reads[*define.getUpdatedArgument()]);
        continue;
      }
      const Slot &slot = slots.find(result)->second;
      // Whole regions before its own, and its place in that.
      SmallVector<int64_t> offset(numExtents, 0);
      auto extent = static_cast<unsigned>(slot.rows.extent);
      llvm::copy(ArrayRef(arena).take_front(extent), offset.begin());
      offset[extent] = slot.offset;
      buffers[result] =
          kernel::SlotOp::create(builder, call.getLoc(), bufferType(result),
                                 builder.getDenseI64ArrayAttr(offset));
      writes.push_back(buffers[result]);
    }
    SmallVector<int64_t> needed(outputs[call].set_bits());
    kernel::LaunchOp::create(
        builder, call.getLoc(), call.getCalleeAttr(),
        kernel::ExtentAttr::get(
            context, rows[call.getArguments()[define.getRows()]].extent),
        reads, writes, builder.getDenseI64ArrayAttr(needed),
        call.getLayerAttr());
  }
  SmallVector<Value> results;
  for (Value result : terminator->getOperands())
    results.push_back(buffers[result]);
  kernel::ReturnOp::create(builder, terminator->getLoc(), results);
  function.erase();
}

LogicalResult Planner::run() {
  if (failed(findRows()))
    return failure();
  findOutputs();
  findSlots();
  rewrite();
  return success();
}

struct PlanMemory : transom::impl::PlanMemoryBase<PlanMemory> {
  void runOnOperation() override {
    SymbolTable symbols(getOperation());
    for (auto function :
         llvm::make_early_inc_range(getOperation().getOps<func::FuncOp>())) {
      if (function.isExternal())
        continue;
      Planner planner(function, symbols);
      if (failed(planner.run()))
        return signalPassFailure();
      arenaBytesPerToken += planner.getArenaBytes(kernel::Extent::Tokens);
    }
  }
};

} // namespace
