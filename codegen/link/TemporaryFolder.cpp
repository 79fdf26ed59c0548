//===- TemporaryFolder.cpp - a folder that goes with its process ----------===//

#include "codegen/link/TemporaryFolder.h"

#include "llvm/ADT/STLExtras.h"
#include "llvm/ADT/StringExtras.h"
#include "llvm/Support/ErrorHandling.h"
#include "llvm/Support/FileSystem.h"
#include "llvm/Support/Path.h"
#include "llvm/Support/Signals.h"

#include <array>
#include <atomic>
#include <cerrno>
#include <csignal>
#include <cstring>
#include <dirent.h>
#include <fcntl.h>
#include <sys/file.h>
#include <sys/stat.h>
#include <unistd.h>

using namespace transom::codegen;
namespace path = llvm::sys::path;

std::string transom::codegen::uniqueDigits() {
  uint64_t number;
  if (getentropy(&number, sizeof(number)) != 0)
    llvm::report_fatal_error("the system has no random numbers");
  return llvm::utohexstr(number, /*LowerCase=*/true, /*Width=*/16);
}

bool transom::codegen::isTemporaryName(llvm::StringRef name,
                                       llvm::StringRef base) {
  return name.consume_front(base) && name.consume_front(".") &&
         name.consume_back(".tmp") && name.size() == 16 &&
         name.find_first_not_of("0123456789abcdef") == llvm::StringRef::npos;
}

// LLVM removes files on a signal, but no folders.
static std::array<std::atomic<char *>, 8> removedOnSignal;

/// Runs in a signal handler, when the files have gone.
static void removeOnSignal() {
  for (std::atomic<char *> &slot : removedOnSignal)
    if (const char *folder = slot.load())
      (void)rmdir(folder);
  // LLVM has reset the handlers and does not say which signal it was.
  (void)raise(SIGINT);
  _exit(128 + SIGINT);
}

static void setRemovedOnSignal(const std::string &folder) {
  char *name = strdup(folder.c_str());
  for (std::atomic<char *> &slot : removedOnSignal)
    if (char *empty = nullptr; slot.compare_exchange_strong(empty, name)) {
      llvm::sys::SetInterruptFunction(removeOnSignal);
      return;
    }
  free(name);
}

static void resetRemovedOnSignal(const std::string &folder) {
  // Not freed: the handler may be reading it.
  for (std::atomic<char *> &slot : removedOnSignal)
    if (char *name = slot.load(); name && folder == name)
      slot.compare_exchange_strong(name, nullptr);
}

/// Removes the files of a folder, then the folder; anything else in it keeps
/// both.
static void removeFolder(const std::string &folder, int descriptor) {
  // A description of its own, whose position is the beginning.
  int own = openat(descriptor, ".", O_RDONLY | O_DIRECTORY | O_CLOEXEC);
  if (DIR *entries = own < 0 ? nullptr : fdopendir(own)) {
    while (const dirent *entry = readdir(entries))
      (void)unlinkat(descriptor, entry->d_name, 0);
    closedir(entries);
  } else if (own >= 0) {
    close(own);
  }
  (void)rmdir(folder.c_str());
}

llvm::ErrorOr<TemporaryFolder> TemporaryFolder::create(llvm::StringRef prefix) {
  for (int attempt = 0; attempt < 100; ++attempt) {
    std::string name = (prefix + "." + uniqueDigits() + ".tmp").str();
    if (mkdir(name.c_str(), 0700) != 0) {
      if (errno == EEXIST)
        continue;
      return std::error_code(errno, std::generic_category());
    }
    int folder =
        open(name.c_str(), O_RDONLY | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC);
    // Before it is locked, another process may take it for a stale one.
    if (folder < 0 && errno == ENOENT)
      continue;
    if (folder < 0)
      return std::error_code(errno, std::generic_category());
    // File systems without locks have no stale folders removed either.
    (void)flock(folder, LOCK_EX);
    struct stat locked, found;
    if (fstat(folder, &locked) == 0 && lstat(name.c_str(), &found) == 0 &&
        locked.st_dev == found.st_dev && locked.st_ino == found.st_ino) {
      TemporaryFolder result;
      result.path = name;
      result.descriptor = folder;
      setRemovedOnSignal(name);
      return result;
    }
    close(folder);
  }
  return std::make_error_code(std::errc::file_exists);
}

TemporaryFolder::~TemporaryFolder() {
  if (descriptor < 0)
    return;
  if (!path.empty()) {
    removeFolder(path, descriptor);
    resetRemovedOnSignal(path);
  }
  for (const std::string &file : files)
    llvm::sys::DontRemoveFileOnSignal(file);
  close(descriptor);
}

void TemporaryFolder::keep() {
  for (const std::string &file : files)
    llvm::sys::DontRemoveFileOnSignal(file);
  files.clear();
  resetRemovedOnSignal(path);
  path.clear();
}

std::string TemporaryFolder::file(const llvm::Twine &name) {
  std::string result = (path + "/" + name).str();
  if (!llvm::is_contained(files, result)) {
    files.push_back(result);
    llvm::sys::RemoveFileOnSignal(result);
  }
  return result;
}

void TemporaryFolder::removeStale(llvm::StringRef prefix) {
  llvm::StringRef parent = path::parent_path(prefix);
  llvm::StringRef base = path::filename(prefix);
  std::error_code code;
  for (llvm::sys::fs::directory_iterator
           entry(parent.empty() ? "." : parent, code, /*follow=*/false),
       end;
       !code && entry != end; entry.increment(code)) {
    if (!isTemporaryName(path::filename(entry->path()), base))
      continue;
    int folder = open(entry->path().c_str(),
                      O_RDONLY | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC);
    if (folder < 0)
      continue;
    struct stat status;
    if (fstat(folder, &status) == 0 && status.st_uid == geteuid() &&
        flock(folder, LOCK_EX | LOCK_NB) == 0)
      removeFolder(entry->path(), folder);
    close(folder);
  }
}
