//===- Settings.h - the options of one request, checked -------------------===//
#ifndef TRANSOM_RUNTIME_GENERATION_SETTINGS_H
#define TRANSOM_RUNTIME_GENERATION_SETTINGS_H

#include "runtime/generation/Array.h"
#include "runtime/generation/Decoder.h"
#include "runtime/transom.h"

namespace transom {

/// A copy of a transom_token_lists.
struct TokenLists {
  Array<int32_t> tokens;
  Array<int64_t> offsets; ///< [count + 1], or empty

  int64_t count() const { return offsets.empty() ? 0 : offsets.size() - 1; }
  const int32_t *list(int64_t i) const { return tokens.data() + offsets[i]; }
  int64_t length(int64_t i) const { return offsets[i + 1] - offsets[i]; }
};

/// transom_generation_options with the defaults put in, for one prompt.
struct Settings {
  /// What the decoder of an encoder-decoder begins with; else empty.
  Array<int32_t> decoderPrompt;
  int64_t promptLength = 0; ///< of what the decoder continues
  int64_t maxNewTokens = 0; ///< >= 1, and the model has room for them
  int64_t minLength = 0;    ///< of prompt and new tokens

  bool sample = false;
  uint64_t seed = 0, stream = 0;
  float temperature = 1, topP = 1, minP = 0, typicalP = 1;
  int64_t topK = 0; ///< 0: all

  float repetitionPenalty = 1;
  int64_t noRepeatNgramSize = 0;
  bool renormalize = false;

  int32_t numBeams = 1, numReturnSequences = 1;
  transom_early_stopping earlyStopping = TRANSOM_EARLY_STOPPING_FALSE;
  float lengthPenalty = 1;

  int64_t lookupTokens = 0, lookupNgramSize = 2;

  int32_t forcedBosId = -1; ///< -1: none
  Array<int32_t> forcedEosIds;

  Array<int32_t> eosIds;
  TokenLists badWords, stopSequences;

  bool isBeamSearch() const { return numBeams > 1; }
  bool isEos(int32_t token) const {
    for (int32_t id : eosIds)
      if (id == token)
        return true;
    return false;
  }
  /// Do the scores of the model have to be changed before the best is chosen?
  bool hasProcessors() const {
    return repetitionPenalty != 1 || noRepeatNgramSize > 0 ||
           badWords.count() > 0 || minLength > 0 || forcedBosId >= 0 ||
           !forcedEosIds.empty();
  }
  /// Does a sequence of `length` tokens, prompt and new ones, end here?
  transom_finish_reason finishOf(const int32_t *tokens, int64_t length) const;
};

/// Fills `settings` from `options` (null: the defaults) for a prompt of that
/// many tokens, which has the index `index` of `count`. Fails for what is out
/// of range, naming it.
transom_status readSettings(const transom_generation_options *options,
                            const Decoder &decoder, int64_t promptLength,
                            Settings &settings, int64_t index = 0,
                            int64_t count = 1);

} // namespace transom

#endif // TRANSOM_RUNTIME_GENERATION_SETTINGS_H
