//===- ProgramState.cpp - what the runs of one program need ---------------===//
#include "runtime/Session.h"

#include <cstdlib>

using namespace transom;

bool ProgramState::create(const transom_program *of) {
  program = of;
  outputs = static_cast<const void **>(
      calloc(size_t(program->num_outputs) + 1, sizeof(*outputs)));
  hasSource = Request::hasSource(*program);
  if (hasSource)
    request.source = &sourceRequest;
  return outputs && request.create(program, /*ofSource=*/false) &&
         door.create(request) &&
         (!hasSource || (sourceRequest.create(program, /*ofSource=*/true) &&
                         sourceDoor.create(sourceRequest)));
}

void ProgramState::release() {
  request.release();
  sourceRequest.release();
  door.release();
  sourceDoor.release();
  free(outputs);
  outputs = nullptr;
}
