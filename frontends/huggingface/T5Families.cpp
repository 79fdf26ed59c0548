//===- T5Families.cpp - T5 and its relatives, one table each --------------===//

#include "frontends/huggingface/T5.h"

using llvm::StringLiteral;

namespace transom::huggingface {

template <const T5Table &table>
static std::unique_ptr<Definition> read(Config &config) {
  return readT5(table, config);
}

static constexpr TokenKey t5Tokens[] = {{"eos_token_id", 1},
                                        {"pad_token_id", 0}};
static constexpr TokenKey mt5Tokens[] = {
    {"decoder_start_token_id", 0}, {"eos_token_id", 1}, {"pad_token_id", 0}};

static constexpr T5Table t5Table = {.vocabulary = 32128,
                                    .feedForward = 2048,
                                    .layers = 6,
                                    .heads = 8,
                                    .projection = "relu",
                                    .tokens = t5Tokens,
                                    .biasesEachLayer = false,
                                    .scales = T5Table::Scales::AsConfigured};
static constexpr T5Table mt5Table = {.vocabulary = 250112,
                                     .feedForward = 1024,
                                     .layers = 8,
                                     .heads = 6,
                                     .projection = "gated-gelu",
                                     .tokens = mt5Tokens,
                                     .biasesEachLayer = false,
                                     .scales = T5Table::Scales::Never};
static constexpr T5Table umt5Table = {.vocabulary = 250112,
                                      .feedForward = 1024,
                                      .layers = 8,
                                      .heads = 6,
                                      .projection = "gated-gelu",
                                      .tokens = mt5Tokens,
                                      .biasesEachLayer = true,
                                      .scales = T5Table::Scales::Always};

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
