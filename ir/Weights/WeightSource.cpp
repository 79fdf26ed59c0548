//===- WeightSource.cpp - where the numbers behind weights are ------------===//

#include "ir/Weights/WeightSource.h"

#include "llvm/ADT/bit.h"
#include "llvm/Support/Endian.h"
#include "llvm/Support/ErrorHandling.h"

#include <cassert>
#include <cstring>

using namespace llvm;

namespace transom {

int64_t sizeOf(WeightType type) { return type == WeightType::F32 ? 4 : 2; }

StringRef nameOf(WeightType type) {
  switch (type) {
  case WeightType::F32:
    return "F32";
  case WeightType::F16:
    return "F16";
  case WeightType::BF16:
    return "BF16";
  }
  llvm_unreachable("no such weight type");
}

WeightSource::~WeightSource() = default;

void WeightSource::release(const TensorView &view) const {}

/// binary16: sign, 5 bits of exponent (bias 15), 10 of fraction. Without
/// branches, so that loops over it are vectorised.
static float halfToFloat(uint16_t half) {
  uint32_t sign = uint32_t(half & 0x8000) << 16;
  uint32_t rest = half & 0x7fff;
  // A normal number only needs its exponent rebiased, which one multiplication
  // does; and it normalises subnormal numbers on its way, exactly.
  uint32_t scaled = bit_cast<uint32_t>(bit_cast<float>(rest << 13) * 0x1p112f);
  // Infinities and NaNs have all exponent bits set, before and after.
  uint32_t special = rest << 13 | 0x7f800000;
  return bit_cast<float>(sign | (rest >= 0x7c00 ? special : scaled));
}

/// bfloat16 is the upper half of binary32.
static float bfloatToFloat(uint16_t half) {
  return bit_cast<float>(uint32_t(half) << 16);
}

void readAsFloat(const TensorView &view, int64_t first,
                 MutableArrayRef<float> result) {
  assert(first >= 0 && first + int64_t(result.size()) <= view.numElements() &&
         "expects a range inside the tensor");
  const uint8_t *from = view.bytes.data() + first * sizeOf(view.type);
  switch (view.type) {
  case WeightType::F32:
    if (sys::IsLittleEndianHost) {
      if (!result.empty())
        std::memcpy(result.data(), from, result.size() * sizeof(float));
      return;
    }
    for (size_t i = 0; i < result.size(); ++i)
      result[i] = bit_cast<float>(support::endian::read32le(from + 4 * i));
    return;
  case WeightType::F16:
    for (size_t i = 0; i < result.size(); ++i)
      result[i] = halfToFloat(support::endian::read16le(from + 2 * i));
    return;
  case WeightType::BF16:
    for (size_t i = 0; i < result.size(); ++i)
      result[i] = bfloatToFloat(support::endian::read16le(from + 2 * i));
    return;
  }
}

} // namespace transom
