//===- Encoder.cpp - BERT and its relatives -------------------------------===//
//
// x = LayerNorm(word[id] + type[t] + position[p]); then in every layer
// x = LayerNorm(x + attention(x)), x = LayerNorm(x + feedForward(x))
// (Devlin et al. 2018). The pooler is tanh(W x[token 0] + b). On top stands the
// head of a task, or nothing.
//
//===----------------------------------------------------------------------===//

#include "frontends/huggingface/Encoder.h"

#include "llvm/ADT/STLExtras.h"
#include "llvm/Support/FormatVariadic.h"

using namespace mlir;
using llvm::formatv;
using llvm::StringLiteral;

namespace transom::huggingface {

namespace {

class Encoder final : public Definition {
public:
  Encoder(const EncoderTable &table, Config &config);

  std::string describe() const override;
  void build(StringRef task, ModelBuilder &builder) const override;

private:
  Value buildEmbeddings(Value ids, ModelBuilder &builder) const;
  Value buildLayer(StringRef layer, Value input, Value mask,
                   ModelBuilder &builder) const;
  Value buildPooler(Value hidden, ModelBuilder &builder) const;
  void buildHead(const Head &head, Value hidden, Value pooled,
                 ModelBuilder &builder) const;
  int64_t widthOf(Head::Width kind) const;

  const EncoderTable &table;
  int64_t vocabulary, width, layers, heads, feedForward, positions, tokenTypes,
      embeddingWidth, labels;
  double epsilon;
  const Activation &activation;
  bool tiesWords;
  int64_t padding = -1;
};

} // namespace

static constexpr StringLiteral wordTable = "embeddings.word_embeddings";
static constexpr StringLiteral pooler = "pooler.dense";

Encoder::Encoder(const EncoderTable &table, Config &config)
    : table(table), vocabulary(readSize(config, table.vocabulary, maxIds)),
      width(readSize(config, table.width, maxWidth)),
      layers(readSize(config, table.layers, maxLayers)),
      heads(readSize(config, table.heads, maxWidth)),
      feedForward(readSize(config, table.feedForward, maxWidth)),
      positions(readSize(config, table.positions, maxIds)),
      tokenTypes(readSize(config, table.tokenTypes, maxIds)),
      embeddingWidth(readSize(config, table.embeddingWidth, maxWidth, width)),
      labels(config.countLabels()),
      epsilon(table.epsilonKey.empty()
                  ? 1e-12
                  : config.number(table.epsilonKey, 1e-12, 0, 1)),
      activation(config.oneOf(table.activationKey, "gelu", activations())),
      tiesWords(config.flag("tie_word_embeddings", true)) {
  config.checkDivides(table.heads.key, heads, table.width.key, width);
  config.require("position_embedding_type", "absolute");
  config.require("is_decoder", false, "only encoders can be compiled");
  config.require("add_cross_attention", false, "only encoders can be compiled");
  config.require("is_encoder_decoder", false, "only encoders can be compiled");
  config.require("cross_attention_hidden_size", nullptr,
                 "only encoders can be compiled");
  if (table.countsPositions)
    padding = config.index("pad_token_id", table.padding,
                           std::min(vocabulary, positions));
  for (const FixedKey &fixed : table.fixedKeys)
    config.oneOf(fixed.key, fixed.name, llvm::ArrayRef(fixed));
  config.ignore(table.ignoredKeys);
}

std::string Encoder::describe() const {
  return formatv("{0} layers, {1} wide, {2} heads, {3} positions", layers,
                 width, heads, positions);
}

int64_t Encoder::widthOf(Head::Width kind) const {
  switch (kind) {
  case Head::Width::One:
    return 1;
  case Head::Width::Two:
    return 2;
  case Head::Width::Labels:
    return labels;
  case Head::Width::Vocabulary:
    return vocabulary;
  }
  llvm_unreachable("no such width");
}

void Encoder::build(StringRef task, ModelBuilder &builder) const {
  Value ids = builder.addInput({"input_ids", "", vocabulary});
  Value mask =
      builder.addInput({"attention_mask", "ones", 0, "attention_mask"});
  Value x = buildEmbeddings(ids, builder);
  Value bias = builder.paddingMask("encoder", mask);
  for (int64_t i = 0; i < layers; ++i)
    x = buildLayer(formatv("{0}.{1}", table.layer, i).str(), x, bias, builder);

  SmallVector<const Head *> taskHeads;
  for (const Head &head : table.taskHeads)
    if (head.task == task)
      taskHeads.push_back(&head);
  auto usesPooler = [](const Head *head) {
    return head->from == Head::From::Pooler;
  };
  // Models with a head on every token were trained without a pooler.
  Value pooled;
  if (taskHeads.empty() ? builder.hasModule(pooler)
                        : llvm::any_of(taskHeads, usesPooler))
    pooled = buildPooler(x, builder);

  if (taskHeads.empty()) { // feature-extraction
    builder.addOutput("last_hidden_state", x, {"batch", "length", "width"});
    if (pooled)
      builder.addOutput("pooler_output", pooled, {"batch", "width"});
    return;
  }
  builder.leaveBaseModel();
  for (const Head *head : taskHeads)
    buildHead(*head, x, pooled, builder);
}

Value Encoder::buildEmbeddings(Value ids, ModelBuilder &builder) const {
  SmallVector<StringRef> tied{wordTable};
  for (const Head &head : table.taskHeads)
    if (tiesWords && head.width == Head::Width::Vocabulary)
      tied.push_back(head.projection);
  StringRef holder = builder.findModule(tied);
  Value x = builder.embedding(wordTable, ids, vocabulary, embeddingWidth,
                              holder.empty() ? "" : (holder + ".weight").str());
  if (tokenTypes != 0) {
    Value types = builder.addInput({"token_type_ids", "zeros", tokenTypes});
    Value type = builder.embedding("embeddings.token_type_embeddings", types,
                                   tokenTypes, embeddingWidth);
    x = builder.add("embeddings", x, type);
  }
  Input positionIds{"position_ids", "position_ids", positions};
  if (table.countsPositions) {
    positionIds.fallback = "padding_aware_position_ids";
    positionIds.padding = padding;
  }
  Value places = builder.addInput(positionIds);
  Value place = builder.embedding("embeddings.position_embeddings", places,
                                  positions, embeddingWidth);
  x = builder.add("embeddings", x, place);
  x = builder.layerNorm("embeddings.LayerNorm", x, epsilon);
  if (embeddingWidth != width)
    x = builder.linear("embeddings_project", x, width);
  return x;
}

Value Encoder::buildLayer(StringRef layer, Value input, Value mask,
                          ModelBuilder &builder) const {
  auto in = [&](StringRef module) { return (layer + "." + module).str(); };
  // What lies between modules belongs to the module that holds them.
  auto holding = [&](StringRef module) {
    return in(module).substr(0, in(module).rfind('.'));
  };

  Value query = builder.linear(in(table.query), input, width);
  Value key = builder.linear(in(table.key), input, width);
  Value value = builder.linear(in(table.value), input, width);
  Value x =
      builder.attention(in(table.attention), query, key, value, mask, {heads});
  x = builder.linear(in(table.attentionOutput), x, width);
  x = builder.add(holding(table.attentionNorm), x, input);
  Value attended = builder.layerNorm(in(table.attentionNorm), x, epsilon);

  x = builder.linear(in(table.intermediate), attended, feedForward);
  x = builder.activation(in(table.activation), activation, x);
  x = builder.linear(in(table.output), x, width);
  x = builder.add(holding(table.outputNorm), x, attended);
  return builder.layerNorm(in(table.outputNorm), x, epsilon);
}

Value Encoder::buildPooler(Value hidden, ModelBuilder &builder) const {
  Value x = builder.selectToken("pooler", hidden, 0);
  x = builder.linear(pooler, x, width);
  return builder.tanh("pooler.activation", x);
}

void Encoder::buildHead(const Head &head, Value hidden, Value pooled,
                        ModelBuilder &builder) const {
  bool ofTokens = head.from == Head::From::Tokens;
  bool isDecoder = head.width == Head::Width::Vocabulary;
  Value x = hidden;
  if (head.from == Head::From::Pooler)
    x = pooled;
  else if (!ofTokens)
    x = builder.selectToken(head.dense.empty() ? head.projection : head.dense,
                            hidden, 0);

  if (!head.dense.empty()) {
    x = builder.linear(head.dense, x, isDecoder ? embeddingWidth : width);
    x = builder.activation(
        head.dense,
        head.activation.empty() ? activation : findActivation(head.activation),
        x);
  }
  if (!head.norm.empty())
    x = builder.layerNorm(head.norm, x, epsilon);

  std::string weight, bias;
  // As transformers has it, a decoder of its own goes before what is tied.
  if (isDecoder && tiesWords && !builder.hasModule(head.projection))
    weight = (wordTable + ".weight").str();
  if (!head.bias.empty() && !builder.hasTensor(head.projection + ".bias"))
    bias = head.bias.str();
  x = builder.linear(head.projection, x, widthOf(head.width), weight, bias);

  SmallVector<StringRef> dims{"batch"};
  if (ofTokens)
    dims.push_back("length");
  if (!head.splitsColumns) {
    dims.push_back(isDecoder ? "vocabulary" : "labels");
    // Of all words the few at a mask are wanted, as a rule.
    builder.addOutput(head.outputs.front(), x, dims,
                      /*selectOutputPositions=*/isDecoder);
    return;
  }
  for (auto [column, name] : llvm::enumerate(head.outputs))
    builder.addOutput(name, builder.column(head.projection, x, column), dims);
}

std::unique_ptr<Definition> readEncoder(const EncoderTable &table,
                                        Config &config) {
  return std::make_unique<Encoder>(table, config);
}

} // namespace transom::huggingface
