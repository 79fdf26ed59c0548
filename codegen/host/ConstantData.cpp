//===- ConstantData.cpp - structs of abi.h as LLVM dialect globals --------===//

#include "codegen/host/ConstantData.h"
#include "runtime/abi.h"

using namespace mlir;
using namespace transom::codegen;

namespace {
/// A field of a struct of abi.h.
struct Field {
  enum Kind { Pointer, Integer, Float, PerExtent } kind;
  size_t elementBytes; ///< of one number
  size_t count;        ///< numbers that it holds
  size_t offset;
};
} // namespace

template <typename T> static constexpr Field fieldOf(size_t offset) {
  using Element = std::remove_extent_t<T>;
  if constexpr (std::is_same_v<T, int64_t[TRANSOM_EXTENTS]>)
    return {Field::PerExtent, 8, TRANSOM_EXTENTS, offset};
  else if constexpr (std::is_same_v<Element, transom_kernel_dim>)
    return {Field::Integer, 4, sizeof(T) / 4, offset};
  else
    return {std::is_pointer_v<Element>          ? Field::Pointer
            : std::is_floating_point_v<Element> ? Field::Float
                                                : Field::Integer,
            sizeof(Element), sizeof(T) / sizeof(Element), offset};
}
#define FIELD(type, member)                                                    \
  fieldOf<decltype(type::member)>(offsetof(type, member))

/// Are these all fields of a struct, in its order? Then LLVM, which lays them
/// out one behind the other at their alignment, has the offsets of C.
template <size_t Count>
static constexpr bool areAll(const Field (&fields)[Count], size_t bytes) {
  size_t end = 0;
  for (const Field &field : fields) {
    size_t padding =
        (field.elementBytes - end % field.elementBytes) % field.elementBytes;
    if (field.offset != end + padding)
      return false;
    end = field.offset + field.elementBytes * field.count;
  }
  return end == bytes;
}

static constexpr Field kernelArgumentFields[] = {
    FIELD(transom_kernel_argument, kind),
    FIELD(transom_kernel_argument, dtype),
    FIELD(transom_kernel_argument, rank),
    FIELD(transom_kernel_argument, rows),
    FIELD(transom_kernel_argument, source),
    FIELD(transom_kernel_argument, operand),
    FIELD(transom_kernel_argument, column_divisor),
    FIELD(transom_kernel_argument, offset),
    FIELD(transom_kernel_argument, row_bytes),
    FIELD(transom_kernel_argument, column_bytes),
    FIELD(transom_kernel_argument, dims)};
static_assert(areAll(kernelArgumentFields, sizeof(transom_kernel_argument)));

static constexpr Field kernelVariantFields[] = {
    FIELD(transom_kernel_variant, run),
    FIELD(transom_kernel_variant, max_rows),
    FIELD(transom_kernel_variant, row_tile),
    FIELD(transom_kernel_variant, task_rows),
    FIELD(transom_kernel_variant, task_columns),
    FIELD(transom_kernel_variant, reserved)};
static_assert(areAll(kernelVariantFields, sizeof(transom_kernel_variant)));

static constexpr Field kernelFields[] = {
    FIELD(transom_kernel, name),
    FIELD(transom_kernel, grid),
    FIELD(transom_kernel, columns),
    FIELD(transom_kernel, num_arguments),
    FIELD(transom_kernel, num_variants),
    FIELD(transom_kernel, arguments),
    FIELD(transom_kernel, variants),
    FIELD(transom_kernel, query_offsets),
    FIELD(transom_kernel, key_offsets),
    FIELD(transom_kernel, key_lengths),
    FIELD(transom_kernel, reserved),
    FIELD(transom_kernel, scratch_bytes),
    FIELD(transom_kernel, scratch_bytes_per_key),
    FIELD(transom_kernel, flops_per_row),
    FIELD(transom_kernel, flops_per_pair)};
static_assert(areAll(kernelFields, sizeof(transom_kernel)));

static constexpr Field inputInfoFields[] = {
    FIELD(transom_input_info, name),   FIELD(transom_input_info, dtype),
    FIELD(transom_input_info, role),   FIELD(transom_input_info, default_kind),
    FIELD(transom_input_info, extent), FIELD(transom_input_info, operand),
    FIELD(transom_input_info, bound)};
static_assert(areAll(inputInfoFields, sizeof(transom_input_info)));

static constexpr Field outputInfoFields[] = {
    FIELD(transom_output_info, name),     FIELD(transom_output_info, dtype),
    FIELD(transom_output_info, extent),   FIELD(transom_output_info, rank),
    FIELD(transom_output_info, reserved), FIELD(transom_output_info, reserved2),
    FIELD(transom_output_info, dims),     FIELD(transom_output_info, row_bytes),
    FIELD(transom_output_info, width)};
static_assert(areAll(outputInfoFields, sizeof(transom_output_info)));

static constexpr Field programFields[] = {
    FIELD(transom_program, name),       FIELD(transom_program, kind),
    FIELD(transom_program, num_inputs), FIELD(transom_program, num_outputs),
    FIELD(transom_program, reserved),   FIELD(transom_program, inputs),
    FIELD(transom_program, outputs),    FIELD(transom_program, arena_bytes),
    FIELD(transom_program, run)};
static_assert(areAll(programFields, sizeof(transom_program)));

static constexpr Field generationInfoFields[] = {
    FIELD(transom_generation_info, eos_token_ids),
    FIELD(transom_generation_info, num_eos_token_ids),
    FIELD(transom_generation_info, decoder_start_token_id),
    FIELD(transom_generation_info, logits),
    FIELD(transom_generation_info, reserved)};
static_assert(areAll(generationInfoFields, sizeof(transom_generation_info)));

static constexpr Field libraryFields[] = {
    FIELD(transom_library, abi_version),
    FIELD(transom_library, struct_bytes),
    FIELD(transom_library, name),
    FIELD(transom_library, metadata),
    FIELD(transom_library, target),
    FIELD(transom_library, cpu_features),
    FIELD(transom_library, weights_hash),
    FIELD(transom_library, weights_bytes),
    FIELD(transom_library, embedded_weights),
    FIELD(transom_library, num_programs),
    FIELD(transom_library, cache_columns),
    FIELD(transom_library, programs),
    FIELD(transom_library, cache_block_bytes),
    FIELD(transom_library, generation)};
static_assert(areAll(libraryFields, sizeof(transom_library)));

static constexpr Field frameFields[] = {
    FIELD(transom_frame, weights),   FIELD(transom_frame, arena),
    FIELD(transom_frame, inputs),    FIELD(transom_frame, outputs),
    FIELD(transom_frame, extents),   FIELD(transom_frame, padded_extents),
    FIELD(transom_frame, requested), FIELD(transom_frame, session)};
static_assert(areAll(frameFields, sizeof(transom_frame)));
#undef FIELD

static_assert(frameFields[FrameWeights].offset ==
              offsetof(transom_frame, weights));
static_assert(frameFields[FrameArena].offset == offsetof(transom_frame, arena));
static_assert(frameFields[FrameInputs].offset ==
              offsetof(transom_frame, inputs));
static_assert(frameFields[FrameOutputs].offset ==
              offsetof(transom_frame, outputs));
static_assert(frameFields[FrameExtents].offset ==
              offsetof(transom_frame, extents));
static_assert(frameFields[FramePaddedExtents].offset ==
              offsetof(transom_frame, padded_extents));
static_assert(frameFields[FrameRequested].offset ==
              offsetof(transom_frame, requested));

AbiTypes::AbiTypes(MLIRContext *context) {
  pointer = LLVM::LLVMPointerType::get(context);
  i8 = IntegerType::get(context, 8);
  i32 = IntegerType::get(context, 32);
  i64 = IntegerType::get(context, 64);
  f64 = Float64Type::get(context);
  auto typeOf = [&](const Field &field) -> Type {
    switch (field.kind) {
    case Field::Pointer:
      return pointer;
    case Field::Integer:
      return IntegerType::get(context, unsigned(field.elementBytes * 8));
    case Field::Float:
      return f64;
    case Field::PerExtent:
      return LLVM::LLVMArrayType::get(i64, TRANSOM_EXTENTS);
    }
    llvm_unreachable("every kind has a type");
  };
  // An array of numbers stands as so many fields, but those of extents, which
  // are indexed: a struct of numbers is one constant in the IR.
  auto structOf = [&](ArrayRef<Field> fields) {
    SmallVector<Type> elements;
    for (const Field &field : fields)
      elements.append(field.kind == Field::PerExtent ? 1 : field.count,
                      typeOf(field));
    return LLVM::LLVMStructType::getLiteral(context, elements);
  };
  kernelArgument = structOf(kernelArgumentFields);
  kernelVariant = structOf(kernelVariantFields);
  kernel = structOf(kernelFields);
  inputInfo = structOf(inputInfoFields);
  outputInfo = structOf(outputInfoFields);
  program = structOf(programFields);
  generationInfo = structOf(generationInfoFields);
  library = structOf(libraryFields);
  frame = structOf(frameFields);
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
