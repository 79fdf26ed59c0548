//===- KernelNames.cpp - names for kernels and for their calls ------------===//

#include "passes/KernelNames.h"

#include "ir/Transformer/Transformer.h"

#include "llvm/ADT/TypeSwitch.h"

using namespace mlir;
using namespace transom::transformer;

/// The last extent of a tensor.
static int64_t columns(Value value) {
  return cast<RankedTensorType>(value.getType()).getShape().back();
}

/// Appends what a region computes: `_gelu_add`. A long chain is only called
/// one: the name stands in profiles and in object files, where it is read.
static void appendChain(llvm::raw_ostream &name, Region &region) {
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
static void appendHeads(llvm::raw_ostream &name, AttentionOp op) {
  name << '_' << op.getHeads() << 'x' << columns(op.getQuery()) / op.getHeads();
  if (op.getKeyHeads() != op.getHeads())
    name << "_keys" << op.getKeyHeads();
  if (op.getCausal())
    name << "_causal";
  if (op.getDistanceBias())
    name << "_distances" << columns(op.getDistanceBias());
}

std::string transom::nameKernel(Operation *op) {
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

/// The model's own names in a location, in order, each once.
static void collectNames(Location location,
                         SmallVectorImpl<llvm::StringRef> &names) {
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

std::string transom::nameLayer(Location location) {
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
