//===- Prompts.cpp - what models and decoders begin with ------------------===//
#include "runtime/generation/Prompts.h"

#include "runtime/Error.h"

using namespace transom;

transom_status transom::checkTokenLists(const char *what,
                                        const transom_token_lists &lists,
                                        int64_t ids) {
  if (lists.count < 0)
    return fail(TRANSOM_INVALID_ARGUMENT,
                "'%s' expects a count of at least 0, got %lld", what,
                (long long)lists.count);
  if (lists.count == 0)
    return TRANSOM_OK;
  if (!lists.tokens || !lists.offsets)
    return fail(TRANSOM_INVALID_ARGUMENT,
                "'%s' expects tokens and offsets of its %lld lists, got "
                "null",
                what, (long long)lists.count);
  if (lists.offsets[0] != 0)
    return fail(TRANSOM_INVALID_ARGUMENT,
                "'%s' expects offsets that begin at 0, got %lld", what,
                (long long)lists.offsets[0]);
  for (int64_t i = 0; i < lists.count; ++i) {
    int64_t begin = lists.offsets[i], end = lists.offsets[i + 1];
    if (end <= begin)
      return fail(TRANSOM_INVALID_ARGUMENT,
                  "'%s', list %lld: expected at least one token, got "
                  "offsets %lld and %lld",
                  what, (long long)i, (long long)begin, (long long)end);
    for (int64_t t = begin; t < end; ++t)
      if (lists.tokens[t] < 0 || lists.tokens[t] >= ids)
        return fail(TRANSOM_OUT_OF_RANGE,
                    "'%s', list %lld, token %lld: expected a value in [0, "
                    "%lld), got %d",
                    what, (long long)i, (long long)(t - begin), (long long)ids,
                    lists.tokens[t]);
  }
  return TRANSOM_OK;
}

transom_status transom::checkEncoderInput(const Decoder &decoder,
                                          int64_t length) {
  if (length > decoder.encoderPositions)
    return fail(TRANSOM_OUT_OF_RANGE,
                "expected a prompt of at most %lld tokens, the greatest length "
                "of the model's encoder, got %lld",
                (long long)decoder.encoderPositions, (long long)length);
  if (decoder.stepTokens > 0 && length > decoder.stepTokens)
    return fail(TRANSOM_EXHAUSTED,
                "expected a prompt of at most %lld tokens, the session's "
                "'max_tokens', for the encoder reads it at once, got %lld",
                (long long)decoder.stepTokens, (long long)length);
  return TRANSOM_OK;
}

transom_status transom::readDecoderPrompt(const transom_token_lists &lists,
                                          const Decoder &decoder, int64_t index,
                                          int64_t count,
                                          Array<int32_t> &prompt) {
  if (!decoder.encode && lists.count != 0)
    return fail(TRANSOM_INVALID_ARGUMENT,
                "'decoder_input_ids' expects no lists, for the model has no "
                "encoder: it continues its prompt, got %lld",
                (long long)lists.count);
  if (!decoder.encode)
    return TRANSOM_OK;
  if (transom_status status =
          checkTokenLists("decoder_input_ids", lists, decoder.ids))
    return status;
  if (lists.count > 1 && lists.count != count)
    return fail(TRANSOM_INVALID_ARGUMENT,
                "'decoder_input_ids' expects one list for all prompts, or one "
                "for each of %lld, got %lld",
                (long long)count, (long long)lists.count);
  const int32_t *tokens = &decoder.startId;
  int64_t length = 1;
  if (lists.count > 0) {
    int64_t list = lists.count > 1 ? index : 0;
    tokens = lists.tokens + lists.offsets[list];
    length = lists.offsets[list + 1] - lists.offsets[list];
  } else if (decoder.startId < 0) {
    return fail(TRANSOM_INVALID_ARGUMENT,
                "expected a token that the decoder begins with: the library "
                "has no 'decoder_start_token_id', give 'decoder_input_ids'");
  } else if (decoder.startId >= decoder.ids) {
    return fail(TRANSOM_MISMATCH,
                "'decoder_start_token_id' of the library: expected a token in "
                "[0, %lld), got %d; give 'decoder_input_ids'",
                (long long)decoder.ids, decoder.startId);
  }
  return prompt.assign(tokens, length)
             ? TRANSOM_OK
             : fail(TRANSOM_EXHAUSTED, "no memory for the options");
}
