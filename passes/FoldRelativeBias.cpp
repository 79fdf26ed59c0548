//===- FoldRelativeBias.cpp - relative bias -> a table over distances -----===//
//
// A bias that depends on the distance of a key from its query is the same on
// every diagonal of [heads, length, length], and beyond some distance it is the
// same everywhere. So a stack of layers needs one row of numbers a head, and
// these are known when the model is compiled: a weight whose columns are those
// of the learned table, each as often as it has distances.
//
//===----------------------------------------------------------------------===//

#include "ir/Transformer/Transformer.h"
#include "passes/Passes.h"
#include "passes/Remarks.h"

#include "mlir/Dialect/Func/IR/FuncOps.h"
#include "mlir/IR/SymbolTable.h"

namespace transom {
#define GEN_PASS_DEF_FOLDRELATIVEBIAS
#include "passes/Passes.h.inc"
} // namespace transom

using namespace mlir;
using namespace transom::transformer;

namespace {

/// What is far away from a query shares a bucket; further away than this, a
/// table of distances would outgrow what it replaces.
constexpr int64_t mostDistance = 1 << 20;

/// The terms of a sum, from left to right.
void collectTerms(Value sum, SmallVectorImpl<Value> &terms) {
  if (auto add = sum.getDefiningOp<AddOp>()) {
    collectTerms(add.getLhs(), terms);
    collectTerms(add.getRhs(), terms);
  } else {
    terms.push_back(sum);
  }
}

/// Buckets by distance, from `first` on; those beyond are those of the ends.
struct Distances {
  int64_t first = 0;
  SmallVector<int64_t> buckets;

  explicit Distances(RelativeBiasOp op) {
    int64_t count = op.getTable().getType().getDimSize(0);
    auto bucket = [&](int64_t distance) {
      return op.getBucket(distance, count);
    };
    int64_t last = op.getBidirectional() ? op.getMaxDistance() : 0;
    first = -static_cast<int64_t>(op.getMaxDistance());
    while (first < 0 && bucket(first) == bucket(first + 1))
      ++first;
    while (last > 0 && bucket(last) == bucket(last - 1))
      --last;
    for (int64_t distance = first; distance <= last; ++distance)
      buckets.push_back(bucket(distance));
  }
};

/// Replaces the relative biases of one module.
class Folder {
public:
  explicit Folder(ModuleOp module) : symbols(module) {}

  /// Whether the attention had a relative bias that is one over distances now.
  bool run(AttentionOp attention);

private:
  /// [H, R]; null, with a reason, if the table's numbers are not to be had.
  Value distancesOf(RelativeBiasOp op, const Distances &distances);
  WeightOp getWeight(WeightOp table, const Distances &distances);
  bool refuse(AttentionOp attention, llvm::StringRef why) {
    transom::missedFusion(attention, "fold-relative-bias", why);
    return false;
  }

  SymbolTable symbols;
  /// One read of a weight for all layers of a function.
  llvm::DenseMap<std::pair<Operation *, Operation *>, Value> reads;
};

/// table[b, h] -> value[h, r] = table[buckets[r], h].
DenseElementsAttr chooseBuckets(DenseElementsAttr table,
                                const Distances &distances) {
  auto type = cast<RankedTensorType>(table.getType());
  int64_t heads = type.getDimSize(1);
  auto values = table.getValues<APFloat>();
  SmallVector<APFloat> chosen;
  for (int64_t head = 0; head < heads; ++head)
    for (int64_t bucket : distances.buckets)
      chosen.push_back(values[bucket * heads + head]);
  int64_t count = distances.buckets.size();
  return DenseElementsAttr::get(type.clone({heads, count}), chosen);
}

/// The weight over distances that `table` makes: an existing one or a new one.
/// Null if the table's numbers can't be reordered.
WeightOp Folder::getWeight(WeightOp table, const Distances &distances) {
  OpBuilder builder(table);
  ArrayAttr sources;
  ElementsAttr value;
  if (auto old = table.getSources()) {
    auto source = old->size() == 1 ? cast<SourceAttr>((*old)[0]) : SourceAttr();
    if (!source || !source.getColumns().empty())
      return {};
    sources = builder.getArrayAttr(
        SourceAttr::get(table.getContext(), source.getTensor(),
                        !source.getTransposed(), distances.buckets));
  } else if (auto dense = dyn_cast<DenseElementsAttr>(*table.getValue())) {
    value = chooseBuckets(dense, distances);
  } else {
    return {};
  }
  auto type = cast<RankedTensorType>(table.getType());
  int64_t count = distances.buckets.size();
  type = type.clone({type.getDimSize(1), count});
  std::string name = (table.getSymName() + ".distances").str();
  if (auto existing = symbols.lookup<WeightOp>(name);
      existing && existing.getSourcesAttr() == sources &&
      existing.getValueAttr() == value && existing.getType() == type)
    return existing;
  auto weight =
      WeightOp::create(builder, table.getLoc(), name,
                       /*sym_visibility=*/StringAttr(), sources, value, type);
  symbols.insert(weight); // Under another name, if this one is taken.
  return weight;
}

Value Folder::distancesOf(RelativeBiasOp op, const Distances &distances) {
  auto get = op.getTable().getDefiningOp<GetWeightOp>();
  auto table = get ? symbols.lookup<WeightOp>(get.getWeight()) : WeightOp();
  WeightOp weight = table ? getWeight(table, distances) : WeightOp();
  if (!weight)
    return {};
  Operation *function = op->getParentOfType<func::FuncOp>();
  Value &read = reads[{function, weight}];
  if (!read) {
    auto builder = OpBuilder::atBlockBegin(op->getBlock());
    read = GetWeightOp::create(builder, op.getLoc(), weight.getType(),
                               weight.getSymName());
  }
  return read;
}

bool Folder::run(AttentionOp attention) {
  if (!attention.getBias())
    return false;
  SmallVector<Value> terms;
  collectTerms(attention.getBias(), terms);
  auto isRelative = [](Value term) {
    return term.getDefiningOp<RelativeBiasOp>() != nullptr;
  };
  auto found = llvm::find_if(terms, isRelative);
  if (found == terms.end())
    return false;
  auto relative = found->getDefiningOp<RelativeBiasOp>();
  terms.erase(found);
  if (attention.getDistanceBias() || llvm::any_of(terms, isRelative))
    return refuse(attention, "the scores have several relative biases");
  if (relative.getTable().getType().isDynamicDim(0))
    return refuse(attention, "the number of buckets is not known");
  if (static_cast<int64_t>(relative.getMaxDistance()) > mostDistance)
    return refuse(attention, "max_distance is too large for a table");
  // A single query's bias would be repeated for all.
  ArrayRef<int64_t> bias = relative.getType().getShape();
  if (bias[1] != attention.getQuery().getType().getDimSize(1) ||
      bias[2] != attention.getQuery().getType().getDimSize(2) ||
      bias[3] != attention.getKey().getType().getDimSize(2))
    return refuse(attention, "the relative bias is of other lengths");
  Distances distances(relative);
  Value folded = distancesOf(relative, distances);
  if (!folded)
    return refuse(attention, "the table of the relative bias is not a weight");

  OpBuilder builder(attention);
  Value rest;
  for (Value term : terms)
    rest = rest ? AddOp::create(builder, attention.getLoc(), rest, term) : term;
  attention.getBiasMutable().clear();
  if (rest)
    attention.getBiasMutable().assign(rest);
  attention.getDistanceBiasMutable().assign(folded);
  attention.setFirstDistance(distances.first);
  return true;
}

/// Erases what only the attentions needed.
void eraseUnused(func::FuncOp function) {
  for (Operation &op :
       llvm::make_early_inc_range(llvm::reverse(function.front())))
    if (isa<AddOp, RelativeBiasOp>(op) && op.use_empty())
      op.erase();
}

struct FoldRelativeBias
    : transom::impl::FoldRelativeBiasBase<FoldRelativeBias> {
  void runOnOperation() override {
    Folder folder(getOperation());
    for (auto function : getOperation().getOps<func::FuncOp>()) {
      bool folded = false;
      function.walk([&](AttentionOp attention) {
        if (!folder.run(attention))
          return;
        folded = true;
        ++numFolded;
      });
      if (folded)
        eraseUnused(function);
    }
  }
};

} // namespace
