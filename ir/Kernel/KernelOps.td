//===- KernelOps.td - define, call, program, launch -------------*- tablegen -*-//

#ifndef TRANSOM_IR_KERNEL_OPS_TD
#define TRANSOM_IR_KERNEL_OPS_TD

include "ir/Kernel/KernelAttributes.td"
include "mlir/IR/SymbolInterfaces.td"
include "mlir/Interfaces/ControlFlowInterfaces.td"
include "mlir/Interfaces/FunctionInterfaces.td"
include "mlir/Interfaces/SideEffectInterfaces.td"

class Kernel_Op<string mnemonic, list<Trait> traits = []>
    : Op<Kernel_Dialect, mnemonic, traits>;

def DefineOp : Kernel_Op<"define", [
    FunctionOpInterface, IsolatedFromAbove, SingleBlock]> {
  let summary = "what one kernel computes";
  let description = [{
    The body specifies the kernel: it contains transformer ops on the arguments,
    and nothing else. Codegen selects a kernel family by the body. `rows` is the
    argument whose leading extent is the number of rows of a launch; `weights`
    lists the arguments that are weights, which codegen packs for the kernel.

    ```mlir
    kernel.define @linear_768x3072(%x: tensor<?x768xf32>, %w: tensor<3072x768xf32>,
                                   %b: tensor<3072xf32>) -> tensor<?x3072xf32>
        rows 0 weights [1, 2] {
      %0 = transformer.linear %x, %w bias %b : tensor<?x768xf32>,
          tensor<3072x768xf32>, tensor<3072xf32> -> tensor<?x3072xf32>
      kernel.yield %0 : tensor<?x3072xf32>
    }
    ```
  }];
  let arguments = (ins SymbolNameAttr:$sym_name,
                       OptionalAttr<StrAttr>:$sym_visibility,
                       TypeAttrOf<FunctionType>:$function_type,
                       I64Attr:$rows, DenseI64ArrayAttr:$weights,
                       OptionalAttr<DictArrayAttr>:$arg_attrs,
                       OptionalAttr<DictArrayAttr>:$res_attrs);
  let regions = (region SizedRegion<1>:$body);
  let builders = [
    // Private, with a block of the type's inputs to fill.
    OpBuilder<(ins "::llvm::StringRef":$name, "::mlir::FunctionType":$type,
                   "int64_t":$rows, "::llvm::ArrayRef<int64_t>":$weights)>
  ];
  let hasCustomAssemblyFormat = 1;
  let extraClassDeclaration = [{
    ::mlir::ArrayRef<::mlir::Type> getArgumentTypes() { return getFunctionType().getInputs(); }
    ::mlir::ArrayRef<::mlir::Type> getResultTypes() { return getFunctionType().getResults(); }
    ::mlir::Region *getCallableRegion() { return &getBody(); }

    /// The op that the kernel computes: the only one in the body that isn't a
    /// slice, a constant or the terminator. Null if there is none or several.
    ::mlir::Operation *getSpecOp();
    /// The argument that is the cache, of a kernel on one of its layers.
    std::optional<unsigned> getCacheArgument();
    /// The argument that the kernel changes in place: the buffer of its result.
    std::optional<unsigned> getUpdatedArgument();
    /// The argument whose leading extent is the number of rows.
    ::mlir::BlockArgument getRowsArgument() {
      return getBody().getArgument(getRows());
    }
    /// Whether argument `index` is a weight.
    bool isWeight(int64_t index) {
      return ::llvm::is_contained(getWeights(), index);
    }
  }];
  let hasVerifier = 1;
  let hasRegionVerifier = 1;
}

def YieldOp : Kernel_Op<"yield", [Pure, ReturnLike, Terminator, HasParent<"DefineOp">]> {
  let summary = "the results of a kernel";
  let description = [{
    ```mlir
    kernel.yield %0 : tensor<?x3072xf32>
    ```
  }];
  let arguments = (ins Variadic<AnyRankedTensor>:$values);
  let assemblyFormat = "$values attr-dict `:` qualified(type($values))";
}

def CallOp : Kernel_Op<"call", [Pure, DeclareOpInterfaceMethods<SymbolUserOpInterface>]> {
  let summary = "a kernel applied to tensors";
  let description = [{
    Replaces the op that was outlined, with value semantics. `layer` is the
    model's name of the layer, for profiles. The body of a kernel on a cache
    describes the layer at column 0; `at` is the column offset of the call's
    layer. The callee gets the columns of the cache from there on, followed by
    those before it.

    ```mlir
    %y = kernel.call @linear_768x3072(%x, %w, %b)
        : (tensor<?x768xf32>, tensor<3072x768xf32>, tensor<3072xf32>) -> tensor<?x3072xf32>
    ```
  }];
  let arguments = (ins FlatSymbolRefAttr:$callee, Variadic<AnyRankedTensor>:$arguments,
                       OptionalAttr<StrAttr>:$layer, OptionalAttr<I64Attr>:$at);
  let results = (outs Variadic<AnyRankedTensor>:$results);
  let assemblyFormat = [{
    $callee `(` $arguments `)` (`at` $at^)? (`layer` $layer^)? attr-dict `:` functional-type($arguments, $results)
  }];
}

def ProgramOp : Kernel_Op<"program", [
    FunctionOpInterface, IsolatedFromAbove, SingleBlock]> {
  let summary = "a function as launches on one arena";
  let description = [{
    Arguments are the packed inputs, results the slots of the outputs; both keep
    the `transformer.*` attributes of the function. The size of the arena is
    `sum over e of arena[e] * (rows of extent e, rounded up to 16)` bytes.

    ```mlir
    kernel.program @forward(%ids: !kernel.buffer<tensor<?xi32>, tokens> {transformer.name = "input_ids"})
        -> (!kernel.buffer<tensor<?x768xf32>, tokens> {transformer.name = "last_hidden_state"})
        arena [3072, 0, 0, 0] {
      %w = kernel.weight @word : !kernel.buffer<tensor<30522x768xf32>>
      %s = kernel.slot [0, 0, 0, 0] : !kernel.buffer<tensor<?x768xf32>, tokens>
      kernel.launch @embedding_768 rows tokens reads(%ids, %w) writes(%s) outputs [0]
          : !kernel.buffer<tensor<?xi32>, tokens>, !kernel.buffer<tensor<30522x768xf32>>
          -> !kernel.buffer<tensor<?x768xf32>, tokens>
      kernel.return %s : !kernel.buffer<tensor<?x768xf32>, tokens>
    }
    ```
  }];
  let arguments = (ins SymbolNameAttr:$sym_name,
                       OptionalAttr<StrAttr>:$sym_visibility,
                       TypeAttrOf<FunctionType>:$function_type,
                       DenseI64ArrayAttr:$arena,
                       OptionalAttr<DictArrayAttr>:$arg_attrs,
                       OptionalAttr<DictArrayAttr>:$res_attrs);
  let regions = (region SizedRegion<1>:$body);
  let builders = [
    // With a block of the type's inputs to fill.
    OpBuilder<(ins "::llvm::StringRef":$name, "::mlir::FunctionType":$type,
                   "::llvm::ArrayRef<int64_t>":$arena)>
  ];
  let hasCustomAssemblyFormat = 1;
  let extraClassDeclaration = [{
    ::mlir::ArrayRef<::mlir::Type> getArgumentTypes() { return getFunctionType().getInputs(); }
    ::mlir::ArrayRef<::mlir::Type> getResultTypes() { return getFunctionType().getResults(); }
    ::mlir::Region *getCallableRegion() { return &getBody(); }
  }];
  let hasVerifier = 1;
  let hasRegionVerifier = 1;
}

def ReturnOp : Kernel_Op<"return", [Pure, ReturnLike, Terminator, HasParent<"ProgramOp">]> {
  let summary = "the slots that hold the outputs";
  let description = [{
    ```mlir
    kernel.return %3 : !kernel.buffer<tensor<?x768xf32>, tokens>
    ```
  }];
  let arguments = (ins Variadic<Kernel_BufferType>:$values);
  let assemblyFormat = "$values attr-dict `:` qualified(type($values))";
}

def SlotOp : Kernel_Op<"slot", [Pure]> {
  let summary = "memory in the arena";
  let description = [{
    The slot begins at `sum over e of offset[e] * (rows of e, rounded up to 16)`
    bytes; offsets are multiples of 4 (of 64 after the rows' rounding).

    ```mlir
    %s = kernel.slot [3072, 0, 0, 0] : !kernel.buffer<tensor<?x768xf32>, tokens>
    ```
  }];
  let arguments = (ins DenseI64ArrayAttr:$offset);
  let results = (outs Kernel_BufferType:$result);
  let assemblyFormat = "$offset attr-dict `:` qualified(type($result))";
  let hasVerifier = 1;
}

def WeightOp : Kernel_Op<"weight", [Pure, DeclareOpInterfaceMethods<SymbolUserOpInterface>]> {
  let summary = "a weight in the mapped file";
  let description = [{
    ```mlir
    %w = kernel.weight @layer.0.query.weight : !kernel.buffer<tensor<768x768xf32>>
    ```
  }];
  let arguments = (ins FlatSymbolRefAttr:$weight);
  let results = (outs Kernel_BufferType:$result);
  let assemblyFormat = "$weight attr-dict `:` qualified(type($result))";
}

def LayerOp : Kernel_Op<"layer", [Pure, AllTypesMatch<["cache", "result"]>]> {
  let summary = "the cache from a layer's first column on";
  let description = [{
    A launch of a kernel on a layer of the cache takes this buffer: column c of
    the result is column (at + c) mod W of the cache. In memory it begins 16 * at
    elements after the cache, because each block stores the 16 rows of a column
    side by side.

    ```mlir
    %l = kernel.layer %cache at 1536 : !kernel.buffer<tensor<?x18432xf32>, slots>
    ```
  }];
  let arguments = (ins Kernel_BufferType:$cache, I64Attr:$at);
  let results = (outs Kernel_BufferType:$result);
  let assemblyFormat = "$cache `at` $at attr-dict `:` qualified(type($cache))";
  let hasVerifier = 1;
}

def LaunchOp : Kernel_Op<"launch", [
    AttrSizedOperandSegments, DeclareOpInterfaceMethods<SymbolUserOpInterface>]> {
  let summary = "a kernel run on buffers";
  let description = [{
    `reads` are the callee's arguments and `writes` its results, in order; a
    buffer that the callee changes in place is among both. `rows` is the extent
    that counts its rows. `outputs` lists the program's outputs that need this
    launch: a run that requests none of them skips it.

    ```mlir
    kernel.launch @linear_768x3072 rows tokens reads(%x, %w, %b) writes(%s)
        outputs [0, 1] layer "encoder.layer.0.intermediate.dense"
        : !kernel.buffer<tensor<?x768xf32>, tokens>, !kernel.buffer<tensor<3072x768xf32>>,
          !kernel.buffer<tensor<3072xf32>> -> !kernel.buffer<tensor<?x3072xf32>, tokens>
    ```
  }];
  let arguments = (ins FlatSymbolRefAttr:$callee, Kernel_ExtentAttr:$rows,
                       Variadic<Kernel_BufferType>:$reads,
                       Variadic<Kernel_BufferType>:$writes,
                       DenseI64ArrayAttr:$outputs, OptionalAttr<StrAttr>:$layer);
  let assemblyFormat = [{
    $callee `rows` `` $rows `reads` `(` $reads `)` `writes` `(` $writes `)` `outputs` $outputs
    (`layer` $layer^)? attr-dict `:` type($reads) `->` type($writes)
  }];
}

#endif // TRANSOM_IR_KERNEL_OPS_TD
