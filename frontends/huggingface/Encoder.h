//===- Encoder.h - BERT and its relatives, as tables ------------*- C++ -*-===//
//
// BERT, RoBERTa, DistilBERT and ELECTRA are one definition under many names. An
// `EncoderSpec` says how a relative spells its configuration and its modules,
// and which heads it has; Encoder.cpp reads it, EncoderFamilies.cpp holds one a
// relative.
//
//===----------------------------------------------------------------------===//

#ifndef TRANSOM_FRONTENDS_HUGGINGFACE_ENCODER_H
#define TRANSOM_FRONTENDS_HUGGINGFACE_ENCODER_H

#include "frontends/huggingface/ArchitectureSpec.h"
#include "frontends/huggingface/Families.h"
#include "frontends/huggingface/Heads.h"

namespace transom::huggingface {

struct FixedKey {
  llvm::StringLiteral key;
  llvm::StringLiteral name;
};

struct EncoderSpec {
  // Keys of config.json.
  SizeKey vocabulary{"vocab_size", 30522};
  SizeKey width{"hidden_size", 768};
  SizeKey layers{"num_hidden_layers", 12};
  SizeKey heads{"num_attention_heads", 12};
  SizeKey feedForward{"intermediate_size", 3072};
  SizeKey positions{"max_position_embeddings", 512};
  SizeKey tokenTypes{"type_vocab_size", 2}; ///< key "": there are none
  /// Of the embeddings, which a linear then widens; key "": as the rest.
  SizeKey embeddingWidth{"", 0};
  llvm::StringLiteral epsilonKey = "layer_norm_eps"; ///< "": always 1e-12
  llvm::StringLiteral activationKey = "hidden_act";
  /// Positions are those of RoBERTa, which count from "pad_token_id" + 1 and
  /// leave out the tokens that are padding.
  bool paddingAwarePositions = false;
  int64_t padding = 0; ///< if "pad_token_id" is missing
  /// Keys of heads that may have one value only, which is also the default.
  llvm::ArrayRef<FixedKey> fixedKeys;
  /// No influence on a forward pass, beside `readCommonKeys`.
  llvm::ArrayRef<llvm::StringLiteral> ignoredKeys;

  // Modules within a layer.
  llvm::StringLiteral layer = "encoder.layer";
  llvm::StringLiteral query = "attention.self.query";
  llvm::StringLiteral key = "attention.self.key";
  llvm::StringLiteral value = "attention.self.value";
  llvm::StringLiteral attention = "attention.self"; ///< has no tensors
  llvm::StringLiteral attentionOutput = "attention.output.dense";
  llvm::StringLiteral attentionNorm = "attention.output.LayerNorm";
  llvm::StringLiteral intermediate = "intermediate.dense";
  llvm::StringLiteral activation = "intermediate.intermediate_act_fn";
  llvm::StringLiteral output = "output.dense";
  llvm::StringLiteral outputNorm = "output.LayerNorm";

  llvm::ArrayRef<Head> taskHeads;
};

/// Reads the configuration of a model that `spec` describes; both must
/// outlive the result.
std::unique_ptr<Definition> readEncoder(const EncoderSpec &spec,
                                        Config &config);

} // namespace transom::huggingface

#endif // TRANSOM_FRONTENDS_HUGGINGFACE_ENCODER_H
