//===- Decoder.h - GPT and its relatives, as tables -------------*- C++ -*-===//
//
// GPT, GPT-2 and LLaMA are one definition under many names: a token sees what
// comes before it. A `DecoderSpec` says how a relative spells its
// configuration and its modules, and which heads it has; Decoder.cpp reads it,
// DecoderFamilies.cpp holds one a relative.
//
//===----------------------------------------------------------------------===//

#ifndef TRANSOM_FRONTENDS_HUGGINGFACE_DECODER_H
#define TRANSOM_FRONTENDS_HUGGINGFACE_DECODER_H

#include "frontends/huggingface/ArchitectureSpec.h"
#include "frontends/huggingface/Families.h"
#include "frontends/huggingface/Heads.h"

namespace transom::huggingface {

/// What a relative means by the name of an activation.
struct ActivationName {
  llvm::StringLiteral name;
  llvm::StringLiteral meaning; ///< a name of `activations()`
};

struct DecoderSpec {
  // Keys of config.json.
  SizeKey vocabulary, width, layers, heads, positions;
  /// null counts as missing; key "" or fallback 0: four times the width.
  SizeKey feedForward{"", 0};
  llvm::StringLiteral keyHeadsKey = ""; ///< "" or null: as many as heads
  llvm::StringLiteral headSizeKey = ""; ///< "" or null: their part of the width
  llvm::StringLiteral epsilonKey;
  double epsilon; ///< if the key is missing
  llvm::StringLiteral activationKey;
  llvm::StringLiteral activation; ///< if the key is missing
  /// The only names that there are; none: those of `activations()`.
  llvm::ArrayRef<ActivationName> activationNames;
  // Of the scores.
  llvm::StringLiteral scalesKey = "";       ///< by 1 / sqrt(head size)?
  llvm::StringLiteral scalesLayersKey = ""; ///< by 1 / number of the layer?
  llvm::StringLiteral attentionBiasKey =
      ""; ///< "": all have one; missing: none has
  llvm::StringLiteral feedForwardBiasKey =
      "";                     ///< "": all have one; missing: none has
  bool tiesEmbeddings = true; ///< if "tie_word_embeddings" is missing
  /// No influence on a forward pass, beside `readCommonKeys`.
  llvm::ArrayRef<llvm::StringLiteral> ignoredKeys;

  /// x + f(norm(x)) with a norm at the end, or else norm(x + f(x)).
  bool normsFirst = true;
  enum class Norm { Layer, RootMeanSquare };
  Norm norm = Norm::Layer;

  // Modules.
  llvm::StringLiteral tokenEmbedding;
  llvm::StringLiteral positionEmbedding; ///< "": queries and keys are rotated
  llvm::StringLiteral lastNorm = "";     ///< if `normsFirst`
  // Modules within a layer.
  llvm::StringLiteral layer = "h";
  /// Query, key and value as one Conv1D, as all linears then are; "": they are
  /// three.
  llvm::StringLiteral projections = "";
  llvm::StringLiteral query = "", key = "", value = "";
  llvm::StringLiteral attention = "attn"; ///< has no tensors
  llvm::StringLiteral attentionOutput = "attn.c_proj";
  llvm::StringLiteral attentionNorm = "ln_1";
  /// activation(gate(x)) * intermediate(x); "": activation(intermediate(x)).
  llvm::StringLiteral gate = "";
  llvm::StringLiteral intermediate = "mlp.c_fc";
  llvm::StringLiteral activationModule = "mlp.act";
  llvm::StringLiteral output = "mlp.c_proj";
  llvm::StringLiteral outputNorm = "ln_2";

  llvm::ArrayRef<Head> taskHeads;
};

/// Reads the configuration of a model that `spec` describes; both must outlive
/// the result.
std::unique_ptr<Definition> readDecoder(const DecoderSpec &spec,
                                        Config &config);

} // namespace transom::huggingface

#endif // TRANSOM_FRONTENDS_HUGGINGFACE_DECODER_H
