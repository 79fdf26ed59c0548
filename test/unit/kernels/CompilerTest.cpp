//===- CompilerTest.cpp - objects, packing, targets -----------------------===//
#include "test/unit/support/KernelTesting.h"

#include "llvm/ADT/StringRef.h"
#include "llvm/Object/ELFObjectFile.h"
#include "llvm/Support/MemoryBuffer.h"

#include <regex>
#include <set>
#include <thread>

using namespace transom::codegen;
using namespace transom::test;
using Kind = Expression::Kind;

namespace {

/// One spec of each family, with all that could call for a library function.
std::vector<KernelSpec> specs() {
  LinearSpec linear{
      .in = 60, .out = 128, .x = {.stride = 64}, .result = {.stride = 128}};
  linear.epilogue = {{{.kind = Kind::Input, .index = 0},
                      {.kind = Kind::Gelu, .operands = {0}}},
                     {1}};
  AttentionSpec attention{.heads = 4,
                          .keyHeads = 4,
                          .headDim = 60,
                          .query = {.stride = 768},
                          .key = {.stride = 768, .offset = 240},
                          .value = {.stride = 768, .offset = 480},
                          .result = {.stride = 256}};
  NormSpec norm{.width = 5000,
                .x = {.stride = 5056},
                .residual = {.stride = 5056},
                .result = {.stride = 5056},
                .hasResidual = true};
  EmbeddingSpec embedding{.width = 60,
                          .tableRows = 9,
                          .table = {.stride = 64},
                          .result = {.stride = 64}};
  RowProgramSpec program{.width = 100};
  program.program.expressions = {{.kind = Kind::Input, .index = 0}};
  for (Kind kind : {Kind::Exp, Kind::Log, Kind::Erf, Kind::Tanh, Kind::Sin,
                    Kind::Cos, Kind::Sigmoid})
    program.program.expressions.push_back(
        {.kind = kind,
         .operands = {static_cast<int>(program.program.expressions.size()) -
                      1}});
  program.program.expressions.push_back(
      {.kind = Kind::Pow, .operands = {7, 6}});
  program.program.results = {8};
  program.inputs = {{Broadcast::None, 128, 0}};
  program.results = {{.stride = 128}};
  return {linear, attention, norm, embedding, program};
}

class CompilerTest : public testing::TestWithParam<const char *> {
protected:
  void SetUp() override {
    std::string error;
    auto found = Machine::fromTarget(GetParam(), error);
    ASSERT_TRUE(found) << error;
    machine = *found;
  }
  CompiledKernel compile(const KernelSpec &spec, KernelOptions options = {}) {
    CompiledKernel kernel;
    std::string error;
    EXPECT_TRUE(compileKernel(spec, machine, "kernel", options, kernel, error))
        << error;
    return kernel;
  }
  Machine machine;
};
// What this machine can't run it can still compile for.
INSTANTIATE_TEST_SUITE_P(Targets, CompilerTest,
                         testing::Values("haswell", "x86-64-v4", "znver4",
                                         "host"));

TEST_P(CompilerTest, ObjectsNeedOnlyScratchAndMemoryFunctions) {
  const std::set<llvm::StringRef> allowed = {"halide_malloc", "halide_free",
                                             "memset", "memcpy", ""};
  for (const KernelSpec &spec : specs()) {
    CompiledKernel kernel = compile(spec);
    auto object =
        llvm::object::ObjectFile::createELFObjectFile(llvm::MemoryBufferRef(
            {kernel.object.data(), kernel.object.size()}, "kernel"));
    ASSERT_TRUE(static_cast<bool>(object));
    std::set<std::string> defined;
    for (const llvm::object::SymbolRef &symbol : (*object)->symbols()) {
      llvm::StringRef name = llvm::cantFail(symbol.getName());
      uint32_t flags = llvm::cantFail(symbol.getFlags());
      if (flags & llvm::object::SymbolRef::SF_Undefined)
        EXPECT_TRUE(allowed.count(name))
            << kernel.family << " needs " << name.str();
      else if (flags & llvm::object::SymbolRef::SF_Global)
        defined.insert(name.str());
    }
    std::set<std::string> expected;
    for (const CompiledKernel::Variant &variant : kernel.variants) {
      expected.insert(variant.symbol);
      expected.insert(variant.symbol + "_argv");
    }
    EXPECT_EQ(defined, expected) << kernel.family;
  }
}

TEST_P(CompilerTest, UsesOnlyInstructionsThatItDeclares) {
  for (const KernelSpec &spec : specs()) {
    std::string assembly = compile(spec, {.emitAssembly = true}).assembly;
    ASSERT_FALSE(assembly.empty());
    bool wide = machine.cpuFeatures & TRANSOM_CPU_AVX512F;
    if (!wide)
      for (const char *sign : {"%zmm", "%ymm16", "{%k", "%k1"})
        EXPECT_EQ(assembly.find(sign), std::string::npos) << sign;
    for (const char *later :
         {"vdpbf16", "vpdpb", "vcvtne", "vpermb", "vpermi2b", "vpshrd",
          "vpshld", "vgf2p8", "vpopcnt", "vpmadd52", "prefetchw"})
      EXPECT_EQ(assembly.find(later), std::string::npos) << later;
  }
}

TEST_P(CompilerTest, DescribesOneArgumentAnOperandInOrder) {
  for (const KernelSpec &spec : specs()) {
    CompiledKernel kernel = compile(spec);
    EXPECT_EQ(kernel.packing.size(), packingOf(spec, machine).size());
    int64_t most = 0;
    for (const CompiledKernel::Variant &variant : kernel.variants) {
      EXPECT_GT(variant.shape.max_rows, most);
      most = variant.shape.max_rows;
      EXPECT_GT(variant.shape.row_tile, 0);
      EXPECT_EQ(variant.shape.task_rows % variant.shape.row_tile, 0);
    }
    EXPECT_EQ(most, INT64_MAX);
    ASSERT_FALSE(kernel.arguments.empty());
    size_t operands = std::visit(
        [](const auto &spec) { return spec.operands().size(); }, spec);
    EXPECT_EQ(kernel.arguments.back().operand,
              static_cast<int32_t>(operands) - 1);
    for (const auto &[operand, packing] : kernel.packing)
      EXPECT_LT(operand, static_cast<int32_t>(operands) - 1);
  }
}

/// Of each family, what the lowered statement must do with whole vectors: the
/// loads of its inner loop, and its stores.
struct Vectorized {
  KernelSpec spec;
  std::vector<const char *> accesses;
};
std::vector<Vectorized> vectorized() {
  std::vector<KernelSpec> simple = specs();
  AppendCacheSpec append{.keyHeads = 4,
                         .headDim = 64,
                         .key = {.stride = 768},
                         .value = {.stride = 768},
                         .cache = {.width = 512}};
  CachedAttentionSpec cached{.heads = 4,
                             .keyHeads = 4,
                             .headDim = 64,
                             .query = {.stride = 768},
                             .cache = {.width = 512},
                             .result = {.stride = 256}};
  RotarySpec rotary{.heads = 4,
                    .headDim = 64,
                    .x = {.stride = 256},
                    .result = {.stride = 256},
                    .frequencies = std::vector<float>(32, 1.0f)};
  return {{simple[0], {"weight", "out"}},
          {simple[1], {"packed_k", "packed_v", "score", "weight", "out"}},
          {simple[2], {"x", "residual", "gamma", "beta", "y"}},
          {simple[3], {"table", "y"}},
          {simple[4], {"operand0", "result0"}},
          {append, {"value", "values"}},
          {cached, {"k", "v", "score", "weight", "out"}},
          {rotary, {"x", "cosine", "sine", "y"}}};
}

TEST_P(CompilerTest, EveryFamilyReadsAndWritesVectors) {
  for (const Vectorized &each : vectorized()) {
    CompiledKernel kernel = compile(each.spec, {.emitStatement = true});
    for (const char *name : each.accesses) {
      // Halide numbers what it has named before.
      std::regex access(std::string("\\b") + name + R"((\$\d+)?\[ramp\()");
      EXPECT_TRUE(std::regex_search(kernel.statement, access))
          << kernel.family << " accesses '" << name << "' element by element";
    }
  }
}

TEST(DescribeTest, TellsSpecsApart) {
  std::set<std::string> texts;
  for (const KernelSpec &spec : specs())
    EXPECT_TRUE(texts.insert(describe(spec)).second);
  NormSpec norm{.width = 8};
  std::string text = describe(norm);
  norm.epsilon = std::nextafter(norm.epsilon, 1.0f);
  EXPECT_NE(describe(norm), text);
  EXPECT_EQ(describe(norm), describe(norm));
}

TEST(ParallelTest, KernelsCompileInParallelToTheSameObject) {
  std::string error;
  Machine machine = *Machine::fromTarget("haswell", error);
  std::vector<KernelSpec> all = specs();
  std::vector<CompiledKernel> first(all.size()), second(all.size());
  auto compileAll = [&](std::vector<CompiledKernel> &kernels) {
    std::string message;
    for (size_t i = 0; i < all.size(); ++i)
      EXPECT_TRUE(
          compileKernel(all[i], machine, "kernel", {}, kernels[i], message))
          << message;
  };
  std::thread other([&] { compileAll(first); });
  compileAll(second);
  other.join();
  for (size_t i = 0; i < all.size(); ++i)
    EXPECT_EQ(first[i].object, second[i].object) << first[i].family;
}

TEST(MachineTest, NamesResolve) {
  std::string error;
  auto haswell = Machine::fromTarget("haswell", error);
  ASSERT_TRUE(haswell);
  EXPECT_EQ(haswell->floatLanes, 8);
  EXPECT_EQ(haswell->cpu, "x86-64-v3");
  EXPECT_FALSE(haswell->cpuFeatures & TRANSOM_CPU_AVX512F);
  auto zen = Machine::fromTarget("znver4", error);
  ASSERT_TRUE(zen);
  EXPECT_EQ(zen->floatLanes, 16);
  // Its kernels need no more than x86-64-v4, so they run on Intel's too.
  EXPECT_EQ(zen->cpuFeatures,
            Machine::fromTarget("skylake-avx512", error)->cpuFeatures);
}

TEST(MachineTest, UnknownNameListsWhatIsSupported) {
  std::string error;
  EXPECT_FALSE(Machine::fromTarget("pentium", error));
  EXPECT_EQ(error.find("unknown target \"pentium\"; supported: host, "
                       "x86-64-v3, x86-64-v4, haswell"),
            0u)
      << error;
}

} // namespace
