//===- Metadata.h - what a library's metadata says of generation ----------===//
#ifndef TRANSOM_RUNTIME_GENERATION_METADATA_H
#define TRANSOM_RUNTIME_GENERATION_METADATA_H

#include <cstdint>

namespace transom {

/// Reads generation_config.eos_token_id, a number or several, of a library's
/// metadata. Returns how many there are, of which at most `most` are written;
/// 0 if there is none. Never reads beyond the text, whatever it is.
int32_t readEosIds(const char *metadata, int32_t *ids, int32_t most);

/// What a decoder begins with: generation_config.decoder_start_token_id, or
/// else bos_token_id there; -1: neither is a number.
int32_t readStartId(const char *metadata);

} // namespace transom

#endif // TRANSOM_RUNTIME_GENERATION_METADATA_H
