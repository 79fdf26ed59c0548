//===- HuggingFace.cpp - models as transformers saves them ----------------===//

#include "frontends/huggingface/HuggingFace.h"

#include "frontends/huggingface/Checkpoint.h"
#include "frontends/huggingface/Config.h"
#include "frontends/huggingface/Families.h"
#include "frontends/huggingface/Files.h"
#include "frontends/huggingface/ModelBuilder.h"

#include "llvm/ADT/STLExtras.h"
#include "llvm/ADT/StringExtras.h"
#include "llvm/Support/FileSystem.h"
#include "llvm/Support/FormatVariadic.h"
#include "llvm/Support/Path.h"

using namespace llvm;
using namespace mlir;

namespace transom::huggingface {

static std::optional<Config> readConfig(StringRef folder, Problems &problems) {
  SmallString<128> path(folder);
  sys::path::append(path, Config::file);
  auto text = mapFile(path);
  if (text)
    return Config::parse((*text)->getBuffer(), problems);
  problems.error(Config::file, toString(text.takeError()));
  return std::nullopt;
}

static const Family *findFamily(Config &config) {
  auto modelTypes = map_range(
      families(), [](const Family *family) { return family->modelType; });
  StringRef modelType = config.string("model_type", "");
  for (const Family *family : families())
    if (family->modelType == modelType)
      return family;
  const json::Value *given = config.getObject().get("model_type");
  if (given && !given->getAsString())
    return nullptr; // Reported when it was read.
  config.getProblems().unsupported(Config::file, "model_type",
                                   given ? describe(*given) : "missing",
                                   join(modelTypes, ", "));
  return nullptr;
}

/// The class in "architectures", or the family's base model if there is none.
static std::string architectureOf(const Family &family, const Config &config) {
  std::string base = (family.className + "Model").str();
  const json::Value *value = config.getObject().get("architectures");
  if (!value || value->getAsNull())
    return base;
  const json::Array *array = value->getAsArray();
  if (array && array->empty())
    return base;
  std::optional<StringRef> name =
      array ? array->front().getAsString() : std::nullopt;
  if (name)
    return name->str();
  config.getProblems().unsupported(Config::file, "architectures",
                                   describe(*value), "a list of class names");
  return base;
}

/// The task to compile, one of the family's; empty after having reported why
/// there is none.
static StringRef chooseTask(const Family &family, StringRef architecture,
                            StringRef asked, Problems &problems) {
  StringRef task = asked.empty() ? taskOf(family, architecture) : asked;
  const auto *it = find(family.tasks, task);
  if (it != family.tasks.end())
    return *it;
  std::string supported = join(family.tasks, ", ");
  if (!asked.empty()) {
    problems.error("task", "\"" + printable(asked) +
                               "\" is not available for " +
                               "\"model_type\" \"" + family.modelType +
                               "\"; supported: " + supported);
    return "";
  }
  std::string what =
      "\"architectures\" asks for \"" + printable(architecture) + "\"";
  if (!task.empty())
    what += ", task \"" + task.str() + "\"";
  problems.error(Config::file, what + "; supported tasks: " + supported,
                 "task feature-extraction compiles the model without its head: "
                 "--task=feature-extraction");
  return "";
}

/// What generate() of transformers would take as its defaults.
static json::Object readGenerationConfig(StringRef folder, const Family &family,
                                         const Config &config,
                                         Problems &problems) {
  constexpr StringLiteral file = "generation_config.json";
  SmallString<128> path(folder);
  sys::path::append(path, file);
  if (!sys::fs::exists(path))
    return generationDefaults(family, config);
  auto text = mapFile(path);
  Expected<json::Object> object =
      text ? parseObject((*text)->getBuffer()) : text.takeError();
  if (!object) {
    problems.error(file, toString(object.takeError()));
    return {};
  }
  // Says where the rest comes from.
  object->erase("_from_model_config");
  object->erase("transformers_version");
  return std::move(*object);
}

/// Reports the files of tokenizers and of sentence-transformers that are
/// broken: the library's assets are copies of them.
static void checkAssets(StringRef folder, Problems &problems) {
  constexpr StringLiteral files[] = {"added_tokens.json",
                                     "config_sentence_transformers.json",
                                     "modules.json",
                                     "sentence_bert_config.json",
                                     "special_tokens_map.json",
                                     "tokenizer.json",
                                     "tokenizer_config.json"};
  for (StringRef file : files) {
    SmallString<128> path(folder);
    sys::path::append(path, file);
    if (!sys::fs::exists(path))
      continue;
    auto text = mapFile(path);
    if (!text) {
      problems.error(file, toString(text.takeError()));
      continue;
    }
    StringRef contents = (*text)->getBuffer();
    StringRef kind =
        contents.ltrim().starts_with("{") ? "" : recognize(contents);
    if (!kind.empty())
      problems.error(file, "is " + kind + "; expected JSON", remedyFor(kind));
    else if (Error error = checkJson(contents))
      problems.error(file, toString(std::move(error)));
  }
}

static ModelMetadata metadataOf(StringRef task, const Config &config,
                                json::Object generation) {
  json::Object copy = config.getObject();
  // A library does not reveal where its model was stored.
  copy.erase("_name_or_path");
  // Names of classes may be numbers; who prints them expects text.
  json::Value labels = nullptr;
  if (json::Object *names = copy.getObject("id2label")) {
    for (auto &[number, name] : *names)
      if (name.getAsNumber())
        name = describe(name);
    labels = json::Object(*names);
  }
  return {task.str(), copy.getString("model_type")->str(), copy,
          std::move(labels), std::move(generation)};
}

static ImportedModel import(MLIRContext &context, StringRef folder,
                            const ImportOptions &options, Problems &problems) {
  size_t before = problems.numErrors();
  ImportedModel result;
  if (!options.weights.empty()) {
    problems.error(folder,
                   "--weights is for .mlir files; this folder has its own");
    return result;
  }
  // What the weights lack is worth knowing even if the configuration is wrong.
  std::optional<Config> config = readConfig(folder, problems);
  std::unique_ptr<Checkpoint> checkpoint = Checkpoint::open(folder, problems);
  checkAssets(folder, problems);
  if (!config)
    return result;

  const Family *family = findFamily(*config);
  if (!family)
    return result;
  std::string architecture = architectureOf(*family, *config);
  StringRef task = chooseTask(*family, architecture, options.task, problems);
  std::unique_ptr<Definition> definition = family->read(*config);
  readCommonKeys(*config);
  config->reportUnread(family->modelType, options.strict);
  if (!checkpoint || !config->hasSizes())
    return result;

  // Even if the module will be thrown away: building it finds the tensors that
  // are missing or have a wrong shape. A task that we don't have is replaced by
  // the base model's, which all others contain.
  StringRef prefix;
  for (StringRef candidate : family->prefixes)
    if (prefix.empty() && checkpoint->hasPrefix(candidate))
      prefix = candidate;
  ModelBuilder builder(context, *checkpoint, prefix, problems);
  definition->build(task.empty() ? StringRef(family->tasks.front()) : task,
                    builder);
  checkpoint->reportUnused(
      [&](StringRef name) {
        name.consume_front(prefix);
        return any_of(
                   family->optionalTensors,
                   [&](StringRef start) { return name.starts_with(start); }) ||
               any_of(family->buffers,
                      [&](StringRef end) { return name.ends_with(end); });
      },
      problems);
  json::Object generation;
  if (builder.generates())
    generation = readGenerationConfig(folder, *family, *config, problems);
  OwningOpRef<ModuleOp> module =
      builder.finish(print(metadataOf(task, *config, std::move(generation))));
  if (problems.numErrors() != before)
    return result;

  result.module = std::move(module);
  result.description =
      formatv("{0}Model: {1}, {2:N} parameters, task {3}", family->className,
              definition->describe(), builder.getNumParameters(), task);
  result.weights = std::move(checkpoint);
  result.assets = folder.str();
  return result;
}

static std::unique_ptr<WeightSource> openWeights(StringRef folder,
                                                 Problems &problems) {
  return Checkpoint::open(folder, problems);
}

const Frontend frontend = {
    "a folder with config.json and safetensors",
    [](StringRef path) { return sys::fs::is_directory(path); }, import,
    openWeights};

} // namespace transom::huggingface
