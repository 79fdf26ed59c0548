//===- ModelAttributes.cpp - reading and verifying what a model says ------===//

#include "ir/Transformer/ModelAttributes.h"

#include "mlir/IR/Builders.h"

using namespace mlir;
using namespace transom::transformer;

InputRole transom::transformer::getRole(DictionaryAttr attributes) {
  auto role =
      attributes ? attributes.getAs<InputRoleAttr>(roleAttr) : InputRoleAttr();
  return role ? role.getValue() : InputRole::Values;
}

DefaultAttr transom::transformer::getDefault(DictionaryAttr attributes) {
  return attributes ? attributes.getAs<DefaultAttr>(defaultAttr)
                    : DefaultAttr();
}

std::optional<Dimension> transom::transformer::getDim(DictionaryAttr attributes,
                                                      unsigned number) {
  auto dims = attributes ? attributes.getAs<ArrayAttr>(dimsAttr) : ArrayAttr();
  if (!dims || dims.size() <= number)
    return std::nullopt;
  auto name = dyn_cast<StringAttr>(dims[number]);
  return name ? symbolizeDimension(name.getValue()) : std::nullopt;
}

StringRef transom::transformer::getName(DictionaryAttr attributes) {
  auto name =
      attributes ? attributes.getAs<StringAttr>(nameAttr) : StringAttr();
  return name ? name.getValue() : StringRef();
}

DictionaryAttr
transom::transformer::getRoleAttributes(MLIRContext *context, InputRole role,
                                        DefaultAttr defaultValue) {
  Builder builder(context);
  const InputRoleInfo &info = getRoleInfo(role);
  SmallVector<StringRef> dims{stringifyDimension(*info.extent)};
  if (info.isFloat)
    dims.push_back("columns");
  NamedAttrList list;
  list.set(nameAttr, builder.getStringAttr(stringifyInputRole(role)));
  list.set(dimsAttr, builder.getStrArrayAttr(dims));
  list.set(roleAttr, InputRoleAttr::get(context, role));
  if (defaultValue)
    list.set(defaultAttr, defaultValue);
  return list.getDictionary(context);
}

DictionaryAttr transom::transformer::replaceDims(DictionaryAttr attributes,
                                                 Dimension dim,
                                                 int64_t replaced) {
  MLIRContext *context = attributes.getContext();
  SmallVector<Attribute> dims{
      StringAttr::get(context, stringifyDimension(dim))};
  llvm::append_range(
      dims,
      attributes.getAs<ArrayAttr>(dimsAttr).getValue().drop_front(replaced));
  NamedAttrList list(attributes);
  list.set(dimsAttr, ArrayAttr::get(context, dims));
  return list.getDictionary(context);
}

ProgramKind transom::transformer::getProgramKind(Operation *function) {
  auto kind = function->getAttrOfType<ProgramKindAttr>(programAttr);
  return kind ? kind.getValue() : ProgramKind::Forward;
}

//===----------------------------------------------------------------------===//
// Verifiers
//===----------------------------------------------------------------------===//

LogicalResult DefaultAttr::verify(function_ref<InFlightDiagnostic()> emitError,
                                  DefaultKind kind,
                                  std::optional<int32_t> operand) {
  StringRef name = stringifyDefaultKind(kind);
  if (operand.has_value() != hasOperand(kind))
    return emitError() << "expects default '" << name << "' "
                       << (operand ? "without" : "with") << " an operand";
  if (operand && *operand < 0)
    return emitError() << "expects the operand of default '" << name
                       << "' to be 0 or more, got " << *operand;
  return success();
}

/// Says of which argument or result an error is.
static InFlightDiagnostic emitError(Operation *op, StringRef what,
                                    unsigned number) {
  return op->emitOpError() << what << " " << number << " expects ";
}

/// The type that an attribute must have, if it is one that tensors can have.
static LogicalResult verifyTensorAttribute(Operation *op, StringRef what,
                                           unsigned number,
                                           NamedAttribute attribute) {
  StringRef name = attribute.getName();
  Attribute value = attribute.getValue();
  auto expect = [&](bool holds, StringRef type) -> LogicalResult {
    if (holds)
      return success();
    return emitError(op, what, number)
           << "'" << name << "' to be " << type << ", got " << value;
  };
  if (name == nameAttr)
    return expect(isa<StringAttr>(value), "a string");
  if (name == roleAttr)
    return expect(isa<InputRoleAttr>(value), "a #transformer.role");
  if (name == dimsAttr) {
    auto dims = dyn_cast<ArrayAttr>(value);
    return expect(dims && llvm::all_of(dims, llvm::IsaPred<StringAttr>),
                  "an array of names");
  }
  if (what == "result")
    return expect(name == selectOutputPositionsAttr, "an attribute of results");
  if (name == defaultAttr)
    return expect(isa<DefaultAttr>(value), "a #transformer.default");
  if (name == boundAttr) {
    auto bound = dyn_cast<IntegerAttr>(value);
    return expect(bound && bound.getInt() > 0, "a number above 0");
  }
  return expect(name == contiguousAttr, "an attribute of arguments");
}

/// Whether a function has a required input whose ids defaults can read; of the
/// encoder, or of any tokens.
static bool hasIds(FunctionOpInterface function, bool ofEncoder) {
  for (unsigned number = 0; number < function.getNumArguments(); ++number) {
    DictionaryAttr attributes =
        function_interface_impl::getArgAttrDict(function, number);
    auto set = findTokenSet(getDim(attributes));
    if (!set)
      set = findTokenSet(getDim(attributes, 1));
    if (getRole(attributes) == InputRole::Values && !getDefault(attributes) &&
        (!ofEncoder || set == 1u))
      return true;
  }
  return false;
}

/// The combination of an argument's attributes, each of which has its type.
static LogicalResult verifyArgument(FunctionOpInterface function,
                                    unsigned number,
                                    DictionaryAttr attributes) {
  InputRole role = getRole(attributes);
  const InputRoleInfo &info = getRoleInfo(role);
  StringRef name = stringifyInputRole(role);
  if (DefaultAttr value = getDefault(attributes)) {
    DefaultKind kind = value.getKind();
    if (info.defaults.empty())
      return emitError(function, "argument", number)
             << "no default with role '" << name << "', got " << value;
    if (!llvm::is_contained(info.defaults, kind)) {
      InFlightDiagnostic diagnostic = emitError(function, "argument", number)
                                      << "a default for role '" << name
                                      << "' (";
      llvm::interleaveComma(info.defaults, diagnostic,
                            [&](DefaultKind allowed) {
                              diagnostic << stringifyDefaultKind(allowed);
                            });
      return diagnostic << "), got " << value;
    }
    bool ofEncoder = readsEncoderIds(kind);
    if ((ofEncoder || readsPaddingIds(kind)) && !hasIds(function, ofEncoder))
      return emitError(function, "argument", number)
             << "an input of " << (ofEncoder ? "encoder tokens" : "tokens")
             << " without 'transformer.default' beside it, whose ids " << value
             << " reads";
  }
  if (attributes.contains(contiguousAttr) && !info.canBeContiguous)
    return emitError(function, "argument", number)
           << "no 'transformer.contiguous' with role '" << name << "'";
  if (attributes.contains(dimsAttr) && info.extent &&
      getDim(attributes) != info.extent)
    return emitError(function, "argument", number)
           << "its first dimension to be \"" << stringifyDimension(*info.extent)
           << "\" with role '" << name << "', got " << attributes.get(dimsAttr);
  auto type = dyn_cast<RankedTensorType>(function.getArgumentTypes()[number]);
  if (type && role != InputRole::Values &&
      (info.isFloat ? !type.getElementType().isFloat()
                    : !type.getElementType().isInteger()))
    return emitError(function, "argument", number)
           << (info.isFloat ? "floating-point numbers" : "integers")
           << " with role '" << name << "', got " << type;
  return success();
}

LogicalResult TransformerDialect::verifyRegionArgAttribute(
    Operation *op, unsigned, unsigned number, NamedAttribute attribute) {
  if (failed(verifyTensorAttribute(op, "argument", number, attribute)))
    return failure();
  auto function = dyn_cast<FunctionOpInterface>(op);
  if (!function)
    return op->emitOpError() << "expects '" << attribute.getName()
                             << "' on an argument of a function only";
  // Once for each argument: its attributes are sorted by name.
  DictionaryAttr attributes =
      function_interface_impl::getArgAttrDict(function, number);
  bool isLast =
      attribute ==
      *llvm::find_if(llvm::reverse(attributes), [&](NamedAttribute other) {
        return other.getNameDialect() == this;
      });
  return isLast ? verifyArgument(function, number, attributes) : success();
}

LogicalResult TransformerDialect::verifyRegionResultAttribute(
    Operation *op, unsigned, unsigned number, NamedAttribute attribute) {
  if (failed(verifyTensorAttribute(op, "result", number, attribute)))
    return failure();
  auto role = dyn_cast<InputRoleAttr>(attribute.getValue());
  if (role && role.getValue() != InputRole::Cache)
    return emitError(op, "result", number)
           << "no role but 'cache', got '"
           << stringifyInputRole(role.getValue()) << "'";
  return success();
}

LogicalResult
TransformerDialect::verifyOperationAttribute(Operation *op,
                                             NamedAttribute attribute) {
  StringRef name = attribute.getName();
  Attribute value = attribute.getValue();
  bool isFunction = isa<FunctionOpInterface>(op);
  bool holds = name == programAttr ? isFunction && isa<ProgramKindAttr>(value)
               : name == generatesAttr ? isFunction && isa<UnitAttr>(value)
               : name == metadataAttr
                   ? isa<ModuleOp>(op) && isa<StringAttr>(value)
                   : false;
  if (holds)
    return success();
  return op->emitOpError()
         << "expects 'transformer.program' (a #transformer.program) or "
            "'transformer.generates' (a unit) of a function, or "
            "'transformer.metadata' (a string) of a module, got '"
         << name << "' = " << value;
}
