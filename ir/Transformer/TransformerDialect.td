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

    1. *primitives*: what an ONNX graph contains: arithmetic with NumPy
       broadcasting, reductions, gather, reshape, transpose, slice, concat;
    2. *definition ops*: one equation of a paper each, one spelling a meaning;
       frontends emit these, and `transom-raise` makes them from primitives;
    3. *fused ops*: each names one kernel family; only passes make them, and
       `decompose` gives back the definition ops.

    Letters in shapes: B batch, T tokens of a sequence, N tokens of all sequences
    packed, S sequences, C model width, H heads, D head size, F feed-forward
    width, V vocabulary.

    A model is a `func.func` whose arguments and results carry attributes:

    | attribute | on | meaning |
    |---|---|---|
    | `transformer.name` | argument, result | the tensor's name at the surface |
    | `transformer.dims` | argument, result | names of its dimensions, e.g. `["batch", "length"]`, after `transom-remove-padding` `["tokens"]`, `["sequences"]`, `["sequences+1"]`, after `transom-select-output-positions` `["output_positions"]` |
    | `transformer.default` | argument | `"zeros"`, `"ones"`, `"position_ids"` (0, 1, 2, ...), `"padding_aware_position_ids"` or, of a decoder's tokens, `"shifted_right"`; with role `"token_index"`, `"first"`, `"last"`, `"last_non_padding"` or `"last_equal"`: what stands in when the caller leaves it out |
    | `transformer.padding_id` | argument | p, with default `"padding_aware_position_ids"`: the first argument without a default has values other than p at the tokens that are counted; they get p + 1, p + 2, ..., the others p (RoBERTa); with `"last_non_padding"` the last token that is counted, or token 0 |
    | `transformer.token_id` | argument | i, with default `"shifted_right"`: the decoder's values are i and then those of its source, which are those of the first argument without a default, but the last one; with `"last_equal"` the place is the last one where the source's value is i |
    | `transformer.bound` | argument | integer values lie in [0, bound) |
    | `transformer.role` | argument | `"attention_mask"` (padded form); `"token_index"`: for each sequence the place of one of its tokens, packed its row; made by `transom-remove-padding`: `"sequence_offsets"`, `"key_lengths"`, `"token_rows"`; by `transom-select-output-positions`: `"output_positions"`; by `transom-introduce-cache`: `"cache_slots"`, `"block_table"`, `"block_offsets"`, `"cache"` (of a result too: the argument's newest state) |
    | `transformer.token_index` | argument | with role `"token_rows"`: which token of each sequence |
    | `transformer.contiguous` | argument | a unit, with role `"attention_mask"` or `"key_lengths"`: the tokens of a sequence that are there follow one another, so that packed tokens are as far apart as padded ones |
    | `transformer.select_output_positions` | result | a unit: callers may ask for it at some tokens only |
    | `transformer.generates` | function | a unit: its logits are those of the token that follows; `transom-introduce-cache` gives it a step |
    | `transformer.metadata` | module | a string of JSON that is handed on to the library |
  }];
  let dependentDialects = ["::mlir::arith::ArithDialect"];
  let useDefaultAttributePrinterParser = 1;
  let hasConstantMaterializer = 1;
}

#endif // TRANSOM_IR_TRANSFORMER_DIALECT_TD
