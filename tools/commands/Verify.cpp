//===- Verify.cpp - transom verify: do all stages give the same numbers ---===//

#include "tools/commands/Commands.h"
#include "tools/commands/Diagnostics.h"
#include "tools/commands/Library.h"

#include "codegen/Compiler.h"
#include "codegen/ObjectCache.h"
#include "frontends/huggingface/HuggingFace.h"
#include "passes/Pipelines.h"
#include "passes/StageChecker.h"
#include "tools/Registry.h"

#include "mlir/IR/MLIRContext.h"
#include "mlir/Pass/PassManager.h"
#include "llvm/Support/FileSystem.h"
#include "llvm/Support/Format.h"
#include "llvm/Support/Path.h"
#include "llvm/Support/raw_ostream.h"

using namespace llvm;

namespace transom {

static cl::SubCommand flags("verify",
                            "hold every stage of compilation against the "
                            "model's definition, in numbers");

static cl::opt<std::string> folder(cl::Positional, cl::Required,
                                   cl::desc("MODEL"), cl::sub(flags));
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
              cl::desc("stop before machine code is made and run"),
              cl::sub(flags));
static cl::opt<std::string> task("task", cl::value_desc("task"),
                                 cl::desc("default: what config.json asks for"),
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

/// A folder that goes with all in it.
class TemporaryFolder {
public:
  Error create() {
    if (std::error_code code =
            sys::fs::createUniqueDirectory("transom-verify", path))
      return createStringError(code, "cannot make a temporary folder: %s",
                               code.message().c_str());
    return Error::success();
  }
  ~TemporaryFolder() {
    if (!path.empty())
      (void)sys::fs::remove_directories(path);
  }
  std::string file(StringRef name) const {
    SmallString<128> result(path);
    sys::path::append(result, name);
    return std::string(result);
  }

private:
  SmallString<128> path;
};

/// An integer tensor of the batch as a library takes it; `values` holds it.
static transom_tensor makeInput(StringRef name,
                                const interpreter::Tensor &tensor,
                                std::vector<int64_t> &values) {
  values.assign(tensor.integers().begin(), tensor.integers().end());
  transom_tensor result = {};
  result.name = name.data();
  result.data = values.data();
  result.capacity = values.size() * sizeof(int64_t);
  result.dtype = TRANSOM_INT64;
  result.rank = tensor.getRank();
  copy(tensor.getShape(), result.dims);
  return result;
}

/// Runs the library at `path` on the batch; its outputs in the order in which
/// the model's function has them.
static Expected<SmallVector<interpreter::Tensor>>
runLibrary(StringRef path, const StageChecker &checker) {
  Expected<Library> library = Library::load(path);
  if (!library)
    return library.takeError();
  Expected<Session> session =
      Session::open(*library, /*weights=*/"", /*threads=*/0);
  if (!session)
    return session.takeError();

  const interpreter::Batch &batch = checker.getBatch();
  std::vector<std::vector<int64_t>> values(batch.getInputs().size() + 1);
  std::vector<transom_tensor> inputs, outputs;
  for (auto &input : batch.getInputs())
    inputs.push_back(
        makeInput(input.getKey(), input.second, values[inputs.size()]));
  std::string maskName = batch.getMaskName().str();
  if (!maskName.empty())
    inputs.push_back(
        makeInput(maskName, batch.getMask(), values[inputs.size()]));

  ArrayRef<interpreter::Tensor> expected = checker.getExpected();
  std::vector<std::vector<float>> memory(expected.size());
  if (library->outputs().size() != expected.size())
    return createStringError("the library has %zu outputs, the model %zu",
                             library->outputs().size(), expected.size());
  for (auto [info, tensor, floats] :
       zip_equal(library->outputs(), expected, memory)) {
    floats.resize(tensor.getNumElements());
    transom_tensor output = {};
    output.name = info.name.c_str();
    output.data = floats.data();
    output.capacity = floats.size() * sizeof(float);
    output.dtype = TRANSOM_FLOAT32;
    outputs.push_back(output);
  }
  if (Error error = library->check(
          library->entry().run(session->get(), inputs.data(), inputs.size(),
                               outputs.data(), outputs.size())))
    return error;

  SmallVector<interpreter::Tensor> results;
  for (auto [tensor, floats, output] : zip_equal(expected, memory, outputs)) {
    if (tensor.getShape() != ArrayRef(output.dims, output.rank))
      return createStringError("output '%s' has other extents than the model's",
                               output.name);
    interpreter::Tensor result(tensor.getElementType(), tensor.getShape());
    copy(floats, result.floats().begin());
    results.push_back(result);
  }
  return results;
}

/// Compiles the planned program and runs it.
static Expected<SmallVector<interpreter::Tensor>>
compileAndRun(mlir::ModuleOp module, const WeightSource *weights,
              const StageChecker &checker) {
  std::string message;
  std::optional<codegen::Machine> machine =
      codegen::Machine::fromTarget("host", message);
  if (!machine)
    return createStringError(message);
  TemporaryFolder folder;
  if (Error error = folder.create())
    return error;
  codegen::CompileOptions options;
  options.output = folder.file("libverified.so");
  options.cacheFolder = codegen::ObjectCache::defaultFolder();
  codegen::CompileReport report;
  if (mlir::failed(
          codegen::compileProgram(module, weights, *machine, options, report)))
    return createStringError("the program cannot be compiled");
  return runLibrary(options.output, checker);
}

static int run() {
  mlir::DialectRegistry registry;
  registerDialects(registry);
  codegen::registerCodegenDialects(registry);
  mlir::MLIRContext context(registry);
  // A message names its place; the op in full would bury it.
  context.printOpOnDiagnostic(false);
  DiagnosticPrinter printer(context);
  huggingface::Problems problems;
  huggingface::ImportedModel model =
      huggingface::importModel(context, folder, {task}, problems);
  problems.print(errs());
  if (!model.module)
    return 1;

  mlir::FailureOr<StageChecker> checker =
      StageChecker::create(*model.module, "forward", model.weights.get());
  if (mlir::failed(checker))
    return 1;
  int64_t tokens = 0;
  for (int64_t present : checker->getBatch().getMask().integers())
    tokens += present;
  outs() << model.description << "; largest error over rms on "
         << checker->getBatch().getMask().getShape()[0] << " sequences of "
         << tokens << " tokens:\n";

  Table table;
  mlir::PassManager manager(&context);
  buildPipeline(manager, FusionOptions());
  if (bisect)
    checker->checkEachPass(
        manager, [&](const StageChecker::Stage &stage) { table.add(stage); });
  if (mlir::failed(manager.run(*model.module)))
    return 1;
  if (!bisect)
    table.add(checker->check("passes", *model.module));
  if (!noLibrary) {
    Expected<SmallVector<interpreter::Tensor>> results =
        compileAndRun(*model.module, model.weights.get(), *checker);
    if (!results) {
      errs() << "error: library: " << toString(results.takeError()) << '\n';
      return 1;
    }
    table.add(checker->compare("library", *results));
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
