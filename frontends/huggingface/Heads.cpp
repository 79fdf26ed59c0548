//===- Heads.cpp - the layers behind a trunk ------------------------------===//

#include "frontends/huggingface/Heads.h"

#include "frontends/huggingface/Summary.h"

using namespace mlir;
using transom::transformer::DefaultKind;
using transom::transformer::InputRole;

namespace transom::huggingface {

SmallVector<const Head *> headsOf(ArrayRef<Head> heads, StringRef task) {
  SmallVector<const Head *> result;
  for (const Head &head : heads)
    if (head.task == task)
      result.push_back(&head);
  return result;
}

static int64_t widthOf(Head::Width kind, const Trunk &trunk) {
  switch (kind) {
  case Head::Width::One:
    return 1;
  case Head::Width::Two:
    return 2;
  case Head::Width::Labels:
    return trunk.labels;
  case Head::Width::Vocabulary:
    return trunk.vocabulary;
  }
  llvm_unreachable("no such width");
}

/// The input that says which token of a sequence is read; by default the last
/// one, as transformers defines it for the family.
static Input lastToken(const Head &head, const Trunk &trunk) {
  Input index{.name = "last_token",
              .role = InputRole::TokenIndex,
              .length = std::nullopt};
  if (head.from == Head::From::EndToken) {
    if (!trunk.endOfSequence)
      trunk.config.getProblems().unsupported(
          Config::file, "eos_token_id", "null",
          "the id at whose last place in the source a class is read");
    index.defaultKind = DefaultKind::LastEqual;
    index.operand = trunk.endOfSequence.value_or(0);
  } else if (trunk.padding) {
    index.defaultKind = DefaultKind::LastNonPadding;
    index.operand = *trunk.padding;
  } else {
    index.defaultKind = DefaultKind::Last;
  }
  return index;
}

void buildHead(const Head &head, const Trunk &trunk, ModelBuilder &builder) {
  // What selects a token belongs to the module that reads it.
  StringRef reader = head.dense.empty() ? head.projection : head.dense;
  SmallVector<StringRef> dims{"batch"};
  Value x = trunk.hidden;
  switch (head.from) {
  case Head::From::Tokens:
    dims.push_back("length");
    break;
  case Head::From::FirstToken:
    x = builder.selectToken(reader, x, 0);
    break;
  case Head::From::Pooler:
    x = trunk.pooled;
    break;
  case Head::From::LastToken:
  case Head::From::EndToken:
    x = builder.gatherToken(reader, x,
                            builder.addInput(lastToken(head, trunk)));
    break;
  case Head::From::Summary:
    x = buildSummary(head.projection, head.tokenIndex, x, trunk.config,
                     builder);
    if (cast<RankedTensorType>(x.getType()).getRank() == 2)
      dims.push_back("width");
    builder.addOutput(head.outputs.front(), x, dims);
    return;
  }

  bool isVocabulary = head.width == Head::Width::Vocabulary;
  if (!head.dense.empty()) {
    x = builder.linear(head.dense, x,
                       isVocabulary ? trunk.embeddingWidth : trunk.width);
    x = builder.activation(head.dense,
                           head.activation.empty()
                               ? trunk.activation
                               : findActivation(head.activation),
                           x);
  }
  if (!head.norm.empty())
    x = builder.layerNorm(head.norm, x, trunk.epsilon);

  std::string weight, bias;
  if (isVocabulary) {
    if (trunk.scale != 1)
      x = builder.scale(head.projection, x, trunk.scale);
    // As in transformers, a matrix of its own goes before the tied one.
    if (!builder.hasModule(head.projection))
      weight = trunk.tiedWeight;
  }
  if (!head.bias.empty() && !builder.hasTensor(head.projection + ".bias"))
    bias = head.bias.str();
  int64_t columns = widthOf(head.width, trunk);
  x = head.hasBias ? builder.linear(head.projection, x, columns, weight, bias)
                   : builder.projection(head.projection, x, columns, weight);
  if (head.generates)
    builder.setGenerates();

  if (!head.splitsColumns) {
    dims.push_back(isVocabulary ? "vocabulary" : "labels");
    // Logits over a vocabulary are mostly read at few positions: a mask's, or
    // the last.
    builder.addOutput(head.outputs.front(), x, dims,
                      /*selectOutputPositions=*/isVocabulary);
    return;
  }
  for (auto [column, name] : llvm::enumerate(head.outputs))
    builder.addOutput(name, builder.column(head.projection, x, column), dims);
}

} // namespace transom::huggingface
