//===- Families.cpp - the kinds of models that we can import --------------===//

#include "frontends/huggingface/Families.h"

using namespace llvm;

namespace transom::huggingface {

ArrayRef<const Family *> families() {
  static const Family *const table[] = {
      &bertFamily,      &robertaFamily,    &distilbertFamily, &electraFamily,
      &camembertFamily, &xlmRobertaFamily, &gptFamily,        &gpt2Family,
      &llamaFamily,     &t5Family,         &mt5Family,        &umt5Family};
  return table;
}

StringRef taskOf(const Family &family, StringRef architecture) {
  struct Ending {
    StringLiteral ending;
    StringLiteral task;
  };
  static constexpr Ending endings[] = {
      {"Model", "feature-extraction"},
      {"EncoderModel", "feature-extraction"},
      {"ForMaskedLM", "fill-mask"},
      {"ForPreTraining", "pretraining"},
      {"ForNextSentencePrediction", "next-sentence-prediction"},
      {"ForSequenceClassification", "text-classification"},
      {"ForTokenClassification", "token-classification"},
      {"ForQuestionAnswering", "question-answering"},
      {"ForMultipleChoice", "multiple-choice"},
      {"LMHeadModel", "text-generation"},
      {"DoubleHeadsModel", "double-heads"},
      {"ForCausalLM", "text-generation"},
      {"ForConditionalGeneration", "text2text-generation"},
  };
  if (architecture.consume_front(family.className))
    for (const Ending &entry : endings)
      if (architecture == entry.ending)
        return entry.task;
  return "";
}

static constexpr StringLiteral specialTokens[] = {"bos_token_id",
                                                  "cls_token_id",
                                                  "decoder_start_token_id",
                                                  "eos_token_id",
                                                  "mask_token_id",
                                                  "pad_token_id",
                                                  "prefix",
                                                  "sep_token_id",
                                                  "unk_token_id",
                                                  "forced_bos_token_id",
                                                  "forced_eos_token_id"};

/// Defaults of generate(), which older versions wrote to config.json.
static constexpr StringLiteral generationOptions[] = {
    "bad_words_ids",
    "begin_suppress_tokens",
    "diversity_penalty",
    "do_sample",
    "early_stopping",
    "encoder_no_repeat_ngram_size",
    "exponential_decay_length_penalty",
    "length_penalty",
    "max_length",
    "max_new_tokens",
    "min_length",
    "no_repeat_ngram_size",
    "num_beam_groups",
    "num_beams",
    "num_return_sequences",
    "output_scores",
    "remove_invalid_values",
    "repetition_penalty",
    "suppress_tokens",
    "temperature",
    "tf_legacy_loss",
    "top_k",
    "top_p",
    "typical_p"};

json::Object generationDefaults(const Family &family, const Config &config) {
  json::Object result;
  // An id that no token can have is as good as none.
  std::optional<int64_t> end = config.getObject().getInteger("vocab_size");
  for (const TokenKey &token : family.tokens)
    if (!end || token.fallback < *end)
      result[token.key] = token.fallback;
  for (ArrayRef<StringLiteral> keys :
       {ArrayRef(specialTokens), ArrayRef(generationOptions)})
    for (StringRef key : keys)
      if (const json::Value *value = config.getObject().get(key))
        result[key] = *value;
  return result;
}

void readCommonKeys(Config &config) {
  // What the file is, and where it comes from.
  config.ignore({"_name_or_path", "_commit_hash", "architectures", "model_type",
                 "name_or_path", "transformers_version",
                 "sentence_transformers", "tokenizer_class",
                 "model_max_length"});
  // How the model was trained, and how transformers would run it.
  config.ignore({"_attn_implementation", "_attn_implementation_autoset",
                 "attn_implementation", "dtype", "experts_implementation",
                 "gradient_checkpointing", "initializer_range", "return_dict",
                 "return_dict_in_generate", "task_specific_params",
                 "torch_dtype", "use_cache"});
  // Only more memory, or more results, for the same numbers.
  config.ignore(
      {"chunk_size_feed_forward", "output_attentions", "output_hidden_states"});
  // A matter of the tokenizer, and of generate().
  config.ignore(specialTokens);
  config.ignore(generationOptions);
  // Heads: how their results are read.
  config.ignore({"id2label", "label2id", "num_labels", "problem_type",
                 "tie_word_embeddings"});

  config.require("quantization_config", nullptr,
                 "the weights must be F32, F16 or BF16");
  config.require("auto_map", nullptr,
                 "the model brings Python code of its own, which can't be "
                 "compiled");
  config.require("pruned_heads", json::Object(),
                 "heads that are pruned can't be compiled");
  config.require("tie_encoder_decoder", false);
}

} // namespace transom::huggingface
