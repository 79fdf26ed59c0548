//===- TransformerOps.td - base classes and all ops -------------*- tablegen -*-//

#ifndef TRANSOM_IR_TRANSFORMER_OPS_TD
#define TRANSOM_IR_TRANSFORMER_OPS_TD

include "ir/Transformer/TransformerAttributes.td"
include "ir/Transformer/TransformerInterfaces.td"
include "mlir/IR/BuiltinAttributes.td"
include "mlir/IR/SymbolInterfaces.td"
include "mlir/IR/RegionKindInterface.td"
include "mlir/Interfaces/ControlFlowInterfaces.td"
include "mlir/Interfaces/InferTypeOpInterface.td"
include "mlir/Interfaces/SideEffectInterfaces.td"

class Transformer_Op<string mnemonic, list<Trait> traits = []>
    : Op<Transformer_Dialect, mnemonic, traits>;

/// Result types that follow from the operands. Inference never fails, so that
/// building an op never does: the verifier reports what does not fit. The trait
/// runs it before it compares the inferred types with the actual ones, so that
/// the message names the operand at fault.
def Transformer_InferredTypes : NativeOpTrait<"InferredTypes", [], [{
    static void inferTypes(Adaptor adaptor,
                           ::llvm::SmallVectorImpl<::mlir::Type> &types);
    static bool isCompatibleReturnTypes(::mlir::TypeRange inferred,
                                        ::mlir::TypeRange actual) {
      return ::transom::transformer::areCompatible(inferred, actual);
    }
  }], [{
    ::llvm::LogicalResult $cppClass::inferReturnTypes(
        ::mlir::MLIRContext *context, std::optional<::mlir::Location> location,
        ::mlir::ValueRange operands, ::mlir::DictionaryAttr attributes,
        ::mlir::OpaqueProperties properties, ::mlir::RegionRange regions,
        ::llvm::SmallVectorImpl<::mlir::Type> &types) {
      inferTypes(Adaptor(operands, attributes, properties, regions), types);
      return ::mlir::success();
    }
  }]> {
  let cppNamespace = "::transom::transformer";
}

/// An op on values: its result types are inferred, so that frontends and passes
/// never spell them.
class Transformer_ValueOp<string mnemonic, list<Trait> traits = []>
    : Transformer_Op<mnemonic,
        !listconcat([Pure, Transformer_InferredTypes,
                     DeclareOpInterfaceMethods<InferTypeOpInterface>],
                    traits)>;

/// Floating-point tensors are F32 in definitions; F16 and BF16 come from quantize.
def Transformer_Float : AnyTypeOf<[F32, F16, BF16, F64]>;
def Transformer_Integer : AnyTypeOf<[I1, I8, I16, I32, I64]>;
def Transformer_FloatTensor : RankedTensorOf<[Transformer_Float]>;
def Transformer_IntegerTensor : RankedTensorOf<[Transformer_Integer]>;
def Transformer_AnyTensor : RankedTensorOf<[Transformer_Float, Transformer_Integer]>;
def Transformer_OffsetTensor : RankedTensorOf<[I32]>;
/// Elementwise ops take scalars inside regions of fused ops.
def Transformer_FloatLike : AnyTypeOf<[Transformer_FloatTensor, Transformer_Float]>;
def Transformer_AnyLike
    : AnyTypeOf<[Transformer_AnyTensor, Transformer_Float, Transformer_Integer]>;

include "ir/Transformer/PrimitiveOps.td"
include "ir/Transformer/DefinitionOps.td"
include "ir/Transformer/FusedOps.td"
include "ir/Transformer/CacheOps.td"

#endif // TRANSOM_IR_TRANSFORMER_OPS_TD
