//===- ImportTest.cpp - whole models through the C++ interface ------------===//

#include "frontends/Frontend.h"
#include "frontends/huggingface/Config.h"

#include "ir/Transformer/Transformer.h"

#include "llvm/ADT/SmallString.h"
#include "llvm/Support/Endian.h"
#include "llvm/Support/FileSystem.h"
#include "llvm/Support/JSON.h"
#include "llvm/Support/Path.h"
#include "llvm/Support/raw_ostream.h"
#include "gmock/gmock.h"
#include "gtest/gtest.h"

#include <random>
#include <string>

using namespace llvm;
using namespace transom;
using namespace transom::huggingface;

namespace {

constexpr StringLiteral config = R"({
  "architectures": ["BertModel"], "model_type": "bert", "hidden_size": 2,
  "num_hidden_layers": 1, "num_attention_heads": 1, "intermediate_size": 3,
  "vocab_size": 4, "type_vocab_size": 1, "max_position_embeddings": 2,
  "hidden_act": "relu", "layer_norm_eps": 1e-5
})";

/// The tensors of that model: names and extents.
const std::pair<const char *, std::vector<int64_t>> tensors[] = {
    {"embeddings.word_embeddings.weight", {4, 2}},
    {"embeddings.token_type_embeddings.weight", {1, 2}},
    {"embeddings.position_embeddings.weight", {2, 2}},
    {"embeddings.LayerNorm.weight", {2}},
    {"embeddings.LayerNorm.bias", {2}},
    {"encoder.layer.0.attention.self.query.weight", {2, 2}},
    {"encoder.layer.0.attention.self.query.bias", {2}},
    {"encoder.layer.0.attention.self.key.weight", {2, 2}},
    {"encoder.layer.0.attention.self.key.bias", {2}},
    {"encoder.layer.0.attention.self.value.weight", {2, 2}},
    {"encoder.layer.0.attention.self.value.bias", {2}},
    {"encoder.layer.0.attention.output.dense.weight", {2, 2}},
    {"encoder.layer.0.attention.output.dense.bias", {2}},
    {"encoder.layer.0.attention.output.LayerNorm.weight", {2}},
    {"encoder.layer.0.attention.output.LayerNorm.bias", {2}},
    {"encoder.layer.0.intermediate.dense.weight", {3, 2}},
    {"encoder.layer.0.intermediate.dense.bias", {3}},
    {"encoder.layer.0.output.dense.weight", {2, 3}},
    {"encoder.layer.0.output.dense.bias", {2}},
    {"encoder.layer.0.output.LayerNorm.weight", {2}},
    {"encoder.layer.0.output.LayerNorm.bias", {2}},
};

/// Its file: element i of all tensors together is float(i).
std::string weights() {
  json::Object header;
  std::string data;
  for (const auto &[name, shape] : tensors) {
    int64_t begin = data.size(), count = 1;
    for (int64_t extent : shape)
      count *= extent;
    for (int64_t i = 0; i < count; ++i) {
      char bytes[4];
      support::endian::write32le(bytes,
                                 bit_cast<uint32_t>(float(begin / 4 + i)));
      data.append(bytes, 4);
    }
    header[name] = json::Object{
        {"dtype", "F32"},
        {"shape", json::Array(shape)},
        {"data_offsets", json::Array{begin, int64_t(data.size())}}};
  }
  std::string text;
  raw_string_ostream(text) << json::Value(std::move(header));
  std::string length(8, '\0');
  support::endian::write64le(length.data(), text.size());
  return length + text + data;
}

class Import : public testing::Test {
protected:
  void SetUp() override {
    ASSERT_FALSE(sys::fs::createUniqueDirectory("transom-import", folder));
  }
  void TearDown() override { sys::fs::remove_directories(folder); }

  void write(StringRef name, StringRef contents) {
    SmallString<128> path(folder);
    sys::path::append(path, name);
    std::error_code code;
    raw_fd_ostream os(path, code);
    ASSERT_FALSE(code);
    os << contents;
  }

  ImportedModel import(Problems &problems) {
    return importModel(context, folder, {}, problems);
  }

  SmallString<128> folder;
  mlir::MLIRContext context{mlir::MLIRContext::Threading::DISABLED};
};

TEST_F(Import, GivesWeightsByTheirNames) {
  write("config.json", config);
  write("model.safetensors", weights());
  Problems problems;
  ImportedModel model = import(problems);
  ASSERT_TRUE(model.module);
  EXPECT_TRUE(problems.all().empty());
  // Every source that the module names is there, in the shape of its type.
  size_t count = 0;
  for (auto op : model.module->getOps<transformer::WeightOp>()) {
    auto source =
        cast<transformer::SourceAttr>((*op.getSources())[0]).getTensor();
    Expected<TensorView> view = model.weights->lookup(source);
    ASSERT_TRUE(bool(view)) << toString(view.takeError());
    EXPECT_EQ(op.getType().getShape(), ArrayRef(view->shape));
    ++count;
  }
  EXPECT_EQ(count, std::size(tensors));

  Expected<TensorView> word =
      model.weights->lookup("embeddings.word_embeddings.weight");
  ASSERT_TRUE(bool(word));
  std::vector<float> values(3);
  readAsFloat(*word, 5, values);
  EXPECT_EQ(values, std::vector<float>({5, 6, 7}));
  model.weights->release(*word);

  Expected<TensorView> none = model.weights->lookup("pooler.dense.weight");
  ASSERT_FALSE(bool(none));
  EXPECT_EQ(toString(none.takeError()),
            "model.safetensors: no tensor \"pooler.dense.weight\"");
}

TEST_F(Import, SaysEverythingAtOnce) {
  std::string other = config.str();
  other.replace(other.find("relu"), 4, "mish");
  write("config.json", other);
  write("model.safetensors", "version https://git-lfs.github.com/spec/v1\n");
  Problems problems;
  EXPECT_FALSE(import(problems).module);
  ASSERT_EQ(problems.numErrors(), 2u);
  EXPECT_EQ(problems.all()[0].file, "model.safetensors");
  EXPECT_EQ(problems.all()[1].file, "config.json");
}

TEST_F(Import, SurvivesDamagedConfigurations) {
  write("model.safetensors", weights());
  std::mt19937 random(2);
  for (int round = 0; round < 1500; ++round) {
    std::string damaged = config.str();
    if (round < int(config.size()))
      damaged.resize(round);
    else
      for (unsigned i = 0, edits = 1 + random() % 3; i < edits; ++i)
        damaged[random() % damaged.size()] ^= 1 << (random() % 8);
    write("config.json", damaged);
    Problems problems;
    ImportedModel model = import(problems);
    EXPECT_EQ(bool(model.module), !problems.hasErrors()) << damaged;
  }
}

TEST_F(Import, SurvivesDamagedWeights) {
  write("config.json", config);
  std::string whole = weights();
  size_t header = whole.find('}', whole.rfind("data_offsets"));
  std::mt19937 random(3);
  for (int round = 0; round < 1500; ++round) {
    std::string damaged = whole;
    for (unsigned i = 0, edits = 1 + random() % 3; i < edits; ++i)
      damaged[random() % header] ^= 1 << (random() % 8);
    if (round % 4 == 0)
      damaged.resize(random() % damaged.size());
    write("model.safetensors", damaged);
    Problems problems;
    ImportedModel model = import(problems);
    EXPECT_EQ(bool(model.module), !problems.hasErrors());
  }
}

/// What is said of one key of a configuration.
std::string complaint(StringRef text, function_ref<void(Config &)> read) {
  Problems problems;
  std::optional<Config> parsed = Config::parse(text, problems);
  if (parsed)
    read(*parsed);
  std::string all;
  for (const Problem &problem : problems.all())
    all += problem.what + "\n";
  return all;
}

TEST(Config, ReadsTypedValues) {
  EXPECT_EQ(complaint(R"({"n": 7, "e": 1e-12, "s": "x", "b": true})",
                      [](Config &config) {
                        EXPECT_EQ(config.size("n", 1, 10), 7);
                        EXPECT_EQ(config.size("missing", 3, 10), 3);
                        EXPECT_EQ(config.number("e", 0, 0, 1), 1e-12);
                        EXPECT_EQ(config.string("s", ""), "x");
                        config.require("b", true);
                        config.reportUnread("bert", /*strict=*/true);
                      }),
            "");
}

TEST(Config, ComplainsOfWrongValues) {
  EXPECT_EQ(complaint(R"({"n": "7"})", [](Config &c) { c.size("n", 1, 9); }),
            "\"n\" is \"7\"; supported: an integer from 1 to 9\n");
  EXPECT_EQ(complaint(R"({"n": 10})", [](Config &c) { c.size("n", 1, 9); }),
            "\"n\" is 10; supported: an integer from 1 to 9\n");
  EXPECT_EQ(complaint(R"({"e": 2})", [](Config &c) { c.number("e", 0, 0, 1); }),
            "\"e\" is 2; supported: a number from 0 to 1\n");
  EXPECT_EQ(complaint(R"({"s": 2})", [](Config &c) { c.string("s", ""); }),
            "\"s\" is 2; supported: a string\n");
  EXPECT_EQ(
      complaint(R"({"b": true})", [](Config &c) { c.require("b", false); }),
      "\"b\" is true; supported: false\n");
  EXPECT_EQ(
      complaint(R"({"b": null})", [](Config &c) { c.require("b", false); }),
      "");
}

TEST(Config, RejectsWhatTransformersReads) {
  auto report = [](bool strict) {
    return [strict](Config &config) {
      config.ignore({"known", "absent"});
      config.reportUnread("gpt2", strict);
    };
  };
  EXPECT_EQ(complaint(R"({"z": 1, "per_layer_config": {"b": [2]}, "known": 0})",
                      report(false)),
            "\"per_layer_config\" is {\"b\":[2]}; transformers reads this key, "
            "and what it asks for can't be compiled\n"
            "transformers does not read \"z\" for this model\n");
  // Off is as good as missing, for any key.
  EXPECT_EQ(complaint(R"({"a": null, "b": false, "c": 0, "d": {}, "e": [],
                          "per_layer_config": {}})",
                      report(true)),
            "");
  // A second name of a key may repeat its value.
  EXPECT_EQ(complaint(R"({"n_embd": 8, "hidden_size": 8, "n_head": 2,
                          "num_attention_heads": 4, "known": 1})",
                      [](Config &config) {
                        config.ignore({"n_embd", "n_head", "known"});
                        config.reportUnread("gpt2", /*strict=*/true);
                      }),
            "\"num_attention_heads\" is 4; transformers reads this key, and "
            "what it asks for can't be compiled\n");
}

TEST(Config, ShortensLongValues) {
  std::string text = "{\"s\": \"" + std::string(10000, 'x') + "\\u0007\"}";
  std::string said = complaint(text, [](Config &c) { c.size("s", 1, 9); });
  EXPECT_LT(said.size(), 150u);
  EXPECT_THAT(said, testing::HasSubstr("xxx...; supported"));
}

} // namespace
