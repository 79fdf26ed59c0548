//===- Kernel.cpp - the kernel dialect and its types ----------------------===//

#include "ir/Kernel/Kernel.h"

#include "mlir/IR/DialectImplementation.h"
#include "llvm/ADT/TypeSwitch.h"

using namespace mlir;
using namespace transom::kernel;

#include "ir/Kernel/KernelDialect.cpp.inc"

#include "ir/Kernel/KernelEnums.cpp.inc"

#define GET_ATTRDEF_CLASSES
#include "ir/Kernel/KernelAttributes.cpp.inc"

#define GET_TYPEDEF_CLASSES
#include "ir/Kernel/KernelTypes.cpp.inc"

void KernelDialect::initialize() {
  addAttributes<
#define GET_ATTRDEF_LIST
#include "ir/Kernel/KernelAttributes.cpp.inc"
      >();
  addTypes<
#define GET_TYPEDEF_LIST
#include "ir/Kernel/KernelTypes.cpp.inc"
      >();
  addOperations<
#define GET_OP_LIST
#include "ir/Kernel/KernelOps.cpp.inc"
      >();
}

//===----------------------------------------------------------------------===//
// Buffer: `<tensor>`, `<tensor, extent>` or `<tensor, extent, slack>`
//===----------------------------------------------------------------------===//

LogicalResult BufferType::verify(function_ref<InFlightDiagnostic()> emitError,
                                 RankedTensorType tensor,
                                 std::optional<Extent> extent, int64_t slack) {
  ArrayRef<int64_t> shape = tensor.getShape();
  if (!extent) {
    if (ShapedType::isDynamicShape(shape))
      return emitError() << "expects a static shape without an extent, got "
                         << tensor;
    if (slack != 0)
      return emitError() << "expects slack with an extent only, got " << slack;
    return success();
  }
  if (shape.empty() || shape.size() > 2 || !ShapedType::isDynamic(shape[0]) ||
      ShapedType::isDynamicShape(shape.drop_front()))
    return emitError() << "expects an activation [?] or [?, width], got "
                       << tensor;
  if (slack < 0)
    return emitError() << "expects slack of 0 or more, got " << slack;
  return success();
}

Type BufferType::parse(AsmParser &parser) {
  SMLoc loc = parser.getCurrentLocation();
  RankedTensorType tensor;
  std::optional<Extent> extent;
  int64_t slack = 0;
  if (parser.parseLess() || parser.parseType(tensor))
    return {};
  if (succeeded(parser.parseOptionalComma())) {
    SMLoc extentLoc = parser.getCurrentLocation();
    StringRef keyword;
    if (parser.parseKeyword(&keyword))
      return {};
    extent = symbolizeExtent(keyword);
    if (!extent) {
      parser.emitError(extentLoc)
          << "expects tokens, sequences, encoder_tokens, output_positions, "
             "blocks, slots or encoder_blocks, got '"
          << keyword << "'";
      return {};
    }
    if (succeeded(parser.parseOptionalComma()) && parser.parseInteger(slack))
      return {};
  }
  if (parser.parseGreater())
    return {};
  return getChecked([&] { return parser.emitError(loc); }, parser.getContext(),
                    tensor, extent, slack);
}

void BufferType::print(AsmPrinter &printer) const {
  printer << '<' << getTensor();
  if (getExtent()) {
    printer << ", " << stringifyExtent(*getExtent());
    if (getSlack() != 0)
      printer << ", " << getSlack();
  }
  printer << '>';
}
