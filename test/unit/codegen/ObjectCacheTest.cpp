//===- ObjectCacheTest.cpp - compiled kernels kept between compilations ---===//

#include "codegen/ObjectCache.h"

#include "llvm/ADT/SmallString.h"
#include "llvm/Support/FileSystem.h"
#include "llvm/Support/MemoryBuffer.h"
#include "llvm/Support/Path.h"
#include "llvm/Support/raw_ostream.h"
#include "gtest/gtest.h"

#include <cstdio>
#include <sys/stat.h>
#include <thread>
#include <unistd.h>

using namespace transom::codegen;

namespace {

CompiledKernel kernelOf(int size) {
  CompiledKernel kernel;
  kernel.family = "linear";
  for (int i = 0; i < size; ++i)
    kernel.object.push_back(static_cast<char>(i * 7));
  transom_kernel_variant shape = {};
  shape.max_rows = 4;
  shape.row_tile = 8;
  kernel.variants = {{"one", shape}, {"many", shape}};
  transom_kernel_argument argument = {};
  argument.row_bytes = 1234567890123;
  argument.dims[3].stride = -5;
  kernel.arguments = {argument, {}, argument};
  kernel.grid = TRANSOM_GRID_RAGGED;
  kernel.columns = 12;
  kernel.keyLengths = 5;
  kernel.scratchBytesPerKey = 99;
  kernel.flopsPerPair = 0.1;
  return kernel;
}

void expectEqual(const CompiledKernel &a, const CompiledKernel &b) {
  EXPECT_EQ(serialize(a, "k"), serialize(b, "k"));
  EXPECT_EQ(a.object, b.object);
  ASSERT_EQ(a.variants.size(), b.variants.size());
  EXPECT_EQ(a.variants[1].symbol, b.variants[1].symbol);
  ASSERT_EQ(a.arguments.size(), b.arguments.size());
  EXPECT_EQ(a.arguments[2].row_bytes, b.arguments[2].row_bytes);
  EXPECT_EQ(a.keyLengths, b.keyLengths);
  EXPECT_EQ(a.flopsPerPair, b.flopsPerPair);
}

class ObjectCacheTest : public testing::Test {
protected:
  void SetUp() override {
    ASSERT_FALSE(llvm::sys::fs::createUniqueDirectory("transom-cache", folder));
  }
  void TearDown() override { llvm::sys::fs::remove_directories(folder); }
  std::string entry(llvm::StringRef key) const {
    llvm::SmallString<128> path(folder);
    llvm::sys::path::append(path, "kernels", key + ".kernel");
    return path.str().str();
  }
  void write(llvm::StringRef key, llvm::StringRef bytes) {
    std::error_code code;
    llvm::raw_fd_ostream stream(entry(key), code);
    ASSERT_FALSE(code);
    stream << bytes;
  }
  llvm::SmallString<128> folder;
};

TEST_F(ObjectCacheTest, GivesBackWhatWasStored) {
  ObjectCache cache(folder.str().str());
  EXPECT_FALSE(cache.load("a"));
  cache.store("a", kernelOf(1000));
  ASSERT_TRUE(cache.load("a"));
  expectEqual(*cache.load("a"), kernelOf(1000));
  EXPECT_FALSE(cache.load("b"));
  EXPECT_EQ(cache.problem(), "");
}

// Whatever bytes an entry holds: it is what was written, or no entry.
TEST_F(ObjectCacheTest, RefusesDamagedEntries) {
  ObjectCache cache(folder.str().str());
  CompiledKernel kernel = kernelOf(50);
  cache.store("a", kernel);
  std::string good = serialize(kernel, "a");
  for (size_t length = 0; length < good.size(); ++length)
    ASSERT_FALSE(deserialize(llvm::StringRef(good).take_front(length), "a"))
        << length << " bytes";
  for (size_t i = 0; i < good.size(); ++i) {
    std::string bad = good;
    bad[i] ^= 0x40;
    ASSERT_FALSE(deserialize(bad, "a")) << "byte " << i;
  }
  ASSERT_FALSE(deserialize(good + "x", "a"));
  write("a", llvm::StringRef(good).take_front(60));
  EXPECT_FALSE(cache.load("a"));
  cache.store("a", kernel);
  EXPECT_TRUE(cache.load("a"));
  // Whole, but of another key.
  EXPECT_FALSE(deserialize(good, "b"));
  write("b", good);
  EXPECT_FALSE(cache.load("b"));
}

// What another user may have written is not linked into this user's programs.
TEST_F(ObjectCacheTest, IsOfOneUser) {
  ObjectCache cache(folder.str().str());
  cache.store("a", kernelOf(10));
  std::string entries = llvm::sys::path::parent_path(entry("a")).str();
  struct stat status;
  ASSERT_EQ(stat(entries.c_str(), &status), 0);
  EXPECT_EQ(status.st_mode & 0777, 0700u);
  ASSERT_EQ(stat(entry("a").c_str(), &status), 0);
  EXPECT_EQ(status.st_mode & 0777, 0600u);

  // A folder of former versions is closed.
  ASSERT_EQ(chmod(entries.c_str(), 0755), 0);
  EXPECT_TRUE(cache.load("a"));
  ASSERT_EQ(stat(entries.c_str(), &status), 0);
  EXPECT_EQ(status.st_mode & 0777, 0700u);

  ASSERT_EQ(chmod(entry("a").c_str(), 0666), 0);
  EXPECT_FALSE(cache.load("a"));
  ASSERT_EQ(chmod(entry("a").c_str(), 0600), 0);
  EXPECT_TRUE(cache.load("a"));

  std::string moved = entry("a") + ".moved";
  ASSERT_EQ(rename(entry("a").c_str(), moved.c_str()), 0);
  ASSERT_EQ(symlink(moved.c_str(), entry("a").c_str()), 0);
  EXPECT_FALSE(cache.load("a"));

  if (geteuid() != 0)
    return;
  ASSERT_EQ(rename(moved.c_str(), entry("a").c_str()), 0);
  ASSERT_EQ(chown(entry("a").c_str(), 12345, 12345), 0);
  EXPECT_FALSE(cache.load("a"));
  cache.store("a", kernelOf(10));
  EXPECT_TRUE(cache.load("a"));
  ASSERT_EQ(chown(entries.c_str(), 12345, 12345), 0);
  EXPECT_FALSE(cache.load("a"));
  cache.store("a", kernelOf(10));
  EXPECT_EQ(cache.problem(), "cannot write the object cache '" +
                                 folder.str().str() +
                                 "': Operation not permitted");
}

TEST_F(ObjectCacheTest, DoesNothingWithoutAFolder) {
  ObjectCache cache("");
  cache.store("a", kernelOf(10));
  EXPECT_FALSE(cache.load("a"));
  EXPECT_EQ(cache.problem(), "");
}

TEST_F(ObjectCacheTest, SaysWhyItCannotStore) {
  llvm::SmallString<128> file(folder);
  llvm::sys::path::append(file, "file");
  std::error_code code;
  llvm::raw_fd_ostream(file, code).close();
  ObjectCache cache(file.str().str());
  cache.store("a", kernelOf(10));
  EXPECT_FALSE(cache.load("a"));
  EXPECT_EQ(cache.problem(), "cannot write the object cache '" +
                                 file.str().str() + "': Not a directory");
}

// Writers and readers of one entry see it whole or not at all.
TEST_F(ObjectCacheTest, IsShared) {
  auto work = [&] {
    ObjectCache cache(folder.str().str());
    for (int i = 0; i < 50; ++i) {
      cache.store("a", kernelOf(20000));
      std::optional<CompiledKernel> kernel = cache.load("a");
      ASSERT_TRUE(kernel);
      EXPECT_EQ(kernel->object.size(), 20000u);
    }
  };
  std::thread other(work);
  work();
  other.join();
  std::error_code code;
  int files = 0;
  for (llvm::sys::fs::directory_iterator
           entry(llvm::sys::path::parent_path(this->entry("a")), code),
       end;
       !code && entry != end; entry.increment(code))
    ++files;
  EXPECT_EQ(files, 1);
}

TEST(ObjectCacheKey, TellsSpecsMachinesAndSymbolsApart) {
  LinearSpec linear;
  linear.in = 8;
  linear.out = 16;
  Machine machine;
  std::string key = ObjectCache::key(linear, machine, "a");
  EXPECT_EQ(key.size(), 32u);
  EXPECT_EQ(key, ObjectCache::key(linear, machine, "a"));
  EXPECT_NE(key, ObjectCache::key(linear, machine, "b"));
  Machine other = machine;
  other.vectorRegisters *= 2;
  EXPECT_NE(key, ObjectCache::key(linear, other, "a"));
  // The user's word for a machine does not change it.
  other = machine;
  other.name = "something";
  EXPECT_EQ(key, ObjectCache::key(linear, other, "a"));
  linear.out = 17;
  EXPECT_NE(key, ObjectCache::key(linear, machine, "a"));
}

} // namespace
