//===- StepParts.cpp - what a step is made of -----------------------------===//

#include "passes/StepParts.h"

#include "ir/Transformer/ModelAttributes.h"

using namespace mlir;
using namespace transom;
using namespace transom::transformer;

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
  /// What the encoder's tokens alone decide.
  bool isOfEncoder(Value value) const {
    return ofEncoder.contains(value) || isUniform(value);
  }

  func::FuncOp forward, step;
  StepParts &parts;
  llvm::DenseSet<Value> uniform, tokens, ofEncoder;
};

} // namespace

LogicalResult Finder::checkArguments() {
  for (BlockArgument argument : step.getArguments()) {
    unsigned number = argument.getArgNumber();
    DictionaryAttr attributes = step.getArgAttrDict(number);
    InputRole role = getRole(attributes);
    DefaultAttr value = getDefault(attributes);
    std::optional<Dimension> dim = getDim(attributes);
    if (role == InputRole::SequenceOffsets)
      parts.offsets = argument;
    else if (role == InputRole::KeyLengths)
      parts.lengths = argument;
    else if (role == InputRole::EncoderOffsets)
      parts.encoderOffsets = argument;
    else if (role == InputRole::EncoderKeyLengths)
      parts.encoderLengths = argument;
    else if (dim == Dimension::Tokens)
      tokens.insert(argument);
    if (argument == parts.encoderOffsets || argument == parts.encoderLengths ||
        dim == Dimension::EncoderTokens)
      ofEncoder.insert(argument);
    else if (value && value.getKind() == DefaultKind::PaddingAwarePositionIds)
      return refuse(step, "argument " + llvm::Twine(number) +
                              " expects a default that a step can compute, got "
                              "\"padding_aware_position_ids\", which count the "
                              "whole sequence");
  }
  return success();
}

LogicalResult Finder::checkAttention(RaggedAttentionOp op) {
  // Both by its values and by the arguments that delimit sequences: keys of the
  // encoder between offsets of the decoder would be read from the wrong rows.
  bool toEncoder =
      ofEncoder.contains(op.getKey()) && ofEncoder.contains(op.getValue()) &&
      op.getKeyOffsets() == parts.encoderOffsets &&
      op.getKeyLengths() == parts.encoderLengths &&
      op.getQueryOffsets() == parts.offsets && isPerToken(op.getQuery());
  if (toEncoder) {
    // Rows are counted from the last one, and every step has its own.
    if (op.getCausal() || op.getDistanceBias())
      return refuse(op,
                    "expects neither a causal mask nor a distance_bias to "
                    "encoder tokens, got one, and a step can't tell how far "
                    "they are");
    parts.crossAttentions.push_back(op);
    tokens.insert(op.getResult());
    return success();
  }
  if (!op.getCausal())
    return refuse(op, "expects to be causal for a cache, got tokens that see "
                      "later ones");
  if (op.getQueryOffsets() != parts.offsets ||
      op.getKeyOffsets() != parts.offsets ||
      op.getKeyLengths() != parts.lengths || !isPerToken(op.getQuery()) ||
      !isPerToken(op.getKey()) || !isPerToken(op.getValue()))
    return refuse(op, "expects keys of the function's own sequences, or of "
                      "their encoder tokens, for a cache, got others");
  parts.layers.push_back(op);
  tokens.insert(op.getResult());
  return success();
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
    // However it is made, even by mixing tokens: `@encode` runs before the
    // first step and sees all of the encoder's tokens at once.
    if (areAll([&](Value value) { return isOfEncoder(value); })) {
      ofEncoder.insert_range(op.getResults());
      continue;
    }
    if (auto attention = dyn_cast<RaggedAttentionOp>(op)) {
      if (failed(checkAttention(attention)))
        return failure();
      continue;
    }
    auto rowwise = dyn_cast<RowwiseOpInterface>(op);
    auto embedding = dyn_cast<EmbeddingOp>(op);
    if (!rowwise || !rowwise.isRowwise(/*rowDims=*/1) ||
        (embedding && !isUniform(embedding.getTable())) ||
        !areAll(
            [&](Value value) { return isUniform(value) || isPerToken(value); }))
      return refuse(&op, "expects to be rowwise in a step, got one that mixes "
                         "tokens");
    tokens.insert_range(op.getResults());
  }
  // Nor is there if no result per token is left that needs it.
  if (parts.layers.empty())
    return refuse(step, "expects attention whose keys a cache can hold, got "
                        "none");
  return success();
}

LogicalResult Finder::checkResults() {
  for (auto [number, result] :
       llvm::enumerate(step.front().getTerminator()->getOperands())) {
    bool ofStep =
        getDim(step.getResultAttrDict(number)) != Dimension::EncoderTokens;
    if (ofStep ? !isPerToken(result) : !ofEncoder.contains(result))
      return refuse(step, "result " + llvm::Twine(number) +
                              (ofStep ? " expects values per token of a step"
                                      : " expects what encoder tokens alone "
                                        "decide") +
                              ", got others");
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
