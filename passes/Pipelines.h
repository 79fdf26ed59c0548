//===- Pipelines.h - the stages, in order -----------------------*- C++ -*-===//
//
// A stage is a function that adds passes; each ends at a level of the IR that a
// contract describes. `buildPipeline` is all of them. In `transom-opt`:
//   --transom-definition-pipeline   primitives -> definition ops
//   --transom-fusion-pipeline       definition ops -> fused ops, padding gone
//   --transom-kernel-pipeline       fused ops -> launches on one arena
//   --transom-pipeline              from a frontend's module to launches
//
//===----------------------------------------------------------------------===//

#ifndef TRANSOM_PASSES_PIPELINES_H
#define TRANSOM_PASSES_PIPELINES_H

#include "mlir/Pass/PassManager.h"
#include "mlir/Pass/PassOptions.h"

#include "llvm/Support/Error.h"

namespace transom {

/// What the fusion stage may do. All of it by default: each switch is there to
/// find out what a pass is worth, or whether it is to blame.
struct FusionOptions : mlir::PassPipelineOptions<FusionOptions> {
  Option<bool> mergeProjections{
      *this, "merge-projections", llvm::cl::init(true),
      llvm::cl::desc("read an activation once for all linears that need it")};
  Option<bool> fuseEpilogues{
      *this, "fuse-epilogues", llvm::cl::init(true),
      llvm::cl::desc("compute elementwise chains inside the kernel before")};
};

/// Primitives -> definition ops.
void buildDefinitionPipeline(mlir::OpPassManager &manager);

/// Definition ops -> fused ops on packed tokens, each of which has a kernel.
void buildFusionPipeline(mlir::OpPassManager &manager,
                         const FusionOptions &options);

/// Fused ops -> a `kernel.program` of launches.
void buildKernelPipeline(mlir::OpPassManager &manager);

/// All stages, from a frontend's module to launches.
void buildPipeline(mlir::OpPassManager &manager, const FusionOptions &options);

/// Makes the pipelines known to the command line. Call once, before options are
/// parsed.
void registerPipelines();

/// The short name of a pass: `transom-fuse-norm` -> `fuse-norm`.
llvm::StringRef getStageName(mlir::Pass *pass);

/// Writes the module as it is now to `directory`/00-import.mlir and, after each
/// pass of `manager`, to 01-raise.mlir, 02-canonicalize.mlir and so on; weights
/// are names, so the files are small. Makes the directory. Fails, naming the
/// file, if one can't be written; a file that can't be written later on is said
/// on stderr.
llvm::Error dumpStages(mlir::PassManager &manager, mlir::Operation *module,
                       llvm::StringRef directory);

} // namespace transom

#endif // TRANSOM_PASSES_PIPELINES_H
