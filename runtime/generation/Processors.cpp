//===- Processors.cpp - scores that context changes -----------------------===//
//
// Arithmetic is in float, as Hugging Face's.
//
//===----------------------------------------------------------------------===//
#include "runtime/generation/Scores.h"

#include <algorithm>

using namespace transom;

static constexpr float minusInfinity = -__builtin_inff();

static void penalizeRepetition(float penalty, Context context, float *scores,
                               int64_t vocabulary, Array<uint8_t> &seen) {
  // Once a token. One beyond the logits is an embedding that nothing predicts.
  for (int64_t i = 0; i < context.length; ++i) {
    int32_t token = context.tokens[i];
    if (token >= vocabulary || seen[token])
      continue;
    seen[token] = 1;
    float &score = scores[token];
    score = score < 0 ? score * penalty : score / penalty;
  }
  for (int64_t i = 0; i < context.length; ++i)
    if (context.tokens[i] < vocabulary)
      seen[context.tokens[i]] = 0;
}

/// Bans what followed wherever the last size - 1 tokens came before.
static void banRepeatedNgrams(int64_t size, Context context, float *scores,
                              int64_t vocabulary) {
  if (context.length < size)
    return;
  const int32_t *prefix = context.tokens + context.length + 1 - size;
  for (int64_t i = 0; i + size <= context.length; ++i) {
    const int32_t *window = context.tokens + i;
    int32_t last = window[size - 1];
    if (last < vocabulary && std::equal(window, window + size - 1, prefix))
      scores[last] = minusInfinity;
  }
}

static void banWords(const Settings &settings, Context context, float *scores) {
  const TokenLists &words = settings.badWords;
  for (int64_t i = 0; i < words.count(); ++i) {
    const int32_t *word = words.list(i);
    int64_t prefix = words.length(i) - 1;
    // An end of sequence alone can't be bad.
    if (prefix == 0 && settings.isEos(word[0]))
      continue;
    if (prefix <= context.length &&
        std::equal(word, word + prefix,
                   context.tokens + context.length - prefix))
      scores[word[prefix]] = minusInfinity;
  }
}

/// Leaves these tokens only.
static void force(const int32_t *ids, int64_t count, float *scores,
                  int64_t vocabulary) {
  std::fill_n(scores, vocabulary, minusInfinity);
  for (int64_t i = 0; i < count; ++i)
    scores[ids[i]] = 0;
}

void transom::processScores(const Settings &settings, Context context,
                            float *scores, int64_t vocabulary,
                            Array<uint8_t> &seen) {
  if (settings.repetitionPenalty != 1)
    penalizeRepetition(settings.repetitionPenalty, context, scores, vocabulary,
                       seen);
  if (settings.noRepeatNgramSize > 0)
    banRepeatedNgrams(settings.noRepeatNgramSize, context, scores, vocabulary);
  banWords(settings, context, scores);
  if (context.length < settings.minLength)
    for (int32_t id : settings.eosIds)
      if (id >= 0 && id < vocabulary)
        scores[id] = minusInfinity;
  if (settings.forcedBosId >= 0 && context.length == 1)
    force(&settings.forcedBosId, 1, scores, vocabulary);
  int64_t last = settings.promptLength + settings.maxNewTokens - 1;
  if (!settings.forcedEosIds.empty() && context.length == last)
    force(settings.forcedEosIds.data(), settings.forcedEosIds.size(), scores,
          vocabulary);
}
