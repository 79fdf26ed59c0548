/*===- Library.c - what the compiler emits for a model, in C ---------------===
 *
 * A shared library NAME (a macro) that embeds ids: last_hidden_state [tokens,
 * 4] is SCALE * id + column. With EMBED_WEIGHTS its weights are inside, else
 * in NAME.weights.
 *
 *===----------------------------------------------------------------------===*/
#include "runtime/entry.h"

#include LIBRARY_HEADER

#include <stdint.h>

#define PASTE2(a, b) a##b
#define PASTE(a, b) PASTE2(a, b)
#define TEXT2(a) #a
#define TEXT(a) TEXT2(a)
#define F(suffix) PASTE(NAME, suffix)
#define EXPORT __attribute__((visibility("default")))

enum { WIDTH = 4, STRIDE = 64 };

struct buffer_dim {
  int32_t min, extent, stride;
  uint32_t flags;
};
struct buffer {
  uint64_t device;
  const void *device_interface;
  void *host;
  uint64_t flags;
  uint8_t code, bits;
  uint16_t lanes;
  int32_t dimensions;
  struct buffer_dim *dim;
  void *padding;
};

static int32_t embed_rows(void **argv) {
  const struct buffer *ids = argv[1], *columns = argv[2], *out = argv[3];
  for (int32_t m = 0; m < out->dim[1].extent; ++m)
    for (int32_t c = 0; c < WIDTH; ++c)
      ((float *)out->host)[m * STRIDE + c] =
          SCALE * (float)((int32_t *)ids->host)[m] +
          ((float *)columns->host)[c];
  return 0;
}

static const transom_kernel_argument arguments[] = {
    {TRANSOM_BUFFER,
     TRANSOM_I32,
     1,
     TRANSOM_TASK_ROWS,
     0,
     0,
     1,
     0,
     4,
     0,
     {{TRANSOM_TASK_ROWS, 0, 1}}},
    {TRANSOM_BUFFER,
     TRANSOM_F32,
     1,
     TRANSOM_CONSTANT,
     0,
     1,
     1,
     0,
     0,
     0,
     {{TRANSOM_CONSTANT, WIDTH, 1}}},
    {TRANSOM_BUFFER,
     TRANSOM_F32,
     2,
     TRANSOM_TASK_ROWS,
     0,
     2,
     1,
     0,
     4 * STRIDE,
     0,
     {{TRANSOM_CONSTANT, WIDTH, 1}, {TRANSOM_TASK_ROWS, 0, STRIDE}}}};
static const transom_kernel_variant variants[] = {
    {embed_rows, INT64_MAX, 1, 4, 1, 0}};
static const transom_kernel kernel = {"embed_rows",
                                      TRANSOM_GRID_ROWS,
                                      1,
                                      3,
                                      1,
                                      arguments,
                                      variants,
                                      0,
                                      0,
                                      0,
                                      0,
                                      0,
                                      0,
                                      1e6,
                                      0};

static int32_t run_program(transom_frame *frame) {
  const void *operands[] = {frame->inputs[0],
                            frame->weights + sizeof(transom_weights_header),
                            frame->arena};
  frame->outputs[0] = frame->arena;
  return transom_launch(frame, &kernel, operands,
                        frame->extents[TRANSOM_TOKENS], "embeddings");
}

static const transom_input_info inputs[] = {
    {"input_ids", TRANSOM_I32, TRANSOM_ROLE_VALUES, TRANSOM_DEFAULT_NONE,
     TRANSOM_TOKENS, 0, 1000}};
static const transom_output_info outputs[] = {{"last_hidden_state",
                                               TRANSOM_F32,
                                               TRANSOM_TOKENS,
                                               1,
                                               0,
                                               0,
                                               {WIDTH},
                                               4 * STRIDE,
                                               WIDTH}};

#ifdef EMBED_WEIGHTS
static const struct {
  transom_weights_header header;
  float columns[16];
} embedded
    __attribute__((aligned(64))) = {{{'T', 'R', 'A', 'N', 'S', 'O', 'M', 'W'},
                                     TRANSOM_ABI_VERSION,
                                     64,
                                     128,
                                     77,
                                     {0}},
                                    {0, 1, 2, 3}};
#define WEIGHTS &embedded
#else
#define WEIGHTS NULL
#endif

#define METADATA                                                               \
  "{\"task\": \"feature-extraction\", "                                        \
  "\"config\": {\"max_position_embeddings\": 8, \"hidden_size\": 4}, "         \
  "\"inputs\": [{\"name\": \"input_ids\", \"dims\": [\"tokens\"]}], "          \
  "\"outputs\": [{\"name\": \"last_hidden_state\", "                           \
  "\"dims\": [\"tokens\", 4]}]}"

static const transom_program program = {
    "forward",  TRANSOM_PROGRAM_FORWARD, 1, 1, 0, inputs, outputs, {4 * STRIDE},
    run_program};

static const transom_library library = {TRANSOM_ABI_VERSION,
                                        sizeof(transom_library),
                                        TEXT(NAME),
                                        METADATA,
                                        "host",
                                        0,
                                        77,
                                        128,
                                        WEIGHTS,
                                        1,
                                        0,
                                        &program,
                                        0,
                                        NULL};

EXPORT transom_status F(_open)(const char *path, transom_model **model) {
  return transom_open(&library, path, model);
}
EXPORT void F(_close)(transom_model *model) { transom_close(model); }
EXPORT transom_status F(_session_create)(transom_model *model,
                                         const transom_session_options *options,
                                         transom_session **session) {
  return transom_session_create(model, options, session);
}
EXPORT void F(_session_destroy)(transom_session *session) {
  transom_session_destroy(session);
}
EXPORT transom_status F(_run)(transom_session *session,
                              const transom_tensor *in, size_t num_in,
                              transom_tensor *out, size_t num_out) {
  return transom_run(session, in, num_in, out, num_out);
}
EXPORT transom_status F(_pool_create)(int32_t threads, transom_pool **pool) {
  return transom_pool_create(threads, pool);
}
EXPORT void F(_pool_destroy)(transom_pool *pool) { transom_pool_destroy(pool); }
EXPORT int32_t F(_session_threads)(const transom_session *session) {
  return transom_session_threads(session);
}
EXPORT const char *F(_error)(void) { return transom_error(); }
EXPORT transom_status F(_profile)(transom_session *session, int32_t enable,
                                  const char **json) {
  return transom_profile(session, enable, json);
}
EXPORT transom_status F(_sequence_add)(transom_session *session,
                                       int64_t *sequence) {
  return transom_sequence_add(session, sequence);
}
EXPORT transom_status F(_sequence_fork)(transom_session *session,
                                        int64_t sequence, int64_t length,
                                        int64_t *fork) {
  return transom_sequence_fork(session, sequence, length, fork);
}
EXPORT transom_status F(_sequence_truncate)(transom_session *session,
                                            int64_t sequence, int64_t length) {
  return transom_sequence_truncate(session, sequence, length);
}
EXPORT transom_status F(_sequence_free)(transom_session *session,
                                        int64_t sequence) {
  return transom_sequence_free(session, sequence);
}
EXPORT int64_t F(_sequence_length)(const transom_session *session,
                                   int64_t sequence) {
  return transom_sequence_length(session, sequence);
}
EXPORT transom_status F(_step)(transom_session *session,
                               const transom_tensor *in, size_t num_in,
                               transom_tensor *out, size_t num_out) {
  return transom_step(session, in, num_in, out, num_out);
}
EXPORT transom_status F(_generate)(transom_session *session,
                                   const transom_token_lists *prompts,
                                   const transom_generation_options *options,
                                   transom_generation_callback callback,
                                   void *user,
                                   const transom_generated *results) {
  return transom_generate(session, prompts, options, callback, user, results);
}
EXPORT transom_status F(_engine_create)(transom_session *session,
                                        const transom_engine_options *options,
                                        transom_engine **engine) {
  return transom_engine_create(session, options, engine);
}
EXPORT void F(_engine_destroy)(transom_engine *engine) {
  transom_engine_destroy(engine);
}
EXPORT transom_status F(_engine_submit)(
    transom_engine *engine, const int32_t *prompt, int64_t length,
    const transom_generation_options *options,
    transom_generation_callback callback, void *user, int64_t *request) {
  return transom_engine_submit(engine, prompt, length, options, callback, user,
                               request);
}
EXPORT transom_status F(_engine_step)(transom_engine *engine, int64_t *live) {
  return transom_engine_step(engine, live);
}
EXPORT transom_status F(_engine_cancel)(transom_engine *engine,
                                        int64_t request) {
  return transom_engine_cancel(engine, request);
}
EXPORT transom_status F(_encode)(transom_session *session,
                                 const transom_tensor *in, size_t num_in,
                                 transom_tensor *out, size_t num_out) {
  return transom_encode(session, in, num_in, out, num_out);
}
EXPORT const char *F(_metadata)(void) { return library.metadata; }

#define POINTER(function) transom_##function,
#define ENTRY                                                                  \
  {TRANSOM_ABI_VERSION,                                                        \
   sizeof(transom_entry_points),                                               \
   TEXT(NAME),                                                                 \
   METADATA,                                                                   \
   F(_open),                                                                   \
   TRANSOM_FUNCTIONS(POINTER)}

EXPORT const transom_entry_points F(_entry) = ENTRY;
extern const transom_entry_points transom_entry;
EXPORT const transom_entry_points transom_entry = ENTRY;
