//===- x86_64.cpp - CPUID, MXCSR and pauses -------------------------------===//
#include "runtime/arch/Arch.h"

#include "runtime/abi.h"

#include <cpuid.h>
#include <sys/syscall.h>
#include <unistd.h>

using namespace transom;

void transom::pauseCore() { __builtin_ia32_pause(); }

FloatMode::FloatMode() : saved(__builtin_ia32_stmxcsr()) {
  constexpr uint32_t masked = 0x1f80, flush = 0x8040;
  __builtin_ia32_ldmxcsr(masked | flush);
}

FloatMode::~FloatMode() { __builtin_ia32_ldmxcsr(saved); }

/// Which registers the operating system saves: extended control register 0.
static uint64_t savedState() {
  uint32_t low, high;
  asm volatile("xgetbv" : "=a"(low), "=d"(high) : "c"(0));
  return uint64_t(high) << 32 | low;
}

/// Tile data is large, so Linux wants to be asked once a process.
static bool requestTiles() {
  constexpr int requestPermission = 0x1023, tileData = 18;
  return syscall(SYS_arch_prctl, requestPermission, tileData) == 0;
}

static uint64_t allCpuFeatures() {
  constexpr uint64_t vectors = 0x6, masks = 0xe0, tiles = 0x60000;
  uint32_t a, b, c, d;
  uint64_t features = 0;
  if (!__get_cpuid(1, &a, &b, &c, &d))
    return 0;
  auto add = [&](bool present, uint64_t feature) {
    if (present)
      features |= feature;
  };
  add(c >> 19 & 1, TRANSOM_CPU_SSE41);
  bool osxsave = c >> 27 & 1;
  uint64_t saved = osxsave ? savedState() : 0;
  if ((saved & vectors) != vectors)
    return features;
  add(c >> 28 & 1, TRANSOM_CPU_AVX);
  add(c >> 12 & 1, TRANSOM_CPU_FMA);
  add(c >> 29 & 1, TRANSOM_CPU_F16C);
  if (!__get_cpuid_count(7, 0, &a, &b, &c, &d))
    return features;
  uint32_t subleaves = a;
  add(b >> 5 & 1, TRANSOM_CPU_AVX2);
  add(b >> 8 & 1, TRANSOM_CPU_BMI2);
  add(c >> 8 & 1, TRANSOM_CPU_GFNI);
  add(c >> 9 & 1, TRANSOM_CPU_VAES);
  if ((saved & masks) == masks) {
    add(b >> 16 & 1, TRANSOM_CPU_AVX512F);
    add(b >> 17 & 1, TRANSOM_CPU_AVX512DQ);
    add(b >> 21 & 1, TRANSOM_CPU_AVX512IFMA);
    add(b >> 28 & 1, TRANSOM_CPU_AVX512CD);
    add(b >> 30 & 1, TRANSOM_CPU_AVX512BW);
    add(b >> 31 & 1, TRANSOM_CPU_AVX512VL);
    add(c >> 1 & 1, TRANSOM_CPU_AVX512VBMI);
    add(c >> 6 & 1, TRANSOM_CPU_AVX512VBMI2);
    add(c >> 11 & 1, TRANSOM_CPU_AVX512VNNI);
    add(c >> 12 & 1, TRANSOM_CPU_AVX512BITALG);
    add(c >> 14 & 1, TRANSOM_CPU_AVX512VPOPCNTDQ);
  }
  bool tile = d >> 24 & 1;
  if (tile && (saved & tiles) == tiles) {
    features |= TRANSOM_CPU_AMX_TILE;
    add(d >> 22 & 1, TRANSOM_CPU_AMX_BF16);
    add(d >> 25 & 1, TRANSOM_CPU_AMX_INT8);
  }
  if (subleaves >= 1 && (saved & masks) == masks &&
      __get_cpuid_count(7, 1, &a, &b, &c, &d))
    add(a >> 5 & 1, TRANSOM_CPU_AVX512BF16);
  return features;
}

uint64_t transom::missingCpuFeatures(uint64_t wanted) {
  constexpr uint64_t tiles =
      TRANSOM_CPU_AMX_TILE | TRANSOM_CPU_AMX_BF16 | TRANSOM_CPU_AMX_INT8;
  uint64_t missing = wanted & ~allCpuFeatures();
  if ((wanted & tiles) && !(missing & tiles) && !requestTiles())
    missing |= wanted & tiles;
  return missing;
}
