//===- Machine.cpp - what is known of each target CPU ---------------------===//
//
// Two instruction levels are enough for f32: x86-64-v3 (AVX2, FMA) and
// x86-64-v4 (AVX-512 F, BW, DQ, VL, CD). A CPU's name chooses the level, the
// tuning and the caches; it never adds instructions beyond the level, because
// Halide turns some of its features into an -mcpu that has more (issue 9134 of
// Halide), and then `cpuFeatures`, which the runtime checks when a library is
// opened, would not be the truth.
//
//===----------------------------------------------------------------------===//
#include "codegen/schedule/Machine.h"

#include "runtime/abi.h"

#include "llvm/ADT/StringMap.h"
#include "llvm/ADT/StringRef.h"
#include "llvm/TargetParser/Host.h"

#include <fstream>

using namespace transom::codegen;
using llvm::StringRef;

namespace {

enum class Level { V3, V4 };

struct Cpu {
  StringRef name;
  Level level;
  /// Halide's name for how to order instructions; empty: as the level does.
  StringRef tune;
  int64_t l1Kilobytes, l2Kilobytes;
};

// Data caches of one core. The levels stand for the least of their members.
const Cpu cpus[] = {
    {"x86-64-v3", Level::V3, "", 32, 256},
    {"x86-64-v4", Level::V4, "", 32, 1024},
    {"haswell", Level::V3, "", 32, 256},
    {"broadwell", Level::V3, "", 32, 256},
    {"skylake", Level::V3, "", 32, 256},
    {"alderlake", Level::V3, "", 48, 1280},
    {"raptorlake", Level::V3, "", 48, 2048},
    {"znver1", Level::V3, "tune_znver1", 32, 512},
    {"znver2", Level::V3, "tune_znver2", 32, 512},
    {"znver3", Level::V3, "tune_znver3", 32, 512},
    {"skylake-avx512", Level::V4, "", 32, 1024},
    {"cascadelake", Level::V4, "", 32, 1024},
    {"cooperlake", Level::V4, "", 32, 1024},
    {"icelake-client", Level::V4, "", 48, 512},
    {"icelake-server", Level::V4, "", 48, 1280},
    {"tigerlake", Level::V4, "", 48, 1280},
    {"rocketlake", Level::V4, "", 48, 512},
    {"sapphirerapids", Level::V4, "", 48, 2048},
    {"emeraldrapids", Level::V4, "", 48, 2048},
    {"graniterapids", Level::V4, "", 48, 2048},
    {"znver4", Level::V4, "tune_znver4", 32, 1024},
    {"znver5", Level::V4, "tune_znver5", 48, 1024},
};

const Cpu *find(StringRef name) {
  for (const Cpu &cpu : cpus)
    if (cpu.name == name)
      return &cpu;
  return nullptr;
}

/// One core's cache of a level for data, in bytes, as Linux tells; or 0.
int64_t hostCacheBytes(int level) {
  for (int index = 0; index < 8; ++index) {
    std::string folder = "/sys/devices/system/cpu/cpu0/cache/index" +
                         std::to_string(index) + "/";
    int cacheLevel = 0;
    std::string type, size;
    if (!(std::ifstream(folder + "level") >> cacheLevel) ||
        !(std::ifstream(folder + "type") >> type) ||
        !(std::ifstream(folder + "size") >> size))
      return 0;
    unsigned long long kilobytes;
    if (cacheLevel == level && type != "Instruction" &&
        !StringRef(size).rtrim('K').getAsInteger(10, kilobytes))
      return static_cast<int64_t>(kilobytes) << 10;
  }
  return 0;
}

bool hostHas(const llvm::StringMap<bool> &features,
             std::initializer_list<StringRef> names) {
  for (StringRef name : names)
    if (!features.lookup(name))
      return false;
  return true;
}

void setLevel(Machine &machine, Level level) {
  machine.cpu = "x86-64-v3";
  machine.halideTarget = "x86-64-linux-sse41-avx-avx2-f16c-fma";
  machine.cpuFeatures = TRANSOM_CPU_SSE41 | TRANSOM_CPU_AVX | TRANSOM_CPU_AVX2 |
                        TRANSOM_CPU_FMA | TRANSOM_CPU_F16C | TRANSOM_CPU_BMI2;
  machine.floatLanes = 8;
  machine.vectorRegisters = 16;
  if (level == Level::V4) {
    machine.cpu = "x86-64-v4";
    machine.halideTarget += "-avx512-avx512_skylake";
    machine.cpuFeatures |= TRANSOM_CPU_AVX512F | TRANSOM_CPU_AVX512BW |
                           TRANSOM_CPU_AVX512DQ | TRANSOM_CPU_AVX512VL |
                           TRANSOM_CPU_AVX512CD;
    machine.floatLanes = 16;
    machine.vectorRegisters = 32;
  }
}

void finish(Machine &machine, StringRef tune) {
  if (!tune.empty())
    machine.halideTarget += "-" + tune.str();
  machine.halideTarget += "-no_runtime-no_asserts-no_bounds_query-user_context";
}

} // namespace

std::optional<Machine> Machine::fromTarget(const std::string &target,
                                           std::string &error) {
  Machine machine;
  machine.target = target;
  if (target == "host") {
    llvm::StringMap<bool> features = llvm::sys::getHostCPUFeatures();
    if (!hostHas(features, {"avx2", "fma", "f16c", "bmi", "bmi2", "lzcnt",
                            "movbe", "popcnt"})) {
      error = "target \"host\": expected a CPU with AVX2, FMA and BMI2 "
              "(x86-64-v3), got \"" +
              llvm::sys::getHostCPUName().str() + "\" without";
      return std::nullopt;
    }
    bool wide = hostHas(
        features, {"avx512f", "avx512bw", "avx512dq", "avx512vl", "avx512cd"});
    setLevel(machine, wide ? Level::V4 : Level::V3);
    // A virtual machine may show a CPU's name without all of its features.
    const Cpu *cpu = find(llvm::sys::getHostCPUName());
    if (!cpu || cpu->level != (wide ? Level::V4 : Level::V3))
      cpu = find(machine.cpu);
    int64_t l1 = hostCacheBytes(1), l2 = hostCacheBytes(2);
    machine.l1Bytes = l1 ? l1 : cpu->l1Kilobytes << 10;
    machine.l2Bytes = l2 ? l2 : cpu->l2Kilobytes << 10;
    finish(machine, cpu->tune);
    return machine;
  }
  if (const Cpu *cpu = find(target)) {
    setLevel(machine, cpu->level);
    machine.l1Bytes = cpu->l1Kilobytes << 10;
    machine.l2Bytes = cpu->l2Kilobytes << 10;
    finish(machine, cpu->tune);
    return machine;
  }
  error = "unknown target \"" + target + "\"; supported: host";
  for (const Cpu &cpu : cpus)
    error += ", " + cpu.name.str();
  return std::nullopt;
}
