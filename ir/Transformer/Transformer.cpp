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
// Source: `<"name">`, `<"name" transposed>`, `<"name" columns [0, 2]>`
//===----------------------------------------------------------------------===//

Attribute SourceAttr::parse(AsmParser &parser, Type) {
  std::string tensor;
  if (parser.parseLess() || parser.parseString(&tensor))
    return {};
  bool transposed = succeeded(parser.parseOptionalKeyword("transposed"));
  SmallVector<int64_t> columns;
  auto parseColumn = [&]() -> ParseResult {
    llvm::SMLoc place = parser.getCurrentLocation();
    if (parser.parseInteger(columns.emplace_back()))
      return failure();
    if (columns.back() < 0)
      return parser.emitError(place)
             << "expects a column of 0 or more, got " << columns.back();
    return success();
  };
  if (succeeded(parser.parseOptionalKeyword("columns")) &&
      parser.parseCommaSeparatedList(AsmParser::Delimiter::Square, parseColumn))
    return {};
  if (parser.parseGreater())
    return {};
  return SourceAttr::get(parser.getContext(), tensor, transposed, columns);
}

void SourceAttr::print(AsmPrinter &printer) const {
  printer << '<';
  printer.printString(getTensor());
  if (getTransposed())
    printer << " transposed";
  if (!getColumns().empty()) {
    printer << " columns [";
    llvm::interleaveComma(getColumns(), printer);
    printer << ']';
  }
  printer << '>';
}
