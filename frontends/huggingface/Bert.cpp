//===- Bert.cpp - BERT, an encoder (Devlin et al. 2018) -------------------===//
//
// x = LayerNorm(word[id] + type[t] + position[p]); then in every layer
// x = LayerNorm(x + attention(x)), x = LayerNorm(x + feedForward(x)).
// The pooler is tanh(W x[token 0] + b).
//
//===----------------------------------------------------------------------===//

#include "frontends/huggingface/Families.h"

#include "llvm/Support/FormatVariadic.h"

#include <limits>

using namespace mlir;
using llvm::formatv;
using llvm::StringLiteral;

namespace transom::huggingface {

namespace {

class Bert final : public Definition {
public:
  explicit Bert(Config &config);

  std::string describe() const override;
  void build(StringRef task, ModelBuilder &builder) const override;

private:
  Value buildLayer(StringRef layer, Value input, Value mask,
                   ModelBuilder &builder) const;

  int64_t vocabulary, width, layers, heads, feedForward, positions, tokenTypes;
  double epsilon;
  const Activation &activation;
};

} // namespace

// Ids are 32-bit integers; the other limits are far beyond any real model and
// keep products of two sizes inside 64 bits.
static constexpr int64_t maxIds = std::numeric_limits<int32_t>::max();
static constexpr int64_t maxWidth = 1 << 20;
static constexpr int64_t maxLayers = 1 << 12;

Bert::Bert(Config &config)
    : vocabulary(config.size("vocab_size", 30522, maxIds)),
      width(config.size("hidden_size", 768, maxWidth)),
      layers(config.size("num_hidden_layers", 12, maxLayers)),
      heads(config.size("num_attention_heads", 12, maxWidth)),
      feedForward(config.size("intermediate_size", 3072, maxWidth)),
      positions(config.size("max_position_embeddings", 512, maxIds)),
      tokenTypes(config.size("type_vocab_size", 2, maxIds)),
      epsilon(config.number("layer_norm_eps", 1e-12, 0, 1)),
      activation(config.oneOf("hidden_act", "gelu", activations())) {
  config.checkDivides("num_attention_heads", heads, "hidden_size", width);
  config.require("position_embedding_type", "absolute");
  config.require("is_decoder", false, "only encoders can be compiled");
  config.require("add_cross_attention", false, "only encoders can be compiled");
  config.require("is_encoder_decoder", false, "only encoders can be compiled");
  config.require("cross_attention_hidden_size", nullptr,
                 "only encoders can be compiled");
  // Dropout is the identity at inference; the rest describes a pooler that
  // TensorFlow's code had and transformers has not.
  config.ignore({"attention_probs_dropout_prob", "classifier_dropout",
                 "hidden_dropout_prob", "directionality", "pooler_fc_size",
                 "pooler_num_attention_heads", "pooler_num_fc_layers",
                 "pooler_size_per_head", "pooler_type"});
}

std::string Bert::describe() const {
  return formatv("{0} layers, {1} wide, {2} heads, {3} positions", layers,
                 width, heads, positions);
}

void Bert::build(StringRef task, ModelBuilder &builder) const {
  Value ids = builder.addInput({"input_ids", "", vocabulary});
  Value mask =
      builder.addInput({"attention_mask", "ones", 0, "attention_mask"});
  Value types = builder.addInput({"token_type_ids", "zeros", tokenTypes});
  Value places = builder.addInput({"position_ids", "positions", positions});

  Value x =
      builder.embedding("embeddings.word_embeddings", ids, vocabulary, width);
  Value type = builder.embedding("embeddings.token_type_embeddings", types,
                                 tokenTypes, width);
  x = builder.add("embeddings", x, type);
  Value place = builder.embedding("embeddings.position_embeddings", places,
                                  positions, width);
  x = builder.add("embeddings", x, place);
  x = builder.layerNorm("embeddings.LayerNorm", x, epsilon);

  Value bias = builder.paddingMask("encoder", mask);
  for (int64_t i = 0; i < layers; ++i)
    x = buildLayer(formatv("encoder.layer.{0}", i).str(), x, bias, builder);
  builder.addOutput("last_hidden_state", x, {"batch", "length", "width"});

  // Models with a head on every token were trained without a pooler.
  if (builder.hasModule("pooler.dense")) {
    Value pooled = builder.selectToken("pooler", x, 0);
    pooled = builder.linear("pooler.dense", pooled, width);
    pooled = builder.tanh("pooler.activation", pooled);
    builder.addOutput("pooler_output", pooled, {"batch", "width"});
  }
}

Value Bert::buildLayer(StringRef layer, Value input, Value mask,
                       ModelBuilder &builder) const {
  auto in = [&](StringRef module) { return (layer + "." + module).str(); };

  Value query = builder.linear(in("attention.self.query"), input, width);
  Value key = builder.linear(in("attention.self.key"), input, width);
  Value value = builder.linear(in("attention.self.value"), input, width);
  Value x =
      builder.attention(in("attention.self"), query, key, value, mask, heads);
  x = builder.linear(in("attention.output.dense"), x, width);
  x = builder.add(in("attention.output"), x, input);
  Value attended =
      builder.layerNorm(in("attention.output.LayerNorm"), x, epsilon);

  x = builder.linear(in("intermediate.dense"), attended, feedForward);
  x = builder.activation(in("intermediate.intermediate_act_fn"), activation, x);
  x = builder.linear(in("output.dense"), x, width);
  x = builder.add(in("output"), x, attended);
  return builder.layerNorm(in("output.LayerNorm"), x, epsilon);
}

static std::unique_ptr<Definition> readBert(Config &config) {
  return std::make_unique<Bert>(config);
}

static constexpr StringLiteral bertTasks[] = {"feature-extraction"};
static constexpr StringLiteral bertOptional[] = {"embeddings.position_ids",
                                                 "embeddings.token_type_ids",
                                                 "pooler.",
                                                 "cls.",
                                                 "classifier.",
                                                 "qa_outputs."};

const Family bertFamily = {"bert",    "Bert",       "bert.",
                           bertTasks, bertOptional, readBert};

} // namespace transom::huggingface
