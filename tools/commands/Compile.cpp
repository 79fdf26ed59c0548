//===- Compile.cpp - transom compile: a model -> a library ----------------===//

#include "tools/commands/Commands.h"
#include "tools/commands/Diagnostics.h"
#include "tools/commands/Model.h"

#include "codegen/Compiler.h"
#include "codegen/ObjectCache.h"
#include "ir/Kernel/Kernel.h"
#include "passes/Pipelines.h"
#include "tools/Registry.h"

#include "mlir/IR/MLIRContext.h"
#include "mlir/IR/Remarks.h"
#include "mlir/Pass/PassManager.h"
#include "llvm/Support/FileSystem.h"
#include "llvm/Support/Format.h"
#include "llvm/Support/Path.h"
#include "llvm/Support/Process.h"
#include "llvm/Support/Regex.h"
#include "llvm/Support/raw_ostream.h"

#include <chrono>

using namespace llvm;

namespace transom {

using codegen::Emit;

static cl::SubCommand flags("compile", "compile a model to a native library");

static ModelFlags model(flags);
static cl::opt<std::string> output(
    "o", cl::Required, cl::value_desc("libNAME.so"),
    cl::desc(
        "where to write the library; NAME.h and NAME.weights go beside it"),
    cl::sub(flags));
static cl::opt<std::string>
    dtype("dtype", cl::init("f32"), cl::value_desc("type"),
          cl::desc("element type of weights and arithmetic; default: f32"),
          cl::sub(flags));
static cl::opt<std::string>
    target("target", cl::init("host"), cl::value_desc("CPU"),
           cl::desc("CPU that the library runs on; default: host"),
           cl::sub(flags));
static cl::opt<Emit> emit(
    "emit",
    cl::desc("kind of output; default: what the suffix of -o names, or shared"),
    cl::values(clEnumValN(Emit::Shared, "shared", "a shared library"),
               clEnumValN(Emit::Static, "static", "a static library"),
               clEnumValN(Emit::Object, "object", "one relocatable object"),
               clEnumValN(Emit::Header, "header", "the C header alone"),
               clEnumValN(Emit::MLIR, "mlir", "the launches, as IR"),
               clEnumValN(Emit::LLVM, "llvm", "the host program, as LLVM IR"),
               clEnumValN(Emit::Assembly, "asm", "assembly")),
    cl::sub(flags));
static cl::opt<bool> embedWeights("embed-weights",
                                  cl::desc("put the weights into the library"),
                                  cl::sub(flags));
static cl::opt<std::string>
    weights("weights", cl::value_desc("folder"),
            cl::desc("folder with the safetensors that an .mlir file names"),
            cl::sub(flags));
static cl::opt<std::string>
    dumpFolder("dump-ir", cl::value_desc("folder"),
               cl::desc("write the IR there after every pass"), cl::sub(flags));
static cl::opt<unsigned>
    threads("threads", cl::init(0), cl::value_desc("n"),
            cl::desc("threads that compile; default: all cores"),
            cl::sub(flags));
static cl::opt<bool> noCache("no-cache", cl::desc("compile every kernel anew"),
                             cl::sub(flags));
static cl::opt<bool> timing("timing", cl::desc("print the time of each stage"),
                            cl::sub(flags));
static cl::opt<std::string>
    remarks("remarks", cl::ValueOptional, cl::value_desc("regex"),
            cl::desc("print what was not fused or compiled as it should be, in "
                     "the categories that match"),
            cl::sub(flags));

/// By the suffix, if --emit does not say it.
static Emit emitKind() {
  if (emit.getNumOccurrences())
    return emit;
  return StringSwitch<Emit>(sys::path::extension(output))
      .Case(".a", Emit::Static)
      .Case(".o", Emit::Object)
      .Case(".h", Emit::Header)
      .Case(".mlir", Emit::MLIR)
      .Case(".ll", Emit::LLVM)
      .Case(".s", Emit::Assembly)
      .Default(Emit::Shared);
}

/// Brings the module to launches, unless it is there already.
static mlir::LogicalResult lower(mlir::ModuleOp module) {
  if (!module.getOps<kernel::ProgramOp>().empty())
    return mlir::success();
  mlir::PassManager manager(module->getName());
  buildPipeline(manager, FusionOptions());
  if (!dumpFolder.empty())
    if (Error error = dumpStages(manager, module, dumpFolder)) {
      errs() << "error: " << toString(std::move(error)) << '\n';
      return mlir::failure();
    }
  return manager.run(module);
}

static mlir::LogicalResult enableRemarks(mlir::MLIRContext &context) {
  if (!remarks.getNumOccurrences())
    return mlir::success();
  mlir::remark::RemarkCategories categories;
  std::string filter = remarks.empty() ? ".*" : remarks.getValue();
  // The engine takes an invalid expression and matches nothing.
  std::string error;
  if (!Regex(filter).isValid(error))
    return mlir::failure();
  categories.passed = categories.missed = categories.analysis =
      categories.failed = filter;
  return mlir::remark::enableOptimizationRemarks(
      context, /*streamer=*/nullptr,
      std::make_unique<mlir::remark::RemarkEmittingPolicyAll>(), categories,
      /*printAsEmitRemarks=*/true);
}

static int run() {
  auto begin = std::chrono::steady_clock::now();
  auto elapsed = [&begin] {
    return std::chrono::duration<double>(std::chrono::steady_clock::now() -
                                         begin)
        .count();
  };
  if (dtype != "f32") {
    errs() << "error: --dtype=" << dtype
           << ": not yet supported; supported: f32\n";
    return 1;
  }
  std::string error;
  std::optional<codegen::Machine> machine =
      codegen::Machine::fromTarget(target, error);
  if (!machine) {
    errs() << "error: --target: " << error << '\n';
    return 1;
  }

  mlir::DialectRegistry registry;
  registerDialects(registry);
  codegen::registerCodegenDialects(registry);
  mlir::MLIRContext context(registry);
  // A message names its place; the op in full would bury it.
  context.printOpOnDiagnostic(false);
  DiagnosticPrinter printer(context);
  if (mlir::failed(enableRemarks(context))) {
    errs() << "error: --remarks=" << remarks
           << ": expected a regular expression\n";
    return 1;
  }
  ImportOptions importing = model.options();
  importing.weights = weights;
  ImportedModel source = readModel(context, model.path, importing);
  if (!source.module)
    return 1;
  codegen::CompileReport report;
  report.phases.push_back({"import", elapsed()});
  if (mlir::failed(lower(*source.module)))
    return 1;
  report.phases.push_back({"passes", elapsed() - report.phases[0].seconds});

  codegen::CompileOptions options;
  options.output = output;
  options.emit = emitKind();
  options.embedWeights = embedWeights;
  options.threads = threads;
  if (!noCache)
    options.cacheFolder = codegen::ObjectCache::defaultFolder();
  options.assetsFrom = source.assets;
  options.inputs = {model.path, weights};
  options.summary = source.description;
  bool showsProgress = false;
  if (sys::Process::StandardErrIsDisplayed())
    options.progress = [&](size_t done, size_t total) {
      if (elapsed() < 2)
        return;
      showsProgress = true;
      errs() << "\rcompiling kernels: " << done << " of " << total << "\x1b[K";
    };
  bool good = mlir::succeeded(codegen::compileProgram(
      *source.module, source.weights.get(), *machine, options, report));
  if (showsProgress)
    errs() << "\r\x1b[K";
  if (timing) {
    for (const codegen::CompileReport::Phase &phase : report.phases)
      errs() << format("%8.3f s  ", phase.seconds) << phase.name << '\n';
    errs() << format("%8.3f s  ", elapsed()) << "in all\n";
  }
  if (!good)
    return 1;
  if (output != "-" && options.emit <= Emit::Object)
    outs() << output << ": " << source.description << "; " << report.kernels
           << " kernels (" << report.cachedKernels << " from the cache), "
           << format("%.1f MB of weights, %.1f s\n", report.weightsBytes * 1e-6,
                     elapsed());
  return 0;
}

Command compileCommand() { return {flags, run}; }

} // namespace transom
