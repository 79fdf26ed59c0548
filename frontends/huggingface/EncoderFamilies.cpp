//===- EncoderFamilies.cpp - BERT and its relatives, one table each -------===//

#include "frontends/huggingface/Encoder.h"

using llvm::StringLiteral;

namespace transom::huggingface {

using From = Head::From;
using Width = Head::Width;

static constexpr StringLiteral logits[] = {"logits"};
static constexpr StringLiteral spanLogits[] = {"start_logits", "end_logits"};
static constexpr StringLiteral wordLogits[] = {"prediction_logits"};
static constexpr StringLiteral nextLogits[] = {"seq_relationship_logits"};

template <const EncoderTable &table>
static std::unique_ptr<Definition> read(Config &config) {
  return readEncoder(table, config);
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
    {.task = "token-classification",
     .from = From::Tokens,
     .projection = "classifier",
     .width = Width::Labels,
     .outputs = logits},
    {.task = "question-answering",
     .from = From::Tokens,
     .projection = "qa_outputs",
     .width = Width::Two,
     .outputs = spanLogits,
     .splitsColumns = true},
    {.task = "multiple-choice",
     .from = From::Pooler,
     .projection = "classifier",
     .width = Width::One,
     .outputs = logits,
     .splitsColumns = true},
};

// Dropout is the identity at inference; the rest describes a pooler that
// TensorFlow's code had and transformers has not.
static constexpr StringLiteral bertIgnored[] = {"attention_probs_dropout_prob",
                                                "classifier_dropout",
                                                "hidden_dropout_prob",
                                                "directionality",
                                                "pooler_fc_size",
                                                "pooler_num_attention_heads",
                                                "pooler_num_fc_layers",
                                                "pooler_size_per_head",
                                                "pooler_type"};

static constexpr EncoderTable bertTable = {.ignoredKeys = bertIgnored,
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

const Family bertFamily = {"bert",    "Bert",       "bert.",
                           bertTasks, bertOptional, read<bertTable>};

} // namespace transom::huggingface
