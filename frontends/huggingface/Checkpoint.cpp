//===- Checkpoint.cpp - the tensors of a model, in one file or many -------===//

#include "frontends/huggingface/Checkpoint.h"

#include "frontends/huggingface/Files.h"

#include "llvm/ADT/STLExtras.h"
#include "llvm/ADT/StringExtras.h"
#include "llvm/Support/FileSystem.h"
#include "llvm/Support/Path.h"

#include <map>

using namespace llvm;

namespace transom::huggingface {

namespace {

constexpr StringLiteral singleName = "model.safetensors";
constexpr StringLiteral indexName = "model.safetensors.index.json";

std::optional<WeightType> weightType(StringRef dtype) {
  for (WeightType type : {WeightType::F32, WeightType::F16, WeightType::BF16})
    if (nameOf(type) == dtype)
      return type;
  return std::nullopt;
}

bool exists(StringRef folder, StringRef name) {
  SmallString<128> path(folder);
  sys::path::append(path, name);
  return sys::fs::exists(path);
}

/// Says which file we would need, and what to do with what is there.
void reportNoWeights(StringRef folder, Problems &problems) {
  std::string note;
  std::error_code code;
  std::vector<std::string> names;
  for (sys::fs::directory_iterator it(folder, code), end; it != end && !code;
       it.increment(code))
    names.push_back(sys::path::filename(it->path()).str());
  llvm::sort(names);
  for (StringRef name : names) {
    StringRef extension = sys::path::extension(name);
    if (name.starts_with("adapter_model."))
      note = "'" + name.str() +
             "' is an adapter: merge it into its base model first";
    else if (extension == ".safetensors")
      note = "'" + name.str() + "' is not read: weights are expected in " +
             singleName.str() + " or in the files of " + indexName.str();
    else if (extension == ".bin" || extension == ".pt" || extension == ".pth" ||
             extension == ".ckpt")
      note = "'" + name.str() +
             "' is a PyTorch checkpoint: " + remedyFor("a Python pickle").str();
    else if (extension == ".h5" || extension == ".msgpack" ||
             extension == ".gguf" || extension == ".onnx")
      note = "'" + name.str() + "' can't be read: only safetensors can";
    if (!note.empty())
      break;
  }
  problems.error(folder,
                 "holds no weights; expected '" + singleName + "' or '" +
                     indexName + "'",
                 note);
}

} // namespace

std::unique_ptr<Checkpoint> Checkpoint::open(StringRef folder,
                                             Problems &problems) {
  size_t before = problems.numErrors();
  std::unique_ptr<Checkpoint> result;
  // The same order of preference as transformers has.
  if (exists(folder, singleName)) {
    result.reset(new Checkpoint(singleName));
    result->addShard(folder, singleName, problems);
  } else if (exists(folder, indexName)) {
    result.reset(new Checkpoint(indexName));
    SmallString<128> path(folder);
    sys::path::append(path, indexName);
    auto text = mapFile(path);
    if (text)
      result->readIndex(folder, (*text)->getBuffer(), problems);
    else
      problems.error(indexName, toString(text.takeError()));
  } else {
    reportNoWeights(folder, problems);
  }
  if (problems.numErrors() != before)
    return nullptr;
  return result;
}

const Safetensors *Checkpoint::addShard(StringRef folder, StringRef name,
                                        Problems &problems) {
  SmallString<128> path(folder);
  sys::path::append(path, name);
  auto contents = mapFile(path);
  if (!contents) {
    problems.error(printable(name), toString(contents.takeError()));
    return nullptr;
  }
  auto shard = Safetensors::create(std::move(*contents), name, problems);
  if (!shard)
    return nullptr;
  for (const StringMapEntry<StoredTensor> &tensor : shard->getTensors()) {
    auto [it, isNew] =
        tensors.try_emplace(tensor.first(), Entry{&tensor.second, shard.get()});
    if (!isNew)
      problems.error(indexName, "tensor \"" + printable(tensor.first()) +
                                    "\" is in both \"" +
                                    printable(it->second.shard->getFile()) +
                                    "\" and \"" + printable(name) + "\"");
  }
  shards.push_back(std::move(shard));
  return shards.back().get();
}

bool Checkpoint::readIndex(StringRef folder, StringRef text,
                           Problems &problems) {
  auto fail = [&](const Twine &what, const Twine &note = "") {
    problems.error(indexName, what, note);
    return false;
  };
  Expected<json::Object> index = parseObject(text);
  if (!index)
    return fail(toString(index.takeError()));
  const json::Object *map = index->getObject("weight_map");
  if (!map || map->empty())
    return fail("has no \"weight_map\"; expected an object of file names by "
                "tensor");

  std::map<StringRef, SmallVector<StringRef>> tensorsOf;
  bool ok = true;
  for (const json::Object::value_type *entry : sorted(*map)) {
    StringRef tensor = entry->first;
    std::optional<StringRef> name = entry->second.getAsString();
    // A name that leads out of the folder is an attack or a mistake.
    if (!name || name->empty() || *name == "." || *name == ".." ||
        name->contains('\0') || sys::path::filename(*name) != *name)
      ok = fail("tensor \"" + printable(tensor) + "\" is in " +
                describe(entry->second) +
                "; expected the name of a file "
                "beside the index");
    else
      tensorsOf[*name].push_back(tensor);
  }
  if (!ok)
    return false;
  for (auto &[name, mapped] : tensorsOf) {
    if (!exists(folder, name))
      ok = fail("\"" + printable(name) + "\" is missing; it holds " +
                    utostr(mapped.size()) + " tensors",
                "download all files that the index lists");
    else
      ok &= addShard(folder, name, problems) != nullptr;
  }
  if (!ok)
    return false;
  for (auto &[name, mapped] : tensorsOf) {
    for (StringRef tensor : mapped) {
      auto it = tensors.find(tensor);
      if (it == tensors.end())
        fail("tensor \"" + printable(tensor) + "\" is said to be in \"" +
             printable(name) + "\", which does not hold it");
      else if (it->second.shard->getFile() != name)
        fail("tensor \"" + printable(tensor) + "\" is said to be in \"" +
             printable(name) + "\"; it is in \"" +
             printable(it->second.shard->getFile()) + "\"");
    }
  }
  return true;
}

Expected<TensorView> Checkpoint::lookup(StringRef tensor) const {
  auto it = tensors.find(tensor);
  if (it == tensors.end())
    return createStringError(file + ": no tensor \"" + printable(tensor) +
                             "\"");
  const StoredTensor &stored = *it->second.tensor;
  std::optional<WeightType> type = weightType(stored.dtype);
  if (!type)
    return createStringError(it->second.shard->getFile() + ": tensor \"" +
                             printable(tensor) + "\" is " + stored.dtype +
                             "; supported: F32, F16, BF16");
  return TensorView{*type, stored.shape, stored.bytes};
}

void Checkpoint::release(const TensorView &view) const {
  auto holds = [&](const std::unique_ptr<Safetensors> &shard) {
    return shard->contains(view.bytes);
  };
  auto it = find_if(shards, holds);
  if (it != shards.end())
    (*it)->release(view.bytes);
}

bool Checkpoint::hasPrefix(StringRef prefix) const {
  return any_of(tensors.keys(),
                [&](StringRef name) { return name.starts_with(prefix); });
}

StringRef Checkpoint::findNearest(StringRef tensor) const {
  // By edit distance, if it is near at all.
  unsigned best = std::max<unsigned>(3, tensor.size() / 3);
  StringRef nearest;
  for (StringRef candidate : tensors.keys()) {
    unsigned distance = tensor.edit_distance(candidate, true, best);
    if (distance < best || (distance == best && candidate < nearest)) {
      best = distance;
      nearest = candidate;
    }
  }
  return nearest;
}

bool Checkpoint::require(StringRef tensor, ArrayRef<int64_t> shape,
                         Problems &problems) {
  used.insert(tensor);
  auto it = tensors.find(tensor);
  if (it == tensors.end()) {
    StringRef nearest = numMissing++ < 20 ? findNearest(tensor) : "";
    problems.error(
        file, "no tensor \"" + tensor + "\" of shape " + describeShape(shape),
        nearest.empty() ? Twine()
                        : "the nearest name is \"" + printable(nearest) + "\"");
    return false;
  }
  const StoredTensor &stored = *it->second.tensor;
  StringRef shard = it->second.shard->getFile();
  if (!weightType(stored.dtype)) {
    problems.error(shard, "tensor \"" + tensor + "\" is " + stored.dtype +
                              "; supported: F32, F16, BF16");
    return false;
  }
  if (ArrayRef(stored.shape) != shape) {
    problems.error(shard, "tensor \"" + tensor + "\" has shape " +
                              describeShape(stored.shape) +
                              "; config.json asks for " + describeShape(shape));
    return false;
  }
  return true;
}

void Checkpoint::reportUnused(function_ref<bool(StringRef)> ignored,
                              Problems &problems) const {
  SmallVector<StringRef> unused;
  for (StringRef name : tensors.keys())
    if (!used.contains(name) && !ignored(name))
      unused.push_back(name);
  llvm::sort(unused);
  if (!unused.empty())
    problems.warning(file,
                     "nothing uses " + utostr(unused.size()) +
                         (unused.size() == 1 ? " tensor: " : " tensors: ") +
                         quoteSome(unused));
}

} // namespace transom::huggingface
