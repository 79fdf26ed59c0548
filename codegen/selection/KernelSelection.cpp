//===- KernelSelection.cpp - kernel.define -> KernelSpec ------------------===//
//
// The family that a define has the form of comes first. What it refuses, by
// what it reads or by numbers that its kernel does not take, is decomposed:
// into primitives, which are a row program, or, if it is a linear with an
// epilogue, into the linear and a row program. That runs in place, so that the
// memory plan holds as it is.
//
//===----------------------------------------------------------------------===//

#include "codegen/selection/KernelSelection.h"
#include "codegen/kernels/KernelCompiler.h"
#include "codegen/selection/Families.h"

#include "mlir/IR/Remarks.h"
#include "mlir/IR/SymbolTable.h"
#include "llvm/ADT/StringExtras.h"
#include "llvm/Support/xxhash.h"

#include <array>

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

/// The kernel of the family that `define` has the form of, or why it has none.
static Choice selectFamily(const Define &define, const Machine &machine) {
  for (auto *select :
       {selectLinear, selectAttention, selectAppendCache, selectCachedAttention,
        selectRotary, selectNorm, selectEmbedding}) {
    Choice choice = select(define);
    if (choice.kernel)
      if (const char *refusal = refusalOf(choice.kernel->spec, machine))
        choice = {std::nullopt, refusal};
    if (choice.kernel || !choice.refusal.empty())
      return choice;
  }
  return {};
}

static SmallVector<kernel::LaunchOp> launchesOf(kernel::DefineOp define) {
  SmallVector<kernel::LaunchOp> launches;
  define->getParentOfType<ModuleOp>().walk([&](kernel::LaunchOp launch) {
    if (launch.getCallee() == define.getSymName())
      launches.push_back(launch);
  });
  return launches;
}

/// A define belongs to many places; the first of them is named.
static void remarkRefusal(kernel::DefineOp define, StringRef instead,
                          StringRef refusal) {
  SmallVector<kernel::LaunchOp> launches = launchesOf(define);
  remark::missed(
      launches.empty() ? define.getLoc() : launches.front().getLoc(),
      remark::RemarkOpts::name("select-kernels").category("selection"))
      << remark::reason("'{0}' is {1}: {2}", define.getSymName(), instead,
                        refusal);
}

static void eraseUnused(Block &body) {
  SmallVector<Operation *> ops =
      llvm::to_vector(llvm::make_pointer_range(body.without_terminator()));
  for (Operation *op : llvm::reverse(ops))
    if (op->use_empty())
      op->erase();
}

/// @linear(x, w, extra) -> y  =>  @linear_plain(x, w, extra) -> y
///                                @linear_epilogue(x, w, extra, y) -> y
/// and launches of both, in place of those of `define`, which goes. The second
/// reads and writes one buffer, row by row: the memory plan has no room for the
/// value between them, but none that it reads shares memory with the result.
static std::array<kernel::DefineOp, 2> divideLinear(kernel::DefineOp define) {
  SymbolTable symbols(define->getParentOfType<ModuleOp>());
  auto decomposedCopy = [&](StringRef suffix) {
    kernel::DefineOp copy = define.clone();
    copy.setSymName((define.getSymName() + suffix).str());
    symbols.insert(copy, Block::iterator(define));
    auto linear = Define(copy).only<transformer::LinearOp>();
    OpBuilder builder(linear);
    linear->replaceAllUsesWith(*linear.decompose(builder));
    linear.erase();
    return copy;
  };
  kernel::DefineOp plain = decomposedCopy("_plain");
  Define first(plain);
  first.yield->setOperand(0, first.ops.front()->getResult(0));
  eraseUnused(plain.getBody().front());

  kernel::DefineOp epilogue = decomposedCopy("_epilogue");
  Block &body = epilogue.getBody().front();
  Value product = Define(epilogue).ops.front()->getResult(0);
  product.replaceAllUsesWith(
      body.addArgument(product.getType(), product.getLoc()));
  eraseUnused(body);
  epilogue.setFunctionType(
      FunctionType::get(define.getContext(), body.getArgumentTypes(),
                        define.getFunctionType().getResults()));

  for (kernel::LaunchOp launch : launchesOf(define)) {
    OpBuilder builder(launch);
    SmallVector<Value> reads(launch.getReads());
    for (kernel::DefineOp half : {plain, epilogue}) {
      kernel::LaunchOp::create(builder, launch.getLoc(),
                               FlatSymbolRefAttr::get(half.getSymNameAttr()),
                               launch.getRowsAttr(), reads, launch.getWrites(),
                               launch.getOutputsAttr(), launch.getLayerAttr());
      reads.push_back(launch.getWrites().front());
    }
    launch.erase();
  }
  define.erase();
  return {plain, epilogue};
}

SmallVector<kernel::DefineOp>
transom::codegen::launchedKernels(ModuleOp module) {
  llvm::SmallPtrSet<Attribute, 16> used;
  module.walk([&](kernel::LaunchOp launch) {
    used.insert(launch.getCalleeAttr().getAttr());
  });
  return llvm::to_vector(llvm::make_filter_range(
      module.getOps<kernel::DefineOp>(), [&](kernel::DefineOp define) {
        return used.contains(define.getSymNameAttr());
      }));
}

FailureOr<KernelTable>
transom::codegen::selectKernels(ArrayRef<kernel::DefineOp> defines,
                                const Machine &machine) {
  KernelTable table;
  bool good = true;
  SmallVector<kernel::DefineOp> pending(defines);
  for (size_t i = 0; i < pending.size(); ++i) { // Halves are added.
    Define define(pending[i]);
    Choice choice = selectFamily(define, machine);
    auto linear = define.only<transformer::LinearOp>();
    if (!choice.kernel && linear && !linear.getEpilogue().empty()) {
      remarkRefusal(define.op, "a plain linear and a row program",
                    choice.refusal);
      llvm::append_range(pending, divideLinear(define.op));
      continue;
    }
    if (!choice.kernel) {
      FailureOr<SelectedKernel> program = selectRowProgram(define);
      if (failed(program)) {
        good = false;
        continue;
      }
      if (!choice.refusal.empty())
        remarkRefusal(define.op, "a row program", choice.refusal);
      choice.kernel = std::move(*program);
    }
    SelectedKernel &kernel = *choice.kernel;
    kernel.symbol = linkerSymbol(define.op.getSymName());
    kernel.packing = packingOf(kernel.spec, machine);
    table.insert(define.op.getSymNameAttr(), std::move(kernel));
  }
  if (!good)
    return failure();
  return table;
}
