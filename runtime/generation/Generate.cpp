//===- Generate.cpp - an engine for the prompts of one call ---------------===//
#include "runtime/generation/Generate.h"

#include "runtime/Error.h"
#include "runtime/Memory.h"
#include "runtime/entry.h"
#include "runtime/generation/Engine.h"
#include "runtime/generation/Prompts.h"

#include <algorithm>

using namespace transom;

namespace {

/// Where the events of all prompts go.
struct Sink {
  transom_generation_callback callback;
  void *user;
  transom_generated results;
  int64_t sequencesPerPrompt;
  Array<int64_t> lengths; ///< [prompts * sequencesPerPrompt], so far
  /// The first failure, and its message, which later ones may overwrite.
  transom_status status = TRANSOM_OK;
  int64_t failedPrompt = -1;
  char message[512] = "";

  static int32_t receive(void *user, const transom_generation_event *event) {
    return static_cast<Sink *>(user)->take(*event);
  }
  int32_t take(const transom_generation_event &event);
};

} // namespace

int32_t Sink::take(const transom_generation_event &event) {
  int64_t row = event.request * sequencesPerPrompt + event.sequence;
  if (event.finish == TRANSOM_FINISH_FAILED && status == TRANSOM_OK) {
    status = transom_status(event.status);
    failedPrompt = event.request;
    // Without the name of this function, which fail() puts before it again.
    const char *text = transom_error();
    constexpr char prefix[] = "generate: ";
    if (strncmp(text, prefix, sizeof(prefix) - 1) == 0)
      text += sizeof(prefix) - 1;
    size_t length = std::min(strlen(text), sizeof(message) - 1);
    memcpy(message, text, length);
    message[length] = '\0';
  }
  int64_t length = lengths[row];
  if (results.tokens && event.num_tokens > 0)
    memcpy(results.tokens + row * results.row_tokens + length, event.tokens,
           size_t(event.num_tokens) * sizeof(int32_t));
  lengths[row] += event.num_tokens;
  if (results.lengths)
    results.lengths[row] = lengths[row];
  if (results.finish)
    results.finish[row] = event.finish;
  if (results.scores)
    results.scores[row] = event.score;
  return callback ? callback(user, &event) : 0;
}

/// Checks what a caller gives for results, but for their size.
static transom_status readResults(const transom_generated *given,
                                  transom_generated &results) {
  results = {};
  if (!given)
    return TRANSOM_OK;
  if (given->struct_bytes != sizeof(results))
    return fail(TRANSOM_INVALID_ARGUMENT,
                "'struct_bytes' of the results expects %u, "
                "sizeof(transom_generated), got %u",
                unsigned(sizeof(results)), given->struct_bytes);
  if (given->reserved != 0)
    return fail(TRANSOM_INVALID_ARGUMENT,
                "'reserved' of the results expects 0, got %u", given->reserved);
  results = *given;
  return TRANSOM_OK;
}

transom_status transom::generate(const Decoder &decoder,
                                 const transom_token_lists *prompts,
                                 const transom_generation_options *options,
                                 transom_generation_callback callback,
                                 void *user, const transom_generated *given) {
  if (!prompts)
    return fail(TRANSOM_INVALID_ARGUMENT,
                "'prompts' expects lists of tokens, got null");
  Sink sink = {};
  sink.callback = callback;
  sink.user = user;
  if (transom_status status = readResults(given, sink.results))
    return status;
  if (transom_status status =
          checkTokenLists("prompts", *prompts, decoder.promptIds()))
    return status;

  // All settings are read once before, so that nothing runs if one is wrong.
  int64_t width = 1, rows = 1, mostNew = 0;
  for (int64_t i = 0; i < std::max<int64_t>(prompts->count, 1); ++i) {
    int64_t length =
        prompts->count ? prompts->offsets[i + 1] - prompts->offsets[i] : 1;
    Settings settings;
    if (transom_status status =
            readSettings(options, decoder, length, settings, i, prompts->count))
      return status;
    mostNew = std::max(mostNew, settings.maxNewTokens);
    sink.sequencesPerPrompt = settings.numReturnSequences;
    width = std::max(settings.numBeams, settings.numReturnSequences);
  }
  if (prompts->count == 0)
    return TRANSOM_OK;
  if (sink.results.tokens && sink.results.row_tokens < mostNew)
    return fail(TRANSOM_INVALID_ARGUMENT,
                "'row_tokens' of the results expects at least %lld, "
                "the most new tokens of a sequence, got %lld",
                (long long)mostNew, (long long)sink.results.row_tokens);
  if (__builtin_mul_overflow(prompts->count, sink.sequencesPerPrompt, &rows) ||
      !sink.lengths.resize(rows))
    return fail(TRANSOM_EXHAUSTED, "no memory for %lld prompts",
                (long long)prompts->count);
  std::fill(sink.lengths.begin(), sink.lengths.end(), 0);

  // As many at once as the default allows, but all beams of a prompt.
  transom_engine_options engineOptions = {};
  engineOptions.struct_bytes = sizeof(engineOptions);
  if (width > 64)
    engineOptions.max_num_seqs = int32_t(width);
  struct Guard {
    ~Guard() { destroy(engine); }
    Engine *engine;
  } guard{create<Engine>()};
  Engine *engine = guard.engine;
  if (!engine)
    return fail(TRANSOM_EXHAUSTED, "no memory");
  if (transom_status status = engine->create(decoder, &engineOptions))
    return status;
  transom_generation_options each = {};
  each.struct_bytes = sizeof(each);
  if (options)
    each = *options;
  const transom_token_lists starts = each.decoder_input_ids;
  for (int64_t i = 0; i < prompts->count; ++i) {
    int64_t offsets[2] = {};
    if (starts.count > 1) {
      offsets[1] = starts.offsets[i + 1] - starts.offsets[i];
      each.decoder_input_ids = {starts.tokens + starts.offsets[i], offsets, 1};
    }
    if (transom_status status =
            engine->submit(prompts->tokens + prompts->offsets[i],
                           prompts->offsets[i + 1] - prompts->offsets[i], &each,
                           Sink::receive, &sink, nullptr))
      return status;
    ++each.stream;
  }
  for (int64_t live = 1; live > 0;) {
    if (transom_status status = engine->step(&live))
      return status;
    if (sink.status)
      return fail(sink.status, "prompt %lld: %s", (long long)sink.failedPrompt,
                  sink.message);
  }
  return TRANSOM_OK;
}
