//===- Prompts.h - what models and decoders begin with --------------------===//
#ifndef TRANSOM_RUNTIME_GENERATION_PROMPTS_H
#define TRANSOM_RUNTIME_GENERATION_PROMPTS_H

#include "runtime/generation/Array.h"
#include "runtime/generation/Decoder.h"
#include "runtime/transom.h"

namespace transom {

/// Checks that `lists` are lists of tokens below `ids`, each with at least one.
/// `what` they are called in messages.
transom_status checkTokenLists(const char *what,
                               const transom_token_lists &lists, int64_t ids);

/// Checks that an encoder can read an encoder input of that many tokens: it
/// reads it at once.
transom_status checkEncoderInput(const Decoder &decoder, int64_t length);

/// What the decoder of an encoder-decoder begins with for prompt `index` of
/// `count`: a list of `lists`, the option's, or the model's own start. Without
/// an encoder `prompt` stays empty, and there must be no lists.
transom_status readDecoderPrompt(const transom_token_lists &lists,
                                 const Decoder &decoder, int64_t index,
                                 int64_t count, Array<int32_t> &prompt);

} // namespace transom

#endif // TRANSOM_RUNTIME_GENERATION_PROMPTS_H
