//===- Slots.cpp - which activations are alive, and where -----------------===//
//
// Values that live at the same time are packed greedily, the largest first,
// each where it fits best: an optimal packing is NP-hard.
//
//===----------------------------------------------------------------------===//

#include "ir/Kernel/Layout.h"
#include "passes/PlanMemory/Plan.h"

using namespace mlir;
using namespace transom;
using namespace transom::memory;

/// Which outputs need a call: those that it is one of, and those of its users.
void memory::findOutputs(Plan &plan) {
  OperandRange results = plan.getResults();
  for (kernel::CallOp call : plan.calls)
    plan.outputs[call].resize(results.size());
  for (auto [number, result] : llvm::enumerate(results))
    if (auto call = result.getDefiningOp<kernel::CallOp>())
      plan.outputs[call].set(number);
  for (kernel::CallOp call : llvm::reverse(plan.calls))
    for (Value argument : call.getArguments())
      if (auto producer = argument.getDefiningOp<kernel::CallOp>())
        plan.outputs[producer] |= plan.outputs[call];
  // What no output needs is not launched.
  llvm::erase_if(plan.calls, [&](kernel::CallOp call) {
    return plan.outputs[call].none();
  });
}

/// Places the slots of one region, the largest first, each into the tightest
/// gap that the slots alive at the same time leave. Returns the region's bytes
/// per row.
static int64_t place(MutableArrayRef<Slot *> slots) {
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

/// When each activation is alive, and how large it is.
static void findLifetimes(Plan &plan) {
  for (auto [time, call] : llvm::enumerate(plan.calls)) {
    for (Value argument : call.getArguments())
      if (auto *slot = plan.slots.find(argument); slot != plan.slots.end())
        slot->second.end = time;
    for (Value result : call.getResults()) {
      if (plan.updates.contains(result))
        continue;
      auto type = cast<RankedTensorType>(result.getType());
      auto now = static_cast<int64_t>(time);
      auto number = static_cast<unsigned>(plan.slots.size());
      plan.slots.insert({result,
                         {plan.rows[result].extent, kernel::getRowBytes(type),
                          /*begin=*/now, /*end=*/now, number}});
    }
  }
  for (Value result : plan.getResults())
    if (auto *slot = plan.slots.find(result); slot != plan.slots.end())
      slot->second.end = plan.calls.size();
}

void memory::assignSlots(Plan &plan) {
  findLifetimes(plan);
  std::array<SmallVector<Slot *>, kernel::numArenaExtents> regions;
  for (auto &[value, slot] : plan.slots)
    regions[static_cast<unsigned>(slot.extent)].push_back(&slot);
  for (auto [bytes, region] : llvm::zip_equal(plan.arena, regions))
    bytes = place(region);
}
