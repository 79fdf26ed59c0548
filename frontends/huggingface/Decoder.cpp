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
using transom::transformer::DefaultKind;
using transom::transformer::InputRole;

namespace transom::huggingface {

namespace {

class Decoder final : public Definition {
public:
  Decoder(const DecoderSpec &spec, Config &config);

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
  std::string nameLayer(int64_t number) const {
    return formatv("{0}.{1}", spec.layer, number).str();
  }

  const DecoderSpec &spec;
  Config &config; ///< of what the task says whether it counts
  int64_t vocabulary, width, layers, heads, positions, feedForward, keyHeads,
      headSize, labels;
  double epsilon;
  const Activation &activation;
  bool scales, scalesLayers, attentionHasBias, feedForwardHasBias,
      tiesEmbeddings;
  double theta = 0;
  std::optional<int64_t> padding; ///< an id
};

} // namespace

static bool readFlag(Config &config, StringRef key, bool fallback) {
  return key.empty() ? fallback : config.flag(key, fallback);
}

static const Activation &readActivation(Config &config,
                                        const DecoderSpec &spec) {
  if (spec.activationNames.empty())
    return config.oneOf(spec.activationKey, spec.activation, activations());
  return findActivation(
      config.oneOf(spec.activationKey, spec.activation, spec.activationNames)
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

Decoder::Decoder(const DecoderSpec &spec, Config &config)
    : spec(spec), config(config),
      vocabulary(readSize(config, spec.vocabulary, maxIds)),
      width(readSize(config, spec.width, maxWidth)),
      layers(readSize(config, spec.layers, maxLayers)),
      heads(readSize(config, spec.heads, maxWidth)),
      positions(readSize(config, spec.positions, maxIds)),
      feedForward(readOptionalSize(
          config, spec.feedForward.key,
          spec.feedForward.fallback ? spec.feedForward.fallback : 4 * width)),
      keyHeads(readOptionalSize(config, spec.keyHeadsKey, heads)),
      headSize(readOptionalSize(config, spec.headSizeKey, width / heads)),
      labels(config.countLabels()),
      epsilon(config.number(spec.epsilonKey, spec.epsilon, 0, 1)),
      activation(readActivation(config, spec)),
      scales(readFlag(config, spec.scalesKey, true)),
      scalesLayers(readFlag(config, spec.scalesLayersKey, false)),
      attentionHasBias(spec.attentionBiasKey.empty() ||
                       config.flag(spec.attentionBiasKey, false)),
      feedForwardHasBias(spec.feedForwardBiasKey.empty() ||
                         config.flag(spec.feedForwardBiasKey, false)),
      tiesEmbeddings(config.flag("tie_word_embeddings", spec.tiesEmbeddings)) {
  config.checkDivides(spec.heads.key, heads, spec.width.key, width);
  // An id that no token can have is as good as none.
  std::optional<int64_t> id = config.getObject().getInteger("pad_token_id");
  if (id && *id >= 0 && *id < vocabulary)
    padding = id;
  config.checkDivides(spec.keyHeadsKey, keyHeads, spec.heads.key, heads);
  if (spec.positionEmbedding.empty()) {
    theta = readTheta(config);
    config.checkEven(spec.headSizeKey, headSize);
  }
  config.require("is_causal", true);
  config.require("partial_rotary_factor", 1);
  config.require("token_classification_bias", true);
  config.require("add_cross_attention", false,
                 "a decoder of another model's encodings can't be compiled");
  config.require("is_encoder_decoder", false,
                 "a decoder of another model's encodings can't be compiled");
  config.ignore(spec.ignoredKeys);
  if (llvm::any_of(spec.taskHeads, [](const Head &head) {
        return head.from == Head::From::Summary;
      }))
    config.ignore(summaryKeys);
}

std::string Decoder::describe() const {
  return formatv("{0} layers, {1} wide, {2} heads, {3} positions", layers,
                 width, heads, positions);
}

void Decoder::build(StringRef task, ModelBuilder &builder) const {
  Value ids = builder.addInput({"input_ids", std::nullopt, vocabulary});
  Value mask = builder.addInput(
      {"attention_mask", DefaultKind::Ones, 0, InputRole::AttentionMask});
  Value positionIds =
      builder.addInput({"position_ids", DefaultKind::PositionIds, positions});
  SmallVector<StringRef> tied{spec.tokenEmbedding};
  if (tiesEmbeddings)
    tied.push_back("lm_head");
  StringRef holder = builder.findModule(tied);
  Value x = builder.embedding(spec.tokenEmbedding, ids, vocabulary, width,
                              holder.empty() ? "" : (holder + ".weight").str());
  Context context;
  if (spec.positionEmbedding.empty()) {
    context.positions = positionIds;
  } else {
    Value position = builder.embedding(spec.positionEmbedding, positionIds,
                                       positions, width);
    x = builder.add("embeddings", x, position);
  }
  context.mask = builder.paddingMask("decoder", mask);
  for (int64_t i = 0; i < layers; ++i)
    x = buildLayer(i, x, context, builder);
  if (spec.normsFirst)
    x = buildNorm(spec.lastNorm, x, builder);

  if (task == "feature-extraction") {
    builder.addOutput("last_hidden_state", x, {"batch", "length", "width"});
    return;
  }
  builder.leaveBaseModel();
  Trunk trunk{.hidden = x,
              .width = width,
              .vocabulary = vocabulary,
              .labels = labels,
              .epsilon = epsilon,
              .activation = activation,
              .padding = padding,
              .config = config};
  if (tiesEmbeddings)
    trunk.tiedWeight = (spec.tokenEmbedding + ".weight").str();
  for (const Head *head : headsOf(spec.taskHeads, task))
    buildHead(*head, trunk, builder);
}

Value Decoder::buildLinear(StringRef module, Value input, int64_t columns,
                           bool hasBias, ModelBuilder &builder) const {
  if (!spec.projections.empty())
    return builder.conv1d(module, input, columns);
  return hasBias ? builder.linear(module, input, columns)
                 : builder.projection(module, input, columns);
}

Value Decoder::buildNorm(StringRef module, Value input,
                         ModelBuilder &builder) const {
  return spec.norm == DecoderSpec::Norm::Layer
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
    if (spec.normsFirst)
      return builder.add(layer, build(norm(input)), input);
    return norm(builder.add(layer, build(input), input));
  };
  Value x = withResidual(spec.attentionNorm, input, [&](Value x) {
    return buildAttention(number, x, context, builder);
  });
  return withResidual(spec.outputNorm, x, [&](Value x) {
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
  if (!spec.projections.empty()) {
    std::string projections = in(spec.projections);
    Value all = buildLinear(projections, input, inner + 2 * keyWidth,
                            attentionHasBias, builder);
    query = builder.columns(projections, all, 0, inner);
    key = builder.columns(projections, all, inner, inner + keyWidth);
    value = builder.columns(projections, all, inner + keyWidth,
                            inner + 2 * keyWidth);
  } else {
    query =
        buildLinear(in(spec.query), input, inner, attentionHasBias, builder);
    key = buildLinear(in(spec.key), input, keyWidth, attentionHasBias, builder);
    value =
        buildLinear(in(spec.value), input, keyWidth, attentionHasBias, builder);
  }
  double scale = scales ? 1 / std::sqrt(double(headSize)) : 1;
  if (scalesLayers)
    scale /= number + 1;
  Value x =
      builder.attention(in(spec.attention), query, key, value, context.mask,
                        {.heads = heads,
                         .keyHeads = keyHeads,
                         .scale = scale,
                         .causal = true,
                         .positions = context.positions,
                         .theta = theta});
  return buildLinear(in(spec.attentionOutput), x, width, attentionHasBias,
                     builder);
}

Value Decoder::buildFeedForward(StringRef layer, Value input,
                                ModelBuilder &builder) const {
  auto in = [&](StringRef module) { return (layer + "." + module).str(); };
  auto widen = [&](StringRef module) {
    return buildLinear(in(module), input, feedForward, feedForwardHasBias,
                       builder);
  };
  Value x = widen(spec.gate.empty() ? spec.intermediate : spec.gate);
  x = builder.activation(in(spec.activationModule), activation, x);
  if (!spec.gate.empty())
    x = builder.mul(in(spec.activationModule), x, widen(spec.intermediate));
  return buildLinear(in(spec.output), x, width, feedForwardHasBias, builder);
}

std::unique_ptr<Definition> readDecoder(const DecoderSpec &spec,
                                        Config &config) {
  return std::make_unique<Decoder>(spec, config);
}

} // namespace transom::huggingface
