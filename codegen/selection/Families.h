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

#include "llvm/ADT/STLExtras.h"

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

/// Collects which of a launch's buffers each operand of a kernel is, by the
/// names that its spec gives them.
template <typename Spec> class Operands {
public:
  using Name = typename Spec::Operand;

  /// Operand `name` is read at `view`; without one nothing is selected.
  ColumnView read(Name name, std::optional<ColumnView> view) {
    complete &= view.has_value();
    bound.push_back({name, {view ? view->argument : 0}});
    return view.value_or(ColumnView());
  }
  void write(Name name, unsigned result) {
    bound.push_back({name, {result, /*isResult=*/true}});
  }

  std::optional<SelectedKernel> select(Spec spec) {
    if (!complete)
      return std::nullopt;
    SelectedKernel kernel;
    // Several of one name keep their order.
    for (Name name : spec.operands()) {
      auto *operand = llvm::find_if(
          bound, [&](const auto &each) { return each.first == name; });
      assert(operand != bound.end() && "an operand of the spec is not bound");
      kernel.operands.push_back(operand->second);
      bound.erase(operand);
    }
    assert(bound.empty() && "the spec has no such operand");
    kernel.spec = std::move(spec);
    return kernel;
  }

private:
  llvm::SmallVector<std::pair<Name, SelectedKernel::Operand>> bound;
  bool complete = true;
};

} // namespace transom::codegen

#endif // TRANSOM_CODEGEN_SELECTION_FAMILIES_H
