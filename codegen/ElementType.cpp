//===- ElementType.cpp - element types by their other names ---------------===//
#include "codegen/ElementType.h"

#include "runtime/abi.h"

#include "mlir/IR/BuiltinTypes.h"
#include "llvm/ADT/STLExtras.h"

#include <cassert>

using namespace transom::codegen;
using Kind = ElementType::Kind;

// The one place that pairs element types with codes of the ABI.
static constexpr std::pair<ElementType, uint8_t> codes[] = {
    {f32, TRANSOM_F32},
    {i32, TRANSOM_I32},
    {{Kind::Integer, 64}, TRANSOM_I64},
    {{Kind::BFloat, 16}, TRANSOM_BF16},
    {{Kind::Float, 16}, TRANSOM_F16},
    {{Kind::Integer, 8}, TRANSOM_I8},
    {{Kind::Unsigned, 8}, TRANSOM_U8}};

static auto findCode(ElementType type) {
  return llvm::find_if(codes, [&](auto &code) { return code.first == type; });
}

std::string ElementType::name() const {
  static constexpr const char *prefixes[] = {"i", "u", "f", "bf"};
  return prefixes[static_cast<int>(kind)] + std::to_string(bits);
}

uint8_t ElementType::abiCode() const {
  const auto *code = findCode(*this);
  assert(code != std::end(codes) && "expects an element type of the ABI");
  return code->second;
}

std::optional<ElementType> transom::codegen::elementTypeOf(mlir::Type type) {
  ElementType element;
  if (type.isBF16())
    element = {Kind::BFloat, 16};
  else if (type.isIntOrFloat())
    element = {type.isUnsignedInteger() ? Kind::Unsigned
               : type.isInteger()       ? Kind::Integer
                                        : Kind::Float,
               static_cast<uint8_t>(type.getIntOrFloatBitWidth())};
  if (!type.isIntOrFloat() || findCode(element) == std::end(codes))
    return std::nullopt;
  return element;
}
