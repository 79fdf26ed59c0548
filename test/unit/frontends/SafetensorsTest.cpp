//===- SafetensorsTest.cpp - headers, honest and lying --------------------===//

#include "frontends/huggingface/Safetensors.h"

#include "llvm/ADT/StringExtras.h"
#include "llvm/Support/Endian.h"
#include "llvm/Support/FileSystem.h"
#include "llvm/Support/MemoryBuffer.h"
#include "gmock/gmock.h"
#include "gtest/gtest.h"

#include <cstring>
#include <random>
#include <string>

using namespace llvm;
using namespace transom;
using namespace transom::huggingface;

namespace {

std::string withLength(uint64_t length, StringRef rest) {
  std::string text(8, '\0');
  support::endian::write64le(text.data(), length);
  return text + rest.str();
}

/// A file of this header and so many bytes of data.
std::string file(StringRef header, size_t dataBytes) {
  return withLength(header.size(), header) + std::string(dataBytes, '\x01');
}

std::unique_ptr<Safetensors> open(StringRef contents, Problems &problems) {
  return Safetensors::create(MemoryBuffer::getMemBufferCopy(contents),
                             "x.safetensors", problems);
}

/// The only problem of a file, which must have one.
std::string whatIsWrong(StringRef contents) {
  Problems problems;
  EXPECT_EQ(open(contents, problems), nullptr);
  EXPECT_EQ(problems.all().size(), 1u);
  return problems.all().empty() ? "" : problems.all()[0].what;
}

TEST(Safetensors, ReadsAHeader) {
  Problems problems;
  auto tensors = open(file(R"({"__metadata__": {"format": "pt"},
               "b": {"dtype": "F16", "shape": [3], "data_offsets": [8, 14]},
               "none": {"dtype": "F32", "shape": [0, 4], "data_offsets": [8, 8]},
               "a": {"dtype": "F32", "shape": [1, 2], "data_offsets": [0, 8]},
               "scalar": {"dtype": "I64", "shape": [], "data_offsets": [14, 22]}
               }    )",
                           22),
                      problems);
  ASSERT_NE(tensors, nullptr);
  EXPECT_TRUE(problems.all().empty());
  EXPECT_EQ(tensors->getTensors().size(), 4u);
  const StoredTensor &a = tensors->getTensors().at("a");
  EXPECT_EQ(a.dtype, "F32");
  EXPECT_EQ(ArrayRef(a.shape), ArrayRef<int64_t>({1, 2}));
  const StoredTensor &b = tensors->getTensors().at("b");
  EXPECT_EQ(b.bytes.data(), a.bytes.data() + 8);
  EXPECT_EQ(b.bytes.size(), 6u);
  EXPECT_TRUE(tensors->contains(b.bytes));
  EXPECT_FALSE(tensors->contains(arrayRefFromStringRef("elsewhere")));
}

TEST(Safetensors, NamesWhatIsWrong) {
  EXPECT_EQ(whatIsWrong(""), "is empty; expected a safetensors file");
  EXPECT_EQ(whatIsWrong("abc"), "is truncated: it has 3 bytes and its header "
                                "alone takes more");
  EXPECT_EQ(whatIsWrong(withLength(2, "x}")),
            "is not a safetensors file: its header does not begin with '{'");
  EXPECT_EQ(
      whatIsWrong(withLength(100'000'001, "{}")),
      "is not a safetensors file: its header would have 100000001 bytes, at "
      "most 100000000 are allowed");
  EXPECT_EQ(whatIsWrong(withLength(~0ull, "{}")),
            "is not a safetensors file: its header would have "
            "18446744073709551615 bytes, at most 100000000 are allowed");
  EXPECT_EQ(whatIsWrong(withLength(100, "{}")),
            "is truncated: its header has 100 bytes and the file ends after 2");
  EXPECT_THAT(whatIsWrong(file(R"({"a": )", 0)),
              testing::StartsWith("its header is not valid JSON: "));
  EXPECT_THAT(whatIsWrong(file("{\"a\": \"\xff\"}", 0)),
              testing::StartsWith("its header is not valid JSON: "));
  EXPECT_EQ(whatIsWrong(file(std::string(1000, '{'), 0)),
            "its header is nested beyond 64 levels");
  EXPECT_EQ(whatIsWrong(file(R"({"a": 3})", 0)),
            "tensor \"a\" is 3; expected an object");
  EXPECT_EQ(whatIsWrong(file(R"({"a": {"dtype": "F32", "shape": [2]}})", 8)),
            "tensor \"a\" is {\"dtype\":\"F32\",\"shape\":[2]}; expected a "
            "dtype, a shape and two data_offsets");
}

/// A header of tensors "a" and "b" from the parts that may lie.
std::string header(StringRef dtype, StringRef shape, StringRef offsets,
                   StringRef other = "[8, 12]") {
  return ("{\"a\": {\"dtype\": \"" + dtype + "\", \"shape\": " + shape +
          ", \"data_offsets\": " + offsets +
          "}, \"b\": {\"dtype\": \"F32\", \"shape\": [1], \"data_offsets\": " +
          other + "}}")
      .str();
}

TEST(Safetensors, RefusesLies) {
  Problems problems;
  EXPECT_NE(open(file(header("F32", "[2]", "[0, 8]"), 12), problems), nullptr);

  EXPECT_EQ(whatIsWrong(file(header("F32", "[2]", "[0, 16]"), 12)),
            "tensor \"a\" ends at byte 16 of the data, of which the file has "
            "12");
  EXPECT_EQ(whatIsWrong(file(header("F32", "[2]", "[8, 0]"), 12)),
            "tensor \"a\" has data_offsets [8, 0]: it ends before it begins");
  EXPECT_EQ(whatIsWrong(file(header("F32", "[3]", "[0, 8]"), 12)),
            "tensor \"a\" has 8 bytes; its shape [3] of F32 takes 12");
  EXPECT_EQ(whatIsWrong(file(header("F16", "[2]", "[0, 8]"), 12)),
            "tensor \"a\" has 8 bytes; its shape [2] of F16 takes 4");
  EXPECT_EQ(whatIsWrong(file(
                header("F32", "[4294967296, 4294967296, 2]", "[0, 8]"), 12)),
            "tensor \"a\" has 8 bytes; its shape [4294967296, 4294967296, 2] "
            "of F32 takes more than any file has");
  EXPECT_EQ(whatIsWrong(file(header("F33", "[2]", "[0, 8]"), 12)),
            "tensor \"a\" has the unknown dtype \"F33\"");
  for (StringRef shape :
       {"[-2]", "[2.5]", "2", "[\"2\"]", "null", "[18446744073709551615]"})
    EXPECT_THAT(whatIsWrong(file(header("F32", shape, "[0, 8]"), 12)),
                testing::HasSubstr("expected a dtype, a shape and two "));
  for (StringRef offsets : {"[0]", "[-8, 0]", "[0, 8, 12]", "{}", "[0, 1e300]"})
    EXPECT_THAT(whatIsWrong(file(header("F32", "[2]", offsets), 12)),
                testing::HasSubstr("expected a dtype, a shape and two "));

  EXPECT_EQ(whatIsWrong(file(header("F32", "[2]", "[0, 8]", "[4, 8]"), 12)),
            "tensors \"a\" and \"b\" overlap at byte 4 of the data");
  EXPECT_EQ(whatIsWrong(file(header("F32", "[2]", "[0, 8]", "[12, 16]"), 16)),
            "bytes 8 to 12 of the data belong to no tensor");
  EXPECT_EQ(whatIsWrong(file(header("F32", "[2]", "[0, 8]"), 13)),
            "the data has 13 bytes and the last tensor ends at byte 12");
  EXPECT_EQ(whatIsWrong(file(R"({"a": {"dtype": "F32", "shape": [1], )"
                             R"("data_offsets": [0, 4]}, "\u0061": 1})",
                             4)),
            "its header has the key \"a\" twice");
}

TEST(Safetensors, ReportsEveryTensor) {
  Problems problems;
  EXPECT_EQ(open(file(R"({"a": 1, "b": 2, "c": 3})", 0), problems), nullptr);
  EXPECT_EQ(problems.numErrors(), 3u);
}

/// Whatever a file holds, every tensor that comes out of it lies inside it.
void survive(StringRef contents) {
  Problems problems;
  auto tensors = open(contents, problems);
  EXPECT_EQ(tensors == nullptr, problems.hasErrors());
  if (!tensors)
    return;
  unsigned sum = 0;
  for (const auto &entry : tensors->getTensors()) {
    ASSERT_TRUE(tensors->contains(entry.second.bytes));
    for (uint8_t byte : entry.second.bytes)
      sum += byte;
  }
  EXPECT_EQ(sum, sum); // The bytes have been read, under a sanitizer.
}

TEST(Safetensors, SurvivesTruncation) {
  std::string whole = file(header("F32", "[2]", "[0, 8]"), 12);
  for (size_t size = 0; size < whole.size(); ++size) {
    Problems problems;
    EXPECT_EQ(open(StringRef(whole).take_front(size), problems), nullptr)
        << size;
    EXPECT_EQ(problems.all().size(), 1u) << size;
  }
}

TEST(Safetensors, SurvivesEveryBitFlip) {
  std::string whole = file(header("F32", "[2]", "[0, 8]"), 12);
  for (size_t bit = 0; bit < 8 * whole.size(); ++bit) {
    std::string damaged = whole;
    damaged[bit / 8] ^= 1 << (bit % 8);
    survive(damaged);
  }
}

TEST(Safetensors, SurvivesNoise) {
  std::mt19937 random(1);
  std::string whole = file(header("F32", "[2]", "[0, 8]"), 12);
  constexpr StringLiteral alphabet = "{}[]:,\"\\0123456789-+eE. F\x80";
  for (int round = 0; round < 20000; ++round) {
    std::string damaged = whole;
    for (unsigned i = 0, edits = 1 + random() % 6; i < edits; ++i) {
      size_t at = random() % damaged.size();
      switch (random() % 4) {
      case 0:
        damaged[at] = char(random());
        break;
      case 1:
        damaged[at] = alphabet[random() % alphabet.size()];
        break;
      case 2: // What JSON is sensitive to: a piece twice, a piece lost.
        damaged.insert(at, damaged.substr(random() % damaged.size(), 9));
        break;
      case 3:
        damaged.erase(at, random() % 9);
        break;
      }
      if (damaged.empty())
        break;
    }
    survive(damaged);
  }
}

TEST(Safetensors, ReleasesPagesOfAMappedFile) {
  // Two tensors that share a page: releasing one leaves the other alone, and
  // both can be read again.
  SmallString<128> path;
  ASSERT_FALSE(sys::fs::createTemporaryFile("large", "safetensors", path));
  constexpr size_t bytes = 1 << 20;
  std::string contents =
      file(R"({"a": {"dtype": "U8", "shape": [1048570], "data_offsets": )"
           R"([0, 1048570]}, "b": {"dtype": "U8", "shape": [6], )"
           R"("data_offsets": [1048570, 1048576]}})",
           bytes);
  {
    std::error_code code;
    raw_fd_ostream os(path, code);
    os << contents;
  }
  auto buffer = MemoryBuffer::getFile(path, false, false);
  ASSERT_TRUE(bool(buffer));
  ASSERT_EQ((*buffer)->getBufferKind(), MemoryBuffer::MemoryBuffer_MMap);
  Problems problems;
  auto tensors = Safetensors::create(std::move(*buffer), "large", problems);
  ASSERT_NE(tensors, nullptr);
  const StoredTensor &a = tensors->getTensors().at("a");
  tensors->release(a.bytes);
  tensors->release({});
  EXPECT_EQ(llvm::count(a.bytes, 1), 1048570);
  EXPECT_EQ(llvm::count(tensors->getTensors().at("b").bytes, 1), 6);
  sys::fs::remove(path);
}

} // namespace
