//===- Config.h - config.json, read with care -------------------*- C++ -*-===//
//
// A key that is not read may be one that changes the numbers. So every access
// marks its key as known, and `reportUnread` turns those of the others into
// errors that transformers reads.
// Whatever is wrong is put into the list of problems, and a value of the right
// kind stands in for it, so that reading goes on.
//
//===----------------------------------------------------------------------===//

#ifndef TRANSOM_FRONTENDS_HUGGINGFACE_CONFIG_H
#define TRANSOM_FRONTENDS_HUGGINGFACE_CONFIG_H

#include "frontends/Problems.h"

#include "llvm/ADT/ArrayRef.h"
#include "llvm/ADT/SmallVector.h"
#include "llvm/ADT/StringRef.h"
#include "llvm/ADT/StringSet.h"
#include "llvm/Support/JSON.h"

#include <cstdint>
#include <optional>

namespace transom::huggingface {

class Config {
public:
  static constexpr llvm::StringLiteral file = "config.json";

  /// Parses the text of config.json; on failure reports it and returns nothing.
  /// `problems` must outlive the result.
  static std::optional<Config> parse(llvm::StringRef text, Problems &problems);

  const llvm::json::Object &getObject() const { return object; }
  Problems &getProblems() const { return *problems; }

  /// An integer in [1, most]; `fallback` if the key is missing.
  int64_t size(llvm::StringRef key, int64_t fallback, int64_t most);

  /// An integer in [0, end); `fallback` if the key is missing.
  int64_t index(llvm::StringRef key, int64_t fallback, int64_t end);

  /// Reports the size `whole` if `part` does not divide it.
  void checkDivides(llvm::StringRef partKey, int64_t part,
                    llvm::StringRef wholeKey, int64_t whole);

  /// Reports the size `value` of `key` if it is below `least`, which follows
  /// from other keys.
  void checkAtLeast(llvm::StringRef key, int64_t value, int64_t least);
  /// Reports the size `key` if it is odd.
  void checkEven(llvm::StringRef key, int64_t size);

  /// False once a size was wrong: what is built from sizes is then in vain.
  bool hasSizes() const { return sizesAreRight; }

  /// A finite number in [least, most].
  double number(llvm::StringRef key, double fallback, double least,
                double most);

  /// The object at `key`; null if it is missing or null.
  const llvm::json::Object *nested(llvm::StringRef key);

  /// True or false; null counts as missing.
  bool flag(llvm::StringRef key, bool fallback);

  /// Whether the key is there and not null.
  bool isGiven(llvm::StringRef key);

  /// The number of classes: of the names in "id2label", which must be numbered
  /// 0, 1, 2, ..., or else "num_labels", or else 2.
  int64_t countLabels();

  /// A string; null counts as missing.
  llvm::StringRef string(llvm::StringRef key, llvm::StringRef fallback);

  /// The entry of `choices`, by its member `name`, that the key names. Another
  /// value is reported, with all names, and the first entry stands in for it.
  template <typename Choice>
  const Choice &oneOf(llvm::StringRef key, llvm::StringRef fallback,
                      llvm::ArrayRef<Choice> choices) {
    llvm::SmallVector<llvm::StringRef> names;
    for (const Choice &choice : choices)
      names.push_back(choice.name);
    return choices[indexOf(key, fallback, names)];
  }

  /// Any value but `only` and null is an error, for the key asks for what can't
  /// be compiled. All values that mean "off" are the same.
  void require(llvm::StringRef key, const llvm::json::Value &only,
               const llvm::Twine &note = "");

  /// The class in "architectures", or empty. The key counts as unread.
  llvm::StringRef architecture() const;

  /// Keys that have no influence on what a forward pass computes.
  void ignore(llvm::ArrayRef<llvm::StringLiteral> keys);

  /// Reports what was neither read nor ignored, and is not off: a key that the
  /// reference implementation of `modelType` reads is an error; all others are
  /// one note, or one error if `strict`.
  void reportUnread(llvm::StringRef modelType, bool strict);

private:
  Config(llvm::json::Object object, Problems &problems)
      : object(std::move(object)), problems(&problems) {}

  int64_t integer(llvm::StringRef key, int64_t fallback, int64_t least,
                  int64_t most);
  /// The value of `key`, which is then known; null if it is missing.
  const llvm::json::Value *find(llvm::StringRef key);
  size_t indexOf(llvm::StringRef key, llvm::StringRef fallback,
                 llvm::ArrayRef<llvm::StringRef> names);
  void report(llvm::StringRef key, const llvm::json::Value &value,
              const llvm::Twine &supported, const llvm::Twine &note = "");

  llvm::json::Object object;
  Problems *problems;
  bool sizesAreRight = true;
  llvm::StringSet<> known;
};

} // namespace transom::huggingface

#endif // TRANSOM_FRONTENDS_HUGGINGFACE_CONFIG_H
