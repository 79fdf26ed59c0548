//===- AllocationTest.cpp - a warm session allocates nothing --------------===//
//
// The only test of its program: it counts what the C library's allocators and
// mmap are asked for, by standing in for them.
//
//===----------------------------------------------------------------------===//
#include "FakeEncoderDecoder.h"
#include "FakeLibrary.h"

#include <atomic>
#include <cerrno>
#include <cstddef>
#include <cstdio>
#include <gtest/gtest.h>
#include <linux/filter.h>
#include <linux/seccomp.h>
#include <random>
#include <sys/mman.h>
#include <sys/prctl.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <unistd.h>

using namespace transom::test;
using Ints = std::vector<int32_t>;
using Floats = std::vector<float>;

extern "C" void *halide_malloc(void *context, size_t bytes);
extern "C" void halide_free(void *context, void *memory);

static std::atomic<int64_t> requests{0};
/// Of this and the pool's threads, while a run goes on: gtest allocates, too.
static std::atomic<bool> counting{false};
[[maybe_unused]] static void count() {
  if (counting.load(std::memory_order_relaxed))
    requests.fetch_add(1, std::memory_order_relaxed);
}

// Sanitizers have allocators of their own: with them only memory is looked at.
#if __has_feature(address_sanitizer) || __has_feature(thread_sanitizer)
constexpr bool sanitized = true;
#else
constexpr bool sanitized = false;
extern "C" {
void *__libc_malloc(size_t bytes);
void *__libc_calloc(size_t number, size_t bytes);
void *__libc_realloc(void *memory, size_t bytes);
void *__libc_memalign(size_t alignment, size_t bytes);

void *malloc(size_t bytes) {
  count();
  return __libc_malloc(bytes);
}
void *calloc(size_t number, size_t bytes) {
  count();
  return __libc_calloc(number, bytes);
}
void *realloc(void *memory, size_t bytes) {
  count();
  return __libc_realloc(memory, bytes);
}
void *aligned_alloc(size_t alignment, size_t bytes) {
  count();
  return __libc_memalign(alignment, bytes);
}
int mprotect(void *where, size_t bytes, int protection) noexcept {
  count();
  return int(syscall(SYS_mprotect, where, bytes, protection));
}
void *mmap(void *where, size_t bytes, int protection, int flags, int file,
           off_t offset) noexcept {
  count();
  return reinterpret_cast<void *>(
      syscall(SYS_mmap, where, bytes, protection, flags, file, offset));
}
}
#endif

namespace {

int64_t residentBytes() {
  FILE *file = fopen("/proc/self/statm", "r");
  long total = 0, resident = 0;
  EXPECT_EQ(fscanf(file, "%ld %ld", &total, &resident), 2);
  fclose(file);
  return resident * int64_t(sysconf(_SC_PAGESIZE));
}

/// Scratch for every key, and all of it used.
int32_t attendKernel(void **argv) {
  void *context = *static_cast<void **>(argv[0]);
  size_t bytes = 64 + 32 * size_t(scalarAt(argv, 0));
  void *memory = halide_malloc(context, bytes);
  memset(memory, 1, bytes);
  halide_free(context, memory);
  return 0;
}

int32_t program(transom_frame *frame) {
  static const transom_kernel_argument arguments[] = {
      scalar(TRANSOM_TASK_KEYS)};
  static const transom_kernel_variant variants[] = {
      {attendKernel, INT64_MAX, 6, 48, 1, 0}};
  static const transom_kernel kernel = {"attend", TRANSOM_GRID_RAGGED,
                                        4,        1,
                                        1,        arguments,
                                        variants, 0,
                                        0,        1,
                                        0,        64,
                                        32,       0,
                                        1e4};
  const void *operands[] = {frame->inputs[FakeLibrary::Offsets],
                            frame->inputs[FakeLibrary::Lengths]};
  if (int32_t status = transom_launch(frame, &kernel, operands,
                                      frame->extents[TRANSOM_TOKENS], "attend"))
    return status;
  return FakeLibrary::encodeAndSelect(frame);
}

/// After one run of 4096 tokens, or with room for them reserved, 10^4 batches
/// of other shapes: padded and ragged, masked, with and without some outputs,
/// at all positions and at some.
void expectFlat(Opened &opened, bool reserved) {
  constexpr int64_t most = 4096;
  opened.fake.inputs[FakeLibrary::Positions].bound = most;
  opened.fake.program = program;
  Ints ids(most, 1), mask(most, 1), offsets(most + 1), positions(most);
  Floats tokens(most * 5), pooled(most * 3), logits(most * 5);
  std::mt19937 random(3);
  auto below = [&](int64_t bound) {
    return int64_t(random() % uint64_t(bound));
  };
  transom_tensor outputs[] = {output("tokens", tokens),
                              output("pooled", pooled),
                              output("logits", logits)};
  int64_t resident = 0;
  for (int round = 0; round < 10000; ++round) {
    // The length first, so that there are many short and few long sequences.
    int64_t length = round == 0 ? most : 1 + below(1 + below(most));
    int64_t batch = round == 0 ? 1 : 1 + below(most / length);
    if (batch * length > 600 && round % 50)
      batch = 1 + 600 / length, length = 600 / batch;
    transom_tensor inputs[3];
    size_t numInputs = 2, numOutputs = round == 0 ? 3 : size_t(below(4));
    if (round % 3 == 1) {
      offsets[0] = 0;
      for (int64_t s = 0; s < batch; ++s)
        offsets[size_t(s) + 1] =
            offsets[size_t(s)] + int32_t(below(length + 1));
      inputs[0] = input("input_ids", ids, {offsets[size_t(batch)]});
      inputs[1] = input("sequence_offsets", offsets, {batch + 1});
    } else {
      for (int64_t i = 0; i < batch * length && round; ++i)
        mask[size_t(i)] = below(4) != 0;
      inputs[0] = input("input_ids", ids, {batch, length});
      inputs[1] = input("attention_mask", mask, {batch, length});
    }
    if (round % 5 == 2) {
      // Of the first token that is there, over and over.
      bool isRagged = round % 3 == 1;
      int64_t tokens = isRagged ? offsets[size_t(batch)] : batch * length;
      int32_t token = 0;
      while (!isRagged && token < tokens && mask[size_t(token)] == 0)
        ++token;
      int64_t count = token < tokens ? below(most + 1) : 0;
      std::fill_n(positions.begin(), count, token);
      inputs[numInputs++] = input("output_positions", positions, {count});
    }
    counting = reserved || round > 0;
    transom_status status =
        transom_run(opened.session, inputs, numInputs, outputs, numOutputs);
    counting = false;
    ASSERT_EQ(status, TRANSOM_OK) << transom_error();
    if (round == 500)
      resident = residentBytes();
  }
  // The largest batch left its pages touched; only sequences can add some.
  // A sanitizer keeps what is freed, that of this test included.
  if (!sanitized)
    EXPECT_LT(residentBytes() - resident, 1 << 20);
}

TEST(AllocationTest, NothingOnceAsManyTokensWereRun) {
  Opened opened(transom_session_options{2, 0, 0, nullptr, 0},
                /*positions=*/true);
  requests = 0;
  expectFlat(opened, false);
  EXPECT_EQ(requests.load(), 0);
}

TEST(AllocationTest, OnlyScratchIfTokensWereReserved) {
  Opened opened(transom_session_options{2, 0, 4096, nullptr, 0},
                /*positions=*/true);
  requests = 0;
  expectFlat(opened, true);
  if (!sanitized)
    EXPECT_LE(requests.load(), 2) << "the scratch of two kernels";
}

/// Prompts, then tokens one by one; sequences fork, get shorter and go.
void expectFlatSteps(transom_session *session) {
  constexpr int32_t batch = 8, prompt = 20;
  Ints text(prompt, 7), positions(batch);
  std::vector<int64_t> sequences(batch);
  std::vector<transom::StepPart> parts(batch);
  for (int round = 0; round < 20; ++round) {
    counting = round > 0;
    for (int32_t i = 0; i < batch; ++i) {
      ASSERT_EQ(transom_sequence_add(session, &sequences[size_t(i)]),
                TRANSOM_OK);
      parts[size_t(i)] = {sequences[size_t(i)], text.data(), prompt};
      positions[size_t(i)] = prompt * (i + 1) - 1;
    }
    transom::StepRows rows;
    for (int token = prompt; token < 180; ++token) {
      ASSERT_EQ(transom::step(*session, parts.data(), batch, positions.data(),
                              batch, rows),
                TRANSOM_OK)
          << transom_error();
      for (int32_t i = 0; i < batch; ++i) {
        parts[size_t(i)].count = 1;
        positions[size_t(i)] = i;
      }
      int64_t &last = parts[batch - 1].sequence, fork = -1;
      if (token % 3 == 0) {
        ASSERT_EQ(transom_sequence_fork(session, parts[0].sequence, -1, &fork),
                  TRANSOM_OK);
        ASSERT_EQ(transom_sequence_free(session, last), TRANSOM_OK);
        last = fork;
      }
      ASSERT_EQ(transom_sequence_truncate(session, last, token - 1),
                TRANSOM_OK);
    }
    for (const transom::StepPart &part : parts)
      ASSERT_EQ(transom_sequence_free(session, part.sequence), TRANSOM_OK);
    counting = false;
  }
}

TEST(AllocationTest, NothingInStepsOnceOneWasAsLarge) {
  OpenedDecoder opened(transom_session_options{2, 0, 0, nullptr, 0});
  requests = 0;
  expectFlatSteps(opened.session);
  EXPECT_EQ(requests.load(), 0);
}

/// From now on, all threads of the process die by SIGSYS at any system call but
/// the futex (workers are woken, and sleep) and the last one.
[[maybe_unused]] bool allowOnlyFutexes() {
  sock_filter filter[] = {
      BPF_STMT(BPF_LD | BPF_W | BPF_ABS, offsetof(seccomp_data, nr)),
      BPF_JUMP(BPF_JMP | BPF_JEQ | BPF_K, SYS_futex, 1, 0),
      BPF_JUMP(BPF_JMP | BPF_JEQ | BPF_K, SYS_exit_group, 0, 1),
      BPF_STMT(BPF_RET | BPF_K, SECCOMP_RET_ALLOW),
      BPF_STMT(BPF_RET | BPF_K, SECCOMP_RET_KILL_PROCESS)};
  sock_fprog program = {sizeof(filter) / sizeof(filter[0]), filter};
  return prctl(PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0) == 0 &&
         syscall(SYS_seccomp, SECCOMP_SET_MODE_FILTER,
                 SECCOMP_FILTER_FLAG_TSYNC, &program) == 0;
}

/// In a process of its own: how it ends.
template <typename Body> int statusOf(Body body) {
  pid_t child = fork();
  if (child == 0)
    _exit(body());
  int status = -1;
  waitpid(child, &status, 0);
  return status;
}

TEST(AllocationTest, StepsMakeNoSystemCallButToWake) {
  if (sanitized)
    GTEST_SKIP() << "the sanitizer makes calls of its own";
  int status = statusOf([] {
    OpenedDecoder opened(transom_session_options{2, 0, 0, nullptr, 4096});
    int64_t sequence = -1;
    transom_sequence_add(opened.session, &sequence);
    Ints prompt(20, 7), last = {19}, first = {0};
    transom::StepPart part = {sequence, prompt.data(), 20};
    transom::StepRows rows;
    bool good = transom::step(*opened.session, &part, 1, last.data(), 1,
                              rows) == TRANSOM_OK;
    // As small as the others, so that kernels' arguments have their places.
    part.count = 1;
    for (int token = 0; token < 150; ++token) {
      if (token == 2 && !allowOnlyFutexes())
        return 2;
      good &= transom::step(*opened.session, &part, 1, first.data(), 1, rows) ==
              TRANSOM_OK;
    }
    _exit(good ? 0 : 1); // Closing makes calls.
    return 0;
  });
  ASSERT_TRUE(WIFEXITED(status)) << "signal " << WTERMSIG(status);
  if (WEXITSTATUS(status) == 2)
    GTEST_SKIP() << "this system has no filters for system calls";
  EXPECT_EQ(WEXITSTATUS(status), 0);
  // The filter does see calls.
  status = statusOf([] { return allowOnlyFutexes() ? int(getpid() > 0) : 0; });
  EXPECT_TRUE(WIFSIGNALED(status));
}

/// An engine with requests of all kinds, past their prompts.
transom_engine *makeEngine(transom_session *session, int64_t *numTokens) {
  transom_engine *engine = nullptr;
  EXPECT_EQ(transom_engine_create(session, nullptr, &engine), TRANSOM_OK)
      << transom_error();
  auto callback = [](void *user, const transom_generation_event *event) {
    *static_cast<int64_t *>(user) += event->num_tokens;
    return 0;
  };
  transom_generation_options options = {};
  options.struct_bytes = sizeof(options);
  options.max_new_tokens = 150;
  const Ints prompt(20, 7);
  for (int kind = 0; kind < 5; ++kind) {
    transom_generation_options each = options;
    each.repetition_penalty = 1.1F;
    each.do_sample = kind == 1 || kind == 4;
    each.num_return_sequences = kind == 1 || kind >= 3 ? 2 : 1;
    each.num_beams = kind >= 3 ? 3 : 1;
    each.prompt_lookup_num_tokens = kind == 2 ? 4 : 0;
    each.top_p = each.do_sample ? 0.9F : 0;
    EXPECT_EQ(transom_engine_submit(engine, prompt.data(), 20, &each, callback,
                                    numTokens, nullptr),
              TRANSOM_OK)
        << transom_error();
  }
  for (int step = 0; step < 5; ++step)
    EXPECT_EQ(transom_engine_step(engine, nullptr), TRANSOM_OK)
        << transom_error();
  return engine;
}

void expectNothingInSteps(transom_session *session) {
  int64_t numTokens = 0;
  transom_engine *engine = makeEngine(session, &numTokens);
  requests = 0;
  int64_t before = numTokens;
  for (int step = 0; step < 20; ++step) {
    counting = true;
    transom_status status = transom_engine_step(engine, nullptr);
    counting = false;
    ASSERT_EQ(status, TRANSOM_OK) << transom_error();
  }
  EXPECT_EQ(requests.load(), 0);
  EXPECT_GT(numTokens, before + 20 * 3);
  transom_engine_destroy(engine);
}

TEST(AllocationTest, NothingInAnEnginesSteps) {
  OpenedDecoder opened(transom_session_options{2, 0, 0, nullptr, 8192});
  expectNothingInSteps(opened.session);
}

TEST(AllocationTest, NothingInAnEnginesStepsBesideSources) {
  OpenedPair opened(transom_session_options{2, 0, 0, nullptr, 8192});
  opened.fake.generation.decoder_start_token_id = 2;
  expectNothingInSteps(opened.session);
}

TEST(AllocationTest, AnEnginesStepsMakeNoSystemCallButToWake) {
  if (sanitized)
    GTEST_SKIP() << "the sanitizer makes calls of its own";
  int status = statusOf([] {
    OpenedDecoder opened(transom_session_options{2, 0, 0, nullptr, 8192});
    int64_t numTokens = 0;
    transom_engine *engine = makeEngine(opened.session, &numTokens);
    bool good = true;
    for (int step = 0; step < 20; ++step) {
      if (step == 2 && !allowOnlyFutexes())
        return 2;
      good &= transom_engine_step(engine, nullptr) == TRANSOM_OK;
    }
    _exit(good ? 0 : 1);
    return 0;
  });
  ASSERT_TRUE(WIFEXITED(status)) << "signal " << WTERMSIG(status);
  if (WEXITSTATUS(status) == 2)
    GTEST_SKIP() << "this system has no filters for system calls";
  EXPECT_EQ(WEXITSTATUS(status), 0);
}

TEST(AllocationTest, CountsAllocations) {
  if (sanitized)
    GTEST_SKIP() << "the sanitizer has the allocator";
  requests = 0;
  counting = true;
  free(malloc(10));
  void *memory =
      mmap(nullptr, 4096, PROT_READ, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
  counting = false;
  munmap(memory, 4096);
  EXPECT_EQ(requests.load(), 2);
}

} // namespace
