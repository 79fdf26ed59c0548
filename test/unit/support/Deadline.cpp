//===- Deadline.cpp - a test that hangs fails, and by its name ------------===//
//
// Linked into every gtest program. A lost wake-up or a fake that never finishes
// would hold the suite until ctest's limit, and ctest would not say which test.
// The alarm ends the program instead: its signal reaches the main thread, since
// the pool's workers block signals, and a forked child inherits no alarm.
//
//===----------------------------------------------------------------------===//
#include <cstdio>
#include <cstdlib>
#include <cstring>
#include <gtest/gtest.h>
#include <unistd.h>

#include <csignal>

namespace {

char message[256];

/// Writes what is ready: nothing else may be called in a signal handler.
void expire(int) {
  [[maybe_unused]] ssize_t written =
      write(STDERR_FILENO, message, strlen(message));
  _exit(1);
}

struct Deadline : testing::EmptyTestEventListener {
  void OnTestStart(const testing::TestInfo &test) override {
    snprintf(message, sizeof(message),
             "%s.%s: expects to finish within %u s, got stuck\n",
             test.test_suite_name(), test.name(), seconds);
    signal(SIGALRM, expire);
    alarm(seconds);
  }
  void OnTestEnd(const testing::TestInfo &) override { alarm(0); }

  /// The slowest test takes 10 s on an idle machine of two cores.
  unsigned seconds = 120;
};

[[maybe_unused]] const bool installed = [] {
  auto *deadline = new Deadline;
  if (const char *given = getenv("TRANSOM_TEST_DEADLINE"))
    deadline->seconds = unsigned(strtoul(given, nullptr, 10));
  testing::UnitTest::GetInstance()->listeners().Append(deadline);
  return true;
}();

} // namespace
