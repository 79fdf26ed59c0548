/*===- embed.c - the embedding of a sentence, from C ---------------------===
 *
 * Compile a sentence-embedding model under the name `encoder`, then this file:
 *
 *   transom compile MODEL -o libencoder.so
 *   cc -std=c11 embed.c -I. -L. -lencoder -lm -Wl,-rpath,'$ORIGIN' -o embed
 *   ./embed 101 7592 2088 102
 *
 * The arguments are token ids, as the model's tokenizer gives them. Prints the
 * mean of the tokens' last hidden states, scaled to length 1.
 *
 *===----------------------------------------------------------------------===*/
#include "encoder.h"

#include <errno.h>
#include <inttypes.h>
#include <math.h>
#include <stdio.h>
#include <stdlib.h>

/* Reads the ids; returns how many, or -1 if one is not a number. */
static int64_t read_ids(int count, char **words, int32_t *ids) {
  for (int i = 0; i < count; ++i) {
    char *end;
    errno = 0;
    long id = strtol(words[i], &end, 10);
    if (errno != 0 || *end != '\0' || end == words[i] || id < INT32_MIN ||
        id > INT32_MAX) {
      fprintf(stderr, "embed: expected a token id, got '%s'\n", words[i]);
      return -1;
    }
    ids[i] = (int32_t)id;
  }
  return count;
}

/* The mean over `tokens` rows, scaled to length 1, into the first row. */
static void pool(float *states, int64_t tokens, int64_t width) {
  double length = 0.0;
  for (int64_t c = 0; c < width; ++c) {
    double sum = 0.0;
    for (int64_t t = 0; t < tokens; ++t)
      sum += states[t * width + c];
    states[c] = (float)(sum / (double)tokens);
    length += (double)states[c] * states[c];
  }
  for (int64_t c = 0; c < width && length > 0.0; ++c)
    states[c] = (float)(states[c] / sqrt(length));
}

static transom_status embed(transom_session *session, int32_t *ids,
                            int64_t tokens) {
  transom_tensor input = {.name = "input_ids",
                          .data = ids,
                          .capacity = (size_t)tokens * sizeof(*ids),
                          .dtype = TRANSOM_INT32,
                          .rank = 2,
                          .dims = {1, tokens}};
  transom_tensor output = {.name = "last_hidden_state",
                           .dtype = TRANSOM_FLOAT32};

  /* Without data only the dims are set: [1, tokens, width]. */
  transom_status status = encoder_run(session, &input, 1, &output, 1);
  if (status != TRANSOM_OK)
    return status;
  int64_t width = output.dims[2];
  output.capacity = (size_t)(tokens * width) * sizeof(float);
  float *states = malloc(output.capacity);
  if (!states)
    return TRANSOM_EXHAUSTED;
  output.data = states;
  status = encoder_run(session, &input, 1, &output, 1);
  if (status == TRANSOM_OK) {
    pool(states, tokens, width);
    for (int64_t c = 0; c < width; ++c)
      printf("%s%.6f", c ? " " : "", (double)states[c]);
    printf("\n");
  }
  free(states);
  return status;
}

int main(int argc, char **argv) {
  if (argc < 2) {
    fprintf(stderr, "usage: %s ID...\n", argc > 0 ? argv[0] : "embed");
    return 2;
  }
  int32_t *ids = malloc((size_t)(argc - 1) * sizeof(*ids));
  int64_t tokens = ids ? read_ids(argc - 1, argv + 1, ids) : -1;
  if (tokens < 0) {
    free(ids);
    return 2;
  }

  transom_model *model = NULL;
  transom_session *session = NULL;
  transom_status status = encoder_open(NULL, &model);
  if (status == TRANSOM_OK)
    status = encoder_session_create(model, NULL, &session);
  if (status == TRANSOM_OK)
    status = embed(session, ids, tokens);
  if (status != TRANSOM_OK)
    fprintf(stderr, "embed: %s\n", encoder_error());
  encoder_session_destroy(session);
  encoder_close(model);
  free(ids);
  return status == TRANSOM_OK ? 0 : 1;
}
