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
  return verifyTypes(*this, getCalleeAttr(), "writes", kernel->getResultTypes(),
                     tensors(getWrites()));
}

LogicalResult WeightOp::verifySymbolUses(SymbolTableCollection &symbols) {
  auto weight = symbols.lookupNearestSymbolFrom<transformer::WeightOp>(
      *this, getWeightAttr());
  if (!weight)
    return emitOpError() << "expects the name of a transformer.weight, got "
                         << getWeightAttr();
  if (weight.getType() != getType().getTensor())
    return emitOpError() << "expects the type of " << getWeightAttr() << ", "
                         << weight.getType() << ", got "
                         << getType().getTensor();
  return success();
}

} // namespace transom::kernel

#define GET_OP_CLASSES
#include "ir/Kernel/KernelOps.cpp.inc"
