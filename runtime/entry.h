//===- entry.h - what a compiled library's exports forward to -------------===//
//
// For the compiler's host lowering. For a library NAME it emits, as constant
// data, a `transom_library` (abi.h), and these exports:
//
//   NAME_open(path, m)   calls transom_open(&library, path, m)
//   NAME_function        calls transom_function, for all TRANSOM_FUNCTIONS
//   NAME_metadata()      returns library.metadata
//   NAME_entry (data)    a transom_entry_points of these functions
//   transom_entry (data) the same, --emit=shared only: found by dlsym, so it is
//                        not to be linked against
//
// `NAME.h.in` beside this file is the text that follows transom.h in the
// generated header, with @NAME@ for the name and @GUARD@ for it in upper case.
//
// All functions below have hidden visibility, as has all of the runtime: every
// library has its own copy. A static library or an object must therefore be
// linked with the runtime into one relocatable object whose hidden symbols are
// made local (ld -r, then objcopy --localize-hidden), or two models could not
// be linked into one program. Sessions of one library may use a pool of
// another.
//
//===----------------------------------------------------------------------===//
#ifndef TRANSOM_RUNTIME_ENTRY_H
#define TRANSOM_RUNTIME_ENTRY_H

#include "runtime/abi.h"
#include "runtime/transom.h"

#ifdef __cplusplus
extern "C" {
#endif

/// See transom_open_function.
transom_status transom_open(const transom_library *library,
                            const char *weights_path, transom_model **model);

#define TRANSOM_DECLARE(function)                                              \
  transom_##function##_function transom_##function;
TRANSOM_FUNCTIONS(TRANSOM_DECLARE)
#undef TRANSOM_DECLARE

#ifdef __cplusplus
} // extern "C"
#endif

#endif // TRANSOM_RUNTIME_ENTRY_H
