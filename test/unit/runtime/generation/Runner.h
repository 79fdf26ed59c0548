//===- Runner.h - an engine, its requests and their events ----------------===//
#ifndef TRANSOM_TEST_UNIT_RUNTIME_GENERATION_RUNNER_H
#define TRANSOM_TEST_UNIT_RUNTIME_GENERATION_RUNNER_H

#include "Generated.h"

#include "runtime/generation/Engine.h"

#include <memory>
#include <random>

namespace transom::test {

/// Events, by request and sequence.
struct Listener {
  std::map<std::pair<int64_t, int32_t>, Ints> tokens;
  std::map<std::pair<int64_t, int32_t>, int32_t> finish;
  std::map<int64_t, int> calls;
  std::string message;
  std::function<int32_t(const transom_generation_event &)> then;

  static int32_t receive(void *user, const transom_generation_event *event) {
    auto &self = *static_cast<Listener *>(user);
    std::pair key(event->request, event->sequence);
    EXPECT_FALSE(self.finish.count(key)) << "an event after the last one";
    Ints &tokens = self.tokens[key];
    tokens.insert(tokens.end(), event->tokens,
                  event->tokens + event->num_tokens);
    if (event->finish != TRANSOM_FINISH_NOT)
      self.finish[key] = event->finish;
    if (event->finish == TRANSOM_FINISH_FAILED)
      self.message = transom_error();
    ++self.calls[event->request];
    return self.then ? self.then(*event) : 0;
  }
  const Ints &of(int64_t request, int32_t sequence = 0) {
    return tokens[{request, sequence}];
  }
};

struct Runner {
  explicit Runner(FormulaDecoder &fake, transom_engine_options options = {})
      : fake(fake), engine(std::make_unique<Engine>()) {
    options.struct_bytes = sizeof(options);
    EXPECT_EQ(engine->create(fake.table, &options), TRANSOM_OK)
        << transom_error();
  }
  ~Runner() {
    engine.reset();
    EXPECT_TRUE(fake.sequences.empty());
  }
  int64_t submit(const Ints &prompt,
                 const transom_generation_options &options) {
    int64_t number = -1;
    EXPECT_EQ(engine->submit(prompt.data(), int64_t(prompt.size()), &options,
                             Listener::receive, &listener, &number),
              TRANSOM_OK)
        << transom_error();
    return number;
  }
  int64_t step() {
    int64_t live = -1;
    EXPECT_EQ(engine->step(&live), TRANSOM_OK) << transom_error();
    return live;
  }
  void runToEnd() {
    for (int steps = 0; step() > 0; ++steps)
      ASSERT_LT(steps, 100000);
  }
  FormulaDecoder &fake;
  std::unique_ptr<Engine> engine;
  Listener listener;
};

/// A request of any kind, and what it gives when it is alone.
struct Sample {
  Ints prompt;
  transom_generation_options options;
  std::vector<Ints> expected;
  std::shared_ptr<Lists> starts; ///< what options.decoder_input_ids points to
};

inline const Ints eosIds = {7, 21};

/// With `beside`, a prompt is an encoder input, and some decoders have prompts,
/// too.
inline Sample makeSample(std::mt19937 &random, bool beside = false) {
  auto below = [&](int bound) { return int(random() % uint32_t(bound)); };
  Sample sample;
  int length = 1 + below(60);
  for (int i = 0; i < length; ++i)
    sample.prompt.push_back(below(3)); // Alike, so that they share.
  std::vector<Ints> starts;
  if (beside && below(2))
    starts = {Ints(size_t(1 + below(30)), below(3))};
  sample.starts = std::make_shared<Lists>(starts);
  transom_generation_options &o = sample.options = defaults();
  o.max_new_tokens = 1 + below(30);
  o.num_eos_token_ids = below(2) ? 2 : -1;
  o.eos_token_ids = eosIds.data();
  o.seed = random();
  o.decoder_input_ids = sample.starts->get();
  switch (below(4)) {
  case 0:
    break;
  case 1:
    o.do_sample = 1;
    o.num_return_sequences = 1 + below(4);
    o.top_k = below(2) * 10;
    o.top_p = 0.9F;
    break;
  case 2:
    o.num_beams = 2 + below(4);
    o.num_return_sequences = 1 + below(o.num_beams);
    o.do_sample = below(2);
    break;
  case 3:
    o.prompt_lookup_num_tokens = 1 + below(8);
    o.repetition_penalty = 1.1F;
    o.do_sample = below(2);
    o.temperature = 0.5F;
    break;
  }
  FormulaDecoder alone;
  if (beside)
    alone.addEncoder();
  Generated result = transom::test::generate(alone, {sample.prompt}, o);
  EXPECT_EQ(result.status, TRANSOM_OK) << transom_error();
  sample.expected = result.tokens;
  return sample;
}

inline void expectSame(Runner &engine,
                       const std::map<int64_t, Sample> &samples) {
  for (const auto &[number, sample] : samples)
    for (size_t r = 0; r < sample.expected.size(); ++r)
      EXPECT_EQ(engine.listener.of(number, int32_t(r)), sample.expected[r])
          << "request " << number << ", sequence " << r;
}

} // namespace transom::test

#endif // TRANSOM_TEST_UNIT_RUNTIME_GENERATION_RUNNER_H
