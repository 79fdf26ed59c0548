//===- Decoder.cpp - GPT and its relatives --------------------------------===//
//
// x = word[id] + position[p]; then in every layer x = norm(x + attention(x)),
// x = norm(x + feedForward(x)) (Radford et al. 2018), or x = x +
// attention(norm(x)), x = x + feedForward(norm(x)), and norm(x) at the end
// (Radford et al. 2019). Attention hides what comes later. Positions may be
// rotations of queries and keys instead, key heads fewer, and the feed-forward
// layer gated (Touvron et al. 2023). On top stands the head of a task, or
// nothing.
//
//===----------------------------------------------------------------------===//

#include "frontends/huggingface/Decoder.h"

#include "frontends/huggingface/Files.h"
#include "frontends/huggingface/Summary.h"

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
  /// What all layers read.
  struct Context {
    Value mask;
    Value positions; ///< null if they are in the embeddings
  };
  Value buildLayer(int64_t number, Value input, const Context &context,
                   ModelBuilder &builder) const;
  Value buildAttention(int64_t number, Value input, const Context &context,
                       ModelBuilder &builder) const;
  Value buildLinear(StringRef module, Value input, int64_t columns,
                    bool hasBias, ModelBuilder &builder) const;
  Value buildNorm(StringRef module, Value input, ModelBuilder &builder) const;
  Value buildFeedForward(StringRef layer, Value input,
                         ModelBuilder &builder) const;
  void buildHead(const DecoderHead &head, Value hidden,
                 ModelBuilder &builder) const;
  int64_t widthOf(DecoderHead::Width kind) const;
  std::string nameLayer(int64_t number) const {
    return formatv("{0}.{1}", table.layer, number).str();
  }

  const DecoderTable &table;
  Config &config; ///< of what the task says whether it counts
  int64_t vocabulary, width, layers, heads, positions, feedForward, keyHeads,
      headSize, labels;
  double epsilon;
  const Activation &activation;
  bool scales, scalesLayers, attentionHasBias, feedForwardHasBias, tiesWords;
  double theta = 0;
  std::optional<int64_t> padding; ///< an id
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

/// `fallback` if the key is "", missing or null.
static int64_t readOptionalSize(Config &config, StringRef key,
                                int64_t fallback) {
  return !key.empty() && config.isGiven(key)
             ? config.size(key, fallback, maxWidth)
             : fallback;
}

/// The base of the rotation's frequencies. Versions of transformers spell the
/// configuration differently; other ways to choose frequencies are refused.
static double readTheta(Config &config) {
  constexpr double fallback = 10000, most = 1e12;
  double theta = config.number("rope_theta", fallback, 1, most);
  Problems &problems = config.getProblems();
  for (StringRef key : {"rope_parameters", "rope_scaling"}) {
    const llvm::json::Object *parameters = config.nested(key);
    if (!parameters)
      continue;
    for (const llvm::json::Object::value_type *entry : sorted(*parameters)) {
      StringRef name = entry->first;
      const llvm::json::Value &value = entry->second;
      std::string path = (key + "." + name).str();
      if (name == "rope_type" || name == "type") {
        if (value != "default")
          problems.unsupported(Config::file, path, describe(value),
                               "\"default\"");
      } else if (name == "rope_theta") {
        std::optional<double> number = value.getAsNumber();
        if (number && *number >= 1 && *number <= most)
          theta = *number;
        else
          problems.unsupported(Config::file, path, describe(value),
                               "a number from 1 to " + describe(most));
      } else {
        problems.unsupported(Config::file, path, describe(value),
                             "\"rope_type\" and \"rope_theta\" only");
      }
    }
  }
  return theta;
}

Decoder::Decoder(const DecoderTable &table, Config &config)
    : table(table), config(config),
      vocabulary(readSize(config, table.vocabulary, maxIds)),
      width(readSize(config, table.width, maxWidth)),
      layers(readSize(config, table.layers, maxLayers)),
      heads(readSize(config, table.heads, maxWidth)),
      positions(readSize(config, table.positions, maxIds)),
      feedForward(readOptionalSize(
          config, table.feedForward.key,
          table.feedForward.fallback ? table.feedForward.fallback : 4 * width)),
      keyHeads(readOptionalSize(config, table.keyHeadsKey, heads)),
      headSize(readOptionalSize(config, table.headSizeKey, width / heads)),
      labels(config.countLabels()),
      epsilon(config.number(table.epsilonKey, table.epsilon, 0, 1)),
      activation(readActivation(config, table)),
      scales(readFlag(config, table.scalesKey, true)),
      scalesLayers(readFlag(config, table.scalesLayersKey, false)),
      attentionHasBias(table.attentionBiasKey.empty() ||
                       config.flag(table.attentionBiasKey, false)),
      feedForwardHasBias(table.feedForwardBiasKey.empty() ||
                         config.flag(table.feedForwardBiasKey, false)),
      tiesWords(config.flag("tie_word_embeddings", table.tiesWords)) {
  config.checkDivides(table.heads.key, heads, table.width.key, width);
  // An id that no token can have is as good as none.
  std::optional<int64_t> id = config.getObject().getInteger("pad_token_id");
  if (id && *id >= 0 && *id < vocabulary)
    padding = id;
  config.checkDivides(table.keyHeadsKey, keyHeads, table.heads.key, heads);
  if (table.places.empty()) {
    theta = readTheta(config);
    config.checkEven(table.headSizeKey, headSize);
  }
  config.require("is_causal", true);
  config.require("partial_rotary_factor", 1);
  config.require("token_classification_bias", true);
  config.require("add_cross_attention", false,
                 "a decoder of another model's encodings can't be compiled");
  config.require("is_encoder_decoder", false,
                 "a decoder of another model's encodings can't be compiled");
  config.ignore(table.ignoredKeys);
  if (llvm::any_of(table.taskHeads, [](const DecoderHead &head) {
        return !head.summaryPlace.empty();
      }))
    config.ignore(summaryKeys);
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
  Value places = builder.addInput({"position_ids", "position_ids", positions});
  SmallVector<StringRef> tied{table.words};
  if (tiesWords)
    tied.push_back("lm_head");
  StringRef holder = builder.findModule(tied);
  Value x = builder.embedding(table.words, ids, vocabulary, width,
                              holder.empty() ? "" : (holder + ".weight").str());
  Context context;
  if (table.places.empty()) {
    context.positions = places;
  } else {
    Value place = builder.embedding(table.places, places, positions, width);
    x = builder.add("embeddings", x, place);
  }
  context.mask = builder.paddingMask("decoder", mask);
  for (int64_t i = 0; i < layers; ++i)
    x = buildLayer(i, x, context, builder);
  if (table.normsFirst)
    x = buildNorm(table.lastNorm, x, builder);

  if (task == "feature-extraction") {
    builder.addOutput("last_hidden_state", x, {"batch", "length", "width"});
    return;
  }
  builder.leaveBaseModel();
  for (const DecoderHead &head : table.taskHeads)
    if (head.task == task)
      buildHead(head, x, builder);
}

Value Decoder::buildLinear(StringRef module, Value input, int64_t columns,
                           bool hasBias, ModelBuilder &builder) const {
  if (!table.projections.empty())
    return builder.conv1d(module, input, columns);
  return hasBias ? builder.linear(module, input, columns)
                 : builder.projection(module, input, columns);
}

Value Decoder::buildNorm(StringRef module, Value input,
                         ModelBuilder &builder) const {
  return table.norm == DecoderTable::Norm::Layer
             ? builder.layerNorm(module, input, epsilon)
             : builder.rmsNorm(module, input, epsilon);
}

Value Decoder::buildLayer(int64_t number, Value input, const Context &context,
                          ModelBuilder &builder) const {
  std::string layer = nameLayer(number);
  auto withResidual = [&](StringRef normModule, Value input, auto build) {
    auto norm = [&](Value x) {
      return buildNorm((layer + "." + normModule).str(), x, builder);
    };
    if (table.normsFirst)
      return builder.add(layer, build(norm(input)), input);
    return norm(builder.add(layer, build(input), input));
  };
  Value x = withResidual(table.attentionNorm, input, [&](Value x) {
    return buildAttention(number, x, context, builder);
  });
  return withResidual(table.outputNorm, x, [&](Value x) {
    return buildFeedForward(layer, x, builder);
  });
}

Value Decoder::buildAttention(int64_t number, Value input,
                              const Context &context,
                              ModelBuilder &builder) const {
  std::string layer = nameLayer(number);
  auto in = [&](StringRef module) { return (layer + "." + module).str(); };
  int64_t inner = heads * headSize, keyWidth = keyHeads * headSize;
  Value query, key, value;
  if (!table.projections.empty()) {
    std::string projections = in(table.projections);
    Value all = buildLinear(projections, input, inner + 2 * keyWidth,
                            attentionHasBias, builder);
    query = builder.columns(projections, all, 0, inner);
    key = builder.columns(projections, all, inner, inner + keyWidth);
    value = builder.columns(projections, all, inner + keyWidth,
                            inner + 2 * keyWidth);
  } else {
    query =
        buildLinear(in(table.query), input, inner, attentionHasBias, builder);
    key =
        buildLinear(in(table.key), input, keyWidth, attentionHasBias, builder);
    value = buildLinear(in(table.value), input, keyWidth, attentionHasBias,
                        builder);
  }
  double scale = scales ? 1 / std::sqrt(double(headSize)) : 1;
  if (scalesLayers)
    scale /= number + 1;
  Value x =
      builder.attention(in(table.attention), query, key, value, context.mask,
                        {.heads = heads,
                         .keyHeads = keyHeads,
                         .scale = scale,
                         .causal = true,
                         .positions = context.positions,
                         .theta = theta});
  return buildLinear(in(table.attentionOutput), x, width, attentionHasBias,
                     builder);
}

Value Decoder::buildFeedForward(StringRef layer, Value input,
                                ModelBuilder &builder) const {
  auto in = [&](StringRef module) { return (layer + "." + module).str(); };
  auto widen = [&](StringRef module) {
    return buildLinear(in(module), input, feedForward, feedForwardHasBias,
                       builder);
  };
  Value x = widen(table.gate.empty() ? table.intermediate : table.gate);
  x = builder.activation(in(table.activationModule), activation, x);
  if (!table.gate.empty())
    x = builder.mul(in(table.activationModule), x, widen(table.intermediate));
  return buildLinear(in(table.output), x, width, feedForwardHasBias, builder);
}

void Decoder::buildHead(const DecoderHead &head, Value hidden,
                        ModelBuilder &builder) const {
  if (!head.summaryPlace.empty()) {
    Value x = buildSummary(head.projection, head.summaryPlace, hidden, config,
                           builder);
    SmallVector<StringRef> dims = {"batch", "width"};
    size_t rank = cast<RankedTensorType>(x.getType()).getRank();
    builder.addOutput(head.outputs.front(), x, ArrayRef(dims).take_front(rank));
    return;
  }
  if (head.generates)
    builder.setGenerates();
  bool isVocabulary = head.width == DecoderHead::Width::Vocabulary;
  std::string weight;
  // As transformers has it, a decoder of its own goes before what is tied.
  if (isVocabulary && tiesWords && !builder.hasModule(head.projection))
    weight = (table.words + ".weight").str();
  if (head.fromLast) {
    Input place{.name = "last_token",
                .fallback = padding ? llvm::StringLiteral("last_non_padding")
                                    : llvm::StringLiteral("last"),
                .role = "token_index",
                .padding = padding.value_or(-1),
                .length = ""};
    hidden =
        builder.gatherToken(head.projection, hidden, builder.addInput(place));
  }
  int64_t columns = widthOf(head.width);
  Value x = head.hasBias
                ? builder.linear(head.projection, hidden, columns, weight)
                : builder.projection(head.projection, hidden, columns, weight);

  if (head.fromLast) {
    builder.addOutput(head.outputs.front(), x, {"batch", "labels"});
    return;
  }
  if (!head.splitsColumns) {
    // Of all words the next one is wanted, as a rule.
    builder.addOutput(
        head.outputs.front(), x,
        {"batch", "length", isVocabulary ? "vocabulary" : "labels"},
        /*selectOutputPositions=*/isVocabulary);
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
