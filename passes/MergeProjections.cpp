//===- MergeProjections.cpp - linears of one input -> one linear ----------===//
//
// Queries, keys and values (gate and up) are three matrix products with the
// same activation. Side by side in one weight they are one product: the
// activation is read once, and the grid of tasks is three times as wide.
//
// Only linears between the same two attentions merge: every layer of a decoder
// makes keys and values of one encoder's result, and computed all at once they
// would occupy memory from the first layer to the last.
//
//===----------------------------------------------------------------------===//

#include "ir/Transformer/Transformer.h"
#include "passes/Passes.h"
#include "passes/UsedWeights.h"

#include "mlir/Dialect/Func/IR/FuncOps.h"
#include "mlir/IR/SymbolTable.h"
#include "llvm/ADT/MapVector.h"
#include "llvm/ADT/SetVector.h"

namespace transom {
#define GEN_PASS_DEF_MERGEPROJECTIONS
#include "passes/Passes.h.inc"
} // namespace transom

using namespace mlir;
using namespace transom::transformer;

namespace {

/// The symbol behind a weight that is read from the checkpoint, or null.
WeightOp getStoredWeight(Value value, SymbolTable &symbols) {
  auto get = value ? value.getDefiningOp<GetWeightOp>() : GetWeightOp();
  auto weight = get ? symbols.lookup<WeightOp>(get.getWeight()) : WeightOp();
  return weight && weight.getSources() ? weight : WeightOp();
}

/// `a.b.query.weight`, `a.b.key.weight` -> `a.b.query_key.weight`: what differs
/// is joined, what is common stands once.
std::string joinNames(ArrayRef<WeightOp> weights) {
  SmallVector<SmallVector<llvm::StringRef>> parts;
  for (WeightOp weight : weights)
    weight.getSymName().split(parts.emplace_back(), '.');
  bool sameLength = llvm::all_of(
      parts, [&](auto &name) { return name.size() == parts[0].size(); });
  std::string joined;
  if (!sameLength) {
    for (WeightOp weight : weights)
      joined += (joined.empty() ? "" : "_") + weight.getSymName().str();
    return joined;
  }
  for (size_t i = 0; i < parts[0].size(); ++i) {
    if (i)
      joined += '.';
    joined += parts[0][i];
    bool common =
        llvm::all_of(parts, [&](auto &name) { return name[i] == parts[0][i]; });
    for (size_t j = 1; !common && j < parts.size(); ++j)
      joined += '_' + parts[j][i].str();
  }
  return joined;
}

class Merger {
public:
  explicit Merger(ModuleOp module) : module(module), symbols(module) {}

  /// Merges all groups of a function; returns how many linears went away.
  int64_t run(func::FuncOp function);
  /// Erases the weights that merged ones replace, if nothing else reads them.
  void eraseReplaced();

private:
  /// What linears must share to be one: the input, its block, whether they
  /// have a bias, and how many attentions come before them.
  using Key = std::tuple<Value, Block *, unsigned, int64_t>;

  bool isCandidate(LinearOp linear);
  void merge(ArrayRef<LinearOp> group);
  Value concatenate(ArrayRef<Value> values, OpBuilder &builder, Location loc);

  ModuleOp module;
  SymbolTable symbols;
  llvm::SetVector<WeightOp> replaced;
};

bool Merger::isCandidate(LinearOp linear) {
  return linear.getEpilogue().empty() && linear.getExtras().empty() &&
         getStoredWeight(linear.getWeight(), symbols) &&
         (!linear.getBias() || getStoredWeight(linear.getBias(), symbols));
}

Value Merger::concatenate(ArrayRef<Value> values, OpBuilder &builder,
                          Location loc) {
  SmallVector<WeightOp> weights;
  SmallVector<Attribute> sources;
  int64_t rows = 0;
  for (Value value : values) {
    weights.push_back(getStoredWeight(value, symbols));
    llvm::append_range(sources, *weights.back().getSources());
    rows += cast<RankedTensorType>(value.getType()).getDimSize(0);
  }
  auto first = cast<RankedTensorType>(values.front().getType());
  SmallVector<int64_t> shape(first.getShape());
  shape[0] = rows;
  auto type = RankedTensorType::get(shape, first.getElementType());
  OpBuilder atWeights(weights.front());
  auto merged = WeightOp::create(
      atWeights, loc, joinNames(weights), /*sym_visibility=*/StringAttr(),
      builder.getArrayAttr(sources), /*value=*/ElementsAttr(), type);
  symbols.insert(merged);
  return GetWeightOp::create(builder, loc, type, merged.getSymName());
}

void Merger::merge(ArrayRef<LinearOp> group) {
  LinearOp first = group.front();
  OpBuilder builder(first);
  SmallVector<Value> weights, biases;
  SmallVector<Location> locations;
  for (LinearOp linear : group) {
    weights.push_back(linear.getWeight());
    if (linear.getBias())
      biases.push_back(linear.getBias());
    locations.push_back(linear.getLoc());
  }
  Location loc = builder.getFusedLoc(locations);
  Value weight = concatenate(weights, builder, loc);
  Value bias = biases.empty() ? Value() : concatenate(biases, builder, loc);
  Value merged = LinearOp::create(builder, loc, first.getInput(), weight, bias);
  int64_t axis = cast<RankedTensorType>(merged.getType()).getRank() - 1;
  int64_t begin = 0;
  for (LinearOp linear : group) {
    int64_t end = begin + linear.getType().getShape().back();
    Value part = SliceOp::create(builder, linear.getLoc(), merged, axis, begin,
                                 end, /*step=*/1);
    linear.getResult().replaceAllUsesWith(part);
    begin = end;
  }
  for (LinearOp linear : group) {
    SmallVector<Value> reads(linear.getOperands().drop_front());
    linear.erase();
    for (Value read : reads) {
      auto get = read.getDefiningOp<GetWeightOp>();
      if (!get || !get->use_empty())
        continue;
      replaced.insert(symbols.lookup<WeightOp>(get.getWeight()));
      get.erase();
    }
  }
}

void Merger::eraseReplaced() {
  llvm::DenseSet<StringAttr> used = transom::findUsedWeights(module);
  for (WeightOp weight : replaced)
    if (!used.contains(weight.getSymNameAttr()))
      symbols.erase(weight);
}

int64_t Merger::run(func::FuncOp function) {
  llvm::MapVector<Key, SmallVector<LinearOp>> groups;
  int64_t numAttentions = 0;
  function.walk([&](Operation *op) {
    if (isa<AttentionOp>(op))
      ++numAttentions;
    if (auto linear = dyn_cast<LinearOp>(op); linear && isCandidate(linear))
      groups[{linear.getInput(), linear->getBlock(), linear.getBias() ? 1u : 0u,
              numAttentions}]
          .push_back(linear);
  });
  int64_t merged = 0;
  for (auto &[key, group] : groups) {
    if (group.size() < 2)
      continue;
    merge(group);
    merged += group.size() - 1;
  }
  return merged;
}

struct MergeProjections
    : transom::impl::MergeProjectionsBase<MergeProjections> {
  void runOnOperation() override {
    Merger merger(getOperation());
    for (auto function : getOperation().getOps<func::FuncOp>())
      numMerged += merger.run(function);
    merger.eraseReplaced();
  }
};

} // namespace
