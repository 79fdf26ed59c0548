//===- KernelCompiler.cpp - from a kernel spec to an object file ----------===//
#include "codegen/kernels/KernelCompiler.h"

#include "codegen/kernels/Kernel.h"

#include <cerrno>
#include <cstring>
#include <exception>
#include <set>
#include <sys/mman.h>
#include <unistd.h>

using namespace transom::codegen;

const char *const transom::codegen::kernelVersion =
#include "KernelSourcesHash.inc"
    ;

namespace {

const Family &familyOf(const LinearSpec &) { return linearFamily(); }
const Family &familyOf(const AttentionSpec &) { return attentionFamily(); }
const Family &familyOf(const AppendCacheSpec &) { return appendCacheFamily(); }
const Family &familyOf(const CachedAttentionSpec &) {
  return cachedAttentionFamily();
}
const Family &familyOf(const RotarySpec &) { return rotaryFamily(); }
const Family &familyOf(const NormSpec &) { return normFamily(); }
const Family &familyOf(const EmbeddingSpec &) { return embeddingFamily(); }
const Family &familyOf(const RowProgramSpec &) { return rowProgramFamily(); }

const Family &familyOf(const KernelSpec &spec) {
  return std::visit(
      [](const auto &each) -> const Family & { return familyOf(each); }, spec);
}

/// A file in memory: Halide writes to names only, and a name on a disk would
/// have to be cleaned up by everyone who dies on the way.
class MemoryFile {
public:
  explicit MemoryFile(const char *name)
      : descriptor(memfd_create(name, MFD_CLOEXEC)) {
    if (descriptor < 0)
      throw std::runtime_error(std::string("cannot make a file in memory: ") +
                               std::strerror(errno));
  }
  MemoryFile(const MemoryFile &) = delete;
  MemoryFile &operator=(const MemoryFile &) = delete;
  ~MemoryFile() { close(descriptor); }

  std::string path() const {
    return "/proc/self/fd/" + std::to_string(descriptor);
  }

  template <typename Bytes> Bytes read() const {
    off_t size = lseek(descriptor, 0, SEEK_END);
    Bytes bytes(size < 0 ? 0 : static_cast<size_t>(size), 0);
    size_t done = 0;
    while (done < bytes.size()) {
      ssize_t count = pread(descriptor, bytes.data() + done,
                            bytes.size() - done, static_cast<off_t>(done));
      if (count <= 0)
        throw std::runtime_error(
            std::string("cannot read what Halide wrote: ") +
            std::strerror(errno));
      done += static_cast<size_t>(count);
    }
    return bytes;
  }

private:
  int descriptor;
};

void compile(const Family &family, const KernelSpec &spec,
             const Machine &machine, const std::string &symbol,
             const KernelOptions &options, CompiledKernel &kernel) {
  Halide::Target target(machine.halideTarget);
  if (family.addressesLargeBuffers())
    target.set_feature(Halide::Target::LargeBuffers);
  kernel = family.plan(spec, machine);
  kernel.family = family.name();
  std::vector<Halide::Module> modules;
  std::set<std::string> names;
  for (size_t v = 0; v < kernel.variants.size(); ++v) {
    std::string &name = kernel.variants[v].symbol;
    name.insert(0, symbol);
    if (!names.insert(name).second)
      continue; // Another number of rows for the same function.
    std::unique_ptr<Kernel> function = family.build(spec, machine, v);
    if (options.schedule)
      function->schedule(machine);
    modules.push_back(
        Halide::Pipeline(function->results())
            .compile_to_module(function->arguments(), name, target,
                               Halide::LinkageType::ExternalPlusArgv));
    kernel.arguments = function->launchArguments();
  }

  MemoryFile object("object"), assembly("assembly"), statement("statement");
  std::map<Halide::OutputFileType, std::string> files = {
      {Halide::OutputFileType::object, object.path()}};
  if (options.emitAssembly)
    files[Halide::OutputFileType::assembly] = assembly.path();
  if (options.emitStatement)
    files[Halide::OutputFileType::stmt] = statement.path();
  Halide::link_modules(symbol, modules).compile(files);
  kernel.object = object.read<std::vector<char>>();
  kernel.assembly = assembly.read<std::string>();
  kernel.statement = statement.read<std::string>();
}

} // namespace

const char *transom::codegen::refusalOf(const KernelSpec &spec,
                                        const Machine &machine) {
  return familyOf(spec).refusal(spec, machine);
}

std::map<int32_t, Packing> transom::codegen::packingOf(const KernelSpec &spec,
                                                       const Machine &machine) {
  return familyOf(spec).plan(spec, machine).packing;
}

bool transom::codegen::compileKernel(
    const KernelSpec &spec, const Machine &machine, const std::string &symbol,
    const KernelOptions &options, CompiledKernel &kernel, std::string &error) {
  if (const char *refusal = refusalOf(spec, machine)) {
    error = "no kernel accepts " + describe(spec) + ": " + refusal;
    return false;
  }
  std::string what;
  try {
    compile(familyOf(spec), spec, machine, symbol, options, kernel);
    return true;
  } catch (const Halide::Error &exception) { // Not a std::exception.
    what = exception.what();
  } catch (const std::exception &exception) {
    what = exception.what();
  }
  while (!what.empty() && what.back() == '\n')
    what.pop_back();
  error = "kernel \"" + symbol + "\" does not compile: " + what +
          "; spec: " + describe(spec);
  return false;
}
