// RUN: transom-opt %s --transom-outline-kernels --split-input-file | FileCheck %s

transformer.weight @a value dense<1.0> : tensor<8x8xf32>
transformer.weight @b value dense<1.0> : tensor<8x8xf32>
transformer.weight @g value dense<1.0> : tensor<8xf32>

// Two layers that do the same share one kernel; weights are arguments. The
// epilogue is part of what it does and of its name.
// CHECK:       kernel.define private @linear_8x8(%{{.+}}: tensor<?x8xf32>, %{{.+}}: tensor<8x8xf32>, %{{.+}}: tensor<8xf32>) -> tensor<?x8xf32> rows 0 weights [1, 2] {
// CHECK-NEXT:    %[[Y:.+]] = transformer.linear
// CHECK-NEXT:    kernel.yield %[[Y]] : tensor<?x8xf32>
// CHECK:       kernel.define private @linear_8x8_gelu(%{{.+}}: tensor<?x8xf32>, %{{.+}}: tensor<8x8xf32>) -> tensor<?x8xf32> rows 0 weights [1] {
// CHECK-NOT:   kernel.define
// CHECK-LABEL: func.func @shares_kernels
// CHECK:         kernel.call @linear_8x8(%{{.+}}, %{{.+}}, %{{.+}}) layer "encoder.layer.0.output.dense"
// CHECK:         kernel.call @linear_8x8(%{{.+}}, %{{.+}}, %{{.+}}) layer "encoder.layer.1.output.dense"
// CHECK:         kernel.call @linear_8x8_gelu(%{{.+}}, %{{.+}}) layer "encoder.layer.0.intermediate.{dense,gelu}"
func.func @shares_kernels(%x: tensor<?x8xf32>) -> tensor<?x8xf32> {
  %a = transformer.get_weight @a : tensor<8x8xf32>
  %b = transformer.get_weight @b : tensor<8x8xf32>
  %g = transformer.get_weight @g : tensor<8xf32>
  %0 = transformer.linear %x, %a bias %g : tensor<?x8xf32>, tensor<8x8xf32>, tensor<8xf32> -> tensor<?x8xf32> loc("encoder.layer.0.output.dense")
  %1 = transformer.linear %0, %b bias %g : tensor<?x8xf32>, tensor<8x8xf32>, tensor<8xf32> -> tensor<?x8xf32> loc("encoder.layer.1.output.dense")
  %2 = transformer.linear %1, %b : tensor<?x8xf32>, tensor<8x8xf32> -> tensor<?x8xf32> {
  ^bb0(%acc: f32):
    %y = transformer.gelu none %acc : f32
    transformer.yield %y : f32
  } loc(fused["encoder.layer.0.intermediate.dense", "encoder.layer.0.intermediate.gelu"])
  return %2 : tensor<?x8xf32>
}

// -----

// Rotary embedding is of a number of heads, wherever its columns stand.
// CHECK:       kernel.define private @rotary_2x4(%[[X:.+]]: tensor<?x16xf32>, %[[P:.+]]: tensor<?xi32>) -> tensor<?x8xf32> rows 0 weights [] {
// CHECK-NEXT:    %[[S:.+]] = transformer.slice %[[X]] axis 1 from 8 to 16
// CHECK-NEXT:    transformer.rotary %[[S]], %[[P]] heads 2 theta
// CHECK-LABEL: func.func @rotates_a_slice
// CHECK:         kernel.call @rotary_2x4
func.func @rotates_a_slice(%x: tensor<?x16xf32>, %p: tensor<?xi32>) -> tensor<?x8xf32> {
  %s = transformer.slice %x axis 1 from 8 to 16 : tensor<?x16xf32> -> tensor<?x8xf32>
  %y = transformer.rotary %s, %p heads 2 theta 10000.0 : tensor<?x8xf32>, tensor<?xi32> -> tensor<?x8xf32>
  return %y : tensor<?x8xf32>
}

// -----

// All layers of a cache share the kernels of the first one; a call says at which
// column its layer begins. What is appended counts the rows, and its slices go
// along; the cache itself is an argument.
// CHECK:       kernel.define private @append_cache_2x4(%[[C:.+]]: tensor<?x128xf32>, %[[K:.+]]: tensor<?x16xf32>, %[[V:.+]]: tensor<?x16xf32>, %{{.+}}: tensor<?xi32>) -> tensor<?x128xf32> rows 1 weights [] {
// CHECK-NEXT:    transformer.slice %[[K]] axis 1 from 0 to 8
// CHECK-NEXT:    transformer.slice %[[V]] axis 1 from 8 to 16
// CHECK-NEXT:    transformer.append_cache %[[C]], %{{.+}} key_heads 2 at 0 :
// CHECK:       kernel.define private @cached_attention_4x4_keys2_causal({{.+}}) -> tensor<?x16xf32> rows 0 weights [] {
// CHECK-NEXT:    transformer.cached_attention {{.+}} at 0 causal
// CHECK-NOT:   kernel.define
// CHECK-LABEL: func.func @shares_kernels_of_layers
// CHECK-SAME:    (%[[X:.+]]: tensor<?x16xf32>, %[[S:.+]]: tensor<?xi32>, %[[C0:.+]]: tensor<?x128xf32>)
// CHECK-NEXT:    %[[C1:.+]] = kernel.call @append_cache_2x4(%[[C0]], %[[X]], %[[X]], %[[S]]) :
// CHECK-NEXT:    %[[A:.+]] = kernel.call @cached_attention_4x4_keys2_causal(%[[X]], %[[C1]], %[[S]], %[[S]], %[[S]], %[[S]]) :
// CHECK-NEXT:    %[[C2:.+]] = kernel.call @append_cache_2x4(%[[C1]], %[[A]], %[[A]], %[[S]]) at 64 :
// CHECK-NEXT:    %[[B:.+]] = kernel.call @cached_attention_4x4_keys2_causal(%[[A]], %[[C2]], %[[S]], %[[S]], %[[S]], %[[S]]) at 64 layer "h.1" :
// CHECK-NEXT:    return %[[B]], %[[C2]]
func.func @shares_kernels_of_layers(%x: tensor<?x16xf32>, %s: tensor<?xi32>, %c0: tensor<?x128xf32>) -> (tensor<?x16xf32>, tensor<?x128xf32>) {
  %k0 = transformer.slice %x axis 1 from 0 to 8 : tensor<?x16xf32> -> tensor<?x8xf32>
  %v0 = transformer.slice %x axis 1 from 8 to 16 : tensor<?x16xf32> -> tensor<?x8xf32>
  %c1 = transformer.append_cache %c0, %k0, %v0, %s key_heads 2 at 0 : tensor<?x128xf32>, tensor<?x8xf32>, tensor<?x8xf32>, tensor<?xi32>
  %a = transformer.cached_attention %x, %c1, %s, %s, %s, %s heads 4 key_heads 2 at 0 causal scale 0.5 : tensor<?x16xf32>, tensor<?x128xf32>, tensor<?xi32>, tensor<?xi32>, tensor<?xi32>, tensor<?xi32> -> tensor<?x16xf32>
  %k1 = transformer.slice %a axis 1 from 0 to 8 : tensor<?x16xf32> -> tensor<?x8xf32>
  %v1 = transformer.slice %a axis 1 from 8 to 16 : tensor<?x16xf32> -> tensor<?x8xf32>
  %c2 = transformer.append_cache %c1, %k1, %v1, %s key_heads 2 at 64 : tensor<?x128xf32>, tensor<?x8xf32>, tensor<?x8xf32>, tensor<?xi32>
  %b = transformer.cached_attention %a, %c2, %s, %s, %s, %s heads 4 key_heads 2 at 64 causal scale 0.5 : tensor<?x16xf32>, tensor<?x128xf32>, tensor<?xi32>, tensor<?xi32>, tensor<?xi32>, tensor<?xi32> -> tensor<?x16xf32> loc("h.1")
  return %b, %c2 : tensor<?x16xf32>, tensor<?x128xf32>
}

// -----

// Slices go along into the kernel, one argument an operand, even if they are of
// one buffer; so does a splat constant, which is not an argument.
// CHECK:       kernel.define private @ragged_attention_2x4(%[[Q:.+]]: tensor<?x24xf32>, %[[K:.+]]: tensor<?x24xf32>, %[[V:.+]]: tensor<?x24xf32>, %{{.+}}: tensor<?xi32>, %{{.+}}: tensor<?xi32>, %{{.+}}: tensor<?xi32>) -> tensor<?x8xf32> rows 0 weights [] {
// CHECK-NEXT:    transformer.slice %[[Q]] axis 1 from 0 to 8
// CHECK-NEXT:    transformer.slice %[[K]] axis 1 from 8 to 16
// CHECK-NEXT:    transformer.slice %[[V]] axis 1 from 16 to 24
// CHECK-NEXT:    transformer.ragged_attention
// CHECK:       kernel.define private @mul_8(%[[X:.+]]: tensor<?x8xf32>) -> tensor<?x8xf32> rows 0 weights [] {
// CHECK-NEXT:    %[[C:.+]] = arith.constant dense<2.000000e+00> : tensor<f32>
// CHECK-NEXT:    transformer.mul %[[C]], %[[X]]
// CHECK-LABEL: func.func @takes_slices_along(
// CHECK-SAME:    %[[QKV:[a-z0-9]+]]: tensor<?x24xf32>, %[[O:[a-z0-9]+]]: tensor<?xi32>, %[[N:[a-z0-9]+]]: tensor<?xi32>)
// CHECK-NEXT:    %[[A:.+]] = kernel.call @ragged_attention_2x4(%[[QKV]], %[[QKV]], %[[QKV]], %[[O]], %[[O]], %[[N]]) :
// CHECK-NEXT:    %[[M:.+]] = kernel.call @mul_8(%[[A]]) :
// CHECK-NEXT:    return %[[M]]
func.func @takes_slices_along(%qkv: tensor<?x24xf32>, %o: tensor<?xi32>, %n: tensor<?xi32>) -> tensor<?x8xf32> {
  %c = arith.constant dense<2.0> : tensor<f32>
  %q = transformer.slice %qkv axis 1 from 0 to 8 : tensor<?x24xf32> -> tensor<?x8xf32>
  %k = transformer.slice %qkv axis 1 from 8 to 16 : tensor<?x24xf32> -> tensor<?x8xf32>
  %v = transformer.slice %qkv axis 1 from 16 to 24 : tensor<?x24xf32> -> tensor<?x8xf32>
  %a = transformer.ragged_attention %q, %k, %v, %o, %o, %n heads 2 key_heads 2 scale 0.5
      : tensor<?x8xf32>, tensor<?x8xf32>, tensor<?x8xf32>, tensor<?xi32>, tensor<?xi32>, tensor<?xi32> -> tensor<?x8xf32>
  %m = transformer.mul %c, %a : tensor<f32>, tensor<?x8xf32> -> tensor<?x8xf32>
  return %m : tensor<?x8xf32>
}

// -----

transformer.weight @g value dense<1.0> : tensor<8xf32>

// A sum without uses is not stored; where it is used there is another
// kernel, whose name is its own.
// CHECK:       kernel.define private @add_layer_norm_8({{.+}}) -> tensor<?x8xf32> rows 0 weights [2, 3] {
// CHECK-NEXT:    %[[Y:.+]], %{{.+}} = transformer.add_layer_norm
// CHECK-NEXT:    kernel.yield %[[Y]] : tensor<?x8xf32>
// CHECK:       kernel.define private @[[$BOTH:add_layer_norm_8_[0-9]+]]({{.+}}) -> (tensor<?x8xf32>, tensor<?x8xf32>) rows 0 weights [2, 3] {
// CHECK-NEXT:    %[[Y:.+]], %[[S:.+]] = transformer.add_layer_norm
// CHECK-NEXT:    kernel.yield %[[Y]], %[[S]]
// CHECK-LABEL: func.func @drops_unused_sums
// CHECK:         %[[A:.+]] = kernel.call @add_layer_norm_8(
// CHECK:         %[[B:.+]]:2 = kernel.call @[[$BOTH]](
// CHECK:         return %[[B]]#0, %[[B]]#1
func.func @drops_unused_sums(%x: tensor<?x8xf32>, %r: tensor<?x8xf32>) -> (tensor<?x8xf32>, tensor<?x8xf32>) {
  %g = transformer.get_weight @g : tensor<8xf32>
  %0, %s0 = transformer.add_layer_norm %x, %r, %g, %g epsilon 1.0e-12 : tensor<?x8xf32>, tensor<?x8xf32>, tensor<8xf32>, tensor<8xf32> -> tensor<?x8xf32>, tensor<?x8xf32>
  %1, %s1 = transformer.add_layer_norm %0, %r, %g, %g epsilon 1.0e-12 : tensor<?x8xf32>, tensor<?x8xf32>, tensor<8xf32>, tensor<8xf32> -> tensor<?x8xf32>, tensor<?x8xf32>
  return %1, %s1 : tensor<?x8xf32>, tensor<?x8xf32>
}

// -----

// Negative: what differs in an attribute is not the same kernel, and neither is
// a row gather from an activation the same as from a table of weights.
transformer.weight @t value dense<1.0> : tensor<16x8xf32>
transformer.weight @g value dense<1.0> : tensor<8xf32>
// CHECK-DAG:   kernel.define private @embedding_8(%{{.+}}: tensor<?xi32>, %{{.+}}: tensor<16x8xf32>) -> tensor<?x8xf32> rows 0 weights [1]
// CHECK-DAG:   kernel.define private @embedding_8_1(%{{.+}}: tensor<?xi32>, %{{.+}}: tensor<?x8xf32>) -> tensor<?x8xf32> rows 0 weights []
// CHECK-DAG:   kernel.define private @rms_norm_8(
// CHECK-DAG:   kernel.define private @rms_norm_8_0(
// CHECK-LABEL: func.func @keeps_apart_what_differs
func.func @keeps_apart_what_differs(%ids: tensor<?xi32>, %rows: tensor<?xi32>) -> tensor<?x8xf32> {
  %t = transformer.get_weight @t : tensor<16x8xf32>
  %g = transformer.get_weight @g : tensor<8xf32>
  %0 = transformer.embedding %ids, %t : tensor<?xi32>, tensor<16x8xf32> -> tensor<?x8xf32>
  %1 = transformer.rms_norm %0, %g epsilon 1.0e-6 : tensor<?x8xf32>, tensor<8xf32> -> tensor<?x8xf32>
  %2 = transformer.rms_norm %1, %g epsilon 1.0e-5 : tensor<?x8xf32>, tensor<8xf32> -> tensor<?x8xf32>
  %3 = transformer.embedding %rows, %2 : tensor<?xi32>, tensor<?x8xf32> -> tensor<?x8xf32>
  return %3 : tensor<?x8xf32>
}

// -----

// Negative: a slice that is a result is work, a copy.
// CHECK:       kernel.define private @slice_4(%{{.+}}: tensor<?x8xf32>) -> tensor<?x4xf32> rows 0 weights []
// CHECK-LABEL: func.func @slice_as_result
// CHECK-NEXT:    kernel.call @slice_4(
func.func @slice_as_result(%x: tensor<?x8xf32>) -> tensor<?x4xf32> {
  %y = transformer.slice %x axis 1 from 0 to 4 : tensor<?x8xf32> -> tensor<?x4xf32>
  return %y : tensor<?x4xf32>
}

// -----

// A column takes its slice along.
// CHECK:       kernel.define private @reshape_column(%{{.+}}: tensor<?x2xf32>) -> tensor<?xf32> rows 0 weights [] {
// CHECK-NEXT:    transformer.slice %{{.+}} axis 1 from 1 to 2
// CHECK-NEXT:    transformer.reshape %{{.+}} to [0]
// CHECK-LABEL: func.func @column
// CHECK-NEXT:    kernel.call @reshape_column(
func.func @column(%x: tensor<?x2xf32>) -> tensor<?xf32> {
  %y = transformer.slice %x axis 1 from 1 to 2 : tensor<?x2xf32> -> tensor<?x1xf32>
  %z = transformer.reshape %y to [0] : tensor<?x1xf32> -> tensor<?xf32>
  return %z : tensor<?xf32>
}
