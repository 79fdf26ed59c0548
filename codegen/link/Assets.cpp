//===- Assets.cpp - a model's tokenizer and pooling, beside its library ---===//

#include "codegen/link/Assets.h"

#include "llvm/ADT/SmallString.h"
#include "llvm/Support/FileSystem.h"
#include "llvm/Support/JSON.h"
#include "llvm/Support/MemoryBuffer.h"
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
    "sentence_albert_config.json",
    "sentence_bert_config.json",
    "sentence_camembert_config.json",
    "sentence_distilbert_config.json",
    "sentence_roberta_config.json",
    "sentence_xlm-roberta_config.json",
    "sentence_xlnet_config.json",
    "sentencepiece.bpe.model",
    "special_tokens_map.json",
    "spiece.model",
    "tokenizer.json",
    "tokenizer.model",
    "tokenizer_config.json",
    "vocab.json",
    "vocab.txt",
};

// What a module of sentence-transformers has in a folder of its own.
static constexpr llvm::StringLiteral moduleNames[] = {
    "config.json", "model.safetensors", "pytorch_model.bin"};

/// The folders below `model` that modules.json names. The frontend has reported
/// a file that is not JSON; a module without a folder is the model itself.
static std::vector<std::string> moduleFolders(llvm::StringRef model) {
  llvm::SmallString<128> file(model);
  path::append(file, "modules.json");
  std::vector<std::string> folders;
  auto text = llvm::MemoryBuffer::getFile(file);
  if (!text)
    return folders;
  llvm::Expected<llvm::json::Value> modules =
      llvm::json::parse((*text)->getBuffer());
  if (!modules) {
    llvm::consumeError(modules.takeError());
    return folders;
  }
  const llvm::json::Array *array = modules->getAsArray();
  if (!array)
    return folders;
  for (const llvm::json::Value &module : *array) {
    const llvm::json::Object *object = module.getAsObject();
    std::optional<llvm::StringRef> folder =
        object ? object->getString("path") : std::nullopt;
    // Only one folder is made, and none outside of the assets.
    if (folder && !folder->empty() && *folder != "." && *folder != ".." &&
        !folder->contains('/'))
      folders.push_back(folder->str());
  }
  return folders;
}

static llvm::Error copy(llvm::StringRef from, llvm::StringRef to,
                        llvm::ArrayRef<std::string> witnesses,
                        OutputFiles &outputs) {
  llvm::Expected<std::string> temporary = outputs.create(to, witnesses);
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
                                         llvm::ArrayRef<std::string> witnesses,
                                         OutputFiles &outputs) {
  std::vector<std::string> names(std::begin(assetNames), std::end(assetNames));
  for (const std::string &folder : moduleFolders(model))
    for (llvm::StringRef name : moduleNames)
      names.push_back(folder + "/" + name.str());
  std::sort(names.begin(), names.end());
  names.erase(std::unique(names.begin(), names.end()), names.end());
  for (const std::string &name : names) {
    llvm::SmallString<128> from(model), to(assets);
    path::append(from, name);
    path::append(to, name);
    if (!fs::is_regular_file(from))
      continue;
    if (llvm::Error error = outputs.createFolder(assets))
      return error;
    if (llvm::Error error = outputs.createFolder(path::parent_path(to)))
      return error;
    if (llvm::Error error = copy(from, to, witnesses, outputs))
      return error;
  }
  return llvm::Error::success();
}
