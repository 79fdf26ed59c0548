//===- entry.h - what a compiled library's exports forward to -------------===//
//
// For the compiler's host lowering. For a library NAME it emits, as constant
// data, a `transom_library` (abi.h), and these exports:
//
//   function or data     forwards to
//   NAME_open(path, m)   transom_model_open(&library, path, m)
//   NAME_close           transom_model_close
//   NAME_session_create  transom_session_create
//   NAME_session_destroy transom_session_destroy
//   NAME_run             transom_session_run
//   NAME_pool_create     transom_pool_create
//   NAME_pool_destroy    transom_pool_destroy
//   NAME_session_threads transom_session_threads
//   NAME_error           transom_error
//   NAME_profile         transom_session_profile
//   NAME_sequence_add, _fork, _truncate, _free, _length
//                        transom_sequence_...
//   NAME_step            transom_step
//   NAME_encode          transom_encode
//   NAME_metadata()      returns library.metadata
//   NAME_entry (data)    a transom_entry_points; its functions may be these
//                        directly, but `open`, which must be NAME_open
//   transom_entry (data) the same, --emit=shared only: found by dlsym, so it is
//                        not to be linked against
//
// `NAME.h.in` beside this file is the text that follows transom.h in the
// generated header, with @NAME@ for the name and @GUARD@ for it in upper case.
//
// All functions below have hidden visibility, as has all of the runtime: every
// library has its own copy. A static library or an object must therefore be
// linked with the runtime into one relocatable object whose hidden symbols are
// made local (ld -r, then objcopy --localize-hidden), or two models could not
// be linked into one program. Sessions of one library may use a pool of
// another.
//
//===----------------------------------------------------------------------===//
#ifndef TRANSOM_RUNTIME_ENTRY_H
#define TRANSOM_RUNTIME_ENTRY_H

#include "runtime/abi.h"
#include "runtime/transom.h"

#ifdef __cplusplus
extern "C" {
#endif

/// Checks the library's ABI version and layout, that the CPU has all
/// `library->cpu_features`, and maps the weights read-only. `weights_path` null
/// means the embedded weights, or else `<library->name>.weights` in the folder
/// of the binary that `library` lies in. `*model` is null on failure:
///   TRANSOM_INVALID_ARGUMENT  `model` is null
///   TRANSOM_MISMATCH          ABI, CPU, or weights of another library
///   TRANSOM_IO_ERROR          the weights can't be opened, read or mapped
///   TRANSOM_EXHAUSTED         no memory
transom_status transom_model_open(const transom_library *library,
                                  const char *weights_path,
                                  transom_model **model);

/// Null is allowed. Sessions that still live keep the weights mapped, and the
/// last of them releases the model.
void transom_model_close(transom_model *model);

/// `options` null: the defaults. `*session` is null on failure:
///   TRANSOM_INVALID_ARGUMENT  null pointers, a negative number, a reserved
///                             field that is not 0
///   TRANSOM_MISMATCH          the pool is another ABI version's
///   TRANSOM_EXHAUSTED         no memory or no threads
transom_status transom_session_create(transom_model *model,
                                      const transom_session_options *options,
                                      transom_session **session);

/// Null is allowed.
void transom_session_destroy(transom_session *session);

/// See transom_entry_points::run.
transom_status transom_session_run(transom_session *session,
                                   const transom_tensor *inputs,
                                   size_t num_inputs, transom_tensor *outputs,
                                   size_t num_outputs);

/// See transom_entry_points::sequence_add and the following ones.
transom_status transom_sequence_add(transom_session *session,
                                    int64_t *sequence);
transom_status transom_sequence_fork(transom_session *session, int64_t sequence,
                                     int64_t length, int64_t *fork);
transom_status transom_sequence_truncate(transom_session *session,
                                         int64_t sequence, int64_t length);
transom_status transom_sequence_free(transom_session *session,
                                     int64_t sequence);
int64_t transom_sequence_length(const transom_session *session,
                                int64_t sequence);
transom_status transom_step(transom_session *session,
                            const transom_tensor *inputs, size_t num_inputs,
                            transom_tensor *outputs, size_t num_outputs);

/// See transom_entry_points, as for all that follow.
transom_status transom_generate(transom_session *session,
                                const transom_token_lists *prompts,
                                const transom_generation_options *options,
                                transom_generation_callback callback,
                                void *user, const transom_generated *results);
transom_status transom_engine_create(transom_session *session,
                                     const transom_engine_options *options,
                                     transom_engine **engine);
void transom_engine_destroy(transom_engine *engine);
transom_status transom_engine_submit(transom_engine *engine,
                                     const int32_t *prompt, int64_t length,
                                     const transom_generation_options *options,
                                     transom_generation_callback callback,
                                     void *user, int64_t *request);
transom_status transom_engine_step(transom_engine *engine, int64_t *live);
transom_status transom_engine_cancel(transom_engine *engine, int64_t request);
transom_status transom_encode(transom_session *session,
                              const transom_tensor *inputs, size_t num_inputs,
                              transom_tensor *outputs, size_t num_outputs);

/// `threads` counts the thread that calls run: a pool of 4 has 3 workers. 0:
/// the default of transom_session_options.
transom_status transom_pool_create(int32_t threads, transom_pool **pool);

/// Null is allowed. Sessions that use it must be destroyed first.
void transom_pool_destroy(transom_pool *pool);

/// Threads that a run uses, the caller's included; 0 for a null session.
int32_t transom_session_threads(const transom_session *session);

/// The calling thread's last failure; never null.
const char *transom_error(void);

/// See transom_entry_points::profile.
transom_status transom_session_profile(transom_session *session, int32_t enable,
                                       const char **json);

#ifdef __cplusplus
} // extern "C"
#endif

#endif // TRANSOM_RUNTIME_ENTRY_H
