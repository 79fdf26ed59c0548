//===- KernelDialect.td - launches, slots, programs -------------*- tablegen -*-//

#ifndef TRANSOM_IR_KERNEL_DIALECT_TD
#define TRANSOM_IR_KERNEL_DIALECT_TD

include "mlir/IR/OpBase.td"

def Kernel_Dialect : Dialect {
  let name = "kernel";
  let cppNamespace = "::transom::kernel";
  let summary = "kernels, launches and arena slots";
  let description = [{
    The last level before the host program. `transom-outline-kernels` moves every
    op (with the slices that feed it) into the body of a `kernel.define`, which
    all layers that compute the same share, and leaves a `kernel.call`; values are
    still tensors. `transom-plan-memory` turns the function into a
    `kernel.program` of `kernel.launch`es on slots of one arena. Nothing below
    this level infers shapes.

    Activations are [rows, width] or [rows]; the number of rows is one of the
    run-time extents `tokens`, `sequences`, `encoder_tokens` and
    `output_positions`. In the arena, rows of [rows, width] have a stride of
    `width` rounded up to 64 elements, [rows] is stored as [rows, 1], and slots
    have room for the number of rows rounded up to 16 (`runtime/abi.h`).
  }];
  let dependentDialects = ["::transom::transformer::TransformerDialect"];
  let useDefaultAttributePrinterParser = 1;
  let useDefaultTypePrinterParser = 1;
}

#endif // TRANSOM_IR_KERNEL_DIALECT_TD
