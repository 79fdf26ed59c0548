//===- EncoderFamilies.cpp - BERT and its relatives, one spec each --------===//

#include "frontends/huggingface/Encoder.h"

using llvm::StringLiteral;

namespace transom::huggingface {

using From = Head::From;
using Width = Head::Width;

static constexpr StringLiteral logits[] = {"logits"};
static constexpr StringLiteral spanLogits[] = {"start_logits", "end_logits"};
static constexpr StringLiteral wordLogits[] = {"prediction_logits"};
static constexpr StringLiteral nextLogits[] = {"seq_relationship_logits"};

template <const EncoderSpec &spec>
static std::unique_ptr<Definition> read(Config &config) {
  return readEncoder(spec, config);
}

//===----------------------------------------------------------------------===//
// Heads that all have
//===----------------------------------------------------------------------===//

/// A class of every token.
static constexpr Head tokenClassifier = {.task = "token-classification",
                                         .from = From::Tokens,
                                         .projection = "classifier",
                                         .width = Width::Labels,
                                         .outputs = logits};

/// Where an answer begins and ends.
static constexpr Head spanClassifier = {.task = "question-answering",
                                        .from = From::Tokens,
                                        .projection = "qa_outputs",
                                        .width = Width::Two,
                                        .outputs = spanLogits,
                                        .splitsColumns = true};

/// A class of a sequence, from its first token through a layer in between.
static constexpr Head sequenceClassifier(StringLiteral dense,
                                         StringLiteral activation,
                                         StringLiteral projection) {
  return {.task = "text-classification",
          .from = From::FirstToken,
          .dense = dense,
          .activation = activation,
          .projection = projection,
          .width = Width::Labels,
          .outputs = logits};
}

//===----------------------------------------------------------------------===//
// BERT (Devlin et al. 2018)
//===----------------------------------------------------------------------===//

/// Predicts masked words; for pre-training under another name.
static constexpr Head bertDecoder(StringLiteral task,
                                  llvm::ArrayRef<StringLiteral> outputs) {
  return {.task = task,
          .from = From::Tokens,
          .dense = "cls.predictions.transform.dense",
          .norm = "cls.predictions.transform.LayerNorm",
          .projection = "cls.predictions.decoder",
          .width = Width::Vocabulary,
          .bias = "cls.predictions.bias",
          .outputs = outputs};
}

/// Tells whether the second sentence follows the first.
static constexpr Head bertNextSentence(StringLiteral task,
                                       llvm::ArrayRef<StringLiteral> outputs) {
  return {.task = task,
          .from = From::Pooler,
          .projection = "cls.seq_relationship",
          .width = Width::Two,
          .outputs = outputs};
}

/// Rates one of several texts, which are sequences of their own.
static constexpr Head pooledChoice = {.task = "multiple-choice",
                                      .from = From::Pooler,
                                      .projection = "classifier",
                                      .width = Width::One,
                                      .outputs = logits,
                                      .splitsColumns = true};

static constexpr Head bertHeads[] = {
    bertDecoder("fill-mask", logits),
    bertDecoder("pretraining", wordLogits),
    bertNextSentence("pretraining", nextLogits),
    bertNextSentence("next-sentence-prediction", logits),
    {.task = "text-classification",
     .from = From::Pooler,
     .projection = "classifier",
     .width = Width::Labels,
     .outputs = logits},
    tokenClassifier,
    spanClassifier,
    pooledChoice,
};

// Dropout is the identity at inference.
static constexpr StringLiteral bertIgnored[] = {"attention_probs_dropout_prob",
                                                "classifier_dropout",
                                                "hidden_dropout_prob"};

static constexpr EncoderSpec bertSpec = {.ignoredKeys = bertIgnored,
                                         .taskHeads = bertHeads};

static constexpr StringLiteral bertTasks[] = {
    "feature-extraction",       "fill-mask",           "pretraining",
    "next-sentence-prediction", "text-classification", "token-classification",
    "question-answering",       "multiple-choice",
};
static constexpr StringLiteral bertOptional[] = {"embeddings.position_ids",
                                                 "embeddings.token_type_ids",
                                                 "pooler.",
                                                 "cls.",
                                                 "classifier.",
                                                 "qa_outputs."};

static constexpr StringLiteral bertPrefixes[] = {"bert."};

const Family bertFamily = {.modelType = "bert",
                           .className = "Bert",
                           .prefixes = bertPrefixes,
                           .tasks = bertTasks,
                           .optionalTensors = bertOptional,
                           .read = read<bertSpec>};

//===----------------------------------------------------------------------===//
// RoBERTa (Liu et al. 2019), and others that are RoBERTa in other languages
//===----------------------------------------------------------------------===//

static constexpr Head robertaHeads[] = {
    {.task = "fill-mask",
     .from = From::Tokens,
     .dense = "lm_head.dense",
     .activation = "gelu",
     .norm = "lm_head.layer_norm",
     .projection = "lm_head.decoder",
     .width = Width::Vocabulary,
     .bias = "lm_head.bias",
     .outputs = logits},
    sequenceClassifier("classifier.dense", "tanh", "classifier.out_proj"),
    tokenClassifier,
    spanClassifier,
    pooledChoice,
};

static constexpr EncoderSpec robertaSpec = {.vocabulary = {"vocab_size", 50265},
                                            .paddingAwarePositions = true,
                                            .padding = 1,
                                            .ignoredKeys = bertIgnored,
                                            .taskHeads = robertaHeads};
// They differ in the default of one key.
static constexpr EncoderSpec multilingualSpec = {.paddingAwarePositions = true,
                                                 .padding = 1,
                                                 .ignoredKeys = bertIgnored,
                                                 .taskHeads = robertaHeads};

static constexpr StringLiteral commonTasks[] = {
    "feature-extraction",   "fill-mask",          "text-classification",
    "token-classification", "question-answering", "multiple-choice",
};
static constexpr StringLiteral robertaOptional[] = {"embeddings.position_ids",
                                                    "embeddings.token_type_ids",
                                                    "pooler.",
                                                    "lm_head.",
                                                    "classifier.",
                                                    "qa_outputs."};

static constexpr StringLiteral robertaPrefixes[] = {"roberta."};

const Family robertaFamily = {.modelType = "roberta",
                              .className = "Roberta",
                              .prefixes = robertaPrefixes,
                              .tasks = commonTasks,
                              .optionalTensors = robertaOptional,
                              .read = read<robertaSpec>};
const Family camembertFamily = {.modelType = "camembert",
                                .className = "Camembert",
                                .prefixes = robertaPrefixes,
                                .tasks = commonTasks,
                                .optionalTensors = robertaOptional,
                                .read = read<multilingualSpec>};
const Family xlmRobertaFamily = {.modelType = "xlm-roberta",
                                 .className = "XLMRoberta",
                                 .prefixes = robertaPrefixes,
                                 .tasks = commonTasks,
                                 .optionalTensors = robertaOptional,
                                 .read = read<multilingualSpec>};

//===----------------------------------------------------------------------===//
// DistilBERT (Sanh et al. 2019): no token types, no pooler
//===----------------------------------------------------------------------===//

static constexpr Head distilbertHeads[] = {
    {.task = "fill-mask",
     .from = From::Tokens,
     .dense = "vocab_transform",
     .norm = "vocab_layer_norm",
     .projection = "vocab_projector",
     .width = Width::Vocabulary,
     .outputs = logits},
    sequenceClassifier("pre_classifier", "relu", "classifier"),
    tokenClassifier,
    spanClassifier,
    {.task = "multiple-choice",
     .from = From::FirstToken,
     .dense = "pre_classifier",
     .activation = "relu",
     .projection = "classifier",
     .width = Width::One,
     .outputs = logits,
     .splitsColumns = true},
};

// Sinusoids are in the checkpoint's spec, as learned positions are.
static constexpr StringLiteral distilbertIgnored[] = {
    "attention_dropout", "dropout", "qa_dropout", "seq_classif_dropout",
    "sinusoidal_pos_embds"};

static constexpr EncoderSpec distilbertSpec = {
    .width = {"dim", 768},
    .layers = {"n_layers", 6},
    .heads = {"n_heads", 12},
    .feedForward = {"hidden_dim", 3072},
    .tokenTypes = {"", 0},
    .epsilonKey = "",
    .activationKey = "activation",
    .ignoredKeys = distilbertIgnored,
    .layer = "transformer.layer",
    .query = "attention.q_lin",
    .key = "attention.k_lin",
    .value = "attention.v_lin",
    .attention = "attention",
    .attentionOutput = "attention.out_lin",
    .attentionNorm = "sa_layer_norm",
    .intermediate = "ffn.lin1",
    .activation = "ffn.activation",
    .output = "ffn.lin2",
    .outputNorm = "output_layer_norm",
    .taskHeads = distilbertHeads};

static constexpr StringLiteral distilbertOptional[] = {
    "embeddings.position_ids", "vocab_", "pre_classifier.", "classifier.",
    "qa_outputs."};

static constexpr StringLiteral distilbertPrefixes[] = {"distilbert."};

const Family distilbertFamily = {.modelType = "distilbert",
                                 .className = "DistilBert",
                                 .prefixes = distilbertPrefixes,
                                 .tasks = commonTasks,
                                 .optionalTensors = distilbertOptional,
                                 .read = read<distilbertSpec>};

//===----------------------------------------------------------------------===//
// ELECTRA (Clark et al. 2020): narrow embeddings, no pooler
//===----------------------------------------------------------------------===//

static constexpr Head electraHeads[] = {
    {.task = "fill-mask",
     .from = From::Tokens,
     .dense = "generator_predictions.dense",
     .activation = "gelu",
     .norm = "generator_predictions.LayerNorm",
     .projection = "generator_lm_head",
     .width = Width::Vocabulary,
     .outputs = logits},
    // Which tokens the generator has replaced.
    {.task = "pretraining",
     .from = From::Tokens,
     .dense = "discriminator_predictions.dense",
     .projection = "discriminator_predictions.dense_prediction",
     .width = Width::One,
     .outputs = logits,
     .splitsColumns = true},
    sequenceClassifier("classifier.dense", "gelu", "classifier.out_proj"),
    tokenClassifier,
    spanClassifier,
    {.task = "multiple-choice",
     .from = From::FirstToken,
     .dense = "sequence_summary.summary",
     .activation = "gelu",
     .projection = "classifier",
     .width = Width::One,
     .outputs = logits,
     .splitsColumns = true},
};

// How choices are summarised.
static constexpr FixedKey electraFixed[] = {{"summary_type", "first"},
                                            {"summary_activation", "gelu"}};
// Without the projection of a summary, its tensors are missing.
static constexpr StringLiteral electraIgnored[] = {
    "attention_probs_dropout_prob", "classifier_dropout", "hidden_dropout_prob",
    "summary_last_dropout", "summary_use_proj"};

static constexpr EncoderSpec electraSpec = {
    .width = {"hidden_size", 256},
    .heads = {"num_attention_heads", 4},
    .feedForward = {"intermediate_size", 1024},
    .embeddingWidth = {"embedding_size", 128},
    .fixedKeys = electraFixed,
    .ignoredKeys = electraIgnored,
    .taskHeads = electraHeads};

static constexpr StringLiteral electraTasks[] = {
    "feature-extraction",   "fill-mask",
    "pretraining",          "text-classification",
    "token-classification", "question-answering",
    "multiple-choice",
};
static constexpr StringLiteral electraOptional[] = {
    "embeddings.position_ids",
    "embeddings.token_type_ids",
    "generator_predictions.",
    "generator_lm_head.",
    "discriminator_predictions.",
    "classifier.",
    "qa_outputs.",
    "sequence_summary."};

static constexpr StringLiteral electraPrefixes[] = {"electra."};

const Family electraFamily = {.modelType = "electra",
                              .className = "Electra",
                              .prefixes = electraPrefixes,
                              .tasks = electraTasks,
                              .optionalTensors = electraOptional,
                              .read = read<electraSpec>};

} // namespace transom::huggingface
