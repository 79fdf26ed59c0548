//===- transom.h - calling a compiled transformer from C ------------------===//
//
// The header that `transom compile` writes beside a library NAME contains this
// text and then NAME's own declarations, so users include one file. Functions
// are exported as NAME_..., one set a library: two models link into a program.
//
// Threads: a model is immutable and may be shared; a session belongs to one
// thread at a time; two sessions run at the same time. No call aborts, throws
// or prints: each returns a status, and NAME_error() explains the last failure
// of the calling thread.
//
//===----------------------------------------------------------------------===//
#ifndef TRANSOM_H
#define TRANSOM_H

#include <stddef.h>
#include <stdint.h>

#ifdef __cplusplus
extern "C" {
#endif

typedef enum transom_status {
  TRANSOM_OK = 0,
  TRANSOM_INVALID_ARGUMENT = 1, ///< null pointer, unknown name, wrong dims
  TRANSOM_OUT_OF_RANGE = 2,     ///< an id or a length beyond what the model has
  TRANSOM_EXHAUSTED = 3,        ///< no memory, or over the session's capacity
  TRANSOM_IO_ERROR = 4,         ///< the weights file can't be read
  TRANSOM_MISMATCH = 5,         ///< weights, ABI version or CPU don't fit
  TRANSOM_INTERNAL = 6
} transom_status;

typedef enum transom_dtype {
  TRANSOM_FLOAT32 = 0,
  TRANSOM_INT32 = 1,
  TRANSOM_INT64 = 2
} transom_dtype;

/// A named, dense, row-major tensor that the caller owns.
/// As an output: `data` and `capacity` (bytes) are the caller's, `dims` are set
/// by the run; with `data` null only the dims are set and nothing is computed
/// for it. Layouts are at NAME_run.
typedef struct transom_tensor {
  const char *name;
  void *data;
  size_t capacity; ///< bytes at data; of an input too, for checking
  int32_t dtype;   ///< transom_dtype; inputs: INT32 or INT64, outputs: FLOAT32
  int32_t rank;
  int64_t dims[4];
} transom_tensor;

typedef struct transom_model transom_model;
typedef struct transom_session transom_session;
typedef struct transom_pool transom_pool;

/// All zero means the defaults.
typedef struct transom_session_options {
  /// 0: the CPUs of the affinity mask, at most the cgroup's quota rounded up;
  /// TRANSOM_NUM_THREADS, then OMP_NUM_THREADS override that.
  int32_t threads;
  int32_t reserved;
  /// Packed tokens of one run that memory is reserved for at once; a run with
  /// more is refused (TRANSOM_EXHAUSTED). 0: memory grows with the largest run.
  int64_t max_tokens;
  /// Workers shared with other sessions; null: the session makes its own.
  transom_pool *pool;
} transom_session_options;

/// The functions behind the NAME_... exports; `transom_entry` of a shared
/// library is one of these, for loaders that don't know NAME.
typedef struct transom_entry_points {
  uint32_t abi_version;
  uint32_t struct_bytes;
  const char *name;     ///< NAME
  const char *metadata; ///< JSON: task, config, labels, inputs, outputs, target
  /// Checks CPU and ABI, maps the weights read-only. `weights_path` null: the
  /// embedded weights, or NAME.weights in the folder of the library.
  transom_status (*open)(const char *weights_path, transom_model **model);
  /// Sessions must be destroyed first.
  void (*close)(transom_model *model);
  transom_status (*session_create)(transom_model *model,
                                   const transom_session_options *options,
                                   transom_session **session);
  void (*session_destroy)(transom_session *session);
  /// Runs the model on one batch. Inputs are found by name, in either form:
  ///   padded: every values input [batch][length]; `attention_mask`
  ///     [batch][length] optional, 0 marks a token that is not there. Token
  ///     outputs come back as [batch][length][width], zeros where masked.
  ///   ragged: every values input [tokens], `sequence_offsets` [sequences + 1],
  ///     from 0, ascending. Token outputs come back as [tokens][width].
  /// Sequence outputs are [batch][width]. An empty batch is no failure.
  /// A library may take `positions` [count]: the tokens at which some of its
  /// outputs (logits over a vocabulary) are wanted, by their index among the
  /// tokens of a values input, batch * length + column if padded. Only these
  /// are computed, and come back as [count][width], in the given order; without
  /// `positions` they are token outputs. A masked token has none:
  ///   TRANSOM_INVALID_ARGUMENT  a position is of a token that is masked
  ///   TRANSOM_OUT_OF_RANGE      a position is of no token
  /// Allocates nothing once a run of that many tokens, and positions, has been
  /// made. On failure outputs are undefined, and the session stays usable.
  transom_status (*run)(transom_session *session, const transom_tensor *inputs,
                        size_t num_inputs, transom_tensor *outputs,
                        size_t num_outputs);
  transom_status (*pool_create)(int32_t threads, transom_pool **pool);
  void (*pool_destroy)(transom_pool *pool);
  int32_t (*session_threads)(const transom_session *session);
  /// The calling thread's last failure: what, where, expected, given. "" if
  /// none. Valid until the thread's next call.
  const char *(*error)(void);
  /// Starts and reads a profile: JSON, by layer. Null text if not started.
  transom_status (*profile)(transom_session *session, int32_t enable,
                            const char **json);
} transom_entry_points;

#ifdef __cplusplus
} // extern "C"
#endif

#endif // TRANSOM_H
