//===- WeightWriterTest.cpp - checkpoint tensors -> the weights file ------===//

#include "codegen/weights/WeightWriter.h"
#include "ir/Kernel/Kernel.h"

#include "mlir/Parser/Parser.h"
#include "llvm/Support/FileSystem.h"
#include "llvm/Support/MemoryBuffer.h"
#include "gtest/gtest.h"

#include <fcntl.h>
#include <unistd.h>

using namespace mlir;
using namespace transom;
using namespace transom::codegen;

namespace {

// Two launches read @a: one packing is shared. @b has the contents of @a.
constexpr const char *text = R"(
  transformer.weight @a value dense<[[1.0, 2.0, 3.0], [4.0, 5.0, 6.0]]> : tensor<2x3xf32>
  transformer.weight @b value dense<[[1.0, 2.0, 3.0], [4.0, 5.0, 6.0]]> : tensor<2x3xf32>
  transformer.weight @n value dense<[[0.0, 0x7FC00000, 0.0]]> : tensor<1x3xf32>
  kernel.define @table(%i: tensor<?xi32>, %t: tensor<2x3xf32>) -> tensor<?x3xf32> rows 0 weights [1] {
    %0 = transformer.embedding %i, %t : tensor<?xi32>, tensor<2x3xf32> -> tensor<?x3xf32>
    kernel.yield %0 : tensor<?x3xf32>
  }
  kernel.define @other(%i: tensor<?xi32>, %t: tensor<1x3xf32>) -> tensor<?x3xf32> rows 0 weights [1] {
    %0 = transformer.embedding %i, %t : tensor<?xi32>, tensor<1x3xf32> -> tensor<?x3xf32>
    kernel.yield %0 : tensor<?x3xf32>
  }
  kernel.program @forward(%i: !kernel.buffer<tensor<?xi32>, tokens> {transformer.name = "ids"})
      -> (!kernel.buffer<tensor<?x3xf32>, tokens> {transformer.name = "y"}) arena [256, 0, 0, 0] {
    %a = kernel.weight @a : !kernel.buffer<tensor<2x3xf32>>
    %b = kernel.weight @b : !kernel.buffer<tensor<2x3xf32>>
    %n = kernel.weight @n : !kernel.buffer<tensor<1x3xf32>>
    %s = kernel.slot [0, 0, 0, 0] : !kernel.buffer<tensor<?x3xf32>, tokens>
    kernel.launch @table rows tokens reads(%i, %a) writes(%s) outputs [0] : !kernel.buffer<tensor<?xi32>, tokens>, !kernel.buffer<tensor<2x3xf32>> -> !kernel.buffer<tensor<?x3xf32>, tokens>
    kernel.launch @table rows tokens reads(%i, %a) writes(%s) outputs [0] : !kernel.buffer<tensor<?xi32>, tokens>, !kernel.buffer<tensor<2x3xf32>> -> !kernel.buffer<tensor<?x3xf32>, tokens>
    kernel.launch @table rows tokens reads(%i, %b) writes(%s) outputs [0] : !kernel.buffer<tensor<?xi32>, tokens>, !kernel.buffer<tensor<2x3xf32>> -> !kernel.buffer<tensor<?x3xf32>, tokens>
    kernel.launch @other rows tokens reads(%i, %n) writes(%s) outputs [0] : !kernel.buffer<tensor<?xi32>, tokens>, !kernel.buffer<tensor<1x3xf32>> -> !kernel.buffer<tensor<?x3xf32>, tokens>
    kernel.return %s : !kernel.buffer<tensor<?x3xf32>, tokens>
  }
)";

class WeightWriterTest : public testing::Test {
protected:
  void SetUp() override {
    context.loadDialect<kernel::KernelDialect>();
    module = parseSourceString<ModuleOp>(text, &context);
    ASSERT_TRUE(module);
    Machine machine;
    FailureOr<KernelTable> kernels =
        selectKernels(launchedKernels(*module), machine);
    ASSERT_TRUE(succeeded(kernels));
    SmallVector<kernel::ProgramOp> programs(
        module->getOps<kernel::ProgramOp>());
    FailureOr<WeightPlan> created = WeightPlan::create(programs, *kernels);
    ASSERT_TRUE(succeeded(created));
    plan = std::move(*created);
  }
  llvm::Expected<uint64_t> write(WeightWriter &writer, int file, int64_t offset,
                                 unsigned threads) {
    EXPECT_TRUE(succeeded(writer.resolve()));
    llvm::DefaultThreadPool pool(llvm::hardware_concurrency(threads));
    llvm::ThreadPoolTaskGroup tasks(pool);
    writer.start(tasks, file, "test.weights", offset);
    tasks.wait();
    return writer.finish();
  }

  MLIRContext context;
  OwningOpRef<ModuleOp> module;
  WeightPlan plan;
};

TEST_F(WeightWriterTest, PlansEachContentOnce) {
  ASSERT_EQ(plan.weights().size(), 2u);
  EXPECT_EQ(plan.weights()[0].offset, 64);
  EXPECT_EQ(plan.weights()[1].offset % 64, 0);
  auto a = module->lookupSymbol<transformer::WeightOp>("a");
  auto b = module->lookupSymbol<transformer::WeightOp>("b");
  const Packing &packing = plan.weights()[0].packing;
  EXPECT_EQ(plan.offsetOf(a, packing), plan.offsetOf(b, packing));
}

TEST_F(WeightWriterTest, WritesHeaderAndContents) {
  uint64_t hashes[2];
  for (int run : {0, 1}) {
    llvm::SmallString<64> path;
    int file;
    ASSERT_FALSE(
        llvm::sys::fs::createTemporaryFile("transom", "weights", file, path));
    WeightWriter writer(plan, nullptr);
    llvm::Expected<uint64_t> hash = write(writer, file, 0, 1 + run);
    ASSERT_TRUE(bool(hash)) << llvm::toString(hash.takeError());
    hashes[run] = *hash;
    close(file);
    auto buffer = llvm::MemoryBuffer::getFile(path);
    llvm::StringRef bytes = (*buffer)->getBuffer();
    ASSERT_EQ(int64_t(bytes.size()), plan.fileBytes());
    transom_weights_header header;
    memcpy(&header, bytes.data(), sizeof(header));
    EXPECT_EQ(llvm::StringRef(header.magic, 8), TRANSOM_WEIGHTS_MAGIC);
    EXPECT_EQ(header.hash, *hash);
    EXPECT_EQ(int64_t(header.bytes), plan.fileBytes());
    float rows[6];
    int64_t stride = plan.weights()[0].packing.stride * sizeof(float);
    memcpy(rows, bytes.data() + 64, 12);
    memcpy(rows + 3, bytes.data() + 64 + stride, 12);
    for (int i = 0; i < 6; ++i)
      EXPECT_EQ(rows[i], i + 1);
    // NaN is kept, and named.
    std::vector<transformer::WeightOp> odd = writer.weightsWithNaN();
    ASSERT_EQ(odd.size(), 1u);
    EXPECT_EQ(odd[0].getSymName(), "n");
    llvm::sys::fs::remove(path);
  }
  EXPECT_EQ(hashes[0], hashes[1]);
}

TEST_F(WeightWriterTest, ReportsAFullDisk) {
  int file = open("/dev/full", O_RDWR);
  if (file < 0)
    GTEST_SKIP() << "no /dev/full";
  WeightWriter writer(plan, nullptr);
  llvm::Expected<uint64_t> hash = write(writer, file, 0, 2);
  close(file);
  ASSERT_FALSE(bool(hash));
  EXPECT_EQ(llvm::toString(hash.takeError()),
            "cannot write 'test.weights': No space left on device");
}

} // namespace
