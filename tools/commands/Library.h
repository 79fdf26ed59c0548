//===- Library.h - a compiled library, opened by its path -------*- C++ -*-===//

#ifndef TRANSOM_TOOLS_COMMANDS_LIBRARY_H
#define TRANSOM_TOOLS_COMMANDS_LIBRARY_H

#include "runtime/transom.h"

#include "llvm/ADT/StringRef.h"
#include "llvm/Support/Error.h"
#include "llvm/Support/JSON.h"

#include <memory>
#include <string>
#include <vector>

namespace transom {

/// A tensor as the metadata of a library describes it.
struct TensorInfo {
  std::string name, dtype, fallback;
  /// One word or number a dimension.
  std::vector<std::string> dims;
  int64_t bound = 0; ///< of integers; 0: none
};

/// A library that is loaded, but not opened: nothing of it has run, and its
/// weights need not be there. It stays loaded until the process ends.
class Library {
public:
  /// Fails if the file is not a library that `transom compile` made, or of
  /// another version of the ABI.
  static llvm::Expected<Library> load(llvm::StringRef path);

  const transom_entry_points &entry() const { return *entryPoints; }
  const llvm::json::Object &metadata() const { return *json; }
  const std::vector<TensorInfo> &inputs() const { return inputInfos; }
  const std::vector<TensorInfo> &outputs() const { return outputInfos; }

  /// The library's own words for a status that isn't TRANSOM_OK.
  llvm::Error check(transom_status status) const;

private:
  const transom_entry_points *entryPoints = nullptr;
  std::shared_ptr<llvm::json::Object> json;
  std::vector<TensorInfo> inputInfos, outputInfos;
};

/// An open model with one session, closed by its destructor.
class Session {
public:
  /// `threads` 0: the library's default. `weights` "": NAME.weights beside it.
  /// `cacheTokens` 0: the cache of a library that has one grows.
  static llvm::Expected<Session> open(const Library &library,
                                      llvm::StringRef weights, int threads,
                                      int64_t cacheTokens = 0);
  Session(Session &&other) noexcept;
  Session &operator=(Session &&) = delete;
  ~Session();

  transom_session *get() const { return session; }
  int threads() const;

private:
  explicit Session(const transom_entry_points &entry) : entry(&entry) {}
  const transom_entry_points *entry;
  transom_model *model = nullptr;
  transom_session *session = nullptr;
};

} // namespace transom

#endif // TRANSOM_TOOLS_COMMANDS_LIBRARY_H
