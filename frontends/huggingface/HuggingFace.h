//===- HuggingFace.h - models as transformers saves them --------*- C++ -*-===//
//
// A model is a folder with config.json and safetensors. It becomes a module of
// definition ops, whose weights are named, and a source of the weights.
//
//===----------------------------------------------------------------------===//

#ifndef TRANSOM_FRONTENDS_HUGGINGFACE_HUGGINGFACE_H
#define TRANSOM_FRONTENDS_HUGGINGFACE_HUGGINGFACE_H

#include "frontends/huggingface/Problems.h"
#include "ir/Weights/WeightSource.h"

#include "mlir/IR/BuiltinOps.h"
#include "mlir/IR/MLIRContext.h"
#include "mlir/IR/OwningOpRef.h"
#include "llvm/ADT/StringRef.h"

#include <memory>
#include <string>

namespace transom::huggingface {

struct ImportOptions {
  /// Names as Hugging Face's exporters use them; empty: what "architectures" of
  /// config.json asks for.
  std::string task;
};

struct ImportedModel {
  /// @forward and its weights, verified; attribute transformer.metadata holds
  /// {"task", "model_type", "config"} and, if there is one, "id2label"; of a
  /// model that generates text, "generation_config".
  mlir::OwningOpRef<mlir::ModuleOp> module;
  /// Where the named weights are read from. Outlives the module's uses of them.
  std::unique_ptr<WeightSource> weights;
  /// In one line: "BertModel: 6 layers, ...".
  std::string description;
};

/// Reads the model in `folder`. Appends everything that is wrong with it to
/// `problems`; the module is null if any of that is an error. Loads the
/// dialects that it needs into `context`.
ImportedModel importModel(mlir::MLIRContext &context, llvm::StringRef folder,
                          const ImportOptions &options, Problems &problems);

} // namespace transom::huggingface

#endif // TRANSOM_FRONTENDS_HUGGINGFACE_HUGGINGFACE_H
