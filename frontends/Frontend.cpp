//===- Frontend.cpp - what a model can be read from -----------------------===//

#include "frontends/Frontend.h"

#include "frontends/ModuleFile.h"
#include "frontends/huggingface/HuggingFace.h"

#include "llvm/ADT/STLExtras.h"
#include "llvm/ADT/StringExtras.h"
#include "llvm/Support/FileSystem.h"
#include "llvm/Support/raw_ostream.h"

using namespace llvm;

namespace transom {

ArrayRef<Frontend> frontends() {
  static const Frontend table[] = {huggingface::frontend, moduleFileFrontend};
  return table;
}

/// The frontend that recognizes `path`; null after having said why none does.
static const Frontend *findFrontend(StringRef path, Problems &problems) {
  sys::fs::file_status status;
  if (std::error_code code = sys::fs::status(path, status)) {
    problems.error(path, StringRef(code.message()).lower());
    return nullptr;
  }
  const auto *it = find_if(frontends(), [&](const Frontend &frontend) {
    return frontend.recognizes(path);
  });
  if (it != frontends().end())
    return it;
  problems.error(path, "is not a model; expected " +
                           join(map_range(frontends(),
                                          [](const Frontend &frontend) {
                                            return frontend.reads;
                                          }),
                                ", or "));
  return nullptr;
}

ImportedModel importModel(mlir::MLIRContext &context, StringRef path,
                          const ImportOptions &options, Problems &problems) {
  const Frontend *frontend = findFrontend(path, problems);
  return frontend ? frontend->import(context, path, options, problems)
                  : ImportedModel();
}

std::unique_ptr<WeightSource> openWeights(StringRef path, Problems &problems) {
  const Frontend *frontend = findFrontend(path, problems);
  if (!frontend)
    return nullptr;
  if (frontend->openWeights)
    return frontend->openWeights(path, problems);
  problems.error(path, "holds no weights");
  return nullptr;
}

std::string print(ModelMetadata metadata) {
  json::Object object{{"task", metadata.task},
                      {"model_type", metadata.modelType},
                      {"config", std::move(metadata.config)}};
  if (!metadata.labels.getAsNull())
    object["id2label"] = std::move(metadata.labels);
  if (!metadata.generation.empty())
    object["generation_config"] = std::move(metadata.generation);
  std::string text;
  raw_string_ostream(text) << json::Value(std::move(object));
  return text;
}

} // namespace transom
