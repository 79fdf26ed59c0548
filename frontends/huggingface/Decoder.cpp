//===- Decoder.cpp - GPT and its relatives --------------------------------===//
//
// x = word[id] + position[p]; then in every layer x = norm(x + attention(x)),
// x = norm(x + feedForward(x)) (Radford et al. 2018), or x = x +
// attention(norm(x)), x = x + feedForward(norm(x)), and norm(x) at the end
// (Radford et al. 2019). Attention hides what comes later. On top stands the
// head of a task, or nothing.
//
//===----------------------------------------------------------------------===//

#include "frontends/huggingface/Decoder.h"

#include "llvm/ADT/STLExtras.h"
#include "llvm/Support/FormatVariadic.h"

#include <cmath>

using namespace mlir;
using llvm::formatv;

namespace transom::huggingface {

namespace {

class Decoder final : public Definition {
public:
  Decoder(const DecoderTable &table, Config &config);

  std::string describe() const override;
  void build(StringRef task, ModelBuilder &builder) const override;

private:
  Value buildLayer(int64_t number, Value input, Value mask,
                   ModelBuilder &builder) const;
  Value buildAttention(int64_t number, Value input, Value mask,
                       ModelBuilder &builder) const;
  Value buildFeedForward(StringRef layer, Value input,
                         ModelBuilder &builder) const;
  void buildHead(const DecoderHead &head, Value hidden,
                 ModelBuilder &builder) const;
  int64_t widthOf(DecoderHead::Width kind) const;
  std::string nameLayer(int64_t number) const {
    return formatv("{0}.{1}", table.layer, number).str();
  }

  const DecoderTable &table;
  int64_t vocabulary, width, layers, heads, positions, feedForward, labels;
  double epsilon;
  const Activation &activation;
  bool scales, scalesLayers, tiesWords;
};

} // namespace

static bool readFlag(Config &config, StringRef key, bool fallback) {
  return key.empty() ? fallback : config.flag(key, fallback);
}

static const Activation &readActivation(Config &config,
                                        const DecoderTable &table) {
  if (table.activationNames.empty())
    return config.oneOf(table.activationKey, table.activation, activations());
  return findActivation(
      config.oneOf(table.activationKey, table.activation, table.activationNames)
          .meaning);
}

Decoder::Decoder(const DecoderTable &table, Config &config)
    : table(table), vocabulary(readSize(config, table.vocabulary, maxIds)),
      width(readSize(config, table.width, maxWidth)),
      layers(readSize(config, table.layers, maxLayers)),
      heads(readSize(config, table.heads, maxWidth)),
      positions(readSize(config, table.positions, maxIds)),
      feedForward(4 * width), labels(config.countLabels()),
      epsilon(config.number(table.epsilonKey, table.epsilon, 0, 1)),
      activation(readActivation(config, table)),
      scales(readFlag(config, table.scalesKey, true)),
      scalesLayers(readFlag(config, table.scalesLayersKey, false)),
      tiesWords(config.flag("tie_word_embeddings", true)) {
  if (!table.feedForwardKey.empty() && config.isGiven(table.feedForwardKey))
    feedForward = config.size(table.feedForwardKey, feedForward, maxWidth);
  config.checkDivides(table.heads.key, heads, table.width.key, width);
  config.require("add_cross_attention", false,
                 "a decoder of another model's encodings can't be compiled");
  config.require("is_encoder_decoder", false,
                 "a decoder of another model's encodings can't be compiled");
  config.ignore(table.ignoredKeys);
}

std::string Decoder::describe() const {
  return formatv("{0} layers, {1} wide, {2} heads, {3} positions", layers,
                 width, heads, positions);
}

int64_t Decoder::widthOf(DecoderHead::Width kind) const {
  switch (kind) {
  case DecoderHead::Width::Two:
    return 2;
  case DecoderHead::Width::Labels:
    return labels;
  case DecoderHead::Width::Vocabulary:
    return vocabulary;
  }
  llvm_unreachable("no such width");
}

void Decoder::build(StringRef task, ModelBuilder &builder) const {
  Value ids = builder.addInput({"input_ids", "", vocabulary});
  Value mask =
      builder.addInput({"attention_mask", "ones", 0, "attention_mask"});
  Value places = builder.addInput({"position_ids", "positions", positions});
  Value x = builder.embedding(table.words, ids, vocabulary, width);
  Value place = builder.embedding(table.places, places, positions, width);
  x = builder.add("embeddings", x, place);
  Value bias = builder.paddingMask("decoder", mask);
  for (int64_t i = 0; i < layers; ++i)
    x = buildLayer(i, x, bias, builder);
  if (table.normsFirst)
    x = builder.layerNorm(table.lastNorm, x, epsilon);

  const auto *head =
      llvm::find_if(table.taskHeads,
                    [&](const DecoderHead &head) { return head.task == task; });
  if (head == table.taskHeads.end()) { // feature-extraction
    builder.addOutput("last_hidden_state", x, {"batch", "length", "width"});
    return;
  }
  if (head->generates)
    builder.setGenerates();
  builder.leaveBaseModel();
  buildHead(*head, x, builder);
}

Value Decoder::buildLayer(int64_t number, Value input, Value mask,
                          ModelBuilder &builder) const {
  std::string layer = nameLayer(number);
  auto withResidual = [&](StringRef normModule, Value input, auto build) {
    auto norm = [&](Value x) {
      return builder.layerNorm((layer + "." + normModule).str(), x, epsilon);
    };
    if (table.normsFirst)
      return builder.add(layer, build(norm(input)), input);
    return norm(builder.add(layer, build(input), input));
  };
  Value x = withResidual(table.attentionNorm, input, [&](Value x) {
    return buildAttention(number, x, mask, builder);
  });
  return withResidual(table.outputNorm, x, [&](Value x) {
    return buildFeedForward(layer, x, builder);
  });
}

Value Decoder::buildAttention(int64_t number, Value input, Value mask,
                              ModelBuilder &builder) const {
  std::string layer = nameLayer(number);
  auto in = [&](StringRef module) { return (layer + "." + module).str(); };
  std::string projections = in(table.projections);
  Value all = builder.conv1d(projections, input, 3 * width);
  Value query = builder.columns(projections, all, 0, width);
  Value key = builder.columns(projections, all, width, 2 * width);
  Value value = builder.columns(projections, all, 2 * width, 3 * width);
  double scale = scales ? 1 / std::sqrt(double(width / heads)) : 1;
  if (scalesLayers)
    scale /= number + 1;
  Value x = builder.attention(in(table.attention), query, key, value, mask,
                              {.heads = heads, .scale = scale, .causal = true});
  return builder.conv1d(in(table.attentionOutput), x, width);
}

Value Decoder::buildFeedForward(StringRef layer, Value input,
                                ModelBuilder &builder) const {
  auto in = [&](StringRef module) { return (layer + "." + module).str(); };
  Value x = builder.conv1d(in(table.intermediate), input, feedForward);
  x = builder.activation(in(table.activationModule), activation, x);
  return builder.conv1d(in(table.output), x, width);
}

void Decoder::buildHead(const DecoderHead &head, Value hidden,
                        ModelBuilder &builder) const {
  bool isVocabulary = head.width == DecoderHead::Width::Vocabulary;
  std::string weight;
  // As transformers has it, a decoder of its own goes before what is tied.
  if (isVocabulary && tiesWords && !builder.hasModule(head.projection))
    weight = (table.words + ".weight").str();
  int64_t columns = widthOf(head.width);
  Value x = head.hasBias
                ? builder.linear(head.projection, hidden, columns, weight)
                : builder.projection(head.projection, hidden, columns, weight);

  if (!head.splitsColumns) {
    // Of all words the next one is wanted, as a rule.
    builder.addOutput(
        head.outputs.front(), x,
        {"batch", "length", isVocabulary ? "vocabulary" : "labels"},
        /*selectPositions=*/isVocabulary);
    return;
  }
  for (auto [column, name] : llvm::enumerate(head.outputs))
    builder.addOutput(name, builder.column(head.projection, x, column),
                      {"batch", "length"});
}

std::unique_ptr<Definition> readDecoder(const DecoderTable &table,
                                        Config &config) {
  return std::make_unique<Decoder>(table, config);
}

} // namespace transom::huggingface
