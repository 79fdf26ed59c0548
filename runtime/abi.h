//===- abi.h - the contract between generated code and the runtime --------===//
//
// Read by the compiler (codegen/host emits these structs as constant data) and
// by the runtime, which is linked into every compiled library. Self-contained
// C11 / C++; a change of any layout here needs a new TRANSOM_ABI_VERSION.
//
// A compiled program is a sequence of launches. A launch runs one kernel over a
// grid of independent tasks. A kernel is a serial leaf function which Halide
// compiled (its `_argv` entry). A `transom_kernel` describes it: how many tasks
// there are, and how to find each task's view of every operand.
//
//===----------------------------------------------------------------------===//
#ifndef TRANSOM_RUNTIME_ABI_H
#define TRANSOM_RUNTIME_ABI_H

#include <stddef.h>
#include <stdint.h>

#ifdef __cplusplus
extern "C" {
#endif

#define TRANSOM_ABI_VERSION 4u

/// Activations [rows, width] live in the arena with a row stride of `width`
/// rounded up to this many elements. Kernels may write the padding columns, so
/// that odd widths need no scalar tails, but must not rely on their values.
#define TRANSOM_ROW_ALIGNMENT 64
/// Every slot of the arena has room for its rows rounded up to this many, for
/// the same reason, and so that every slot starts on a cache line.
#define TRANSOM_ROWS_ALIGNMENT 16

/// The tokens of a block of the cache. In a cache of C columns a block is
/// 16 * C floats, 64-byte aligned; column c begins at float 16 * c. The keys of
/// a head are stored as [P][16] and its values as [16][P], row-major, where P
/// is the head size rounded up to 16.
#define TRANSOM_CACHE_BLOCK 16

/// Element types of the library's inputs and outputs, and of kernel buffers.
enum transom_dtype_values {
  TRANSOM_F32 = 0,
  TRANSOM_I32 = 1,
  TRANSOM_I64 = 2,
  TRANSOM_BF16 = 3,
  TRANSOM_F16 = 4,
  TRANSOM_I8 = 5,
  TRANSOM_U8 = 6
};

/// The run-time sizes that a leading dimension can have. Activations in the
/// arena have one of the first four, inputs any.
enum transom_extent {
  TRANSOM_TOKENS = 0,           ///< packed tokens of all sequences
  TRANSOM_SEQUENCES = 1,        ///< sequences in the batch
  TRANSOM_ENCODER_TOKENS = 2,   ///< packed encoder tokens (encoder-decoder)
  TRANSOM_OUTPUT_POSITIONS = 3, ///< tokens that logits are computed for
  TRANSOM_EXTENTS = 4,
  TRANSOM_BLOCKS = 4,        ///< entries in the block tables of all sequences
  TRANSOM_SLOTS = 5,         ///< tokens that the cache has room for
  TRANSOM_ENCODER_BLOCKS = 6 ///< the same as BLOCKS, of encoder tokens
};

/// Where a task gets the extent of a dimension, a range of rows or a scalar.
enum transom_task_value {
  TRANSOM_CONSTANT = 0,
  TRANSOM_TASK_ROWS = 1,      ///< rows of this task
  TRANSOM_TASK_COLUMNS = 2,   ///< column units (weight blocks, heads) of it
  TRANSOM_TASK_KEYS = 3,      ///< keys of this task's sequence
  TRANSOM_TASK_ROW_BEGIN = 4, ///< first row, from 0 within its sequence
  TRANSOM_SEQUENCE_ROWS = 5   ///< rows of this task's sequence
};

typedef struct transom_kernel_dim {
  int32_t source; ///< transom_task_value of the extent
  int32_t extent; ///< the extent if TRANSOM_CONSTANT
  int32_t stride; ///< in elements
} transom_kernel_dim;

enum transom_argument_kind {
  TRANSOM_BUFFER = 0, ///< a `halide_buffer_t *`
  TRANSOM_SCALAR = 1  ///< a pointer to an int32, value from `source`
};

/// One argument of a kernel's argv entry, after the user context: argv[0]
/// points to a `void *` that the kernel passes to halide_malloc and
/// halide_free, which the runtime defines. A buffer starts at
///   operands[operand] + offset + rowIndex * row_bytes
///                     + (columnIndex / column_divisor) * column_bytes
/// By `rows`, rowIndex is
///   TRANSOM_TASK_ROWS  the task's first row in the whole batch
///   TRANSOM_TASK_KEYS  the first key of its sequence, by key_offsets
///   TRANSOM_CONSTANT   0
typedef struct transom_kernel_argument {
  uint8_t kind;  ///< transom_argument_kind
  uint8_t dtype; ///< transom_dtype_values
  uint8_t rank;
  uint8_t rows;           ///< transom_task_value: what rowIndex is
  int32_t source;         ///< of a scalar
  int32_t operand;        ///< index into the launch's operands
  int32_t column_divisor; ///< grouped-query attention: heads per key head
  int64_t offset;         ///< bytes
  int64_t row_bytes;
  int64_t column_bytes;
  transom_kernel_dim dims[4];
} transom_kernel_argument;

enum transom_grid {
  /// rows x columns; rows are the launch's rows.
  TRANSOM_GRID_ROWS = 0,
  /// sequences x columns x chunks of the sequence's rows, by offsets among the
  /// operands.
  TRANSOM_GRID_RAGGED = 1
};

/// One function of a kernel. Variants differ in speed only: they read the same
/// packed weights, and their results are bitwise the same.
typedef struct transom_kernel_variant {
  int32_t (*run)(void **arguments); ///< Halide's `<name>_argv`
  /// The runtime takes the first variant with rows <= max_rows, or else the
  /// last one. Rows are those of the launch; of a ragged grid, those of the
  /// task's sequence.
  int64_t max_rows;
  int32_t row_tile; ///< tasks take a multiple of this many rows
  /// The most rows of a task (a multiple of row_tile); 0: no limit.
  int32_t task_rows;
  /// The fewest columns of a task, so that its work outweighs its start.
  int32_t task_columns;
  int32_t reserved;
} transom_kernel_variant;

typedef struct transom_kernel {
  const char *name;
  int32_t grid;    ///< transom_grid
  int32_t columns; ///< column units of a launch: weight blocks, heads, or 1
  int32_t num_arguments;
  int32_t num_variants;
  const transom_kernel_argument *arguments;
  const transom_kernel_variant *variants; ///< ascending max_rows
  /// TRANSOM_GRID_RAGGED only: indices of operands of the launch, which hold
  /// i32: query_offsets, key_offsets [sequences + 1], key_lengths [sequences].
  /// key_offsets count rows of keys, or entries of a block table.
  int32_t query_offsets, key_offsets, key_lengths;
  int32_t reserved;
  /// The most scratch that one task allocates with halide_malloc:
  ///   scratch_bytes + scratch_bytes_per_key * keys of its sequence.
  int64_t scratch_bytes, scratch_bytes_per_key;
  /// For profiles: the floating-point operations of a launch are
  ///   flops_per_row * rows + flops_per_pair * query-key pairs (if ragged).
  double flops_per_row, flops_per_pair;
} transom_kernel;

/// What the generated program sees of one run. The session owns it.
typedef struct transom_frame {
  const uint8_t *weights; ///< start of the mapped weights file, its header
  uint8_t *arena;
  /// Packed inputs, in the library's order. Kernels may read them up to their
  /// padded extents: there values are 0, offsets repeat the last one, lengths
  /// are 0, and rows are -1.
  const void *const *inputs;
  const void **outputs; ///< set by the program: first row of each output
  int64_t extents[TRANSOM_EXTENTS];
  /// The same, rounded up to TRANSOM_ROWS_ALIGNMENT: slot sizes count these.
  int64_t padded_extents[TRANSOM_EXTENTS];
  uint64_t requested; ///< bit i: the caller requests output i
  void *session;      ///< the runtime's own
} transom_frame;

/// Runs every task of a launch, and returns when all are done. `layer` is the
/// model's name of the layer, for profiles. The runtime defines this function.
/// Returns 0, or a transom_status that the program returns in turn.
int32_t transom_launch(transom_frame *frame, const transom_kernel *kernel,
                       const void *const *operands, int64_t rows,
                       const char *layer);

/// What a packed input of generated code means, and how the runtime makes it.
enum transom_input_role {
  /// The caller's values, [tokens] or [encoder_tokens].
  TRANSOM_ROLE_VALUES = 0,
  TRANSOM_ROLE_OFFSETS = 1,     ///< [sequences + 1]
  TRANSOM_ROLE_KEY_LENGTHS = 2, ///< [sequences]: tokens that queries attend to
  /// [sequences]: the packed row of one token of each sequence. Without a
  /// default, its index in the sequence is `operand`; with one, the caller
  /// gives the index, or else the default names the token. -1 if the sequence
  /// has no such token: the embedding of -1 is zeros. Sequence outputs of a
  /// sequence without tokens are zeros, whatever the program computes.
  TRANSOM_ROLE_TOKEN_ROWS = 3,
  /// [output_positions]: the packed rows for which outputs of this extent are
  /// computed, in the caller's order; without the caller's list, those of all
  /// tokens that are not masked.
  TRANSOM_ROLE_OUTPUT_POSITIONS = 4,
  // Roles in a step, whose tokens follow those that the cache has of each
  // sequence: key lengths count both. A program `encode`, whose tokens follow
  // none, has slots and the cache only.
  /// [tokens]: the slot for the keys and values of a token; slot s is token
  /// s % TRANSOM_CACHE_BLOCK of block s / TRANSOM_CACHE_BLOCK.
  TRANSOM_ROLE_CACHE_SLOTS = 5,
  /// [blocks]: indices of blocks. Those of sequence s begin at
  /// block_offsets[s], in the order of its tokens.
  TRANSOM_ROLE_BLOCK_TABLE = 6,
  TRANSOM_ROLE_BLOCK_OFFSETS = 7, ///< [sequences + 1]
  /// [slots, cache_columns] f32, stored in blocks. The program reads and writes
  /// it in place; the cache's new state is not an output.
  TRANSOM_ROLE_CACHE = 8,
  // Roles of an encoder beside a decoder. Each sequence of the decoder has one
  // of the encoder, whose values inputs have the extent TRANSOM_ENCODER_TOKENS.
  TRANSOM_ROLE_ENCODER_OFFSETS = 9,      ///< [sequences + 1]
  TRANSOM_ROLE_ENCODER_KEY_LENGTHS = 10, ///< [sequences]
  // Roles in a step beside a program `encode`, which has stored the keys and
  // values of encoder tokens in blocks of the same cache. Encoder key lengths
  // count these tokens.
  /// [encoder_blocks]: as TRANSOM_ROLE_BLOCK_TABLE, of encoder tokens.
  TRANSOM_ROLE_ENCODER_BLOCK_TABLE = 11,
  TRANSOM_ROLE_ENCODER_BLOCK_OFFSETS = 12 ///< [sequences + 1]
};

/// The value of an input that the caller leaves out.
enum transom_input_default {
  TRANSOM_DEFAULT_NONE = 0, ///< it is required
  TRANSOM_DEFAULT_ZEROS = 1,
  /// 0, 1, 2, ... within each sequence; a step continues after its past tokens.
  TRANSOM_DEFAULT_POSITION_IDS = 2,
  TRANSOM_DEFAULT_ONES = 3,
  /// With p = operand: p + 1, p + 2, ... at the tokens of a sequence, masked
  /// ones included, that are not p in the first required input, and p at the
  /// others.
  TRANSOM_DEFAULT_PADDING_AWARE_POSITION_IDS = 4,
  // Defaults of TRANSOM_ROLE_TOKEN_ROWS: which token. It must not be masked.
  TRANSOM_DEFAULT_LAST = 5, ///< the last one
  /// The last one that is not `operand` in the first required input, or the
  /// first one if there is none.
  TRANSOM_DEFAULT_LAST_NON_PADDING = 6,
  TRANSOM_DEFAULT_FIRST = 7, ///< the first one
  /// The one at the last index where the encoder's first required input is
  /// `operand`.
  TRANSOM_DEFAULT_LAST_EQUAL = 8,
  /// For a values input of a decoder: `operand`, then all values of the
  /// encoder's first required input but the last one, masked ones included.
  /// Sequences are as long as the encoder's.
  TRANSOM_DEFAULT_SHIFTED_RIGHT = 9
};

typedef struct transom_input_info {
  const char *name;
  uint8_t dtype; ///< TRANSOM_I32; TRANSOM_F32 for the cache
  uint8_t role;
  uint8_t default_kind; ///< transom_input_default
  uint8_t extent;       ///< transom_extent
  /// By role and default, else 0:
  ///   PADDING_AWARE_POSITION_IDS, LAST_NON_PADDING  the id of padding
  ///   SHIFTED_RIGHT, LAST_EQUAL                     the id of a token
  ///   TOKEN_ROWS without a default                  the index of a token
  ///   KEY_LENGTHS, ENCODER_KEY_LENGTHS  1 if the tokens of a sequence that are
  ///     not masked must follow one another, because the model asks how far
  ///     they are apart
  int32_t operand;
  int64_t bound; ///< values must lie in [0, bound); 0: unbounded
} transom_input_info;

typedef struct transom_output_info {
  const char *name;
  uint8_t dtype;
  uint8_t extent; ///< transom_extent of the leading dim
  uint8_t rank;   ///< of one row: 1 for [tokens, width], 0 for [tokens]
  uint8_t reserved;
  int32_t reserved2;
  int64_t dims[3];   ///< of one row
  int64_t row_bytes; ///< stride between rows in the arena
  int64_t width;     ///< elements of a row
} transom_output_info;

/// CPU features that a library's code may need. `open` checks them.
enum transom_cpu_feature {
#define TRANSOM_CPU_FEATURE(BIT, NAME, LINUX, LLVM)                            \
  TRANSOM_CPU_##NAME = 1 << BIT,
#include "runtime/arch/cpu_features.def"
};

/// The first 64 bytes of a weights file. Packed weights follow, each 64-byte
/// aligned; the program has their offsets from the file's start.
#define TRANSOM_WEIGHTS_MAGIC "TRANSOMW"
typedef struct transom_weights_header {
  char magic[8];
  uint32_t abi_version;
  uint32_t header_bytes; ///< 64
  uint64_t bytes;        ///< of the whole file
  uint64_t hash;         ///< of the packed weights; equals the library's
  uint8_t reserved[32];
} transom_weights_header;

/// What a program computes. A library has at most one program of each kind.
enum transom_program_kind {
  TRANSOM_PROGRAM_FORWARD = 0, ///< whole sequences; the library's first program
  TRANSOM_PROGRAM_STEP = 1,    ///< tokens that follow those in the cache
  TRANSOM_PROGRAM_ENCODE = 2   ///< what a step needs of its encoder inputs
};

/// One function of a model: launches on an arena, with inputs and outputs of
/// its own. All programs of a library share its weights and kernels.
typedef struct transom_program {
  const char *name; ///< for messages
  int32_t kind;     ///< transom_program_kind
  int32_t num_inputs, num_outputs;
  int32_t reserved;
  const transom_input_info *inputs;
  const transom_output_info *outputs;
  /// The arena takes the sum over e of arena_bytes[e] * padded_extents[e].
  int64_t arena_bytes[TRANSOM_EXTENTS];
  int32_t (*run)(transom_frame *frame);
} transom_program;

/// What generation takes from a library by default. Ids need not be below the
/// model's vocabulary.
typedef struct transom_generation_info {
  const int32_t *eos_token_ids; ///< [num_eos_token_ids]: they end a sequence
  int32_t num_eos_token_ids;
  int32_t decoder_start_token_id; ///< beside an encoder; -1: none
  /// The output of the program `step` that tokens are chosen from: its index.
  int32_t logits;
  int32_t reserved;
} transom_generation_info;

/// Everything about one compiled model, as constant data in its library.
typedef struct transom_library {
  uint32_t abi_version;
  uint32_t struct_bytes; ///< sizeof(transom_library)
  const char *name;      ///< NAME of libNAME.so
  /// JSON: task, config, labels, inputs, outputs, target. The runtime hands it
  /// out and reads none of it.
  const char *metadata;
  const char *target;    ///< as given to the compiler
  uint64_t cpu_features; ///< transom_cpu_feature bits that the code needs
  uint64_t weights_hash;
  uint64_t weights_bytes; ///< of the whole file, its header included
  /// The whole weights file, 64-byte aligned; or null: NAME.weights beside the
  /// library.
  const void *embedded_weights;
  int32_t num_programs;  ///< at least 1
  int32_t cache_columns; ///< floats that the cache has of a token; 0: no cache
  const transom_program *programs; ///< the first is what `run` runs
  int64_t cache_block_bytes;       ///< of all cache_columns; 0: no cache
  const transom_generation_info *generation; ///< null: it generates no text
} transom_library;

#ifdef __cplusplus
} // extern "C"
#define TRANSOM_STATIC_ASSERT static_assert
#else
#define TRANSOM_STATIC_ASSERT _Static_assert
#endif

TRANSOM_STATIC_ASSERT(sizeof(transom_kernel_dim) == 12, "ABI layout");
TRANSOM_STATIC_ASSERT(sizeof(transom_kernel_argument) == 88, "ABI layout");
TRANSOM_STATIC_ASSERT(sizeof(transom_kernel_variant) == 32, "ABI layout");
TRANSOM_STATIC_ASSERT(sizeof(transom_kernel) == 88, "ABI layout");
TRANSOM_STATIC_ASSERT(sizeof(transom_input_info) == 24, "ABI layout");
TRANSOM_STATIC_ASSERT(sizeof(transom_output_info) == 56, "ABI layout");
TRANSOM_STATIC_ASSERT(sizeof(transom_weights_header) == 64, "ABI layout");
TRANSOM_STATIC_ASSERT(sizeof(transom_program) == 80, "ABI layout");
TRANSOM_STATIC_ASSERT(sizeof(transom_generation_info) == 24, "ABI layout");
TRANSOM_STATIC_ASSERT(sizeof(transom_library) == 96, "ABI layout");

#endif // TRANSOM_RUNTIME_ABI_H
