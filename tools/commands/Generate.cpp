//===- Generate.cpp - transom generate: text of a compiled library --------===//
//
// Takes and writes token ids; a tokenizer turns text into them and back.
//
//===----------------------------------------------------------------------===//

#include "tools/commands/Commands.h"
#include "tools/commands/Library.h"

#include "llvm/ADT/StringExtras.h"
#include "llvm/Support/Format.h"
#include "llvm/Support/raw_ostream.h"

#include <chrono>

using namespace llvm;

namespace transom {

static cl::SubCommand flags("generate", "generate tokens with a library");

static cl::opt<std::string> path(cl::Positional, cl::Required, cl::desc("LIB"),
                                 cl::sub(flags));
static cl::list<std::string>
    prompts("input-ids", cl::OneOrMore, cl::value_desc("1,2,..."),
            cl::desc("tokens of a prompt, which the encoder reads if the model "
                     "has one; once for each prompt"),
            cl::sub(flags));
static cl::list<std::string> decoderPrompts(
    "decoder-input-ids", cl::value_desc("1,2,..."),
    cl::desc("tokens that the decoder begins with: once for all prompts, or "
             "once for each; default: the model's decoder_start_token_id"),
    cl::sub(flags));

static cl::opt<int> maxNewTokens("max-new-tokens", cl::value_desc("n"),
                                 cl::desc("most new tokens; default: 20"),
                                 cl::sub(flags));
static cl::opt<int> maxLength("max-length", cl::value_desc("n"),
                              cl::desc("most tokens of prompt and result"),
                              cl::sub(flags));
static cl::opt<int>
    minNewTokens("min-new-tokens", cl::value_desc("n"),
                 cl::desc("fewest new tokens before an end of sequence"),
                 cl::sub(flags));
static cl::opt<int> minLength("min-length", cl::value_desc("n"),
                              cl::desc("fewest tokens of prompt and result"),
                              cl::sub(flags));

static cl::opt<bool>
    doSample("do-sample",
             cl::desc("sample tokens; default: take the likeliest"),
             cl::sub(flags));
static cl::opt<uint64_t> seed("seed", cl::value_desc("n"),
                              cl::desc("seed of the sampling; default: 0"),
                              cl::sub(flags));
static cl::opt<float> temperature("temperature", cl::value_desc("x"),
                                  cl::desc("divides the logits; default: 1"),
                                  cl::init(1), cl::sub(flags));
static cl::opt<int>
    topK("top-k", cl::value_desc("n"),
         cl::desc("sample from the n likeliest tokens; 0: all; default: 50"),
         cl::init(50), cl::sub(flags));
static cl::opt<float>
    topP("top-p", cl::value_desc("x"),
         cl::desc("sample from the likeliest tokens, of total probability x"),
         cl::init(1), cl::sub(flags));
static cl::opt<float>
    minP("min-p", cl::value_desc("x"),
         cl::desc("sample from tokens at least x times as likely as the best"),
         cl::sub(flags));
static cl::opt<float> typicalP(
    "typical-p", cl::value_desc("x"),
    cl::desc("sample from the most typical tokens, of total probability x"),
    cl::init(1), cl::sub(flags));

static cl::opt<float> repetitionPenalty(
    "repetition-penalty", cl::value_desc("x"),
    cl::desc("penalty on tokens that occurred before; default: 1, none"),
    cl::init(1), cl::sub(flags));
static cl::opt<int> noRepeatNgramSize("no-repeat-ngram-size",
                                      cl::value_desc("n"),
                                      cl::desc("generate no n tokens twice"),
                                      cl::sub(flags));
static cl::opt<bool>
    renormalizeLogits("renormalize-logits",
                      cl::desc("normalize logits after all processors"),
                      cl::sub(flags));

static cl::opt<int> numBeams("num-beams", cl::value_desc("n"),
                             cl::desc("beams of beam search; default: 1, none"),
                             cl::init(1), cl::sub(flags));
static cl::opt<int>
    numReturnSequences("num-return-sequences", cl::value_desc("n"),
                       cl::desc("sequences for each prompt; default: 1"),
                       cl::init(1), cl::sub(flags));
static cl::opt<transom_early_stopping>
    earlyStopping("early-stopping", cl::desc("when a beam search ends:"),
                  cl::values(clEnumValN(TRANSOM_EARLY_STOPPING_FALSE, "false",
                                        "when the best live beam is worse than "
                                        "all finished ones (default)"),
                             clEnumValN(TRANSOM_EARLY_STOPPING_TRUE, "true",
                                        "when num-beams beams have ended"),
                             clEnumValN(TRANSOM_EARLY_STOPPING_NEVER, "never",
                                        "when no live beam can become better")),
                  cl::init(TRANSOM_EARLY_STOPPING_FALSE), cl::sub(flags));
static cl::opt<float>
    lengthPenalty("length-penalty", cl::value_desc("x"),
                  cl::desc("scores are divided by length^x; default: 1"),
                  cl::init(1), cl::sub(flags));

static cl::opt<int> promptLookup("prompt-lookup-num-tokens",
                                 cl::value_desc("n"),
                                 cl::desc("n draft tokens by prompt lookup"),
                                 cl::sub(flags));
static cl::opt<int>
    matchingNgram("max-matching-ngram-size", cl::value_desc("n"),
                  cl::desc("look up the last n tokens; default: 2"),
                  cl::init(2), cl::sub(flags));

static cl::opt<std::string> eosIds(
    "eos-ids", cl::value_desc("1,2,..."),
    cl::desc("tokens that end a sequence, or none; default: the model's"),
    cl::sub(flags));
static cl::opt<int> forcedBos("forced-bos-token-id", cl::value_desc("n"),
                              cl::desc("token after a prompt of one token"),
                              cl::sub(flags));
static cl::opt<std::string> forcedEos(
    "forced-eos-token-id", cl::value_desc("1,2,..."),
    cl::desc("tokens, one of which ends a sequence of the greatest length"),
    cl::sub(flags));
static cl::list<std::string>
    badWords("bad-words", cl::value_desc("1,2,..."),
             cl::desc("tokens that are never generated; may be given again"),
             cl::sub(flags));
static cl::list<std::string> stopSequences(
    "stop", cl::value_desc("1,2,..."),
    cl::desc("tokens after which a sequence ends; may be given again"),
    cl::sub(flags));

static cl::opt<bool> asJson("json",
                            cl::desc("print a JSON object for each sequence"),
                            cl::sub(flags));
static cl::opt<bool> showTimes("times", cl::desc("print the time on stderr"),
                               cl::sub(flags));
static cl::opt<int>
    threads("threads", cl::init(0), cl::value_desc("n"),
            cl::desc("threads of the session; default: as the library decides"),
            cl::sub(flags));
static cl::opt<int64_t>
    cacheTokens("cache-tokens", cl::value_desc("n"),
                cl::desc("the most tokens in the cache; default: what fits"),
                cl::sub(flags));
static cl::opt<std::string>
    weights("weights", cl::value_desc("file"),
            cl::desc("weights of the library; default: NAME.weights beside it"),
            cl::sub(flags));

namespace {
/// Lists of tokens, in the form that the library takes.
struct Lists {
  std::vector<int32_t> tokens;
  std::vector<int64_t> offsets = {0};

  Error add(const char *flag, StringRef text);
  transom_token_lists get() const {
    return {tokens.data(), offsets.data(), int64_t(offsets.size()) - 1};
  }
};

/// What options point to.
struct OptionLists {
  Lists eos, forcedEos, bad, stops, decoderPrompts;
};

/// What is written as tokens come.
struct Writer {
  /// With one sequence its tokens are written at once; of several, each when
  /// it has ended, by prompt and sequence.
  bool isStreaming;
  int64_t sequencesPerPrompt;
  std::vector<std::string> rows;
  int64_t numTokens = 0;
  std::chrono::steady_clock::time_point first;

  static int32_t receive(void *user, const transom_generation_event *event);
  void take(const transom_generation_event &event);
};
} // namespace

Error Lists::add(const char *flag, StringRef text) {
  SmallVector<StringRef> parts;
  text.split(parts, ',');
  for (StringRef part : parts) {
    int32_t token;
    if (part.trim().getAsInteger(10, token))
      return createStringError(
          "--%s=%s: expected tokens with commas between them, such as 1,2,3",
          flag, text.str().c_str());
    tokens.push_back(token);
  }
  offsets.push_back(int64_t(tokens.size()));
  return Error::success();
}

static StringRef nameOf(int32_t finish) {
  switch (finish) {
  case TRANSOM_FINISH_EOS:
    return "eos";
  case TRANSOM_FINISH_LENGTH:
    return "length";
  case TRANSOM_FINISH_STOP:
    return "stop";
  default:
    return "";
  }
}

int32_t Writer::receive(void *user, const transom_generation_event *event) {
  static_cast<Writer *>(user)->take(*event);
  return 0;
}

void Writer::take(const transom_generation_event &event) {
  if (numTokens == 0)
    first = std::chrono::steady_clock::now();
  numTokens += event.num_tokens;
  size_t index = event.request * sequencesPerPrompt + event.sequence;
  if (index >= rows.size())
    rows.resize(index + 1);
  std::string &row = rows[index];
  std::string more;
  for (int32_t token : ArrayRef(event.tokens, event.num_tokens)) {
    if (!row.empty() || !more.empty())
      more += ',';
    more += std::to_string(token);
  }
  row += more;
  if (isStreaming) {
    outs() << more;
    if (event.finish != TRANSOM_FINISH_NOT)
      outs() << '\n';
    outs().flush();
  }
  if (event.finish == TRANSOM_FINISH_NOT || !asJson)
    return;
  std::string text;
  raw_string_ostream(text) << "{\"prompt\": " << event.request
                           << ", \"sequence\": " << event.sequence
                           << ", \"finish\": \"" << nameOf(event.finish) << '"';
  if (numBeams > 1)
    raw_string_ostream(text) << ", \"score\": " << format("%.9g", event.score);
  row = text + ", \"tokens\": [" + row + "]}";
}

static Error readOptions(transom_generation_options &options,
                         OptionLists &lists) {
  options.struct_bytes = sizeof(options);
  options.max_new_tokens = maxNewTokens;
  options.max_length = maxLength;
  options.min_new_tokens = minNewTokens;
  options.min_length = minLength;
  options.do_sample = doSample;
  options.seed = seed;
  options.top_k = topK;
  options.min_p = minP;
  options.no_repeat_ngram_size = noRepeatNgramSize;
  options.renormalize_logits = renormalizeLogits;
  options.num_beams = numBeams;
  options.num_return_sequences = numReturnSequences;
  options.early_stopping = earlyStopping;
  options.length_penalty =
      lengthPenalty == 0 ? TRANSOM_NO_LENGTH_PENALTY : lengthPenalty;
  options.prompt_lookup_num_tokens = promptLookup;
  options.max_matching_ngram_size = matchingNgram;
  // The library takes 0 for "not given", and would not object to these.
  struct {
    const cl::opt<float> &flag;
    float &field;
  } numbers[] = {{temperature, options.temperature},
                 {topP, options.top_p},
                 {typicalP, options.typical_p},
                 {repetitionPenalty, options.repetition_penalty}};
  for (auto &[flag, field] : numbers) {
    if (flag == 0)
      return createStringError("--%s=0: expected a number > 0",
                               flag.ArgStr.str().c_str());
    field = flag;
  }
  if (eosIds == "none") {
    options.num_eos_token_ids = -1;
  } else if (!eosIds.empty()) {
    if (Error error = lists.eos.add("eos-ids", eosIds))
      return error;
    options.num_eos_token_ids = int32_t(lists.eos.tokens.size());
    options.eos_token_ids = lists.eos.tokens.data();
  }
  struct {
    const cl::list<std::string> &flag;
    Lists &list;
    transom_token_lists &field;
  } tokens[] = {
      {badWords, lists.bad, options.bad_words_ids},
      {stopSequences, lists.stops, options.stop_sequences},
      {decoderPrompts, lists.decoderPrompts, options.decoder_input_ids}};
  for (auto &[flag, list, field] : tokens) {
    for (StringRef text : flag)
      if (Error error = list.add(flag.ArgStr.str().c_str(), text))
        return error;
    field = list.get();
  }
  options.has_forced_bos_token_id = forcedBos.getNumOccurrences() > 0;
  options.forced_bos_token_id = forcedBos;
  if (!forcedEos.empty()) {
    if (Error error = lists.forcedEos.add("forced-eos-token-id", forcedEos))
      return error;
    options.num_forced_eos_token_ids = int32_t(lists.forcedEos.tokens.size());
    options.forced_eos_token_ids = lists.forcedEos.tokens.data();
  }
  return Error::success();
}

static Error generateTokens() {
  Lists given;
  for (StringRef text : prompts)
    if (Error error = given.add("input-ids", text))
      return error;
  transom_generation_options options = {};
  OptionLists optionLists;
  if (Error error = readOptions(options, optionLists))
    return error;
  Expected<Library> library = Library::load(path);
  if (!library)
    return library.takeError();
  Expected<Session> session =
      Session::open(*library, weights, threads, cacheTokens);
  if (!session)
    return session.takeError();

  Writer writer = {};
  writer.sequencesPerPrompt = numReturnSequences;
  writer.isStreaming =
      prompts.size() == 1 && numReturnSequences == 1 && !asJson;
  transom_token_lists lists = given.get();
  auto begin = std::chrono::steady_clock::now();
  if (Error error = library->check(
          library->entry().generate(session->get(), &lists, &options,
                                    Writer::receive, &writer, nullptr))) {
    if (writer.isStreaming && writer.numTokens > 0)
      outs() << '\n';
    return error;
  }
  auto end = std::chrono::steady_clock::now();
  if (!writer.isStreaming)
    for (const std::string &row : writer.rows)
      outs() << row << '\n';
  if (showTimes) {
    using Seconds = std::chrono::duration<double>;
    double total = Seconds(end - begin).count();
    double wait = Seconds(writer.first - begin).count();
    errs() << format("first token after %.3f ms, ", 1000 * wait)
           << writer.numTokens
           << format(" new tokens in %.3f ms, %.1f tokens/s\n", 1000 * total,
                     writer.numTokens / total);
  }
  return Error::success();
}

static int run() { return exitCode(generateTokens()); }

Command generateCommand() { return {flags, run}; }

} // namespace transom
