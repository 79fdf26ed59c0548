//===- KernelOps.cpp - define, call, program, launch ----------------------===//

#include "ir/Kernel/Kernel.h"

#include "mlir/Interfaces/FunctionImplementation.h"

using namespace mlir;

namespace transom::kernel {

//===----------------------------------------------------------------------===//
// What kernel.define and kernel.program print alike:
// [private] @name(%arg: type {attrs}, ..) -> (type {attrs}, ..)
//===----------------------------------------------------------------------===//

/// `entry` receives the body's arguments.
static ParseResult
parseSignature(OpAsmParser &parser, OperationState &state,
               SmallVectorImpl<OpAsmParser::Argument> &entry) {
  Builder &builder = parser.getBuilder();
  (void)impl::parseOptionalVisibilityKeyword(parser, state.attributes);
  StringAttr name;
  bool isVariadic = false;
  SmallVector<Type> results;
  SmallVector<DictionaryAttr> resultAttrs;
  if (parser.parseSymbolName(name, SymbolTable::getSymbolAttrName(),
                             state.attributes) ||
      function_interface_impl::parseFunctionSignatureWithArguments(
          parser, /*allowVariadic=*/false, entry, isVariadic, results,
          resultAttrs))
    return failure();
  SmallVector<Type> inputs;
  for (OpAsmParser::Argument &argument : entry)
    inputs.push_back(argument.type);
  state.addAttribute("function_type",
                     TypeAttr::get(builder.getFunctionType(inputs, results)));
  call_interface_impl::addArgAndResultAttrs(builder, state, entry, resultAttrs,
                                            builder.getStringAttr("arg_attrs"),
                                            builder.getStringAttr("res_attrs"));
  return success();
}

static ParseResult parseBody(OpAsmParser &parser, OperationState &state,
                             ArrayRef<OpAsmParser::Argument> entry) {
  if (parser.parseOptionalAttrDictWithKeyword(state.attributes))
    return failure();
  Region *body = state.addRegion();
  return parser.parseRegion(*body, entry);
}

static void printSignature(OpAsmPrinter &printer, FunctionOpInterface op) {
  printer << ' ';
  if (auto visibility =
          op->getAttrOfType<StringAttr>(SymbolTable::getVisibilityAttrName()))
    printer << visibility.getValue() << ' ';
  printer.printSymbolName(op.getName());
  function_interface_impl::printFunctionSignature(
      printer, op, op.getArgumentTypes(), /*isVariadic=*/false,
      op.getResultTypes());
}

static void printBody(OpAsmPrinter &printer, FunctionOpInterface op,
                      ArrayRef<StringRef> elided) {
  SmallVector<StringRef> names(elided);
  llvm::append_range(
      names, ArrayRef<StringRef>{SymbolTable::getSymbolAttrName(),
                                 SymbolTable::getVisibilityAttrName(),
                                 "function_type", "arg_attrs", "res_attrs"});
  printer.printOptionalAttrDictWithKeyword(op->getAttrs(), names);
  printer << ' ';
  printer.printRegion(op.getFunctionBody(), /*printEntryBlockArgs=*/false);
}

//===----------------------------------------------------------------------===//
// define
//===----------------------------------------------------------------------===//

void DefineOp::build(OpBuilder &builder, OperationState &state, StringRef name,
                     FunctionType type, int64_t rows,
                     ArrayRef<int64_t> weights) {
  build(builder, state, builder.getStringAttr(name),
        /*sym_visibility=*/builder.getStringAttr("private"),
        TypeAttr::get(type), builder.getI64IntegerAttr(rows),
        builder.getDenseI64ArrayAttr(weights), /*arg_attrs=*/ArrayAttr(),
        /*res_attrs=*/ArrayAttr());
  SmallVector<Location> locs(type.getNumInputs(), state.location);
  state.regions.front()->emplaceBlock().addArguments(type.getInputs(), locs);
}

ParseResult DefineOp::parse(OpAsmParser &parser, OperationState &state) {
  SmallVector<OpAsmParser::Argument> entry;
  int64_t rows = 0;
  if (parseSignature(parser, state, entry) || parser.parseKeyword("rows") ||
      parser.parseInteger(rows) || parser.parseKeyword("weights"))
    return failure();
  Attribute weights = DenseI64ArrayAttr::parse(parser, Type());
  if (!weights)
    return failure();
  state.addAttribute("rows", parser.getBuilder().getI64IntegerAttr(rows));
  state.addAttribute("weights", weights);
  return parseBody(parser, state, entry);
}

void DefineOp::print(OpAsmPrinter &printer) {
  printSignature(printer, *this);
  printer << " rows " << getRows() << " weights ";
  getWeightsAttr().print(printer);
  printBody(printer, *this, {"rows", "weights"});
}

LogicalResult DefineOp::verify() {
  for (Type type : getArgumentTypes())
    if (!isa<RankedTensorType>(type))
      return emitOpError() << "expects arguments that are tensors, got "
                           << type;
  for (Type type : getResultTypes())
    if (!isa<RankedTensorType>(type))
      return emitOpError() << "expects results that are tensors, got " << type;
  int64_t count = getArgumentTypes().size(), last = -1;
  for (int64_t weight : getWeights()) {
    if (weight <= last || weight >= count)
      return emitOpError() << "expects weights in ascending order among its "
                           << count << " arguments, got [" << getWeights()
                           << "]";
    last = weight;
  }
  int64_t rows = getRows();
  if (rows < 0 || rows >= count || isWeight(rows))
    return emitOpError() << "expects rows to be one of its " << count
                         << " arguments and no weight, got " << rows;
  return success();
}

/// Whether the body of `op` ends with a Terminator of the values that the
/// function type promises.
template <typename Terminator>
static LogicalResult verifyTerminator(FunctionOpInterface op) {
  Operation *last = op.getFunctionBody().front().getTerminator();
  if (!isa<Terminator>(last))
    return op.emitOpError() << "expects a body that ends with '"
                            << Terminator::getOperationName() << "', got '"
                            << last->getName() << "'";
  ArrayRef<Type> results = op.getResultTypes();
  if (!transformer::areCompatible(results, last->getOperandTypes()))
    return last->emitOpError()
           << "expects the results of @" << op.getName() << ", (" << results
           << "), got (" << last->getOperandTypes() << ")";
  return success();
}

LogicalResult DefineOp::verifyRegions() {
  Block &block = getBody().front();
  for (Operation &op : block.without_terminator())
    if (!isa_and_nonnull<transformer::TransformerDialect>(op.getDialect()) &&
        !op.hasTrait<OpTrait::ConstantLike>())
      return op.emitOpError()
             << "expects to be outside of '" << getOperationName()
             << "', whose body takes transformer ops and constants only";
  return verifyTerminator<YieldOp>(*this);
}

Operation *DefineOp::getSpecOp() {
  Operation *spec = nullptr;
  for (Operation &op : getBody().front().without_terminator()) {
    if (isa<transformer::SliceOp>(op) || op.hasTrait<OpTrait::ConstantLike>())
      continue;
    if (spec)
      return nullptr;
    spec = &op;
  }
  return spec;
}

/// The argument of a kernel that is an operand of its spec.
static std::optional<unsigned> findArgument(OpOperand &operand) {
  if (auto argument = dyn_cast<BlockArgument>(operand.get()))
    return argument.getArgNumber();
  return std::nullopt;
}

std::optional<unsigned> DefineOp::getCacheArgument() {
  if (auto op = dyn_cast_or_null<transformer::CacheOpInterface>(getSpecOp()))
    return findArgument(op.getCacheMutable());
  return std::nullopt;
}

std::optional<unsigned> DefineOp::getUpdatedArgument() {
  if (auto op = dyn_cast_or_null<transformer::UpdateOpInterface>(getSpecOp()))
    return findArgument(op.getUpdatedOperand());
  return std::nullopt;
}

//===----------------------------------------------------------------------===//
// program
//===----------------------------------------------------------------------===//

void ProgramOp::build(OpBuilder &builder, OperationState &state, StringRef name,
                      FunctionType type, ArrayRef<int64_t> arena) {
  build(builder, state, builder.getStringAttr(name),
        /*sym_visibility=*/StringAttr(), TypeAttr::get(type),
        builder.getDenseI64ArrayAttr(arena), /*arg_attrs=*/ArrayAttr(),
        /*res_attrs=*/ArrayAttr());
  SmallVector<Location> locs(type.getNumInputs(), state.location);
  state.regions.front()->emplaceBlock().addArguments(type.getInputs(), locs);
}

ParseResult ProgramOp::parse(OpAsmParser &parser, OperationState &state) {
  SmallVector<OpAsmParser::Argument> entry;
  if (parseSignature(parser, state, entry) || parser.parseKeyword("arena"))
    return failure();
  Attribute arena = DenseI64ArrayAttr::parse(parser, Type());
  if (!arena)
    return failure();
  state.addAttribute("arena", arena);
  return parseBody(parser, state, entry);
}

void ProgramOp::print(OpAsmPrinter &printer) {
  printSignature(printer, *this);
  printer << " arena ";
  getArenaAttr().print(printer);
  printBody(printer, *this, {"arena"});
}

/// One number a run-time extent.
static LogicalResult verifyPerExtent(Operation *op, StringRef name,
                                     ArrayRef<int64_t> bytes) {
  int64_t extents = numArenaExtents;
  bool fits =
      int64_t(bytes.size()) == extents &&
      llvm::all_of(bytes, [](int64_t b) { return b >= 0 && b % 4 == 0; });
  if (fits)
    return success();
  return op->emitOpError() << "expects " << name << " of " << extents
                           << " multiples of 4, one an extent, got [" << bytes
                           << "]";
}

LogicalResult ProgramOp::verify() {
  for (TypeRange types :
       {TypeRange(getArgumentTypes()), TypeRange(getResultTypes())})
    for (Type type : types)
      if (!isa<BufferType>(type))
        return emitOpError()
               << "expects arguments and results that are buffers, got "
               << type;
  return verifyPerExtent(*this, "an arena", getArena());
}

LogicalResult ProgramOp::verifyRegions() {
  return verifyTerminator<ReturnOp>(*this);
}

LogicalResult SlotOp::verify() {
  std::optional<Extent> extent = getType().getExtent();
  if (!extent || static_cast<unsigned>(*extent) >= numArenaExtents)
    return emitOpError() << "expects a buffer with an extent of the arena, got "
                         << getType();
  return verifyPerExtent(*this, "an offset", getOffset());
}

LogicalResult LayerOp::verify() {
  if (getType().getExtent() != Extent::Slots ||
      getType().getTensor().getRank() != 2)
    return emitOpError() << "expects a buffer of slots, got " << getType();
  int64_t width = getType().getTensor().getDimSize(1), at = getAt();
  if (at >= 0 && at < width)
    return success();
  return emitOpError() << "expects at to be one of the " << width
                       << " columns, got " << at;
}

//===----------------------------------------------------------------------===//
// Uses of symbols
//===----------------------------------------------------------------------===//

/// What the callee says about types: `got` are those at the place of use.
static LogicalResult verifyTypes(Operation *op, FlatSymbolRefAttr callee,
                                 StringRef what, TypeRange expected,
                                 TypeRange got) {
  if (expected.size() != got.size())
    return op->emitOpError() << "expects the " << expected.size() << " " << what
                             << " of " << callee << ", got " << got.size();
  for (auto [i, pair] : llvm::enumerate(llvm::zip(expected, got))) {
    auto [want, have] = pair;
    if (!transformer::areCompatible(want, have))
      return op->emitOpError() << "expects " << what << " " << i << " of "
                               << callee << ", " << want << ", got " << have;
  }
  return success();
}

static FailureOr<DefineOp> lookupKernel(Operation *op, FlatSymbolRefAttr callee,
                                        SymbolTableCollection &symbols) {
  auto kernel = symbols.lookupNearestSymbolFrom<DefineOp>(op, callee);
  if (kernel)
    return kernel;
  return op->emitOpError() << "expects the name of a kernel.define, got "
                           << callee;
}

LogicalResult CallOp::verifySymbolUses(SymbolTableCollection &symbols) {
  FailureOr<DefineOp> kernel = lookupKernel(*this, getCalleeAttr(), symbols);
  if (failed(kernel) ||
      failed(verifyTypes(*this, getCalleeAttr(), "operands",
                         kernel->getArgumentTypes(), getOperandTypes())))
    return failure();
  if (getAt() && !kernel->getCacheArgument())
    return emitOpError()
           << "expects a kernel on a layer of a cache for at, got "
           << getCalleeAttr();
  return verifyTypes(*this, getCalleeAttr(), "results",
                     kernel->getResultTypes(), getResultTypes());
}

LogicalResult LaunchOp::verifySymbolUses(SymbolTableCollection &symbols) {
  FailureOr<DefineOp> kernel = lookupKernel(*this, getCalleeAttr(), symbols);
  if (failed(kernel))
    return failure();
  auto tensors = [](ValueRange buffers) {
    return llvm::map_to_vector(buffers, [](Value buffer) -> Type {
      return cast<BufferType>(buffer.getType()).getTensor();
    });
  };
  if (failed(verifyTypes(*this, getCalleeAttr(), "reads",
                         kernel->getArgumentTypes(), tensors(getReads()))))
    return failure();
  if (failed(verifyTypes(*this, getCalleeAttr(), "writes",
                         kernel->getResultTypes(), tensors(getWrites()))))
    return failure();
  auto rows = cast<BufferType>(getReads()[kernel->getRows()].getType());
  if (rows.getExtent() != getRows())
    return emitOpError() << "expects rows to count those of read "
                         << kernel->getRows() << ", " << rows << ", got "
                         << stringifyExtent(getRows());
  for (int64_t index : kernel->getWeights())
    if (Type type = getReads()[index].getType();
        cast<BufferType>(type).getExtent())
      return emitOpError() << "expects read " << index
                           << " to be a weight, without an extent, got "
                           << type;
  if (auto program = (*this)->getParentOfType<ProgramOp>())
    for (int64_t output : getOutputs())
      if (output < 0 || output >= program.getNumResults())
        return emitOpError() << "expects outputs of the program's "
                             << program.getNumResults() << ", got " << output;
  return success();
}

LogicalResult WeightOp::verifySymbolUses(SymbolTableCollection &symbols) {
  auto weight = symbols.lookupNearestSymbolFrom<transformer::WeightOp>(
      *this, getWeightAttr());
  if (!weight)
    return emitOpError() << "expects the name of a transformer.weight, got "
                         << getWeightAttr();
  if (getType().getExtent())
    return emitOpError() << "expects a buffer without an extent, got "
                         << getType();
  if (weight.getType() != getType().getTensor())
    return emitOpError() << "expects the type of " << getWeightAttr() << ", "
                         << weight.getType() << ", got "
                         << getType().getTensor();
  return success();
}

} // namespace transom::kernel

#define GET_OP_CLASSES
#include "ir/Kernel/KernelOps.cpp.inc"
