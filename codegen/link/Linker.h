//===- Linker.h - objects and the runtime -> a library --------------------===//
#ifndef TRANSOM_CODEGEN_LINK_LINKER_H
#define TRANSOM_CODEGEN_LINK_LINKER_H

#include "codegen/link/TemporaryFolder.h"
#include "targets/Target.h"

#include "llvm/ADT/ArrayRef.h"
#include "llvm/Support/Error.h"

#include <string>
#include <vector>

namespace transom::codegen {

/// Links with ld.lld. Every result carries its own copy of the runtime and
/// shows the symbols of `exports` only, so that several models fit into one
/// program. All paths are those of existing files but `output`.
class Linker {
public:
  /// Finds ld.lld (the one of the build, else PATH) and libtransom_runtime.a
  /// (beside this program, in ../lib). Fails if either is missing.
  /// Files that the linker reads are written in `scratch`, which outlives it.
  static llvm::Expected<Linker> find(const targets::Linkage &linkage,
                                     TemporaryFolder &scratch);

  /// Where a result goes, and its name in messages.
  struct Output {
    std::string path, name;
  };

  /// A shared object which depends on the C library alone.
  llvm::Error linkShared(llvm::ArrayRef<std::string> objects,
                         llvm::StringRef soname,
                         llvm::ArrayRef<std::string> exports,
                         const Output &output) const;

  /// One relocatable object; everything but `exports` is local in it.
  llvm::Error linkObject(llvm::ArrayRef<std::string> objects,
                         llvm::ArrayRef<std::string> exports,
                         const Output &output) const;

  /// A static archive of the objects, each under its given name.
  struct Member {
    std::string path, name;
  };
  static llvm::Error archive(llvm::ArrayRef<Member> members,
                             const Output &output);

private:
  Linker(const targets::Linkage &linkage, TemporaryFolder &scratch)
      : linkage(linkage), scratch(scratch) {}
  std::vector<std::string> systemLibraries() const;
  llvm::Error run(llvm::ArrayRef<std::string> arguments,
                  const Output &output) const;

  const targets::Linkage &linkage;
  TemporaryFolder &scratch;
  std::string program, runtime;
};

} // namespace transom::codegen

#endif // TRANSOM_CODEGEN_LINK_LINKER_H
