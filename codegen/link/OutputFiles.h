//===- OutputFiles.h - files that appear whole or not at all --------------===//
#ifndef TRANSOM_CODEGEN_LINK_OUTPUTFILES_H
#define TRANSOM_CODEGEN_LINK_OUTPUTFILES_H

#include "llvm/ADT/StringRef.h"
#include "llvm/Support/Error.h"

#include <string>
#include <vector>

namespace transom::codegen {

/// The files of one compilation. Each is written under a temporary name in the
/// folder where it will stand; `commit` renames them all. Without a commit (or
/// if it fails, or on a signal) nothing of them is left.
class OutputFiles {
public:
  OutputFiles() = default;
  OutputFiles(const OutputFiles &) = delete;
  OutputFiles &operator=(const OutputFiles &) = delete;
  ~OutputFiles();

  /// Announces `path` and makes its temporary file, whose path is returned.
  /// The folder is made if only its last component is missing. Fails if the
  /// folder can't be written, or if `path` is a folder.
  llvm::Expected<std::string> create(llvm::StringRef path);

  /// Makes a folder, if there is none, in an existing one.
  llvm::Error createFolder(llvm::StringRef path);

  /// `create`, filled with `text`.
  llvm::Expected<std::string> write(llvm::StringRef path, llvm::StringRef text);

  /// Gives every file its name, in the order of the calls to `create`.
  llvm::Error commit();

private:
  struct File {
    std::string path, temporary;
    bool renamed = false;
  };
  std::vector<File> files;
  std::vector<std::string> folders; ///< made by us
  bool committed = false;
};

/// "cannot write 'path': reason"
llvm::Error writeError(llvm::StringRef path, std::error_code code);

} // namespace transom::codegen

#endif // TRANSOM_CODEGEN_LINK_OUTPUTFILES_H
