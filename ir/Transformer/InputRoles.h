//===- InputRoles.h - what each role of an input implies --------*- C++ -*-===//
//
// The one table of roles: a pass, the verifiers, the interpreter's batches and
// the library's interface ask it instead of deciding by a role.
//
//===----------------------------------------------------------------------===//

#ifndef TRANSOM_IR_TRANSFORMER_INPUTROLES_H
#define TRANSOM_IR_TRANSFORMER_INPUTROLES_H

#include "ir/Transformer/Transformer.h"

namespace transom::transformer {

struct InputRoleInfo {
  InputRole role;
  /// Its leading dimension; none: any (values).
  std::optional<Dimension> extent;
  bool isFloat; ///< else i32
  /// Whether the attribute `transformer.contiguous` means something.
  bool canBeContiguous;
  /// The kinds of defaults that it can have.
  llvm::ArrayRef<DefaultKind> defaults;
};
const InputRoleInfo &getRoleInfo(InputRole role);

/// Whether a default has an operand: a padding id, a token id or an index.
bool hasOperand(DefaultKind kind);
/// Whether a default is made of the ids that an encoder reads, or of those that
/// the sequences have. Both are the ids of a required input.
bool readsEncoderIds(DefaultKind kind);
bool readsPaddingIds(DefaultKind kind);

/// The tokens of the sequences themselves, or those of their encoder inputs.
struct TokenSetInfo {
  Dimension length;     ///< the padded dimension
  Dimension tokens;     ///< the packed one
  InputRole offsets;    ///< where sequences begin
  InputRole keyLengths; ///< how many keys each has
  InputRole blockTable; ///< the cache's blocks of each
  InputRole blockOffsets;
};
/// First that of the sequences, then the encoder's.
inline constexpr unsigned numTokenSets = 2;
extern const TokenSetInfo tokenSets[numTokenSets];

/// The set that a dimension counts the tokens of, padded or packed.
std::optional<unsigned> findTokenSet(std::optional<Dimension> dim);
/// The set that a role describes.
std::optional<unsigned> findTokenSet(InputRole role);

} // namespace transom::transformer

#endif // TRANSOM_IR_TRANSFORMER_INPUTROLES_H
