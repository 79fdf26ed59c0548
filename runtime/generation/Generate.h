//===- Generate.h - all prompts to their ends -----------------------------===//
#ifndef TRANSOM_RUNTIME_GENERATION_GENERATE_H
#define TRANSOM_RUNTIME_GENERATION_GENERATE_H

#include "runtime/generation/Decoder.h"

namespace transom {

/// See transom_generate.
transom_status generate(const Decoder &decoder,
                        const transom_token_lists *prompts,
                        const transom_generation_options *options,
                        transom_generation_callback callback, void *user,
                        const transom_generated *results);

} // namespace transom

#endif // TRANSOM_RUNTIME_GENERATION_GENERATE_H
