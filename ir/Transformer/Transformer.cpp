//===- Transformer.cpp - the transformer dialect and its attributes -------===//

#include "ir/Transformer/Transformer.h"

#include "mlir/Dialect/Arith/IR/Arith.h"
#include "mlir/IR/DialectImplementation.h"
#include "llvm/ADT/TypeSwitch.h"

using namespace mlir;
using namespace transom::transformer;

#include "ir/Transformer/TransformerDialect.cpp.inc"

#include "ir/Transformer/TransformerEnums.cpp.inc"

#define GET_ATTRDEF_CLASSES
#include "ir/Transformer/TransformerAttributes.cpp.inc"

#include "ir/Transformer/TransformerInterfaces.cpp.inc"

void TransformerDialect::initialize() {
  addAttributes<
#define GET_ATTRDEF_LIST
#include "ir/Transformer/TransformerAttributes.cpp.inc"
      >();
  addOperations<
#define GET_OP_LIST
#include "ir/Transformer/TransformerOps.cpp.inc"
      >();
}

Operation *TransformerDialect::materializeConstant(OpBuilder &builder,
                                                   Attribute value, Type type,
                                                   Location loc) {
  return arith::ConstantOp::materialize(builder, value, type, loc);
}

//===----------------------------------------------------------------------===//
// Source: `<"name">` or `<"name" transposed>`
//===----------------------------------------------------------------------===//

Attribute SourceAttr::parse(AsmParser &parser, Type) {
  std::string tensor;
  if (parser.parseLess() || parser.parseString(&tensor))
    return {};
  bool transposed = succeeded(parser.parseOptionalKeyword("transposed"));
  if (parser.parseGreater())
    return {};
  return SourceAttr::get(parser.getContext(), tensor, transposed);
}

void SourceAttr::print(AsmPrinter &printer) const {
  printer << '<';
  printer.printString(getTensor());
  if (getTransposed())
    printer << " transposed";
  printer << '>';
}
