//===- Random.h - random numbers that can be asked for in any order -------===//
#ifndef TRANSOM_RUNTIME_GENERATION_RANDOM_H
#define TRANSOM_RUNTIME_GENERATION_RANDOM_H

#include <cstdint>

namespace transom {

/// A number in [0, 1) of 53 bits, that depends on its arguments only: Philox
/// 4x32 with 10 rounds (Salmon et al., "Parallel random numbers: as easy as
/// 1, 2, 3"). So what a sequence draws does not depend on others, and a token
/// that was drafted and is drawn after all takes the number it would have had.
inline double uniform(uint64_t seed, uint64_t stream, uint32_t sequence,
                      uint32_t index) {
  constexpr uint64_t multiply0 = 0xD2511F53, multiply1 = 0xCD9E8D57;
  constexpr uint32_t weyl0 = 0x9E3779B9, weyl1 = 0xBB67AE85;
  auto key0 = uint32_t(seed), key1 = uint32_t(seed >> 32);
  uint32_t counter[4] = {uint32_t(stream), uint32_t(stream >> 32), sequence,
                         index};
  for (int round = 0; round < 10; ++round) {
    uint64_t product0 = multiply0 * counter[0];
    uint64_t product1 = multiply1 * counter[2];
    uint32_t next[4] = {
        uint32_t(product1 >> 32) ^ counter[1] ^ key0, uint32_t(product1),
        uint32_t(product0 >> 32) ^ counter[3] ^ key1, uint32_t(product0)};
    for (int i = 0; i < 4; ++i)
      counter[i] = next[i];
    key0 += weyl0;
    key1 += weyl1;
  }
  uint64_t bits = (uint64_t(counter[0]) << 32 | counter[1]) >> 11;
  return double(bits) * 0x1p-53;
}

} // namespace transom

#endif // TRANSOM_RUNTIME_GENERATION_RANDOM_H
