//===- Families.h - the selection of each kernel family -------------------===//
//
// One function a family, in a file of its name.
//
//===----------------------------------------------------------------------===//
#ifndef TRANSOM_CODEGEN_SELECTION_FAMILIES_H
#define TRANSOM_CODEGEN_SELECTION_FAMILIES_H

#include "codegen/selection/Define.h"
#include "codegen/selection/KernelSelection.h"
#include "ir/Transformer/Transformer.h"

#include "llvm/ADT/STLExtras.h"

#include <string>

namespace transom::codegen {

/// What a family has for a define: a kernel, or why it has none for a define of
/// its form, or neither.
struct Choice {
  std::optional<SelectedKernel> kernel;
  std::string refusal;
};

Choice selectLinear(const Define &define);
Choice selectAttention(const Define &define);
Choice selectAppendCache(const Define &define);
Choice selectCachedAttention(const Define &define);
Choice selectRotary(const Define &define);
Choice selectNorm(const Define &define);
Choice selectEmbedding(const Define &define);

/// Anything that decomposes into primitives on rows: the generic family. Fails
/// with an error that says why not.
mlir::FailureOr<SelectedKernel> selectRowProgram(const Define &define);

/// Collects which of a launch's buffers each operand of a kernel is, by the
/// names that its spec gives them.
template <typename Spec> class Operands {
public:
  using Name = typename Spec::Operand;

  /// Operand `name` is read at `view`; without one the kernel is refused.
  ColumnView read(Name name, std::optional<ColumnView> view) {
    complete &= view.has_value();
    bound.push_back({name, {view ? view->argument : 0}});
    return view.value_or(ColumnView());
  }
  void write(Name name, unsigned result) {
    bound.push_back({name, {result, /*isResult=*/true}});
  }

  Choice select(Spec spec) {
    if (!complete)
      return {std::nullopt, "it reads what is neither an activation of f32, a "
                            "whole weight nor a vector of i32"};
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
    return {std::move(kernel), ""};
  }

private:
  llvm::SmallVector<std::pair<Name, SelectedKernel::Operand>> bound;
  bool complete = true;
};

} // namespace transom::codegen

#endif // TRANSOM_CODEGEN_SELECTION_FAMILIES_H
