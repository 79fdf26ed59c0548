//===- ConstantData.cpp - structs of abi.h as LLVM dialect globals --------===//

#include "codegen/host/ConstantData.h"
#include "runtime/abi.h"

using namespace mlir;
using namespace transom::codegen;

static LLVM::LLVMStructType structOf(ArrayRef<Type> fields) {
  return LLVM::LLVMStructType::getLiteral(fields[0].getContext(), fields);
}

AbiTypes::AbiTypes(MLIRContext *context) {
  pointer = LLVM::LLVMPointerType::get(context);
  i8 = IntegerType::get(context, 8);
  i32 = IntegerType::get(context, 32);
  i64 = IntegerType::get(context, 64);
  f64 = Float64Type::get(context);
  auto perExtent = LLVM::LLVMArrayType::get(i64, TRANSOM_EXTENTS);
  // The four dims of three numbers each stand as twelve fields: a struct of
  // numbers is one constant in the IR.
  SmallVector<Type> argument = {i8, i8, i8, i8, i32, i32, i32, i64, i64, i64};
  argument.append(12, i32);
  kernelArgument = structOf(argument);
  kernelVariant = structOf({pointer, i64, i32, i32, i32, i32});
  kernel = structOf({pointer, i32, i32, i32, i32, pointer, pointer, i32, i32,
                     i32, i32, i64, i64, f64, f64});
  inputInfo = structOf({pointer, i8, i8, i8, i8, i32, i64});
  outputInfo =
      structOf({pointer, i8, i8, i8, i8, i32, i64, i64, i64, i64, i64});
  program = structOf({pointer, i32, i32, pointer, pointer, perExtent, pointer});
  library = structOf({i32, i32, pointer, pointer, pointer, i64, i64, i64,
                      pointer, i32, i32, pointer, i64});
  frame = structOf(
      {pointer, pointer, pointer, pointer, perExtent, perExtent, i64, pointer});
}

ConstantData::ConstantData(ModuleOp module, StringRef textPrefix)
    : module(module), textPrefix(textPrefix) {}

/// The datum as one attribute, or null if it has addresses.
static Attribute attributeOf(Builder &builder, Type type, const Datum &datum) {
  if (auto *integer = std::get_if<int64_t>(&datum.value))
    return builder.getIntegerAttr(type, *integer);
  if (auto *number = std::get_if<double>(&datum.value))
    return builder.getFloatAttr(type, *number);
  auto *list = std::get_if<Datum::List>(&datum.value);
  if (!list)
    return nullptr;
  SmallVector<Attribute> elements;
  for (auto [index, element] : llvm::enumerate(*list)) {
    Type elementType;
    if (auto structType = dyn_cast<LLVM::LLVMStructType>(type))
      elementType = structType.getBody()[index];
    else
      elementType = cast<LLVM::LLVMArrayType>(type).getElementType();
    Attribute attribute = attributeOf(builder, elementType, element);
    if (!attribute)
      return nullptr;
    elements.push_back(attribute);
  }
  // An array of numbers is a dense attribute in the LLVM dialect.
  if (auto array = dyn_cast<LLVM::LLVMArrayType>(type);
      array && array.getElementType().isIntOrFloat())
    return DenseElementsAttr::get(
        RankedTensorType::get({int64_t(elements.size())},
                              array.getElementType()),
        elements);
  return builder.getArrayAttr(elements);
}

Value ConstantData::materialize(OpBuilder &builder, Type type,
                                const Datum &datum) {
  Location loc = module.getLoc();
  if (auto *address = std::get_if<Datum::Address>(&datum.value)) {
    if (address->symbol.empty())
      return LLVM::ZeroOp::create(builder, loc, type);
    return LLVM::AddressOfOp::create(builder, loc, type, address->symbol);
  }
  if (Attribute attribute = attributeOf(builder, type, datum))
    return LLVM::ConstantOp::create(builder, loc, type, attribute);
  Value result = LLVM::PoisonOp::create(builder, loc, type);
  for (auto [index, element] :
       llvm::enumerate(std::get<Datum::List>(datum.value))) {
    Type elementType;
    if (auto structType = dyn_cast<LLVM::LLVMStructType>(type))
      elementType = structType.getBody()[index];
    else
      elementType = cast<LLVM::LLVMArrayType>(type).getElementType();
    result = LLVM::InsertValueOp::create(
        builder, loc, result, materialize(builder, elementType, element),
        int64_t(index));
  }
  return result;
}

LLVM::GlobalOp ConstantData::define(StringRef symbol, Type type,
                                    const Datum &value, LLVM::Linkage linkage) {
  auto builder = OpBuilder::atBlockEnd(module.getBody());
  auto global =
      LLVM::GlobalOp::create(builder, module.getLoc(), type,
                             /*isConstant=*/true, linkage, symbol, Attribute());
  OpBuilder::InsertionGuard guard(builder);
  builder.createBlock(&global.getInitializerRegion());
  Value result = materialize(builder, type, value);
  LLVM::ReturnOp::create(builder, module.getLoc(), result);
  return global;
}

Datum ConstantData::array(StringRef symbol, Type type,
                          const Datum::List &values) {
  if (values.empty())
    return Datum::Address{};
  define(symbol, LLVM::LLVMArrayType::get(type, values.size()), values,
         LLVM::Linkage::Private);
  return Datum::Address{symbol.str()};
}

Datum ConstantData::text(StringRef text) {
  auto [entry, isNew] = texts.try_emplace(text);
  if (isNew) {
    entry->second = textPrefix + std::to_string(texts.size() - 1);
    auto builder = OpBuilder::atBlockEnd(module.getBody());
    std::string terminated = text.str();
    terminated.push_back('\0');
    auto type =
        LLVM::LLVMArrayType::get(builder.getI8Type(), terminated.size());
    auto global = LLVM::GlobalOp::create(builder, module.getLoc(), type,
                                         /*isConstant=*/true,
                                         LLVM::Linkage::Private, entry->second,
                                         builder.getStringAttr(terminated));
    global.setUnnamedAddr(LLVM::UnnamedAddr::Global);
  }
  return Datum::Address{entry->second};
}
