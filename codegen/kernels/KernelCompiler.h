//===- KernelCompiler.h - from a kernel spec to an object file ------------===//
#ifndef TRANSOM_CODEGEN_KERNELS_KERNELCOMPILER_H
#define TRANSOM_CODEGEN_KERNELS_KERNELCOMPILER_H

#include "codegen/Machine.h"
#include "codegen/kernels/KernelSpec.h"

#include <string>

namespace transom::codegen {

struct KernelOptions {
  bool emitAssembly = false;
  bool emitStatement = false; ///< Halide's lowered statement, as text
  /// False: the algorithm alone, correct and slow, as tests want it.
  bool schedule = true;
};

/// Version of algorithms and schedules, part of the object cache's key: a hash
/// of the sources of this folder and of the formats.
extern const char *const kernelVersion;

/// Why no kernel computes the spec as it is, null if one does. Selection asks,
/// and then says the same in another way.
const char *refusalOf(const KernelSpec &spec, const Machine &machine);

/// What a spec needs packed how, before anything is compiled (the weights file
/// is written while kernels compile).
std::map<int32_t, Packing> packingOf(const KernelSpec &spec,
                                     const Machine &machine);

/// Compiles a spec with the family of its type. Thread-safe: kernels compile in
/// parallel. On failure returns false and sets `error` (what Halide said, and
/// the spec); never throws.
bool compileKernel(const KernelSpec &spec, const Machine &machine,
                   const std::string &symbol, const KernelOptions &options,
                   CompiledKernel &kernel, std::string &error);

} // namespace transom::codegen

#endif // TRANSOM_CODEGEN_KERNELS_KERNELCOMPILER_H
