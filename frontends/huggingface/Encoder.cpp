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
using transom::transformer::DefaultKind;
using transom::transformer::InputRole;

namespace transom::huggingface {

namespace {

class Encoder final : public Definition {
public:
  Encoder(const EncoderSpec &spec, Config &config);

  std::string describe() const override;
  void build(StringRef task, ModelBuilder &builder) const override;

private:
  Value buildEmbeddings(Value ids, ModelBuilder &builder) const;
  Value buildLayer(StringRef layer, Value input, Value mask,
                   ModelBuilder &builder) const;
  Value buildPooler(Value hidden, ModelBuilder &builder) const;

  const EncoderSpec &spec;
  Config &config; ///< of what the task says whether it counts
  int64_t vocabulary, width, layers, heads, feedForward, positions, tokenTypes,
      embeddingWidth, labels;
  double epsilon;
  const Activation &activation;
  bool tiesEmbeddings;
  int64_t padding = -1;
};

} // namespace

static constexpr StringLiteral tokenEmbedding = "embeddings.word_embeddings";
static constexpr StringLiteral pooler = "pooler.dense";

Encoder::Encoder(const EncoderSpec &spec, Config &config)
    : spec(spec), config(config),
      vocabulary(readSize(config, spec.vocabulary, maxIds)),
      width(readSize(config, spec.width, maxWidth)),
      layers(readSize(config, spec.layers, maxLayers)),
      heads(readSize(config, spec.heads, maxWidth)),
      feedForward(readSize(config, spec.feedForward, maxWidth)),
      positions(readSize(config, spec.positions, maxIds)),
      tokenTypes(readSize(config, spec.tokenTypes, maxIds)),
      embeddingWidth(readSize(config, spec.embeddingWidth, maxWidth, width)),
      labels(config.countLabels()),
      epsilon(spec.epsilonKey.empty()
                  ? 1e-12
                  : config.number(spec.epsilonKey, 1e-12, 0, 1)),
      activation(config.oneOf(spec.activationKey, "gelu", activations())),
      tiesEmbeddings(config.flag("tie_word_embeddings", true)) {
  config.checkDivides(spec.heads.key, heads, spec.width.key, width);
  config.require("position_embedding_type", "absolute");
  config.require("is_decoder", false, "only encoders can be compiled");
  config.require("add_cross_attention", false, "only encoders can be compiled");
  config.require("is_encoder_decoder", false, "only encoders can be compiled");
  config.require("cross_attention_hidden_size", nullptr,
                 "only encoders can be compiled");
  if (spec.paddingAwarePositions)
    padding = config.index("pad_token_id", spec.padding,
                           std::min(vocabulary, positions));
  for (const FixedKey &fixed : spec.fixedKeys)
    config.oneOf(fixed.key, fixed.name, llvm::ArrayRef(fixed));
  config.ignore(spec.ignoredKeys);
}

std::string Encoder::describe() const {
  return formatv("{0} layers, {1} wide, {2} heads, {3} positions", layers,
                 width, heads, positions);
}

void Encoder::build(StringRef task, ModelBuilder &builder) const {
  Value ids = builder.addInput({"input_ids", std::nullopt, vocabulary});
  Value mask = builder.addInput(
      {"attention_mask", DefaultKind::Ones, 0, InputRole::AttentionMask});
  Value x = buildEmbeddings(ids, builder);
  Value bias = builder.paddingMask("encoder", mask);
  for (int64_t i = 0; i < layers; ++i)
    x = buildLayer(formatv("{0}.{1}", spec.layer, i).str(), x, bias, builder);

  SmallVector<const Head *> taskHeads = headsOf(spec.taskHeads, task);
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
  Trunk trunk{.hidden = x,
              .pooled = pooled,
              .width = width,
              .vocabulary = vocabulary,
              .labels = labels,
              .embeddingWidth = embeddingWidth,
              .epsilon = epsilon,
              .activation = activation,
              .config = config};
  if (tiesEmbeddings)
    trunk.tiedWeight = (tokenEmbedding + ".weight").str();
  for (const Head *head : taskHeads)
    buildHead(*head, trunk, builder);
}

Value Encoder::buildEmbeddings(Value ids, ModelBuilder &builder) const {
  SmallVector<StringRef> tied{tokenEmbedding};
  for (const Head &head : spec.taskHeads)
    if (tiesEmbeddings && head.width == Head::Width::Vocabulary)
      tied.push_back(head.projection);
  StringRef holder = builder.findModule(tied);
  Value x = builder.embedding(tokenEmbedding, ids, vocabulary, embeddingWidth,
                              holder.empty() ? "" : (holder + ".weight").str());
  if (tokenTypes != 0) {
    Value types =
        builder.addInput({"token_type_ids", DefaultKind::Zeros, tokenTypes});
    Value type = builder.embedding("embeddings.token_type_embeddings", types,
                                   tokenTypes, embeddingWidth);
    x = builder.add("embeddings", x, type);
  }
  Input input{"position_ids", DefaultKind::PositionIds, positions};
  if (spec.paddingAwarePositions) {
    input.defaultKind = DefaultKind::PaddingAwarePositionIds;
    input.operand = padding;
  }
  Value positionIds = builder.addInput(input);
  Value position = builder.embedding("embeddings.position_embeddings",
                                     positionIds, positions, embeddingWidth);
  x = builder.add("embeddings", x, position);
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

  Value query = builder.linear(in(spec.query), input, width);
  Value key = builder.linear(in(spec.key), input, width);
  Value value = builder.linear(in(spec.value), input, width);
  Value x =
      builder.attention(in(spec.attention), query, key, value, mask, {heads});
  x = builder.linear(in(spec.attentionOutput), x, width);
  x = builder.add(holding(spec.attentionNorm), x, input);
  Value attended = builder.layerNorm(in(spec.attentionNorm), x, epsilon);

  x = builder.linear(in(spec.intermediate), attended, feedForward);
  x = builder.activation(in(spec.activation), activation, x);
  x = builder.linear(in(spec.output), x, width);
  x = builder.add(holding(spec.outputNorm), x, attended);
  return builder.layerNorm(in(spec.outputNorm), x, epsilon);
}

Value Encoder::buildPooler(Value hidden, ModelBuilder &builder) const {
  Value x = builder.selectToken("pooler", hidden, 0);
  x = builder.linear(pooler, x, width);
  return builder.tanh("pooler.activation", x);
}

std::unique_ptr<Definition> readEncoder(const EncoderSpec &spec,
                                        Config &config) {
  return std::make_unique<Encoder>(spec, config);
}

} // namespace transom::huggingface
