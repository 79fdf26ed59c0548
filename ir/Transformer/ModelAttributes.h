//===- ModelAttributes.h - what a model's function says of itself -*- C++ -*-=//
//
// Names of the attributes on a model's arguments, results and module. What each
// means, and which values it has, is in the dialect's description
// (TransformerDialect.td, docs/reference/transformer-dialect.md).
//
//===----------------------------------------------------------------------===//

#ifndef TRANSOM_IR_TRANSFORMER_MODELATTRIBUTES_H
#define TRANSOM_IR_TRANSFORMER_MODELATTRIBUTES_H

#include "llvm/ADT/StringRef.h"

namespace transom::transformer {

inline constexpr llvm::StringLiteral nameAttr = "transformer.name";
inline constexpr llvm::StringLiteral dimsAttr = "transformer.dims";
inline constexpr llvm::StringLiteral defaultAttr = "transformer.default";
inline constexpr llvm::StringLiteral paddingIdAttr = "transformer.padding_id";
inline constexpr llvm::StringLiteral tokenIdAttr = "transformer.token_id";
inline constexpr llvm::StringLiteral boundAttr = "transformer.bound";
inline constexpr llvm::StringLiteral roleAttr = "transformer.role";
inline constexpr llvm::StringLiteral tokenIndexAttr = "transformer.token_index";
inline constexpr llvm::StringLiteral contiguousAttr = "transformer.contiguous";
inline constexpr llvm::StringLiteral selectOutputPositionsAttr =
    "transformer.select_output_positions";
inline constexpr llvm::StringLiteral generatesAttr = "transformer.generates";
inline constexpr llvm::StringLiteral metadataAttr = "transformer.metadata";

} // namespace transom::transformer

#endif // TRANSOM_IR_TRANSFORMER_MODELATTRIBUTES_H
