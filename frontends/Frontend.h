//===- Frontend.h - what a model can be read from ---------------*- C++ -*-===//
//
// A frontend turns one kind of files into a module of definition ops and a
// source of its weights. Tools name none: the registry finds the one that
// recognizes a path.
//
//===----------------------------------------------------------------------===//

#ifndef TRANSOM_FRONTENDS_FRONTEND_H
#define TRANSOM_FRONTENDS_FRONTEND_H

#include "frontends/Problems.h"
#include "ir/Weights/WeightSource.h"

#include "mlir/IR/BuiltinOps.h"
#include "mlir/IR/MLIRContext.h"
#include "mlir/IR/OwningOpRef.h"
#include "llvm/ADT/ArrayRef.h"
#include "llvm/ADT/StringRef.h"
#include "llvm/Support/JSON.h"

#include <memory>
#include <string>

namespace transom {

struct ImportOptions {
  /// Names as Hugging Face's exporters use them; empty: what the model's own
  /// configuration asks for.
  std::string task;
  /// The checkpoint that the weights of a module name; empty: none. A model
  /// that brings its own weights refuses it.
  std::string weights;
  /// Whether settings that nothing reads are errors, not a note.
  bool strict = false;
};

struct ImportedModel {
  /// @forward and its weights, verified; null if a problem is an error. A
  /// frontend that knows it sets transformer.metadata to `print(metadata)`.
  mlir::OwningOpRef<mlir::ModuleOp> module;
  /// Where the named weights are read from; null if all weights have values.
  /// Outlives the module's uses of them.
  std::unique_ptr<WeightSource> weights;
  /// In one line: "BertModel: 6 layers, ...".
  std::string description;
  /// The folder with the model's tokenizer and what else a pipeline needs;
  /// empty: none.
  std::string assets;
};

/// What a library says of its model at run time (`transom info`).
struct ModelMetadata {
  std::string task;
  std::string modelType;
  llvm::json::Object config;     ///< of the model, as its authors wrote it
  llvm::json::Value labels;      ///< names of classes by number, or null
  llvm::json::Object generation; ///< defaults of generate(); may be empty
};
/// As JSON: {"task", "model_type", "config", "id2label", "generation_config"},
/// the last two if there are any.
std::string print(ModelMetadata metadata);

struct Frontend {
  llvm::StringLiteral reads; ///< for messages: "an .mlir file"
  /// Whether this frontend is the one for `path`, which exists.
  bool (*recognizes)(llvm::StringRef path);
  /// Reads the model. Appends all that is wrong with it to `problems`, not the
  /// first mistake alone. Loads the dialects that it needs into `context`.
  ImportedModel (*import)(mlir::MLIRContext &context, llvm::StringRef path,
                          const ImportOptions &options, Problems &problems);
  /// The checkpoint at `path` alone; null after having reported problems. Null
  /// itself if these files hold none.
  std::unique_ptr<WeightSource> (*openWeights)(llvm::StringRef path,
                                               Problems &problems);
};

/// The first that recognizes a path reads it.
llvm::ArrayRef<Frontend> frontends();

/// Reads the model at `path` with the frontend that recognizes it.
ImportedModel importModel(mlir::MLIRContext &context, llvm::StringRef path,
                          const ImportOptions &options, Problems &problems);

/// The checkpoint at `path`, whichever frontend has its format.
std::unique_ptr<WeightSource> openWeights(llvm::StringRef path,
                                          Problems &problems);

} // namespace transom

#endif // TRANSOM_FRONTENDS_FRONTEND_H
