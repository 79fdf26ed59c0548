//===- T5.cpp - T5 and its relatives --------------------------------------===//
//
// x = word[id]; then in every layer x = x + attention(norm(x)), in a decoder
// x = x + attention(norm(x) to the encoder's result), and
// x = x + feedForward(norm(x)); and norm(x) at the end (Raffel et al. 2020).
// Norms have neither mean nor bias, scores are not scaled, and positions are
// what a bucket of distances adds to the scores.
//
//===----------------------------------------------------------------------===//

#include "frontends/huggingface/Families.h"
#include "frontends/huggingface/Tables.h"

#include "llvm/ADT/STLExtras.h"
#include "llvm/Support/FormatVariadic.h"

#include <cmath>

using namespace mlir;
using llvm::formatv;
using llvm::StringLiteral;

namespace transom::huggingface {

namespace {

/// What relatives differ in.
struct T5Table {
  // What transformers takes if a key is missing.
  int64_t vocabulary, feedForward, layers, heads;
  StringLiteral projection; ///< "feed_forward_proj"
  bool biasesEachLayer;     ///< or the first layer's bias is that of all
  /// Whether outputs are scaled before the words.
  enum class Scales { Never, Always, AsConfigured } scales;
};

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
  T5(const T5Table &table, Config &config);

  std::string describe() const override;
  void build(StringRef task, ModelBuilder &builder) const override;

private:
  bool isEncoder(StringRef task, ModelBuilder &builder) const;
  Sequences addSequences(StringRef stack, const Input &ids, Input mask,
                         ModelBuilder &builder) const;
  /// `source` is null for an encoder.
  Value buildStack(StringRef stack, Sequences sequences,
                   const Sequences *source, ModelBuilder &builder) const;
  Value buildAttention(StringRef module, Value input, Value keys, Value padding,
                       Value bias, bool isCausal, ModelBuilder &builder) const;
  Value buildFeedForward(StringRef layer, Value input,
                         ModelBuilder &builder) const;
  void buildHead(StringRef task, Value hidden, ModelBuilder &builder) const;

  const T5Table &table;
  int64_t vocabulary, width, headWidth, feedForward, layers, decoderLayers,
      heads, buckets, maxDistance, labels;
  double epsilon;
  const Activation *activation;
  bool isGated, scalesOutputs, isEncoderModel;
};

} // namespace

static constexpr int64_t maxBuckets = 1 << 16;

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

T5::T5(const T5Table &table, Config &config)
    : table(table),
      vocabulary(config.size("vocab_size", table.vocabulary, maxIds)),
      width(config.size("d_model", 512, maxWidth)),
      headWidth(config.size("d_kv", 64, maxWidth)),
      feedForward(config.size("d_ff", table.feedForward, maxWidth)),
      layers(config.size("num_layers", table.layers, maxLayers)),
      decoderLayers(layers),
      heads(config.size("num_heads", table.heads, maxWidth)),
      buckets(config.size("relative_attention_num_buckets", 32, maxBuckets)),
      maxDistance(
          config.size("relative_attention_max_distance", 128, maxBuckets)),
      labels(config.countLabels()),
      epsilon(config.number("layer_norm_epsilon", 1e-6, 0, 1)) {
  const FeedForward &kind = config.oneOf("feed_forward_proj", table.projection,
                                         llvm::ArrayRef(feedForwards));
  // Files may repeat what follows from it, and are believed.
  activation = &config.oneOf("dense_act_fn", kind.activation, activations());
  isGated = config.flag("is_gated_act", kind.isGated);
  // Of a direction's buckets a half holds one distance each.
  config.checkAtLeast("relative_attention_num_buckets", buckets, 4);
  config.checkAtLeast("relative_attention_max_distance", maxDistance,
                      buckets / 4 + 1);
  config.require("is_decoder", false, "a decoder alone can't be compiled");
  if (config.isGiven("num_decoder_layers"))
    decoderLayers = config.size("num_decoder_layers", layers, maxLayers);
  // Older files say it so, of what was never untied.
  bool isConfigured = config.flag("scale_decoder_outputs",
                                  config.flag("tie_word_embeddings", true));
  scalesOutputs =
      table.scales == T5Table::Scales::Always ||
      (table.scales == T5Table::Scales::AsConfigured && isConfigured);
  isEncoderModel = config.architecture().ends_with("EncoderModel");
  // Dropout is the identity at inference; n_positions never was a limit.
  config.ignore({"classifier_dropout", "dropout_rate", "initializer_factor",
                 "is_encoder_decoder", "n_positions", "scalable_attention"});
}

std::string T5::describe() const {
  return formatv("{0} layers, {1} wide, {2} heads of {3}", layers, width, heads,
                 headWidth);
}

/// Whether the model has no decoder: that of the base model is left out if the
/// class in "architectures" or the checkpoint has none.
bool T5::isEncoder(StringRef task, ModelBuilder &builder) const {
  return task == "token-classification" ||
         (task == "feature-extraction" &&
          (isEncoderModel || !builder.hasModule("decoder.final_layer_norm")));
}

void T5::build(StringRef task, ModelBuilder &builder) const {
  Input ids{"input_ids", "", vocabulary};
  Input mask{.name = "attention_mask", .fallback = "ones"};
  if (isEncoder(task, builder)) {
    Value x = buildStack("encoder", addSequences("encoder", ids, mask, builder),
                         /*source=*/nullptr, builder);
    if (task == "feature-extraction")
      builder.addOutput("last_hidden_state", x, {"batch", "length", "width"});
    else
      buildHead(task, x, builder);
    return;
  }

  ids.length = mask.length = "source_length";
  Sequences source = addSequences("encoder", ids, mask, builder);
  source.hidden = buildStack("encoder", source, /*source=*/nullptr, builder);
  Sequences target = addSequences(
      "decoder", {"decoder_input_ids", "", vocabulary},
      {.name = "decoder_attention_mask", .fallback = "ones"}, builder);
  if (task == "text2text-generation")
    builder.setGenerates();
  Value x = buildStack("decoder", target, &source, builder);
  if (task == "feature-extraction")
    builder.addOutput("last_hidden_state", x, {"batch", "length", "width"});
  else
    buildHead(task, x, builder);
  builder.addOutput("encoder_last_hidden_state", source.hidden,
                    {"batch", "source_length", "width"});
}

Sequences T5::addSequences(StringRef stack, const Input &ids, Input mask,
                           ModelBuilder &builder) const {
  mask.role = "attention_mask";
  mask.contiguous = true;
  Value tokens = builder.addInput(ids);
  Value isToken = builder.addInput(mask);
  // As transformers has it, a table of its own goes before the shared one.
  std::string words = (stack + ".embed_tokens").str();
  if (!builder.hasModule(words))
    words = "shared";
  return {builder.embedding(words, tokens, vocabulary, width),
          builder.paddingMask(stack, isToken)};
}

Value T5::buildStack(StringRef stack, Sequences sequences,
                     const Sequences *source, ModelBuilder &builder) const {
  Value x = sequences.hidden, bias;
  bool isDecoder = source != nullptr;
  for (int64_t i = 0; i < (isDecoder ? decoderLayers : layers); ++i) {
    std::string block = formatv("{0}.block.{1}.layer", stack, i);
    int64_t number = 0;
    auto addLayer = [&](function_ref<Value(StringRef, Value)> build) {
      std::string layer = formatv("{0}.{1}", block, number++);
      Value y = builder.rmsNorm(layer + ".layer_norm", x, epsilon);
      x = builder.add(layer, x, build(layer, y));
    };
    if (!bias || table.biasesEachLayer)
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
                              source->hidden, source->padding, /*bias=*/{},
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

void T5::buildHead(StringRef task, Value hidden, ModelBuilder &builder) const {
  if (task == "text2text-generation") {
    if (scalesOutputs)
      hidden = builder.scale("lm_head", hidden, 1 / std::sqrt(double(width)));
    // As transformers has it, a matrix of its own goes before the shared one.
    StringRef weight = builder.hasModule("lm_head") ? "" : "shared.weight";
    builder.addOutput("logits",
                      builder.projection("lm_head", hidden, vocabulary, weight),
                      {"batch", "length", "vocabulary"},
                      /*selectPositions=*/true);
    return;
  }
  builder.leaveBaseModel();
  if (task == "token-classification") {
    builder.addOutput("logits", builder.linear("classifier", hidden, labels),
                      {"batch", "length", "labels"});
    return;
  }
  Value x = builder.linear("qa_outputs", hidden, 2);
  constexpr StringLiteral names[] = {"start_logits", "end_logits"};
  for (auto [column, name] : llvm::enumerate(names))
    builder.addOutput(name, builder.column("qa_outputs", x, column),
                      {"batch", "length"});
}

//===----------------------------------------------------------------------===//
// The relatives
//===----------------------------------------------------------------------===//

template <const T5Table &table>
static std::unique_ptr<Definition> read(Config &config) {
  return std::make_unique<T5>(table, config);
}

static constexpr T5Table t5Table = {.vocabulary = 32128,
                                    .feedForward = 2048,
                                    .layers = 6,
                                    .heads = 8,
                                    .projection = "relu",
                                    .biasesEachLayer = false,
                                    .scales = T5Table::Scales::AsConfigured};
static constexpr T5Table mt5Table = {.vocabulary = 250112,
                                     .feedForward = 1024,
                                     .layers = 8,
                                     .heads = 6,
                                     .projection = "gated-gelu",
                                     .biasesEachLayer = false,
                                     .scales = T5Table::Scales::Never};
static constexpr T5Table umt5Table = {.vocabulary = 250112,
                                      .feedForward = 1024,
                                      .layers = 8,
                                      .heads = 6,
                                      .projection = "gated-gelu",
                                      .biasesEachLayer = true,
                                      .scales = T5Table::Scales::Always};

static constexpr StringLiteral tasks[] = {
    "feature-extraction", "text2text-generation", "token-classification",
    "question-answering"};
// Of the decoder, and of heads.
static constexpr StringLiteral optional[] = {
    "decoder.",    "encoder.embed_tokens.", "lm_head.", "classification_head.",
    "classifier.", "qa_outputs.",           "shared."};

static constexpr StringLiteral t5Prefixes[] = {"transformer."};

static constexpr TokenKey t5Tokens[] = {{"eos_token_id", 1},
                                        {"pad_token_id", 0}};
static constexpr TokenKey mt5Tokens[] = {
    {"decoder_start_token_id", 0}, {"eos_token_id", 1}, {"pad_token_id", 0}};

const Family t5Family = {.modelType = "t5",
                         .className = "T5",
                         .prefixes = t5Prefixes,
                         .tasks = tasks,
                         .optionalTensors = optional,
                         .tokens = t5Tokens,
                         .read = read<t5Table>};
const Family mt5Family = {.modelType = "mt5",
                          .className = "MT5",
                          .prefixes = t5Prefixes,
                          .tasks = tasks,
                          .optionalTensors = optional,
                          .tokens = mt5Tokens,
                          .read = read<mt5Table>};
const Family umt5Family = {.modelType = "umt5",
                           .className = "UMT5",
                           .prefixes = t5Prefixes,
                           .tasks = tasks,
                           .optionalTensors = optional,
                           .tokens = mt5Tokens,
                           .read = read<umt5Table>};

} // namespace transom::huggingface
