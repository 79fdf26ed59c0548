//===- Interface.cpp - a program's tensors, as its library shows them -----===//

#include "codegen/host/Interface.h"
#include "codegen/kernels/KernelSpec.h"
#include "ir/Transformer/ModelAttributes.h"

using namespace mlir;
using namespace transom;
using namespace transom::codegen;
using transformer::InputRole;

// What ir/ calls a role, a default, an extent or a kind of program is the same
// number for the runtime.
#define ASSERT_EQUAL(compiler, abi)                                            \
  static_assert(static_cast<int>(compiler) == (abi), "see runtime/abi.h")
#define ASSERT_ROLE(name, abi) ASSERT_EQUAL(InputRole::name, TRANSOM_ROLE_##abi)
ASSERT_ROLE(Values, VALUES);
ASSERT_ROLE(SequenceOffsets, OFFSETS);
ASSERT_ROLE(KeyLengths, KEY_LENGTHS);
ASSERT_ROLE(TokenRows, TOKEN_ROWS);
ASSERT_ROLE(OutputPositions, OUTPUT_POSITIONS);
ASSERT_ROLE(CacheSlots, CACHE_SLOTS);
ASSERT_ROLE(BlockTable, BLOCK_TABLE);
ASSERT_ROLE(BlockOffsets, BLOCK_OFFSETS);
ASSERT_ROLE(Cache, CACHE);
ASSERT_ROLE(EncoderOffsets, ENCODER_OFFSETS);
ASSERT_ROLE(EncoderKeyLengths, ENCODER_KEY_LENGTHS);
ASSERT_ROLE(EncoderBlockTable, ENCODER_BLOCK_TABLE);
ASSERT_ROLE(EncoderBlockOffsets, ENCODER_BLOCK_OFFSETS);
#define ASSERT_DEFAULT(name, abi)                                              \
  ASSERT_EQUAL(transformer::DefaultKind::name, TRANSOM_DEFAULT_##abi)
ASSERT_DEFAULT(Zeros, ZEROS);
ASSERT_DEFAULT(PositionIds, POSITION_IDS);
ASSERT_DEFAULT(Ones, ONES);
ASSERT_DEFAULT(PaddingAwarePositionIds, PADDING_AWARE_POSITION_IDS);
ASSERT_DEFAULT(Last, LAST);
ASSERT_DEFAULT(LastNonPadding, LAST_NON_PADDING);
ASSERT_DEFAULT(First, FIRST);
ASSERT_DEFAULT(LastEqual, LAST_EQUAL);
ASSERT_DEFAULT(ShiftedRight, SHIFTED_RIGHT);
#define ASSERT_EXTENT(name, abi)                                               \
  ASSERT_EQUAL(kernel::Extent::name, TRANSOM_##abi);                           \
  ASSERT_EQUAL(transformer::Dimension::name, TRANSOM_##abi)
ASSERT_EXTENT(Tokens, TOKENS);
ASSERT_EXTENT(Sequences, SEQUENCES);
ASSERT_EXTENT(EncoderTokens, ENCODER_TOKENS);
ASSERT_EXTENT(OutputPositions, OUTPUT_POSITIONS);
ASSERT_EXTENT(Blocks, BLOCKS);
ASSERT_EXTENT(Slots, SLOTS);
ASSERT_EXTENT(EncoderBlocks, ENCODER_BLOCKS);
#define ASSERT_PROGRAM(name, abi)                                              \
  ASSERT_EQUAL(transformer::ProgramKind::name, TRANSOM_PROGRAM_##abi)
ASSERT_PROGRAM(Forward, FORWARD);
ASSERT_PROGRAM(Step, STEP);
ASSERT_PROGRAM(Encode, ENCODE);

static bool isCache(kernel::BufferType type) {
  RankedTensorType tensor = type.getTensor();
  return elementTypeOf(tensor.getElementType()) == f32 &&
         tensor.getRank() == 2 && !tensor.isDynamicDim(1) &&
         type.getExtent() == kernel::Extent::Slots;
}

/// The dialect has verified how role, default and dimensions go together.
static FailureOr<InterfaceInput> inputOf(kernel::ProgramOp program,
                                         unsigned index) {
  auto type = cast<kernel::BufferType>(program.getArgumentTypes()[index]);
  DictionaryAttr attributes =
      function_interface_impl::getArgAttrDict(program, index);
  InterfaceInput input = {};
  InputRole role = transformer::getRole(attributes);
  StringRef name = transformer::getName(attributes);
  if (name.empty() && role != InputRole::Values)
    name = transformer::stringifyInputRole(role);
  input.name = name.str();
  if (input.name.empty())
    return program.emitOpError()
           << "expects 'transformer.name' on argument " << index;
  if (role == InputRole::AttentionMask || role == InputRole::TokenIndex)
    return program.emitOpError()
           << "expects packed inputs, got '" << input.name << "' with role '"
           << transformer::stringifyInputRole(role) << "'";
  const transformer::InputRoleInfo &info = transformer::getRoleInfo(role);
  input.info.role = static_cast<uint8_t>(role);
  if (info.isFloat) {
    if (!isCache(type))
      return program.emitOpError()
             << "expects input '" << input.name
             << "' to be a cache, a buffer of f32 [slots, columns], got "
             << type;
    input.info.dtype = f32.abiCode();
    input.info.extent = TRANSOM_SLOTS;
    return input;
  }
  if (elementTypeOf(type.getTensor().getElementType()) != i32 ||
      type.getTensor().getRank() != 1 || !type.getExtent())
    return program.emitOpError()
           << "expects input '" << input.name
           << "' to be a buffer of i32, one for each of an extent, got "
           << type;
  input.info.dtype = i32.abiCode();
  input.info.extent = static_cast<uint8_t>(*type.getExtent());
  transformer::DefaultAttr value = transformer::getDefault(attributes);
  if (value) {
    // The runtime always knows this one's value: no caller can give another.
    if (value.getKind() != transformer::DefaultKind::Token)
      input.info.default_kind = static_cast<uint8_t>(value.getKind());
    input.info.operand = value.getOperand().value_or(0);
  }
  if (info.canBeContiguous)
    input.info.operand = attributes.contains(transformer::contiguousAttr);
  if (attributes)
    if (auto bound = attributes.getAs<IntegerAttr>(transformer::boundAttr))
      input.info.bound = bound.getInt();
  return input;
}

static FailureOr<InterfaceOutput> outputOf(kernel::ProgramOp program,
                                           unsigned index) {
  auto type = cast<kernel::BufferType>(program.getResultTypes()[index]);
  DictionaryAttr attributes =
      function_interface_impl::getResultAttrDict(program, index);
  InterfaceOutput output = {};
  output.name = transformer::getName(attributes).str();
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
  interface.kind =
      static_cast<transom_program_kind>(transformer::getProgramKind(program));
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
  for (unsigned i = 0; i < program.getResultTypes().size(); ++i) {
    if (transformer::getRole(function_interface_impl::getResultAttrDict(
            program, i)) == InputRole::Cache) {
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
    if (llvm::any_of(interfaces, [&](const Interface &other) {
          return other.kind == interface->kind;
        }))
      return program.emitOpError()
             << "expects one program of each kind, got a second '"
             << transformer::stringifyProgramKind(
                    transformer::getProgramKind(program))
             << "'";
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
