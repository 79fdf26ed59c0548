//===- ElementType.h - what an element in memory is -----------------------===//
#ifndef TRANSOM_CODEGEN_ELEMENTTYPE_H
#define TRANSOM_CODEGEN_ELEMENTTYPE_H

#include <cstdint>
#include <optional>
#include <string>

namespace mlir {
class Type;
} // namespace mlir

namespace transom::codegen {

/// The type of the elements of an operand, a weight, a cache or a slot of the
/// arena. Plain data: neither Halide nor MLIR.
struct ElementType {
  enum class Kind : uint8_t { Integer, Unsigned, Float, BFloat };
  Kind kind = Kind::Float;
  uint8_t bits = 32;

  constexpr int64_t bytes() const { return (bits + 7) / 8; }
  std::string name() const; ///< f32, bf16, i8, u8
  /// Its transom_dtype_values. Only types that abi.h lists have one.
  uint8_t abiCode() const;
  friend bool operator==(const ElementType &, const ElementType &) = default;
};

inline constexpr ElementType f32 = {ElementType::Kind::Float, 32};
inline constexpr ElementType i32 = {ElementType::Kind::Integer, 32};

/// That of a tensor's elements in memory; nullopt if abi.h has none for it.
std::optional<ElementType> elementTypeOf(mlir::Type type);

} // namespace transom::codegen

#endif // TRANSOM_CODEGEN_ELEMENTTYPE_H
