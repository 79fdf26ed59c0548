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

/// Does a caller give the index of a token?
static bool isTokenIndex(const transom_input_info &info) {
  return info.role == TRANSOM_ROLE_TOKEN_ROWS &&
         info.default_kind != TRANSOM_DEFAULT_NONE;
}

/// What a token index means, and which token is read without it.
static std::string tokenIndexNote(const transom_input_info &info) {
  std::string note = "the index of a token; if left out: ";
  switch (info.default_kind) {
  case TRANSOM_DEFAULT_FIRST:
    return note + "the first token";
  case TRANSOM_DEFAULT_LAST:
    return note + "the last token";
  case TRANSOM_DEFAULT_LAST_EQUAL:
    return note + "that of the encoder's last id " +
           std::to_string(info.operand);
  default:
    return note + "the last token that is not padding";
  }
}

/// The values of an input that the caller leaves out.
static std::string defaultNote(const transom_input_info &info) {
  if (info.default_kind != TRANSOM_DEFAULT_SHIFTED_RIGHT)
    return defaultName(info.default_kind);
  return std::to_string(info.operand) +
         ", followed by all encoder tokens but the last";
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
    // The runtime makes the others.
    bool isPositions = input.info.role == TRANSOM_ROLE_OUTPUT_POSITIONS;
    if (input.info.role != TRANSOM_ROLE_VALUES && !isPositions &&
        !isTokenIndex(input.info))
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
  bool hasEncoder = false;
  for (const InterfaceInput &input : interface.inputs) {
    hasOffsets |= input.info.role == TRANSOM_ROLE_OFFSETS;
    bool ofEncoder = input.info.extent == TRANSOM_ENCODER_TOKENS;
    hasEncoder |= ofEncoder;
    if (input.info.role == TRANSOM_ROLE_OUTPUT_POSITIONS)
      tensors.push_back({input.name, "int32 or int64", "[count]",
                         "indices of tokens; if left out: all"});
    if (isTokenIndex(input.info))
      tensors.push_back({input.name, "int32 or int64", "[batch]",
                         tokenIndexNote(input.info)});
    if (input.info.role != TRANSOM_ROLE_VALUES)
      continue;
    TensorDocumentation tensor;
    tensor.name = input.name;
    tensor.type = "int32 or int64";
    tensor.dims = isStep      ? "[tokens]"
                  : ofEncoder ? "[batch][encoder_length] or [encoder_tokens]"
                              : "[batch][length] or [tokens]";
    if (input.info.bound)
      tensor.note = "in [0, " + std::to_string(input.info.bound) + ")";
    if (input.info.default_kind != TRANSOM_DEFAULT_NONE)
      tensor.note += (tensor.note.empty() ? "" : "; ") +
                     std::string("if left out: ") + defaultNote(input.info);
    tensors.push_back(std::move(tensor));
  }
  if (isStep) {
    tensors.push_back(
        {transformer::stringifyInputRole(InputRole::SequenceOffsets).str(),
         "int32 or int64", "[sequences + 1]", "from 0, ascending"});
    tensors.push_back({"sequences", "int32 or int64", "[sequences]",
                       "those of the session, at most once each"});
  } else if (hasOffsets) {
    auto addMask = [&](const char *name, const char *dims) {
      tensors.push_back(
          {name, "int32 or int64", dims, "0 masks a token; if left out: ones"});
    };
    auto addOffsets = [&](InputRole role) {
      tensors.push_back({transformer::stringifyInputRole(role).str(),
                         "int32 or int64", "[sequences + 1]",
                         "from 0, ascending; if left out: padded"});
    };
    if (hasEncoder) {
      addMask("attention_mask", "[batch][encoder_length] or [encoder_tokens]");
      addOffsets(InputRole::EncoderOffsets);
    }
    addMask(hasEncoder ? "decoder_attention_mask" : "attention_mask",
            "[batch][length] or [tokens]");
    addOffsets(InputRole::SequenceOffsets);
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
    bool ofEncoder = output.info.extent == TRANSOM_ENCODER_TOKENS;
    tensors.push_back({output.name, "float32",
                       ofSequences ? "[batch]" + width
                       : ofEncoder ? "[batch][encoder_length]" + width +
                                         " or [encoder_tokens]" + width
                       : isStep
                           ? "[tokens]" + width
                           : "[batch][length]" + width + " or [tokens]" + width,
                       output.info.extent == TRANSOM_OUTPUT_POSITIONS
                           ? "with output_positions: [count]" + width
                           : ""});
  }
  return tensors;
}

ProgramDocumentation
transom::codegen::documentProgram(const Interface &interface, bool isFirst) {
  return {isFirst ? "run" : interface.name, documentInputs(interface),
          documentOutputs(interface)};
}
