//===- Settings.cpp - checking options, filling in defaults ---------------===//
#include "runtime/generation/Settings.h"

#include "runtime/Error.h"
#include "runtime/generation/Prompts.h"

using namespace transom;

/// What Hugging Face generates if the caller gives no length.
static constexpr int64_t defaultNewTokens = 20;
/// More beams than anybody needs, so that memory for them can be counted.
static constexpr int32_t mostBeams = 1024;

transom_finish_reason Settings::finishOf(const int32_t *tokens,
                                         int64_t length) const {
  if (isEos(tokens[length - 1]))
    return TRANSOM_FINISH_EOS;
  int64_t generated = length - promptLength;
  for (int64_t i = 0; i < stopSequences.count(); ++i) {
    int64_t size = stopSequences.length(i);
    if (size <= generated &&
        memcmp(tokens + length - size, stopSequences.list(i),
               size_t(size) * sizeof(int32_t)) == 0)
      return TRANSOM_FINISH_STOP;
  }
  return generated >= maxNewTokens ? TRANSOM_FINISH_LENGTH : TRANSOM_FINISH_NOT;
}

namespace {

/// Options, and where they go.
struct Reader {
  const transom_generation_options &options;
  const Decoder &decoder;
  Settings &settings;

  transom_status integer(const char *name, int64_t value, int64_t least,
                         int64_t most) const {
    if (value >= least && value <= most)
      return TRANSOM_OK;
    return fail(TRANSOM_INVALID_ARGUMENT,
                "'%s' expects a number in [%lld, %lld], got %lld", name,
                (long long)least, (long long)most, (long long)value);
  }
  transom_status boolean(const char *name, int32_t value) const {
    if (value == 0 || value == 1)
      return TRANSOM_OK;
    return fail(TRANSOM_INVALID_ARGUMENT, "'%s' expects 0 or 1, got %d", name,
                value);
  }
  /// Sets `result`, but for a value of 0, which leaves the default there.
  transom_status number(const char *name, float value, bool inRange,
                        const char *range, float &result) const {
    if (value == 0)
      return TRANSOM_OK;
    if (!inRange)
      return fail(TRANSOM_INVALID_ARGUMENT, "'%s' expects a number %s, got %g",
                  name, range, double(value));
    result = value;
    return TRANSOM_OK;
  }
  transom_status copy(const char *name, const transom_token_lists &lists,
                      TokenLists &result) const;
  transom_status noMemory() const {
    return fail(TRANSOM_EXHAUSTED, "no memory for the options");
  }

  transom_status readChoice() const;
  transom_status readSearch() const;
  transom_status readEosIds() const;
  transom_status readForced() const;
  transom_status readLengths() const;
};

} // namespace

transom_status Reader::copy(const char *name, const transom_token_lists &lists,
                            TokenLists &result) const {
  if (transom_status status = checkTokenLists(name, lists, decoder.vocabulary))
    return status;
  if (lists.count == 0)
    return TRANSOM_OK;
  if (!result.offsets.assign(lists.offsets, lists.count + 1) ||
      !result.tokens.assign(lists.tokens, lists.offsets[lists.count]))
    return noMemory();
  return TRANSOM_OK;
}

/// How a token is chosen from its scores.
transom_status Reader::readChoice() const {
  constexpr float infinity = __builtin_inff();
  const transom_generation_options &o = options;
  Settings &s = settings;
  transom_status status;
  if ((status = boolean("do_sample", o.do_sample)) ||
      (status = boolean("renormalize_logits", o.renormalize_logits)) ||
      (status = integer("top_k", o.top_k, 0, INT32_MAX)) ||
      (status = integer("no_repeat_ngram_size", o.no_repeat_ngram_size, 0,
                        INT32_MAX)) ||
      (status = number("temperature", o.temperature,
                       o.temperature > 0 && o.temperature < infinity, "> 0",
                       s.temperature)) ||
      (status = number("top_p", o.top_p, o.top_p > 0 && o.top_p <= 1,
                       "in (0, 1]", s.topP)) ||
      (status = number("min_p", o.min_p, o.min_p > 0 && o.min_p <= 1,
                       "in [0, 1]", s.minP)) ||
      (status =
           number("typical_p", o.typical_p, o.typical_p > 0 && o.typical_p <= 1,
                  "in (0, 1]", s.typicalP)) ||
      (status =
           number("repetition_penalty", o.repetition_penalty,
                  o.repetition_penalty > 0 && o.repetition_penalty < infinity,
                  "> 0", s.repetitionPenalty)))
    return status;
  s.sample = o.do_sample != 0;
  s.renormalize = o.renormalize_logits != 0;
  s.seed = o.seed;
  s.stream = o.stream;
  s.topK = o.top_k;
  s.noRepeatNgramSize = o.no_repeat_ngram_size;
  if ((status = copy("bad_words_ids", o.bad_words_ids, s.badWords)))
    return status;
  return copy("stop_sequences", o.stop_sequences, s.stopSequences);
}

/// Beams, and speculation.
transom_status Reader::readSearch() const {
  constexpr float infinity = __builtin_inff();
  const transom_generation_options &o = options;
  Settings &s = settings;
  transom_status status;
  if ((status = integer("num_beams", o.num_beams, 0, mostBeams)) ||
      (status = integer("num_return_sequences", o.num_return_sequences, 0,
                        mostBeams)) ||
      (status = integer("early_stopping", o.early_stopping,
                        TRANSOM_EARLY_STOPPING_FALSE,
                        TRANSOM_EARLY_STOPPING_NEVER)) ||
      (status =
           number("length_penalty", o.length_penalty,
                  o.length_penalty > -infinity && o.length_penalty < infinity,
                  "that is finite", s.lengthPenalty)) ||
      (status = integer("prompt_lookup_num_tokens", o.prompt_lookup_num_tokens,
                        0, INT32_MAX)) ||
      (status = integer("max_matching_ngram_size", o.max_matching_ngram_size, 0,
                        INT32_MAX)))
    return status;
  if (o.num_beams > 0)
    s.numBeams = o.num_beams;
  if (o.num_return_sequences > 0)
    s.numReturnSequences = o.num_return_sequences;
  s.earlyStopping = transom_early_stopping(o.early_stopping);
  s.lookupTokens = o.prompt_lookup_num_tokens;
  if (o.max_matching_ngram_size > 0)
    s.lookupNgramSize = o.max_matching_ngram_size;
  if (s.isBeamSearch() && s.numReturnSequences > s.numBeams)
    return fail(TRANSOM_INVALID_ARGUMENT,
                "'num_return_sequences' expects at most 'num_beams', %d, "
                "got %d",
                s.numBeams, s.numReturnSequences);
  if (!s.isBeamSearch() && !s.sample && s.numReturnSequences > 1)
    return fail(TRANSOM_INVALID_ARGUMENT,
                "'num_return_sequences' expects 1 without 'do_sample' and "
                "'num_beams', since all would be the same, got %d",
                s.numReturnSequences);
  if (s.isBeamSearch() && s.lookupTokens > 0)
    return fail(TRANSOM_INVALID_ARGUMENT,
                "'prompt_lookup_num_tokens' expects 0 with 'num_beams' %d, "
                "got %lld",
                s.numBeams, (long long)s.lookupTokens);
  return TRANSOM_OK;
}

transom_status Reader::readEosIds() const {
  int64_t count = options.num_eos_token_ids;
  if (transom_status status =
          integer("num_eos_token_ids", count, -1, INT32_MAX))
    return status;
  const int32_t *ids = options.eos_token_ids;
  if (count == 0) {
    ids = decoder.eosIds;
    count = decoder.numEosIds;
  } else if (count > 0 && !ids) {
    return fail(
        TRANSOM_INVALID_ARGUMENT,
        "'eos_token_ids' expects 'num_eos_token_ids' %lld tokens, got null",
        (long long)count);
  }
  // The model's own may be of no token that it has, and then never comes.
  if (options.num_eos_token_ids > 0)
    for (int64_t i = 0; i < count; ++i)
      if (ids[i] < 0 || ids[i] >= decoder.vocabulary)
        return fail(
            TRANSOM_OUT_OF_RANGE,
            "'eos_token_ids', token %lld: expected a value in [0, %lld), "
            "got %d",
            (long long)i, (long long)decoder.vocabulary, ids[i]);
  if (!settings.eosIds.assign(ids, count < 0 ? 0 : count))
    return noMemory();
  return TRANSOM_OK;
}

/// Tokens that have to come where they have to.
transom_status Reader::readForced() const {
  const transom_generation_options &o = options;
  auto check = [&](const char *name, int32_t id) {
    return id >= 0 && id < decoder.vocabulary
               ? TRANSOM_OK
               : fail(TRANSOM_OUT_OF_RANGE,
                      "'%s' expects a token in [0, %lld), got %d", name,
                      (long long)decoder.vocabulary, id);
  };
  transom_status status;
  if ((status =
           boolean("has_forced_bos_token_id", o.has_forced_bos_token_id)) ||
      (status = integer("num_forced_eos_token_ids", o.num_forced_eos_token_ids,
                        0, INT32_MAX)))
    return status;
  if (o.has_forced_bos_token_id) {
    if ((status = check("forced_bos_token_id", o.forced_bos_token_id)))
      return status;
    settings.forcedBosId = o.forced_bos_token_id;
  }
  if (o.num_forced_eos_token_ids > 0 && !o.forced_eos_token_ids)
    return fail(TRANSOM_INVALID_ARGUMENT,
                "'forced_eos_token_ids' expects 'num_forced_eos_token_ids' %d "
                "tokens, got "
                "null",
                o.num_forced_eos_token_ids);
  for (int32_t i = 0; i < o.num_forced_eos_token_ids; ++i)
    if ((status = check("forced_eos_token_ids", o.forced_eos_token_ids[i])))
      return status;
  return settings.forcedEosIds.assign(o.forced_eos_token_ids,
                                      o.num_forced_eos_token_ids)
             ? TRANSOM_OK
             : noMemory();
}

/// After the end-of-sequence tokens are known.
transom_status Reader::readLengths() const {
  const transom_generation_options &o = options;
  Settings &s = settings;
  int64_t prompt = s.promptLength, limit = decoder.positions;
  const char *kind = decoder.encode ? "decoder prompt" : "prompt";
  transom_status status;
  if ((status = integer("max_new_tokens", o.max_new_tokens, 0, INT32_MAX)) ||
      (status = integer("max_length", o.max_length, 0, INT32_MAX)) ||
      (status = integer("min_new_tokens", o.min_new_tokens, 0, INT32_MAX)) ||
      (status = integer("min_length", o.min_length, 0, INT32_MAX)))
    return status;
  if (prompt > limit)
    return fail(TRANSOM_OUT_OF_RANGE,
                "expected a %s of at most %lld tokens, the model's greatest "
                "length, got %lld",
                kind, (long long)limit, (long long)prompt);
  if (o.max_new_tokens > 0 || o.max_length > 0) {
    if (o.max_new_tokens == 0 && o.max_length <= prompt)
      return fail(TRANSOM_OUT_OF_RANGE,
                  "'max_length' expects more than the %s's %lld tokens, got "
                  "%d",
                  kind, (long long)prompt, o.max_length);
    s.maxNewTokens = o.max_new_tokens > 0 ? int64_t(o.max_new_tokens)
                                          : o.max_length - prompt;
    // The last token is not read by the model again.
    if (prompt + s.maxNewTokens - 1 > limit)
      return fail(TRANSOM_OUT_OF_RANGE,
                  "expected at most %lld new tokens after a %s of %lld, for "
                  "the model's greatest length is %lld, got '%s' %d",
                  (long long)(limit + 1 - prompt), kind, (long long)prompt,
                  (long long)limit,
                  o.max_new_tokens > 0 ? "max_new_tokens" : "max_length",
                  o.max_new_tokens > 0 ? o.max_new_tokens : o.max_length);
  } else {
    s.maxNewTokens = defaultNewTokens;
    if (s.maxNewTokens > limit - prompt)
      s.maxNewTokens = limit > prompt ? limit - prompt : 1;
  }
  if (!s.eosIds.empty())
    s.minLength =
        o.min_new_tokens > 0 ? prompt + o.min_new_tokens : o.min_length;
  return TRANSOM_OK;
}

transom_status transom::readSettings(const transom_generation_options *given,
                                     const Decoder &decoder,
                                     int64_t promptLength, Settings &settings,
                                     int64_t index, int64_t count) {
  transom_generation_options options = {};
  options.struct_bytes = sizeof(options);
  if (given) {
    if (given->struct_bytes != sizeof(options))
      return fail(TRANSOM_INVALID_ARGUMENT,
                  "'struct_bytes' of the options expects %u, "
                  "sizeof(transom_generation_options), got %u",
                  unsigned(sizeof(options)), given->struct_bytes);
    options = *given;
  }
  if (options.reserved != 0)
    return fail(TRANSOM_INVALID_ARGUMENT,
                "'reserved' of the options expects 0, got %d",
                options.reserved);
  Reader reader{options, decoder, settings};
  transom_status status;
  if ((status = reader.readChoice()) || (status = reader.readSearch()) ||
      (status = reader.readEosIds()) || (status = reader.readForced()) ||
      (status = readDecoderPrompt(options.decoder_input_ids, decoder, index,
                                  count, settings.decoderPrompt)))
    return status;
  settings.promptLength = promptLength;
  if (decoder.encode) {
    if ((status = checkEncoderInput(decoder, promptLength)))
      return status;
    settings.promptLength = settings.decoderPrompt.size();
  }
  return reader.readLengths();
}
