//===- X86_64.cpp - x86-64 with AVX2 or AVX-512, on Linux with glibc ------===//
//
// Two instruction levels are enough for f32: x86-64-v3 (AVX2, FMA) and
// x86-64-v4 (AVX-512 F, BW, DQ, VL, CD). A CPU's name chooses the level and
// the tuning; it never adds instructions beyond the level, because
// Halide turns some of its features into an -mcpu that has more (issue 9134 of
// Halide): then what the runtime checks when a library is opened would not be
// the truth.
//
//===----------------------------------------------------------------------===//
#include "targets/Target.h"

#include "llvm/BinaryFormat/ELF.h"

using namespace transom::targets;
using llvm::StringRef;

namespace {

constexpr StringRef v3Features[] = {"sse4.1", "avx",   "avx2", "fma",
                                    "f16c",   "bmi",   "bmi2", "lzcnt",
                                    "movbe",  "popcnt"};
constexpr StringRef v4Features[] = {
    "sse4.1",  "avx",      "avx2",     "fma",      "f16c",
    "bmi",     "bmi2",     "lzcnt",    "movbe",    "popcnt",
    "avx512f", "avx512bw", "avx512dq", "avx512vl", "avx512cd"};

constexpr Level v3 = {"x86-64-v3", "x86-64-linux-sse41-avx-avx2-f16c-fma",
                      v3Features, /*vectorBytes=*/32, /*vectorRegisters=*/16};
constexpr Level v4 = {
    "x86-64-v4", "x86-64-linux-sse41-avx-avx2-f16c-fma-avx512-avx512_skylake",
    v4Features, /*vectorBytes=*/64, /*vectorRegisters=*/32};
constexpr const Level *levels[] = {&v3, &v4};

constexpr Cpu cpus[] = {
    {"x86-64-v3", &v3, ""},         {"x86-64-v4", &v4, ""},
    {"haswell", &v3, ""},           {"broadwell", &v3, ""},
    {"skylake", &v3, ""},           {"alderlake", &v3, ""},
    {"raptorlake", &v3, ""},        {"znver1", &v3, "tune_znver1"},
    {"znver2", &v3, "tune_znver2"}, {"znver3", &v3, "tune_znver3"},
    {"skylake-avx512", &v4, ""},    {"cascadelake", &v4, ""},
    {"cooperlake", &v4, ""},        {"icelake-client", &v4, ""},
    {"icelake-server", &v4, ""},    {"tigerlake", &v4, ""},
    {"rocketlake", &v4, ""},        {"sapphirerapids", &v4, ""},
    {"emeraldrapids", &v4, ""},     {"graniterapids", &v4, ""},
    {"znver4", &v4, "tune_znver4"}, {"znver5", &v4, "tune_znver5"},
};

constexpr StringRef libraries[] = {"libc.so.6", "libm.so.6", "libpthread.so.0",
                                   "ld-linux-x86-64.so.2"};
// Debian's folders, then those of Fedora and of Arch.
constexpr StringRef folders[] = {"/lib/x86_64-linux-gnu",
                                 "/usr/lib/x86_64-linux-gnu",
                                 "/lib64",
                                 "/usr/lib64",
                                 "/lib",
                                 "/usr/lib"};

} // namespace

const Target transom::targets::x86_64 = {
    .triple = "x86_64-unknown-linux-gnu",
    .levels = levels,
    .cpus = cpus,
    .linkage = {.emulation = "elf_x86_64",
                .elfMachine = llvm::ELF::EM_X86_64,
                .largeSection = ".lrodata.transom",
                .largeSectionFlags = llvm::ELF::SHF_X86_64_LARGE,
                .libraries = libraries,
                .folders = folders}};
