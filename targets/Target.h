//===- Target.h - what the compiler must know of an architecture ----------===//
//
// One file an architecture, which holds facts and no code: whatever is done
// with them is done alike for all. No other folder of the compiler names an
// ISA.
//
//===----------------------------------------------------------------------===//
#ifndef TRANSOM_TARGETS_TARGET_H
#define TRANSOM_TARGETS_TARGET_H

#include "llvm/ADT/ArrayRef.h"
#include "llvm/ADT/StringRef.h"

#include <cstdint>

namespace transom::targets {

/// A set of instructions that kernels are compiled for.
struct Level {
  llvm::StringRef name; ///< LLVM's -mcpu
  /// Halide's target string, without what says how its runtime is used.
  llvm::StringRef halide;
  /// LLVM's names of the features that the name stands for.
  llvm::ArrayRef<llvm::StringRef> features;
  int vectorBytes, vectorRegisters;
};

/// A CPU, or a whole level, that --target can name.
struct Cpu {
  llvm::StringRef name; ///< LLVM's -mcpu
  const Level *level;
  /// Halide's feature for the order of instructions; empty: as the level has.
  llvm::StringRef tune;
};

/// How objects of the architecture are written and linked.
struct Linkage {
  llvm::StringRef emulation; ///< -m of the linker
  uint16_t elfMachine;       ///< e_machine
  /// A read-only section that may be larger than what code reaches directly.
  llvm::StringRef largeSection;
  uint64_t largeSectionFlags;
  /// The C library's shared objects, its loader included, and where they are.
  llvm::ArrayRef<llvm::StringRef> libraries, folders;
};

struct Target {
  llvm::StringRef triple;
  llvm::ArrayRef<const Level *> levels; ///< the most capable last
  llvm::ArrayRef<Cpu> cpus;             ///< each level's own name first
  Linkage linkage;

  /// Null if no CPU has the name.
  const Cpu *findCpu(llvm::StringRef name) const;
};

/// All that kernels can be compiled for.
llvm::ArrayRef<const Target *> all();

/// That of the machine that this program runs on; null if it is none of them.
const Target *findHost();

extern const Target x86_64;

} // namespace transom::targets

#endif // TRANSOM_TARGETS_TARGET_H
