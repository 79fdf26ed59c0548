//===- Families.h - the selection of each kernel family -------------------===//
//
// One function a family, in a file of its name: nullopt if the define is not of
// the family's form.
//
//===----------------------------------------------------------------------===//
#ifndef TRANSOM_CODEGEN_SELECTION_FAMILIES_H
#define TRANSOM_CODEGEN_SELECTION_FAMILIES_H

#include "codegen/selection/Define.h"
#include "codegen/selection/KernelSelection.h"
#include "ir/Transformer/Transformer.h"

namespace transom::codegen {

std::optional<SelectedKernel> selectLinear(const Define &define);
std::optional<SelectedKernel> selectAttention(const Define &define);
std::optional<SelectedKernel> selectAppendCache(const Define &define);
std::optional<SelectedKernel> selectCachedAttention(const Define &define);
std::optional<SelectedKernel> selectRotary(const Define &define);
std::optional<SelectedKernel> selectNorm(const Define &define);
std::optional<SelectedKernel> selectEmbedding(const Define &define);

/// Anything else that works on rows. Reports why not.
mlir::FailureOr<SelectedKernel> selectRowProgram(const Define &define);

/// Adds the distance_bias of an attention that has one; false if it is not a
/// weight.
template <typename Attention, typename Spec>
bool addDistanceBias(Attention attention, const Define &define, Spec &spec,
                     SelectedKernel &kernel) {
  mlir::Value bias = attention.getDistanceBias();
  if (!bias)
    return true;
  std::optional<ColumnView> distances = define.weight(bias);
  if (!distances)
    return false;
  spec.distances = widthOf(bias);
  spec.firstDistance = attention.getFirstDistance();
  kernel.operands.push_back({distances->argument});
  return true;
}

} // namespace transom::codegen

#endif // TRANSOM_CODEGEN_SELECTION_FAMILIES_H
