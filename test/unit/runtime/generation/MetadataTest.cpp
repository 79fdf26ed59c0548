//===- MetadataTest.cpp - ends of a sequence in a library's metadata ------===//
#include "runtime/generation/Metadata.h"

#include <gtest/gtest.h>
#include <string>
#include <vector>

using Ids = std::vector<int32_t>;

namespace {

Ids read(const std::string &text) {
  Ids ids(4, -1);
  int32_t count = transom::readEosIds(text.c_str(), ids.data(), 4);
  ids.resize(size_t(std::min(count, 4)));
  return ids;
}

TEST(MetadataTest, FindsOneOrSeveral) {
  EXPECT_EQ(read(R"({"generation_config": {"eos_token_id": 50256}})"),
            Ids({50256}));
  EXPECT_EQ(read(R"({"generation_config":{"eos_token_id":[1, 2 ,3]}})"),
            Ids({1, 2, 3}));
  EXPECT_EQ(read(R"({"generation_config":{"eos_token_id":[1,2,3,4,5,6]}})"),
            Ids({1, 2, 3, 4}));
}

TEST(MetadataTest, FindsWhatADecoderBeginsWith) {
  auto start = [](const char *text) { return transom::readStartId(text); };
  EXPECT_EQ(start(R"({"generation_config": {"bos_token_id": 5,
                      "decoder_start_token_id": 0}})"),
            0);
  EXPECT_EQ(start(R"({"generation_config": {"bos_token_id": 5}})"), 5);
  EXPECT_EQ(start(R"({"generation_config": {"bos_token_id": 5,
                      "decoder_start_token_id": null}})"),
            5);
  EXPECT_EQ(start(R"({"config": {"decoder_start_token_id": 0}})"), -1);
  EXPECT_EQ(start("{}"), -1);
  EXPECT_EQ(start(nullptr), -1);
}

TEST(MetadataTest, LooksNowhereElse) {
  EXPECT_EQ(read(R"({"config":{"eos_token_id":1},"x":"\"}",
                     "y":[{"eos_token_id":2},[]],"generation_config":
                     {"bad_words_ids":[[9],[8]],"pad_token_id":null,
                      "eos_token_id":3}})"),
            Ids({3}));
  EXPECT_EQ(read(R"({"config":{"generation_config":{"eos_token_id":1}}})"),
            Ids());
  EXPECT_EQ(read(R"({"generation_config":{"eos_token_id":null}})"), Ids());
  EXPECT_EQ(read(R"({"generation_config":{}})"), Ids());
  EXPECT_EQ(read("{}"), Ids());
  EXPECT_EQ(transom::readEosIds(nullptr, nullptr, 0), 0);
}

TEST(MetadataTest, StopsAtTheEndOfAnyText) {
  const std::string text =
      R"({"a":"\\\"",)"
      R"("b":[{"c":1.5e3}],"generation_config":{"eos_token_id":[10,-2]}})";
  EXPECT_EQ(read(text), Ids({10, -2}));
  for (size_t length = 0; length < text.size(); ++length) {
    read(text.substr(0, length));
    for (char c : {'"', '{', '}', '[', ']', '\\', ',', ':'}) {
      std::string broken = text;
      broken[length] = c;
      read(broken);
    }
  }
}

} // namespace
