//===- ModelTest.cpp - what a library is compared with when it is opened --===//
#include "../FakeLibrary.h"
#include "runtime/arch/Arch.h"

#include <cstdio>
#include <filesystem>
#include <fstream>
#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <sys/stat.h>
#include <unistd.h>

using namespace transom::test;
using testing::HasSubstr;
using testing::StrEq;

namespace {

class ModelTest : public testing::Test {
protected:
  ~ModelTest() override {
    transom_close(model);
    std::remove(path.c_str());
  }
  transom_status open(const char *weights = nullptr) {
    return transom_open(&fake.library, weights, &model);
  }
  /// The weights as a file; `bytes` cuts it off or makes it longer.
  transom_status openFile(size_t bytes = sizeof(FakeLibrary::Weights)) {
    std::string text(reinterpret_cast<const char *>(&fake.weights),
                     sizeof(fake.weights));
    text.resize(bytes);
    std::ofstream(path, std::ios::binary) << text;
    return open(path.c_str());
  }
  FakeLibrary fake;
  transom_model *model = nullptr;
  std::string path =
      testing::TempDir() + "model-test-" + std::to_string(getpid());
};

TEST_F(ModelTest, OpensEmbeddedWeights) {
  ASSERT_EQ(open(), TRANSOM_OK) << transom_error();
  EXPECT_EQ(model->weights, reinterpret_cast<uint8_t *>(&fake.weights));
}

TEST_F(ModelTest, OpensWeightsAtAPath) {
  ASSERT_EQ(openFile(), TRANSOM_OK) << transom_error();
  EXPECT_EQ(memcmp(model->weights, &fake.weights, sizeof(fake.weights)), 0);
  EXPECT_NE(model->weights, reinterpret_cast<uint8_t *>(&fake.weights));
}

TEST_F(ModelTest, LooksBesideItsBinary) {
  fake.library.embedded_weights = nullptr;
  fake.library.name = "no-such";
  EXPECT_EQ(open(), TRANSOM_IO_ERROR);
  EXPECT_THAT(transom_error(), HasSubstr("/no-such.weights'"));
  EXPECT_THAT(transom_error(), HasSubstr("No such file or directory"));

  // The folder of this program, since the descriptor lies in its memory; this
  // one is on the stack, which belongs to no binary, so it is found by /proc.
  char program[4096] = "";
  ASSERT_GT(readlink("/proc/self/exe", program, sizeof(program) - 1), 0);
  fake.library.name = "model-test";
  std::string beside = program;
  path = beside.substr(0, beside.rfind('/')) + "/model-test.weights";
  ASSERT_EQ(openFile(), TRANSOM_OK) << transom_error();
  transom_close(model);
  EXPECT_EQ(open(), TRANSOM_OK) << transom_error();
}

// The library has its name, its weights not yet: what a compiler leaves that
// was killed between two renames.
TEST_F(ModelTest, LooksUnderTheInterimName) {
  fake.library.embedded_weights = nullptr;
  fake.library.name = "interim-test";
  char program[4096] = "";
  ASSERT_GT(readlink("/proc/self/exe", program, sizeof(program) - 1), 0);
  std::string beside = program;
  beside = beside.substr(0, beside.rfind('/')) + "/interim-test.weights";
  path = beside + ".0000000000001234.tmp";
  ASSERT_EQ(openFile(), TRANSOM_OK) << transom_error();
  transom_close(model);
  // No weights under the final name, then those of another library.
  ASSERT_EQ(open(), TRANSOM_OK) << transom_error();
  transom_close(model);
  std::ofstream(beside, std::ios::binary) << std::string(200, 'x');
  EXPECT_EQ(open(), TRANSOM_OK) << transom_error();
  transom_close(model);
  // Those under the interim name are compared like any.
  std::filesystem::resize_file(path, 100);
  EXPECT_EQ(open(), TRANSOM_MISMATCH);
  EXPECT_THAT(transom_error(), HasSubstr("/interim-test.weights'"));
  // Who names a file means that file.
  EXPECT_EQ(open(beside.c_str()), TRANSOM_MISMATCH);
  std::remove(beside.c_str());
}

TEST_F(ModelTest, RefusesNull) {
  EXPECT_EQ(transom_open(&fake.library, nullptr, nullptr),
            TRANSOM_INVALID_ARGUMENT);
  transom_close(nullptr);
}

TEST_F(ModelTest, RefusesAnotherAbiVersion) {
  fake.library.abi_version = 99;
  EXPECT_EQ(open(), TRANSOM_MISMATCH);
  EXPECT_EQ(model, nullptr);
  EXPECT_THAT(transom_error(),
              HasSubstr("expects runtime ABI version 99 (descriptor of 96 "
                        "bytes), got version 4"));
  fake.library.abi_version = TRANSOM_ABI_VERSION;
  fake.library.struct_bytes = 120;
  EXPECT_EQ(open(), TRANSOM_MISMATCH);
}

TEST_F(ModelTest, NamesMissingCpuFeatures) {
  fake.library.cpu_features = uint64_t(1) << 63;
  fake.library.target = "tomorrow";
  EXPECT_EQ(open(), TRANSOM_MISMATCH);
  EXPECT_THAT(transom_error(),
              StrEq("open: library 'fake' was compiled for target 'tomorrow', "
                    "this CPU or its operating system lacks: feature 63; "
                    "compile with another --target"));
}

#if defined(__x86_64__)
TEST_F(ModelTest, KnowsTheCpuLikeTheCompiler) {
  uint64_t all = 0;
  auto add = [&](int has, uint64_t feature) { all |= has ? feature : 0; };
  __builtin_cpu_init();
  add(__builtin_cpu_supports("sse4.1"), TRANSOM_CPU_SSE41);
  add(__builtin_cpu_supports("avx"), TRANSOM_CPU_AVX);
  add(__builtin_cpu_supports("avx2"), TRANSOM_CPU_AVX2);
  add(__builtin_cpu_supports("fma"), TRANSOM_CPU_FMA);
  add(__builtin_cpu_supports("bmi2"), TRANSOM_CPU_BMI2);
  add(__builtin_cpu_supports("avx512f"), TRANSOM_CPU_AVX512F);
  add(__builtin_cpu_supports("avx512bw"), TRANSOM_CPU_AVX512BW);
  add(__builtin_cpu_supports("avx512dq"), TRANSOM_CPU_AVX512DQ);
  add(__builtin_cpu_supports("avx512vl"), TRANSOM_CPU_AVX512VL);
  add(__builtin_cpu_supports("avx512cd"), TRANSOM_CPU_AVX512CD);
  add(__builtin_cpu_supports("avx512vnni"), TRANSOM_CPU_AVX512VNNI);
  add(__builtin_cpu_supports("avx512bf16"), TRANSOM_CPU_AVX512BF16);
  add(__builtin_cpu_supports("avx512vbmi"), TRANSOM_CPU_AVX512VBMI);
  add(__builtin_cpu_supports("avx512vbmi2"), TRANSOM_CPU_AVX512VBMI2);
  add(__builtin_cpu_supports("avx512ifma"), TRANSOM_CPU_AVX512IFMA);
  add(__builtin_cpu_supports("avx512bitalg"), TRANSOM_CPU_AVX512BITALG);
  add(__builtin_cpu_supports("avx512vpopcntdq"), TRANSOM_CPU_AVX512VPOPCNTDQ);
  add(__builtin_cpu_supports("gfni"), TRANSOM_CPU_GFNI);
  // The same set from both sides: nothing missing, and nothing made up.
  uint64_t compared =
      TRANSOM_CPU_SSE41 | TRANSOM_CPU_AVX | TRANSOM_CPU_AVX2 | TRANSOM_CPU_FMA |
      TRANSOM_CPU_BMI2 | (TRANSOM_CPU_AVX512F * 2 - TRANSOM_CPU_AVX512F) |
      TRANSOM_CPU_AVX512BW | TRANSOM_CPU_AVX512DQ | TRANSOM_CPU_AVX512VL |
      TRANSOM_CPU_AVX512CD | TRANSOM_CPU_AVX512VNNI | TRANSOM_CPU_AVX512BF16 |
      TRANSOM_CPU_AVX512VBMI | TRANSOM_CPU_AVX512VBMI2 |
      TRANSOM_CPU_AVX512IFMA | TRANSOM_CPU_AVX512BITALG |
      TRANSOM_CPU_AVX512VPOPCNTDQ | TRANSOM_CPU_GFNI;
  EXPECT_EQ(transom::missingCpuFeatures(compared), compared & ~all);
}
#endif

TEST_F(ModelTest, RefusesOtherWeights) {
  fake.weights.header.hash = 0x4321;
  EXPECT_EQ(openFile(), TRANSOM_MISMATCH);
  EXPECT_THAT(transom_error(),
              HasSubstr("' are not those of library 'fake': expected hash "
                        "0000000000001234 and 128 bytes, got 0000000000004321 "
                        "and 128 bytes"));
  EXPECT_EQ(open(), TRANSOM_MISMATCH) << "embedded";
}

TEST_F(ModelTest, RefusesFilesThatAreNoWeights) {
  fake.weights.header.magic[0] = 'X';
  EXPECT_EQ(openFile(), TRANSOM_MISMATCH);
  EXPECT_THAT(transom_error(), HasSubstr("begins with \"TRANSOMW\""));
}

TEST_F(ModelTest, RefusesWeightsOfAnotherAbi) {
  fake.weights.header.abi_version = 7;
  EXPECT_EQ(openFile(), TRANSOM_MISMATCH);
  EXPECT_THAT(transom_error(), HasSubstr("got version 7 with 64 bytes"));
}

TEST_F(ModelTest, RefusesCutOffWeights) {
  EXPECT_EQ(openFile(100), TRANSOM_MISMATCH);
  EXPECT_THAT(transom_error(), HasSubstr("expected 128 bytes, got 100"));
  EXPECT_EQ(openFile(10), TRANSOM_MISMATCH);
  EXPECT_EQ(openFile(0), TRANSOM_MISMATCH);
  EXPECT_EQ(openFile(200), TRANSOM_MISMATCH);
  EXPECT_THAT(transom_error(), HasSubstr("or has grown"));
}

TEST_F(ModelTest, RefusesWhatIsNoFile) {
  EXPECT_EQ(open("/dev"), TRANSOM_IO_ERROR);
  EXPECT_EQ(open("/no/such/file"), TRANSOM_IO_ERROR);
  EXPECT_EQ(open(""), TRANSOM_IO_ERROR);
  // No process writes to this pipe: opening must not wait.
  ASSERT_EQ(mkfifo(path.c_str(), 0600), 0);
  EXPECT_EQ(open(path.c_str()), TRANSOM_IO_ERROR);
  EXPECT_THAT(transom_error(), HasSubstr("expected a regular file"));
}

TEST_F(ModelTest, RefusesTablesItDoesNotKnow) {
  fake.inputs[0].dtype = TRANSOM_BF16;
  EXPECT_EQ(open(), TRANSOM_MISMATCH);
  EXPECT_THAT(transom_error(), HasSubstr("input 'input_ids'"));
  fake.inputs[0].dtype = TRANSOM_I32;
  // Tokens by places, and only those.
  for (auto [input, fallback] :
       {std::pair(1, TRANSOM_DEFAULT_LAST), {5, TRANSOM_DEFAULT_ONES}}) {
    uint8_t &given = fake.inputs[size_t(input)].default_kind;
    uint8_t before = given;
    given = uint8_t(fallback);
    EXPECT_EQ(open(), TRANSOM_MISMATCH) << input;
    given = before;
  }
  fake.outputs[1].extent = TRANSOM_OUTPUT_POSITIONS;
  EXPECT_EQ(open(), TRANSOM_MISMATCH);
  EXPECT_THAT(transom_error(), HasSubstr("output 'pooled'"));
}

TEST_F(ModelTest, SessionsKeepAModelThatIsClosedFirst) {
  ASSERT_EQ(openFile(), TRANSOM_OK);
  transom_session *session;
  ASSERT_EQ(transom_session_create(model, nullptr, &session), TRANSOM_OK);
  transom_close(model);
  model = nullptr;
  std::vector<int32_t> ids = {7};
  std::vector<float> tokens(5);
  transom_tensor in = input("input_ids", ids, {1, 1}),
                 out = output("tokens", tokens);
  EXPECT_EQ(transom_run(session, &in, 1, &out, 1), TRANSOM_OK);
  EXPECT_EQ(tokens[4], 7.5f);
  transom_session_destroy(session);
}

} // namespace
