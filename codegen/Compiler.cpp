//===- Compiler.cpp - kernel.programs -> a library and its files ---------===//
//
// Selection and planning are quick and report all errors of the model first.
// Then kernels compile, and weights are packed, side by side on one pool; the
// host program, which names them all, is linked with them at the end.
//
//===----------------------------------------------------------------------===//

#include "codegen/Compiler.h"
#include "codegen/LibraryPlan.h"
#include "codegen/Metadata.h"
#include "codegen/ObjectCache.h"
#include "codegen/host/HostObject.h"
#include "codegen/host/LowerHost.h"
#include "codegen/kernels/KernelCompiler.h"
#include "codegen/link/Assets.h"
#include "codegen/link/Header.h"
#include "codegen/link/Linker.h"
#include "codegen/link/WeightsObject.h"
#include "codegen/selection/KernelSelection.h"
#include "codegen/weights/WeightWriter.h"

#include "mlir/Dialect/LLVMIR/LLVMDialect.h"
#include "mlir/IR/Remarks.h"
#include "llvm/ADT/ScopeExit.h"
#include "llvm/Support/FileSystem.h"
#include "llvm/Support/Path.h"
#include "llvm/Support/ThreadPool.h"
#include "llvm/Support/raw_ostream.h"

#include <chrono>
#include <fcntl.h>
#include <unistd.h>

using namespace mlir;
using namespace transom;
using namespace transom::codegen;
namespace path = llvm::sys::path;

void transom::codegen::registerCodegenDialects(DialectRegistry &registry) {
  registry.insert<kernel::KernelDialect, LLVM::LLVMDialect>();
  registerHostTranslations(registry);
}

namespace {
class Compilation {
public:
  Compilation(ModuleOp module, const WeightSource *source,
              const Machine &machine, const CompileOptions &options,
              CompileReport &report)
      : module(module), source(source), machine(machine), options(options),
        report(report), cache(options.cacheFolder) {}

  LogicalResult run();

private:
  /// Turns an error into a diagnostic without a place.
  LogicalResult check(llvm::Error error) {
    if (!error)
      return success();
    return emitError(UnknownLoc::get(module.getContext()))
           << llvm::toString(std::move(error));
  }
  template <typename T> LogicalResult check(llvm::Expected<T> &value) {
    return value ? success() : check(value.takeError());
  }
  std::string beside(const llvm::Twine &file) const {
    llvm::SmallString<128> result(path::parent_path(options.output));
    path::append(result, file);
    return result.str().str();
  }
  bool isBinary() const { return options.emit <= Emit::Object; }

  LogicalResult writeText(StringRef text);
  std::string headerText();
  LogicalResult writeHeader();
  LogicalResult openWeights(WeightWriter &writer);
  void compileKernel(size_t index, const SelectedKernel &kernel);
  LogicalResult compileParts(WeightWriter &writer);
  LogicalResult lowerProgram();
  LogicalResult writeProgram();
  LogicalResult linkLibrary();

  /// Seconds since the last call go to a phase of this name.
  void finishPhase(const char *name) {
    auto now = std::chrono::steady_clock::now();
    report.phases.push_back(
        {name, std::chrono::duration<double>(now - phaseBegin).count()});
    phaseBegin = now;
  }

  ModuleOp module;
  const WeightSource *source;
  const Machine &machine;
  const CompileOptions &options;
  CompileReport &report;
  ObjectCache cache;
  std::chrono::steady_clock::time_point phaseBegin =
      std::chrono::steady_clock::now();

  std::string name;
  LibraryPlan plan;
  std::vector<CompiledKernel> compiled; ///< as `plan.kernels`
  std::vector<std::string> kernelErrors;
  std::atomic<size_t> cachedKernels = 0;
  uint64_t weightsHash = 0;
  int weightsFile = -1;
  std::string weightsObject; ///< the object's path if they are embedded
  OwningOpRef<ModuleOp> host;
  OutputFiles outputs;
  OutputFiles scratch; ///< never committed, so removed at the end
};
} // namespace

/// The main output of a kind that is text.
LogicalResult Compilation::writeText(StringRef text) {
  if (options.output == "-") {
    llvm::outs() << text;
    llvm::outs().flush();
    return success();
  }
  llvm::Expected<std::string> written = outputs.write(options.output, text);
  if (failed(check(written)))
    return failure();
  report.files.push_back(options.output);
  return check(outputs.commit());
}

std::string Compilation::headerText() {
  std::vector<ProgramDocumentation> documented;
  for (const Interface &interface : plan.interfaces)
    documented.push_back(
        documentProgram(interface, /*isFirst=*/documented.empty()));
  return libraryHeader(name, options.summary, documented);
}

LogicalResult Compilation::writeHeader() {
  std::string file = beside(name + ".h");
  std::string text = headerText();
  report.files.push_back(file);
  llvm::Expected<std::string> written = outputs.write(file, text);
  return check(written);
}

/// Makes the file that weights go to: their own, or an object's.
LogicalResult Compilation::openWeights(WeightWriter &writer) {
  std::string file = beside(name + ".weights");
  llvm::Expected<std::string> temporary =
      options.embedWeights ? scratch.create(file + ".o") : outputs.create(file);
  if (failed(check(temporary)))
    return failure();
  weightsFile = open(temporary->c_str(), O_RDWR | O_CLOEXEC);
  if (weightsFile < 0)
    return check(
        writeError(file, std::error_code(errno, std::generic_category())));
  if (!options.embedWeights) {
    report.files.push_back(file);
    return success();
  }
  weightsObject = *temporary;
  return check(writeWeightsObject(machine.target->linkage, weightsFile, file,
                                  name + "_weights", plan.weights.fileBytes()));
}

void Compilation::compileKernel(size_t index, const SelectedKernel &kernel) {
  KernelOptions kernelOptions;
  kernelOptions.emitAssembly = options.emit == Emit::Assembly;
  // Assembly is not cached: it is asked for to be looked at, once.
  std::string key = ObjectCache::key(kernel.spec, machine, kernel.symbol);
  if (!kernelOptions.emitAssembly)
    if (std::optional<CompiledKernel> known = cache.load(key)) {
      compiled[index] = std::move(*known);
      ++cachedKernels;
      return;
    }
  if (!codegen::compileKernel(kernel.spec, machine, kernel.symbol,
                              kernelOptions, compiled[index],
                              kernelErrors[index])) {
    if (kernelErrors[index].empty())
      kernelErrors[index] = "kernel '" + kernel.symbol + "' does not compile";
    return;
  }
  if (!kernelOptions.emitAssembly)
    cache.store(key, compiled[index]);
}

/// Compiles kernels and packs weights.
LogicalResult Compilation::compileParts(WeightWriter &writer) {
  compiled.resize(plan.kernels.size());
  kernelErrors.resize(plan.kernels.size());
  // The kernels that take longest first, so that no core waits for one of them
  // at the end.
  std::vector<std::pair<size_t, const SelectedKernel *>> order;
  for (const auto &[symbol, kernel] : plan.kernels)
    order.push_back({order.size(), &kernel});
  auto cost = [](const SelectedKernel *kernel) {
    return std::holds_alternative<AttentionSpec>(kernel->spec) ? 2
           : std::holds_alternative<LinearSpec>(kernel->spec)  ? 1
                                                               : 0;
  };
  llvm::sort(order, [&](const auto &a, const auto &b) {
    return std::pair(-cost(a.second), a.first) <
           std::pair(-cost(b.second), b.first);
  });

  llvm::DefaultThreadPool pool(llvm::hardware_concurrency(options.threads));
  llvm::ThreadPoolTaskGroup tasks(pool);
  std::mutex mutex;
  size_t done = 0;
  for (auto [index, kernel] : order)
    tasks.async([&, index = index, kernel = kernel] {
      compileKernel(index, *kernel);
      std::lock_guard<std::mutex> lock(mutex);
      ++done;
      if (options.progress)
        options.progress(done, plan.kernels.size());
    });
  if (weightsFile >= 0)
    writer.start(tasks, weightsFile, beside(name + ".weights"),
                 options.embedWeights ? weightsObjectOffset : 0);
  tasks.wait();
  report.kernels = plan.kernels.size();
  report.cachedKernels = cachedKernels;
  finishPhase("kernels and weights");

  bool good = true;
  size_t index = 0;
  for (const auto &[symbol, kernel] : plan.kernels) {
    const std::string &error = kernelErrors[index++];
    if (error.empty())
      continue;
    auto define =
        SymbolTable::lookupNearestSymbolFrom<kernel::DefineOp>(module, symbol);
    define.emitError() << error;
    good = false;
  }
  if (std::string problem = cache.problem(); !problem.empty())
    remark::failed(module.getLoc(),
                   remark::RemarkOpts::name("object-cache").category("codegen"))
        << remark::reason("{0}", problem);
  if (weightsFile >= 0) {
    llvm::Expected<uint64_t> hash = writer.finish();
    if (failed(check(hash)))
      return failure();
    weightsHash = *hash;
    for (transformer::WeightOp weight : writer.weightsWithNaN())
      weight.emitWarning() << "weight '" << weight.getSymName()
                           << "' has values that are not a number; they are "
                              "kept as they are";
  }
  return success(good);
}

LogicalResult Compilation::lowerProgram() {
  HostOptions hostOptions;
  hostOptions.name = name;
  hostOptions.weightsHash = weightsHash;
  if (options.embedWeights)
    hostOptions.embeddedWeights = name + "_weights";
  hostOptions.isShared = options.emit == Emit::Shared;
  auto lowered = plan.lower(machine, hostOptions);
  if (failed(lowered))
    return failure();
  host = std::move(*lowered);
  defineKernelTables(*host, plan.kernels, compiled);
  return success();
}

/// --emit=llvm and asm.
LogicalResult Compilation::writeProgram() {
  auto text = compileHost(*host, machine,
                          options.emit == Emit::LLVM ? HostOutput::LLVM
                                                     : HostOutput::Assembly);
  if (failed(check(text)))
    return failure();
  if (options.emit == Emit::Assembly)
    for (auto [entry, kernel] : llvm::zip_equal(plan.kernels, compiled))
      *text += "\n# kernel " + entry.second.symbol + "\n" + kernel.assembly;
  return writeText(*text);
}

LogicalResult Compilation::linkLibrary() {
  llvm::Expected<Linker> linker = Linker::find(machine.target->linkage);
  if (failed(check(linker)))
    return failure();
  llvm::Expected<std::string> object =
      compileHost(*host, machine, HostOutput::Object);
  if (failed(check(object)))
    return failure();
  finishPhase("host program");

  llvm::SmallString<64> folder;
  path::system_temp_directory(/*ErasedOnReboot=*/true, folder);
  std::vector<std::string> objects;
  auto addObject = [&](StringRef stem, StringRef bytes) {
    llvm::SmallString<128> file(folder);
    path::append(file, "transom-" + stem + ".o");
    llvm::Expected<std::string> written = scratch.write(file, bytes);
    if (failed(check(written)))
      return failure();
    objects.push_back(*written);
    return success();
  };
  if (failed(addObject(name, *object)))
    return failure();
  for (auto [entry, kernel] : llvm::zip_equal(plan.kernels, compiled))
    if (failed(addObject(entry.second.symbol, StringRef(kernel.object.data(),
                                                        kernel.object.size()))))
      return failure();

  llvm::Expected<std::string> library = outputs.create(options.output);
  if (failed(check(library)))
    return failure();
  std::vector<std::string> exports =
      exportedSymbols(name, options.emit == Emit::Shared);
  if (options.emit == Emit::Static) {
    // Embedded weights are a member of their own: they need no linking, and
    // their symbol carries NAME.
    llvm::SmallString<128> file(folder);
    path::append(file, "transom-" + name + ".merged.o");
    llvm::Expected<std::string> merged = scratch.create(file);
    if (failed(check(merged)) ||
        failed(check(linker->linkObject(objects, exports, *merged))))
      return failure();
    std::vector<Linker::Member> members = {{*merged, name + ".o"}};
    if (options.embedWeights)
      members.push_back({weightsObject, name + "_weights.o"});
    if (failed(check(Linker::archive(members, *library))))
      return failure();
  } else {
    if (options.embedWeights)
      objects.push_back(weightsObject);
    if (failed(check(options.emit == Emit::Shared
                         ? linker->linkShared(objects,
                                              path::filename(options.output),
                                              exports, *library)
                         : linker->linkObject(objects, exports, *library))))
      return failure();
  }
  report.files.push_back(options.output);
  finishPhase("linking");
  return success();
}

LogicalResult Compilation::run() {
  if (options.emit == Emit::MLIR) {
    std::string text;
    llvm::raw_string_ostream stream(text);
    module.print(stream);
    stream << '\n';
    return writeText(text);
  }

  llvm::Expected<std::string> expectedName =
      options.output == "-" ? "model" : libraryName(options.output);
  if (failed(check(expectedName)))
    return failure();
  name = *expectedName;
  FailureOr<LibraryPlan> planned = LibraryPlan::of(module);
  if (failed(planned))
    return failure();
  plan = std::move(*planned);
  if (options.emit == Emit::Header)
    return writeText(headerText());

  if (failed(plan.select(machine)))
    return failure();
  report.weightsBytes = plan.weights.fileBytes();
  WeightWriter writer(plan.weights, source);
  llvm::scope_exit closeWeights([&] {
    if (weightsFile >= 0)
      close(weightsFile);
  });
  if (isBinary() && (failed(writer.resolve()) || failed(openWeights(writer)) ||
                     failed(writeHeader())))
    return failure();
  finishPhase("selection");

  if (failed(compileParts(writer)) || failed(lowerProgram()))
    return failure();
  if (!isBinary())
    return writeProgram();
  if (!options.assetsFrom.empty() &&
      failed(check(
          copyAssets(options.assetsFrom, beside(name + ".assets"), outputs))))
    return failure();
  if (failed(linkLibrary()))
    return failure();
  return check(outputs.commit());
}

LogicalResult transom::codegen::compileProgram(ModuleOp module,
                                               const WeightSource *weights,
                                               const Machine &machine,
                                               const CompileOptions &options,
                                               CompileReport &report) {
  module.getContext()->loadDialect<LLVM::LLVMDialect>();
  return Compilation(module, weights, machine, options, report).run();
}
