//===- Target.cpp - the list of architectures -----------------------------===//
#include "targets/Target.h"

#include "llvm/ADT/STLExtras.h"
#include "llvm/TargetParser/Host.h"
#include "llvm/TargetParser/Triple.h"

using namespace transom::targets;
using llvm::StringRef;

static const Target *const list[] = {&x86_64};

llvm::ArrayRef<const Target *> transom::targets::all() { return list; }

const Target *transom::targets::findHost() {
  llvm::Triple host(llvm::sys::getProcessTriple());
  for (const Target *target : list)
    if (llvm::Triple(target->triple).getArch() == host.getArch())
      return target;
  return nullptr;
}

const Cpu *Target::findCpu(StringRef name) const {
  const Cpu *cpu =
      llvm::find_if(cpus, [&](const Cpu &cpu) { return cpu.name == name; });
  return cpu == cpus.end() ? nullptr : cpu;
}
