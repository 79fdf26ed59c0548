//===- Heads.h - the layers behind a trunk, one list a family ---*- C++ -*-===//
//
// A head is the layers that a task puts behind the trunk that all tasks share.
//
//===----------------------------------------------------------------------===//

#ifndef TRANSOM_FRONTENDS_HUGGINGFACE_HEADS_H
#define TRANSOM_FRONTENDS_HUGGINGFACE_HEADS_H

#include "frontends/huggingface/Config.h"
#include "frontends/huggingface/ModelBuilder.h"

#include "llvm/ADT/ArrayRef.h"
#include "llvm/ADT/StringRef.h"

#include <optional>
#include <string>

namespace transom::huggingface {

/// projection(norm(activation(dense(x)))), where only the projection must be.
/// A task may have several heads, each with outputs of its own.
struct Head {
  /// The hidden states that it reads.
  enum class From {
    Tokens,     ///< every token's
    FirstToken, ///< that of token 0
    Pooler,     ///< what the pooler makes of that
    LastToken,  ///< that of a sequence's last token that is not padding
    EndToken,   ///< that at the last end-of-sequence id of the encoder inputs
    Summary     ///< of one token, as keys "summary_..." and the caller say
  };
  enum class Width { One, Two, Labels, Vocabulary };

  llvm::StringLiteral task;
  From from = From::Tokens;
  // Modules; an empty name is none.
  llvm::StringLiteral dense = "";
  /// A name of `activations()`; empty: the trunk's own.
  llvm::StringLiteral activation = "";
  llvm::StringLiteral norm = "";
  llvm::StringLiteral projection;
  /// Width of the projection. That to the vocabulary is the tied token
  /// embedding, unless the checkpoint holds another; what comes before it is
  /// then as wide as that.
  Width width = Width::Labels;
  bool hasBias = true;
  /// The projection's bias if the checkpoint doesn't call it that.
  llvm::StringLiteral bias = "";
  /// One name: the logits. As many as the projection is wide: each of its
  /// columns is an output, which then has no last dimension.
  llvm::ArrayRef<llvm::StringLiteral> outputs;
  bool splitsColumns = false;
  /// From::Summary: the input by which a caller chooses the token.
  llvm::StringLiteral tokenIndex = "";
  bool generates = false; ///< the logits are those of the token that follows
  // Where the trunk is an encoder and a decoder.
  bool readsEncoder = false; ///< there is no decoder
  /// A decoder that is given no ids reads the encoder's, shifted to the right.
  bool shiftsEncoderInputs = false;
};

/// What a family's trunk gives its heads.
struct Trunk {
  mlir::Value hidden;
  mlir::Value pooled = {}; ///< null: no head reads it
  int64_t width, vocabulary, labels;
  int64_t embeddingWidth = width; ///< of a token
  double epsilon;                 ///< of norms
  const Activation &activation;
  /// The tensor of the token embedding if it is tied, or "".
  std::string tiedWeight;
  /// By which hidden states are scaled before a tied projection.
  double scale = 1;
  std::optional<int64_t> padding = {}, endOfSequence = {}; ///< ids
  Config &config; ///< of what the task says whether it counts
};

/// The heads of a task; none: its outputs are the trunk's.
llvm::SmallVector<const Head *> headsOf(llvm::ArrayRef<Head> heads,
                                        llvm::StringRef task);

void buildHead(const Head &head, const Trunk &trunk, ModelBuilder &builder);

} // namespace transom::huggingface

#endif // TRANSOM_FRONTENDS_HUGGINGFACE_HEADS_H
