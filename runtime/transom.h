//===- transom.h - calling a compiled transformer from C ------------------===//
//
// The header that `transom compile` writes beside a library NAME contains this
// text, followed by NAME's own declarations, so users include one file. Each
// library exports its own functions NAME_..., so two models link into one
// program.
//
// Threads: a model is immutable and may be shared; a session belongs to one
// thread at a time; different sessions may run at the same time. No call
// aborts, throws or prints: each returns a status, and NAME_error() explains
// the last failure of the calling thread.
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
  TRANSOM_OUT_OF_RANGE = 2,     ///< an id or length exceeds what the model has
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
/// As an output: the caller sets `data` and `capacity`, the run sets `rank` and
/// `dims`; with `data` null it sets these only, and does not compute the
/// output. transom_run_function has the layouts.
typedef struct transom_tensor {
  const char *name;
  void *data;
  size_t capacity; ///< bytes at `data`; also of an input, which is checked
  int32_t dtype;   ///< transom_dtype; inputs: INT32 or INT64, outputs: FLOAT32
  int32_t rank;
  int64_t dims[4];
} transom_tensor;

typedef struct transom_model transom_model;
typedef struct transom_session transom_session;
typedef struct transom_pool transom_pool;

/// All zero means the defaults.
typedef struct transom_session_options {
  /// 0: TRANSOM_NUM_THREADS, else OMP_NUM_THREADS, else the number of CPUs in
  /// the affinity mask, at most the cgroup's quota rounded up.
  int32_t threads;
  int32_t reserved;
  /// The most packed tokens of a run. Their memory is reserved at once; a run
  /// with more fails (TRANSOM_EXHAUSTED). 0: memory grows with the largest run.
  int64_t max_tokens;
  /// Workers that other sessions share; null: the session creates its own.
  transom_pool *pool;
  /// The most tokens in the cache, of all sequences together; each sequence
  /// takes blocks of 16. Their memory is reserved at once. 0: the cache grows
  /// as needed. Libraries without a cache ignore it.
  int64_t cache_tokens;
} transom_session_options;

/// Lists of tokens, one after the other: list i begins at tokens[offsets[i]]
/// and ends before tokens[offsets[i + 1]]. All zero: no lists.
typedef struct transom_token_lists {
  const int32_t *tokens;  ///< [offsets[count]]
  const int64_t *offsets; ///< [count + 1], from 0, ascending
  int64_t count;
} transom_token_lists;

/// When a beam search ends, see transom_generation_options.
typedef enum transom_early_stopping {
  /// When the best live beam, at its present length, is worse than all finished
  /// ones.
  TRANSOM_EARLY_STOPPING_FALSE = 0,
  /// As soon as `num_beams` sequences are finished.
  TRANSOM_EARLY_STOPPING_TRUE = 1,
  /// When no live beam can become better than the finished ones, up to the
  /// greatest length.
  TRANSOM_EARLY_STOPPING_NEVER = 2
} transom_early_stopping;

/// Why a sequence ended.
typedef enum transom_finish_reason {
  TRANSOM_FINISH_NOT = 0,       ///< it has not ended
  TRANSOM_FINISH_EOS = 1,       ///< its last token is an end of sequence
  TRANSOM_FINISH_LENGTH = 2,    ///< as long as the options or the model allow
  TRANSOM_FINISH_STOP = 3,      ///< its last tokens are a stop sequence
  TRANSOM_FINISH_CANCELLED = 4, ///< by its callback, or engine_cancel
  TRANSOM_FINISH_FAILED = 5     ///< NAME_error() says why
} transom_finish_reason;

/// How tokens are chosen and when sequences end. Options have the names, the
/// meaning and the order of Hugging Face's GenerationConfig. All zero but
/// `struct_bytes`: greedy, at most 20 new tokens. 0 turns an option off, unless
/// its comment says otherwise. A value out of range is an error that names it.
typedef struct transom_generation_options {
  uint32_t struct_bytes; ///< sizeof(transom_generation_options)

  /// 0: `max_length` decides; if that is 0, too, 20, or fewer if the model has
  /// fewer positions. A prompt and new tokens that need more positions than the
  /// model has are an error (TRANSOM_OUT_OF_RANGE); the last token needs none.
  int32_t max_new_tokens;
  int32_t max_length; ///< of prompt and new tokens
  /// End-of-sequence tokens are suppressed until then; overrides min_length.
  int32_t min_new_tokens;
  int32_t min_length; ///< of prompt and new tokens

  /// Sample tokens, instead of taking the most likely one.
  int32_t do_sample;
  /// The same seed, stream and options give the same tokens in any batch and on
  /// any number of threads.
  uint64_t seed;
  /// A seed has 2^64 independent streams. Prompt i of `generate` has stream
  /// `stream` + i; its sequences share that, but draw different numbers.
  uint64_t stream;
  float temperature; ///< > 0; 0: 1
  int32_t top_k;     ///< >= 0; 0: all, where Hugging Face's default is 50
  float top_p;       ///< in (0, 1]
  float min_p;       ///< in [0, 1]
  float typical_p;   ///< in (0, 1]

  float repetition_penalty; ///< > 0; 0: 1
  int32_t no_repeat_ngram_size;
  /// Turn the scores into log-probabilities after all other processors.
  int32_t renormalize_logits;

  int32_t num_beams;            ///< 0: 1, no beam search
  int32_t num_return_sequences; ///< 0: 1; of beam search at most num_beams
  int32_t early_stopping;       ///< transom_early_stopping
  /// A finished beam's score is the sum of its log-probabilities divided by its
  /// new tokens to this power. 0: 1; TRANSOM_NO_LENGTH_PENALTY: the sum itself.
  float length_penalty;

  /// Prompt lookup: take up to this many draft tokens from what followed an
  /// earlier occurrence of the last tokens, and check all in one step. The
  /// result has the same tokens, and comes faster where text repeats. Not with
  /// beams.
  int32_t prompt_lookup_num_tokens;
  int32_t max_matching_ngram_size; ///< how many last tokens; 0: 2

  /// End-of-sequence tokens. 0: the model's own; -1: none.
  int32_t num_eos_token_ids;
  const int32_t *eos_token_ids;
  /// Lists of tokens that are never generated.
  transom_token_lists bad_words_ids;
  /// Lists of tokens that end a sequence as soon as its new tokens end in one.
  transom_token_lists stop_sequences;

  /// What the decoder of an encoder-decoder begins with, its start token
  /// included; the encoder reads the prompts. One list for all prompts, or one
  /// for each; none: the model's own decoder_start_token_id. Lengths above
  /// count these tokens, not the prompt's. Other libraries accept no list.
  transom_token_lists decoder_input_ids;
  /// If 1, the token after a prompt of one token is `forced_bos_token_id`.
  int32_t has_forced_bos_token_id;
  int32_t forced_bos_token_id;
  /// A sequence of the greatest length ends with one of these. 0: none.
  int32_t num_forced_eos_token_ids;
  int32_t reserved; ///< 0
  const int32_t *forced_eos_token_ids;
} transom_generation_options;

#define TRANSOM_NO_LENGTH_PENALTY 1e-30f

/// What a callback receives: new tokens of one sequence, as soon as they are
/// chosen; of a beam search when it ends, the best sequence first.
typedef struct transom_generation_event {
  uint32_t struct_bytes;
  int32_t finish;     ///< transom_finish_reason
  int64_t request;    ///< id of engine_submit; of generate: the prompt's index
  int32_t sequence;   ///< its index among num_return_sequences
  float score;        ///< of a finished beam, else 0
  int64_t num_tokens; ///< may be 0, with `finish`
  const int32_t *tokens; ///< new since the last call; valid during the call
  int32_t status;        ///< transom_status of TRANSOM_FINISH_FAILED
  int32_t reserved;
} transom_generation_event;

/// Returns 0 to continue; else all sequences of the event's request end
/// (TRANSOM_FINISH_CANCELLED) without further calls. A callback may submit and
/// cancel requests of its engine. It must not step or destroy the engine, nor
/// use its session.
typedef int32_t (*transom_generation_callback)(
    void *user, const transom_generation_event *event);

/// Results of `generate`, in memory of the caller: sequence r of prompt p is
/// row p * num_return_sequences + r. Each pointer may be null.
typedef struct transom_generated {
  uint32_t struct_bytes; ///< sizeof(transom_generated)
  uint32_t reserved;     ///< 0
  /// [prompts * num_return_sequences][row_tokens]: new tokens only; the rest of
  /// a row is not written.
  int32_t *tokens;
  int64_t row_tokens; ///< at least the most new tokens that the options allow
  int64_t *lengths;   ///< [rows]: new tokens
  int32_t *finish;    ///< [rows]: transom_finish_reason
  float *scores;      ///< [rows]: of beams, see transom_generation_event
} transom_generated;

typedef struct transom_engine transom_engine;

/// All zero but `struct_bytes` means the defaults.
typedef struct transom_engine_options {
  uint32_t struct_bytes; ///< sizeof(transom_engine_options)
  /// The most sequences of a step, beams included; further requests wait.
  /// 0: 64.
  int32_t max_num_seqs;
  /// The most tokens of a step. A prompt that does not fit is read in several
  /// steps (chunked prefill); an encoder reads its tokens at once. From
  /// max_num_seqs to the session's `max_tokens`. 0: 512, or the nearest number
  /// in this range.
  int32_t max_num_batched_tokens;
  /// Finished sequences in the prefix cache: later prompts that begin alike use
  /// their keys and values, as long as there is memory for these. 0: none.
  int32_t prefix_cache_sequences;
} transom_engine_options;

// The functions of a library, as types that carry their contracts: NAME_run is
// a transom_run_function.

/// Checks that the CPU has what the code needs, and maps the weights read-only.
/// `weights_path` null: the embedded weights, or NAME.weights in the folder of
/// the library. `*model` is null on failure:
///   TRANSOM_INVALID_ARGUMENT  `model` is null
///   TRANSOM_MISMATCH          the ABI version or the CPU does not fit, or the
///                             weights are those of another library
///   TRANSOM_IO_ERROR          the weights can't be opened, read or mapped
///   TRANSOM_EXHAUSTED         no memory
typedef transom_status transom_open_function(const char *weights_path,
                                             transom_model **model);

/// Ends the caller's use of the model. Null is allowed. Sessions may outlive
/// this call: the last of them releases the model.
typedef void transom_close_function(transom_model *model);

/// `options` null: the defaults. `*session` is null on failure:
///   TRANSOM_INVALID_ARGUMENT  null pointers, a negative number, a reserved
///                             field that is not 0
///   TRANSOM_MISMATCH          the pool has another ABI version
///   TRANSOM_EXHAUSTED         no memory or no threads
typedef transom_status
transom_session_create_function(transom_model *model,
                                const transom_session_options *options,
                                transom_session **session);

/// Null is allowed.
typedef void transom_session_destroy_function(transom_session *session);

/// Runs the model on one batch. Inputs are found by name. The batch is
///   padded: every values input is [batch][length]; 0 in the optional
///     `attention_mask` [batch][length] masks a token. Token outputs are
///     [batch][length][width], with zeros at masked tokens.
///   ragged: every values input is [tokens], `sequence_offsets` [sequences + 1]
///     begins with 0 and ascends; `attention_mask` [tokens] is optional. Token
///     outputs are [tokens][width], with zeros at masked tokens.
/// Sequence outputs are [batch][width]. A run of an empty batch succeeds.
/// A library may take `output_positions` [count]: the tokens for which it
/// computes some of its outputs (logits over a vocabulary), each by its index
/// among the tokens of a values input, batch * length + column if padded. These
/// outputs are [count][width] then, in the given order, and token outputs
/// without `output_positions`. A masked token has no position:
///   TRANSOM_INVALID_ARGUMENT  an output position is that of a masked token
///   TRANSOM_OUT_OF_RANGE      an output position is not the index of a token
/// Allocates nothing after a run of as many tokens and output positions. On
/// failure outputs are undefined, and the session stays usable.
typedef transom_status transom_run_function(transom_session *session,
                                            const transom_tensor *inputs,
                                            size_t num_inputs,
                                            transom_tensor *outputs,
                                            size_t num_outputs);

/// `threads` counts the thread that calls run: a pool of 4 has 3 workers. 0:
/// the default of transom_session_options.
typedef transom_status transom_pool_create_function(int32_t threads,
                                                    transom_pool **pool);

/// Null is allowed. Sessions that use the pool must be destroyed first.
typedef void transom_pool_destroy_function(transom_pool *pool);

/// Threads that a run uses, the caller's included; 0 for a null session.
typedef int32_t
transom_session_threads_function(const transom_session *session);

/// The calling thread's last failure: what, where, expected, given. "" if
/// none. Valid until the thread's next call.
typedef const char *transom_error_function(void);

/// Starts and reads a profile: JSON, by layer. `*json` is null if no profile
/// was started.
typedef transom_status transom_profile_function(transom_session *session,
                                                int32_t enable,
                                                const char **json);

// Functions of libraries that generate text: sequences of tokens whose keys and
// values are in the session's cache. All fail (TRANSOM_INVALID_ARGUMENT) in
// other libraries, and if the session has no such sequence.

/// Adds a sequence without tokens. TRANSOM_EXHAUSTED: no memory.
typedef transom_status transom_sequence_add_function(transom_session *session,
                                                     int64_t *sequence);

/// Adds a sequence that has the first `length` tokens of `sequence`; -1: all.
/// Both share the blocks of these tokens; one that writes to a shared block
/// first copies it.
///   TRANSOM_OUT_OF_RANGE  `sequence` is shorter
///   TRANSOM_EXHAUSTED     no memory
typedef transom_status transom_sequence_fork_function(transom_session *session,
                                                      int64_t sequence,
                                                      int64_t length,
                                                      int64_t *fork);

/// Removes all but the first `length` tokens. TRANSOM_OUT_OF_RANGE: the
/// sequence is shorter.
typedef transom_status
transom_sequence_truncate_function(transom_session *session, int64_t sequence,
                                   int64_t length);

/// Frees the blocks that no other sequence shares. The id is never used again.
typedef transom_status transom_sequence_free_function(transom_session *session,
                                                      int64_t sequence);

/// The number of its tokens; -1: there is no such sequence.
typedef int64_t transom_sequence_length_function(const transom_session *session,
                                                 int64_t sequence);

/// Appends tokens to sequences, and computes outputs for them. Runs a ragged
/// batch as `run` does, without a mask and with one more input: `sequences`
/// [sequences] has the session's sequence of each one in the batch, at most
/// once each. Without outputs, tokens are appended only. The bits of a result
/// depend neither on how its sequence was divided into steps, nor on the others
/// in a step. Allocates nothing after a step as large, or if the options
/// reserve the memory, except that a growing cache sometimes takes memory. On
/// failure all sequences keep their lengths:
///   TRANSOM_OUT_OF_RANGE  also: a sequence needs more positions than the model
///                         has
///   TRANSOM_EXHAUSTED     also: no room in the cache
typedef transom_status transom_step_function(transom_session *session,
                                             const transom_tensor *inputs,
                                             size_t num_inputs,
                                             transom_tensor *outputs,
                                             size_t num_outputs);

// Functions of the same libraries that choose tokens.

/// Generates tokens after all prompts, in common steps; in an encoder-decoder
/// the encoder reads the prompts. `options` null: the defaults. `callback` and
/// `results` may be null. Returns when all sequences have ended. A request that
/// its callback cancels is not a failure.
///   TRANSOM_INVALID_ARGUMENT  null pointers, an empty prompt, an option out of
///                             range, a library without a step or without a
///                             start token for its decoder
///   TRANSOM_OUT_OF_RANGE      a token that the model does not have; a prompt
///                             and new tokens beyond its greatest length
///   TRANSOM_EXHAUSTED         no memory; more tokens than the session's
///                             `cache_tokens`; a prompt for an encoder of more
///                             than `max_tokens`
///   TRANSOM_INTERNAL          the model computed NaN
/// On failure `results` are undefined.
typedef transom_status
transom_generate_function(transom_session *session,
                          const transom_token_lists *prompts,
                          const transom_generation_options *options,
                          transom_generation_callback callback, void *user,
                          const transom_generated *results);

/// Creates an engine, which steps the sequences of many requests together and
/// takes new requests at any time. It belongs to the session's thread; the
/// session may be used between two calls. Prompts that begin like another
/// sequence of the engine share its keys and values, except in an
/// encoder-decoder. `options` null: the defaults.
typedef transom_status
transom_engine_create_function(transom_session *session,
                               const transom_engine_options *options,
                               transom_engine **engine);

/// Null is allowed. Requests that have not ended get no further calls. An
/// engine must be destroyed before its session.
typedef void transom_engine_destroy_function(transom_engine *engine);

/// Takes a request, and copies prompt and options. Fails as `generate` does.
/// Requests become live in the order of submission.
///   prompt   [length], at least 1
///   request  the id: 0, 1, ...; may be null
typedef transom_status transom_engine_submit_function(
    transom_engine *engine, const int32_t *prompt, int64_t length,
    const transom_generation_options *options,
    transom_generation_callback callback, void *user, int64_t *request);

/// Runs one step of all sequences that there is room for, and calls the
/// callbacks with the new tokens. `live`, which may be null, gets the number of
/// requests that have not ended; at 0 there is nothing to do. A request that
/// fails ends with TRANSOM_FINISH_FAILED, the others continue. Allocates
/// nothing, and makes no system call except to wake workers, if no request has
/// come since the last step and all sequences are past their prompts.
typedef transom_status transom_engine_step_function(transom_engine *engine,
                                                    int64_t *live);

/// Ends a request, after a last call of its callback for each sequence that has
/// not ended. Succeeds if the request has ended already.
typedef transom_status transom_engine_cancel_function(transom_engine *engine,
                                                      int64_t request);

// A function of encoder-decoders that generate text.

/// Reads the encoder tokens of sequences, to which steps attend beside their
/// own tokens: a step of a sequence that was never encoded fails
/// (TRANSOM_INVALID_ARGUMENT). Called like `step`, with the inputs of the
/// encoder, `sequences` [sequences] and `sequence_offsets` [sequences + 1];
/// outputs are the encoder's. A sequence may have no encoder tokens. They take
/// room in the cache as other tokens do, stay when the sequence is truncated,
/// and are shared by its forks. Fails and allocates as `step` does; on failure
/// all sequences are unchanged:
///   TRANSOM_INVALID_ARGUMENT  also: a sequence has tokens already; the library
///                             has no encoder
typedef transom_status transom_encode_function(transom_session *session,
                                               const transom_tensor *inputs,
                                               size_t num_inputs,
                                               transom_tensor *outputs,
                                               size_t num_outputs);

/// What a library exports, in the order of transom_entry_points: NAME_open, and
/// NAME_function for each of these.
#define TRANSOM_FUNCTIONS(FUNCTION)                                            \
  FUNCTION(close)                                                              \
  FUNCTION(session_create)                                                     \
  FUNCTION(session_destroy)                                                    \
  FUNCTION(run)                                                                \
  FUNCTION(pool_create)                                                        \
  FUNCTION(pool_destroy)                                                       \
  FUNCTION(session_threads)                                                    \
  FUNCTION(error)                                                              \
  FUNCTION(profile)                                                            \
  FUNCTION(sequence_add)                                                       \
  FUNCTION(sequence_fork)                                                      \
  FUNCTION(sequence_truncate)                                                  \
  FUNCTION(sequence_free)                                                      \
  FUNCTION(sequence_length)                                                    \
  FUNCTION(step)                                                               \
  FUNCTION(generate)                                                           \
  FUNCTION(engine_create)                                                      \
  FUNCTION(engine_destroy)                                                     \
  FUNCTION(engine_submit)                                                      \
  FUNCTION(engine_step)                                                        \
  FUNCTION(engine_cancel)                                                      \
  FUNCTION(encode)

/// The functions behind the NAME_... exports. `transom_entry` of a shared
/// library is one of these tables, for loaders that don't know NAME.
typedef struct transom_entry_points {
  uint32_t abi_version;
  uint32_t struct_bytes;
  const char *name;     ///< NAME
  const char *metadata; ///< JSON: task, config, labels, inputs, outputs, target
  transom_open_function *open;
#define TRANSOM_FIELD(function) transom_##function##_function *function;
  TRANSOM_FUNCTIONS(TRANSOM_FIELD)
#undef TRANSOM_FIELD
} transom_entry_points;

#ifdef __cplusplus
} // extern "C"
#endif

#endif // TRANSOM_H
