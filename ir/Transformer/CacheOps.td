//===- CacheOps.td - keys and values of past tokens -------------*- tablegen -*-//
//
// Included by TransformerOps.td. Made by `transom-introduce-cache`.
//
//===----------------------------------------------------------------------===//

#ifndef TRANSOM_IR_TRANSFORMER_CACHE_OPS_TD
#define TRANSOM_IR_TRANSFORMER_CACHE_OPS_TD

def AppendCacheOp : Transformer_ValueOp<"append_cache", [
    Transformer_CacheOpInterface,
    DeclareOpInterfaceMethods<Transformer_DecomposableOpInterface>,
    DeclareOpInterfaceMethods<Transformer_UpdateOpInterface>]> {
  let summary = "the cache with the keys and values of new tokens";
  let description = [{
    The cache has a slot, a row of W columns, for each token that it has room
    for. A layer has 2 * Hkv * P columns from its column offset `at`: first keys,
    then values, each head in P columns, the head size D rounded up to 16. The
    slot of token i is slots[i]:

        result[slots[i], at + h * P + d]           = key[i, h * D + d]
        result[slots[i], at + (Hkv + h) * P + d]   = value[i, h * D + d]

    All other elements are those of `cache`. Slots are distinct; a token with
    slot -1 is not stored. cache [slots, W], key and value [N, Hkv*D],
    slots [N] i32. No op reads columns D to P of a head.

    In memory 16 slots are a block of W * 16 elements. In a block, column c of a
    layer begins at 16 * c. Keys of a head are stored as [P][16], so that a
    vector holds one column of 16 keys, and values as [16][P].

    ```mlir
    %d = transformer.append_cache %c, %k, %v, %slots key_heads 12 at 1536
        : tensor<?x18432xf32>, tensor<?x768xf32>, tensor<?x768xf32>, tensor<?xi32>
    ```
  }];
  let arguments = (ins Transformer_FloatTensor:$cache, Transformer_FloatTensor:$key,
                       Transformer_FloatTensor:$value, Transformer_OffsetTensor:$slots,
                       I64Attr:$key_heads, I64Attr:$at);
  let results = (outs Transformer_FloatTensor:$result);
  let assemblyFormat = [{
    $cache `,` $key `,` $value `,` $slots `key_heads` $key_heads `at` $at attr-dict `:`
    type($cache) `,` type($key) `,` type($value) `,` type($slots)
  }];
  let hasVerifier = 1;
}

def CachedAttentionOp : Transformer_ValueOp<"cached_attention", [
    Transformer_CacheOpInterface,
    DeclareOpInterfaceMethods<Transformer_DecomposableOpInterface>]> {
  let summary = "attention to keys and values in the cache";
  let description = [{
    As `ragged_attention`, but key j of sequence s is in the cache's slot

        slot(s, j) = block_table[block_offsets[s] + j / 16] * 16 + j % 16

    for j < key_lengths[s], which counts past and new tokens. For a query row i of
    s, query_offsets[s] <= i < query_offsets[s+1], and head h, with
    g = h * Hkv / H and P the head size D rounded up to 16:

        k_j = cache[slot(s, j), at + g * P ..+ D]
        v_j = cache[slot(s, j), at + (Hkv + g) * P ..+ D]
        result[i, h] = sum_j softmax_j(scale * <query[i, h], k_j>
                                       + distance_bias[h, r]) * v_j
        r = clamp(j - last[i] - first_distance, 0, R - 1)

    `causal` lets the last query attend to all keys, the query before it to all
    but the last, and so on: query i attends to the keys up to last[i]. The same
    op therefore serves a whole prompt, a chunk of a prompt, and a single new
    token. The result of a query without keys is zeros. distance_bias [H, R]
    (optional) is added by the distance of key j from last[i]. No result depends
    on other sequences, or on slots without a key.

    query [N, H*D], cache [slots, W], query_offsets and block_offsets [S+1] i32,
    key_lengths [S] i32, block_table [blocks] i32, result [N, H*D].

    ```mlir
    %y = transformer.cached_attention %q, %c, %o, %n, %t, %b heads 12 key_heads 12 at 1536
        causal scale 0.125
        : tensor<?x768xf32>, tensor<?x18432xf32>, tensor<?xi32>, tensor<?xi32>,
          tensor<?xi32>, tensor<?xi32> -> tensor<?x768xf32>
    %z = transformer.cached_attention %q, %c, %o, %n, %t, %b distance_bias %d from -91
        heads 12 key_heads 12 at 1536 causal scale 1.0
        : tensor<?x768xf32>, tensor<?x18432xf32>, tensor<?xi32>, tensor<?xi32>,
          tensor<?xi32>, tensor<?xi32> distance_bias tensor<12x92xf32>
        -> tensor<?x768xf32>
    ```
  }];
  let arguments = (ins Transformer_FloatTensor:$query, Transformer_FloatTensor:$cache,
                       Transformer_OffsetTensor:$query_offsets,
                       Transformer_OffsetTensor:$key_lengths,
                       Transformer_OffsetTensor:$block_table,
                       Transformer_OffsetTensor:$block_offsets,
                       Optional<Transformer_FloatTensor>:$distance_bias,
                       DefaultValuedAttr<I64Attr, "0">:$first_distance,
                       I64Attr:$heads, I64Attr:$key_heads, I64Attr:$at, UnitAttr:$causal,
                       F32Attr:$scale);
  let results = (outs Transformer_FloatTensor:$result);
  let assemblyFormat = [{
    $query `,` $cache `,` $query_offsets `,` $key_lengths `,` $block_table `,`
    $block_offsets (`distance_bias` $distance_bias^ `from` $first_distance)?
    `heads` $heads `key_heads` $key_heads `at` $at (`causal` $causal^)?
    `scale` $scale attr-dict `:` type($query) `,` type($cache) `,` type($query_offsets) `,`
    type($key_lengths) `,` type($block_table) `,` type($block_offsets)
    (`distance_bias` type($distance_bias)^)? `->` type($result)
  }];
  let hasVerifier = 1;
}

#endif // TRANSOM_IR_TRANSFORMER_CACHE_OPS_TD
