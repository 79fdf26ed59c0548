//===- Assets.cpp - a model's tokenizer and pooling, beside its library ---===//

#include "codegen/link/Assets.h"

#include "llvm/ADT/SmallString.h"
#include "llvm/Support/FileSystem.h"
#include "llvm/Support/Path.h"

#include <algorithm>

using namespace transom::codegen;
namespace fs = llvm::sys::fs;
namespace path = llvm::sys::path;

// As Hugging Face's tokenizers, transformers and sentence-transformers call
// them.
static constexpr llvm::StringLiteral assetNames[] = {
    "added_tokens.json",
    "config_sentence_transformers.json",
    "generation_config.json",
    "merges.txt",
    "modules.json",
    "sentence_bert_config.json",
    "sentencepiece.bpe.model",
    "special_tokens_map.json",
    "spiece.model",
    "tokenizer.json",
    "tokenizer.model",
    "tokenizer_config.json",
    "vocab.json",
    "vocab.txt",
};

static llvm::Error copy(llvm::StringRef from, llvm::StringRef to,
                        OutputFiles &outputs) {
  llvm::Expected<std::string> temporary = outputs.create(to);
  if (!temporary)
    return temporary.takeError();
  if (std::error_code code = fs::copy_file(from, *temporary))
    return llvm::createStringError(code, "cannot copy '%s' to '%s': %s",
                                   from.str().c_str(), to.str().c_str(),
                                   code.message().c_str());
  return llvm::Error::success();
}

llvm::Error transom::codegen::copyAssets(llvm::StringRef model,
                                         llvm::StringRef assets,
                                         OutputFiles &outputs) {
  std::vector<std::string> names(std::begin(assetNames), std::end(assetNames));
  // Pooling's options are the config.json of a folder of their own, by
  // convention 1_Pooling.
  std::error_code code;
  for (fs::directory_iterator entry(model, code), end; !code && entry != end;
       entry.increment(code)) {
    llvm::StringRef folder = path::filename(entry->path());
    if (folder.ends_with("_Pooling"))
      names.push_back((folder + "/config.json").str());
  }
  std::sort(names.begin(), names.end());
  for (const std::string &name : names) {
    llvm::SmallString<128> from(model), to(assets);
    path::append(from, name);
    path::append(to, name);
    if (!fs::is_regular_file(from))
      continue;
    if (llvm::Error error = outputs.createFolder(assets))
      return error;
    if (llvm::Error error = copy(from, to, outputs))
      return error;
  }
  return llvm::Error::success();
}
