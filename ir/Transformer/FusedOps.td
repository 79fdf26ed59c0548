//===- FusedOps.td - one kernel family each, made by passes -----*- tablegen -*-//
//
// Included by TransformerOps.td.
//
//===----------------------------------------------------------------------===//

#ifndef TRANSOM_IR_TRANSFORMER_FUSED_OPS_TD
#define TRANSOM_IR_TRANSFORMER_FUSED_OPS_TD

def AttentionOp : Transformer_ValueOp<"attention", [
    AttrSizedOperandSegments,
    DeclareOpInterfaceMethods<Transformer_DecomposableOpInterface>,
    DeclareOpInterfaceMethods<Transformer_PackableOpInterface>]> {
  let summary = "scaled dot-product attention over all heads";
  let description = [{
    For batch b, head h and query token i, with g = h * Hkv / H:

        result[b,h,i] = sum_j softmax_j(scale * <query[b,h,i], key[b,g,j]>
                                        + bias[b,h,i,j] + distance_bias[h,r])
                              * value[b,g,j]
        r = clamp(j - (i + Tk - Tq) - first_distance, 0, R - 1)

    query [B,H,Tq,D], key [B,Hkv,Tk,D], value [B,Hkv,Tk,D]; Hkv divides H.
    bias [B,H,Tq,Tk], where an extent of 1 repeats: padding.
    distance_bias [H,R] (T5): entry r is added at distance first_distance + r of
    a key from its query, where the last query has the position of the last key;
    the first and the last entry also serve all distances beyond. `causal` masks
    j > i + Tk - Tq, so one op serves prefill and decode. Softmax accumulates in
    f32 for every element type.

    ```mlir
    %y = transformer.attention %q, %k, %v bias %m scale 0.125
        : tensor<?x12x?x64xf32>, tensor<?x12x?x64xf32>, tensor<?x12x?x64xf32>, tensor<?x1x1x?xf32>
        -> tensor<?x12x?x64xf32>
    %z = transformer.attention %q, %k, %v distance_bias %d from -91 scale 1.0
        : tensor<?x12x?x64xf32>, tensor<?x12x?x64xf32>, tensor<?x12x?x64xf32>
        distance_bias tensor<12x183xf32> -> tensor<?x12x?x64xf32>
    ```
  }];
  let arguments = (ins Transformer_FloatTensor:$query, Transformer_FloatTensor:$key,
                       Transformer_FloatTensor:$value, Optional<Transformer_FloatTensor>:$bias,
                       Optional<Transformer_FloatTensor>:$distance_bias,
                       DefaultValuedAttr<I64Attr, "0">:$first_distance,
                       UnitAttr:$causal, F32Attr:$scale);
  let results = (outs Transformer_FloatTensor:$result);
  let assemblyFormat = [{
    $query `,` $key `,` $value (`bias` $bias^)?
    (`distance_bias` $distance_bias^ `from` $first_distance)? (`causal` $causal^)?
    `scale` $scale attr-dict `:` type($query) `,` type($key) `,` type($value)
    (`,` type($bias)^)? (`distance_bias` type($distance_bias)^)? `->` type($result)
  }];
  let builders = [
    // Without a bias over distances.
    OpBuilder<(ins "::mlir::Type":$result, "::mlir::Value":$query, "::mlir::Value":$key,
                   "::mlir::Value":$value, "::mlir::Value":$bias, "bool":$causal,
                   "::llvm::APFloat":$scale), [{
      build($_builder, $_state, result, query, key, value, bias,
            /*distance_bias=*/::mlir::Value(), /*first_distance=*/0, causal, scale);
    }]>
  ];
  let hasVerifier = 1;
}

def RaggedAttentionOp : Transformer_ValueOp<"ragged_attention", [
    DeclareOpInterfaceMethods<Transformer_DecomposableOpInterface>]> {
  let summary = "attention within packed sequences";
  let description = [{
    Sequence s has query rows [query_offsets[s], query_offsets[s+1]) and, from
    row key_offsets[s], key_lengths[s] keys. For a query row i of s and head h,
    with g = h * Hkv / H and j over the keys of s:

        result[i, h] = sum_j softmax_j(scale * <query[i, h], key[j, g]>
                                       + distance_bias[h, r]) * value[j, g]
        r = clamp(j - last[i] - first_distance, 0, R - 1)

    query [N, H*D], key and value [M, Hkv*D], query_offsets and key_offsets
    [S+1] i32, key_lengths [S] i32, result [N, H*D]. Results of a sequence
    without keys are zeros. `causal` lets the last query attend to all keys, the
    query before it to all but the last, and so on: query i attends to the keys
    up to last[i]. distance_bias [H, R] (optional) is added by the distance of
    key j from last[i]. No result depends on other sequences.

    ```mlir
    %y = transformer.ragged_attention %q, %k, %v, %o, %o, %n heads 12 key_heads 12 scale 0.125
        : tensor<?x768xf32>, tensor<?x768xf32>, tensor<?x768xf32>,
          tensor<?xi32>, tensor<?xi32>, tensor<?xi32> -> tensor<?x768xf32>
    %z = transformer.ragged_attention %q, %k, %v, %o, %o, %n distance_bias %d from -91
        heads 12 key_heads 12 scale 1.0
        : tensor<?x768xf32>, tensor<?x768xf32>, tensor<?x768xf32>,
          tensor<?xi32>, tensor<?xi32>, tensor<?xi32> distance_bias tensor<12x183xf32>
        -> tensor<?x768xf32>
    ```
  }];
  let arguments = (ins Transformer_FloatTensor:$query, Transformer_FloatTensor:$key,
                       Transformer_FloatTensor:$value,
                       Transformer_OffsetTensor:$query_offsets,
                       Transformer_OffsetTensor:$key_offsets,
                       Transformer_OffsetTensor:$key_lengths,
                       Optional<Transformer_FloatTensor>:$distance_bias,
                       DefaultValuedAttr<I64Attr, "0">:$first_distance,
                       I64Attr:$heads, I64Attr:$key_heads, UnitAttr:$causal, F32Attr:$scale);
  let results = (outs Transformer_FloatTensor:$result);
  let assemblyFormat = [{
    $query `,` $key `,` $value `,` $query_offsets `,` $key_offsets `,` $key_lengths
    (`distance_bias` $distance_bias^ `from` $first_distance)?
    `heads` $heads `key_heads` $key_heads (`causal` $causal^)? `scale` $scale attr-dict
    `:` type($query) `,` type($key) `,` type($value) `,` type($query_offsets) `,`
    type($key_offsets) `,` type($key_lengths) (`distance_bias` type($distance_bias)^)?
    `->` type($result)
  }];
  let hasVerifier = 1;
}

def AddLayerNormOp : Transformer_ValueOp<"add_layer_norm", [
    DeclareOpInterfaceMethods<Transformer_RowwiseOpInterface>,
    DeclareOpInterfaceMethods<Transformer_DecomposableOpInterface>]> {
  let summary = "residual addition and layer normalization";
  let description = [{
    `sum = input + residual; result = layer_norm(sum, gamma, beta)`. Both results
    may be used: pre-layer-norm models add the next layer to the sum.

    ```mlir
    %y, %s = transformer.add_layer_norm %x, %r, %g, %b epsilon 1.0e-12
        : tensor<?x768xf32>, tensor<?x768xf32>, tensor<768xf32>, tensor<768xf32>
        -> tensor<?x768xf32>, tensor<?x768xf32>
    ```
  }];
  let arguments = (ins Transformer_FloatTensor:$input, Transformer_FloatTensor:$residual,
                       Transformer_FloatTensor:$gamma, Transformer_FloatTensor:$beta,
                       F32Attr:$epsilon);
  let results = (outs Transformer_FloatTensor:$result, Transformer_FloatTensor:$sum);
  let assemblyFormat = [{
    $input `,` $residual `,` $gamma `,` $beta `epsilon` $epsilon attr-dict `:`
    type($input) `,` type($residual) `,` type($gamma) `,` type($beta) `->`
    type($result) `,` type($sum)
  }];
  let hasVerifier = 1;
}

def AddRmsNormOp : Transformer_ValueOp<"add_rms_norm", [
    DeclareOpInterfaceMethods<Transformer_RowwiseOpInterface>,
    DeclareOpInterfaceMethods<Transformer_DecomposableOpInterface>]> {
  let summary = "residual addition and root mean square normalization";
  let description = [{
    `sum = input + residual; result = rms_norm(sum, gamma)`; both may be used.

    ```mlir
    %y, %s = transformer.add_rms_norm %x, %r, %g epsilon 1.0e-6
        : tensor<?x512xf32>, tensor<?x512xf32>, tensor<512xf32> -> tensor<?x512xf32>, tensor<?x512xf32>
    ```
  }];
  let arguments = (ins Transformer_FloatTensor:$input, Transformer_FloatTensor:$residual,
                       Transformer_FloatTensor:$gamma, F32Attr:$epsilon);
  let results = (outs Transformer_FloatTensor:$result, Transformer_FloatTensor:$sum);
  let assemblyFormat = [{
    $input `,` $residual `,` $gamma `epsilon` $epsilon attr-dict `:` type($input) `,`
    type($residual) `,` type($gamma) `->` type($result) `,` type($sum)
  }];
  let hasVerifier = 1;
}

def ElementwiseOp : Transformer_Op<"elementwise", [
    Pure, IsolatedFromAbove, SingleBlock,
    DeclareOpInterfaceMethods<Transformer_RowwiseOpInterface>,
    DeclareOpInterfaceMethods<Transformer_DecomposableOpInterface>]> {
  let summary = "a chain of elementwise ops as one loop";
  let description = [{
    Broadcasts the inputs to the shape of the results, and computes the region at
    every index. The region has one scalar argument for each input.

    ```mlir
    %y = transformer.elementwise %a, %b : tensor<?x768xf32>, tensor<768xf32> -> tensor<?x768xf32> {
    ^bb0(%x: f32, %z: f32):
      %s = transformer.add %x, %z : f32, f32 -> f32
      %t = transformer.tanh %s : f32
      transformer.yield %t : f32
    }
    ```
  }];
  let arguments = (ins Variadic<Transformer_AnyTensor>:$inputs);
  let results = (outs Variadic<Transformer_AnyTensor>:$results);
  let regions = (region SizedRegion<1>:$body);
  let assemblyFormat = [{
    $inputs attr-dict `:` type($inputs) `->` type($results) $body
  }];
  let hasVerifier = 1;
  let hasRegionVerifier = 1;
}

#endif // TRANSOM_IR_TRANSFORMER_FUSED_OPS_TD
