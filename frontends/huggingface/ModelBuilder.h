//===- ModelBuilder.h - definition ops from modules and tensors -*- C++ -*-===//
//
// What every family needs to write its forward function: inputs, outputs, and
// torch's modules by name. A module's name in the model ("encoder.layer.0.
// output.dense") becomes the location of its ops, and its tensors are looked up
// in the checkpoint, where they may have a prefix or an older spelling.
//
//===----------------------------------------------------------------------===//

#ifndef TRANSOM_FRONTENDS_HUGGINGFACE_MODELBUILDER_H
#define TRANSOM_FRONTENDS_HUGGINGFACE_MODELBUILDER_H

#include "frontends/Problems.h"
#include "frontends/huggingface/Checkpoint.h"

#include "ir/Transformer/Transformer.h"

#include "mlir/Dialect/Func/IR/FuncOps.h"
#include "mlir/IR/Builders.h"
#include "mlir/IR/BuiltinOps.h"
#include "mlir/IR/OwningOpRef.h"
#include "llvm/ADT/ArrayRef.h"
#include "llvm/ADT/SmallVector.h"
#include "llvm/ADT/StringRef.h"

#include <optional>

namespace transom::huggingface {

/// An argument [batch, length] (or [batch]) of 32-bit integers, or [batch,
/// encoder_length] of what an encoder reads beside a decoder.
struct Input {
  llvm::StringLiteral name;
  /// Its value if the caller leaves it out; none: the caller has to give it.
  std::optional<transformer::DefaultKind> defaultKind = std::nullopt;
  /// Values lie in [0, bound); 0: any.
  int64_t bound = 0;
  transformer::InputRole role = transformer::InputRole::Values;
  /// Of the default: the id of padding, or of another token.
  std::optional<int32_t> operand = std::nullopt;
  /// Of an attention mask: the model asks how far tokens are apart, so those
  /// that are not masked must follow one another.
  bool contiguous = false;
  /// The second dimension; none: it has one dimension.
  std::optional<transformer::Dimension> length = transformer::Dimension::Length;
};

/// The nonlinearities that we have ops for, by their names in config.json.
struct Activation {
  llvm::StringLiteral name;
  mlir::Value (*build)(mlir::OpBuilder &builder, mlir::Location location,
                       mlir::Value input);
};
/// In transformers' spelling (ACT2FN); several names may mean one function.
llvm::ArrayRef<Activation> activations();
/// The one of this name, which must be one of them.
const Activation &findActivation(llvm::StringRef name);

struct AttentionOptions {
  int64_t heads;
  /// Each is shared by as many of the heads; 0: none is.
  int64_t keyHeads = 0;
  /// Of the scores; null: 1 / sqrt(head size).
  std::optional<double> scale;
  bool causal = false; ///< a token sees none that comes later
  /// Added to the scores beside the mask, unless null: [1, H, T, T].
  mlir::Value relativeBias = {};
  /// [B, T], by which query and key are rotated; null: they are not.
  mlir::Value positions = {};
  double theta = 0; ///< of the rotation
};

class ModelBuilder {
public:
  /// `prefix` stands before the names of all tensors in the checkpoint.
  ModelBuilder(mlir::MLIRContext &context, Checkpoint &checkpoint,
               llvm::StringRef prefix, Problems &problems);

  mlir::Value addInput(const Input &input);

  /// `dims` name the dimensions of `value`. With `selectOutputPositions` a
  /// caller may ask for it at some tokens only.
  void addOutput(llvm::StringRef name, mlir::Value value,
                 llvm::ArrayRef<llvm::StringRef> dims,
                 bool selectOutputPositions = false);

  /// Says that the model's output tells the token that comes next.
  void setGenerates();
  bool generates() const;

  /// Ends the function and returns the module, verified. Call once.
  mlir::OwningOpRef<mlir::ModuleOp> finish(llvm::StringRef metadata);

  /// Whether the checkpoint has this tensor.
  bool hasTensor(const llvm::Twine &name) const;
  /// Whether it has the tensor `module`.weight.
  bool hasModule(llvm::StringRef module) const {
    return hasTensor(module + ".weight");
  }

  /// The first of `modules` that the checkpoint has, or "". A tied weight is
  /// saved once, under any of its names.
  llvm::StringRef findModule(llvm::ArrayRef<llvm::StringRef> modules) const;

  /// Tensors that are named from now on have no prefix: heads stand beside the
  /// base model, not in it.
  void leaveBaseModel() { prefix.clear(); }

  Problems &getProblems() const { return problems; }

  /// All weights so far.
  int64_t getNumParameters() const { return numParameters; }

  // Modules. `module` is their name; shapes are those of torch.

  /// torch.nn.Embedding of `entries` rows: ids [..] -> [.., width]. `weight` is
  /// the name of its tensor if it is not that of the module.
  mlir::Value embedding(llvm::StringRef module, mlir::Value ids,
                        int64_t entries, int64_t width,
                        llvm::StringRef weight = "");
  /// torch.nn.Linear with a bias: [.., K] -> [.., width]. `weight` and `bias`
  /// are the names of its tensors if they are not those of the module.
  mlir::Value linear(llvm::StringRef module, mlir::Value input, int64_t width,
                     llvm::StringRef weight = "", llvm::StringRef bias = "");
  /// torch.nn.Linear without a bias.
  mlir::Value projection(llvm::StringRef module, mlir::Value input,
                         int64_t width, llvm::StringRef weight = "");
  /// transformers' Conv1D: a linear whose weight is stored [K, width].
  mlir::Value conv1d(llvm::StringRef module, mlir::Value input, int64_t width);
  /// torch.nn.LayerNorm over the last dimension.
  mlir::Value layerNorm(llvm::StringRef module, mlir::Value input,
                        double epsilon);
  /// Root mean square normalization over the last dimension, as T5LayerNorm
  /// and LlamaRMSNorm are.
  mlir::Value rmsNorm(llvm::StringRef module, mlir::Value input,
                      double epsilon);
  /// What T5's `module`, an embedding of `buckets` distances, adds to scores of
  /// `queries` and `keys` [B, T, ..]: [1, heads, Tq, Tk].
  mlir::Value relativeBias(llvm::StringRef module, mlir::Value queries,
                           mlir::Value keys, int64_t buckets, int64_t heads,
                           int64_t maxDistance, bool bidirectional);

  // What modules do between their parts.

  mlir::Value add(llvm::StringRef module, mlir::Value lhs, mlir::Value rhs);
  mlir::Value mul(llvm::StringRef module, mlir::Value lhs, mlir::Value rhs);
  mlir::Value activation(llvm::StringRef module, const Activation &activation,
                         mlir::Value input);
  /// Attention over all heads of query [B, T, C], key and value [B, T, C *
  /// keyHeads / heads], hidden by `mask`, which is added to the scores; [B, T,
  /// C].
  mlir::Value attention(llvm::StringRef module, mlir::Value query,
                        mlir::Value key, mlir::Value value, mlir::Value mask,
                        const AttentionOptions &options);
  mlir::Value paddingMask(llvm::StringRef module, mlir::Value mask);
  mlir::Value selectToken(llvm::StringRef module, mlir::Value input,
                          int64_t index);
  /// Of [B, T, C] the token at each sequence's `index` [B]: [B, C].
  mlir::Value gatherToken(llvm::StringRef module, mlir::Value input,
                          mlir::Value index);
  mlir::Value tanh(llvm::StringRef module, mlir::Value input);
  mlir::Value scale(llvm::StringRef module, mlir::Value input, double factor);
  /// [.., C] -> [.., end - begin], neighbouring columns.
  mlir::Value columns(llvm::StringRef module, mlir::Value input, int64_t begin,
                      int64_t end);
  /// [.., C] -> [..], what stands in one column.
  mlir::Value column(llvm::StringRef module, mlir::Value input, int64_t index);

private:
  mlir::Location at(llvm::StringRef module);
  /// The value of the tensor `name` (without prefix), which is declared when it
  /// is first used. It is F32, however it is stored.
  /// If `transposed`, the checkpoint has the two dimensions of `shape` the
  /// other way round.
  mlir::Value getWeight(llvm::StringRef name, llvm::ArrayRef<int64_t> shape,
                        bool transposed = false);
  /// `name` as the checkpoint spells it.
  std::string spell(llvm::StringRef name) const;

  Checkpoint &checkpoint;
  std::string prefix;
  Problems &problems;
  mlir::OpBuilder builder; ///< at the end of the function
  mlir::OwningOpRef<mlir::ModuleOp> module;
  mlir::func::FuncOp function;
  int64_t numParameters = 0;
  llvm::SmallVector<mlir::Value> results;
  llvm::SmallVector<mlir::Attribute> argumentAttributes, resultAttributes;
};

} // namespace transom::huggingface

#endif // TRANSOM_FRONTENDS_HUGGINGFACE_MODELBUILDER_H
