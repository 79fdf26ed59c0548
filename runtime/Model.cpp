//===- Model.cpp - opening a library: ABI, CPU, weights -------------------===//
#include "runtime/Model.h"

#include "runtime/Error.h"
#include "runtime/Memory.h"
#include "runtime/entry.h"

#include <cerrno>
#include <cinttypes>
#include <climits>
#include <cstdio>
#include <cstring>
#include <dlfcn.h>
#include <fcntl.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <unistd.h>

using namespace transom;

/// The extent of an input of this role; -1: there is no such role.
static int32_t extentOf(uint8_t role) {
  switch (role) {
  case TRANSOM_INPUT_VALUES:
  case TRANSOM_INPUT_CACHE_SLOTS:
    return TRANSOM_TOKENS;
  case TRANSOM_INPUT_OFFSETS:
  case TRANSOM_INPUT_KEY_LENGTHS:
  case TRANSOM_INPUT_TOKEN_ROWS:
  case TRANSOM_INPUT_BLOCK_OFFSETS:
  case TRANSOM_INPUT_SOURCE_OFFSETS:
  case TRANSOM_INPUT_SOURCE_KEY_LENGTHS:
  case TRANSOM_INPUT_SOURCE_BLOCK_OFFSETS:
    return TRANSOM_SEQUENCES;
  case TRANSOM_INPUT_POSITIONS:
    return TRANSOM_POSITIONS;
  case TRANSOM_INPUT_BLOCK_TABLE:
    return TRANSOM_BLOCKS;
  case TRANSOM_INPUT_SOURCE_BLOCK_TABLE:
    return TRANSOM_SOURCE_BLOCKS;
  case TRANSOM_INPUT_CACHE:
    return TRANSOM_SLOTS;
  default:
    return -1;
  }
}

/// Does a program know all of a cache that it has to, or nothing? `roles` are
/// bits of its inputs' roles, each at most once if it is about a cache.
static bool isWholeCache(uint32_t roles) {
  constexpr auto bit = [](int role) { return 1u << role; };
  constexpr uint32_t written =
      bit(TRANSOM_INPUT_CACHE_SLOTS) | bit(TRANSOM_INPUT_CACHE);
  constexpr uint32_t past = written | bit(TRANSOM_INPUT_BLOCK_TABLE) |
                            bit(TRANSOM_INPUT_BLOCK_OFFSETS);
  constexpr uint32_t tables = bit(TRANSOM_INPUT_SOURCE_BLOCK_TABLE) |
                              bit(TRANSOM_INPUT_SOURCE_BLOCK_OFFSETS);
  constexpr uint32_t sources = tables | bit(TRANSOM_INPUT_SOURCE_KEY_LENGTHS);
  // Without a cache, source key lengths are of the tokens of sources.
  if (!(roles & (past | tables)))
    return true;
  uint32_t ofCache = roles & (past | sources);
  return ofCache == written || ofCache == past || ofCache == (past | sources);
}

/// The program of this name that has a cache; null: there is none.
static const transom_program *findCached(const transom_library &library,
                                         const char *name) {
  for (int32_t i = 1; i < library.num_programs; ++i) {
    const transom_program &program = library.programs[i];
    for (int32_t j = 0; j < program.num_inputs; ++j)
      if (program.inputs[j].role == TRANSOM_INPUT_CACHE &&
          strcmp(program.name, name) == 0)
        return &program;
  }
  return nullptr;
}

/// That sequences get sources if and only if a step reads them.
static transom_status checkSources(const transom_library &library) {
  const transom_program *step = findCached(library, "step");
  const transom_program *encode = findCached(library, "encode");
  bool readsSources = false, makesSources = encode;
  for (int32_t i = 0; step && i < step->num_inputs; ++i)
    readsSources |= step->inputs[i].role == TRANSOM_INPUT_SOURCE_BLOCK_TABLE;
  for (int32_t i = 0; encode && i < encode->num_inputs; ++i)
    makesSources &= encode->inputs[i].role != TRANSOM_INPUT_BLOCK_TABLE;
  if (readsSources == makesSources && makesSources == bool(encode))
    return TRANSOM_OK;
  return fail(TRANSOM_MISMATCH,
              "open: library '%s': expected a program 'encode' without past "
              "tokens if and only if its program 'step' reads sources; compile "
              "the model again",
              library.name);
}

/// Does this runtime know what stands in for the input?
static bool isKnownDefault(const transom_input_info &input) {
  if (input.fallback == TRANSOM_DEFAULT_NONE)
    return true;
  if (input.role == TRANSOM_INPUT_TOKEN_ROWS)
    return input.fallback >= TRANSOM_DEFAULT_LAST &&
           input.fallback <= TRANSOM_DEFAULT_LAST_EQUAL;
  return input.fallback <= TRANSOM_DEFAULT_COUNTED_POSITIONS ||
         input.fallback == TRANSOM_DEFAULT_SHIFTED;
}

static transom_status checkProgram(const transom_library &library,
                                   int32_t number) {
  const transom_program &program = library.programs[number];
  if (program.num_outputs > 64)
    return fail(TRANSOM_MISMATCH,
                "open: library '%s' has %" PRId32
                " outputs, the runtime expects at most 64",
                library.name, program.num_outputs);
  // Only a step has past tokens.
  bool hasCache = library.cache_columns > 0 && number > 0;
  int32_t numPositions = 0;
  uint32_t roles = 0;
  bool hasSource = false, hasSourceIds = false, readsSource = false;
  for (int32_t i = 0; i < program.num_inputs; ++i) {
    const transom_input_info &input = program.inputs[i];
    numPositions += input.role == TRANSOM_INPUT_POSITIONS;
    bool isCache = input.role == TRANSOM_INPUT_CACHE;
    bool isPaged = (input.role >= TRANSOM_INPUT_CACHE_SLOTS &&
                    input.role <= TRANSOM_INPUT_CACHE) ||
                   input.role == TRANSOM_INPUT_SOURCE_BLOCK_TABLE ||
                   input.role == TRANSOM_INPUT_SOURCE_BLOCK_OFFSETS;
    // An encoder's tokens, in a program without a cache.
    bool isSource = input.role == TRANSOM_INPUT_VALUES &&
                    input.extent == TRANSOM_SOURCE_TOKENS && !hasCache;
    hasSource |= isSource;
    hasSourceIds |= isSource && input.fallback == TRANSOM_DEFAULT_NONE;
    readsSource |= input.fallback == TRANSOM_DEFAULT_SHIFTED ||
                   input.fallback == TRANSOM_DEFAULT_LAST_EQUAL;
    bool isRepeated = isPaged && (roles >> input.role & 1);
    if (input.role <= TRANSOM_INPUT_SOURCE_BLOCK_OFFSETS)
      roles |= 1u << input.role;
    if (input.dtype != (isCache ? TRANSOM_F32 : TRANSOM_I32) ||
        (int32_t(input.extent) != extentOf(input.role) && !isSource) ||
        numPositions > 1 || isRepeated || (isPaged && !hasCache) ||
        !isKnownDefault(input) ||
        // Counting would need the past tokens.
        (hasCache && input.fallback == TRANSOM_DEFAULT_COUNTED_POSITIONS) ||
        input.token_index < 0)
      return fail(TRANSOM_MISMATCH,
                  "open: input '%s' of library '%s' is of a kind that the "
                  "runtime doesn't know; compile the model again",
                  input.name, library.name);
  }
  if (readsSource && !hasSourceIds)
    return fail(TRANSOM_MISMATCH,
                "open: program '%s' of library '%s' has an input that is made "
                "of sources, which it has not; compile the model again",
                program.name, library.name);
  // A cache comes with all that says where in it.
  if (!isWholeCache(roles))
    return fail(TRANSOM_MISMATCH,
                "open: program '%s' of library '%s' has inputs for a part of a "
                "cache only; compile the model again",
                program.name, library.name);
  for (int32_t i = 0; i < program.num_outputs; ++i) {
    const transom_output_info &output = program.outputs[i];
    bool isKnown = output.extent == TRANSOM_TOKENS ||
                   output.extent == TRANSOM_SEQUENCES ||
                   (output.extent == TRANSOM_POSITIONS && numPositions > 0) ||
                   (output.extent == TRANSOM_SOURCE_TOKENS && hasSource);
    if (output.dtype != TRANSOM_F32 || output.rank > 2 || !isKnown)
      return fail(TRANSOM_MISMATCH,
                  "open: output '%s' of library '%s' is of a kind that the "
                  "runtime doesn't know; compile the model again",
                  output.name, library.name);
  }
  return TRANSOM_OK;
}

/// Everything that this runtime relies on and a compiler's mistake, or a later
/// compiler, could break.
static transom_status checkLibrary(const transom_library &library) {
  if (library.abi_version != TRANSOM_ABI_VERSION ||
      library.struct_bytes != sizeof(transom_library))
    return fail(TRANSOM_MISMATCH,
                "open: the library expects runtime ABI version %" PRIu32
                " (descriptor of %" PRIu32 " bytes), got version %u (%zu "
                "bytes); compile the model again",
                library.abi_version, library.struct_bytes, TRANSOM_ABI_VERSION,
                sizeof(transom_library));
  if (library.num_programs < 1)
    return fail(TRANSOM_MISMATCH, "open: library '%s' has no program",
                library.name);
  if (library.cache_columns < 0 ||
      library.cache_block_bytes != int64_t(library.cache_columns) *
                                       TRANSOM_CACHE_BLOCK *
                                       int64_t(sizeof(float)))
    return fail(TRANSOM_MISMATCH,
                "open: the cache of library '%s' is of a kind that the runtime "
                "doesn't know; compile the model again",
                library.name);
  for (int32_t i = 0; i < library.num_programs; ++i)
    if (transom_status status = checkProgram(library, i))
      return status;
  return checkSources(library);
}

static transom_status checkCpu(const transom_library &library) {
  // In the order of transom_cpu_feature.
  static const char *const names[] = {"sse4.1",
                                      "avx",
                                      "avx2",
                                      "fma",
                                      "f16c",
                                      "avx512f",
                                      "avx512bw",
                                      "avx512dq",
                                      "avx512vl",
                                      "avx512cd",
                                      "avx512vnni",
                                      "avx512bf16",
                                      "avx512vbmi",
                                      "avx512vbmi2",
                                      "avx512ifma",
                                      "avx512bitalg",
                                      "avx512vpopcntdq",
                                      "gfni",
                                      "vaes",
                                      "bmi2",
                                      "amx-tile",
                                      "amx-bf16",
                                      "amx-int8"};
  constexpr size_t known = sizeof(names) / sizeof(names[0]);
  uint64_t missing = missingCpuFeatures(library.cpu_features);
  if (missing == 0)
    return TRANSOM_OK;
  char list[512] = "";
  size_t length = 0;
  for (size_t i = 0; i < 64; ++i)
    if (missing >> i & 1) {
      char number[24];
      snprintf(number, sizeof(number), "feature %zu", i);
      length +=
          size_t(snprintf(list + length, sizeof(list) - length, "%s%s",
                          length ? ", " : "", i < known ? names[i] : number));
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

/// The folder of the binary that contains `library`, with its last slash;
/// an empty text for the working folder. False if it doesn't fit.
static bool binaryFolder(const transom_library *library, char *folder,
                         size_t capacity) {
  Dl_info info;
  ssize_t length = 0;
  // The main program is known by how it was called, maybe without a folder.
  if (dladdr(library, &info) && info.dli_fname && strchr(info.dli_fname, '/')) {
    length = ssize_t(strlen(info.dli_fname));
    if (size_t(length) >= capacity)
      return false;
    memcpy(folder, info.dli_fname, size_t(length));
  } else {
    length = readlink("/proc/self/exe", folder, capacity - 1);
    if (length < 0)
      length = 0;
  }
  folder[length] = '\0';
  char *slash = strrchr(folder, '/');
  (slash ? slash + 1 : folder)[0] = '\0';
  return true;
}

/// Maps the weights file at `path` and checks it.
static transom_status mapWeights(const transom_library &library,
                                 const char *path, transom_model &model) {
  int file = open(path, O_RDONLY | O_CLOEXEC);
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
  char beside[PATH_MAX];
  if (!path) {
    if (!binaryFolder(&library, beside, sizeof(beside)))
      return fail(TRANSOM_IO_ERROR,
                  "open: the path of the folder of library '%s' is too long; "
                  "give the path of its weights",
                  library.name);
    size_t length = strlen(beside), room = sizeof(beside) - length;
    int written = snprintf(beside + length, room, "%s.weights", library.name);
    if (written < 0 || size_t(written) >= room)
      return fail(TRANSOM_IO_ERROR,
                  "open: the path of the weights of library '%s' is too long",
                  library.name);
    path = beside;
  }
  return mapWeights(library, path, model);
}

transom_status transom_model_open(const transom_library *library,
                                  const char *weights_path,
                                  transom_model **result) {
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

void transom_model_close(transom_model *model) {
  if (!model || model->references.fetch_sub(1, std::memory_order_acq_rel) != 1)
    return;
  if (model->mappedBytes)
    munmap(const_cast<uint8_t *>(model->weights), model->mappedBytes);
  destroy(model);
}
