//===- Files.cpp - opening what a model's folder holds --------------------===//

#include "frontends/huggingface/Files.h"

#include "llvm/ADT/SmallVector.h"
#include "llvm/ADT/StringExtras.h"
#include "llvm/ADT/StringSet.h"
#include "llvm/ADT/StringSwitch.h"
#include "llvm/Support/FileSystem.h"
#include "llvm/Support/raw_ostream.h"

using namespace llvm;

namespace transom::huggingface {

Expected<std::unique_ptr<MemoryBuffer>> mapFile(const Twine &path) {
  sys::fs::file_status status;
  if (std::error_code code = sys::fs::status(path, status))
    return createStringError(code, StringRef(code.message()).lower());
  // A pipe would block and a device may have no end.
  if (!sys::fs::is_regular_file(status))
    return createStringError("is not a regular file");
  auto buffer = MemoryBuffer::getFile(path, /*IsText=*/false,
                                      /*RequiresNullTerminator=*/false);
  if (!buffer)
    return createStringError(buffer.getError(),
                             StringRef(buffer.getError().message()).lower());
  return std::move(*buffer);
}

namespace {

constexpr StringLiteral gitLfs = "a Git LFS pointer, not the file itself";
constexpr StringLiteral zip = "a zip archive, as torch.save writes it";
constexpr StringLiteral pickle = "a Python pickle";

struct Signature {
  StringLiteral start;
  StringLiteral kind;
};
constexpr Signature signatures[] = {
    {"version https://git-lfs.github.com/spec/", gitLfs},
    {"PK\x03\x04", zip},
    {"\x80\x02", pickle},
    {"\x80\x03", pickle},
    {"\x80\x04", pickle},
    {"\x80\x05", pickle},
    {"GGUF", "a GGUF file"},
    {"\x89HDF\r\n", "an HDF5 file"},
    {"\x1f\x8b", "a gzip archive"},
};

} // namespace

StringRef recognize(StringRef contents) {
  for (const Signature &signature : signatures)
    if (contents.starts_with(signature.start))
      return signature.kind;
  StringRef text = contents.take_front(512).ltrim();
  if (text.starts_with_insensitive("<!doctype html") ||
      text.starts_with_insensitive("<html"))
    return "an HTML page";
  if (text.starts_with("<?xml"))
    return "an XML document";
  if (text.starts_with("{"))
    return "JSON text";
  return "";
}

StringRef remedyFor(StringRef recognized) {
  return StringSwitch<StringRef>(recognized)
      .Case(gitLfs, "run 'git lfs pull' in the model's repository")
      .Case("an HTML page", "download the file again: a server sent a page "
                            "instead of it")
      .Cases({zip, pickle}, "load the model with transformers and call "
                            "save_pretrained(folder), which writes safetensors")
      .Default("");
}

/// Checks nesting and repeated keys of text that may not be JSON at all.
static Error checkStructure(StringRef text) {
  constexpr size_t maxDepth = 64;
  SmallVector<StringSet<>> open;
  for (size_t i = 0; i < text.size(); ++i) {
    switch (text[i]) {
    case '{':
    case '[':
      if (open.size() == maxDepth)
        return createStringError("is nested beyond 64 levels");
      open.emplace_back();
      break;
    case '}':
    case ']':
      if (!open.empty())
        open.pop_back();
      break;
    case '"': {
      size_t begin = i;
      for (++i; i < text.size() && text[i] != '"'; ++i)
        if (text[i] == '\\')
          ++i;
      if (i >= text.size())
        return Error::success(); // The parser will say what is wrong.
      StringRef literal = text.slice(begin, i + 1);
      if (open.empty() || !text.drop_front(i + 1).ltrim().starts_with(":"))
        break;
      // Escapes can spell one key in several ways: compare what they mean.
      std::string key = literal.drop_front().drop_back().str();
      if (literal.contains('\\')) {
        Expected<json::Value> value = json::parse(literal);
        if (!value) {
          consumeError(value.takeError());
          return Error::success();
        }
        key = value->getAsString()->str();
      }
      if (!open.back().insert(key).second)
        return createStringError("has the key \"" + printable(key) +
                                 "\" twice");
      break;
    }
    default:
      break;
    }
  }
  return Error::success();
}

static Expected<json::Value> parseValue(StringRef text) {
  if (text.trim().empty())
    return createStringError("is empty");
  if (Error error = checkStructure(text))
    return std::move(error);
  Expected<json::Value> value = json::parse(text);
  if (!value)
    return createStringError("is not valid JSON: " +
                             printable(toString(value.takeError())));
  return value;
}

Expected<json::Object> parseObject(StringRef text) {
  Expected<json::Value> value = parseValue(text);
  if (!value)
    return value.takeError();
  if (json::Object *object = value->getAsObject())
    return std::move(*object);
  return createStringError("holds " + describe(*value) +
                           "; expected a JSON object");
}

Error checkJson(StringRef text) { return parseValue(text).takeError(); }

SmallVector<const json::Object::value_type *>
sorted(const json::Object &object) {
  SmallVector<const json::Object::value_type *> entries;
  for (const auto &entry : object)
    entries.push_back(&entry);
  llvm::sort(entries, [](const auto *left, const auto *right) {
    return StringRef(left->first) < StringRef(right->first);
  });
  return entries;
}

std::string describe(const json::Value &value, size_t limit) {
  std::string text;
  raw_string_ostream(text) << value;
  return printable(text, limit);
}

std::string printable(StringRef text, size_t limit) {
  std::string clean = json::fixUTF8(text.take_front(limit));
  for (char &c : clean)
    if (static_cast<unsigned char>(c) < 32 || c == 127)
      c = ' ';
  return text.size() > limit ? clean + "..." : clean;
}

std::string quoteSome(ArrayRef<StringRef> names, size_t limit) {
  std::string text;
  for (StringRef name : names.take_front(limit)) {
    if (!text.empty())
      text += ", ";
    text += '"' + printable(name) + '"';
  }
  if (names.size() > limit)
    text += " and " + utostr(names.size() - limit) + " more";
  return text;
}

} // namespace transom::huggingface
