//===- WeightPlan.h - what the weights file holds, and where --------------===//
#ifndef TRANSOM_CODEGEN_WEIGHTS_WEIGHTPLAN_H
#define TRANSOM_CODEGEN_WEIGHTS_WEIGHTPLAN_H

#include "codegen/selection/KernelSelection.h"
#include "codegen/weights/Packing.h"
#include "ir/Kernel/Kernel.h"
#include "ir/Transformer/Transformer.h"

#include <map>
#include <tuple>

namespace transom::codegen {

/// One weight in one packing.
struct PackedWeight {
  transformer::WeightOp weight;
  Packing packing;
  WeightShape shape;
  int64_t offset = 0, bytes = 0; ///< in the file
};

/// Lets embeddings read a table that is a linear's weight, too (a tied head),
/// as the linear has it, so that the file has it once. Rows are then gathered
/// element by element, which is little beside what the linear reads.
void shareTables(mlir::ModuleOp module, const Machine &machine,
                 KernelTable &kernels);

/// The weights file of a library's programs. A weight that several launches
/// read in the same packing is there once, also if it goes by several symbols
/// (tied embeddings). Weights stand in the order of their first use, so that a
/// run reads the file forwards.
class WeightPlan {
public:
  /// Fails, with an error at the op, if a weight's type can't be packed.
  static mlir::FailureOr<WeightPlan>
  create(llvm::ArrayRef<kernel::ProgramOp> programs,
         const KernelTable &kernels);

  /// Offset of a weight that a launch of the programs reads.
  int64_t offsetOf(transformer::WeightOp weight, const Packing &packing) const;

  llvm::ArrayRef<PackedWeight> weights() const { return packed; }
  /// Of the whole file, its header included.
  int64_t fileBytes() const { return end; }

private:
  mlir::WalkResult addWeights(kernel::LaunchOp launch,
                              const SelectedKernel &kernel,
                              mlir::SymbolTableCollection &symbols);
  /// Equal for weights with the same contents.
  using Key =
      std::tuple<const void *, const void *, const Format *, int64_t, int64_t>;
  static Key keyOf(transformer::WeightOp weight, const Packing &packing);

  std::vector<PackedWeight> packed;
  std::map<Key, size_t> index;
  int64_t end = 0;
};

} // namespace transom::codegen

#endif // TRANSOM_CODEGEN_WEIGHTS_WEIGHTPLAN_H
