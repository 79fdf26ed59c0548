//===- Config.cpp - config.json, read with care ---------------------------===//

#include "frontends/huggingface/Config.h"

#include "frontends/huggingface/Files.h"

#include "llvm/ADT/STLExtras.h"
#include "llvm/ADT/StringExtras.h"
#include "llvm/Support/Error.h"

#include <cmath>

using namespace llvm;

namespace transom::huggingface {

namespace {
/// The keys that transformers reads for one "model_type", or for all ("");
/// `name=key` for a second name of a key.
struct ReferenceKeys {
  StringLiteral modelType, keys;
};
} // namespace

static constexpr ReferenceKeys referenceKeys[] = {
#include "frontends/huggingface/ReferenceKeys.inc"
};

/// Nothing if transformers does not read `key`; otherwise the key that it is a
/// second name of, or "".
static std::optional<StringRef> findReferenceKey(StringRef modelType,
                                                 StringRef key) {
  for (const ReferenceKeys &family : referenceKeys)
    if (family.modelType.empty() || family.modelType == modelType)
      for (StringRef word : split(family.keys, ' '))
        if (auto [name, meaning] = word.split('='); name == key)
          return meaning;
  return std::nullopt;
}

/// Whether a value asks for nothing, as a key that is missing: null, false, 0,
/// {} or [].
static bool isOff(const json::Value &value) {
  switch (value.kind()) {
  case json::Value::Null:
    return true;
  case json::Value::Boolean:
    return !*value.getAsBoolean();
  case json::Value::Number:
    return *value.getAsNumber() == 0;
  case json::Value::String:
    return false;
  case json::Value::Array:
    return value.getAsArray()->empty();
  case json::Value::Object:
    return value.getAsObject()->empty();
  }
  llvm_unreachable("no such kind of value");
}

std::optional<Config> Config::parse(StringRef text, Problems &problems) {
  // A page or a pointer in its place deserves better than a syntax error.
  StringRef kind = text.ltrim().starts_with("{") ? "" : recognize(text);
  if (!kind.empty()) {
    problems.error(file, "is " + kind + "; expected JSON", remedyFor(kind));
    return std::nullopt;
  }
  Expected<json::Object> object = parseObject(text);
  if (!object) {
    problems.error(file, toString(object.takeError()));
    return std::nullopt;
  }
  return Config(std::move(*object), problems);
}

const json::Value *Config::find(StringRef key) {
  known.insert(key);
  return object.get(key);
}

void Config::report(StringRef key, const json::Value &value,
                    const Twine &supported, const Twine &note) {
  problems->unsupported(file, key, describe(value), supported, note);
}

int64_t Config::integer(StringRef key, int64_t fallback, int64_t least,
                        int64_t most) {
  const json::Value *value = find(key);
  std::optional<int64_t> number = value ? value->getAsInteger() : fallback;
  if (number && *number >= least && *number <= most)
    return *number;
  report(key, value ? *value : json::Value(fallback),
         "an integer from " + Twine(least) + " to " + Twine(most));
  sizesAreRight = false;
  return fallback;
}

int64_t Config::size(StringRef key, int64_t fallback, int64_t most) {
  return integer(key, fallback, 1, most);
}

int64_t Config::index(StringRef key, int64_t fallback, int64_t end) {
  return integer(key, fallback, 0, end - 1);
}

void Config::checkDivides(StringRef partKey, int64_t part, StringRef wholeKey,
                          int64_t whole) {
  if (!sizesAreRight || whole % part == 0)
    return;
  problems->unsupported(file, wholeKey, Twine(whole),
                        "multiples of \"" + partKey + "\", which is " +
                            Twine(part));
  sizesAreRight = false;
}

void Config::checkAtLeast(StringRef key, int64_t value, int64_t least) {
  if (!sizesAreRight || value >= least)
    return;
  problems->unsupported(file, key, Twine(value),
                        "integers from " + Twine(least));
  sizesAreRight = false;
}

void Config::checkEven(StringRef key, int64_t size) {
  if (!sizesAreRight || size % 2 == 0)
    return;
  problems->unsupported(file, key, Twine(size), "even numbers");
  sizesAreRight = false;
}

double Config::number(StringRef key, double fallback, double least,
                      double most) {
  const json::Value *value = find(key);
  if (!value)
    return fallback;
  std::optional<double> number = value->getAsNumber();
  if (number && *number >= least && *number <= most)
    return *number;
  report(key, *value,
         "a number from " + describe(least) + " to " + describe(most));
  return fallback;
}

const json::Object *Config::nested(StringRef key) {
  const json::Value *value = find(key);
  if (!value || value->getAsNull())
    return nullptr;
  if (const json::Object *inner = value->getAsObject())
    return inner;
  report(key, *value, "an object");
  return nullptr;
}

bool Config::flag(StringRef key, bool fallback) {
  const json::Value *value = find(key);
  if (!value || value->getAsNull())
    return fallback;
  if (std::optional<bool> given = value->getAsBoolean())
    return *given;
  report(key, *value, "true, false");
  return fallback;
}

bool Config::isGiven(StringRef key) {
  const json::Value *value = find(key);
  return value && !value->getAsNull();
}

int64_t Config::countLabels() {
  constexpr int64_t most = 1 << 20;
  int64_t number = size("num_labels", 2, most);
  const json::Value *value = find("id2label");
  if (!value || value->getAsNull())
    return number;
  const json::Object *names = value->getAsObject();
  bool isNumbered = names && !names->empty();
  for (size_t i = 0; isNumbered && i < names->size(); ++i) {
    const json::Value *name = names->get(std::to_string(i));
    isNumbered = name && (name->getAsString() || name->getAsNumber());
  }
  if (isNumbered)
    return names->size();
  report("id2label", *value,
         "names of classes by number, {\"0\": \"...\", \"1\": \"...\", ...}");
  sizesAreRight = false;
  return number;
}

StringRef Config::string(StringRef key, StringRef fallback) {
  const json::Value *value = find(key);
  if (!value || value->getAsNull())
    return fallback;
  if (std::optional<StringRef> text = value->getAsString())
    return *text;
  report(key, *value, "a string");
  return fallback;
}

size_t Config::indexOf(StringRef key, StringRef fallback,
                       ArrayRef<StringRef> names) {
  const json::Value *value = find(key);
  StringRef name = value ? value->getAsString().value_or("") : fallback;
  const auto *it = llvm::find(names, name);
  if (it != names.end())
    return it - names.begin();
  report(key, *value, join(names, ", "));
  return 0;
}

void Config::require(StringRef key, const json::Value &only,
                     const Twine &note) {
  const json::Value *value = find(key);
  if (value && *value != only && !value->getAsNull() &&
      !(isOff(*value) && isOff(only)))
    report(key, *value, describe(only), note);
}

StringRef Config::architecture() const {
  const json::Array *names = object.getArray("architectures");
  if (!names || names->empty())
    return "";
  return names->front().getAsString().value_or("");
}

void Config::ignore(ArrayRef<StringLiteral> keys) {
  for (StringRef key : keys)
    known.insert(key);
}

void Config::reportUnread(StringRef modelType, bool strict) {
  SmallVector<StringRef> unread;
  for (const json::Object::value_type *entry : sorted(object)) {
    StringRef key = entry->first;
    if (known.contains(key) || isOff(entry->second))
      continue;
    std::optional<StringRef> meaning = findReferenceKey(modelType, key);
    if (!meaning) {
      unread.push_back(key);
      continue;
    }
    const json::Value *meant = object.get(*meaning);
    if (meant && *meant == entry->second)
      continue;
    problems->error(file,
                    "\"" + key + "\" is " + describe(entry->second) +
                        "; transformers reads this key, and what it asks for "
                        "can't be compiled",
                    meaning->empty() ? Twine()
                                     : "it is a second name of \"" + *meaning +
                                           "\": write that key instead");
  }
  if (unread.empty())
    return;
  std::string what =
      "transformers does not read " + quoteSome(unread) + " for this model";
  if (strict)
    problems->error(file, what, "--strict makes this an error");
  else
    problems->note(file, what);
}

} // namespace transom::huggingface
