//===- TransformerDialect.td - the transformer dialect ----------*- tablegen -*-//

#ifndef TRANSOM_IR_TRANSFORMER_DIALECT_TD
#define TRANSOM_IR_TRANSFORMER_DIALECT_TD

include "mlir/IR/OpBase.td"

def Transformer_Dialect : Dialect {
  let name = "transformer";
  let cppNamespace = "::transom::transformer";
  let summary = "transformer models on tensors, with value semantics";
  let description = [{
    One program at three levels (see `docs/`):

    1. *primitives*, the ops of an ONNX graph: arithmetic with NumPy
       broadcasting, reductions, gather, reshape, transpose, slice, concat;
    2. *definition ops*, one equation of a paper each, one spelling a meaning;
       frontends emit these, and `transom-raise` builds them from primitives;
    3. *fused ops*, which name one kernel family each; only passes create them,
       and `decompose` rebuilds the definition ops.

    Letters in shapes: B batch, T tokens of a sequence, N tokens of all sequences
    packed, S sequences, C model width, H heads, D head size, F feed-forward
    width, V vocabulary.

    A model is a `func.func` whose arguments and results carry attributes:

    | attribute | on | meaning |
    |---|---|---|
    | `transformer.name` | argument, result | the tensor's name in the library's interface |
    | `transformer.dims` | argument, result | names of its dimensions: in a padded model `["batch", "length"]` or `["batch", "encoder_length"]`; after `transom-remove-padding` `["tokens"]`, `["encoder_tokens"]`, `["sequences"]`, `["sequences+1"]`; after later passes `["output_positions"]`, `["blocks"]`, `["encoder_blocks"]`, `["slots"]`. Names of fixed widths are free |
    | `transformer.role` | argument | `#transformer.role<..>`: what the input means to the runtime, which computes all but `values` (the default) and `output_positions`. `attention_mask` and `token_index` (for each sequence the index of one of its tokens) exist until `transom-remove-padding`, which adds `sequence_offsets`, `key_lengths`, `encoder_offsets`, `encoder_key_lengths` and `token_rows`; `transom-introduce-cache` adds `cache_slots`, `cache` (also of a result: the cache's new state) and the block tables and offsets. `ir/Transformer/InputRoles.cpp` has each role's extent, element type and defaults |
    | `transformer.default` | argument | `#transformer.default<..>`: its value if the caller leaves it out |
    | `transformer.bound` | argument | integer values lie in [0, bound) |
    | `transformer.contiguous` | argument | a unit, with role `attention_mask`, `key_lengths` or `encoder_key_lengths`: the mask hides no token between others of its sequence, so that packed tokens are as far apart as padded ones |
    | `transformer.select_output_positions` | result | a unit: callers may request it for some tokens only |
    | `transformer.program` | function | `#transformer.program<..>`: `forward` (the default) computes whole sequences, `step` the tokens that follow those in the cache, `encode` what a step needs of an encoder |
    | `transformer.generates` | function | a unit: its logits predict the next token; `transom-introduce-cache` adds a step for it |
    | `transformer.metadata` | module | a string of JSON that becomes part of the library's metadata |
  }];
  let dependentDialects = ["::mlir::arith::ArithDialect"];
  let useDefaultAttributePrinterParser = 1;
  let hasConstantMaterializer = 1;
  let hasOperationAttrVerify = 1;
  let hasRegionArgAttrVerify = 1;
  let hasRegionResultAttrVerify = 1;
}

#endif // TRANSOM_IR_TRANSFORMER_DIALECT_TD
