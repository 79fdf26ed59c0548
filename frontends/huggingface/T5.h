//===- T5.h - T5 and its relatives, as tables -------------------*- C++ -*-===//
//
// T5, MT5 and UMT5 are one definition. A `T5Spec` says what a relative does
// otherwise; T5.cpp reads it, T5Families.cpp holds one a relative.
//
//===----------------------------------------------------------------------===//

#ifndef TRANSOM_FRONTENDS_HUGGINGFACE_T5_H
#define TRANSOM_FRONTENDS_HUGGINGFACE_T5_H

#include "frontends/huggingface/Families.h"
#include "frontends/huggingface/Heads.h"

namespace transom::huggingface {

/// What relatives differ in.
struct T5Spec {
  // What transformers takes if a key is missing.
  int64_t vocabulary, feedForward, layers, heads;
  llvm::StringLiteral projection; ///< "feed_forward_proj"
  llvm::ArrayRef<TokenKey> tokens;
  llvm::ArrayRef<Head> taskHeads;
  bool biasesEachLayer; ///< or the first layer's bias is that of all
  /// Whether outputs are scaled before the language-model head.
  enum class Scales { Never, Always, AsConfigured } scales;
};

/// Reads the configuration of a model that `spec` describes; both must outlive
/// the result.
std::unique_ptr<Definition> readT5(const T5Spec &spec, Config &config);

} // namespace transom::huggingface

#endif // TRANSOM_FRONTENDS_HUGGINGFACE_T5_H
