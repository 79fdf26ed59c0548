//===- OutputFilesTest.cpp - files that appear whole or not at all --------===//

#include "codegen/link/OutputFiles.h"
#include "codegen/link/Header.h"
#include "codegen/link/WeightsObject.h"

#include "llvm/ADT/SmallString.h"
#include "llvm/Object/ELFObjectFile.h"
#include "llvm/Support/FileSystem.h"
#include "llvm/Support/MemoryBuffer.h"
#include "llvm/Support/Path.h"
#include "gtest/gtest.h"

#include <cerrno>
#include <csignal>
#include <cstdio>
#include <cstring>
#include <fcntl.h>
#include <set>
#include <sys/wait.h>
#include <unistd.h>
#include <vector>

using namespace transom::codegen;
namespace fs = llvm::sys::fs;

/// Which call of rename() ends the process, and which one fails; 0: none.
static int renames = 0, endAt = 0, failAt = 0;

// In place of the C library's.
extern "C" int rename(const char *from, const char *to) noexcept {
  ++renames;
  if (renames == endAt)
    (void)raise(SIGKILL);
  if (renames == failAt) {
    errno = EBUSY;
    return -1;
  }
  return renameat(AT_FDCWD, from, AT_FDCWD, to);
}

namespace {

class OutputFilesTest : public testing::Test {
protected:
  void SetUp() override {
    ASSERT_FALSE(fs::createUniqueDirectory("transom-outputs", folder));
  }
  void TearDown() override { fs::remove_directories(folder); }
  std::string path(llvm::StringRef name) const {
    llvm::SmallString<128> result(folder);
    llvm::sys::path::append(result, name);
    return result.str().str();
  }
  int count() const {
    std::error_code code;
    int files = 0;
    for (fs::recursive_directory_iterator entry(folder, code), end;
         !code && entry != end; entry.increment(code))
      ++files;
    return files;
  }
  void put(llvm::StringRef name, llvm::StringRef contents) const {
    ASSERT_EQ(text(writeText(path(name), name, contents)), "");
  }
  std::string read(llvm::StringRef name) const {
    auto file = llvm::MemoryBuffer::getFile(path(name));
    return file ? (*file)->getBuffer().str() : "";
  }
  static std::string text(llvm::Error error) {
    return llvm::toString(std::move(error));
  }
  llvm::SmallString<128> folder;
};

TEST_F(OutputFilesTest, AppearTogether) {
  {
    OutputFiles files;
    ASSERT_EQ(text(files.begin(path("sub/b"))), "");
    ASSERT_TRUE(bool(files.write(path("a"), "one")));
    ASSERT_TRUE(bool(files.write(path("sub/b"), "two")));
    EXPECT_FALSE(fs::exists(path("a")));
    ASSERT_EQ(text(files.commit()), "");
  }
  EXPECT_EQ(read("a"), "one");
  EXPECT_EQ(read("sub/b"), "two");
  EXPECT_EQ(count(), 3);
}

TEST_F(OutputFilesTest, LeaveNothingWithoutCommit) {
  {
    OutputFiles files;
    ASSERT_EQ(text(files.begin(path("sub/b"))), "");
    ASSERT_TRUE(bool(files.write(path("a"), "one")));
    ASSERT_TRUE(bool(files.write(path("sub/b"), "two")));
    EXPECT_EQ(count(), 4);
  }
  EXPECT_EQ(count(), 0);
}

// The second can't get its name: the first must go again.
TEST_F(OutputFilesTest, LeaveNothingIfCommitFails) {
  {
    OutputFiles files;
    ASSERT_EQ(text(files.begin(path("b"))), "");
    ASSERT_TRUE(bool(files.write(path("a"), "one")));
    ASSERT_TRUE(bool(files.write(path("b"), "two")));
    ASSERT_FALSE(fs::create_directory(path("b")));
    EXPECT_EQ(text(files.commit()),
              "cannot write '" + path("b") + "': Is a directory");
  }
  EXPECT_FALSE(fs::exists(path("a")));
  EXPECT_EQ(count(), 1);
}

TEST_F(OutputFilesTest, SayWhatCannotBeWritten) {
  OutputFiles files;
  EXPECT_EQ(text(files.begin(path("no/such/file"))),
            "cannot write '" + path("no/such") +
                "': No such file or directory");
  EXPECT_EQ(text(files.begin(folder)),
            "cannot write '" + folder.str().str() + "': Is a directory");
}

// Files that a run did not create stay as they are, whatever fails.
TEST_F(OutputFilesTest, LeaveFilesOfOthers) {
  put("thesis", "years of work");
  put("a", "years of work");
  {
    OutputFiles files;
    EXPECT_EQ(text(files.begin(path("thesis/b"))),
              "cannot write '" + path("thesis") + "': Not a directory");
    EXPECT_EQ(text(files.createFolder(path("thesis"))),
              "cannot write '" + path("thesis") + "': Not a directory");
  }
  {
    OutputFiles files;
    ASSERT_EQ(text(files.begin(path("b"))), "");
    EXPECT_EQ(text(files.create(path("a")).takeError()),
              "cannot write '" + path("a") +
                  "': a file that Transom did not write has this name; move "
                  "it, or choose another name");
    // It came after the check.
    ASSERT_TRUE(bool(files.write(path("late"), "one")));
    ASSERT_TRUE(bool(files.write(path("b"), "two")));
    put("late", "years of work");
    EXPECT_NE(text(files.commit()), "");
  }
  EXPECT_EQ(read("thesis"), "years of work");
  EXPECT_EQ(read("a"), "years of work");
  EXPECT_EQ(read("late"), "years of work");
  EXPECT_EQ(count(), 3);
}

// A `%` is a character like any, in each component.
TEST_F(OutputFilesTest, TakePercentSigns) {
  {
    OutputFiles files;
    ASSERT_FALSE(fs::create_directory(path("50%")));
    ASSERT_EQ(text(files.begin(path("50%/a%b"))), "");
    ASSERT_TRUE(bool(files.write(path("50%/a%b"), "one")));
    ASSERT_EQ(text(files.commit()), "");
  }
  EXPECT_EQ(read("50%/a%b"), "one");
  EXPECT_EQ(count(), 2);
}

// Folders of killed processes go, those of living ones stay.
TEST_F(OutputFilesTest, RemoveStaleFolders) {
  std::string stale = path("a.0123456789abcdef.tmp");
  ASSERT_FALSE(fs::create_directory(stale));
  put("a.0123456789abcdef.tmp/0", "half a file");
  ASSERT_FALSE(fs::create_directory(path("b.0123456789abcdef.tmp")));
  put("a.tmp", "");
  put("a.0123456789abcdef.tmp2", "");
  OutputFiles first, second;
  ASSERT_EQ(text(first.begin(path("a"))), "");
  EXPECT_FALSE(fs::exists(stale));
  EXPECT_EQ(count(), 4);
  ASSERT_EQ(text(second.begin(path("a"))), "");
  EXPECT_EQ(count(), 5);
}

//===----------------------------------------------------------------------===//
// A set that changes while processes die and renames fail
//===----------------------------------------------------------------------===//

class OutputSetTest : public OutputFilesTest {
protected:
  void TearDown() override {
    endAt = failAt = 0;
    OutputFilesTest::TearDown();
  }
  /// A library names the hash of its weights, which begin with it.
  static constexpr const char *header = "/* generated by transom, ";
  static constexpr const char *library = "generated by transom, ";
  std::string compile(int number) {
    OutputFiles files;
    std::string hash = std::to_string(number);
    auto write = [&](llvm::StringRef name, const std::string &contents) {
      return text(files.write(path(name), contents).takeError());
    };
    for (std::string error :
         {text(files.begin(path("libm.so"))),
          write("m.weights", "TRANSOMW" + hash), write("m.h", header + hash)})
      if (!error.empty())
        return error;
    files.setWeights(path("m.weights"), number);
    if (std::string error = write("libm.so", library + hash); !error.empty())
      return error;
    return text(files.commit());
  }
  /// The number of the set if the library finds its weights like the runtime
  /// does; 0: there is no library; -1: it does not open.
  int opened() const {
    if (!fs::exists(path("libm.so")))
      return 0;
    int number = std::stoi(read("libm.so").substr(strlen(library)));
    char interim[64];
    snprintf(interim, sizeof(interim), "m.weights.%016llx.tmp",
             static_cast<unsigned long long>(number));
    for (const char *name : {"m.weights", static_cast<const char *>(interim)})
      if (fs::exists(path(name)) &&
          read(name) == "TRANSOMW" + std::to_string(number))
        return number;
    return -1;
  }
  bool isHeaderOf(int number) const {
    return read("m.h") == header + std::to_string(number);
  }
};

TEST_F(OutputSetTest, IsReplaced) {
  for (int number : {1, 2, 2, 3}) {
    ASSERT_EQ(compile(number), "");
    EXPECT_EQ(opened(), number);
    EXPECT_TRUE(isHeaderOf(number));
    EXPECT_EQ(count(), 3);
  }
}

TEST_F(OutputSetTest, OpensAfterDeathAtEachRename) {
  for (bool hasFormer : {false, true}) {
    int kills = 0;
    std::set<int> seen;
    for (bool killed = true; killed; ++kills) {
      fs::remove_directories(folder);
      ASSERT_FALSE(fs::create_directory(folder));
      if (hasFormer)
        ASSERT_EQ(compile(1), "");
      pid_t child = fork();
      ASSERT_GE(child, 0);
      if (child == 0) {
        endAt = renames + kills + 1;
        _exit(compile(2).empty() ? 0 : 1);
      }
      int status;
      ASSERT_EQ(waitpid(child, &status, 0), child);
      killed = WIFSIGNALED(status);
      ASSERT_TRUE(killed || WEXITSTATUS(status) == 0);
      int set = opened();
      seen.insert(set);
      EXPECT_TRUE(set == 2 || set == (hasFormer ? 1 : 0)) << "got " << set;
      // The new library has its header.
      EXPECT_TRUE(set != 2 || isHeaderOf(2));
      // The next one is whole, and removes what was left.
      ASSERT_EQ(compile(3), "");
      EXPECT_EQ(opened(), 3);
      EXPECT_EQ(count(), 3);
    }
    EXPECT_GE(kills, 5);
    EXPECT_EQ(seen, (std::set<int>{hasFormer ? 1 : 0, 2}));
  }
}

// From a set that died between its renames too, whose weights have no other
// name.
TEST_F(OutputSetTest, StaysIfARenameFails) {
  for (bool hasDied : {false, true}) {
    int failures = 0;
    for (bool fails = true; fails; ++failures) {
      fs::remove_directories(folder);
      ASSERT_FALSE(fs::create_directory(folder));
      ASSERT_EQ(compile(1), "");
      int former = 1;
      if (hasDied) {
        pid_t child = fork();
        if (child == 0) {
          endAt = renames + 4; // Instead of the weights' last one.
          _exit(compile(2).empty() ? 0 : 1);
        }
        int status;
        ASSERT_EQ(waitpid(child, &status, 0), child);
        ASSERT_TRUE(WIFSIGNALED(status));
        former = 2;
        ASSERT_EQ(opened(), former);
      }
      // To other weights, and to the same.
      for (int next : {3, 2}) {
        failAt = renames + failures + 1;
        std::string error = compile(next);
        failAt = 0;
        fails = !error.empty();
        if (!fails)
          break;
        EXPECT_TRUE(
            llvm::StringRef(error).ends_with("': Device or resource busy"))
            << error;
        EXPECT_EQ(opened(), former);
        EXPECT_TRUE(isHeaderOf(former));
        EXPECT_EQ(count(), hasDied ? 4 : 3);
      }
    }
    EXPECT_EQ(failures, 5);
  }
}

TEST_F(OutputSetTest, IsOneOfTwoThatAreWrittenAtOnce) {
  std::vector<pid_t> children;
  for (int number : {1, 2}) {
    pid_t child = fork();
    ASSERT_GE(child, 0);
    if (child == 0) {
      bool good = true;
      for (int round = 0; round < 50; ++round)
        good = compile(number).empty() && good;
      _exit(good ? 0 : 1);
    }
    children.push_back(child);
  }
  for (pid_t child : children) {
    int status;
    ASSERT_EQ(waitpid(child, &status, 0), child);
    EXPECT_EQ(status, 0);
  }
  EXPECT_GT(opened(), 0);
  EXPECT_TRUE(isHeaderOf(opened()));
  EXPECT_EQ(count(), 3);
}

// The object around weights is one that a linker reads.
TEST_F(OutputFilesTest, WeightsObjectIsAnObject) {
  int file = open(path("w.o").c_str(), O_RDWR | O_CREAT, 0600);
  ASSERT_EQ(text(writeWeightsObject(transom::targets::x86_64.linkage, file,
                                    "w.o", "tiny_weights", 12345)),
            "");
  char mark = 42;
  ASSERT_EQ(pwrite(file, &mark, 1, weightsObjectOffset), 1);
  close(file);
  auto binary = llvm::object::ObjectFile::createObjectFile(path("w.o"));
  ASSERT_TRUE(bool(binary)) << text(binary.takeError());
  auto symbols = binary->getBinary()->symbols();
  ASSERT_EQ(std::distance(symbols.begin(), symbols.end()), 1);
  llvm::object::ELFSymbolRef symbol(*symbols.begin());
  EXPECT_EQ(llvm::cantFail(symbol.getName()), "tiny_weights");
  EXPECT_EQ(symbol.getSize(), 12345u);
  auto section = llvm::cantFail(symbol.getSection());
  EXPECT_EQ(llvm::cantFail(section->getName()), ".lrodata.transom");
  EXPECT_EQ(llvm::cantFail(section->getContents())[0], 42);
  EXPECT_EQ(section->getAlignment().value(), 4096u);
}

TEST(LibraryName, IsAnIdentifier) {
  auto name = [](const char *path) {
    llvm::Expected<std::string> result = libraryName(path);
    return result ? *result : "error: " + llvm::toString(result.takeError());
  };
  EXPECT_EQ(name("out/libminilm.so"), "minilm");
  EXPECT_EQ(name("my-model v2.so"), "my_model_v2");
  EXPECT_EQ(name("lib7b.so"), "_7b");
  EXPECT_EQ(name("plain"), "plain");
  EXPECT_TRUE(llvm::StringRef(name("lib.so")).starts_with("error: "));
  EXPECT_TRUE(llvm::StringRef(name("libhalide_x.a")).starts_with("error: "));
  EXPECT_EQ(name("libtransoms.so"), "transoms");
}

} // namespace
