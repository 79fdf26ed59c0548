//===- Verify.cpp - transom verify: do all stages give the same numbers ---===//

#include "tools/commands/Commands.h"
#include "tools/commands/Diagnostics.h"
#include "tools/commands/Library.h"
#include "tools/commands/Model.h"

#include "codegen/Compiler.h"
#include "codegen/ObjectCache.h"
#include "codegen/link/OutputFiles.h"
#include "passes/Pipelines.h"
#include "tools/Registry.h"
#include "verify/CompiledLibrary.h"

#include "mlir/IR/MLIRContext.h"
#include "mlir/Pass/PassManager.h"
#include "llvm/ADT/ScopeExit.h"
#include "llvm/Support/FileSystem.h"
#include "llvm/Support/Format.h"
#include "llvm/Support/Path.h"
#include "llvm/Support/raw_ostream.h"

#include <cerrno>
#include <cstdlib>

using namespace llvm;

namespace transom {

using verify::StageChecker;

static cl::SubCommand flags("verify",
                            "compare what each stage of compilation computes "
                            "with the model's definition");

static ModelFlags model(flags);
static cl::opt<bool> bisect("bisect",
                            cl::desc("compare after each pass, and name the "
                                     "first that changes the results"),
                            cl::sub(flags));
static cl::opt<double>
    tolerance("tolerance", cl::init(1e-4), cl::value_desc("x"),
              cl::desc("largest difference over the root mean square of an "
                       "output; default: 1e-4"),
              cl::sub(flags));
static cl::opt<bool>
    noLibrary("no-library",
              cl::desc("compare the passes alone: compile and run no library"),
              cl::sub(flags));

namespace {

/// Prints a line a stage, and remembers the first that departs.
class Table {
public:
  void add(const StageChecker::Stage &stage) {
    outs() << left_justify(stage.name, 20);
    for (double error : stage.errors)
      outs() << format("  %10.2e", error);
    bool departs = !(stage.getError() <= tolerance);
    outs() << (departs ? "  departs\n" : "\n");
    if (departs && first.empty())
      first = stage.name;
  }
  StringRef firstDeparture() const { return first; }

private:
  std::string first;
};

} // namespace

/// Compiles the planned programs and runs them.
static Expected<StageChecker::Stage>
compileAndRun(mlir::ModuleOp module, const WeightSource *weights,
              const StageChecker &checker) {
  std::string message;
  std::optional<codegen::Machine> machine =
      codegen::Machine::fromTarget("host", message);
  if (!machine)
    return createStringError(message);
  // Not a TemporaryFolder: its lock would be held when the compiler locks the
  // folder of its outputs, and wait for itself. mkdtemp takes a % as it is.
  SmallString<64> folder;
  sys::path::system_temp_directory(/*ErasedOnReboot=*/true, folder);
  sys::path::append(folder, "transom-verify-XXXXXX");
  if (!mkdtemp(const_cast<char *>(folder.c_str())))
    return codegen::writeError(folder,
                               std::error_code(errno, std::generic_category()));
  scope_exit remove([&] { (void)sys::fs::remove_directories(folder); });
  codegen::CompileOptions options;
  options.output = (folder + "/libverified.so").str();
  options.cacheFolder = codegen::ObjectCache::defaultFolder();
  codegen::CompileReport report;
  if (mlir::failed(
          codegen::compileProgram(module, weights, *machine, options, report)))
    return createStringError("the program cannot be compiled");
  Expected<Library> library = Library::load(options.output);
  if (!library)
    return library.takeError();
  Expected<Session> session =
      Session::open(*library, /*weights=*/"", /*threads=*/0);
  if (!session)
    return session.takeError();
  return verify::checkLibrary(library->entry(), session->get(), module,
                              checker);
}

static int run() {
  mlir::DialectRegistry registry;
  registerDialects(registry);
  codegen::registerCodegenDialects(registry);
  mlir::MLIRContext context(registry);
  // A message names its place; the op in full would bury it.
  context.printOpOnDiagnostic(false);
  DiagnosticPrinter printer(context);
  ImportedModel imported = readModel(context, model.path, model.options());
  if (!imported.module)
    return 1;

  mlir::FailureOr<StageChecker> checker =
      StageChecker::create(*imported.module, "forward", imported.weights.get());
  if (mlir::failed(checker))
    return 1;
  int64_t tokens = 0;
  for (int64_t present : checker->getBatch().getMask().integers())
    tokens += present;
  outs() << imported.description << "; largest error over rms on "
         << checker->getBatch().getMask().getShape()[0] << " sequences of "
         << tokens << " tokens:\n";

  Table table;
  mlir::PassManager manager(&context);
  buildPipeline(manager, FusionOptions());
  if (bisect)
    checker->checkEachPass(
        manager, [&](const StageChecker::Stage &stage) { table.add(stage); });
  if (mlir::failed(manager.run(*imported.module)))
    return 1;
  if (!bisect)
    table.add(checker->check("passes", *imported.module));
  if (!noLibrary) {
    Expected<StageChecker::Stage> stage =
        compileAndRun(*imported.module, imported.weights.get(), *checker);
    if (!stage) {
      errs() << "error: library: " << toString(stage.takeError()) << '\n';
      return 1;
    }
    table.add(*stage);
  }

  if (table.firstDeparture().empty())
    return 0;
  outs().flush();
  errs() << "error: \"" << table.firstDeparture()
         << "\" is the first stage that changes the results by more than "
         << format("%g", double(tolerance)) << '\n';
  if (!bisect && table.firstDeparture() != "library")
    errs() << "note: --bisect names the pass\n";
  return 1;
}

Command verifyCommand() { return {flags, run}; }

} // namespace transom
