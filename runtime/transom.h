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
  /// Tokens of all sequences together that the cache has room for, reserved at
  /// once; each sequence takes them in blocks of 16. 0: it grows as needed. Of
  /// no use to libraries that have no cache.
  int64_t cache_tokens;
} transom_session_options;

/// Lists of tokens, one behind the other: list i is tokens[offsets[i]] up to
/// before tokens[offsets[i + 1]]. All zero: no lists.
typedef struct transom_token_lists {
  const int32_t *tokens;  ///< [offsets[count]]
  const int64_t *offsets; ///< [count + 1], from 0, ascending
  int64_t count;
} transom_token_lists;

/// When a beam search has enough, see transom_generation_options.
typedef enum transom_early_stopping {
  /// When the best live beam, at its present length, is worse than all finished
  /// ones.
  TRANSOM_EARLY_STOPPING_FALSE = 0,
  /// As soon as `num_beams` sequences are finished.
  TRANSOM_EARLY_STOPPING_TRUE = 1,
  /// When no beam can become better, up to the greatest length.
  TRANSOM_EARLY_STOPPING_NEVER = 2
} transom_early_stopping;

/// Why a sequence ended.
typedef enum transom_finish_reason {
  TRANSOM_FINISH_NOT = 0,       ///< it goes on
  TRANSOM_FINISH_EOS = 1,       ///< its last token is an end of sequence
  TRANSOM_FINISH_LENGTH = 2,    ///< as long as the options or the model allow
  TRANSOM_FINISH_STOP = 3,      ///< its last tokens are a stop sequence
  TRANSOM_FINISH_CANCELLED = 4, ///< by its callback, or engine_cancel
  TRANSOM_FINISH_FAILED = 5     ///< NAME_error() says why
} transom_finish_reason;

/// How tokens are chosen and when to stop. Names, meaning and order are those
/// of Hugging Face's GenerationConfig. All zero but `struct_bytes`: greedy, at
/// most 20 new tokens. Fields that say no other have 0 for "not used". A value
/// out of range is an error that names it.
typedef struct transom_generation_options {
  uint32_t struct_bytes; ///< sizeof(transom_generation_options)

  /// 0: `max_length` counts; if that is 0, too, 20, or fewer if the model takes
  /// no more. A prompt and what is asked for beyond the model's greatest length
  /// is an error (TRANSOM_OUT_OF_RANGE); a last token needs no position.
  int32_t max_new_tokens;
  int32_t max_length;     ///< of prompt and new tokens
  int32_t min_new_tokens; ///< no end of sequence before; beats min_length
  int32_t min_length;     ///< of prompt and new tokens

  /// Draw tokens at random, instead of taking the best.
  int32_t do_sample;
  /// The same seed, stream and options give the same tokens, whatever else is
  /// in the batch, however many threads there are.
  uint64_t seed;
  /// A seed has 2^64 independent streams. Prompt i of `generate` has stream
  /// `stream` + i; num_return_sequences share one, but no numbers.
  uint64_t stream;
  float temperature; ///< > 0; 0: 1
  int32_t top_k;     ///< >= 0; Hugging Face's own default is 50, here all
  float top_p;       ///< in (0, 1]
  float min_p;       ///< in [0, 1]
  float typical_p;   ///< in (0, 1]

  float repetition_penalty; ///< > 0; 0: 1
  int32_t no_repeat_ngram_size;
  /// Make log-probabilities of the scores when all else is done to them.
  int32_t renormalize_logits;

  int32_t num_beams;            ///< 0: 1, no beam search
  int32_t num_return_sequences; ///< 0: 1; at most num_beams if that is over 1
  int32_t early_stopping;       ///< transom_early_stopping
  /// A finished beam's score is the sum of its log-probabilities divided by its
  /// new tokens to this power. 0: 1; TRANSOM_NO_LENGTH_PENALTY: the sum itself.
  float length_penalty;

  /// Draft that up to so many tokens follow as they did after an earlier
  /// occurrence of the last tokens, and check all in one step. The result is
  /// the same, to the bit, and comes faster where text repeats. Not for beams.
  int32_t prompt_lookup_num_tokens;
  int32_t max_matching_ngram_size; ///< of those last tokens; 0: 2

  /// End-of-sequence tokens. 0: the model's own; -1: none.
  int32_t num_eos_token_ids;
  const int32_t *eos_token_ids;
  /// Lists of tokens that are not to be generated.
  transom_token_lists bad_words_ids;
  /// Lists of tokens that end a sequence as soon as its new tokens end in one.
  transom_token_lists stop_sequences;

  /// Of an encoder-decoder, whose prompts are encoder inputs: what the decoder
  /// begins with, its start token included. One list for all prompts, or one
  /// for each; none: the model's own decoder_start_token_id. For other
  /// libraries none. Lengths of a prompt above are those of this one.
  transom_token_lists decoder_input_ids;
  /// If 1, the token after a prompt of one token is `forced_bos_token_id`.
  int32_t has_forced_bos_token_id;
  int32_t forced_bos_token_id;
  /// The last token that the lengths allow is one of these. 0: none.
  int32_t num_forced_eos_token_ids;
  int32_t reserved; ///< 0
  const int32_t *forced_eos_token_ids;
} transom_generation_options;

#define TRANSOM_NO_LENGTH_PENALTY 1e-30f

/// What a callback receives: tokens of one sequence, as soon as they are sure;
/// those of a beam search when it is over, the best sequence first.
typedef struct transom_generation_event {
  uint32_t struct_bytes;
  int32_t finish;   ///< transom_finish_reason
  int64_t request;  ///< of engine_submit; of generate: the prompt's index
  int32_t sequence; ///< which of num_return_sequences
  /// Of a finished beam, its score; else 0.
  float score;
  int64_t num_tokens;    ///< may be 0, with `finish`
  const int32_t *tokens; ///< new since the last call; valid during the call
  int32_t status;        ///< transom_status of TRANSOM_FINISH_FAILED
  int32_t reserved;
} transom_generation_event;

/// Returns 0 to go on; else the event's request, all of its sequences, ends
/// (TRANSOM_FINISH_CANCELLED) and gets no further calls. It may submit and
/// cancel requests of its engine, but neither step nor destroy it, nor use its
/// session.
typedef int32_t (*transom_generation_callback)(
    void *user, const transom_generation_event *event);

/// Results of `generate`, in memory of the caller, sequence r of prompt p at
/// row p * num_return_sequences + r. Each may be null if it is not wanted.
typedef struct transom_generated {
  uint32_t struct_bytes; ///< sizeof(transom_generated)
  uint32_t reserved;     ///< 0
  /// [prompts * num_return_sequences][row_tokens]: new tokens only; what
  /// follows them in a row is left alone.
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
  /// Sequences that are stepped together, beams counted; more requests wait
  /// their turn. 0: 64.
  int32_t max_num_seqs;
  /// Tokens of one step. A prompt that is longer, or comes while others are at
  /// their new tokens, is read in chunks; an encoder input always at once. At
  /// least max_num_seqs; at most the session's `max_tokens`. 0: 512, or what
  /// those demand.
  int32_t max_num_batched_tokens;
  /// Finished sequences whose keys and values are cached for prompts that come
  /// later and begin as they do, as long as there is memory. 0: none.
  int32_t prefix_cache_sequences;
} transom_engine_options;

// The functions of a library, as types that carry their contracts: NAME_run is
// a transom_run_function.

/// Checks that the CPU has what the code needs, and maps the weights read-only.
/// `weights_path` null: the embedded weights, or NAME.weights in the folder of
/// the library. `*model` is null on failure:
///   TRANSOM_INVALID_ARGUMENT  `model` is null
///   TRANSOM_MISMATCH          ABI, CPU, or weights of another library
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
///   TRANSOM_MISMATCH          the pool is another ABI version's
///   TRANSOM_EXHAUSTED         no memory or no threads
typedef transom_status
transom_session_create_function(transom_model *model,
                                const transom_session_options *options,
                                transom_session **session);

/// Null is allowed.
typedef void transom_session_destroy_function(transom_session *session);

/// Runs the model on one batch. Inputs are found by name, in either form:
///   padded: every values input [batch][length]; `attention_mask`
///     [batch][length] optional, 0 marks a token that is not there. Token
///     outputs come back as [batch][length][width], zeros where masked.
///   ragged: every values input [tokens], `sequence_offsets` [sequences + 1],
///     from 0, ascending; `attention_mask` [tokens] optional. Token outputs
///     come back as [tokens][width], zeros where masked.
/// Sequence outputs are [batch][width]. An empty batch succeeds.
/// A library may take `positions` [count]: the tokens at which some of its
/// outputs (logits over a vocabulary) are wanted, by their index among the
/// tokens of a values input, batch * length + column if padded. Only these
/// are computed, and come back as [count][width], in the given order; without
/// `positions` they are token outputs. A masked token has none:
///   TRANSOM_INVALID_ARGUMENT  a position is of a token that is masked
///   TRANSOM_OUT_OF_RANGE      a position is of no token
/// Allocates nothing once a run of that many tokens, and positions, has been
/// made. On failure outputs are undefined, and the session stays usable.
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

/// Starts and reads a profile: JSON, by layer. Null text if not started.
typedef transom_status transom_profile_function(transom_session *session,
                                                int32_t enable,
                                                const char **json);

// Of libraries that generate text: sequences of tokens whose keys and values
// the session keeps in its cache. All fail (TRANSOM_INVALID_ARGUMENT) for
// other libraries, and where the session has no such sequence.

/// A sequence without tokens. TRANSOM_EXHAUSTED: no memory.
typedef transom_status transom_sequence_add_function(transom_session *session,
                                                     int64_t *sequence);

/// A new sequence that has the first `length` tokens of `sequence`; -1: all.
/// What both have is there once, and is copied (one block of it) when one of
/// them is written to.
///   TRANSOM_OUT_OF_RANGE  `sequence` is shorter
///   TRANSOM_EXHAUSTED     no memory
typedef transom_status transom_sequence_fork_function(transom_session *session,
                                                      int64_t sequence,
                                                      int64_t length,
                                                      int64_t *fork);

/// Forgets all but the first `length` tokens. TRANSOM_OUT_OF_RANGE: it is
/// shorter.
typedef transom_status
transom_sequence_truncate_function(transom_session *session, int64_t sequence,
                                   int64_t length);

/// What only this sequence has goes to others. Its id is not used again.
typedef transom_status transom_sequence_free_function(transom_session *session,
                                                      int64_t sequence);

/// Tokens that it has; -1: there is no such sequence.
typedef int64_t transom_sequence_length_function(const transom_session *session,
                                                 int64_t sequence);

/// Appends tokens to sequences, and computes outputs for them. As `run` in
/// the ragged form, with one more input, `sequences` [sequences]: which of
/// the session's each of the batch is, at most once each. With no outputs,
/// tokens are appended only. A result's bits depend neither on how its
/// sequence was divided into steps, nor on who else is in a step. Allocates
/// nothing after a step as large, or if the options reserve for it, but a
/// growing cache takes memory now and then. On failure all sequences are as
/// long as before:
///   TRANSOM_OUT_OF_RANGE  also: longer than the model's positions
///   TRANSOM_EXHAUSTED     also: no room in the cache
typedef transom_status transom_step_function(transom_session *session,
                                             const transom_tensor *inputs,
                                             size_t num_inputs,
                                             transom_tensor *outputs,
                                             size_t num_outputs);

// Of the same libraries: choosing tokens.

/// Generates tokens after all prompts together; of an encoder-decoder, beside
/// them: prompts are what the encoder reads.
/// `options` null: the defaults. `callback` and `results` may be null.
/// Returns when all sequences have ended. A request that its callback cancels
/// is not a failure.
///   TRANSOM_INVALID_ARGUMENT  null pointers, an empty prompt, an option out
///                             of range, a library that has no step, or no
///                             token that its decoder begins with
///   TRANSOM_OUT_OF_RANGE      a token that the model does not know; a prompt
///                             and new tokens beyond its greatest length
///   TRANSOM_EXHAUSTED         no memory, or over `cache_tokens` of the
///                             session; an encoder input over its `max_tokens`
///   TRANSOM_INTERNAL          the model computed no numbers (NaN)
/// On failure `results` are undefined.
typedef transom_status
transom_generate_function(transom_session *session,
                          const transom_token_lists *prompts,
                          const transom_generation_options *options,
                          transom_generation_callback callback, void *user,
                          const transom_generated *results);

/// An engine steps the sequences of many requests together, and takes new
/// ones at any time. It belongs to its session's thread; the session may be
/// used between two calls. Prompts that begin as another sequence of the
/// engine does share its keys and values, unless they are encoder inputs.
/// `options` null: the defaults.
typedef transom_status
transom_engine_create_function(transom_session *session,
                               const transom_engine_options *options,
                               transom_engine **engine);

/// Null is allowed. Requests that have not ended get no further calls. Before
/// the session.
typedef void transom_engine_destroy_function(transom_engine *engine);

/// Takes a request; prompt and options are copied. Fails as transom_generate
/// does. Requests are served in this order.
///   prompt   [length], at least 1
///   request  its id, 0, 1, ...; may be null
typedef transom_status transom_engine_submit_function(
    transom_engine *engine, const int32_t *prompt, int64_t length,
    const transom_generation_options *options,
    transom_generation_callback callback, void *user, int64_t *request);

/// One step of all sequences that there is room for, and the callbacks for
/// the tokens that it gave. `live`, may be null: requests that have not
/// ended; with none there is nothing to do. A request that fails ends with
/// TRANSOM_FINISH_FAILED, the others go on. Allocates nothing, and makes no
/// system call but to wake workers, if no request has come since the last
/// step and all sequences are past their prompts.
typedef transom_status transom_engine_step_function(transom_engine *engine,
                                                    int64_t *live);

/// Ends a request; its callback is called once more for each of its sequences
/// that has not ended. No failure if it has ended already.
typedef transom_status transom_engine_cancel_function(transom_engine *engine,
                                                      int64_t request);

// Of encoder-decoders that generate text.

/// Gives sequences their encoder inputs, which steps read beside their tokens:
/// a step of a sequence without one fails (TRANSOM_INVALID_ARGUMENT). As `step`
/// with the inputs of the encoder, `sequences` [sequences] and
/// `sequence_offsets` [sequences + 1]; its outputs are the encoder's. An
/// encoder input may have no tokens. It takes room in the cache as tokens do,
/// stays when its sequence is truncated, and forks share it. Fails and
/// allocates as `step` does; on failure all sequences are as before:
///   TRANSOM_INVALID_ARGUMENT  also: a sequence has tokens already; the
///                             library has no encoder
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

/// The functions behind the NAME_... exports; `transom_entry` of a shared
/// library is one of these, for loaders that don't know NAME.
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
