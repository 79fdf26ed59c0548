//===- TransformerAttributes.td - enums and attributes ----------*- tablegen -*-//

#ifndef TRANSOM_IR_TRANSFORMER_ATTRIBUTES_TD
#define TRANSOM_IR_TRANSFORMER_ATTRIBUTES_TD

include "ir/Transformer/TransformerDialect.td"
include "mlir/IR/AttrTypeBase.td"
include "mlir/IR/EnumAttr.td"

def Transformer_GeluApproximation
    : I32EnumAttr<"GeluApproximation", "which approximation of erf GELU uses",
                  [I32EnumAttrCase<"None", 0, "none">,
                   I32EnumAttrCase<"Tanh", 1, "tanh">]> {
  let cppNamespace = "::transom::transformer";
  let genSpecializedAttr = 0;
}
def Transformer_GeluApproximationAttr
    : EnumAttr<Transformer_Dialect, Transformer_GeluApproximation, "gelu"> {
  let assemblyFormat = "$value";
}

def Transformer_Comparison
    : I32EnumAttr<"Comparison", "a relation of two numbers",
                  [I32EnumAttrCase<"EQ", 0, "eq">, I32EnumAttrCase<"NE", 1, "ne">,
                   I32EnumAttrCase<"LT", 2, "lt">, I32EnumAttrCase<"LE", 3, "le">,
                   I32EnumAttrCase<"GT", 4, "gt">, I32EnumAttrCase<"GE", 5, "ge">]> {
  let cppNamespace = "::transom::transformer";
  let genSpecializedAttr = 0;
}
def Transformer_ComparisonAttr
    : EnumAttr<Transformer_Dialect, Transformer_Comparison, "comparison"> {
  let assemblyFormat = "$value";
}

def Transformer_Reduction
    : I32EnumAttr<"Reduction", "what a reduction does along its axes",
                  [I32EnumAttrCase<"Sum", 0, "sum">, I32EnumAttrCase<"Mean", 1, "mean">,
                   I32EnumAttrCase<"Max", 2, "max">, I32EnumAttrCase<"Min", 3, "min">]> {
  let cppNamespace = "::transom::transformer";
  let genSpecializedAttr = 0;
}
def Transformer_ReductionAttr
    : EnumAttr<Transformer_Dialect, Transformer_Reduction, "reduction"> {
  let assemblyFormat = "$value";
}

class Transformer_Attr<string name, string mnemonic_, list<Trait> traits = []>
    : AttrDef<Transformer_Dialect, name, traits> {
  let mnemonic = mnemonic_;
}

def Transformer_SourceAttr : Transformer_Attr<"Source", "source"> {
  let summary = "a tensor of the checkpoint that a weight is read from";
  let description = [{
    `tensor` is the name in the checkpoint's safetensors. `transposed` reads a
    stored [in, out] matrix (GPT's Conv1D) as [out, in]. Of a matrix that is thus
    read, `columns` are the ones that make up the weight, in this order and as
    often as they are listed; empty: all of them.

    ```mlir
    #transformer.source<"encoder.layer.0.attention.self.query.weight">
    #transformer.source<"h.0.attn.c_attn.weight" transposed>
    #transformer.source<"relative_attention_bias.weight" transposed columns [3, 2, 1, 0, 5, 6, 7]>
    ```
  }];
  let parameters = (ins StringRefParameter<"checkpoint name">:$tensor,
                        DefaultValuedParameter<"bool", "false">:$transposed,
                        OptionalArrayRefParameter<"int64_t">:$columns);
  let builders = [
    AttrBuilder<(ins "::llvm::StringRef":$tensor, "bool":$transposed), [{
      return $_get($_ctxt, tensor, transposed, ::llvm::ArrayRef<int64_t>());
    }]>
  ];
  let hasCustomAssemblyFormat = 1;
}

#endif // TRANSOM_IR_TRANSFORMER_ATTRIBUTES_TD
