//===- KernelSelection.cpp - kernel.define -> KernelSpec ------------------===//
//
// Each family has a function that returns nullopt if the define is not of its
// form; the row program, which takes any chain of row-wise ops, is tried last,
// and it alone reports errors.
//
//===----------------------------------------------------------------------===//

#include "codegen/selection/KernelSelection.h"
#include "codegen/kernels/KernelCompiler.h"
#include "codegen/selection/Families.h"

#include "llvm/ADT/StringExtras.h"
#include "llvm/Support/xxhash.h"

using namespace mlir;
using namespace transom;
using namespace transom::codegen;

/// Symbols in IR may be any text; Halide and C want identifiers.
static std::string linkerSymbol(StringRef name) {
  bool isIdentifier =
      !name.empty() && !llvm::isDigit(name[0]) &&
      llvm::all_of(name, [](char c) { return llvm::isAlnum(c) || c == '_'; });
  if (isIdentifier)
    return name.str();
  return "kernel_" + llvm::utohexstr(llvm::xxh3_64bits(name),
                                     /*LowerCase=*/true, /*Width=*/16);
}

FailureOr<SelectedKernel> transom::codegen::selectKernel(kernel::DefineOp op) {
  Define define(op);
  std::optional<SelectedKernel> kernel;
  for (auto *select :
       {selectLinear, selectAttention, selectAppendCache, selectCachedAttention,
        selectRotary, selectNorm, selectEmbedding})
    if ((kernel = select(define)))
      break;
  if (!kernel) {
    FailureOr<SelectedKernel> program = selectRowProgram(define);
    if (failed(program))
      return failure();
    kernel = std::move(*program);
  }
  kernel->symbol = linkerSymbol(op.getSymName());
  return std::move(*kernel);
}

FailureOr<KernelTable> transom::codegen::selectKernels(ModuleOp module,
                                                       const Machine &machine) {
  KernelTable table;
  // A define that nothing launches costs no compilation.
  llvm::SmallPtrSet<Attribute, 16> used;
  module.walk([&](kernel::LaunchOp launch) {
    used.insert(launch.getCalleeAttr().getAttr());
  });
  bool good = true;
  for (auto define : module.getOps<kernel::DefineOp>()) {
    if (!used.contains(define.getSymNameAttr()))
      continue;
    FailureOr<SelectedKernel> kernel = selectKernel(define);
    if (failed(kernel)) {
      good = false;
      continue;
    }
    kernel->packing = packingOf(kernel->spec, machine);
    table.insert(define.getSymNameAttr(), std::move(*kernel));
  }
  if (!good)
    return failure();
  return table;
}
