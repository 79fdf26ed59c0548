//===- ObjectCache.h - compiled kernels kept between compilations ---------===//
//
// One file a kernel, named by a hash of all that decides its code. Nothing that
// goes wrong with the cache is an error: an entry that can't be read, or that
// is not what was written for its key, does not count as an entry, and a folder
// that can't be written stays as it is. Processes of one user may share a
// folder: entries are renamed into place. What others can write, or own, is not
// read.
//
//===----------------------------------------------------------------------===//
#ifndef TRANSOM_CODEGEN_OBJECTCACHE_H
#define TRANSOM_CODEGEN_OBJECTCACHE_H

#include "codegen/Machine.h"
#include "codegen/kernels/KernelSpec.h"

#include "llvm/ADT/StringRef.h"

#include <atomic>
#include <optional>
#include <string>

namespace transom::codegen {

class ObjectCache {
public:
  /// Caches in `folder`; does nothing if it is empty.
  explicit ObjectCache(std::string folder) : folder(std::move(folder)) {}

  /// TRANSOM_CACHE_DIR ("" and "none" turn the cache off), else
  /// XDG_CACHE_HOME/transom, else ~/.cache/transom.
  static std::string defaultFolder();

  /// The key of a kernel: 32 hexadecimal digits.
  static std::string key(const KernelSpec &spec, const Machine &machine,
                         llvm::StringRef symbol);

  /// Thread-safe, as is `store`.
  std::optional<CompiledKernel> load(llvm::StringRef key) const;
  void store(llvm::StringRef key, const CompiledKernel &kernel) const;

  /// Why nothing could be stored; empty if all went well.
  std::string problem() const;

private:
  std::string folder;
  mutable std::atomic<int> storeError = 0; ///< an errno
};

/// The bytes of a cache entry, and back; nullopt for what `serialize` did not
/// write, with this key.
std::string serialize(const CompiledKernel &kernel, llvm::StringRef key);
std::optional<CompiledKernel> deserialize(llvm::StringRef bytes,
                                          llvm::StringRef key);

} // namespace transom::codegen

#endif // TRANSOM_CODEGEN_OBJECTCACHE_H
