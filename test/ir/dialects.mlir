// RUN: transom-opt %s | transom-opt | FileCheck %s
// RUN: transom-opt %s --mlir-print-op-generic | transom-opt | FileCheck %s
// CHECK: transformer.weight @tiny

transformer.weight @layer.0.query.weight
    from [#transformer.source<"encoder.layer.0.attention.self.query.weight">, #transformer.source<"h.0" transposed>]
    : tensor<768x768xf32>
transformer.weight @up from [#transformer.source<"up">] : tensor<3072x768xf32>
transformer.weight @bias from [#transformer.source<"bias">] : tensor<3072xf32>
transformer.weight @tiny value dense<1.0> : tensor<4x4xf32>
func.func @f(%x: tensor<?x768xf32>, %w: tensor<3072x768xf32>, %w2: tensor<768x768xf32>, %b: tensor<3072xf32>, %b2: tensor<768xf32>, %r: tensor<?x768xf32>,
  %q: tensor<?x12x?x64xf32>, %m: tensor<?x1x1x?xf32>, %o: tensor<?xi32>, %c: tensor<?x?xi1>, %s: tensor<?x?xf32>, %z: tensor<f32>, %kv: tensor<?x3072xf32>) {
  %gw = transformer.get_weight @tiny : tensor<4x4xf32>
  %y = transformer.linear %x, %w bias %b
      : tensor<?x768xf32>, tensor<3072x768xf32>, tensor<3072xf32> -> tensor<?x3072xf32>
  %y2 = transformer.linear %x, %w : tensor<?x768xf32>, tensor<3072x768xf32> -> tensor<?x3072xf32>
  %e = transformer.linear %x, %w2 bias %b2 extras(%r)
      : tensor<?x768xf32>, tensor<768x768xf32>, tensor<768xf32> extras(tensor<?x768xf32>) -> tensor<?x768xf32> {
  ^bb0(%acc: f32, %residual: f32):
    %s1 = transformer.add %acc, %residual : f32, f32 -> f32
    %s2 = transformer.gelu none %s1 : f32
    transformer.yield %s2 : f32
  }
  %e2 = transformer.linear %x, %w2
      : tensor<?x768xf32>, tensor<768x768xf32> -> tensor<?x768xf32> {
  ^bb0(%acc: f32):
    %s2 = transformer.gelu tanh %acc : f32
    transformer.yield %s2 : f32
  }
  %a = transformer.attention %q, %q, %q bias %m causal scale 0.125
    : tensor<?x12x?x64xf32>, tensor<?x12x?x64xf32>, tensor<?x12x?x64xf32>, tensor<?x1x1x?xf32>
    -> tensor<?x12x?x64xf32>
  %ra = transformer.ragged_attention %x, %x, %x, %o, %o, %o heads 12 key_heads 12 scale 0.125
        : tensor<?x768xf32>, tensor<?x768xf32>, tensor<?x768xf32>,
          tensor<?xi32>, tensor<?xi32>, tensor<?xi32> -> tensor<?x768xf32>
  %el = transformer.elementwise %x, %b2 : tensor<?x768xf32>, tensor<768xf32> -> tensor<?x768xf32> {
    ^bb0(%x1: f32, %z1: f32):
      %s1 = transformer.add %x1, %z1 : f32, f32 -> f32
      %t = transformer.tanh %s1 : f32
      transformer.yield %t : f32
    }
  %sel = transformer.select %c, %s, %z : tensor<?x?xi1>, tensor<?x?xf32>, tensor<f32> -> tensor<?x?xf32>
  %red = transformer.reduce mean %x axes [-1] keep_dims : tensor<?x768xf32> -> tensor<?x1xf32>
  %sl = transformer.slice %x axis 1 from 0 to 256 step 2 : tensor<?x768xf32> -> tensor<?x128xf32>
  %ac = transformer.append_cache %kv, %x, %x, %o key_heads 12 at 1536
        : tensor<?x3072xf32>, tensor<?x768xf32>, tensor<?x768xf32>, tensor<?xi32>
  %ca = transformer.cached_attention %x, %ac, %o, %o, %o, %o heads 12 key_heads 12 at 1536 causal scale 0.125
        : tensor<?x768xf32>, tensor<?x3072xf32>, tensor<?xi32>, tensor<?xi32>, tensor<?xi32>, tensor<?xi32> -> tensor<?x768xf32>
  %cm = transformer.causal_mask %q : tensor<?x12x?x64xf32>
  return
}
kernel.define private @linear_768x3072(%x: tensor<?x768xf32>, %w: tensor<3072x768xf32>, %b: tensor<3072xf32>) -> tensor<?x3072xf32> rows 0 weights [1, 2] {
  %0 = transformer.linear %x, %w bias %b : tensor<?x768xf32>, tensor<3072x768xf32>, tensor<3072xf32> -> tensor<?x3072xf32>
  kernel.yield %0 : tensor<?x3072xf32>
}
kernel.program @forward(%ids: !kernel.buffer<tensor<?x768xf32>, tokens> {transformer.name = "input_ids"})
    -> (!kernel.buffer<tensor<?x3072xf32>, tokens> {transformer.name = "last_hidden_state"})
    arena [6144, 0, 0, 0] {
  %s = kernel.slot [3072, 0, 0, 0] : !kernel.buffer<tensor<?x3072xf32>, tokens>
  %q = kernel.slot [3072, 0, 0, 0] : !kernel.buffer<tensor<?xi32>, sequences, 1>
  %w = kernel.weight @tiny : !kernel.buffer<tensor<4x4xf32>>
  %u = kernel.weight @up : !kernel.buffer<tensor<3072x768xf32>>
  %v = kernel.weight @bias : !kernel.buffer<tensor<3072xf32>>
  kernel.launch @linear_768x3072 rows tokens reads(%ids, %u, %v) writes(%s) outputs [0] layer "encoder"
   : !kernel.buffer<tensor<?x768xf32>, tokens>, !kernel.buffer<tensor<3072x768xf32>>, !kernel.buffer<tensor<3072xf32>> -> !kernel.buffer<tensor<?x3072xf32>, tokens>
  kernel.return %s : !kernel.buffer<tensor<?x3072xf32>, tokens>
}
