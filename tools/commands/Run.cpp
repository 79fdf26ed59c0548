//===- Run.cpp - transom run: one batch through a compiled library --------===//

#include "tools/commands/Commands.h"
#include "tools/commands/Library.h"
#include "tools/commands/Npy.h"

#include "llvm/ADT/StringExtras.h"
#include "llvm/Support/FileSystem.h"
#include "llvm/Support/MemoryBuffer.h"
#include "llvm/Support/Path.h"
#include "llvm/Support/raw_ostream.h"

using namespace llvm;

namespace transom {

static cl::SubCommand flags("run", "run a compiled library on NumPy arrays");

static cl::opt<std::string> path(cl::Positional, cl::Required, cl::desc("LIB"),
                                 cl::sub(flags));
static cl::list<std::string> inputs(
    "input", cl::value_desc("NAME=FILE.npy"),
    cl::desc("an input: [batch, length], or [tokens] beside "
             "sequence_offsets; output positions: [count]; a token index: "
             "[batch]"),
    cl::sub(flags));
static cl::opt<std::string>
    outputFolder("output-dir", cl::Required, cl::value_desc("folder"),
                 cl::desc("folder for the file NAME.npy of each output"),
                 cl::sub(flags));
static cl::list<std::string>
    wanted("outputs", cl::CommaSeparated, cl::value_desc("names"),
           cl::desc("outputs to compute; default: all"), cl::sub(flags));
static cl::opt<std::string>
    weights("weights", cl::value_desc("file"),
            cl::desc("weights of the library; default: NAME.weights beside it"),
            cl::sub(flags));
static cl::opt<int>
    threads("threads", cl::init(0), cl::value_desc("n"),
            cl::desc("threads of the session; default: as the library decides"),
            cl::sub(flags));

static Expected<NpyArray> readInput(StringRef file) {
  auto buffer = MemoryBuffer::getFile(file, /*IsText=*/false,
                                      /*RequiresNullTerminator=*/false);
  if (!buffer)
    return createStringError("%s: %s", file.str().c_str(),
                             buffer.getError().message().c_str());
  Expected<NpyArray> array = parseNpy((*buffer)->getBuffer());
  if (!array)
    return createStringError("%s: %s", file.str().c_str(),
                             toString(array.takeError()).c_str());
  if (array->type == NpyArray::Type::Float32)
    return createStringError("%s: expected int32 or int64, got float32",
                             file.str().c_str());
  if (array->shape.size() > 4)
    return createStringError("%s: expected at most 4 dimensions, got %zu",
                             file.str().c_str(), array->shape.size());
  return array;
}

static Error writeOutput(const transom_tensor &tensor, size_t bytes) {
  SmallString<128> file(outputFolder);
  sys::path::append(file, Twine(tensor.name) + ".npy");
  return writeToOutput(file, [&](raw_ostream &os) {
    os << formatNpy(NpyArray::Type::Float32, ArrayRef(tensor.dims, tensor.rank),
                    StringRef(static_cast<const char *>(tensor.data), bytes));
    return Error::success();
  });
}

static Error runLibrary() {
  Expected<Library> library = Library::load(path);
  if (!library)
    return library.takeError();

  std::vector<NpyArray> arrays;
  std::vector<std::string> names;
  for (StringRef input : inputs) {
    auto [name, file] = input.split('=');
    if (name.empty() || file.empty())
      return createStringError("--input=%s: expected NAME=FILE.npy",
                               input.str().c_str());
    Expected<NpyArray> array = readInput(file);
    if (!array)
      return array.takeError();
    arrays.push_back(std::move(*array));
    names.push_back(name.str());
  }
  std::vector<transom_tensor> given(arrays.size());
  for (auto [tensor, array, name] : zip_equal(given, arrays, names)) {
    tensor = {};
    tensor.name = name.c_str();
    tensor.data = array.data.data();
    tensor.capacity = array.data.size();
    tensor.dtype =
        array.type == NpyArray::Type::Int64 ? TRANSOM_INT64 : TRANSOM_INT32;
    tensor.rank = array.shape.size();
    copy(array.shape, tensor.dims);
  }

  std::vector<std::string> outputNames(wanted.begin(), wanted.end());
  if (outputNames.empty())
    for (const TensorInfo &output : library->outputs())
      outputNames.push_back(output.name);
  std::vector<transom_tensor> results(outputNames.size());
  for (auto [tensor, name] : zip_equal(results, outputNames)) {
    tensor = {};
    tensor.name = name.c_str();
    tensor.dtype = TRANSOM_FLOAT32;
  }

  Expected<Session> session = Session::open(*library, weights, threads);
  if (!session)
    return session.takeError();
  // Without memory for them a run only says how large the outputs are.
  auto runOnce = [&] {
    return library->check(library->entry().run(session->get(), given.data(),
                                               given.size(), results.data(),
                                               results.size()));
  };
  if (Error error = runOnce())
    return error;
  std::vector<std::vector<float>> memory(results.size());
  for (auto [tensor, floats] : zip_equal(results, memory)) {
    int64_t elements = 1;
    for (int64_t dim : ArrayRef(tensor.dims, tensor.rank))
      elements *= dim;
    // Null would say again that no memory is given: an empty batch.
    floats.resize(std::max<int64_t>(elements, 1));
    tensor.data = floats.data();
    tensor.capacity = elements * sizeof(float);
  }
  if (Error error = runOnce())
    return error;

  if (std::error_code code = sys::fs::create_directories(outputFolder))
    return createStringError(code, "cannot make the folder '%s': %s",
                             outputFolder.c_str(), code.message().c_str());
  for (const transom_tensor &tensor : results) {
    if (Error error = writeOutput(tensor, tensor.capacity))
      return error;
    outs() << tensor.name << " ["
           << join(map_range(ArrayRef(tensor.dims, tensor.rank),
                             [](int64_t dim) { return std::to_string(dim); }),
                   ", ")
           << "]\n";
  }
  return Error::success();
}

static int run() { return exitCode(runLibrary()); }

Command runCommand() { return {flags, run}; }

} // namespace transom
