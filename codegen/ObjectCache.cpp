//===- ObjectCache.cpp - compiled kernels kept between compilations -------===//

#include "codegen/ObjectCache.h"
#include "codegen/kernels/KernelCompiler.h"
#include "codegen/link/TemporaryFolder.h"

#include "llvm/ADT/ScopeExit.h"
#include "llvm/ADT/SmallString.h"
#include "llvm/ADT/StringExtras.h"
#include "llvm/Support/FileSystem.h"
#include "llvm/Support/Path.h"
#include "llvm/Support/Process.h"
#include "llvm/Support/raw_ostream.h"
#include "llvm/Support/xxhash.h"

#include <cerrno>
#include <fcntl.h>
#include <sys/stat.h>
#include <unistd.h>

using namespace transom::codegen;
namespace fs = llvm::sys::fs;

// Counts up with every change of the layout below. Layouts of abi.h are copied
// as they are, so its version belongs to it.
static constexpr uint32_t entryVersion = 2;
static constexpr char entryMagic[8] = {'T', 'R', 'A', 'N', 'S', 'O', 'M', 'K'};

namespace {
struct EntryHeader {
  char magic[8];
  uint32_t version, abiVersion;
  uint64_t bytes, hash; ///< of what follows
};

class Writer {
public:
  template <typename T> void value(const T &value) {
    static_assert(std::is_trivially_copyable_v<T>);
    bytes.append(reinterpret_cast<const char *>(&value), sizeof(T));
  }
  void text(llvm::StringRef text) {
    value<uint64_t>(text.size());
    bytes.append(text.begin(), text.end());
  }
  template <typename T> void values(const std::vector<T> &values) {
    value<uint64_t>(values.size());
    for (const T &each : values)
      value(each);
  }
  std::string bytes;
};

/// Never reads past the end; `ok` says whether all reads were whole.
class Reader {
public:
  explicit Reader(llvm::StringRef bytes) : bytes(bytes) {}
  template <typename T> void value(T &value) {
    if (!has(sizeof(T)))
      return;
    memcpy(&value, bytes.data(), sizeof(T));
    bytes = bytes.drop_front(sizeof(T));
  }
  template <typename Text> void text(Text &text) {
    uint64_t size = 0;
    value(size);
    if (!has(size))
      return;
    text.assign(bytes.begin(), bytes.begin() + size);
    bytes = bytes.drop_front(size);
  }
  template <typename T> void values(std::vector<T> &values) {
    uint64_t size = 0;
    value(size);
    if (size > bytes.size() / sizeof(T)) {
      ok = false;
      return;
    }
    values.resize(size);
    for (T &each : values)
      value(each);
  }
  bool atEnd() const { return ok && bytes.empty(); }
  bool ok = true;

private:
  bool has(uint64_t size) { return ok = ok && size <= bytes.size(); }
  llvm::StringRef bytes;
};
} // namespace

std::string transom::codegen::serialize(const CompiledKernel &kernel,
                                        llvm::StringRef key) {
  Writer writer;
  writer.text(key);
  writer.text(kernel.family);
  writer.text(llvm::StringRef(kernel.object.data(), kernel.object.size()));
  writer.value<uint64_t>(kernel.variants.size());
  for (const CompiledKernel::Variant &variant : kernel.variants) {
    transom_kernel_variant shape = variant.shape;
    shape.run = nullptr;
    writer.text(variant.symbol);
    writer.value(shape);
  }
  writer.values(kernel.arguments);
  for (int32_t number : {kernel.grid, kernel.columns, kernel.queryOffsets,
                         kernel.keyOffsets, kernel.keyLengths})
    writer.value(number);
  writer.value(kernel.scratchBytes);
  writer.value(kernel.scratchBytesPerKey);
  writer.value(kernel.flopsPerRow);
  writer.value(kernel.flopsPerPair);

  EntryHeader header;
  memcpy(header.magic, entryMagic, sizeof(entryMagic));
  header.version = entryVersion;
  header.abiVersion = TRANSOM_ABI_VERSION;
  header.bytes = writer.bytes.size();
  header.hash = llvm::xxh3_64bits(writer.bytes);
  return std::string(reinterpret_cast<const char *>(&header), sizeof(header)) +
         writer.bytes;
}

std::optional<CompiledKernel>
transom::codegen::deserialize(llvm::StringRef bytes, llvm::StringRef key) {
  EntryHeader header;
  if (bytes.size() < sizeof(header))
    return std::nullopt;
  memcpy(&header, bytes.data(), sizeof(header));
  llvm::StringRef body = bytes.drop_front(sizeof(header));
  if (memcmp(header.magic, entryMagic, sizeof(entryMagic)) != 0 ||
      header.version != entryVersion ||
      header.abiVersion != TRANSOM_ABI_VERSION || header.bytes != body.size() ||
      header.hash != llvm::xxh3_64bits(body))
    return std::nullopt;

  CompiledKernel kernel;
  Reader reader(body);
  std::string writtenFor;
  reader.text(writtenFor);
  if (writtenFor != key)
    return std::nullopt;
  reader.text(kernel.family);
  reader.text(kernel.object);
  uint64_t variants = 0;
  reader.value(variants);
  for (uint64_t i = 0; i < variants && reader.ok; ++i) {
    CompiledKernel::Variant &variant = kernel.variants.emplace_back();
    reader.text(variant.symbol);
    reader.value(variant.shape);
  }
  reader.values(kernel.arguments);
  for (int32_t *number : {&kernel.grid, &kernel.columns, &kernel.queryOffsets,
                          &kernel.keyOffsets, &kernel.keyLengths})
    reader.value(*number);
  reader.value(kernel.scratchBytes);
  reader.value(kernel.scratchBytesPerKey);
  reader.value(kernel.flopsPerRow);
  reader.value(kernel.flopsPerPair);
  if (!reader.atEnd())
    return std::nullopt;
  return kernel;
}

std::string ObjectCache::defaultFolder() {
  llvm::SmallString<128> folder;
  if (std::optional<std::string> given =
          llvm::sys::Process::GetEnv("TRANSOM_CACHE_DIR"))
    return *given == "none" ? "" : *given;
  if (!llvm::sys::path::cache_directory(folder)) // XDG_CACHE_HOME or ~/.cache
    return "";
  llvm::sys::path::append(folder, "transom");
  return folder.str().str();
}

std::string ObjectCache::key(const KernelSpec &spec, const Machine &machine,
                             llvm::StringRef symbol) {
  std::string text;
  llvm::raw_string_ostream stream(text);
  // Every field that a schedule may look at; `name` is only the user's word
  // for them.
  stream << kernelVersion << '\n'
         << machine.halideTarget << '\n'
         << machine.floatLanes << ' ' << machine.vectorRegisters << '\n'
         << symbol << '\n'
         << describe(spec);
  llvm::XXH128_hash_t hash =
      llvm::xxh3_128bits(llvm::arrayRefFromStringRef(text));
  return llvm::utohexstr(hash.high64, /*LowerCase=*/true, /*Width=*/16) +
         llvm::utohexstr(hash.low64, /*LowerCase=*/true, /*Width=*/16);
}

/// Opens the folder of the entries, or returns an errno, negated. What is in it
/// is linked into programs of this user, so no other user may write to it;
/// entries themselves are checked too, for the time before it was closed to
/// others.
static int openFolder(const std::string &folder, bool create) {
  llvm::SmallString<128> path(folder);
  llvm::sys::path::append(path, "kernels");
  if (create) {
    if (std::error_code code = fs::create_directories(folder))
      return -code.value();
    if (mkdir(path.c_str(), 0700) != 0 && errno != EEXIST)
      return -errno;
  }
  int descriptor =
      open(path.c_str(), O_RDONLY | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC);
  if (descriptor < 0)
    return -errno;
  struct stat status;
  int error = 0;
  if (fstat(descriptor, &status) != 0)
    error = errno;
  else if (status.st_uid != geteuid())
    error = EPERM;
  else if ((status.st_mode & 077) != 0 && fchmod(descriptor, 0700) != 0)
    error = errno;
  if (error == 0)
    return descriptor;
  close(descriptor);
  return -error;
}

/// All of a file of this user that no other user can write; nullopt for any
/// other.
static std::optional<std::string> readOwn(int folder, const std::string &name) {
  int file = openat(folder, name.c_str(),
                    O_RDONLY | O_NOFOLLOW | O_NONBLOCK | O_CLOEXEC);
  if (file < 0)
    return std::nullopt;
  llvm::scope_exit closeFile([&] { close(file); });
  struct stat status;
  if (fstat(file, &status) != 0 || !S_ISREG(status.st_mode) ||
      status.st_uid != geteuid() || (status.st_mode & 022) != 0)
    return std::nullopt;
  // Read, not mapped: another process may be replacing the file.
  std::string bytes(size_t(status.st_size), '\0');
  size_t done = 0;
  while (done < bytes.size()) {
    ssize_t size = read(file, bytes.data() + done, bytes.size() - done);
    if (size < 0 && errno == EINTR)
      continue;
    if (size <= 0)
      return std::nullopt;
    done += size_t(size);
  }
  return bytes;
}

static std::string fileName(llvm::StringRef key) {
  return (key + ".kernel").str();
}

std::optional<CompiledKernel> ObjectCache::load(llvm::StringRef key) const {
  if (folder.empty())
    return std::nullopt;
  int directory = openFolder(folder, /*create=*/false);
  if (directory < 0)
    return std::nullopt;
  std::optional<std::string> bytes = readOwn(directory, fileName(key));
  close(directory);
  return bytes ? deserialize(*bytes, key) : std::nullopt;
}

void ObjectCache::store(llvm::StringRef key,
                        const CompiledKernel &kernel) const {
  if (folder.empty())
    return;
  int directory = openFolder(folder, /*create=*/true);
  if (directory < 0) {
    storeError = -directory;
    return;
  }
  llvm::scope_exit closeDirectory([&] { close(directory); });
  std::string file = fileName(key);
  std::string temporary = file + "." + uniqueDigits() + ".tmp";
  int descriptor = openat(directory, temporary.c_str(),
                          O_WRONLY | O_CREAT | O_EXCL | O_CLOEXEC, 0600);
  if (descriptor < 0) {
    storeError = errno;
    return;
  }
  llvm::raw_fd_ostream stream(descriptor, /*shouldClose=*/true);
  stream << serialize(kernel, key);
  stream.close();
  int error = stream.error().value();
  stream.clear_error();
  if (error == 0 &&
      renameat(directory, temporary.c_str(), directory, file.c_str()) != 0)
    error = errno;
  if (error == 0)
    return;
  (void)unlinkat(directory, temporary.c_str(), 0);
  storeError = error;
}

std::string ObjectCache::problem() const {
  int code = storeError;
  if (code == 0)
    return "";
  return "cannot write the object cache '" + folder +
         "': " + std::generic_category().message(code);
}
