//===- Summary.h - one token of a sequence, projected -----------*- C++ -*-===//
#ifndef TRANSOM_FRONTENDS_HUGGINGFACE_SUMMARY_H
#define TRANSOM_FRONTENDS_HUGGINGFACE_SUMMARY_H

#include "frontends/huggingface/Config.h"
#include "frontends/huggingface/ModelBuilder.h"

namespace transom::huggingface {

/// Keys of config.json that `buildSummary` reads, or that are of training only.
inline constexpr llvm::StringLiteral summaryKeys[] = {
    "summary_activation",     "summary_first_dropout", "summary_last_dropout",
    "summary_proj_to_labels", "summary_type",          "summary_use_proj"};

/// transformers' SequenceSummary of one label: of `hidden` [B, T, C] the token
/// that "summary_type" names, through `module`.summary and an activation; [B],
/// or [B, C] if the other keys ask for that width. With "cls_index" the caller
/// may choose the token, by an input `tokenIndex`. Reports what can't be
/// compiled.
mlir::Value buildSummary(llvm::StringRef module, llvm::StringLiteral tokenIndex,
                         mlir::Value hidden, Config &config,
                         ModelBuilder &builder);

} // namespace transom::huggingface

#endif // TRANSOM_FRONTENDS_HUGGINGFACE_SUMMARY_H
