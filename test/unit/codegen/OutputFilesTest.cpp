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

#include <fcntl.h>
#include <unistd.h>

using namespace transom::codegen;
namespace fs = llvm::sys::fs;

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
  static std::string text(llvm::Error error) {
    return llvm::toString(std::move(error));
  }
  llvm::SmallString<128> folder;
};

TEST_F(OutputFilesTest, AppearTogether) {
  {
    OutputFiles files;
    ASSERT_TRUE(bool(files.write(path("a"), "one")));
    ASSERT_TRUE(bool(files.write(path("sub/b"), "two")));
    EXPECT_FALSE(fs::exists(path("a")));
    ASSERT_EQ(text(files.commit()), "");
  }
  EXPECT_EQ((*llvm::MemoryBuffer::getFile(path("a")))->getBuffer(), "one");
  EXPECT_EQ((*llvm::MemoryBuffer::getFile(path("sub/b")))->getBuffer(), "two");
  EXPECT_EQ(count(), 3);
}

TEST_F(OutputFilesTest, LeaveNothingWithoutCommit) {
  {
    OutputFiles files;
    ASSERT_TRUE(bool(files.write(path("a"), "one")));
    ASSERT_TRUE(bool(files.write(path("sub/b"), "two")));
    EXPECT_EQ(count(), 3);
  }
  EXPECT_EQ(count(), 0);
}

// The second can't get its name: the first must go again.
TEST_F(OutputFilesTest, LeaveNothingIfCommitFails) {
  {
    OutputFiles files;
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
  EXPECT_EQ(text(files.create(path("no/such/file")).takeError()),
            "cannot write '" + path("no/such") +
                "': No such file or directory");
  EXPECT_EQ(text(files.create(folder).takeError()),
            "cannot write '" + folder.str().str() + "': Is a directory");
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
