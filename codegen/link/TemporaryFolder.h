//===- TemporaryFolder.h - a folder that goes with its process ------------===//
#ifndef TRANSOM_CODEGEN_LINK_TEMPORARYFOLDER_H
#define TRANSOM_CODEGEN_LINK_TEMPORARYFOLDER_H

#include "llvm/ADT/StringRef.h"
#include "llvm/ADT/Twine.h"
#include "llvm/Support/ErrorOr.h"

#include <string>
#include <utility>
#include <vector>

namespace transom::codegen {

/// 16 random hexadecimal digits. LLVM's models of unique names replace each `%`
/// of a path, also in the names of its folders; these are appended to a path
/// and leave it as it is.
std::string uniqueDigits();

/// Whether `name` is `base`.<16 hexadecimal digits>.tmp: names that Transom
/// takes for its own.
bool isTemporaryName(llvm::StringRef name, llvm::StringRef base);

/// A folder PREFIX.<16 hexadecimal digits>.tmp, of this user alone. It holds
/// files, no folders, and goes with them when the object does, or when a signal
/// ends the process. A lock tells those of living processes from those that a
/// killed one left.
class TemporaryFolder {
public:
  TemporaryFolder() = default;
  TemporaryFolder(TemporaryFolder &&other) noexcept { swap(other); }
  TemporaryFolder &operator=(TemporaryFolder &&other) noexcept {
    TemporaryFolder(std::move(other)).swap(*this);
    return *this;
  }
  ~TemporaryFolder();

  static llvm::ErrorOr<TemporaryFolder> create(llvm::StringRef prefix);

  /// Removes what killed processes left at this prefix.
  static void removeStale(llvm::StringRef prefix);

  explicit operator bool() const { return !path.empty(); }
  /// The path of a file in the folder, which a signal removes too.
  std::string file(const llvm::Twine &name);
  /// Leaves the folder as it is, for a user to look at.
  void keep();

  void swap(TemporaryFolder &other) {
    std::swap(path, other.path);
    std::swap(files, other.files);
    std::swap(descriptor, other.descriptor);
  }

private:
  std::string path;
  std::vector<std::string> files; ///< removed on a signal
  int descriptor = -1;            ///< of the folder; holds the lock
};

} // namespace transom::codegen

#endif // TRANSOM_CODEGEN_LINK_TEMPORARYFOLDER_H
