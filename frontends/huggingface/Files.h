//===- Files.h - opening what a model's folder holds ------------*- C++ -*-===//

#ifndef TRANSOM_FRONTENDS_HUGGINGFACE_FILES_H
#define TRANSOM_FRONTENDS_HUGGINGFACE_FILES_H

#include "llvm/ADT/SmallVector.h"
#include "llvm/ADT/StringRef.h"
#include "llvm/Support/Error.h"
#include "llvm/Support/JSON.h"
#include "llvm/Support/MemoryBuffer.h"

#include <memory>
#include <string>

namespace transom::huggingface {

/// Maps the regular file at `path`, without reading it. The error says why not,
/// and leaves it to the caller to say which file.
llvm::Expected<std::unique_ptr<llvm::MemoryBuffer>>
mapFile(const llvm::Twine &path);

/// What a file really is that was expected to be something else, told by its
/// first bytes: "a Git LFS pointer, not the file itself", for example. Empty if
/// nothing is recognised.
llvm::StringRef recognize(llvm::StringRef contents);

/// How to get the real file, for what `recognize` knows. May be empty.
llvm::StringRef remedyFor(llvm::StringRef recognized);

/// Parses text that must be one JSON object. Refuses what llvm::json would let
/// pass or could not survive: a key given twice, nesting beyond 64 levels.
llvm::Expected<llvm::json::Object> parseObject(llvm::StringRef text);

/// Whether text is JSON, with the checks of `parseObject`.
llvm::Error checkJson(llvm::StringRef text);

/// The entries of `object` by key, so that messages come in the same order in
/// every run.
llvm::SmallVector<const llvm::json::Object::value_type *>
sorted(const llvm::json::Object &object);

/// `value` as it would stand in a file, shortened to `limit` characters.
std::string describe(const llvm::json::Value &value, size_t limit = 60);

/// `text`, which came from outside, fit for a message: control characters and
/// bytes that are not UTF-8 are replaced, and it is shortened to `limit`.
std::string printable(llvm::StringRef text, size_t limit = 120);

/// "a", "b", "c" and 4 more.
std::string quoteSome(llvm::ArrayRef<llvm::StringRef> names, size_t limit = 8);

} // namespace transom::huggingface

#endif // TRANSOM_FRONTENDS_HUGGINGFACE_FILES_H
