//===- LibraryCheck.cpp - that the runtime knows all that a library has ---===//
#include "runtime/Error.h"
#include "runtime/model/Model.h"

#include <cinttypes>

using namespace transom;

/// The extent of an input of this role; -1: there is no such role.
static int32_t extentOf(uint8_t role) {
  switch (role) {
  case TRANSOM_ROLE_VALUES:
  case TRANSOM_ROLE_CACHE_SLOTS:
    return TRANSOM_TOKENS;
  case TRANSOM_ROLE_OFFSETS:
  case TRANSOM_ROLE_KEY_LENGTHS:
  case TRANSOM_ROLE_TOKEN_ROWS:
  case TRANSOM_ROLE_BLOCK_OFFSETS:
  case TRANSOM_ROLE_ENCODER_OFFSETS:
  case TRANSOM_ROLE_ENCODER_KEY_LENGTHS:
  case TRANSOM_ROLE_ENCODER_BLOCK_OFFSETS:
    return TRANSOM_SEQUENCES;
  case TRANSOM_ROLE_OUTPUT_POSITIONS:
    return TRANSOM_OUTPUT_POSITIONS;
  case TRANSOM_ROLE_BLOCK_TABLE:
    return TRANSOM_BLOCKS;
  case TRANSOM_ROLE_ENCODER_BLOCK_TABLE:
    return TRANSOM_ENCODER_BLOCKS;
  case TRANSOM_ROLE_CACHE:
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
      bit(TRANSOM_ROLE_CACHE_SLOTS) | bit(TRANSOM_ROLE_CACHE);
  constexpr uint32_t past =
      written | bit(TRANSOM_ROLE_BLOCK_TABLE) | bit(TRANSOM_ROLE_BLOCK_OFFSETS);
  constexpr uint32_t tables = bit(TRANSOM_ROLE_ENCODER_BLOCK_TABLE) |
                              bit(TRANSOM_ROLE_ENCODER_BLOCK_OFFSETS);
  constexpr uint32_t encoderInputs =
      tables | bit(TRANSOM_ROLE_ENCODER_KEY_LENGTHS);
  // Without a cache, encoder key lengths are of the tokens of encoder inputs.
  if (!(roles & (past | tables)))
    return true;
  uint32_t ofCache = roles & (past | encoderInputs);
  return ofCache == written || ofCache == past ||
         ofCache == (past | encoderInputs);
}

/// The program of this kind that has a cache; null: there is none.
static const transom_program *findCached(const transom_library &library,
                                         transom_program_kind kind) {
  for (int32_t i = 1; i < library.num_programs; ++i) {
    const transom_program &program = library.programs[i];
    for (int32_t j = 0; j < program.num_inputs; ++j)
      if (program.inputs[j].role == TRANSOM_ROLE_CACHE && program.kind == kind)
        return &program;
  }
  return nullptr;
}

/// That sequences get encoder inputs if and only if a step reads them.
static transom_status checkEncoder(const transom_library &library) {
  const transom_program *step = findCached(library, TRANSOM_PROGRAM_STEP);
  const transom_program *encode = findCached(library, TRANSOM_PROGRAM_ENCODE);
  bool readsEncoder = false, makesEncoderInputs = encode;
  for (int32_t i = 0; step && i < step->num_inputs; ++i)
    readsEncoder |= step->inputs[i].role == TRANSOM_ROLE_ENCODER_BLOCK_TABLE;
  for (int32_t i = 0; encode && i < encode->num_inputs; ++i)
    makesEncoderInputs &= encode->inputs[i].role != TRANSOM_ROLE_BLOCK_TABLE;
  if (readsEncoder == makesEncoderInputs && makesEncoderInputs == bool(encode))
    return TRANSOM_OK;
  return fail(
      TRANSOM_MISMATCH,
      "open: library '%s': expected a program 'encode' without past "
      "tokens if and only if its program 'step' reads encoder inputs; compile "
      "the model again",
      library.name);
}

/// Does a program take ids of tokens from its caller?
static bool takesTokens(const transom_program &program) {
  for (int32_t i = 0; i < program.num_inputs; ++i)
    if (program.inputs[i].role == TRANSOM_ROLE_VALUES &&
        program.inputs[i].default_kind == TRANSOM_DEFAULT_NONE)
      return true;
  return false;
}

/// That a library has all that its generation takes.
static transom_status checkGeneration(const transom_library &library) {
  const transom_generation_info *info = library.generation;
  if (!info)
    return TRANSOM_OK;
  const transom_program *step = findCached(library, TRANSOM_PROGRAM_STEP);
  const transom_program *encode = findCached(library, TRANSOM_PROGRAM_ENCODE);
  if (step && takesTokens(*step) && (!encode || takesTokens(*encode)) &&
      info->num_eos_token_ids >= 0 && info->logits >= 0 &&
      info->logits < step->num_outputs &&
      step->outputs[info->logits].extent == TRANSOM_OUTPUT_POSITIONS)
    return TRANSOM_OK;
  return fail(TRANSOM_MISMATCH,
              "open: library '%s': expected a program 'step' that takes tokens "
              "and has logits at output positions, since it generates text; "
              "compile the model again",
              library.name);
}

/// Whether this runtime knows the input's default.
static bool isKnownDefault(const transom_input_info &input) {
  if (input.default_kind == TRANSOM_DEFAULT_NONE)
    return true;
  if (input.role == TRANSOM_ROLE_TOKEN_ROWS)
    return input.default_kind >= TRANSOM_DEFAULT_LAST &&
           input.default_kind <= TRANSOM_DEFAULT_LAST_EQUAL;
  return input.default_kind <= TRANSOM_DEFAULT_PADDING_AWARE_POSITION_IDS ||
         input.default_kind == TRANSOM_DEFAULT_SHIFTED_RIGHT;
}

static transom_status checkProgram(const transom_library &library,
                                   int32_t index) {
  const transom_program &program = library.programs[index];
  if (program.num_outputs > 64)
    return fail(TRANSOM_MISMATCH,
                "open: library '%s' has %" PRId32
                " outputs, the runtime expects at most 64",
                library.name, program.num_outputs);
  // Only a step has past tokens.
  bool hasCache = library.cache_columns > 0 && index > 0;
  int32_t numPositions = 0;
  uint32_t roles = 0;
  bool hasEncoderInput = false, hasEncoderIds = false, readsEncoder = false;
  for (int32_t i = 0; i < program.num_inputs; ++i) {
    const transom_input_info &input = program.inputs[i];
    numPositions += input.role == TRANSOM_ROLE_OUTPUT_POSITIONS;
    bool isCache = input.role == TRANSOM_ROLE_CACHE;
    bool isPaged = (input.role >= TRANSOM_ROLE_CACHE_SLOTS &&
                    input.role <= TRANSOM_ROLE_CACHE) ||
                   input.role == TRANSOM_ROLE_ENCODER_BLOCK_TABLE ||
                   input.role == TRANSOM_ROLE_ENCODER_BLOCK_OFFSETS;
    // An encoder's tokens, in a program without a cache.
    bool isEncoder = input.role == TRANSOM_ROLE_VALUES &&
                     input.extent == TRANSOM_ENCODER_TOKENS && !hasCache;
    hasEncoderInput |= isEncoder;
    hasEncoderIds |= isEncoder && input.default_kind == TRANSOM_DEFAULT_NONE;
    readsEncoder |= input.default_kind == TRANSOM_DEFAULT_SHIFTED_RIGHT ||
                    input.default_kind == TRANSOM_DEFAULT_LAST_EQUAL;
    bool isRepeated = isPaged && (roles >> input.role & 1);
    if (input.role <= TRANSOM_ROLE_ENCODER_BLOCK_OFFSETS)
      roles |= 1u << input.role;
    if (input.dtype != (isCache ? TRANSOM_F32 : TRANSOM_I32) ||
        (int32_t(input.extent) != extentOf(input.role) && !isEncoder) ||
        numPositions > 1 || isRepeated || (isPaged && !hasCache) ||
        !isKnownDefault(input) ||
        // Counting would need the past tokens.
        (hasCache &&
         input.default_kind == TRANSOM_DEFAULT_PADDING_AWARE_POSITION_IDS) ||
        input.operand < 0)
      return fail(TRANSOM_MISMATCH,
                  "open: input '%s' of library '%s' is of a kind that the "
                  "runtime doesn't know; compile the model again",
                  input.name, library.name);
  }
  if (readsEncoder && !hasEncoderIds)
    return fail(TRANSOM_MISMATCH,
                "open: program '%s' of library '%s' has an input that is made "
                "of encoder inputs, which it has not; compile the model again",
                program.name, library.name);
  // A cache comes with all that says where in it.
  if (!isWholeCache(roles))
    return fail(TRANSOM_MISMATCH,
                "open: program '%s' of library '%s' has inputs for a part of a "
                "cache only; compile the model again",
                program.name, library.name);
  for (int32_t i = 0; i < program.num_outputs; ++i) {
    const transom_output_info &output = program.outputs[i];
    bool isKnown =
        output.extent == TRANSOM_TOKENS || output.extent == TRANSOM_SEQUENCES ||
        (output.extent == TRANSOM_OUTPUT_POSITIONS && numPositions > 0) ||
        (output.extent == TRANSOM_ENCODER_TOKENS && hasEncoderInput);
    if (output.dtype != TRANSOM_F32 || output.rank > 2 || !isKnown)
      return fail(TRANSOM_MISMATCH,
                  "open: output '%s' of library '%s' is of a kind that the "
                  "runtime doesn't know; compile the model again",
                  output.name, library.name);
  }
  return TRANSOM_OK;
}

transom_status transom::checkLibrary(const transom_library &library) {
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
  if (transom_status status = checkEncoder(library))
    return status;
  return checkGeneration(library);
}
