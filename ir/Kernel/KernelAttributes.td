//===- KernelAttributes.td - extents and buffer types -----------*- tablegen -*-//

#ifndef TRANSOM_IR_KERNEL_ATTRIBUTES_TD
#define TRANSOM_IR_KERNEL_ATTRIBUTES_TD

include "ir/Kernel/KernelDialect.td"
include "mlir/IR/AttrTypeBase.td"
include "mlir/IR/EnumAttr.td"

/// The values are those of `transom_extent` in runtime/abi.h. Only inputs have
/// the extents of the cache, blocks, slots and encoder blocks: the arena has none.
def Kernel_Extent
    : I32EnumAttr<"Extent", "the run-time size of an activation's leading dimension",
                  [I32EnumAttrCase<"Tokens", 0, "tokens">,
                   I32EnumAttrCase<"Sequences", 1, "sequences">,
                   I32EnumAttrCase<"EncoderTokens", 2, "encoder_tokens">,
                   I32EnumAttrCase<"OutputPositions", 3, "output_positions">,
                   I32EnumAttrCase<"Blocks", 4, "blocks">,
                   I32EnumAttrCase<"Slots", 5, "slots">,
                   I32EnumAttrCase<"EncoderBlocks", 6, "encoder_blocks">]> {
  let cppNamespace = "::transom::kernel";
  let genSpecializedAttr = 0;
}
def Kernel_ExtentAttr : EnumAttr<Kernel_Dialect, Kernel_Extent, "extent"> {
  let assemblyFormat = "$value";
}

def Kernel_BufferType : TypeDef<Kernel_Dialect, "Buffer"> {
  let mnemonic = "buffer";
  let summary = "memory that holds a tensor";
  let description = [{
    An activation with `extent` rows, plus `slack` rows (sequence offsets have one
    row more than there are sequences). Without an extent, a weight. The cache has
    a row for each of its slots.

    ```mlir
    !kernel.buffer<tensor<?x768xf32>, tokens>
    !kernel.buffer<tensor<?xi32>, sequences, 1>
    !kernel.buffer<tensor<768x768xf32>>
    !kernel.buffer<tensor<?x18432xf32>, slots>
    ```
  }];
  let parameters = (ins "::mlir::RankedTensorType":$tensor,
                        OptionalParameter<"std::optional<::transom::kernel::Extent>">:$extent,
                        DefaultValuedParameter<"int64_t", "0">:$slack);
  let hasCustomAssemblyFormat = 1;
  let genVerifyDecl = 1;
}

#endif // TRANSOM_IR_KERNEL_ATTRIBUTES_TD
