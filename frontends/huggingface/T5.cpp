//===- T5.cpp - T5 and its relatives --------------------------------------===//
//
// x = word[id]; then in every layer x = x + attention(norm(x)), in a decoder
// x = x + attention(norm(x) to the encoder's result), and
// x = x + feedForward(norm(x)); and norm(x) at the end (Raffel et al. 2020).
// Norms have neither mean nor bias, scores are not scaled, and positions are
// what a bucket of distances adds to the scores.
//
//===----------------------------------------------------------------------===//

#include "frontends/huggingface/T5.h"

#include "frontends/huggingface/ArchitectureSpec.h"

#include "llvm/ADT/STLExtras.h"
#include "llvm/Support/FormatVariadic.h"

#include <cmath>

using namespace mlir;
using llvm::formatv;
using llvm::StringLiteral;
using transom::transformer::DefaultKind;
using transom::transformer::Dimension;
using transom::transformer::InputRole;

namespace transom::huggingface {

namespace {

/// The feed-forward layer that "feed_forward_proj" names.
struct FeedForward {
  StringLiteral name;
  StringLiteral activation;
  bool isGated;
};

/// The inputs of an encoder, or of a decoder, and what layers make of them.
struct Sequences {
  Value hidden;
  Value padding; ///< the bias of their mask
};

class T5 final : public Definition {
public:
  T5(const T5Spec &spec, Config &config);

  std::string describe() const override;
  void build(StringRef task, ModelBuilder &builder) const override;

private:
  std::optional<int64_t> readToken(StringRef key) const;
  Input describeDecoderInputs(bool shiftsEncoderInputs) const;
  Sequences addSequences(StringRef stack, const Input &ids, Input mask,
                         ModelBuilder &builder) const;
  /// `encoder` is null for an encoder itself.
  Value buildStack(StringRef stack, Sequences sequences,
                   const Sequences *encoder, ModelBuilder &builder) const;
  Value buildAttention(StringRef module, Value input, Value keys, Value padding,
                       Value bias, bool isCausal, ModelBuilder &builder) const;
  Value buildFeedForward(StringRef layer, Value input,
                         ModelBuilder &builder) const;

  const T5Spec &spec;
  Config &config; ///< of what the task says whether it counts
  int64_t vocabulary, width, headWidth, feedForward, layers, decoderLayers,
      heads, buckets, maxDistance, labels;
  double epsilon;
  const Activation *activation;
  bool isGated, scalesOutputs, isBaseModel;
};

} // namespace

static constexpr int64_t maxBuckets = 1 << 16;

/// Where the shared token embedding may lie. The language-model head is a copy
/// of it if nothing else is.
static constexpr StringRef tiedModules[] = {"shared", "encoder.embed_tokens",
                                            "decoder.embed_tokens", "lm_head"};

static std::string tiedWeight(const ModelBuilder &builder) {
  StringRef holder = builder.findModule(tiedModules);
  return ((holder.empty() ? tiedModules[0] : holder) + ".weight").str();
}

/// In transformers' words: the name of an activation, or "gated-" and one;
/// where T5's authors said "gelu" they meant its approximation.
static constexpr FeedForward feedForwards[] = {
    {"relu", "relu", false},
    {"gated-gelu", "gelu_new", true},
    {"gated-silu", "silu", true},
    {"gated-relu", "relu", true},
    {"gated-gelu_new", "gelu_new", true},
    {"gelu", "gelu", false},
    {"gelu_new", "gelu_new", false},
    {"silu", "silu", false},
    {"gated-swish", "silu", true},
};

T5::T5(const T5Spec &spec, Config &config)
    : spec(spec), config(config),
      vocabulary(config.size("vocab_size", spec.vocabulary, maxIds)),
      width(config.size("d_model", 512, maxWidth)),
      headWidth(config.size("d_kv", 64, maxWidth)),
      feedForward(config.size("d_ff", spec.feedForward, maxWidth)),
      layers(config.size("num_layers", spec.layers, maxLayers)),
      decoderLayers(layers),
      heads(config.size("num_heads", spec.heads, maxWidth)),
      buckets(config.size("relative_attention_num_buckets", 32, maxBuckets)),
      maxDistance(
          config.size("relative_attention_max_distance", 128, maxBuckets)),
      labels(config.countLabels()),
      epsilon(config.number("layer_norm_epsilon", 1e-6, 0, 1)) {
  const FeedForward &kind = config.oneOf("feed_forward_proj", spec.projection,
                                         llvm::ArrayRef(feedForwards));
  // Files may repeat what follows from it, and are believed.
  activation = &config.oneOf("dense_act_fn", kind.activation, activations());
  isGated = config.flag("is_gated_act", kind.isGated);
  // Of a direction's buckets a half holds one distance each.
  config.checkAtLeast("relative_attention_num_buckets", buckets, 4);
  config.checkAtLeast("relative_attention_max_distance", maxDistance,
                      buckets / 4 + 1);
  config.require("is_causal", true);
  config.require("is_decoder", false, "a decoder alone can't be compiled");
  if (config.isGiven("num_decoder_layers"))
    decoderLayers = config.size("num_decoder_layers", layers, maxLayers);
  // Older files say it so, of what was never untied.
  bool isConfigured = config.flag("scale_decoder_outputs",
                                  config.flag("tie_word_embeddings", true));
  scalesOutputs = spec.scales == T5Spec::Scales::Always ||
                  (spec.scales == T5Spec::Scales::AsConfigured && isConfigured);
  StringRef architecture = config.architecture();
  isBaseModel =
      architecture.empty() || (architecture.ends_with("Model") &&
                               !architecture.ends_with("EncoderModel"));
  // Dropout is the identity at inference.
  config.ignore({"classifier_dropout", "dropout_rate", "initializer_factor",
                 "is_encoder_decoder"});
}

std::string T5::describe() const {
  return formatv("{0} layers, {1} wide, {2} heads of {3}", layers, width, heads,
                 headWidth);
}

/// The id that `key` of the configuration names, or else its class; none: null,
/// or not known to both.
std::optional<int64_t> T5::readToken(StringRef key) const {
  if (config.isGiven(key))
    return config.index(key, 0, vocabulary);
  const auto *token = llvm::find_if(
      spec.tokens, [&](const TokenKey &token) { return token.key == key; });
  if (config.getObject().get(key) || token == spec.tokens.end())
    return std::nullopt;
  return token->fallback;
}

/// What a decoder reads. Where a head shifts the encoder inputs, transformers
/// makes it of these if it is not given, and knows the id that it begins with.
Input T5::describeDecoderInputs(bool shiftsEncoderInputs) const {
  Input ids{"decoder_input_ids", std::nullopt, vocabulary};
  if (!shiftsEncoderInputs)
    return ids;
  if (std::optional<int64_t> start = readToken("decoder_start_token_id")) {
    ids.defaultKind = DefaultKind::ShiftedRight;
    ids.operand = *start;
  }
  return ids;
}

void T5::build(StringRef task, ModelBuilder &builder) const {
  SmallVector<const Head *> taskHeads = headsOf(spec.taskHeads, task);
  // Features are the encoder's, as in sentence-transformers, but those of a
  // folder that says it is a T5Model.
  bool isEncoder =
      taskHeads.empty()
          ? !isBaseModel || !builder.hasModule("decoder.final_layer_norm")
          : taskHeads.front()->readsEncoder;
  Input ids{"input_ids", std::nullopt, vocabulary};
  Input mask{.name = "attention_mask", .defaultKind = DefaultKind::Ones};
  if (!isEncoder)
    ids.length = mask.length = Dimension::EncoderLength;
  Sequences encoder = addSequences("encoder", ids, mask, builder);
  encoder.hidden = buildStack("encoder", encoder, /*encoder=*/nullptr, builder);
  Value x = encoder.hidden;
  if (!isEncoder) {
    Sequences decoder = addSequences(
        "decoder",
        describeDecoderInputs(!taskHeads.empty() &&
                              taskHeads.front()->shiftsEncoderInputs),
        {.name = "decoder_attention_mask", .defaultKind = DefaultKind::Ones},
        builder);
    x = buildStack("decoder", decoder, &encoder, builder);
  }
  if (taskHeads.empty())
    builder.addOutput("last_hidden_state", x, {"batch", "length", "width"});
  builder.leaveBaseModel();
  for (const Head *head : taskHeads)
    buildHead(*head,
              {.hidden = x,
               .width = width,
               .vocabulary = vocabulary,
               .labels = labels,
               .epsilon = epsilon,
               .activation = *activation,
               .tiedWeight = tiedWeight(builder),
               .scale = scalesOutputs ? 1 / std::sqrt(double(width)) : 1,
               .endOfSequence = head->from == Head::From::EndToken
                                    ? readToken("eos_token_id")
                                    : std::nullopt,
               .config = config},
              builder);
  if (!isEncoder)
    builder.addOutput("encoder_last_hidden_state", encoder.hidden,
                      {"batch", "encoder_length", "width"});
}

Sequences T5::addSequences(StringRef stack, const Input &ids, Input mask,
                           ModelBuilder &builder) const {
  mask.role = InputRole::AttentionMask;
  mask.contiguous = true;
  Value tokens = builder.addInput(ids);
  Value isToken = builder.addInput(mask);
  // As in transformers, a stack's own embedding goes before the shared one.
  std::string own = (stack + ".embed_tokens").str();
  bool hasOwn = builder.hasModule(own);
  return {builder.embedding(hasOwn ? own : "shared", tokens, vocabulary, width,
                            hasOwn ? "" : tiedWeight(builder)),
          builder.paddingMask(stack, isToken)};
}

Value T5::buildStack(StringRef stack, Sequences sequences,
                     const Sequences *encoder, ModelBuilder &builder) const {
  Value x = sequences.hidden, bias;
  bool isDecoder = encoder != nullptr;
  for (int64_t i = 0; i < (isDecoder ? decoderLayers : layers); ++i) {
    std::string block = formatv("{0}.block.{1}.layer", stack, i);
    int64_t number = 0;
    auto addLayer = [&](function_ref<Value(StringRef, Value)> build) {
      std::string layer = formatv("{0}.{1}", block, number++);
      Value y = builder.rmsNorm(layer + ".layer_norm", x, epsilon);
      x = builder.add(layer, x, build(layer, y));
    };
    if (!bias || spec.biasesEachLayer)
      bias = builder.relativeBias(
          block + ".0.SelfAttention.relative_attention_bias", x, x, buckets,
          heads, maxDistance, /*bidirectional=*/!isDecoder);
    addLayer([&](StringRef layer, Value y) {
      return buildAttention((layer + ".SelfAttention").str(), y, y,
                            sequences.padding, bias, isDecoder, builder);
    });
    if (isDecoder)
      addLayer([&](StringRef layer, Value y) {
        return buildAttention((layer + ".EncDecAttention").str(), y,
                              encoder->hidden, encoder->padding, /*bias=*/{},
                              /*isCausal=*/false, builder);
      });
    addLayer([&](StringRef layer, Value y) {
      return buildFeedForward((layer + ".DenseReluDense").str(), y, builder);
    });
  }
  return builder.rmsNorm((stack + ".final_layer_norm").str(), x, epsilon);
}

Value T5::buildAttention(StringRef module, Value input, Value keys,
                         Value padding, Value bias, bool isCausal,
                         ModelBuilder &builder) const {
  auto in = [&](StringRef part) { return (module + part).str(); };
  int64_t inner = heads * headWidth;
  Value query = builder.projection(in(".q"), input, inner);
  Value key = builder.projection(in(".k"), keys, inner);
  Value value = builder.projection(in(".v"), keys, inner);
  Value x = builder.attention(
      module, query, key, value, padding,
      {.heads = heads, .scale = 1.0, .causal = isCausal, .relativeBias = bias});
  return builder.projection(in(".o"), x, width);
}

Value T5::buildFeedForward(StringRef layer, Value input,
                           ModelBuilder &builder) const {
  auto in = [&](StringRef module) { return (layer + "." + module).str(); };
  Value x = builder.projection(in(isGated ? "wi_0" : "wi"), input, feedForward);
  x = builder.activation(in("act"), *activation, x);
  if (isGated)
    x = builder.mul(layer, x,
                    builder.projection(in("wi_1"), input, feedForward));
  return builder.projection(in("wo"), x, width);
}

std::unique_ptr<Definition> readT5(const T5Spec &spec, Config &config) {
  return std::make_unique<T5>(spec, config);
}

} // namespace transom::huggingface
