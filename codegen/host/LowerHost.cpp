//===- LowerHost.cpp - kernel.program -> LLVM dialect ---------------------===//
//
// The host program is a straight line of calls: LLVM dialect is built directly,
// with a branch around launches that no requested output needs, and one after
// each call for its status. All that is known when compiling (kernels, inputs,
// outputs, names) is constant data that the runtime reads.
//
//===----------------------------------------------------------------------===//

#include "codegen/host/LowerHost.h"
#include "codegen/host/ConstantData.h"
#include "ir/Kernel/Layout.h"
#include "ir/Transformer/CacheLayout.h"
#include "ir/Transformer/Transformer.h"
#include "runtime/transom.h"

#include "mlir/Dialect/LLVMIR/LLVMDialect.h"
#include "llvm/ADT/TypeSwitch.h"

using namespace mlir;
using namespace transom;
using namespace transom::codegen;

static_assert(transformer::cacheBlock == TRANSOM_CACHE_BLOCK);
static_assert(kernel::rowAlignment == TRANSOM_ROW_ALIGNMENT);
static_assert(kernel::rowsAlignment == TRANSOM_ROWS_ALIGNMENT);
static_assert(kernel::mostOutputs == 8 * sizeof(transom_frame::requested));
static_assert(kernel::numArenaExtents == TRANSOM_EXTENTS);

static constexpr StringRef librarySymbol = "library";

/// Of a thing that each program has.
static std::string programSymbol(StringRef what, const Interface &interface) {
  return (what + "." + interface.name).str();
}

static std::string tableSymbol(StringRef kernel) {
  return ("kernel." + kernel).str();
}

namespace {
/// An exported function: NAME_function(parameters) calls
/// transom_function(parameters) of the runtime.
struct Forwarder {
  std::string function;
  /// `i` is int32_t, `n` size_t or int64_t, `p` a pointer, `v` void.
  std::string parameters;
  char result;
};

template <typename T> constexpr char letterOf() {
  if constexpr (std::is_void_v<T>)
    return 'v';
  else if constexpr (std::is_pointer_v<T>)
    return 'p';
  else
    return sizeof(T) == 4 ? 'i' : 'n';
}

template <typename Result, typename... Parameters>
Forwarder forwarderOf(StringRef function, Result (*)(Parameters...)) {
  return {function.str(), {letterOf<Parameters>()...}, letterOf<Result>()};
}
} // namespace

/// In the order of transom_entry_points.
static std::vector<Forwarder> forwarders() {
  std::vector<Forwarder> list;
#define TRANSOM_FORWARD(function)                                              \
  list.push_back(forwarderOf(                                                  \
      #function, static_cast<transom_##function##_function *>(nullptr)));
  TRANSOM_FORWARD(open)
  TRANSOM_FUNCTIONS(TRANSOM_FORWARD)
#undef TRANSOM_FORWARD
  return list;
}

std::vector<std::string> transom::codegen::exportedSymbols(StringRef name,
                                                           bool isShared) {
  std::vector<std::string> symbols;
  for (const Forwarder &forwarder : forwarders())
    symbols.push_back((name + "_" + forwarder.function).str());
  symbols.push_back((name + "_metadata").str());
  symbols.push_back((name + "_entry").str());
  if (isShared)
    symbols.push_back("transom_entry");
  return symbols;
}

namespace {
class HostLowering {
public:
  HostLowering(ArrayRef<kernel::ProgramOp> programs,
               ArrayRef<Interface> interfaces, const KernelTable &kernels,
               const WeightPlan &weights, const Machine &machine,
               const HostOptions &options)
      : programs(programs), interfaces(interfaces), kernels(kernels),
        weights(weights), machine(machine), options(options),
        loc(programs.front()->getLoc()), types(loc.getContext()),
        host(ModuleOp::create(loc, options.name)), data(*host),
        builder(loc.getContext()) {}

  FailureOr<OwningOpRef<ModuleOp>> lower();

private:
  LLVM::LLVMFuncOp declare(StringRef name, ArrayRef<Type> parameters,
                           Type result);
  Type typeOf(char letter);

  LogicalResult checkOutputs();
  void lowerRun(const Interface &interface);
  void lowerLaunch(kernel::LaunchOp launch);
  Value load(FrameField field, Type type, int64_t element = -1);
  /// Address of a buffer: a weight, a slot, or an input of the program.
  Value address(Value buffer, const Packing &packing);
  Value constant(Type type, int64_t value) {
    return LLVM::ConstantOp::create(builder, loc, type, value);
  }

  Datum programDatum(const Interface &interface);
  void defineLibrary();
  void defineExports();

  ArrayRef<kernel::ProgramOp> programs;
  ArrayRef<Interface> interfaces; ///< of `programs`
  const KernelTable &kernels;
  const WeightPlan &weights;
  const Machine &machine;
  const HostOptions &options;
  Location loc;
  AbiTypes types;
  OwningOpRef<ModuleOp> host;
  ConstantData data;
  OpBuilder builder;
  SymbolTableCollection symbols;
  LLVM::LLVMFuncOp launchFunction;

  // Of the program that is being lowered.
  kernel::ProgramOp program;
  Block *exit = nullptr; ///< returns its argument, a status
  Value frame, operandArray;
};
} // namespace

LLVM::LLVMFuncOp HostLowering::declare(StringRef name,
                                       ArrayRef<Type> parameters, Type result) {
  auto atEnd = OpBuilder::atBlockEnd(host->getBody());
  return LLVM::LLVMFuncOp::create(
      atEnd, loc, name, LLVM::LLVMFunctionType::get(result, parameters));
}

Type HostLowering::typeOf(char letter) {
  switch (letter) {
  case 'i':
    return types.i32;
  case 'n':
    return types.i64;
  case 'p':
    return types.pointer;
  default:
    return LLVM::LLVMVoidType::get(loc.getContext());
  }
}

Value HostLowering::load(FrameField field, Type type, int64_t element) {
  SmallVector<LLVM::GEPArg> indices = {0, field};
  if (element >= 0)
    indices.push_back(element);
  Value place = LLVM::GEPOp::create(builder, loc, types.pointer, types.frame,
                                    frame, indices);
  return LLVM::LoadOp::create(builder, loc, type, place);
}

Value HostLowering::address(Value buffer, const Packing &packing) {
  if (auto argument = dyn_cast<BlockArgument>(buffer)) {
    Value inputs = load(FrameInputs, types.pointer);
    Value place = LLVM::GEPOp::create(
        builder, loc, types.pointer, types.pointer, inputs,
        ArrayRef<LLVM::GEPArg>(int32_t(argument.getArgNumber())));
    return LLVM::LoadOp::create(builder, loc, types.pointer, place);
  }
  if (auto layer = buffer.getDefiningOp<kernel::LayerOp>()) {
    // Within a block, columns stand one after another.
    auto type = cast<kernel::BufferType>(layer.getCache().getType());
    ElementType element = *elementTypeOf(type.getTensor().getElementType());
    int64_t bytes = layer.getAt() * TRANSOM_CACHE_BLOCK * element.bytes();
    return LLVM::GEPOp::create(
        builder, loc, types.pointer, types.i8,
        address(layer.getCache(), packing),
        ArrayRef<LLVM::GEPArg>(constant(types.i64, bytes)));
  }
  Value base, offset;
  if (auto weight = buffer.getDefiningOp<kernel::WeightOp>()) {
    auto op = symbols.lookupNearestSymbolFrom<transformer::WeightOp>(
        program, weight.getWeightAttr());
    base = load(FrameWeights, types.pointer);
    offset = constant(types.i64, weights.offsetOf(op, packing));
  } else {
    auto slot = buffer.getDefiningOp<kernel::SlotOp>();
    base = load(FrameArena, types.pointer);
    for (auto [extent, bytes] : llvm::enumerate(slot.getOffset())) {
      if (bytes == 0)
        continue;
      Value rows = load(FramePaddedExtents, types.i64, extent);
      Value part =
          LLVM::MulOp::create(builder, loc, rows, constant(types.i64, bytes));
      offset = offset ? LLVM::AddOp::create(builder, loc, offset, part) : part;
    }
    if (!offset)
      return base;
  }
  return LLVM::GEPOp::create(builder, loc, types.pointer, types.i8, base,
                             ArrayRef<LLVM::GEPArg>(offset));
}

void HostLowering::lowerLaunch(kernel::LaunchOp launch) {
  const SelectedKernel &kernel = kernels.lookup(launch);
  for (auto [index, operand] : llvm::enumerate(kernel.operands)) {
    Value buffer = operand.isResult ? launch.getWrites()[operand.index]
                                    : launch.getReads()[operand.index];
    Value pointer = address(buffer, kernel.packingOf(index));
    Value place = LLVM::GEPOp::create(builder, loc, types.pointer,
                                      types.pointer, operandArray,
                                      ArrayRef<LLVM::GEPArg>(int32_t(index)));
    LLVM::StoreOp::create(builder, loc, pointer, place);
  }
  auto addressOf = [&](const std::string &symbol) -> Value {
    if (symbol.empty())
      return LLVM::ZeroOp::create(builder, loc, types.pointer);
    return LLVM::AddressOfOp::create(builder, loc, types.pointer, symbol);
  };
  Value rows =
      load(FrameExtents, types.i64, static_cast<int64_t>(launch.getRows()));
  StringRef layer = launch.getLayer().value_or(launch.getCallee());
  auto text = std::get<Datum::Address>(data.text(layer).value);
  auto call = LLVM::CallOp::create(
      builder, loc, launchFunction,
      ValueRange{frame, addressOf(tableSymbol(kernel.symbol)), operandArray,
                 rows, addressOf(text.symbol)});
  Value failed = LLVM::ICmpOp::create(builder, loc, LLVM::ICmpPredicate::ne,
                                      call.getResult(), constant(types.i32, 0));
  Block *next = builder.createBlock(exit);
  builder.setInsertionPointToEnd(call->getBlock());
  LLVM::CondBrOp::create(builder, loc, failed, exit, call.getResult(), next,
                         ValueRange());
  builder.setInsertionPointToStart(next);
}

void HostLowering::lowerRun(const Interface &interface) {
  LLVM::LLVMFuncOp run =
      declare(programSymbol("run", interface), {types.pointer}, types.i32);
  run.setLinkage(LLVM::Linkage::Internal);
  Block *entry = run.addEntryBlock(builder);
  exit = builder.createBlock(&run.getBody(), {}, {types.i32}, {loc});
  LLVM::ReturnOp::create(builder, loc, exit->getArgument(0));
  builder.setInsertionPointToStart(entry);
  frame = entry->getArgument(0);

  size_t operands = 1;
  for (const auto &[name, kernel] : kernels)
    operands = std::max(operands, kernel.operands.size());
  operandArray =
      LLVM::AllocaOp::create(builder, loc, types.pointer,
                             LLVM::LLVMArrayType::get(types.pointer, operands),
                             constant(types.i64, 1));

  auto terminator = cast<kernel::ReturnOp>(program.getBody().front().back());
  for (auto [value, output] :
       llvm::zip_equal(terminator.getValues(), interface.outputOfResult)) {
    if (!output)
      continue;
    Value outputs = load(FrameOutputs, types.pointer);
    Value place =
        LLVM::GEPOp::create(builder, loc, types.pointer, types.pointer, outputs,
                            ArrayRef<LLVM::GEPArg>(int32_t(*output)));
    LLVM::StoreOp::create(builder, loc, address(value, {}), place);
  }

  // Launches that the same outputs need are skipped together.
  SmallVector<kernel::LaunchOp> launches(
      program.getBody().getOps<kernel::LaunchOp>());
  for (size_t i = 0; i < launches.size();) {
    ArrayRef<int64_t> needed = launches[i].getOutputs();
    size_t end = i + 1;
    while (end < launches.size() && launches[end].getOutputs() == needed)
      ++end;
    // Something is always asked for: nothing to test if all need it. The cache
    // is always wanted.
    Block *after = nullptr;
    uint64_t mask = 0;
    bool isAlwaysNeeded = false;
    for (int64_t result : needed) {
      if (std::optional<size_t> output = interface.outputOfResult[result])
        mask |= uint64_t(1) << *output;
      else
        isAlwaysNeeded = true;
    }
    if (!isAlwaysNeeded &&
        (interface.cacheColumns || needed.size() != interface.outputs.size())) {
      Value requested = load(FrameRequested, types.i64);
      Value common = LLVM::AndOp::create(builder, loc, requested,
                                         constant(types.i64, mask));
      Value any = LLVM::ICmpOp::create(builder, loc, LLVM::ICmpPredicate::ne,
                                       common, constant(types.i64, 0));
      Block *before = builder.getInsertionBlock();
      Block *body = builder.createBlock(exit);
      after = builder.createBlock(exit);
      builder.setInsertionPointToEnd(before);
      LLVM::CondBrOp::create(builder, loc, any, body, after);
      builder.setInsertionPointToStart(body);
    }
    for (; i < end; ++i)
      lowerLaunch(launches[i]);
    if (after) {
      LLVM::BrOp::create(builder, loc, after);
      after->moveBefore(exit); // In the order in which they run.
      builder.setInsertionPointToStart(after);
    }
  }
  LLVM::BrOp::create(builder, loc, constant(types.i32, 0), exit);
}

/// The transom_program of `program`.
Datum HostLowering::programDatum(const Interface &interface) {
  Datum::List inputs, outputs;
  for (const InterfaceInput &input : interface.inputs)
    inputs.push_back(Datum::List{data.text(input.name), input.info.dtype,
                                 input.info.role, input.info.default_kind,
                                 input.info.extent, input.info.operand,
                                 input.info.bound});
  for (const InterfaceOutput &output : interface.outputs)
    outputs.push_back(Datum::List{
        data.text(output.name), output.info.dtype, output.info.extent,
        output.info.rank, 0, 0, output.info.dims[0], output.info.dims[1],
        output.info.dims[2], output.info.row_bytes, output.info.width});
  Datum inputArray =
      data.array(programSymbol("inputs", interface), types.inputInfo, inputs);
  Datum outputArray = data.array(programSymbol("outputs", interface),
                                 types.outputInfo, outputs);
  Datum::List arena;
  for (int64_t bytes : program.getArena())
    arena.push_back(bytes);
  arena.resize(TRANSOM_EXTENTS, 0);
  return Datum::List{data.text(interface.name),
                     interface.kind,
                     interface.inputs.size(),
                     interface.outputs.size(),
                     0,
                     inputArray,
                     outputArray,
                     arena,
                     Datum::Address{programSymbol("run", interface)}};
}

void HostLowering::defineLibrary() {
  Datum::List entries;
  int64_t cacheColumns = 0, blockBytes = 0;
  for (const Interface &interface : interfaces) {
    program = programs[entries.size()];
    entries.push_back(programDatum(interface));
    cacheColumns = std::max(cacheColumns, interface.cacheColumns);
    blockBytes = std::max(blockBytes, interface.cacheBlockBytes());
  }
  Datum programArray = data.array("programs", types.program, entries);
  if (!options.embeddedWeights.empty()) {
    auto atEnd = OpBuilder::atBlockEnd(host->getBody());
    auto embedded = LLVM::GlobalOp::create(
        atEnd, loc, types.i8, /*isConstant=*/true, LLVM::Linkage::External,
        options.embeddedWeights, Attribute());
    embedded.setVisibility_(LLVM::Visibility::Hidden);
  }
  Datum generation = Datum::Address{};
  if (const auto &info = options.metadata.generation) {
    Datum::List ids(info->eosTokenIds.begin(), info->eosTokenIds.end());
    data.define("generation", types.generationInfo,
                Datum::List{data.array("eos_token_ids", types.i32, ids),
                            ids.size(), info->decoderStartTokenId, info->logits,
                            0},
                LLVM::Linkage::Private);
    generation = Datum::Address{"generation"};
  }
  data.define(
      librarySymbol, types.library,
      Datum::List{TRANSOM_ABI_VERSION, sizeof(transom_library),
                  data.text(options.name), data.text(options.metadata.json),
                  data.text(machine.name), machine.cpuFeatures,
                  options.weightsHash, weights.fileBytes(),
                  Datum::Address{options.embeddedWeights}, interfaces.size(),
                  cacheColumns, programArray, blockBytes, generation},
      LLVM::Linkage::Internal);
}

void HostLowering::defineExports() {
  Datum::List entry = {TRANSOM_ABI_VERSION, 0, data.text(options.name),
                       data.text(options.metadata.json)};
  for (const Forwarder &forwarder : forwarders()) {
    SmallVector<Type> parameters;
    for (char letter : forwarder.parameters)
      parameters.push_back(typeOf(letter));
    // It gets the library before its parameters.
    bool opens = forwarder.function == "open";
    SmallVector<Type> calleeParameters = parameters;
    if (opens)
      calleeParameters.insert(calleeParameters.begin(), types.pointer);
    LLVM::LLVMFuncOp callee =
        declare("transom_" + forwarder.function, calleeParameters,
                typeOf(forwarder.result));
    std::string name = options.name + "_" + forwarder.function;
    LLVM::LLVMFuncOp function =
        declare(name, parameters, typeOf(forwarder.result));
    builder.setInsertionPointToStart(function.addEntryBlock(builder));
    SmallVector<Value> arguments(function.getArguments());
    if (opens)
      arguments.insert(arguments.begin(),
                       LLVM::AddressOfOp::create(builder, loc, types.pointer,
                                                 librarySymbol));
    auto call = LLVM::CallOp::create(builder, loc, callee, arguments);
    LLVM::ReturnOp::create(builder, loc, call.getResults());
    entry.push_back(Datum::Address{name});
  }

  LLVM::LLVMFuncOp metadata =
      declare(options.name + "_metadata", {}, types.pointer);
  builder.setInsertionPointToStart(metadata.addEntryBlock(builder));
  auto text = std::get<Datum::Address>(data.text(options.metadata.json).value);
  Value pointer =
      LLVM::AddressOfOp::create(builder, loc, types.pointer, text.symbol);
  LLVM::ReturnOp::create(builder, loc, pointer);

  // transom_entry_points: two i32, then pointers.
  SmallVector<Type> fields = {types.i32, types.i32};
  fields.resize(entry.size(), types.pointer);
  auto entryPoints = LLVM::LLVMStructType::getLiteral(loc.getContext(), fields);
  entry[1] = 8 + 8 * (fields.size() - 2);
  std::string entrySymbol = options.name + "_entry";
  data.define(entrySymbol, entryPoints, entry, LLVM::Linkage::External);
  if (!options.isShared)
    return;
  auto atEnd = OpBuilder::atBlockEnd(host->getBody());
  auto alias = LLVM::AliasOp::create(
      atEnd, loc, entryPoints, LLVM::Linkage::External, "transom_entry",
      /*dso_local=*/false,
      /*thread_local_=*/false, ArrayRef<NamedAttribute>());
  builder.createBlock(&alias.getInitializerRegion());
  Value target =
      LLVM::AddressOfOp::create(builder, loc, types.pointer, entrySymbol);
  LLVM::ReturnOp::create(builder, loc, target);
}

/// Outputs are slots; the cache is the argument.
LogicalResult HostLowering::checkOutputs() {
  for (auto [op, interface] : llvm::zip_equal(programs, interfaces)) {
    kernel::ProgramOp program = op;
    auto terminator = cast<kernel::ReturnOp>(program.getBody().front().back());
    for (auto [value, output] :
         llvm::zip_equal(terminator.getValues(), interface.outputOfResult)) {
      if (output && !value.getDefiningOp<kernel::SlotOp>())
        return terminator.emitOpError()
               << "expects output '" << interface.outputs[*output].name
               << "' to be a slot of the arena";
      auto argument = dyn_cast<BlockArgument>(value);
      if (!output &&
          (!argument || interface.inputs[argument.getArgNumber()].info.role !=
                            TRANSOM_ROLE_CACHE))
        return terminator.emitOpError()
               << "expects the result with the role \"cache\" to be the "
                  "program's argument with that role";
    }
  }
  return success();
}

FailureOr<OwningOpRef<ModuleOp>> HostLowering::lower() {
  if (failed(checkOutputs()))
    return failure();
  for (const auto &[name, kernel] : kernels) {
    auto atEnd = OpBuilder::atBlockEnd(host->getBody());
    auto table = LLVM::GlobalOp::create(
        atEnd, loc, types.kernel, /*isConstant=*/true, LLVM::Linkage::External,
        tableSymbol(kernel.symbol), Attribute());
    table.setVisibility_(LLVM::Visibility::Hidden);
  }
  launchFunction = declare(
      "transom_launch",
      {types.pointer, types.pointer, types.pointer, types.i64, types.pointer},
      types.i32);
  for (auto [op, interface] : llvm::zip_equal(programs, interfaces)) {
    program = op;
    lowerRun(interface);
  }
  defineLibrary();
  defineExports();
  return std::move(host);
}

FailureOr<OwningOpRef<ModuleOp>> transom::codegen::lowerHost(
    ArrayRef<kernel::ProgramOp> programs, ArrayRef<Interface> interfaces,
    const KernelTable &kernels, const WeightPlan &weights,
    const Machine &machine, const HostOptions &options) {
  return HostLowering(programs, interfaces, kernels, weights, machine, options)
      .lower();
}

static Datum tableOf(ConstantData &data, ModuleOp host, const AbiTypes &types,
                     StringRef name, const CompiledKernel &kernel) {
  Datum::List arguments, variants;
  for (const transom_kernel_argument &argument : kernel.arguments) {
    Datum::List fields = {argument.kind,           argument.dtype,
                          argument.rank,           argument.rows,
                          argument.source,         argument.operand,
                          argument.column_divisor, argument.offset,
                          argument.row_bytes,      argument.column_bytes};
    for (const transom_kernel_dim &dim : argument.dims) {
      fields.push_back(dim.source);
      fields.push_back(dim.extent);
      fields.push_back(dim.stride);
    }
    arguments.push_back(std::move(fields));
  }
  auto builder = OpBuilder::atBlockEnd(host.getBody());
  for (const CompiledKernel::Variant &variant : kernel.variants) {
    std::string function = variant.symbol + "_argv";
    if (!host.lookupSymbol(function)) {
      auto op = LLVM::LLVMFuncOp::create(
          builder, host.getLoc(), function,
          LLVM::LLVMFunctionType::get(types.i32, {types.pointer}));
      op.setVisibility_(LLVM::Visibility::Hidden);
    }
    const transom_kernel_variant &shape = variant.shape;
    variants.push_back(Datum::List{Datum::Address{function}, shape.max_rows,
                                   shape.row_tile, shape.task_rows,
                                   shape.task_columns, 0});
  }
  Datum argumentArray =
      data.array(("arguments." + name).str(), types.kernelArgument, arguments);
  Datum variantArray =
      data.array(("variants." + name).str(), types.kernelVariant, variants);
  return Datum::List{data.text(name),
                     kernel.grid,
                     kernel.columns,
                     kernel.arguments.size(),
                     kernel.variants.size(),
                     argumentArray,
                     variantArray,
                     kernel.queryOffsets,
                     kernel.keyOffsets,
                     kernel.keyLengths,
                     0,
                     kernel.scratchBytes,
                     kernel.scratchBytesPerKey,
                     kernel.flopsPerRow,
                     kernel.flopsPerPair};
}

void transom::codegen::defineKernelTables(ModuleOp host,
                                          const KernelTable &kernels,
                                          ArrayRef<CompiledKernel> compiled) {
  AbiTypes types(host.getContext());
  ConstantData data(host, /*textPrefix=*/"kernel.text.");
  for (const auto &[entry, kernel] : llvm::zip_equal(kernels, compiled)) {
    StringRef name = entry.second.symbol;
    std::string symbol = tableSymbol(name);
    if (Operation *declaration = host.lookupSymbol(symbol))
      declaration->erase();
    data.define(symbol, types.kernel, tableOf(data, host, types, name, kernel),
                LLVM::Linkage::Internal);
  }
}
