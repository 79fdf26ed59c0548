//===- Packing.h - the packed form of a padded function ---------*- C++ -*-===//
//
// Padded values are [batch, length, ..]. Their packed form has one row for each
// token that is there, [tokens, ..], so that whatever is computed row by row
// never sees padding. An op that isn't rowwise but has a packed form says
// which (PackableOpInterface); transom-remove-padding drives.
//
// The tokens of a decoder and those of its encoder are two sets: one has
// [batch, length, ..] in the padded form, the other [batch, encoder_length,
// ..]. They meet in attention only.
//
//===----------------------------------------------------------------------===//

#ifndef TRANSOM_IR_TRANSFORMER_PACKING_H
#define TRANSOM_IR_TRANSFORMER_PACKING_H

#include "ir/Transformer/Transformer.h"

#include "llvm/ADT/MapVector.h"

#include <array>
#include <memory>

namespace transom::transformer {

/// What becomes of a value of the padded function.
struct PackedValue {
  enum Kind {
    Uniform,   ///< no batch in it (weights, constants): as it was
    Tokens,    ///< [B, T, ..] -> [N, ..]
    Sequences, ///< [B, ..] -> [S, ..]
    Index,     ///< a token of each sequence [B] -> its row [S]
    Heads,     ///< [B, H, T, D] -> [N, H * D], heads side by side
    Mask,      ///< the attention mask [B, T]: gone
    Bias       ///< its padding_mask [B, 1, 1, T]: gone
  };
  Kind kind = Uniform;
  mlir::Value value; ///< in the packed function; null for Mask and Bias
  unsigned set = 0;  ///< of Tokens, Heads, Mask and Bias: which tokens

  /// Whether it has one row for each token, or for each sequence.
  bool hasRows() const { return kind == Tokens || kind == Sequences; }
  /// Whether rows are the same ones.
  bool hasRowsOf(const PackedValue &other) const {
    return kind == other.kind && set == other.set;
  }
  /// How many leading extents of the padded form the rows replace.
  int64_t getRowDims() const { return kind == Tokens ? 2 : 1; }
  /// The type of a padded value whose packed form has these rows.
  mlir::RankedTensorType getType(mlir::Type padded) const;
};

/// For diagnostics: "values per token".
llvm::StringRef describe(const PackedValue &packed);

/// What the packed function knows of a set of tokens.
struct TokenSet {
  bool hasMask = false, isContiguous = false;
  mlir::Value offsets, keyLengths; ///< null until an op needs them
};

/// The packed function as it grows, and the packed form of each value. Nothing
/// of the padded function changes.
class Packing {
public:
  explicit Packing(mlir::MLIRContext *context);

  PackedValue lookup(mlir::Value padded) const { return values.lookup(padded); }
  void set(mlir::Value padded, PackedValue packed) { values[padded] = packed; }

  /// A set of tokens, with the arguments that say where its sequences begin and
  /// how many keys they have.
  const TokenSet &getSequences(unsigned set);
  /// The argument [S] with the row of the token that `op` selects of each
  /// sequence. Where that token is masked, the runtime packs it last in its
  /// sequence: it attends, but is never attended to.
  mlir::Value getTokenRows(SelectTokenOp op);
  /// Records that `op` counts keys from the last row of a sequence.
  void countFromLastRow(AttentionOp op) { counting = op; }
  /// Fails if that row may be no key.
  mlir::LogicalResult verifyLastRows();

  mlir::OpBuilder builder; ///< at the end of `body`
  std::unique_ptr<mlir::Block> body;
  llvm::SmallVector<mlir::Attribute> argumentAttrs; ///< of the body's arguments
  std::array<TokenSet, numTokenSets> sets;

private:
  mlir::Value addArgument(mlir::DictionaryAttr attributes);

  llvm::DenseMap<mlir::Value, PackedValue> values;
  llvm::SmallDenseMap<int64_t, mlir::Value> tokenRows;
  AttentionOp counting;
  SelectTokenOp selecting;
};

} // namespace transom::transformer

#endif // TRANSOM_IR_TRANSFORMER_PACKING_H
