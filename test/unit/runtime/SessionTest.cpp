//===- SessionTest.cpp - options, sharing, limits, profiles ---------------===//
#include "FakeLibrary.h"

#include <atomic>
#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <thread>

using namespace transom::test;
using testing::HasSubstr;
using testing::StrEq;
using Ints = std::vector<int32_t>;
using Floats = std::vector<float>;

namespace {

transom_session_options withThreads(int32_t threads) {
  transom_session_options options = {};
  options.threads = threads;
  return options;
}

TEST(SessionTest, ChecksItsArguments) {
  FakeLibrary fake;
  transom_model *model;
  ASSERT_EQ(transom_open(&fake.library, nullptr, &model), TRANSOM_OK);
  transom_session *session = nullptr;
  auto refuses = [&](transom_session_options options, const char *message) {
    EXPECT_EQ(transom_session_create(model, &options, &session),
              TRANSOM_INVALID_ARGUMENT);
    EXPECT_EQ(session, nullptr);
    EXPECT_THAT(transom_error(), HasSubstr(message));
  };
  EXPECT_EQ(transom_session_create(nullptr, nullptr, &session),
            TRANSOM_INVALID_ARGUMENT);
  EXPECT_EQ(transom_session_create(model, nullptr, nullptr),
            TRANSOM_INVALID_ARGUMENT);
  refuses({-1, 0, 0, nullptr}, "'threads' expects 0 (the default) to 1024");
  refuses({1 << 20, 0, 0, nullptr}, "'threads' expects");
  refuses({0, 5, 0, nullptr}, "'reserved' expects 0, got 5");
  refuses({0, 0, -7, nullptr}, "'max_tokens' expects 0 to");
  refuses({0, 0, int64_t(1) << 40, nullptr}, "'max_tokens' expects 0 to");

  EXPECT_EQ(transom_run(nullptr, nullptr, 0, nullptr, 0),
            TRANSOM_INVALID_ARGUMENT);
  EXPECT_EQ(transom_profile(nullptr, 1, nullptr), TRANSOM_INVALID_ARGUMENT);
  EXPECT_EQ(transom_session_threads(nullptr), 0);
  transom_session_destroy(nullptr);
  transom_close(model);
}

TEST(SessionTest, TakesThreadsByDefault) {
  setenv("TRANSOM_NUM_THREADS", "3", 1);
  Opened opened;
  unsetenv("TRANSOM_NUM_THREADS");
  EXPECT_EQ(transom_session_threads(opened.session), 3);
  EXPECT_EQ(transom_session_threads(Opened(2).session), 2);
}

TEST(SessionTest, KeepsToMaxTokens) {
  Opened opened(transom_session_options{1, 0, 6, nullptr});
  Ints ids(20, 1), mask(20, 0);
  EXPECT_EQ(opened.run({input("input_ids", ids, {2, 3})}), TRANSOM_OK);
  EXPECT_EQ(opened.run({input("input_ids", ids, {7, 1})}), TRANSOM_EXHAUSTED);
  EXPECT_THAT(transom_error(),
              StrEq("run: expected at most 6 tokens and sequences, the "
                    "session's 'max_tokens', got 7 tokens in 7 sequences"));
  // What is masked does not count.
  mask[0] = mask[10] = 1;
  EXPECT_EQ(opened.run({input("input_ids", ids, {2, 10}),
                        input("attention_mask", mask, {2, 10})}),
            TRANSOM_OK);
  EXPECT_EQ(opened.run({input("input_ids", ids, {1, 6})}), TRANSOM_OK);
}

TEST(SessionTest, SaysThatThereIsNoMemoryAndStaysUsable) {
  Opened opened(1);
  opened.fake.forward.arena_bytes[TRANSOM_TOKENS] = int64_t(1) << 44;
  Ints ids(64, 1);
  Floats tokens(64 * 5);
  EXPECT_EQ(opened.run({input("input_ids", ids, {8, 8})}), TRANSOM_EXHAUSTED);
  EXPECT_THAT(transom_error(),
              HasSubstr("no memory for 64 tokens in 64 sequences"));
  opened.fake.forward.arena_bytes[TRANSOM_TOKENS] = 4 * FakeLibrary::stride;
  EXPECT_EQ(
      opened.run({input("input_ids", ids, {8, 8})}, {output("tokens", tokens)}),
      TRANSOM_OK);
  EXPECT_EQ(tokens[0], tokenValue(1, 0, 0, 0));
  // Reserved at once, it fails at once.
  opened.fake.forward.arena_bytes[TRANSOM_TOKENS] = int64_t(1) << 44;
  transom_session_options options = {1, 0, 64, nullptr};
  transom_session *session;
  EXPECT_EQ(transom_session_create(opened.model, &options, &session),
            TRANSOM_EXHAUSTED);
}

TEST(SessionTest, TellsOffASecondCallOfTheSameSession) {
  Opened opened(1);
  std::atomic<int> stage{0};
  opened.fake.program = [&](transom_frame *frame) {
    stage = 1;
    while (stage == 1)
      std::this_thread::yield();
    return FakeLibrary::encode(frame);
  };
  Ints ids = {1};
  Floats tokens(5);
  std::thread first([&] {
    EXPECT_EQ(opened.run({input("input_ids", ids, {1, 1})},
                         {output("tokens", tokens)}),
              TRANSOM_OK);
  });
  while (stage == 0)
    std::this_thread::yield();
  transom_tensor in = input("input_ids", ids, {1, 1});
  EXPECT_EQ(transom_run(opened.session, &in, 1, nullptr, 0),
            TRANSOM_INVALID_ARGUMENT);
  EXPECT_THAT(transom_error(), HasSubstr("the session is in use"));
  EXPECT_EQ(transom_profile(opened.session, 1, nullptr),
            TRANSOM_INVALID_ARGUMENT);
  stage = 2;
  first.join();
  EXPECT_EQ(transom_run(opened.session, &in, 1, nullptr, 0), TRANSOM_OK);
}

/// Runs ragged batches of its own on a session, and checks each.
void runMany(transom_session *session, unsigned seed, int rounds) {
  for (int round = 0; round < rounds; ++round) {
    int64_t batch = 1 + (round + seed) % 5,
            length = 1 + (round * 7 + seed) % 30;
    Ints ids(size_t(batch * length));
    for (size_t i = 0; i < ids.size(); ++i)
      ids[i] = int32_t((i * 31 + seed) % 500);
    Floats tokens(ids.size() * 5), pooled(size_t(batch) * 3);
    transom_tensor in = input("input_ids", ids, {batch, length});
    transom_tensor out[] = {output("tokens", tokens), output("pooled", pooled)};
    ASSERT_EQ(transom_run(session, &in, 1, out, 2), TRANSOM_OK)
        << transom_error();
    for (size_t i = 0; i < ids.size(); ++i)
      ASSERT_EQ(tokens[i * 5 + 2],
                tokenValue(ids[i], 0, int64_t(i) % length, 2));
    for (int64_t s = 0; s < batch; ++s)
      ASSERT_EQ(pooled[size_t(s) * 3],
                tokenValue(ids[size_t(s * length)], 0, 0, 0) + float(length));
  }
}

TEST(SessionTest, TwoSessionsOfOneModelRunAtOnce) {
  Opened opened(2);
  transom_session *other;
  auto options = withThreads(3);
  ASSERT_EQ(transom_session_create(opened.model, &options, &other), TRANSOM_OK);
  opened.fake.program = FakeLibrary::encode;
  std::thread beside([&] { runMany(other, 1, 400); });
  runMany(opened.session, 2, 400);
  beside.join();
  transom_session_destroy(other);
}

TEST(SessionTest, TwoModelsShareAPool) {
  transom_pool *pool;
  ASSERT_EQ(transom_pool_create(3, &pool), TRANSOM_OK);
  {
    transom_session_options options = {};
    options.pool = pool;
    Opened one(options), two(options);
    EXPECT_EQ(transom_session_threads(one.session), 3);
    std::thread beside([&] { runMany(one.session, 1, 400); });
    runMany(two.session, 2, 400);
    beside.join();
  }
  transom_pool_destroy(pool);
}

TEST(SessionTest, RefusesAPoolOfAnotherAbi) {
  Opened opened(1);
  transom_pool pool = {};
  pool.abiVersion = TRANSOM_ABI_VERSION + 1;
  transom_session_options options = {};
  options.pool = &pool;
  transom_session *session;
  EXPECT_EQ(transom_session_create(opened.model, &options, &session),
            TRANSOM_MISMATCH);
}

TEST(SessionTest, ErrorsBelongToTheirThread) {
  EXPECT_EQ(transom_run(nullptr, nullptr, 0, nullptr, 0),
            TRANSOM_INVALID_ARGUMENT);
  std::string other = "untouched";
  std::thread([&] { other = transom_error(); }).join();
  EXPECT_EQ(other, "");
  EXPECT_THAT(transom_error(), HasSubstr("'session' expects a session"));
}

TEST(SessionTest, LongNamesDoNotOverrunAMessage) {
  Opened opened(1);
  Ints ids = {1};
  std::string name(100000, 'x');
  EXPECT_EQ(opened.run({input(name.c_str(), ids, {1, 1})}),
            TRANSOM_INVALID_ARGUMENT);
  EXPECT_LT(strlen(transom_error()), 1024u);
}

TEST(SessionTest, ProfilesByLayer) {
  Opened opened(2);
  Ints ids(24, 1);
  Floats tokens(24 * 5);
  const char *json = "unset";
  EXPECT_EQ(transom_profile(opened.session, 0, &json), TRANSOM_OK);
  EXPECT_EQ(json, nullptr) << "not started";
  EXPECT_EQ(transom_profile(opened.session, 1, &json), TRANSOM_OK);
  EXPECT_EQ(json, nullptr) << "only just started";
  for (int i = 0; i < 3; ++i)
    ASSERT_EQ(opened.run({input("input_ids", ids, {2, 12})},
                         {output("tokens", tokens)}),
              TRANSOM_OK);
  EXPECT_EQ(transom_profile(opened.session, 1, &json), TRANSOM_OK);
  ASSERT_NE(json, nullptr);
  EXPECT_THAT(json, HasSubstr("{\"threads\": 2, \"runs\": 3, \"tokens\": 72, "
                              "\"sequences\": 6, \"seconds\": 0.0"));
  EXPECT_THAT(json, HasSubstr("{\"layer\": \"embeddings\", \"kernel\": "
                              "\"embed\", \"calls\": 3, \"seconds\": 0.0"));
  EXPECT_THAT(json, HasSubstr("\"flops\": 72000000, \"gflops\": "));
  // Stopping reads for the last time; the next start begins anew.
  EXPECT_EQ(transom_profile(opened.session, 0, &json), TRANSOM_OK);
  EXPECT_THAT(json, HasSubstr("\"runs\": 3"));
  EXPECT_EQ(transom_profile(opened.session, 1, nullptr), TRANSOM_OK);
  EXPECT_EQ(transom_profile(opened.session, 1, &json), TRANSOM_OK);
  EXPECT_THAT(json, HasSubstr("\"runs\": 0"));
  EXPECT_THAT(json, HasSubstr("\"launches\": []"));
}

TEST(SessionTest, ProfilesEscapeNamesAndFollowTheOrderOfLaunches) {
  transom::Profile profile;
  transom_kernel kernel = {}, other = {};
  kernel.name = "a\"b\\c\n";
  other.name = "other";
  for (int run = 0; run < 3; ++run) {
    profile.beginRun();
    for (int i = 0; i < 700; ++i) {
      if (run == 1 && i % 3 == 0)
        continue; // As when not all outputs are asked for.
      static const std::string names[] = {"x", "y", "z"};
      profile.addLaunch(names[i % 3].c_str(), i % 2 ? &kernel : &other, 10, 1);
    }
    profile.endRun(1, 1, 1000000000);
  }
  std::string json = profile.write(4);
  EXPECT_THAT(json, HasSubstr("\"seconds\": 3.000000000"));
  EXPECT_THAT(json,
              HasSubstr("\"kernel\": \"a\\\"b\\\\c\\u000a\", \"calls\": "));
  size_t layers = 0;
  for (size_t at = 0; (at = json.find("\"layer\"", at)) != std::string::npos;
       ++at)
    ++layers;
  EXPECT_EQ(layers, 6u) << "one for each pair of layer and kernel";
  profile.release();
}

} // namespace
