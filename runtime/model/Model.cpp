//===- Model.cpp - opening a library: CPU, weights ------------------------===//
#include "runtime/model/Model.h"

#include "runtime/Error.h"
#include "runtime/Memory.h"
#include "runtime/arch/Arch.h"
#include "runtime/entry.h"

#include <cerrno>
#include <cinttypes>
#include <climits>
#include <cstdio>
#include <cstdlib>
#include <cstring>
#include <dlfcn.h>
#include <fcntl.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <unistd.h>

using namespace transom;

/// Of the path of a weights file and its hash.
static constexpr char interimFormat[] = "%s"
#include "runtime/model/interim_suffix.def"
    ;

/// The name of a bit of transom_cpu_feature; null: this runtime has none.
static const char *featureName(int bit) {
  switch (bit) {
#define TRANSOM_CPU_FEATURE(BIT, NAME, LINUX, LLVM)                            \
  case BIT:                                                                    \
    return LINUX;
#include "runtime/arch/cpu_features.def"
  default:
    return nullptr;
  }
}

static transom_status checkCpu(const transom_library &library) {
  uint64_t missing = missingCpuFeatures(library.cpu_features);
  if (missing == 0)
    return TRANSOM_OK;
  char list[512] = "";
  size_t length = 0;
  for (int i = 0; i < 64; ++i)
    if (missing >> i & 1) {
      char number[24];
      snprintf(number, sizeof(number), "feature %d", i);
      const char *name = featureName(i);
      length += size_t(snprintf(list + length, sizeof(list) - length, "%s%s",
                                length ? ", " : "", name ? name : number));
      if (length >= sizeof(list))
        break;
    }
  return fail(TRANSOM_MISMATCH,
              "open: library '%s' was compiled for target '%s', this CPU or "
              "its operating system lacks: %s; compile with another --target",
              library.name, library.target, list);
}

/// Compares a weights header with its library. `where` names the weights.
static transom_status checkHeader(const transom_library &library,
                                  const transom_weights_header &header,
                                  const char *where) {
  if (memcmp(header.magic, TRANSOM_WEIGHTS_MAGIC, sizeof(header.magic)) != 0)
    return fail(TRANSOM_MISMATCH,
                "open: weights '%s': expected a weights file of Transom, which "
                "begins with \"%s\"",
                where, TRANSOM_WEIGHTS_MAGIC);
  if (header.abi_version != TRANSOM_ABI_VERSION ||
      header.header_bytes != sizeof(header))
    return fail(TRANSOM_MISMATCH,
                "open: weights '%s': expected ABI version %u with a header of "
                "%zu bytes, got version %" PRIu32 " with %" PRIu32 " bytes",
                where, TRANSOM_ABI_VERSION, sizeof(header), header.abi_version,
                header.header_bytes);
  if (header.hash != library.weights_hash ||
      header.bytes != library.weights_bytes)
    return fail(TRANSOM_MISMATCH,
                "open: weights '%s' are not those of library '%s': expected "
                "hash %016" PRIx64 " and %" PRIu64 " bytes, got %016" PRIx64
                " and %" PRIu64 " bytes",
                where, library.name, library.weights_hash,
                library.weights_bytes, header.hash, header.bytes);
  return TRANSOM_OK;
}

/// The path of the file that is mapped at `address`: absolute, without symbolic
/// links, and as it was when the loader mapped the file, whatever the working
/// folder or a link is now. False if the system has no such table, or if the
/// path doesn't fit into PATH_MAX bytes.
static bool mappedFile(const void *address, char *path) {
  FILE *maps = fopen("/proc/self/maps", "re");
  if (!maps)
    return false;
  // Numbers take 73 columns at most; of a longer line the rest comes as lines
  // of its own, which begin with no range.
  char line[PATH_MAX + 128];
  bool found = false, isWhole = true;
  while (!found && fgets(line, sizeof(line), maps)) {
    bool begins = isWhole;
    char *end = strchr(line, '\n');
    isWhole = end;
    char *next = line;
    uintptr_t first = strtoull(next, &next, 16);
    if (!begins || !end || *next != '-')
      continue;
    uintptr_t last = strtoull(next + 1, &next, 16);
    char *name = strchr(line, '/'); // No column before the path has one.
    if (uintptr_t(address) < first || uintptr_t(address) >= last || !name)
      continue;
    *end = '\0';
    // A line feed in a name, the only character that is escaped.
    char *to = name;
    for (const char *from = name; *from; ++to)
      if (strncmp(from, "\\012", 4) == 0) {
        *to = '\n';
        from += 4;
      } else {
        *to = *from++;
      }
    *to = '\0';
    // The library may have been replaced since: its folder is the same.
    constexpr char deleted[] = " (deleted)";
    constexpr size_t length = sizeof(deleted) - 1;
    if (size_t(to - name) > length && strcmp(to - length, deleted) == 0 &&
        access(name, F_OK) != 0)
      *(to -= length) = '\0';
    found = to - name < PATH_MAX;
    if (found)
      memcpy(path, name, size_t(to - name) + 1);
  }
  fclose(maps);
  return found;
}

/// The folder of the binary that contains `library`, with its last slash;
/// an empty text for the working folder. False if it doesn't fit into PATH_MAX
/// bytes.
static bool binaryFolder(const transom_library *library, char *folder) {
  Dl_info info;
  if (mappedFile(library, folder)) {
    // The file itself, whatever name the loader has of it.
  } else if (dladdr(library, &info) && info.dli_fname &&
             strchr(info.dli_fname, '/')) {
    if (!realpath(info.dli_fname, folder))
      return false;
  } else {
    // The main program is known by how it was called, maybe without a folder.
    ssize_t length = readlink("/proc/self/exe", folder, PATH_MAX - 1);
    folder[length < 0 ? 0 : length] = '\0';
  }
  char *slash = strrchr(folder, '/');
  (slash ? slash + 1 : folder)[0] = '\0';
  return true;
}

/// Maps the weights file at `path` and checks it.
static transom_status mapWeights(const transom_library &library,
                                 const char *path, transom_model &model) {
  // Opening a pipe would otherwise wait for someone who writes to it.
  int file = open(path, O_RDONLY | O_CLOEXEC | O_NONBLOCK | O_NOCTTY);
  if (file < 0)
    return fail(TRANSOM_IO_ERROR,
                "open: weights '%s' of library '%s' can't be opened: %s", path,
                library.name, errorText(errno));
  struct stat status;
  transom_weights_header header;
  transom_status result = TRANSOM_OK;
  void *memory = MAP_FAILED;
  if (fstat(file, &status) != 0)
    result = fail(TRANSOM_IO_ERROR, "open: weights '%s' can't be read: %s",
                  path, errorText(errno));
  else if (!S_ISREG(status.st_mode))
    result = fail(TRANSOM_IO_ERROR,
                  "open: weights '%s': expected a regular file", path);
  else if (uint64_t(status.st_size) < sizeof(header))
    result = fail(TRANSOM_MISMATCH,
                  "open: weights '%s': expected %" PRIu64
                  " bytes, got %lld; the file is cut off",
                  path, library.weights_bytes, (long long)status.st_size);
  else if (pread(file, &header, sizeof(header), 0) != sizeof(header))
    result = fail(TRANSOM_IO_ERROR, "open: weights '%s' can't be read: %s",
                  path, errorText(errno));
  else
    result = checkHeader(library, header, path);
  if (result == TRANSOM_OK && uint64_t(status.st_size) != header.bytes)
    result = fail(TRANSOM_MISMATCH,
                  "open: weights '%s': expected %" PRIu64
                  " bytes, got %lld; the file is cut off or has grown",
                  path, header.bytes, (long long)status.st_size);
  if (result == TRANSOM_OK) {
    memory = mmap(nullptr, header.bytes, PROT_READ, MAP_SHARED, file, 0);
    if (memory == MAP_FAILED)
      result = fail(errno == ENOMEM ? TRANSOM_EXHAUSTED : TRANSOM_IO_ERROR,
                    "open: weights '%s' can't be mapped: %s", path,
                    errorText(errno));
  }
  close(file); // The mapping keeps the file.
  if (result != TRANSOM_OK)
    return result;
  // Reading starts now and goes on while sessions are made; huge pages where
  // the file system has them for files. Pages are entered by the first run that
  // touches them (65 us a megabyte, on all threads), not by opening, which
  // stays at 0.1 ms: not every process that opens a model runs all of it.
  madvise(memory, header.bytes, MADV_WILLNEED);
  madvise(memory, header.bytes, MADV_HUGEPAGE);
  model.weights = static_cast<const uint8_t *>(memory);
  model.mappedBytes = header.bytes;
  return TRANSOM_OK;
}

static transom_status findWeights(const transom_library &library,
                                  const char *path, transom_model &model) {
  if (!path && library.embedded_weights) {
    transom_weights_header header;
    memcpy(&header, library.embedded_weights, sizeof(header));
    model.weights = static_cast<const uint8_t *>(library.embedded_weights);
    return checkHeader(library, header, "embedded");
  }
  if (path)
    return mapWeights(library, path, model);
  char folder[PATH_MAX], beside[PATH_MAX], interim[PATH_MAX];
  if (!binaryFolder(&library, folder))
    return fail(TRANSOM_IO_ERROR,
                "open: the path of the folder of library '%s' can't be found "
                "or is too long; give the path of its weights",
                library.name);
  int length =
      snprintf(beside, sizeof(beside), "%s%s.weights", folder, library.name);
  int longer = snprintf(interim, sizeof(interim), interimFormat, beside,
                        static_cast<unsigned long long>(library.weights_hash));
  if (length < 0 || size_t(length) >= sizeof(beside))
    return fail(TRANSOM_IO_ERROR,
                "open: the path of the weights of library '%s' is too long",
                library.name);
  transom_status status = mapWeights(library, beside, model);
  if (status == TRANSOM_OK || status == TRANSOM_EXHAUSTED || longer < 0 ||
      size_t(longer) >= sizeof(interim))
    return status;
  // A compiler that replaces library and weights has renamed the library, but
  // not yet its weights; or they have got their name since the first look.
  // The last look's message is of the name that a user knows.
  return mapWeights(library, interim, model) == TRANSOM_OK
             ? TRANSOM_OK
             : mapWeights(library, beside, model);
}

transom_status transom_open(const transom_library *library,
                            const char *weights_path, transom_model **result) {
  if (!result)
    return fail(TRANSOM_INVALID_ARGUMENT,
                "open: 'model' expects a place for the result, got null");
  *result = nullptr;
  if (transom_status status = checkLibrary(*library))
    return status;
  if (transom_status status = checkCpu(*library))
    return status;
  transom_model *model = create<transom_model>();
  if (!model)
    return fail(TRANSOM_EXHAUSTED, "open: no memory for library '%s'",
                library->name);
  model->library = library;
  if (transom_status status = findWeights(*library, weights_path, *model)) {
    destroy(model);
    return status;
  }
  *result = model;
  return TRANSOM_OK;
}

void transom_close(transom_model *model) {
  if (!model || model->references.fetch_sub(1, std::memory_order_acq_rel) != 1)
    return;
  if (model->mappedBytes)
    munmap(const_cast<uint8_t *>(model->weights), model->mappedBytes);
  destroy(model);
}
