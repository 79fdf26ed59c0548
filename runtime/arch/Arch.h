//===- Arch.h - what the runtime asks of a CPU ----------------------------===//
//
// Implemented by one file an architecture, which the build chooses. No other
// file of the runtime names an instruction set.
//
//===----------------------------------------------------------------------===//
#ifndef TRANSOM_RUNTIME_ARCH_ARCH_H
#define TRANSOM_RUNTIME_ARCH_ARCH_H

#include <cstdint>

namespace transom {

/// Which of these transom_cpu_feature bits the machine lacks, or its system
/// does not allow this process to use.
uint64_t missingCpuFeatures(uint64_t wanted);

/// Tells the core that this thread spins.
void pauseCore();

/// Until its end, floats of this thread round to nearest, denormals are zeros,
/// since arithmetic on them is slow, and nothing traps.
class FloatMode {
public:
  FloatMode();
  ~FloatMode();
  FloatMode(const FloatMode &) = delete;
  FloatMode &operator=(const FloatMode &) = delete;

private:
  uint32_t saved;
};

} // namespace transom

#endif // TRANSOM_RUNTIME_ARCH_ARCH_H
