//===- Metadata.cpp - what a library says about itself --------------------===//

#include "codegen/Metadata.h"

#include "ir/Transformer/ModelAttributes.h"

#include "llvm/ADT/StringExtras.h"
#include "llvm/Support/JSON.h"

using namespace mlir;
using namespace transom;
using namespace transom::codegen;
using transformer::InputRole;
namespace json = llvm::json;

static std::string extentName(uint8_t extent) {
  return kernel::stringifyExtent(static_cast<kernel::Extent>(extent)).str();
}

static std::string defaultName(uint8_t kind) {
  return transformer::stringifyDefaultKind(
             static_cast<transformer::DefaultKind>(kind))
      .str();
}

/// Does a caller give the place of a token?
static bool isPlace(const transom_input_info &info) {
  return info.role == TRANSOM_ROLE_TOKEN_ROWS &&
         info.default_kind != TRANSOM_DEFAULT_NONE;
}

/// Which token stands in for one whose place is left out.
static std::string placeNote(const transom_input_info &info) {
  std::string note = "the position of a token; if left out: ";
  switch (info.default_kind) {
  case TRANSOM_DEFAULT_FIRST:
    return note + "the first one's";
  case TRANSOM_DEFAULT_LAST:
    return note + "the last one's";
  case TRANSOM_DEFAULT_LAST_EQUAL:
    return note + "the source's last of the id " + std::to_string(info.operand);
  default:
    return note + "that of the last one that is not padding";
  }
}

/// What stands in for values that are left out.
static std::string valuesNote(const transom_input_info &info) {
  if (info.default_kind != TRANSOM_DEFAULT_SHIFTED_RIGHT)
    return defaultName(info.default_kind);
  return std::to_string(info.operand) + ", and the source but its last token";
}

/// The names that Linux gives to CPU features.
static json::Array featureNames(uint64_t features) {
  json::Array list;
#define TRANSOM_CPU_FEATURE(BIT, NAME, LINUX, LLVM)                            \
  if (features & TRANSOM_CPU_##NAME)                                           \
    list.push_back(LINUX);
#include "runtime/arch/cpu_features.def"
  return list;
}

/// "inputs" and "outputs" of a program.
static void addTensors(json::Object &object, const Interface &interface) {
  json::Array inputs, outputs;
  for (const InterfaceInput &input : interface.inputs) {
    // The others are made by the runtime.
    bool isPositions = input.info.role == TRANSOM_ROLE_OUTPUT_POSITIONS;
    if (input.info.role != TRANSOM_ROLE_VALUES && !isPositions &&
        !isPlace(input.info))
      continue;
    json::Object entry{{"name", input.name},
                       {"dtype", "int32"},
                       {"dims", json::Array{extentName(input.info.extent)}},
                       {"bound", input.info.bound}};
    if (input.info.default_kind != TRANSOM_DEFAULT_NONE)
      entry["default"] = defaultName(input.info.default_kind);
    if (input.info.default_kind == TRANSOM_DEFAULT_PADDING_AWARE_POSITION_IDS)
      entry["padding"] = input.info.operand;
    if (isPositions)
      entry["default"] = "all";
    inputs.push_back(std::move(entry));
  }
  for (const InterfaceOutput &output : interface.outputs) {
    json::Array dims{extentName(output.info.extent)};
    if (output.info.rank > 0)
      dims.push_back(output.info.width);
    outputs.push_back(json::Object{{"name", output.name},
                                   {"dtype", "float32"},
                                   {"dims", std::move(dims)}});
  }
  object["inputs"] = std::move(inputs);
  object["outputs"] = std::move(outputs);
}

/// The id at `key`, if there is one that the ABI can hold.
static std::optional<int32_t> tokenId(const json::Value *value) {
  std::optional<int64_t> id = value ? value->getAsInteger() : std::nullopt;
  if (!id || !llvm::isInt<32>(*id))
    return std::nullopt;
  return static_cast<int32_t>(*id);
}

/// What `metadata` has for the generation of a library with these programs;
/// none if it generates no text.
static std::optional<GenerationInfo>
generationInfo(const json::Object &metadata, ArrayRef<Interface> interfaces) {
  GenerationInfo info;
  const auto *step = llvm::find_if(interfaces, [](const Interface &interface) {
    return interface.kind == TRANSOM_PROGRAM_STEP;
  });
  if (step == interfaces.end())
    return std::nullopt;
  auto logits = llvm::find_if(step->outputs, [](const InterfaceOutput &output) {
    return output.name == "logits" &&
           output.info.extent == TRANSOM_OUTPUT_POSITIONS;
  });
  if (logits == step->outputs.end())
    return std::nullopt;
  info.logits = logits - step->outputs.begin();
  const json::Object *config = metadata.getObject("generation_config");
  if (!config)
    return info;
  const json::Value *ends = config->get("eos_token_id");
  if (const json::Array *list = ends ? ends->getAsArray() : nullptr) {
    for (const json::Value &value : *list)
      if (std::optional<int32_t> id = tokenId(&value))
        info.eosTokenIds.push_back(*id);
  } else if (std::optional<int32_t> id = tokenId(ends)) {
    info.eosTokenIds.push_back(*id);
  }
  for (StringRef key : {"bos_token_id", "decoder_start_token_id"})
    if (std::optional<int32_t> id = tokenId(config->get(key)))
      info.decoderStartTokenId = *id;
  return info;
}

FailureOr<LibraryMetadata> transom::codegen::libraryMetadata(
    ModuleOp module, ArrayRef<Interface> interfaces, StringRef name,
    const Machine &machine, uint64_t weightsHash, int64_t weightsBytes) {
  json::Object object;
  if (auto text =
          module->getAttrOfType<StringAttr>(transformer::metadataAttr)) {
    llvm::Expected<json::Value> value = json::parse(text.getValue());
    if (!value)
      return module.emitError() << "'transformer.metadata' is not JSON: "
                                << llvm::toString(value.takeError());
    if (!value->getAsObject())
      return module.emitError()
             << "expects 'transformer.metadata' to be a JSON object";
    object = std::move(*value->getAsObject());
  }
  object["name"] = name;
  object["target"] = machine.name;
  object["cpu"] = machine.cpu;
  object["cpu_features"] = featureNames(machine.cpuFeatures);
  object["dtype"] = "f32";
  object["abi"] = TRANSOM_ABI_VERSION;
  object["compiler"] = TRANSOM_VERSION;
  // Too large for the numbers of JSON.
  object["weights_hash"] =
      llvm::utohexstr(weightsHash, /*LowerCase=*/true, /*Width=*/16);
  object["weights_bytes"] = weightsBytes;
  addTensors(object, interfaces.front());
  json::Object programs;
  for (const Interface &interface : interfaces.drop_front()) {
    json::Object program;
    addTensors(program, interface);
    programs[transformer::stringifyProgramKind(
        static_cast<transformer::ProgramKind>(interface.kind))] =
        std::move(program);
    if (interface.cacheColumns)
      object["cache"] =
          json::Object{{"columns", interface.cacheColumns},
                       {"block_tokens", TRANSOM_CACHE_BLOCK},
                       {"block_bytes", interface.cacheBlockBytes()}};
  }
  if (!programs.empty())
    object["programs"] = std::move(programs);
  LibraryMetadata metadata;
  metadata.generation = generationInfo(object, interfaces);
  llvm::raw_string_ostream(metadata.json) << json::Value(std::move(object));
  return metadata;
}

static std::vector<TensorDocumentation>
documentInputs(const Interface &interface) {
  std::vector<TensorDocumentation> tensors;
  bool hasOffsets = false, isStep = interface.cacheColumns > 0;
  bool hasSource = false;
  for (const InterfaceInput &input : interface.inputs) {
    hasOffsets |= input.info.role == TRANSOM_ROLE_OFFSETS;
    bool isSource = input.info.extent == TRANSOM_ENCODER_TOKENS;
    hasSource |= isSource;
    if (input.info.role == TRANSOM_ROLE_OUTPUT_POSITIONS)
      tensors.push_back({input.name, "int32 or int64", "[count]",
                         "indices of tokens; if left out: all"});
    if (isPlace(input.info))
      tensors.push_back(
          {input.name, "int32 or int64", "[batch]", placeNote(input.info)});
    if (input.info.role != TRANSOM_ROLE_VALUES)
      continue;
    TensorDocumentation tensor;
    tensor.name = input.name;
    tensor.type = "int32 or int64";
    tensor.dims = isStep     ? "[tokens]"
                  : isSource ? "[batch][encoder_length] or [encoder_tokens]"
                             : "[batch][length] or [tokens]";
    if (input.info.bound)
      tensor.note = "in [0, " + std::to_string(input.info.bound) + ")";
    if (input.info.default_kind != TRANSOM_DEFAULT_NONE)
      tensor.note += (tensor.note.empty() ? "" : "; ") +
                     std::string("if left out: ") + valuesNote(input.info);
    tensors.push_back(std::move(tensor));
  }
  if (isStep) {
    tensors.push_back(
        {transformer::stringifyInputRole(InputRole::SequenceOffsets).str(),
         "int32 or int64", "[sequences + 1]", "from 0, ascending"});
    tensors.push_back({"sequences", "int32 or int64", "[sequences]",
                       "that the new tokens are of"});
  } else if (hasOffsets) {
    if (hasSource) {
      tensors.push_back({"attention_mask", "int32 or int64",
                         "[batch][encoder_length]",
                         "with the source's padded form; if left out: ones"});
      tensors.push_back(
          {transformer::stringifyInputRole(InputRole::EncoderOffsets).str(),
           "int32 or int64", "[sequences + 1]",
           "makes the source's form ragged"});
    }
    tensors.push_back({hasSource ? "decoder_attention_mask" : "attention_mask",
                       "int32 or int64", "[batch][length]",
                       "with the padded form; if left out: ones"});
    tensors.push_back(
        {transformer::stringifyInputRole(InputRole::SequenceOffsets).str(),
         "int32 or int64", "[sequences + 1]", "makes the form ragged"});
  }
  return tensors;
}

static std::vector<TensorDocumentation>
documentOutputs(const Interface &interface) {
  std::vector<TensorDocumentation> tensors;
  bool isStep = interface.cacheColumns > 0;
  for (const InterfaceOutput &output : interface.outputs) {
    std::string width;
    if (output.info.rank > 0)
      width = "[" + std::to_string(output.info.width) + "]";
    bool ofSequences = output.info.extent == TRANSOM_SEQUENCES;
    bool ofSource = output.info.extent == TRANSOM_ENCODER_TOKENS;
    tensors.push_back({output.name, "float32",
                       ofSequences ? "[batch]" + width
                       : ofSource  ? "[batch][encoder_length]" + width +
                                         " or [encoder_tokens]" + width
                       : isStep
                           ? "[tokens]" + width
                           : "[batch][length]" + width + " or [tokens]" + width,
                       output.info.extent == TRANSOM_OUTPUT_POSITIONS
                           ? "beside positions: [count]" + width
                           : ""});
  }
  return tensors;
}

ProgramDocumentation
transom::codegen::documentProgram(const Interface &interface, bool isFirst) {
  return {isFirst ? "run" : interface.name, documentInputs(interface),
          documentOutputs(interface)};
}
