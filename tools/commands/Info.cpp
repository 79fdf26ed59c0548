//===- Info.cpp - transom info: what a compiled library is ----------------===//

#include "tools/commands/Commands.h"
#include "tools/commands/Library.h"

#include "llvm/ADT/StringExtras.h"
#include "llvm/Support/FileSystem.h"
#include "llvm/Support/Format.h"
#include "llvm/Support/raw_ostream.h"

using namespace llvm;

namespace transom {

static cl::SubCommand flags("info", "describe a compiled library");

static cl::opt<std::string> path(cl::Positional, cl::Required, cl::desc("LIB"),
                                 cl::sub(flags));
static cl::opt<bool> asJson("json", cl::desc("print the library's metadata"),
                            cl::sub(flags));

static void printTensors(StringRef title, ArrayRef<TensorInfo> tensors) {
  for (const TensorInfo &tensor : tensors) {
    outs() << left_justify(title, 10) << tensor.name << "  " << tensor.dtype
           << " [" << join(tensor.dims, ", ") << "]";
    if (tensor.bound)
      outs() << " in [0, " << tensor.bound << ")";
    if (!tensor.fallback.empty())
      outs() << ", if left out: " << tensor.fallback;
    outs() << '\n';
    title = "";
  }
}

static int run() {
  Expected<Library> library = Library::load(path);
  if (!library)
    return exitCode(library.takeError());
  const json::Object &metadata = library->metadata();
  if (asJson) {
    outs() << formatv("{0:2}\n", json::Value(json::Object(metadata)));
    return 0;
  }
  auto line = [&](StringRef title, StringRef key) {
    if (std::optional<StringRef> text = metadata.getString(key))
      outs() << left_justify(title, 10) << *text << '\n';
  };
  outs() << left_justify("name", 10) << library->entry().name << '\n';
  line("model", "model_type");
  line("task", "task");
  printTensors("inputs", library->inputs());
  printTensors("outputs", library->outputs());
  if (const json::Object *cache = metadata.getObject("cache"))
    outs() << left_justify("cache", 10)
           << cache->getInteger("columns").value_or(0) * sizeof(float)
           << " bytes a token, in blocks of "
           << cache->getInteger("block_tokens").value_or(0) << '\n';
  line("dtype", "dtype");
  line("target", "target");
  line("cpu", "cpu");
  if (const json::Array *features = metadata.getArray("cpu_features")) {
    outs() << left_justify("needs", 10);
    interleave(
        *features, outs(),
        [](const json::Value &feature) {
          outs() << feature.getAsString().value_or("");
        },
        " ");
    outs() << '\n';
  }
  uint64_t size = 0;
  if (std::error_code code = sys::fs::file_size(path, size)) {
    errs() << "error: " << path << ": " << code.message() << '\n';
    return 1;
  }
  outs() << left_justify("library", 10) << size << " bytes\n";
  outs() << left_justify("weights", 10)
         << metadata.getInteger("weights_bytes").value_or(0) << " bytes, hash "
         << metadata.getString("weights_hash").value_or("") << '\n';
  outs() << left_justify("compiler", 10)
         << metadata.getString("compiler").value_or("") << ", ABI "
         << library->entry().abi_version << '\n';
  return 0;
}

Command infoCommand() { return {flags, run}; }

} // namespace transom
