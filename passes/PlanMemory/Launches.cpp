//===- Launches.cpp - calls and their plan -> launches --------------------===//

#include "passes/PlanMemory/Plan.h"

#include "ir/Transformer/Transformer.h"

using namespace mlir;
using namespace transom;
using namespace transom::memory;
using transom::transformer::GetWeightOp;

namespace {

/// Builds the program that a plan describes.
class Emitter {
public:
  explicit Emitter(Plan &plan) : plan(plan), builder(plan.function) {}

  void run();

private:
  Block *createProgram();
  void emitWeights();
  void emitLaunch(kernel::CallOp call);
  Value emitSlot(Value value, Location loc);
  kernel::BufferType getType(Value value) {
    return kernel::BufferType::get(
        value.getContext(), cast<RankedTensorType>(value.getType()),
        plan.rows[value].extent, plan.rows[value].slack);
  }

  Plan &plan;
  OpBuilder builder;
  llvm::DenseMap<Value, Value> buffers;
};

} // namespace

/// The program, still empty, in front of the function; returns its body.
Block *Emitter::createProgram() {
  func::FuncOp function = plan.function;
  auto types = [&](ValueRange values) {
    return llvm::map_to_vector(
        values, [&](Value value) -> Type { return getType(value); });
  };
  SmallVector<Type> arguments = types(function.getArguments());
  OperationState state(function.getLoc(),
                       kernel::ProgramOp::getOperationName());
  state.getOrAddProperties<kernel::ProgramOp::Properties>() = {};
  state.addAttribute("sym_name", function.getSymNameAttr());
  state.addAttribute("function_type",
                     TypeAttr::get(builder.getFunctionType(
                         arguments, types(plan.getResults()))));
  state.addAttribute("arena", builder.getDenseI64ArrayAttr(plan.arena));
  if (ArrayAttr attributes = function.getArgAttrsAttr())
    state.addAttribute("arg_attrs", attributes);
  if (ArrayAttr attributes = function.getResAttrsAttr())
    state.addAttribute("res_attrs", attributes);
  if (Attribute kind = function->getAttr(transformer::programAttr))
    state.addAttribute(transformer::programAttr, kind);
  Block &body = state.addRegion()->emplaceBlock();
  for (auto [argument, type] :
       llvm::zip_equal(function.getArguments(), arguments))
    buffers[argument] = body.addArgument(type, argument.getLoc());
  builder.create(state);
  return &body;
}

/// One for each symbol, whatever reads it.
void Emitter::emitWeights() {
  llvm::DenseMap<Attribute, Value> weights;
  for (kernel::CallOp call : plan.calls)
    for (Value argument : call.getArguments())
      if (auto get = argument.getDefiningOp<GetWeightOp>()) {
        Value &weight = weights[get.getWeightAttr()];
        if (!weight)
          weight = kernel::WeightOp::create(
              builder, get.getLoc(),
              kernel::BufferType::get(get.getContext(),
                                      cast<RankedTensorType>(get.getType()),
                                      std::nullopt, 0),
              get.getWeightAttr());
        buffers[argument] = weight;
      }
}

/// All regions before its own come before the slot, and its place in that.
Value Emitter::emitSlot(Value value, Location loc) {
  const Slot &slot = plan.slots.find(value)->second;
  SmallVector<int64_t> offset(plan.arena.size(), 0);
  auto extent = static_cast<unsigned>(slot.extent);
  llvm::copy(ArrayRef(plan.arena).take_front(extent), offset.begin());
  offset[extent] = slot.offset;
  return kernel::SlotOp::create(builder, loc, getType(value),
                                builder.getDenseI64ArrayAttr(offset));
}

void Emitter::emitLaunch(kernel::CallOp call) {
  kernel::DefineOp define = plan.getKernel(call);
  SmallVector<Value> reads, writes;
  for (Value argument : call.getArguments())
    reads.push_back(buffers[argument]);
  // Layers share a kernel, which knows no column offset: a view of the cache
  // has it.
  if (call.getAt()) {
    Value &cache = reads[*define.getCacheArgument()];
    cache = kernel::LayerOp::create(builder, call.getLoc(), cache.getType(),
                                    cache, call.getAtAttr());
  }
  for (Value result : call.getResults()) {
    if (Value origin = plan.updates.lookup(result)) {
      buffers[result] = buffers[origin];
      writes.push_back(reads[*define.getUpdatedArgument()]);
    } else {
      buffers[result] = emitSlot(result, call.getLoc());
      writes.push_back(buffers[result]);
    }
  }
  // A caller that asks for some outputs only skips the launches of the others.
  SmallVector<int64_t> needed(plan.outputs[call].set_bits());
  Value rows = call.getArguments()[define.getRows()];
  kernel::LaunchOp::create(
      builder, call.getLoc(), call.getCalleeAttr(),
      kernel::ExtentAttr::get(call.getContext(), plan.rows[rows].extent), reads,
      writes, builder.getDenseI64ArrayAttr(needed), call.getLayerAttr());
}

void Emitter::run() {
  builder.setInsertionPointToStart(createProgram());
  emitWeights();
  for (kernel::CallOp call : plan.calls)
    emitLaunch(call);
  auto results = llvm::map_to_vector(
      plan.getResults(), [&](Value result) { return buffers[result]; });
  kernel::ReturnOp::create(
      builder, plan.function.front().getTerminator()->getLoc(), results);
  plan.function.erase();
}

void memory::emitProgram(Plan &plan) { Emitter(plan).run(); }
