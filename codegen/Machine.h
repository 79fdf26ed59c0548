//===- Machine.h - the machine that code is made for ----------------------===//
#ifndef TRANSOM_CODEGEN_MACHINE_H
#define TRANSOM_CODEGEN_MACHINE_H

#include "targets/Target.h"

#include <cstdint>
#include <optional>
#include <string>

namespace transom::codegen {

/// A CPU as the schedules see it, and its architecture's facts for the rest.
struct Machine {
  std::string name; ///< as the user gave it: host, haswell, x86-64-v4, znver4
  const targets::Target *target = nullptr;
  std::string cpu; ///< LLVM's -mcpu
  std::string
      halideTarget; ///< Halide's target string, without runtime, asserts
  uint64_t cpuFeatures = 0; ///< transom_cpu_feature bits that the code needs
  int floatLanes = 8;       ///< f32 in a vector register
  int vectorRegisters = 16;

  /// Resolves a --target; nullopt and `error` (naming what is supported) if
  /// it is unknown. `host` detects the features of this machine.
  static std::optional<Machine> fromTarget(const std::string &name,
                                           std::string &error);
};

} // namespace transom::codegen

#endif // TRANSOM_CODEGEN_MACHINE_H
