//===- LibraryTest.cpp - two libraries in one program, through their headers =//
//
// libencoder.so and libsecond.so are Library.c, linked like the compiler links
// a model: each with its own runtime, hidden. encoder's weights are in a file.
//
//===----------------------------------------------------------------------===//
#include "encoder.h"
#include "second.h"

#include <dlfcn.h>
#include <filesystem>
#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <thread>
#include <unistd.h>
#include <vector>

using testing::HasSubstr;
using testing::StrEq;

namespace {

/// Embeds ids with any library; `scale` is what Library.c was compiled with.
void runMany(const transom_entry_points &entry, transom_session *session,
             float scale) {
  for (int round = 0; round < 200; ++round) {
    std::vector<int64_t> ids(size_t(1 + round % 50), round);
    std::vector<float> states(ids.size() * 4);
    transom_tensor in = {"input_ids",   ids.data(), ids.size() * 8,
                         TRANSOM_INT64, 2,          {1, int64_t(ids.size())}};
    transom_tensor out = {"last_hidden_state",
                          states.data(),
                          states.size() * 4,
                          TRANSOM_FLOAT32,
                          0,
                          {}};
    ASSERT_EQ(entry.run(session, &in, 1, &out, 1), TRANSOM_OK) << entry.error();
    ASSERT_EQ(out.rank, 3);
    for (size_t i = 0; i < states.size(); ++i)
      ASSERT_EQ(states[i], scale * float(round) + float(i % 4));
  }
}

TEST(LibraryTest, TwoLibrariesRunAtOnceOnOnePool) {
  transom_model *one, *two;
  transom_session *first, *second;
  ASSERT_EQ(encoder_open(nullptr, &one), TRANSOM_OK) << encoder_error();
  ASSERT_EQ(second_open(nullptr, &two), TRANSOM_OK) << second_error();
  transom_session_options options = {};
  ASSERT_EQ(encoder_pool_create(3, &options.pool), TRANSOM_OK);
  ASSERT_EQ(encoder_session_create(one, &options, &first), TRANSOM_OK);
  ASSERT_EQ(second_session_create(two, &options, &second), TRANSOM_OK);
  EXPECT_EQ(second_session_threads(second), 3);
  std::thread beside([&] { runMany(second_entry, second, 100); });
  runMany(encoder_entry, first, 1);
  beside.join();
  encoder_session_destroy(first);
  second_session_destroy(second);
  encoder_pool_destroy(options.pool);
  encoder_close(one);
  second_close(two);
}

TEST(LibraryTest, LibrariesHaveTheirOwnErrors) {
  transom_model *model;
  EXPECT_EQ(encoder_open("/no/such/file", &model), TRANSOM_IO_ERROR);
  EXPECT_THAT(encoder_error(), HasSubstr("'/no/such/file' of library "
                                         "'encoder'"));
  EXPECT_THAT(second_error(), StrEq(""));
  // The weights of one are none of the other's, not even by size and hash.
  EXPECT_EQ(second_open("/dev/null", &model), TRANSOM_IO_ERROR);
}

TEST(LibraryTest, ALoaderFindsAllByOneName) {
  for (const char *path : {ENCODER_LIBRARY, SECOND_LIBRARY}) {
    void *library = dlopen(path, RTLD_NOW | RTLD_LOCAL);
    ASSERT_TRUE(library) << dlerror();
    auto *entry = static_cast<const transom_entry_points *>(
        dlsym(library, "transom_entry"));
    ASSERT_TRUE(entry);
    EXPECT_EQ(entry->struct_bytes, sizeof(transom_entry_points));
    EXPECT_THAT(entry->metadata, HasSubstr("feature-extraction"));
    transom_model *model;
    transom_session *session;
    ASSERT_EQ(entry->open(nullptr, &model), TRANSOM_OK) << entry->error();
    ASSERT_EQ(entry->session_create(model, nullptr, &session), TRANSOM_OK);
    runMany(*entry, session, entry->name[0] == 's' ? 100 : 1);
    entry->session_destroy(session);
    entry->close(model);
    // The runtime inside is hidden.
    for (const char *name :
         {"transom_run", "transom_launch", "halide_malloc", "transom_open"})
      EXPECT_FALSE(dlsym(library, name)) << name;
    dlclose(library);
  }
}

// However a library is named when it is loaded, its weights are beside the
// file, and a later working folder changes nothing.
TEST(LibraryTest, WeightsAreBesideTheFile) {
  namespace fs = std::filesystem;
  fs::path library = ENCODER_LIBRARY, before = fs::current_path();
  fs::path folder = fs::path(testing::TempDir()) /
                    ("library-test-" + std::to_string(getpid()));
  // A line feed, and the mark that the system appends to a removed file.
  fs::path real = folder / "a\nb (deleted)";
  fs::create_directories(real);
  fs::create_directory(folder / "links");
  fs::copy_file(library, real / "real.so");
  fs::copy_file(library.parent_path() / "encoder.weights",
                real / "encoder.weights");
  fs::create_symlink(real / "real.so", folder / "links" / "libencoder.so");
  fs::copy_file(real / "real.so", real / "relative.so");
  fs::copy_file(real / "real.so", real / "replaced.so");

  auto opens = [](void *handle) {
    ASSERT_TRUE(handle) << dlerror();
    auto *entry = static_cast<const transom_entry_points *>(
        dlsym(handle, "transom_entry"));
    transom_model *model = nullptr;
    EXPECT_EQ(entry->open(nullptr, &model), TRANSOM_OK) << entry->error();
    entry->close(model);
    dlclose(handle);
  };
  std::string link = folder / "links" / "libencoder.so";
  opens(dlopen(link.c_str(), RTLD_NOW | RTLD_LOCAL));
  fs::current_path(real);
  void *relative = dlopen("./relative.so", RTLD_NOW | RTLD_LOCAL);
  fs::current_path(before);
  opens(relative);
  void *replaced =
      dlopen((real / "replaced.so").c_str(), RTLD_NOW | RTLD_LOCAL);
  fs::remove(real / "replaced.so");
  opens(replaced);
  fs::remove_all(folder);
}

TEST(LibraryTest, HeadersDeclareMetadata) {
  EXPECT_THAT(encoder_metadata(), HasSubstr("task"));
  EXPECT_THAT(encoder_entry.name, StrEq("encoder"));
}

} // namespace
