// RUN: transom-opt %s --transom-verify-lowerable --split-input-file --verify-diagnostics

transformer.weight @table value dense<1.0> : tensor<16x8xf32>
transformer.weight @g value dense<1.0> : tensor<8xf32>

// Everything that some family accepts: no diagnostics.
func.func @lowerable(%ids: tensor<?xi32>, %e: tensor<?x1xf32>, %offsets: tensor<?xi32>, %lengths: tensor<?xi32>) -> (tensor<?x8xf32>, tensor<?x1xf32>) {
  %table = transformer.get_weight @table : tensor<16x8xf32>
  %g = transformer.get_weight @g : tensor<8xf32>
  %c = arith.constant dense<2.0> : tensor<f32>
  %x = transformer.embedding %ids, %table : tensor<?xi32>, tensor<16x8xf32> -> tensor<?x8xf32>
  %l = transformer.linear %x, %table extras(%e) : tensor<?x8xf32>, tensor<16x8xf32> extras(tensor<?x1xf32>) -> tensor<?x16xf32> {
  ^bb0(%acc: f32, %r: f32):
    %k = arith.constant 0.0 : f32
    %p = transformer.compare gt %acc, %k : f32, f32 -> i1
    %s = transformer.select %p, %acc, %k : i1, f32, f32 -> f32
    transformer.yield %s : f32
  }
  %q = transformer.slice %l axis 1 from 8 to 16 : tensor<?x16xf32> -> tensor<?x8xf32>
  %a = transformer.ragged_attention %q, %x, %x, %offsets, %offsets, %lengths heads 2 key_heads 2 scale 1.0
      : tensor<?x8xf32>, tensor<?x8xf32>, tensor<?x8xf32>, tensor<?xi32>, tensor<?xi32>, tensor<?xi32> -> tensor<?x8xf32>
  %turned = transformer.rotary %a, %ids heads 2 theta 10000.0 : tensor<?x8xf32>, tensor<?xi32> -> tensor<?x8xf32>
  %n, %sum = transformer.add_layer_norm %turned, %x, %g, %g epsilon 1.0e-12
      : tensor<?x8xf32>, tensor<?x8xf32>, tensor<8xf32>, tensor<8xf32> -> tensor<?x8xf32>, tensor<?x8xf32>
  %o = transformer.layer_norm %n, %g, %g epsilon 1.0e-12 : tensor<?x8xf32>, tensor<8xf32>, tensor<8xf32> -> tensor<?x8xf32>
  %r = transformer.rms_norm %o, %g epsilon 1.0e-6 : tensor<?x8xf32>, tensor<8xf32> -> tensor<?x8xf32>
  %s = transformer.softmax %r : tensor<?x8xf32>
  %m = transformer.reduce max %s axes [1] keep_dims : tensor<?x8xf32> -> tensor<?x1xf32>
  %d = transformer.sub %s, %m : tensor<?x8xf32>, tensor<?x1xf32> -> tensor<?x8xf32>
  %f = transformer.mul %d, %c : tensor<?x8xf32>, tensor<f32> -> tensor<?x8xf32>
  %t = transformer.elementwise %f, %g : tensor<?x8xf32>, tensor<8xf32> -> tensor<?x8xf32> {
  ^bb0(%x0: f32, %x1: f32):
    %y = transformer.add %x0, %x1 : f32, f32 -> f32
    transformer.yield %y : f32
  }
  return %t, %m : tensor<?x8xf32>, tensor<?x1xf32>
}

func.func @cache(%x: tensor<?x8xf32>, %o: tensor<?xi32>, %c: tensor<?x64xf32>) -> (tensor<?x8xf32>, tensor<?x64xf32>) {
  %d = transformer.append_cache %c, %x, %x, %o key_heads 2 at 0 : tensor<?x64xf32>, tensor<?x8xf32>, tensor<?x8xf32>, tensor<?xi32>
  %y = transformer.cached_attention %x, %d, %o, %o, %o, %o heads 2 key_heads 2 at 0 causal scale 0.5 : tensor<?x8xf32>, tensor<?x64xf32>, tensor<?xi32>, tensor<?xi32>, tensor<?xi32>, tensor<?xi32> -> tensor<?x8xf32>
  return %y, %d : tensor<?x8xf32>, tensor<?x64xf32>
}

// One column of a row, and nothing else of a reshape.
func.func @column(%x: tensor<?x1xf32>) -> tensor<?xf32> {
  %y = transformer.reshape %x to [0] : tensor<?x1xf32> -> tensor<?xf32>
  return %y : tensor<?xf32>
}

// -----

func.func @two_columns(%x: tensor<?x2xf32>) -> tensor<?xf32> {
  // expected-error @+2 {{no kernel accepts 'transformer.reshape' on 'tensor<?xf32>'}}
  // expected-note @+1 {{transom-raise should have consumed it}}
  %y = transformer.reshape %x to [-1] : tensor<?x2xf32> -> tensor<?xf32>
  return %y : tensor<?xf32>
}

// -----

func.func @heads_in_four_dimensions(%x: tensor<?x2x?x?xf32>) -> tensor<?x2x?x?xf32> {
  // expected-error @+1 {{no kernel accepts 'transformer.softmax' on 'tensor<?x2x?x?xf32>'}}
  %y = transformer.softmax %x : tensor<?x2x?x?xf32>
  return %y : tensor<?x2x?x?xf32>
}

// -----

func.func @batched_matmul(%x: tensor<?x8xf32>) -> tensor<?x?xf32> {
  // expected-error @+2 {{no kernel accepts 'transformer.matmul' on 'tensor<?x?xf32>'}}
  // expected-note @+1 {{transom-fuse-attention should have consumed it}}
  %y = transformer.matmul %x, %x transpose_rhs : tensor<?x8xf32>, tensor<?x8xf32> -> tensor<?x?xf32>
  return %y : tensor<?x?xf32>
}

// -----

func.func @padded(%x: tensor<?x?x8xf32>) -> tensor<?x8xf32> {
  // expected-error @+2 {{no kernel accepts 'transformer.select_token' on 'tensor<?x8xf32>'}}
  // expected-note @+1 {{transom-remove-padding should have consumed it}}
  %y = transformer.select_token %x at 0 : tensor<?x?x8xf32> -> tensor<?x8xf32>
  return %y : tensor<?x8xf32>
}

// -----

func.func @shape_of_an_exporter(%x: tensor<?x8xf32>) -> tensor<?x8xf32> {
  // expected-error @+2 {{no kernel accepts 'transformer.transpose' on 'tensor<8x?xf32>'}}
  // expected-note @+1 {{transom-raise should have consumed it}}
  %y = transformer.transpose %x [1, 0] : tensor<?x8xf32> -> tensor<8x?xf32>
  %z = transformer.transpose %y [1, 0] : tensor<8x?xf32> -> tensor<?x8xf32>
  return %z : tensor<?x8xf32>
}

// -----

func.func @integers(%x: tensor<?x8xi32>) -> tensor<?x8xi32> {
  // expected-error @+1 {{no kernel accepts 'transformer.add' on 'tensor<?x8xi32>'}}
  %y = transformer.add %x, %x : tensor<?x8xi32>, tensor<?x8xi32> -> tensor<?x8xi32>
  return %y : tensor<?x8xi32>
}

// -----

func.func @weights_that_are_activations(%x: tensor<?x8xf32>, %w: tensor<8x8xf32>) -> tensor<?x8xf32> {
  // expected-error @+1 {{no kernel accepts 'transformer.linear' on 'tensor<?x8xf32>'}}
  %y = transformer.linear %x, %w : tensor<?x8xf32>, tensor<8x8xf32> -> tensor<?x8xf32>
  return %y : tensor<?x8xf32>
}

// -----

func.func @constant_of_many_values(%x: tensor<?x2xf32>) -> tensor<?x2xf32> {
  // expected-error @+1 {{no kernel accepts 'arith.constant' on 'tensor<2xf32>'}}
  %c = arith.constant dense<[1.0, 2.0]> : tensor<2xf32>
  %y = transformer.add %x, %c : tensor<?x2xf32>, tensor<2xf32> -> tensor<?x2xf32>
  return %y : tensor<?x2xf32>
}

// -----

func.func @norm_of_other_weights(%x: tensor<?x8xf32>, %g: tensor<8xf32>) -> tensor<?x8xf32> {
  // expected-error @+1 {{no kernel accepts 'transformer.rms_norm' on 'tensor<?x8xf32>'}}
  %y = transformer.rms_norm %x, %g epsilon 1.0e-6 : tensor<?x8xf32>, tensor<8xf32> -> tensor<?x8xf32>
  return %y : tensor<?x8xf32>
}

// -----

func.func @columns_unknown(%x: tensor<?x?xf32>) -> tensor<?x?xf32> {
  // expected-error @+1 {{no kernel accepts 'transformer.tanh' on 'tensor<?x?xf32>'}}
  %y = transformer.tanh %x : tensor<?x?xf32>
  return %y : tensor<?x?xf32>
}

// -----

func.func @slice_of_rows(%x: tensor<?x8xf32>) -> tensor<?x8xf32> {
  // expected-error @+1 {{no kernel accepts 'transformer.slice' on 'tensor<?x8xf32>'}}
  %y = transformer.slice %x axis 0 from 0 to 4 : tensor<?x8xf32> -> tensor<?x8xf32>
  return %y : tensor<?x8xf32>
}

// -----

// Positions are i32 when a kernel reads them.
func.func @rotary_by_i64(%x: tensor<?x8xf32>, %p: tensor<?xi64>) -> tensor<?x8xf32> {
  // expected-error@+1 {{no kernel accepts 'transformer.rotary' on 'tensor<?x8xf32>'}}
  %y = transformer.rotary %x, %p heads 2 theta 10000.0 : tensor<?x8xf32>, tensor<?xi64> -> tensor<?x8xf32>
  return %y : tensor<?x8xf32>
}

// -----

// A cache of as many columns as a run has.
func.func @cache_of_any_width(%x: tensor<?x8xf32>, %o: tensor<?xi32>, %c: tensor<?x?xf32>) -> tensor<?x8xf32> {
  // expected-error@+1 {{no kernel accepts 'transformer.append_cache' on 'tensor<?x?xf32>'}}
  %d = transformer.append_cache %c, %x, %x, %o key_heads 2 at 0 : tensor<?x?xf32>, tensor<?x8xf32>, tensor<?x8xf32>, tensor<?xi32>
  %y = transformer.cached_attention %x, %d, %o, %o, %o, %o heads 2 key_heads 2 at 0 causal scale 0.5 : tensor<?x8xf32>, tensor<?x?xf32>, tensor<?xi32>, tensor<?xi32>, tensor<?xi32>, tensor<?xi32> -> tensor<?x8xf32>
  return %y : tensor<?x8xf32>
}
