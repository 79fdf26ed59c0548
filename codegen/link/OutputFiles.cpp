//===- OutputFiles.cpp - files that appear whole or not at all ------------===//

#include "codegen/link/OutputFiles.h"

#include "llvm/Support/FileSystem.h"
#include "llvm/Support/Path.h"
#include "llvm/Support/Signals.h"
#include "llvm/Support/raw_ostream.h"

using namespace transom::codegen;
namespace fs = llvm::sys::fs;
namespace path = llvm::sys::path;

llvm::Error transom::codegen::writeError(llvm::StringRef file,
                                         std::error_code code) {
  return llvm::createStringError(code, "cannot write '%s': %s",
                                 file.str().c_str(), code.message().c_str());
}

OutputFiles::~OutputFiles() {
  if (committed)
    return;
  for (const File &file : files) {
    (void)fs::remove(file.renamed ? file.path : file.temporary);
    llvm::sys::DontRemoveFileOnSignal(file.temporary);
  }
  for (const std::string &folder : llvm::reverse(folders))
    (void)fs::remove(folder); // Refused by the system unless it is empty.
}

llvm::Error OutputFiles::createFolder(llvm::StringRef folder) {
  if (folder.empty() || fs::is_directory(folder))
    return llvm::Error::success();
  if (std::error_code code =
          fs::create_directory(folder, /*IgnoreExisting=*/true, fs::all_all))
    return writeError(folder, code);
  folders.push_back(folder.str());
  return llvm::Error::success();
}

llvm::Expected<std::string> OutputFiles::create(llvm::StringRef name) {
  if (fs::is_directory(name))
    return writeError(name, std::make_error_code(std::errc::is_a_directory));
  if (llvm::Error error = createFolder(path::parent_path(name)))
    return error;
  llvm::SmallString<128> temporary;
  if (std::error_code code = fs::createUniqueFile(
          name + ".tmp-%%%%%%%%", temporary,
          static_cast<fs::perms>(fs::all_read | fs::all_write)))
    return writeError(name, code);
  // After a crash or ^C too: a half-written library must not stay behind.
  llvm::sys::RemoveFileOnSignal(temporary);
  files.push_back({name.str(), temporary.str().str()});
  return files.back().temporary;
}

llvm::Expected<std::string> OutputFiles::write(llvm::StringRef name,
                                               llvm::StringRef text) {
  llvm::Expected<std::string> temporary = create(name);
  if (!temporary)
    return temporary.takeError();
  std::error_code code;
  llvm::raw_fd_ostream stream(*temporary, code, fs::CD_OpenExisting);
  if (code)
    return writeError(name, code);
  stream << text;
  stream.close();
  if (stream.has_error()) {
    code = stream.error();
    stream.clear_error(); // Or its destructor would abort.
    return writeError(name, code);
  }
  return temporary;
}

llvm::Error OutputFiles::commit() {
  for (File &file : files) {
    if (std::error_code code = fs::rename(file.temporary, file.path))
      return writeError(file.path, code);
    file.renamed = true;
    llvm::sys::DontRemoveFileOnSignal(file.temporary);
  }
  committed = true;
  return llvm::Error::success();
}
