//===- DecoderFamilies.cpp - GPT and its relatives, one spec each ---------===//

#include "frontends/huggingface/Decoder.h"

using llvm::StringLiteral;

namespace transom::huggingface {

using From = Head::From;
using Width = Head::Width;

static constexpr StringLiteral logits[] = {"logits"};
static constexpr StringLiteral choiceLogits[] = {"mc_logits"};
static constexpr StringLiteral spanLogits[] = {"start_logits", "end_logits"};

template <const DecoderSpec &spec>
static std::unique_ptr<Definition> read(Config &config) {
  return readDecoder(spec, config);
}

//===----------------------------------------------------------------------===//
// Heads that all have
//===----------------------------------------------------------------------===//

/// The next word.
static constexpr Head nextWord = {.task = "text-generation",
                                  .projection = "lm_head",
                                  .width = Width::Vocabulary,
                                  .hasBias = false,
                                  .outputs = logits,
                                  .generates = true};

/// A class of a sequence.
static constexpr Head sequenceClassifier = {.task = "text-classification",
                                            .from = From::LastToken,
                                            .projection = "score",
                                            .hasBias = false,
                                            .outputs = logits};

/// The next word, and a number for a choice among sequences.
static constexpr Head doubleNextWord = {.task = "double-heads",
                                        .projection = "lm_head",
                                        .width = Width::Vocabulary,
                                        .hasBias = false,
                                        .outputs = logits,
                                        .generates = true};
static constexpr Head choice = {.task = "double-heads",
                                .from = From::Summary,
                                .projection = "multiple_choice_head",
                                .outputs = choiceLogits,
                                .tokenIndex = "mc_token_ids"};

/// Where an answer begins and ends.
static constexpr Head spanClassifier = {.task = "question-answering",
                                        .projection = "qa_outputs",
                                        .width = Width::Two,
                                        .outputs = spanLogits,
                                        .splitsColumns = true};

//===----------------------------------------------------------------------===//
// GPT (Radford et al. 2018)
//===----------------------------------------------------------------------===//

static constexpr Head gptHeads[] = {nextWord, sequenceClassifier,
                                    doubleNextWord, choice};

static constexpr ActivationName gptActivations[] = {{"gelu", "gelu_new"},
                                                    {"relu", "relu"},
                                                    {"silu", "silu"},
                                                    {"swish", "swish"}};

// Dropout is the identity at inference.
static constexpr StringLiteral gptIgnored[] = {"attn_pdrop", "embd_pdrop",
                                               "resid_pdrop"};

static constexpr DecoderSpec gptSpec = {.vocabulary = {"vocab_size", 40478},
                                        .width = {"n_embd", 768},
                                        .layers = {"n_layer", 12},
                                        .heads = {"n_head", 12},
                                        .positions = {"n_positions", 512},
                                        .epsilonKey = "layer_norm_epsilon",
                                        .epsilon = 1e-5,
                                        .activationKey = "afn",
                                        .activation = "gelu",
                                        .activationNames = gptActivations,
                                        .ignoredKeys = gptIgnored,
                                        .normsFirst = false,
                                        .tokenEmbedding = "tokens_embed",
                                        .positionEmbedding = "positions_embed",
                                        .projections = "attn.c_attn",
                                        .taskHeads = gptHeads};

static constexpr StringLiteral gptTasks[] = {
    "feature-extraction", "text-generation", "text-classification",
    "double-heads"};
static constexpr StringLiteral gptOptional[] = {
    "lm_head.", "score.", "multiple_choice_head.", "position_ids"};
static constexpr StringLiteral gptPrefixes[] = {"transformer."};
// The causal mask, which older versions saved.
static constexpr StringLiteral maskBuffers[] = {".attn.bias",
                                                ".attn.masked_bias"};

const Family gptFamily = {.modelType = "openai-gpt",
                          .className = "OpenAIGPT",
                          .prefixes = gptPrefixes,
                          .tasks = gptTasks,
                          .optionalTensors = gptOptional,
                          .buffers = maskBuffers,
                          .read = read<gptSpec>};

//===----------------------------------------------------------------------===//
// GPT-2 (Radford et al. 2019)
//===----------------------------------------------------------------------===//

static constexpr Head gpt2Heads[] = {
    nextWord,
    sequenceClassifier,
    doubleNextWord,
    choice,
    {.task = "token-classification",
     .projection = "classifier",
     .width = Width::Labels,
     .outputs = logits},
    spanClassifier,
};

// Dropout is the identity at inference. The order in which scores are scaled
// and the type that they have are the same in F32.
static constexpr StringLiteral gpt2Ignored[] = {
    "attn_pdrop", "classifier_dropout",      "embd_pdrop", "hidden_dropout",
    "is_decoder", "reorder_and_upcast_attn", "resid_pdrop"};

static constexpr DecoderSpec gpt2Spec = {.vocabulary = {"vocab_size", 50257},
                                         .width = {"n_embd", 768},
                                         .layers = {"n_layer", 12},
                                         .heads = {"n_head", 12},
                                         .positions = {"n_positions", 1024},
                                         .feedForward = {"n_inner", 0},
                                         .epsilonKey = "layer_norm_epsilon",
                                         .epsilon = 1e-5,
                                         .activationKey = "activation_function",
                                         .activation = "gelu_new",
                                         .scalesKey = "scale_attn_weights",
                                         .scalesLayersKey =
                                             "scale_attn_by_inverse_layer_idx",
                                         .ignoredKeys = gpt2Ignored,
                                         .tokenEmbedding = "wte",
                                         .positionEmbedding = "wpe",
                                         .lastNorm = "ln_f",
                                         .projections = "attn.c_attn",
                                         .taskHeads = gpt2Heads};

static constexpr StringLiteral gpt2Tasks[] = {
    "feature-extraction",   "text-generation",    "text-classification",
    "token-classification", "question-answering", "double-heads",
};
static constexpr StringLiteral gpt2Optional[] = {"lm_head.", "score.",
                                                 "classifier.", "qa_outputs.",
                                                 "multiple_choice_head."};
// The end of a text, and of what stands before its first word.
static constexpr TokenKey gpt2Tokens[] = {{"bos_token_id", 50256},
                                          {"eos_token_id", 50256}};

const Family gpt2Family = {.modelType = "gpt2",
                           .className = "GPT2",
                           .prefixes = gptPrefixes,
                           .tasks = gpt2Tasks,
                           .optionalTensors = gpt2Optional,
                           .buffers = maskBuffers,
                           .tokens = gpt2Tokens,
                           .read = read<gpt2Spec>};

//===----------------------------------------------------------------------===//
// LLaMA (Touvron et al. 2023)
//===----------------------------------------------------------------------===//

static constexpr Head llamaHeads[] = {
    nextWord,
    sequenceClassifier,
    {.task = "token-classification",
     .projection = "score",
     .width = Width::Labels,
     .outputs = logits},
    spanClassifier,
};

// Dropout is the identity at inference; slices of products add up to the same.
static constexpr StringLiteral llamaIgnored[] = {
    "attention_dropout", "classifier_dropout", "hidden_dropout", "is_decoder",
    "pretraining_tp"};

static constexpr DecoderSpec llamaSpec = {
    .vocabulary = {"vocab_size", 32000},
    .width = {"hidden_size", 4096},
    .layers = {"num_hidden_layers", 32},
    .heads = {"num_attention_heads", 32},
    .positions = {"max_position_embeddings", 2048},
    .feedForward = {"intermediate_size", 11008},
    .keyHeadsKey = "num_key_value_heads",
    .headSizeKey = "head_dim",
    .epsilonKey = "rms_norm_eps",
    .epsilon = 1e-6,
    .activationKey = "hidden_act",
    .activation = "silu",
    .attentionBiasKey = "attention_bias",
    .feedForwardBiasKey = "mlp_bias",
    .tiesEmbeddings = false,
    .ignoredKeys = llamaIgnored,
    .norm = DecoderSpec::Norm::RootMeanSquare,
    .tokenEmbedding = "embed_tokens",
    .positionEmbedding = "",
    .lastNorm = "norm",
    .layer = "layers",
    .query = "self_attn.q_proj",
    .key = "self_attn.k_proj",
    .value = "self_attn.v_proj",
    .attention = "self_attn",
    .attentionOutput = "self_attn.o_proj",
    .attentionNorm = "input_layernorm",
    .gate = "mlp.gate_proj",
    .intermediate = "mlp.up_proj",
    .activationModule = "mlp.act_fn",
    .output = "mlp.down_proj",
    .outputNorm = "post_attention_layernorm",
    .taskHeads = llamaHeads};

static constexpr StringLiteral llamaTasks[] = {
    "feature-extraction",   "text-generation",    "text-classification",
    "token-classification", "question-answering",
};
static constexpr StringLiteral llamaOptional[] = {"lm_head.", "score.",
                                                  "qa_outputs."};
// transformers names the base model otherwise below the head of answers.
static constexpr StringLiteral llamaPrefixes[] = {"model.", "transformer."};
// Frequencies, which older versions saved.
static constexpr StringLiteral llamaBuffers[] = {".rotary_emb.inv_freq"};

static constexpr TokenKey llamaTokens[] = {{"bos_token_id", 1},
                                           {"eos_token_id", 2}};

const Family llamaFamily = {.modelType = "llama",
                            .className = "Llama",
                            .prefixes = llamaPrefixes,
                            .tasks = llamaTasks,
                            .optionalTensors = llamaOptional,
                            .buffers = llamaBuffers,
                            .tokens = llamaTokens,
                            .read = read<llamaSpec>};

} // namespace transom::huggingface
