// RUN: transom-test-opt %s --test-decompose-equivalence -o /dev/null

// Each op that decomposes computes what its decomposition computes, in the
// interpreter, over extents of 1 and several sizes of every dynamic dimension.
// Dimensions of one name are of one size.

func.func @linear(%x: tensor<?x?x5xf32> {transformer.dims = ["b", "t", "k"]}, %w: tensor<3x5xf32>, %b: tensor<3xf32>) -> tensor<?x?x3xf32> {
  %y = transformer.linear %x, %w bias %b : tensor<?x?x5xf32>, tensor<3x5xf32>, tensor<3xf32> -> tensor<?x?x3xf32>
  return %y : tensor<?x?x3xf32>
}
func.func @linear_without_bias(%x: tensor<?x5xf32> {transformer.dims = ["n", "k"]}, %w: tensor<3x5xf32>) -> tensor<?x3xf32> {
  %y = transformer.linear %x, %w : tensor<?x5xf32>, tensor<3x5xf32> -> tensor<?x3xf32>
  return %y : tensor<?x3xf32>
}
func.func @linear_with_epilogue(%x: tensor<?x5xf32> {transformer.dims = ["n", "k"]}, %w: tensor<3x5xf32>, %b: tensor<3xf32>,
                                %r: tensor<?x3xf32> {transformer.dims = ["n", "m"]}, %s: tensor<?x1xf32> {transformer.dims = ["n", "one"]}) -> tensor<?x3xf32> {
  %y = transformer.linear %x, %w bias %b extras(%r, %s) : tensor<?x5xf32>, tensor<3x5xf32>, tensor<3xf32> extras(tensor<?x3xf32>, tensor<?x1xf32>) -> tensor<?x3xf32> {
  ^bb0(%acc: f32, %residual: f32, %row: f32):
    %half = arith.constant 0.5 : f32
    %g = transformer.gelu tanh %acc : f32
    %a = transformer.add %g, %residual : f32, f32 -> f32
    %c = transformer.mul %a, %row : f32, f32 -> f32
    %d = transformer.sub %c, %half : f32, f32 -> f32
    transformer.yield %d : f32
  }
  return %y : tensor<?x3xf32>
}
func.func @elementwise(%x: tensor<?x3xf32> {transformer.dims = ["n", "m"]}, %v: tensor<3xf32>) -> (tensor<?x3xf32>, tensor<?x3xf32>) {
  %y, %z = transformer.elementwise %x, %v : tensor<?x3xf32>, tensor<3xf32> -> tensor<?x3xf32>, tensor<?x3xf32> {
  ^bb0(%a: f32, %b: f32):
    %c = transformer.mul %a, %b : f32, f32 -> f32
    %d = transformer.tanh %c : f32
    transformer.yield %d, %c : f32, f32
  }
  return %y, %z : tensor<?x3xf32>, tensor<?x3xf32>
}
func.func @activations(%x: tensor<?x?xf32> {transformer.dims = ["a", "b"]}) -> (tensor<?x?xf32>, tensor<?x?xf32>, tensor<?x?xf32>, tensor<?x?xf32>) {
  %0 = transformer.gelu none %x : tensor<?x?xf32>
  %1 = transformer.gelu tanh %x : tensor<?x?xf32>
  %2 = transformer.relu %x : tensor<?x?xf32>
  %3 = transformer.silu %x : tensor<?x?xf32>
  return %0, %1, %2, %3 : tensor<?x?xf32>, tensor<?x?xf32>, tensor<?x?xf32>, tensor<?x?xf32>
}
func.func @softmax(%x: tensor<?x?x?xf32> {transformer.dims = ["a", "b", "c"]}) -> tensor<?x?x?xf32> {
  %y = transformer.softmax %x : tensor<?x?x?xf32>
  return %y : tensor<?x?x?xf32>
}
func.func @norms(%x: tensor<?x?x7xf32> {transformer.dims = ["b", "t", "c"]}, %g: tensor<7xf32>, %b: tensor<7xf32>) -> (tensor<?x?x7xf32>, tensor<?x?x7xf32>) {
  %0 = transformer.layer_norm %x, %g, %b epsilon 1.0e-5 : tensor<?x?x7xf32>, tensor<7xf32>, tensor<7xf32> -> tensor<?x?x7xf32>
  %1 = transformer.rms_norm %x, %g epsilon 1.0e-5 : tensor<?x?x7xf32>, tensor<7xf32> -> tensor<?x?x7xf32>
  return %0, %1 : tensor<?x?x7xf32>, tensor<?x?x7xf32>
}
func.func @residual_norms(%x: tensor<?x7xf32> {transformer.dims = ["n", "c"]}, %r: tensor<?x7xf32> {transformer.dims = ["n", "c"]}, %g: tensor<7xf32>, %b: tensor<7xf32>)
    -> (tensor<?x7xf32>, tensor<?x7xf32>, tensor<?x7xf32>, tensor<?x7xf32>) {
  %0, %1 = transformer.add_layer_norm %x, %r, %g, %b epsilon 1.0e-5 : tensor<?x7xf32>, tensor<?x7xf32>, tensor<7xf32>, tensor<7xf32> -> tensor<?x7xf32>, tensor<?x7xf32>
  %2, %3 = transformer.add_rms_norm %x, %r, %g epsilon 1.0e-5 : tensor<?x7xf32>, tensor<?x7xf32>, tensor<7xf32> -> tensor<?x7xf32>, tensor<?x7xf32>
  return %0, %1, %2, %3 : tensor<?x7xf32>, tensor<?x7xf32>, tensor<?x7xf32>, tensor<?x7xf32>
}
func.func @heads(%x: tensor<?x?x6xf32> {transformer.dims = ["b", "t", "c"]}, %y: tensor<?x3x?x2xf32> {transformer.dims = ["b", "h", "t", "d"]})
    -> (tensor<?x3x?x2xf32>, tensor<?x?x6xf32>) {
  %0 = transformer.split_heads %x heads 3 : tensor<?x?x6xf32> -> tensor<?x3x?x2xf32>
  %1 = transformer.merge_heads %y : tensor<?x3x?x2xf32> -> tensor<?x?x6xf32>
  return %0, %1 : tensor<?x3x?x2xf32>, tensor<?x?x6xf32>
}
func.func @repeat_heads(%x: tensor<?x3x?x2xf32> {transformer.dims = ["b", "h", "t", "d"]}) -> tensor<?x6x?x2xf32> {
  %0 = transformer.repeat_heads %x heads 6 : tensor<?x3x?x2xf32> -> tensor<?x6x?x2xf32>
  return %0 : tensor<?x6x?x2xf32>
}
func.func @padding_mask(%m: tensor<?x?xi32> {transformer.dims = ["b", "t"]}) -> tensor<?x1x1x?xf32> {
  %0 = transformer.padding_mask %m : tensor<?x?xi32> -> tensor<?x1x1x?xf32>
  return %0 : tensor<?x1x1x?xf32>
}
func.func @causal_mask(%x: tensor<?x?x?x?xf32> {transformer.dims = ["b", "h", "t", "t"]}) -> tensor<?x?x?x?xf32> {
  %0 = transformer.causal_mask %x : tensor<?x?x?x?xf32>
  return %0 : tensor<?x?x?x?xf32>
}
// More keys than queries: the cache of a decoder.
func.func @causal_mask_with_past(%x: tensor<?x2x5xf32> {transformer.dims = ["b", "q", "k"]}) -> tensor<?x2x5xf32> {
  %0 = transformer.causal_mask %x : tensor<?x2x5xf32>
  return %0 : tensor<?x2x5xf32>
}
func.func @select_token(%x: tensor<?x4x3xf32> {transformer.dims = ["b", "t", "c"]}) -> (tensor<?x3xf32>, tensor<?x3xf32>) {
  %0 = transformer.select_token %x at 0 : tensor<?x4x3xf32> -> tensor<?x3xf32>
  %1 = transformer.select_token %x at 3 : tensor<?x4x3xf32> -> tensor<?x3xf32>
  return %0, %1 : tensor<?x3xf32>, tensor<?x3xf32>
}
func.func @attention(%q: tensor<?x4x?x3xf32> {transformer.dims = ["b", "h", "t", "d"]}, %k: tensor<?x4x?x3xf32> {transformer.dims = ["b", "h", "s", "d"]},
                     %v: tensor<?x4x?x3xf32> {transformer.dims = ["b", "h", "s", "d"]}, %m: tensor<?x1x1x?xf32> {transformer.dims = ["b", "1", "1", "s"]})
    -> (tensor<?x4x?x3xf32>, tensor<?x4x?x3xf32>) {
  %0 = transformer.attention %q, %k, %v bias %m scale 0.5
      : tensor<?x4x?x3xf32>, tensor<?x4x?x3xf32>, tensor<?x4x?x3xf32>, tensor<?x1x1x?xf32> -> tensor<?x4x?x3xf32>
  %1 = transformer.attention %q, %k, %v scale 1.0
      : tensor<?x4x?x3xf32>, tensor<?x4x?x3xf32>, tensor<?x4x?x3xf32> -> tensor<?x4x?x3xf32>
  return %0, %1 : tensor<?x4x?x3xf32>, tensor<?x4x?x3xf32>
}
// A bias over distances, which ends where keys are further away than -2 and 1.
func.func @distance_bias(%q: tensor<2x4x3x3xf32>, %k: tensor<2x4x5x3xf32>, %m: tensor<2x1x1x5xf32>, %d: tensor<4x4xf32>)
    -> (tensor<2x4x3x3xf32>, tensor<2x4x3x3xf32>) {
  %0 = transformer.attention %q, %k, %k bias %m distance_bias %d from -2 scale 0.5
      : tensor<2x4x3x3xf32>, tensor<2x4x5x3xf32>, tensor<2x4x5x3xf32>, tensor<2x1x1x5xf32> distance_bias tensor<4x4xf32> -> tensor<2x4x3x3xf32>
  %1 = transformer.attention %q, %k, %k distance_bias %d from -3 causal scale 1.0
      : tensor<2x4x3x3xf32>, tensor<2x4x5x3xf32>, tensor<2x4x5x3xf32> distance_bias tensor<4x4xf32> -> tensor<2x4x3x3xf32>
  return %0, %1 : tensor<2x4x3x3xf32>, tensor<2x4x3x3xf32>
}
func.func @causal_attention(%q: tensor<?x4x?x3xf32> {transformer.dims = ["b", "h", "t", "d"]}, %k: tensor<?x4x?x3xf32> {transformer.dims = ["b", "h", "t", "d"]})
    -> tensor<?x4x?x3xf32> {
  %0 = transformer.attention %q, %k, %k causal scale 0.5
      : tensor<?x4x?x3xf32>, tensor<?x4x?x3xf32>, tensor<?x4x?x3xf32> -> tensor<?x4x?x3xf32>
  return %0 : tensor<?x4x?x3xf32>
}
// Sequences of two, no and three rows; of the last one's rows the third is not a
// key, as a masked token that a pooler asks for. Two query heads a key head.
func.func @ragged_attention(%q: tensor<5x12xf32>, %k: tensor<5x6xf32>, %v: tensor<5x6xf32>) -> (tensor<5x12xf32>, tensor<5x12xf32>) {
  %o = arith.constant dense<[0, 2, 2, 5]> : tensor<4xi32>
  %n = arith.constant dense<[2, 0, 2]> : tensor<3xi32>
  %whole = arith.constant dense<[2, 0, 3]> : tensor<3xi32>
  %0 = transformer.ragged_attention %q, %k, %v, %o, %o, %n heads 4 key_heads 2 scale 0.5
      : tensor<5x12xf32>, tensor<5x6xf32>, tensor<5x6xf32>, tensor<4xi32>, tensor<4xi32>, tensor<3xi32> -> tensor<5x12xf32>
  %1 = transformer.ragged_attention %q, %k, %v, %o, %o, %whole heads 4 key_heads 2 causal scale 0.5
      : tensor<5x12xf32>, tensor<5x6xf32>, tensor<5x6xf32>, tensor<4xi32>, tensor<4xi32>, tensor<3xi32> -> tensor<5x12xf32>
  return %0, %1 : tensor<5x12xf32>, tensor<5x12xf32>
}
func.func @ragged_distance_bias(%q: tensor<5x12xf32>, %k: tensor<5x6xf32>, %d: tensor<4x4xf32>) -> (tensor<5x12xf32>, tensor<5x12xf32>) {
  %o = arith.constant dense<[0, 2, 2, 5]> : tensor<4xi32>
  %n = arith.constant dense<[2, 0, 3]> : tensor<3xi32>
  %0 = transformer.ragged_attention %q, %k, %k, %o, %o, %n distance_bias %d from -2 heads 4 key_heads 2 scale 0.5
      : tensor<5x12xf32>, tensor<5x6xf32>, tensor<5x6xf32>, tensor<4xi32>, tensor<4xi32>, tensor<3xi32> distance_bias tensor<4x4xf32> -> tensor<5x12xf32>
  %1 = transformer.ragged_attention %q, %k, %k, %o, %o, %n distance_bias %d from -3 heads 4 key_heads 2 causal scale 0.5
      : tensor<5x12xf32>, tensor<5x6xf32>, tensor<5x6xf32>, tensor<4xi32>, tensor<4xi32>, tensor<3xi32> distance_bias tensor<4x4xf32> -> tensor<5x12xf32>
  return %0, %1 : tensor<5x12xf32>, tensor<5x12xf32>
}
// Tokens into slots of two blocks, and one that is not stored; heads of 3 columns
// in 16, with columns of other layers before and after them.
func.func @append_cache(%c: tensor<32x96xf32>, %k: tensor<4x3xf32>, %v: tensor<4x3xf32>) -> (tensor<32x96xf32>, tensor<32x96xf32>) {
  %s = arith.constant dense<[17, -1, 0, 31]> : tensor<4xi32>
  %0 = transformer.append_cache %c, %k, %v, %s key_heads 1 at 32 : tensor<32x96xf32>, tensor<4x3xf32>, tensor<4x3xf32>, tensor<4xi32>
  %1 = transformer.append_cache %0, %k, %v, %s key_heads 3 at 0 : tensor<32x96xf32>, tensor<4x3xf32>, tensor<4x3xf32>, tensor<4xi32>
  return %0, %1 : tensor<32x96xf32>, tensor<32x96xf32>
}
// Sequences of 17 keys in two blocks that are not neighbours, of none, and of 3;
// two query heads a key head.
func.func @cached_attention(%q: tensor<5x12xf32>, %c: tensor<64x160xf32>, %d: tensor<4x4xf32>) -> (tensor<5x12xf32>, tensor<5x12xf32>, tensor<5x12xf32>) {
  %o = arith.constant dense<[0, 2, 2, 5]> : tensor<4xi32>
  %n = arith.constant dense<[17, 0, 3]> : tensor<3xi32>
  %t = arith.constant dense<[3, 0, 1]> : tensor<3xi32>
  %b = arith.constant dense<[0, 2, 2, 3]> : tensor<4xi32>
  %0 = transformer.cached_attention %q, %c, %o, %n, %t, %b heads 4 key_heads 2 at 64 causal scale 0.5
      : tensor<5x12xf32>, tensor<64x160xf32>, tensor<4xi32>, tensor<3xi32>, tensor<3xi32>, tensor<4xi32> -> tensor<5x12xf32>
  %1 = transformer.cached_attention %q, %c, %o, %n, %t, %b heads 4 key_heads 2 at 64 scale 0.5
      : tensor<5x12xf32>, tensor<64x160xf32>, tensor<4xi32>, tensor<3xi32>, tensor<3xi32>, tensor<4xi32> -> tensor<5x12xf32>
  %2 = transformer.cached_attention %q, %c, %o, %n, %t, %b distance_bias %d from -3 heads 4 key_heads 2 at 64 causal scale 0.5
      : tensor<5x12xf32>, tensor<64x160xf32>, tensor<4xi32>, tensor<3xi32>, tensor<3xi32>, tensor<4xi32> distance_bias tensor<4x4xf32> -> tensor<5x12xf32>
  return %0, %1, %2 : tensor<5x12xf32>, tensor<5x12xf32>, tensor<5x12xf32>
}
