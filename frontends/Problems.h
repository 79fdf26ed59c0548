//===- Problems.h - all that stands in the way, in one list -----*- C++ -*-===//
//
// Reading a model does not stop at the first mistake: its finder records it
// here and continues, so that `transom check` reports all in one run.
//
//===----------------------------------------------------------------------===//

#ifndef TRANSOM_FRONTENDS_PROBLEMS_H
#define TRANSOM_FRONTENDS_PROBLEMS_H

#include "llvm/ADT/ArrayRef.h"
#include "llvm/ADT/STLExtras.h"
#include "llvm/ADT/StringRef.h"
#include "llvm/ADT/Twine.h"
#include "llvm/Support/raw_ostream.h"

#include <string>
#include <vector>

namespace transom {

/// One finding. `what` says what was found and what is supported, `note` (if
/// any) what to do about it.
struct Problem {
  enum class Severity { Error, Warning, Note };
  Severity severity;
  std::string file; ///< inside the model's folder, or the folder itself
  std::string what;
  std::string note;
};

class Problems {
public:
  void error(const llvm::Twine &file, const llvm::Twine &what,
             const llvm::Twine &note = "") {
    list.push_back(
        {Problem::Severity::Error, file.str(), what.str(), note.str()});
  }
  void warning(const llvm::Twine &file, const llvm::Twine &what,
               const llvm::Twine &note = "") {
    list.push_back(
        {Problem::Severity::Warning, file.str(), what.str(), note.str()});
  }
  /// Something that a reader may want to know and need not act upon.
  void note(const llvm::Twine &file, const llvm::Twine &what) {
    list.push_back({Problem::Severity::Note, file.str(), what.str(), ""});
  }
  /// An error of the form `"key" is value; supported: ...`; `value` as JSON.
  void unsupported(const llvm::Twine &file, llvm::StringRef key,
                   const llvm::Twine &value, const llvm::Twine &supported,
                   const llvm::Twine &note = "") {
    error(file, "\"" + key + "\" is " + value + "; supported: " + supported,
          note);
  }

  llvm::ArrayRef<Problem> all() const { return list; }
  size_t numErrors() const {
    return llvm::count_if(list, [](const Problem &problem) {
      return problem.severity == Problem::Severity::Error;
    });
  }
  bool hasErrors() const { return numErrors() != 0; }

  /// One line a problem, `error: file: what`, and one a note, `note: ...`.
  void print(llvm::raw_ostream &os) const {
    for (const Problem &problem : list) {
      constexpr const char *words[] = {"error: ", "warning: ", "note: "};
      os << words[static_cast<int>(problem.severity)] << problem.file << ": "
         << problem.what << '\n';
      if (!problem.note.empty())
        os << "note: " << problem.note << '\n';
    }
  }

private:
  std::vector<Problem> list;
};

} // namespace transom

#endif // TRANSOM_FRONTENDS_PROBLEMS_H
