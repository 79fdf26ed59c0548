//===- Machine.cpp - from the name of a target to its numbers -------------===//
#include "codegen/Machine.h"
#include "codegen/ElementType.h"

#include "llvm/ADT/STLExtras.h"
#include "llvm/ADT/StringExtras.h"
#include "llvm/ADT/StringMap.h"
#include "llvm/TargetParser/Host.h"

using namespace transom::codegen;
using namespace transom;
using llvm::StringRef;

/// The features of a level that the runtime can test for when a library is
/// opened; LLVM's list has some that kernels never use.
static uint64_t featureBits(const targets::Level &level) {
  uint64_t bits = 0;
#define TRANSOM_CPU_FEATURE(BIT, NAME, LINUX, LLVM)                            \
  if (llvm::is_contained(level.features, LLVM))                                \
    bits |= uint64_t(1) << BIT;
#include "runtime/arch/cpu_features.def"
  return bits;
}

static Machine machineOf(StringRef name, const targets::Target &target,
                         const targets::Cpu &cpu) {
  const targets::Level &level = *cpu.level;
  Machine machine;
  machine.name = name.str();
  machine.target = &target;
  machine.cpu = level.name.str();
  machine.halideTarget = level.halide.str();
  if (!cpu.tune.empty())
    machine.halideTarget += "-" + cpu.tune.str();
  machine.halideTarget += "-no_runtime-no_asserts-no_bounds_query-user_context";
  machine.cpuFeatures = featureBits(level);
  machine.floatLanes = level.vectorBytes / static_cast<int>(f32.bytes());
  machine.vectorRegisters = level.vectorRegisters;
  return machine;
}

static std::optional<Machine> hostMachine(std::string &error) {
  const targets::Target *target = targets::findHost();
  if (!target) {
    error = "target \"host\": expected an architecture that kernels can be "
            "compiled for, got \"" +
            llvm::sys::getProcessTriple() + "\"";
    return std::nullopt;
  }
  llvm::StringMap<bool> features = llvm::sys::getHostCPUFeatures();
  const targets::Level *best = nullptr;
  for (const targets::Level *level : target->levels)
    if (llvm::all_of(level->features,
                     [&](StringRef name) { return features.lookup(name); }))
      best = level;
  StringRef name = llvm::sys::getHostCPUName();
  if (!best) {
    const targets::Level &least = *target->levels.front();
    error = "target \"host\": expected a CPU with the features of " +
            least.name.str() + " (" + llvm::join(least.features, ", ") +
            "), got \"" + name.str() + "\"";
    return std::nullopt;
  }
  // A virtual machine may show a CPU's name without all of its features.
  const targets::Cpu *cpu = target->findCpu(name);
  if (!cpu || cpu->level != best)
    cpu = target->findCpu(best->name);
  return machineOf("host", *target, *cpu);
}

std::optional<Machine> Machine::fromTarget(const std::string &name,
                                           std::string &error) {
  if (name == "host")
    return hostMachine(error);
  for (const targets::Target *target : targets::all())
    if (const targets::Cpu *cpu = target->findCpu(name))
      return machineOf(name, *target, *cpu);
  error = "unknown target \"" + name + "\"; supported: host";
  for (const targets::Target *target : targets::all())
    for (const targets::Cpu &cpu : target->cpus)
      error += ", " + cpu.name.str();
  return std::nullopt;
}
