//===- StepParts.cpp - what a step is made of -----------------------------===//

#include "passes/StepParts.h"

#include "ir/Transformer/ModelAttributes.h"

using namespace mlir;
using namespace transom;
using namespace transom::transformer;

llvm::StringRef transom::getLeadingDimName(DictionaryAttr attributes) {
  auto dims = attributes ? attributes.getAs<ArrayAttr>(dimsAttr) : ArrayAttr();
  auto name =
      dims && !dims.empty() ? dyn_cast<StringAttr>(dims[0]) : StringAttr();
  return name ? name.getValue() : llvm::StringRef();
}

LogicalResult transom::refuseStep(func::FuncOp forward, Operation *op,
                                  const llvm::Twine &why) {
  InFlightDiagnostic diagnostic = op->emitOpError() << why;
  diagnostic.attachNote(forward.getLoc())
      << "'" << generatesAttr << "' of @" << forward.getName()
      << " asks for a step";
  return diagnostic;
}

namespace {

class Finder {
public:
  Finder(func::FuncOp forward, func::FuncOp step, StepParts &parts)
      : forward(forward), step(step), parts(parts) {}

  LogicalResult checkArguments();
  LogicalResult checkOps();
  LogicalResult checkResults();

private:
  LogicalResult checkAttention(RaggedAttentionOp op);
  LogicalResult refuse(Operation *op, const llvm::Twine &why) {
    return refuseStep(forward, op, why);
  }

  /// Weights, constants, and what is made of them alone.
  bool isUniform(Value value) const { return uniform.contains(value); }
  bool isPerToken(Value value) const { return tokens.contains(value); }
  /// What the sources alone decide.
  bool isOfSource(Value value) const {
    return ofSource.contains(value) || isUniform(value);
  }

  func::FuncOp forward, step;
  StepParts &parts;
  llvm::DenseSet<Value> uniform, tokens, ofSource;
};

} // namespace

LogicalResult Finder::checkArguments() {
  for (BlockArgument argument : step.getArguments()) {
    unsigned number = argument.getArgNumber();
    auto get = [&](llvm::StringRef name) {
      auto text = step.getArgAttrOfType<StringAttr>(number, name);
      return text ? text.getValue() : llvm::StringRef();
    };
    llvm::StringRef dim = getLeadingDimName(step.getArgAttrDict(number));
    if (get(roleAttr) == "sequence_offsets")
      parts.offsets = argument;
    else if (get(roleAttr) == "key_lengths")
      parts.lengths = argument;
    else if (get(roleAttr) == "encoder_offsets")
      parts.sourceOffsets = argument;
    else if (get(roleAttr) == "encoder_key_lengths")
      parts.sourceLengths = argument;
    else if (dim == "tokens")
      tokens.insert(argument);
    if (argument == parts.sourceOffsets || argument == parts.sourceLengths ||
        dim == sourceTokensDim)
      ofSource.insert(argument);
    else if (get(defaultAttr) == "padding_aware_position_ids")
      return refuse(step, "argument " + llvm::Twine(number) +
                              " counts tokens of the whole sequence, which a "
                              "step doesn't have");
  }
  return success();
}

LogicalResult Finder::checkAttention(RaggedAttentionOp op) {
  bool toSource =
      ofSource.contains(op.getKey()) && ofSource.contains(op.getValue()) &&
      op.getKeyOffsets() == parts.sourceOffsets &&
      op.getKeyLengths() == parts.sourceLengths &&
      op.getQueryOffsets() == parts.offsets && isPerToken(op.getQuery());
  if (toSource) {
    // Rows are counted from the last one, and every step has its own.
    if (op.getCausal() || op.getDistanceBias())
      return refuse(op, "cannot have a cache: it asks how far a token is from "
                        "those of its source");
    parts.sources.push_back(op);
    tokens.insert(op.getResult());
    return success();
  }
  if (!op.getCausal())
    return refuse(op, "cannot have a cache: a token sees later ones");
  if (op.getQueryOffsets() != parts.offsets ||
      op.getKeyOffsets() != parts.offsets ||
      op.getKeyLengths() != parts.lengths || !isPerToken(op.getQuery()) ||
      !isPerToken(op.getKey()) || !isPerToken(op.getValue()))
    return refuse(op, "cannot have a cache: its keys are neither those of the "
                      "function's own sequences nor those of their sources");
  parts.layers.push_back(op);
  tokens.insert(op.getResult());
  return success();
}

/// Whether an op makes a token's row of that token's rows alone.
static bool isRowwise(Operation *op) {
  if (auto reduce = dyn_cast<ReduceOp>(op)) {
    int64_t rank = reduce.getInput().getType().getRank();
    return llvm::none_of(reduce.getAxes(), [&](int64_t axis) {
      return axis == 0 || axis == -rank;
    });
  }
  if (auto reshape = dyn_cast<ReshapeOp>(op))
    return reshape.isColumn();
  return isa<RowwiseOpInterface, RotaryOp>(op);
}

LogicalResult Finder::checkOps() {
  for (Operation &op : step.front().without_terminator()) {
    auto areAll = [&](llvm::function_ref<bool(Value)> is) {
      return llvm::all_of(op.getOperands(), is);
    };
    if (areAll([&](Value value) { return isUniform(value); })) {
      uniform.insert_range(op.getResults());
      continue;
    }
    // However it is made: it is there before the first step.
    if (areAll([&](Value value) { return isOfSource(value); })) {
      ofSource.insert_range(op.getResults());
      continue;
    }
    if (auto attention = dyn_cast<RaggedAttentionOp>(op)) {
      if (failed(checkAttention(attention)))
        return failure();
      continue;
    }
    auto embedding = dyn_cast<EmbeddingOp>(op);
    if (!isRowwise(&op) || (embedding && !isUniform(embedding.getTable())) ||
        !areAll(
            [&](Value value) { return isUniform(value) || isPerToken(value); }))
      return refuse(&op, "cannot be part of a step: it mixes tokens");
    tokens.insert_range(op.getResults());
  }
  // Nor is there if no result per token is left that needs it.
  if (parts.layers.empty())
    return refuse(step, "has no attention whose keys could be kept");
  return success();
}

LogicalResult Finder::checkResults() {
  for (auto [number, result] :
       llvm::enumerate(step.front().getTerminator()->getOperands())) {
    bool ofStep =
        getLeadingDimName(step.getResultAttrDict(number)) != sourceTokensDim;
    if (ofStep ? !isPerToken(result) : !ofSource.contains(result))
      return refuse(step, "result " + llvm::Twine(number) +
                              (ofStep ? " is not per token, as a step's are"
                                      : " is not made of the source alone"));
  }
  return success();
}

LogicalResult transom::findStepParts(func::FuncOp forward, func::FuncOp step,
                                     StepParts &parts) {
  Finder finder(forward, step, parts);
  return success(succeeded(finder.checkArguments()) &&
                 succeeded(finder.checkOps()) &&
                 succeeded(finder.checkResults()));
}
