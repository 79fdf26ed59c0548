//===- Pipelines.cpp - the stages, in order -------------------------------===//

#include "passes/Pipelines.h"

#include "passes/Passes.h"

#include "mlir/Pass/PassInstrumentation.h"
#include "mlir/Pass/PassRegistry.h"
#include "mlir/Transforms/Passes.h"
#include "llvm/Support/FileSystem.h"
#include "llvm/Support/Format.h"
#include "llvm/Support/Path.h"
#include "llvm/Support/raw_ostream.h"

using namespace mlir;

//===----------------------------------------------------------------------===//
// Stages
//===----------------------------------------------------------------------===//

void transom::buildDefinitionPipeline(OpPassManager &manager) {
  manager.addPass(createRaise());
  // Exporters repeat themselves: one mask a layer, one constant a use. Later
  // passes compare values, so equal ones must be the same.
  manager.addPass(createCSEPass());
  manager.addPass(createVerifyDefinition());
}

void transom::buildFusionPipeline(OpPassManager &manager,
                                  const FusionOptions &options) {
  manager.addPass(createFuseAttention());
  manager.addPass(createFuseNorm());
  if (options.mergeProjections)
    manager.addPass(createMergeProjections());
  manager.addPass(createFoldRelativeBias());
  manager.addPass(createRemovePadding());
  manager.addPass(createIntroduceCache());
  // While a tail can still begin between any two ops.
  manager.addPass(createSelectOutputPositions());
  if (options.fuseEpilogues)
    manager.addPass(createFuseEpilogues());
  // Folds the scales and slices that now meet, and drops what fusion left.
  manager.addPass(createCanonicalizerPass());
  manager.addPass(createVerifyLowerable());
}

void transom::buildKernelPipeline(OpPassManager &manager) {
  manager.addPass(createOutlineKernels());
  manager.addPass(createPlanMemory());
}

void transom::buildPipeline(OpPassManager &manager,
                            const FusionOptions &options) {
  buildDefinitionPipeline(manager);
  buildFusionPipeline(manager, options);
  buildKernelPipeline(manager);
}

void transom::registerPipelines() {
  PassPipelineRegistration<>("transom-definition-pipeline",
                             "primitives -> definition ops",
                             buildDefinitionPipeline);
  PassPipelineRegistration<FusionOptions>(
      "transom-fusion-pipeline", "definition ops -> fused ops on packed tokens",
      buildFusionPipeline);
  PassPipelineRegistration<>("transom-kernel-pipeline",
                             "fused ops -> launches on one arena",
                             buildKernelPipeline);
  PassPipelineRegistration<FusionOptions>(
      "transom-pipeline", "a frontend's module -> launches", buildPipeline);
}

//===----------------------------------------------------------------------===//
// Dumps
//===----------------------------------------------------------------------===//

llvm::StringRef transom::getStageName(Pass *pass) {
  llvm::StringRef name = pass->getArgument();
  name.consume_front("transom-");
  return name;
}

namespace {

/// Writes numbered files, one a pass.
class StageWriter : public PassInstrumentation {
public:
  explicit StageWriter(llvm::StringRef directory) : directory(directory) {}

  llvm::Error write(llvm::StringRef stage, Operation *op) {
    llvm::SmallString<128> path(directory);
    std::string name;
    llvm::raw_string_ostream(name)
        << llvm::format("%02u-", number++) << stage << ".mlir";
    llvm::sys::path::append(path, name);
    std::error_code error;
    llvm::raw_fd_ostream file(path, error);
    if (!error) {
      op->print(file, OpPrintingFlags().useLocalScope());
      file << '\n';
      file.close();
      error = file.error();
      file.clear_error();
    }
    if (error)
      return llvm::createStringError(error, "cannot write \"" + path +
                                                "\": " + error.message());
    return llvm::Error::success();
  }

private:
  void runAfterPass(Pass *pass, Operation *op) override {
    // A pass manager inside is not a pass of the pipeline.
    if (pass->getArgument().empty())
      return;
    if (llvm::Error error = write(transom::getStageName(pass), op))
      llvm::errs() << llvm::toString(std::move(error)) << '\n';
  }
  void runAfterPassFailed(Pass *pass, Operation *op) override {
    runAfterPass(pass, op);
  }

  std::string directory;
  unsigned number = 0;
};

} // namespace

llvm::Error transom::dumpStages(PassManager &manager, Operation *module,
                                llvm::StringRef directory) {
  if (std::error_code error = llvm::sys::fs::create_directories(directory))
    return llvm::createStringError(error, "cannot make \"" + directory +
                                              "\": " + error.message());
  auto writer = std::make_unique<StageWriter>(directory);
  if (llvm::Error error = writer->write("import", module))
    return error;
  manager.addInstrumentation(std::move(writer));
  return llvm::Error::success();
}
