//===- ModelAttributes.h - what a model's function says of itself -*- C++ -*-=//
//
// Names of the attributes on a model's arguments, results, functions and
// module, and how to read them. What each means is in the dialect's description
// (TransformerDialect.td, docs/reference/transformer-dialect.md).
//
//===----------------------------------------------------------------------===//

#ifndef TRANSOM_IR_TRANSFORMER_MODELATTRIBUTES_H
#define TRANSOM_IR_TRANSFORMER_MODELATTRIBUTES_H

#include "ir/Transformer/InputRoles.h"

#include "mlir/IR/BuiltinAttributes.h"
#include "mlir/IR/BuiltinOps.h"
#include "mlir/Interfaces/FunctionInterfaces.h"

namespace transom::transformer {

inline constexpr llvm::StringLiteral nameAttr = "transformer.name";
inline constexpr llvm::StringLiteral dimsAttr = "transformer.dims";
inline constexpr llvm::StringLiteral defaultAttr = "transformer.default";
inline constexpr llvm::StringLiteral boundAttr = "transformer.bound";
inline constexpr llvm::StringLiteral roleAttr = "transformer.role";
inline constexpr llvm::StringLiteral contiguousAttr = "transformer.contiguous";
inline constexpr llvm::StringLiteral selectOutputPositionsAttr =
    "transformer.select_output_positions";
inline constexpr llvm::StringLiteral programAttr = "transformer.program";
inline constexpr llvm::StringLiteral generatesAttr = "transformer.generates";
inline constexpr llvm::StringLiteral metadataAttr = "transformer.metadata";

// Of an argument's or a result's attributes, which may be null.

/// Values if the attributes have no role.
InputRole getRole(mlir::DictionaryAttr attributes);
/// Null if the caller has to give the input.
DefaultAttr getDefault(mlir::DictionaryAttr attributes);
/// Nothing if it has fewer dimensions, or if the one of this number is of fixed
/// width.
std::optional<Dimension> getDim(mlir::DictionaryAttr attributes,
                                unsigned number = 0);
/// "" if there is none.
llvm::StringRef getName(mlir::DictionaryAttr attributes);

/// The attributes of an input or result that the compiler adds, whose name is
/// the role's.
mlir::DictionaryAttr getRoleAttributes(mlir::MLIRContext *context,
                                       InputRole role,
                                       DefaultAttr defaultValue = {});

/// Attributes with other leading dimensions: `dim` instead of `replaced` ones.
mlir::DictionaryAttr replaceDims(mlir::DictionaryAttr attributes, Dimension dim,
                                 int64_t replaced = 1);

ProgramKind getProgramKind(mlir::Operation *function);

} // namespace transom::transformer

#endif // TRANSOM_IR_TRANSFORMER_MODELATTRIBUTES_H
