/* Two models in one program: each runs with its own weights, also at the same
 * time as the other's session lives. Prints what they compute. */
#include "second.h"
#include "tiny.h"

#include <stdio.h>

static int fail(const char *where, const char *why) {
  fprintf(stderr, "%s: %s\n", where, why);
  return 1;
}

int main(void) {
  transom_model *tiny, *second;
  transom_session *tiny_session, *second_session;
  if (tiny_open(NULL, &tiny) != TRANSOM_OK)
    return fail("tiny_open", tiny_error());
  if (second_open(NULL, &second) != TRANSOM_OK)
    return fail("second_open", second_error());
  if (tiny_session_create(tiny, NULL, &tiny_session) != TRANSOM_OK)
    return fail("tiny_session_create", tiny_error());
  if (second_session_create(second, NULL, &second_session) != TRANSOM_OK)
    return fail("second_session_create", second_error());

  int32_t ids[2] = {1, 0};
  float rows[6], pooled[2], others[4];
  transom_tensor input = {0};
  input.name = "ids";
  input.data = ids;
  input.capacity = sizeof(ids);
  input.dtype = TRANSOM_INT32;
  input.rank = 2;
  input.dims[0] = 1;
  input.dims[1] = 2;
  transom_tensor outputs[2] = {{0}, {0}};
  outputs[0].name = "rows";
  outputs[0].data = rows;
  outputs[0].capacity = sizeof(rows);
  outputs[1].name = "pooled";
  outputs[1].data = pooled;
  outputs[1].capacity = sizeof(pooled);
  if (tiny_run(tiny_session, &input, 1, outputs, 2) != TRANSOM_OK)
    return fail("tiny_run", tiny_error());
  printf("tiny %g %g %g %g %g %g, %g %g\n", rows[0], rows[1], rows[2], rows[3],
         rows[4], rows[5], pooled[0], pooled[1]);

  outputs[0].data = others;
  outputs[0].capacity = sizeof(others);
  if (second_run(second_session, &input, 1, outputs, 1) != TRANSOM_OK)
    return fail("second_run", second_error());
  printf("second %g %g %g %g\n", others[0], others[1], others[2], others[3]);

  /* An id that only tiny has. */
  ids[0] = 2;
  if (second_run(second_session, &input, 1, outputs, 1) != TRANSOM_OUT_OF_RANGE)
    return fail("second_run", "accepts an id out of range");
  printf("%s\n", second_error());

  tiny_session_destroy(tiny_session);
  second_session_destroy(second_session);
  tiny_close(tiny);
  second_close(second);
  return 0;
}
