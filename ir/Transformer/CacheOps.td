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
    The cache has a row of W columns, a slot, for each token that it has room
    for; a layer owns 2 * Hkv * P columns from `at`: its keys, then its values,
    each head in P columns, the head size D rounded up to 16. Token i goes to
    slots[i]:

        result[slots[i], at + h * P + d]           = key[i, h * D + d]
        result[slots[i], at + (Hkv + h) * P + d]   = value[i, h * D + d]

    with all else as in the cache. Slots are distinct; a token with slot -1 is
    not stored. cache [slots, W], key and value [N, Hkv*D], slots [N] i32.
    Columns D to P of a head are never read.

    In memory 16 slots are a block of W * 16 elements, in which column c of a
    layer begins at 16 * c: of a head's keys [P][16], so that a vector runs over
    keys, and of its values [16][P].

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
    As `ragged_attention`, but of sequence s key j is in the cache's slot

        slot(s, j) = block_table[block_offsets[s] + j / 16] * 16 + j % 16

    for j < key_lengths[s], past and new tokens alike. For a query row i of s,
    query_offsets[s] <= i < query_offsets[s+1], and head h, with
    g = h * Hkv / H, P the head size D rounded up to 16:

        k_j = cache[slot(s, j), at + g * P ..+ D]
        v_j = cache[slot(s, j), at + (Hkv + g) * P ..+ D]
        result[i, h] = sum_j softmax_j(scale * <query[i, h], k_j>
                                       + distance_bias[h, r]) * v_j
        r = clamp(j - last[i] - first_distance, 0, R - 1)

    `causal` lets the last query see all keys, the one before all but the last,
    and so on, up to last[i]: a whole prompt, a part of one after another part,
    and a single token after all others are the same op. A query without keys
    gives zeros. distance_bias [H, R] (optional) is added by how far a key is
    from there. Nothing depends on the other sequences, or on slots without a
    key.

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
