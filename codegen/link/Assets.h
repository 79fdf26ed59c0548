//===- Assets.h - a model's tokenizer and pooling, beside its library -----===//
#ifndef TRANSOM_CODEGEN_LINK_ASSETS_H
#define TRANSOM_CODEGEN_LINK_ASSETS_H

#include "codegen/link/OutputFiles.h"

namespace transom::codegen {

/// Copies what applications need around the model (tokenizer, vocabulary,
/// sentence-transformers' modules) from the folder `model` to the folder
/// `assets`, which is made if there is anything to copy. Files that are there
/// are replaced if one of `witnesses` is there, by Transom: nothing in them
/// says who copied them.
llvm::Error copyAssets(llvm::StringRef model, llvm::StringRef assets,
                       llvm::ArrayRef<std::string> witnesses,
                       OutputFiles &outputs);

} // namespace transom::codegen

#endif // TRANSOM_CODEGEN_LINK_ASSETS_H
