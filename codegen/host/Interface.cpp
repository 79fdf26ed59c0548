//===- Interface.cpp - a program's tensors, as its library shows them -----===//

#include "codegen/host/Interface.h"
#include "codegen/kernels/KernelSpec.h"
#include "ir/Transformer/ModelAttributes.h"

#include "llvm/ADT/StringSwitch.h"

using namespace mlir;
using namespace transom;
using namespace transom::codegen;

static StringRef textOf(DictionaryAttr attributes, StringRef key) {
  if (attributes)
    if (auto text = attributes.getAs<StringAttr>(key))
      return text.getValue();
  return "";
}

static std::optional<int64_t> numberOf(DictionaryAttr attributes,
                                       StringRef key) {
  if (attributes)
    if (auto number = attributes.getAs<IntegerAttr>(key))
      return number.getInt();
  return std::nullopt;
}

static constexpr StringRef cacheRole = "cache";

static bool isCache(kernel::BufferType type) {
  RankedTensorType tensor = type.getTensor();
  return elementTypeOf(tensor.getElementType()) == f32 &&
         tensor.getRank() == 2 && !tensor.isDynamicDim(1) &&
         type.getExtent() == kernel::Extent::Slots;
}

/// Is the default made of the values of the source?
static bool readsSource(const InterfaceInput &input) {
  return input.info.default_kind == TRANSOM_DEFAULT_SHIFTED_RIGHT ||
         input.info.default_kind == TRANSOM_DEFAULT_LAST_EQUAL;
}

/// The id of a token that an attribute of an input names.
static FailureOr<int32_t> idOf(kernel::ProgramOp program,
                               const InterfaceInput &input,
                               DictionaryAttr attributes, StringRef key) {
  std::optional<int64_t> id = numberOf(attributes, key);
  if (id && *id >= 0 && *id <= std::numeric_limits<int32_t>::max())
    return static_cast<int32_t>(*id);
  return program.emitOpError()
         << "expects '" << key << "' of input '" << input.name
         << "' to be a number from 0 to 2^31 - 1";
}

static FailureOr<InterfaceInput> inputOf(kernel::ProgramOp program,
                                         unsigned index) {
  auto type = cast<kernel::BufferType>(program.getArgumentTypes()[index]);
  DictionaryAttr attributes =
      function_interface_impl::getArgAttrDict(program, index);
  InterfaceInput input = {};
  StringRef role = textOf(attributes, transformer::roleAttr);
  StringRef name = textOf(attributes, transformer::nameAttr);
  input.name = (name.empty() ? role : name).str();
  if (input.name.empty())
    return program.emitOpError()
           << "expects 'transformer.name' on argument " << index;
  RankedTensorType tensor = type.getTensor();
  if (role == cacheRole) {
    if (!isCache(type))
      return program.emitOpError()
             << "expects input '" << input.name
             << "' to be a cache, a buffer of f32 [slots, columns], got "
             << type;
    input.info.dtype = f32.abiCode();
    input.info.role = TRANSOM_ROLE_CACHE;
    input.info.extent = TRANSOM_SLOTS;
    return input;
  }
  if (elementTypeOf(tensor.getElementType()) != i32 || tensor.getRank() != 1 ||
      !type.getExtent())
    return program.emitOpError()
           << "expects input '" << input.name
           << "' to be a buffer of i32, one for each of an extent, got "
           << type;
  input.info.dtype = i32.abiCode();
  input.info.extent = static_cast<uint8_t>(*type.getExtent());
  std::optional<int> roleValue =
      llvm::StringSwitch<std::optional<int>>(role)
          .Case("", TRANSOM_ROLE_VALUES)
          .Case("sequence_offsets", TRANSOM_ROLE_OFFSETS)
          .Case("key_lengths", TRANSOM_ROLE_KEY_LENGTHS)
          .Case("encoder_offsets", TRANSOM_ROLE_ENCODER_OFFSETS)
          .Case("encoder_key_lengths", TRANSOM_ROLE_ENCODER_KEY_LENGTHS)
          .Case("token_rows", TRANSOM_ROLE_TOKEN_ROWS)
          .Case("token_index", TRANSOM_ROLE_TOKEN_ROWS)
          .Case("output_positions", TRANSOM_ROLE_OUTPUT_POSITIONS)
          .Case("cache_slots", TRANSOM_ROLE_CACHE_SLOTS)
          .Case("block_table", TRANSOM_ROLE_BLOCK_TABLE)
          .Case("block_offsets", TRANSOM_ROLE_BLOCK_OFFSETS)
          .Case("encoder_block_table", TRANSOM_ROLE_ENCODER_BLOCK_TABLE)
          .Case("encoder_block_offsets", TRANSOM_ROLE_ENCODER_BLOCK_OFFSETS)
          .Default(std::nullopt);
  if (!roleValue)
    return program.emitOpError()
           << "expects 'transformer.role' of input '" << input.name
           << "' to be \"sequence_offsets\", \"key_lengths\", "
              "\"encoder_offsets\", \"encoder_key_lengths\", "
              "\"token_rows\", \"token_index\", \"output_positions\", "
              "\"cache_slots\", "
              "\"block_table\", \"block_offsets\", "
              "\"encoder_block_table\", \"encoder_block_offsets\" or "
              "\"cache\", got \""
           << role << "\"";
  input.info.role = *roleValue;
  StringRef fallback = textOf(attributes, transformer::defaultAttr);
  std::optional<int> fallbackValue =
      llvm::StringSwitch<std::optional<int>>(fallback)
          .Case("", TRANSOM_DEFAULT_NONE)
          .Case("zeros", TRANSOM_DEFAULT_ZEROS)
          .Case("position_ids", TRANSOM_DEFAULT_POSITION_IDS)
          .Case("ones", TRANSOM_DEFAULT_ONES)
          .Case("padding_aware_position_ids",
                TRANSOM_DEFAULT_PADDING_AWARE_POSITION_IDS)
          .Case("last", TRANSOM_DEFAULT_LAST)
          .Case("last_non_padding", TRANSOM_DEFAULT_LAST_NON_PADDING)
          .Case("first", TRANSOM_DEFAULT_FIRST)
          .Case("last_equal", TRANSOM_DEFAULT_LAST_EQUAL)
          .Case("shifted_right", TRANSOM_DEFAULT_SHIFTED_RIGHT)
          .Default(std::nullopt);
  bool isPlace = fallbackValue && *fallbackValue >= TRANSOM_DEFAULT_LAST &&
                 *fallbackValue <= TRANSOM_DEFAULT_LAST_EQUAL;
  if (fallbackValue && isPlace != (role == "token_index"))
    return program.emitOpError()
           << "expects 'transformer.default' of input '" << input.name
           << "' to be \"first\", \"last\", \"last_non_padding\" or "
              "\"last_equal\" if and only if its 'transformer.role' is "
              "\"token_index\"";
  if (!fallbackValue)
    return program.emitOpError()
           << "expects 'transformer.default' of input '" << input.name
           << "' to be \"zeros\", \"ones\", \"position_ids\", "
              "\"padding_aware_position_ids\" or \"shifted_right\", got \""
           << fallback << "\"";
  input.info.default_kind = *fallbackValue;
  if (input.info.default_kind == TRANSOM_DEFAULT_PADDING_AWARE_POSITION_IDS ||
      input.info.default_kind == TRANSOM_DEFAULT_LAST_NON_PADDING) {
    FailureOr<int32_t> padding =
        idOf(program, input, attributes, transformer::paddingIdAttr);
    if (failed(padding))
      return failure();
    input.info.operand = *padding;
  } else if (readsSource(input)) {
    FailureOr<int32_t> id =
        idOf(program, input, attributes, transformer::tokenIdAttr);
    if (failed(id))
      return failure();
    input.info.operand = *id;
  } else if (input.info.role == TRANSOM_ROLE_KEY_LENGTHS ||
             input.info.role == TRANSOM_ROLE_ENCODER_KEY_LENGTHS) {
    input.info.operand =
        attributes && attributes.contains(transformer::contiguousAttr);
  } else {
    input.info.operand =
        numberOf(attributes, transformer::tokenIndexAttr).value_or(0);
  }
  input.info.bound = numberOf(attributes, transformer::boundAttr).value_or(0);
  return input;
}

static FailureOr<InterfaceOutput> outputOf(kernel::ProgramOp program,
                                           unsigned index) {
  auto type = cast<kernel::BufferType>(program.getResultTypes()[index]);
  DictionaryAttr attributes =
      function_interface_impl::getResultAttrDict(program, index);
  InterfaceOutput output = {};
  output.name = textOf(attributes, transformer::nameAttr).str();
  if (output.name.empty())
    return program.emitOpError()
           << "expects 'transformer.name' on result " << index;
  RankedTensorType tensor = type.getTensor();
  bool hasColumns = tensor.getRank() == 2 && !tensor.isDynamicDim(1);
  std::optional<ElementType> element = elementTypeOf(tensor.getElementType());
  if (element != f32 || !(hasColumns || tensor.getRank() == 1) ||
      !type.getExtent())
    return program.emitOpError() << "expects output '" << output.name
                                 << "' to be rows of f32, got " << type;
  output.info.dtype = element->abiCode();
  output.info.extent = static_cast<uint8_t>(*type.getExtent());
  output.info.rank = hasColumns;
  output.info.width = hasColumns ? tensor.getDimSize(1) : 1;
  output.info.dims[0] = hasColumns ? output.info.width : 0;
  output.info.row_bytes = rowStride(output.info.width) * element->bytes();
  return output;
}

FailureOr<Interface> Interface::of(kernel::ProgramOp program) {
  Interface interface;
  interface.name = program.getSymName().str();
  interface.kind = llvm::StringSwitch<transom_program_kind>(interface.name)
                       .Case("step", TRANSOM_PROGRAM_STEP)
                       .Case("encode", TRANSOM_PROGRAM_ENCODE)
                       .Default(TRANSOM_PROGRAM_FORWARD);
  for (unsigned i = 0; i < program.getArgumentTypes().size(); ++i) {
    FailureOr<InterfaceInput> input = inputOf(program, i);
    if (failed(input))
      return failure();
    if (input->info.role == TRANSOM_ROLE_CACHE) {
      if (interface.cacheColumns)
        return program.emitOpError() << "expects one cache, got a second one";
      auto type = cast<kernel::BufferType>(program.getArgumentTypes()[i]);
      interface.cacheColumns = type.getTensor().getDimSize(1);
    }
    interface.inputs.push_back(std::move(*input));
  }
  auto isRequired = [](const InterfaceInput &input) {
    return input.info.role == TRANSOM_ROLE_VALUES &&
           input.info.default_kind == TRANSOM_DEFAULT_NONE;
  };
  auto isSource = [&](const InterfaceInput &input) {
    return isRequired(input) && input.info.extent == TRANSOM_ENCODER_TOKENS;
  };
  for (const InterfaceInput &input : interface.inputs)
    if (readsSource(input) && llvm::none_of(interface.inputs, isSource))
      return program.emitOpError()
             << "expects an input of source tokens without "
                "'transformer.default', which '"
             << input.name << "' is made of";
  for (const InterfaceInput &input : interface.inputs)
    if ((input.info.default_kind ==
             TRANSOM_DEFAULT_PADDING_AWARE_POSITION_IDS ||
         input.info.default_kind == TRANSOM_DEFAULT_LAST_NON_PADDING) &&
        llvm::none_of(interface.inputs, isRequired))
      return program.emitOpError()
             << "expects an input without 'transformer.default', whose tokens '"
             << input.name << "' counts";
  for (unsigned i = 0; i < program.getResultTypes().size(); ++i) {
    if (textOf(function_interface_impl::getResultAttrDict(program, i),
               transformer::roleAttr) == cacheRole) {
      interface.outputOfResult.push_back(std::nullopt);
      continue;
    }
    interface.outputOfResult.push_back(interface.outputs.size());
    FailureOr<InterfaceOutput> output = outputOf(program, i);
    if (failed(output))
      return failure();
    interface.outputs.push_back(std::move(*output));
  }
  // The frame has one bit for each.
  if (interface.outputs.size() > 64)
    return program.emitOpError()
           << "expects at most 64 outputs, got " << interface.outputs.size();
  return interface;
}

FailureOr<std::vector<Interface>>
Interface::ofAll(ArrayRef<kernel::ProgramOp> programs) {
  std::vector<Interface> interfaces;
  int64_t columns = 0;
  for (kernel::ProgramOp program : programs) {
    FailureOr<Interface> interface = of(program);
    if (failed(interface))
      return failure();
    if (interface->cacheColumns && interfaces.empty())
      return program.emitOpError()
             << "expects no cache, which only programs after the first can "
                "have";
    if (interface->cacheColumns && columns &&
        interface->cacheColumns != columns)
      return program.emitOpError() << "expects a cache of " << columns
                                   << " columns, as other programs have, got "
                                   << interface->cacheColumns;
    columns = std::max(columns, interface->cacheColumns);
    interfaces.push_back(std::move(*interface));
  }
  return interfaces;
}
