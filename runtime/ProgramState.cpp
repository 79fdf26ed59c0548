//===- ProgramState.cpp - what the runs of one program need ---------------===//
#include "runtime/Session.h"

#include <cstdlib>

using namespace transom;

bool ProgramState::create(const transom_program *of) {
  program = of;
  outputs = static_cast<const void **>(
      calloc(size_t(program->num_outputs) + 1, sizeof(*outputs)));
  hasEncoderInput = Request::hasEncoderInput(*program);
  if (hasEncoderInput)
    request.encoderInput = &encoderRequest;
  return outputs && request.create(program, /*ofEncoder=*/false) &&
         packer.create(request) &&
         (!hasEncoderInput ||
          (encoderRequest.create(program, /*ofEncoder=*/true) &&
           encoderPacker.create(encoderRequest)));
}

void ProgramState::release() {
  request.release();
  encoderRequest.release();
  packer.release();
  encoderPacker.release();
  free(outputs);
  outputs = nullptr;
}
