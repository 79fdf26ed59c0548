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
    stored [in, out] matrix (GPT's Conv1D) as [out, in]. The weight consists of
    the `columns` of the matrix thus read, in the given order; a column may be
    listed several times. If the list is empty, it has all columns.

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

// The values of the next four enums are those of runtime/abi.h (codegen asserts
// it); values that abi.h lacks exist only until padding is removed.

def Transformer_InputRole
    : I32EnumAttr<"InputRole", "what an input means to the runtime",
                  [I32EnumAttrCase<"Values", 0, "values">,
                   I32EnumAttrCase<"SequenceOffsets", 1, "sequence_offsets">,
                   I32EnumAttrCase<"KeyLengths", 2, "key_lengths">,
                   I32EnumAttrCase<"TokenRows", 3, "token_rows">,
                   I32EnumAttrCase<"OutputPositions", 4, "output_positions">,
                   I32EnumAttrCase<"CacheSlots", 5, "cache_slots">,
                   I32EnumAttrCase<"BlockTable", 6, "block_table">,
                   I32EnumAttrCase<"BlockOffsets", 7, "block_offsets">,
                   I32EnumAttrCase<"Cache", 8, "cache">,
                   I32EnumAttrCase<"EncoderOffsets", 9, "encoder_offsets">,
                   I32EnumAttrCase<"EncoderKeyLengths", 10, "encoder_key_lengths">,
                   I32EnumAttrCase<"EncoderBlockTable", 11, "encoder_block_table">,
                   I32EnumAttrCase<"EncoderBlockOffsets", 12, "encoder_block_offsets">,
                   I32EnumAttrCase<"AttentionMask", 13, "attention_mask">,
                   I32EnumAttrCase<"TokenIndex", 14, "token_index">]> {
  let cppNamespace = "::transom::transformer";
  let genSpecializedAttr = 0;
}
def Transformer_InputRoleAttr
    : EnumAttr<Transformer_Dialect, Transformer_InputRole, "role"> {
  let assemblyFormat = "`<` $value `>`";
}

def Transformer_DefaultKind
    : I32EnumAttr<"DefaultKind", "the value of an input that the caller leaves out",
                  [I32EnumAttrCase<"Zeros", 1, "zeros">,
                   I32EnumAttrCase<"PositionIds", 2, "position_ids">,
                   I32EnumAttrCase<"Ones", 3, "ones">,
                   I32EnumAttrCase<"PaddingAwarePositionIds", 4, "padding_aware_position_ids">,
                   I32EnumAttrCase<"Last", 5, "last">,
                   I32EnumAttrCase<"LastNonPadding", 6, "last_non_padding">,
                   I32EnumAttrCase<"First", 7, "first">,
                   I32EnumAttrCase<"LastEqual", 8, "last_equal">,
                   I32EnumAttrCase<"ShiftedRight", 9, "shifted_right">,
                   I32EnumAttrCase<"Token", 10, "token">]> {
  let cppNamespace = "::transom::transformer";
  let genSpecializedAttr = 0;
}
def Transformer_DefaultAttr : Transformer_Attr<"Default", "default"> {
  let summary = "the value of an input that the caller leaves out";
  let description = [{
    Values for each token:

    - `zeros`, `ones`;
    - `position_ids`: 0, 1, 2, ... within each sequence;
    - `padding_aware_position_ids, p`: p + 1, p + 2, ... at the tokens whose ids
      are not the padding id p, and p at the others (RoBERTa);
    - `shifted_right, i`: the token id i, then all of the encoder's ids but the
      last one (a decoder's tokens).

    The index of a token in each sequence:

    - `first`, `last`;
    - `last_non_padding, p`: of the last token whose id is not p, or of the first;
    - `last_equal, i`: the last index where the encoder's id is i;
    - `token, k`: k. The caller can't choose another one.

    Ids are the values of the first input without a default.

    ```mlir
    #transformer.default<ones>
    #transformer.default<padding_aware_position_ids, 1>
    ```
  }];
  let parameters = (ins EnumParameter<Transformer_DefaultKind>:$kind,
                        OptionalParameter<"std::optional<int32_t>",
                                          "padding id, token id or token index">:$operand);
  let assemblyFormat = "`<` $kind (`,` $operand^)? `>`";
  let genVerifyDecl = 1;
}

def Transformer_ProgramKind
    : I32EnumAttr<"ProgramKind", "what a program computes",
                  [I32EnumAttrCase<"Forward", 0, "forward">,
                   I32EnumAttrCase<"Step", 1, "step">,
                   I32EnumAttrCase<"Encode", 2, "encode">]> {
  let cppNamespace = "::transom::transformer";
  let genSpecializedAttr = 0;
}
def Transformer_ProgramKindAttr
    : EnumAttr<Transformer_Dialect, Transformer_ProgramKind, "program"> {
  let assemblyFormat = "`<` $value `>`";
}

/// The first four are also the extents of an arena (kernel.buffer); the padded
/// ones and `sequences+1` have no counterpart there.
def Transformer_Dimension
    : I32EnumAttr<"Dimension", "a dimension whose extent is known at run time",
                  [I32EnumAttrCase<"Tokens", 0, "tokens">,
                   I32EnumAttrCase<"Sequences", 1, "sequences">,
                   I32EnumAttrCase<"EncoderTokens", 2, "encoder_tokens">,
                   I32EnumAttrCase<"OutputPositions", 3, "output_positions">,
                   I32EnumAttrCase<"Blocks", 4, "blocks">,
                   I32EnumAttrCase<"Slots", 5, "slots">,
                   I32EnumAttrCase<"EncoderBlocks", 6, "encoder_blocks">,
                   I32EnumAttrCase<"SequencesPlusOne", 7, "sequences+1">,
                   I32EnumAttrCase<"Batch", 8, "batch">,
                   I32EnumAttrCase<"Length", 9, "length">,
                   I32EnumAttrCase<"EncoderLength", 10, "encoder_length">]> {
  let cppNamespace = "::transom::transformer";
  let genSpecializedAttr = 0;
}

#endif // TRANSOM_IR_TRANSFORMER_ATTRIBUTES_TD
