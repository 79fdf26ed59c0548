//===- T5Families.cpp - T5 and its relatives, one spec each ---------------===//

#include "frontends/huggingface/T5.h"

using llvm::StringLiteral;

namespace transom::huggingface {

template <const T5Spec &spec>
static std::unique_ptr<Definition> read(Config &config) {
  return readT5(spec, config);
}

static constexpr StringLiteral logits[] = {"logits"};
static constexpr StringLiteral spanLogits[] = {"start_logits", "end_logits"};

static constexpr Head t5Heads[] = {
    {.task = "text2text-generation",
     .projection = "lm_head",
     .width = Head::Width::Vocabulary,
     .hasBias = false,
     .outputs = logits,
     .generates = true},
    // transformers reads a class in the decoder, where the encoder inputs end.
    {.task = "text-classification",
     .from = Head::From::EndToken,
     .dense = "classification_head.dense",
     .activation = "tanh",
     .projection = "classification_head.out_proj",
     .outputs = logits,
     .shiftsEncoderInputs = true},
    {.task = "token-classification",
     .projection = "classifier",
     .outputs = logits,
     .readsEncoder = true},
    {.task = "question-answering",
     .projection = "qa_outputs",
     .width = Head::Width::Two,
     .outputs = spanLogits,
     .splitsColumns = true,
     .shiftsEncoderInputs = true},
};

static constexpr TokenKey t5Tokens[] = {{"eos_token_id", 1},
                                        {"pad_token_id", 0}};
static constexpr TokenKey mt5Tokens[] = {
    {"decoder_start_token_id", 0}, {"eos_token_id", 1}, {"pad_token_id", 0}};

static constexpr T5Spec t5Spec = {.vocabulary = 32128,
                                  .feedForward = 2048,
                                  .layers = 6,
                                  .heads = 8,
                                  .projection = "relu",
                                  .tokens = t5Tokens,
                                  .taskHeads = t5Heads,
                                  .biasesEachLayer = false,
                                  .scales = T5Spec::Scales::AsConfigured};
static constexpr T5Spec mt5Spec = {.vocabulary = 250112,
                                   .feedForward = 1024,
                                   .layers = 8,
                                   .heads = 6,
                                   .projection = "gated-gelu",
                                   .tokens = mt5Tokens,
                                   .taskHeads = t5Heads,
                                   .biasesEachLayer = false,
                                   .scales = T5Spec::Scales::Never};
static constexpr T5Spec umt5Spec = {.vocabulary = 250112,
                                    .feedForward = 1024,
                                    .layers = 8,
                                    .heads = 6,
                                    .projection = "gated-gelu",
                                    .tokens = mt5Tokens,
                                    .taskHeads = t5Heads,
                                    .biasesEachLayer = true,
                                    .scales = T5Spec::Scales::Always};

static constexpr StringLiteral tasks[] = {
    "feature-extraction", "text2text-generation", "text-classification",
    "token-classification", "question-answering"};
// Of the decoder, and of heads.
static constexpr StringLiteral optional[] = {
    "decoder.",    "encoder.embed_tokens.", "lm_head.", "classification_head.",
    "classifier.", "qa_outputs.",           "shared."};

static constexpr StringLiteral t5Prefixes[] = {"transformer."};

const Family t5Family = {.modelType = "t5",
                         .className = "T5",
                         .prefixes = t5Prefixes,
                         .tasks = tasks,
                         .optionalTensors = optional,
                         .tokens = t5Tokens,
                         .read = read<t5Spec>};
const Family mt5Family = {.modelType = "mt5",
                          .className = "MT5",
                          .prefixes = t5Prefixes,
                          .tasks = tasks,
                          .optionalTensors = optional,
                          .tokens = mt5Tokens,
                          .read = read<mt5Spec>};
const Family umt5Family = {.modelType = "umt5",
                           .className = "UMT5",
                           .prefixes = t5Prefixes,
                           .tasks = tasks,
                           .optionalTensors = optional,
                           .tokens = mt5Tokens,
                           .read = read<umt5Spec>};

} // namespace transom::huggingface
