//===- Library.cpp - a compiled library, opened by its path ---------------===//

#include "tools/commands/Library.h"

#include "runtime/abi.h"

#include "llvm/ADT/SmallString.h"
#include "llvm/Support/FileSystem.h"
#include "llvm/Support/raw_ostream.h"

#include <dlfcn.h>
#include <utility>

using namespace llvm;

namespace transom {

static TensorInfo parseTensor(const json::Value &value) {
  TensorInfo info;
  const json::Object *object = value.getAsObject();
  if (!object)
    return info;
  info.name = object->getString("name").value_or("").str();
  info.dtype = object->getString("dtype").value_or("").str();
  info.fallback = object->getString("default").value_or("").str();
  info.bound = object->getInteger("bound").value_or(0);
  if (const json::Array *dims = object->getArray("dims"))
    for (const json::Value &dim : *dims)
      info.dims.push_back(dim.getAsString()
                              ? dim.getAsString()->str()
                              : std::to_string(dim.getAsInteger().value_or(0)));
  return info;
}

Expected<Library> Library::load(StringRef path) {
  auto failure = [&](const Twine &what) {
    return createStringError("%s: %s", path.str().c_str(), what.str().c_str());
  };
  if (!sys::fs::exists(path))
    return failure("no such file");
  // Without a slash, dlopen would search the system's folders.
  SmallString<128> absolute(path);
  (void)sys::fs::make_absolute(absolute);
  void *handle = dlopen(absolute.c_str(), RTLD_NOW | RTLD_LOCAL);
  if (!handle)
    return failure(Twine("not a library that can be loaded: ") + dlerror());
  Library library;
  library.entryPoints =
      static_cast<const transom_entry_points *>(dlsym(handle, "transom_entry"));
  if (!library.entryPoints)
    return failure("not made by 'transom compile': it has no symbol "
                   "'transom_entry'");
  if (library.entryPoints->abi_version != TRANSOM_ABI_VERSION)
    return failure(
        "expects version " + Twine(TRANSOM_ABI_VERSION) + " of the ABI, got " +
        Twine(library.entryPoints->abi_version) + "; compile the model again");
  Expected<json::Value> value = json::parse(library.entryPoints->metadata);
  if (!value)
    return failure("its metadata is not JSON: " + toString(value.takeError()));
  if (!value->getAsObject())
    return failure("its metadata is not a JSON object");
  library.json =
      std::make_shared<json::Object>(std::move(*value->getAsObject()));
  for (auto [key, infos] : {std::pair("inputs", &library.inputInfos),
                            std::pair("outputs", &library.outputInfos)})
    if (const json::Array *tensors = library.json->getArray(key))
      for (const json::Value &tensor : *tensors)
        infos->push_back(parseTensor(tensor));
  return library;
}

Error Library::check(transom_status status) const {
  if (status == TRANSOM_OK)
    return Error::success();
  return createStringError("%s", entryPoints->error());
}

Expected<Session> Session::open(const Library &library, StringRef weights,
                                int threads, int64_t cacheTokens) {
  Session result(library.entry());
  std::string path = weights.str();
  if (Error error = library.check(library.entry().open(
          path.empty() ? nullptr : path.c_str(), &result.model)))
    return error;
  transom_session_options options = {};
  options.threads = threads;
  options.cache_tokens = cacheTokens;
  if (Error error = library.check(library.entry().session_create(
          result.model, &options, &result.session)))
    return error;
  return result;
}

Session::Session(Session &&other) noexcept
    : entry(other.entry), model(std::exchange(other.model, nullptr)),
      session(std::exchange(other.session, nullptr)) {}

Session::~Session() {
  entry->session_destroy(session);
  entry->close(model);
}

int Session::threads() const { return entry->session_threads(session); }

} // namespace transom
