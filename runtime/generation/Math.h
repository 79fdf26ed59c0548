//===- Math.h - logarithm and power without the mathematics library -------===//
#ifndef TRANSOM_RUNTIME_GENERATION_MATH_H
#define TRANSOM_RUNTIME_GENERATION_MATH_H

#include <bit>
#include <cstdint>

namespace transom {

constexpr double ln2High = 0x1.62e42feep-1; // 32 bits: exact times exponents.
constexpr double ln2Low = 0x1.a39ef35793c76p-33;

/// Of a normal number > 0, to a few units in the last place.
inline double naturalLog(double x) {
  auto bits = std::bit_cast<uint64_t>(x);
  int64_t exponent = int64_t(bits >> 52) - 1023;
  // In [1, 2), and then [1/sqrt 2, sqrt 2).
  auto fraction = std::bit_cast<double>((bits & ((uint64_t(1) << 52) - 1)) |
                                        0x3ffULL << 52);
  if (fraction > 0x1.6a09e667f3bcdp0) {
    fraction /= 2;
    ++exponent;
  }
  // 2 artanh s = 2 (s + s^3 / 3 + s^5 / 5 + ...), s <= 0.172.
  double s = (fraction - 1) / (fraction + 1), square = s * s, series = 0;
  for (int i = 23; i >= 1; i -= 2)
    series = series * square + 1.0 / i;
  return double(exponent) * ln2High +
         (2 * s * series + double(exponent) * ln2Low);
}

/// base^exponent for a normal base > 0; infinity or 0 beyond what there is.
inline double power(double base, double exponent) {
  double x = exponent * naturalLog(base);
  if (x > 709)
    return __builtin_inf();
  if (x < -708)
    return 0;
  constexpr double rounder = 0x1.8p52, log2e = 0x1.71547652b82fep0;
  double shifted = x * log2e + rounder, n = shifted - rounder;
  double r = x - n * ln2High - n * ln2Low, series = 1;
  for (int i = 14; i >= 1; --i)
    series = 1 + r / i * series;
  // The rounder leaves n in the last bits.
  uint64_t scale = std::bit_cast<uint64_t>(shifted) << 52;
  return std::bit_cast<double>(std::bit_cast<uint64_t>(series) + scale);
}

} // namespace transom

#endif // TRANSOM_RUNTIME_GENERATION_MATH_H
