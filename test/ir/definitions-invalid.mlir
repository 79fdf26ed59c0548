// RUN: transom-opt %s --split-input-file --verify-diagnostics

// tanh takes floating-point numbers.
func.func @f(%x: tensor<4xi32>) {
  // expected-error@+1 {{'transformer.tanh' op operand #0 must be ranked tensor of 32-bit float or 16-bit float or bfloat16 type or 64-bit float values or 32-bit float or 16-bit float or bfloat16 type or 64-bit float, but got 'tensor<4xi32>'}}
  %0 = transformer.tanh %x : tensor<4xi32>
  return
}

// -----

// relu takes floating-point numbers.
func.func @f(%x: tensor<4xi32>) {
  // expected-error@+1 {{'transformer.relu' op operand #0 must be ranked tensor of 32-bit float or 16-bit float or bfloat16 type or 64-bit float values or 32-bit float or 16-bit float or bfloat16 type or 64-bit float, but got 'tensor<4xi32>'}}
  %0 = transformer.relu %x : tensor<4xi32>
  return
}

// -----

// silu takes floating-point numbers.
func.func @f(%x: tensor<4xi32>) {
  // expected-error@+1 {{'transformer.silu' op operand #0 must be ranked tensor of 32-bit float or 16-bit float or bfloat16 type or 64-bit float values or 32-bit float or 16-bit float or bfloat16 type or 64-bit float, but got 'tensor<4xi32>'}}
  %0 = transformer.silu %x : tensor<4xi32>
  return
}

// -----

// weight: neither sources nor value.
// expected-error@+1 {{custom op 'transformer.weight' expected 'from': expects 'from' or 'value'}}
transformer.weight @w : tensor<4xf32>

// -----

// weight: both sources and value.
// expected-error@+1 {{'transformer.weight' op expects either sources or a value, got both}}
"transformer.weight"() {sym_name = "w", sources = [#transformer.source<"w">], value = dense<1.0> : tensor<4xf32>, type = tensor<4xf32>} : () -> ()

// -----

// weight: a shape that is not known.
// expected-error@+1 {{'transformer.weight' op expects a static shape, got 'tensor<?xf32>'}}
transformer.weight @w from [#transformer.source<"w">] : tensor<?xf32>

// -----

// weight: a value of another shape.
// expected-error@+1 {{'transformer.weight' op expects a value of 'tensor<4xf32>', got 'tensor<3xf32>'}}
"transformer.weight"() {sym_name = "w", value = dense<1.0> : tensor<3xf32>, type = tensor<4xf32>} : () -> ()

// -----

// weight: no source.
// expected-error@+1 {{'transformer.weight' op expects one source or more, got none}}
transformer.weight @w from [] : tensor<4xf32>

// -----

// get_weight: no such weight.
func.func @f() {
  // expected-error@+1 {{'transformer.get_weight' op expects the name of a transformer.weight, got @w}}
  %0 = transformer.get_weight @w : tensor<4xf32>
  return
}

// -----

// get_weight: the type is the weight's.
transformer.weight @w value dense<1.0> : tensor<4xf32>
func.func @f() {
  // expected-error@+1 {{'transformer.get_weight' op expects the type of @w, 'tensor<4xf32>', got 'tensor<5xf32>'}}
  %0 = transformer.get_weight @w : tensor<5xf32>
  return
}

// -----

// embedding: a table is [V, C].
func.func @f(%i: tensor<?xi32>, %t: tensor<4xf32>) {
  // expected-error@+1 {{'transformer.embedding' op expects table of rank 2, got 'tensor<4xf32>'}}
  %0 = transformer.embedding %i, %t : tensor<?xi32>, tensor<4xf32> -> tensor<?x4xf32>
  return
}

// -----

// linear: the widths differ.
func.func @f(%x: tensor<?x4xf32>, %w: tensor<8x3xf32>) {
  // expected-error@+1 {{'transformer.linear' op expects the widths of input and weight to be equal, got 4 and 3}}
  %0 = transformer.linear %x, %w : tensor<?x4xf32>, tensor<8x3xf32> -> tensor<?x8xf32>
  return
}

// -----

// linear: the bias is [N].
func.func @f(%x: tensor<?x4xf32>, %w: tensor<8x4xf32>, %b: tensor<4xf32>) {
  // expected-error@+1 {{'transformer.linear' op expects the bias to have an element for each of the weight's rows, got 4 and 8}}
  %0 = transformer.linear %x, %w bias %b : tensor<?x4xf32>, tensor<8x4xf32>, tensor<4xf32> -> tensor<?x8xf32>
  return
}

// -----

// linear: extras without an epilogue.
func.func @f(%x: tensor<?x4xf32>, %w: tensor<8x4xf32>, %r: tensor<?x8xf32>) {
  // expected-error@+1 {{'transformer.linear' op expects an epilogue that uses the extras, got none}}
  %0 = transformer.linear %x, %w extras(%r) : tensor<?x4xf32>, tensor<8x4xf32> extras(tensor<?x8xf32>) -> tensor<?x8xf32>
  return
}

// -----

// linear: an epilogue without an accumulator.
func.func @f(%x: tensor<?x4xf32>, %w: tensor<8x4xf32>) {
  // expected-error@+1 {{'transformer.linear' op expects a region of 1 arguments, got 0}}
  %0 = transformer.linear %x, %w : tensor<?x4xf32>, tensor<8x4xf32> -> tensor<?x8xf32> {
    %c = arith.constant 1.0 : f32
    transformer.yield %c : f32
  }
  return
}

// -----

// linear: a tensor in the epilogue.
func.func @f(%x: tensor<?x4xf32>, %w: tensor<8x4xf32>) {
  // expected-note@+1 {{required by region isolation constraints}}
  %0 = transformer.linear %x, %w : tensor<?x4xf32>, tensor<8x4xf32> -> tensor<?x8xf32> {
  ^bb0(%a: f32):
    // expected-error@+1 {{'transformer.tanh' op using value defined outside the region}}
    %1 = transformer.tanh %x : tensor<?x4xf32>
    transformer.yield %a : f32
  }
  return
}

// -----

// matmul: the inner extents differ.
func.func @f(%x: tensor<4x3xf32>, %y: tensor<4x3xf32>) {
  // expected-error@+1 {{'transformer.matmul' op expects as many columns of lhs as terms in rhs's sums, got 3 and 4}}
  %0 = transformer.matmul %x, %y : tensor<4x3xf32>, tensor<4x3xf32> -> tensor<4x3xf32>
  return
}

// -----

// matmul: the batches differ.
func.func @f(%x: tensor<2x4x4xf32>, %y: tensor<3x4x4xf32>) {
  // expected-error@+1 {{'transformer.matmul' op expects batch dimensions that broadcast, got 'tensor<2x4x4xf32>' and 'tensor<3x4x4xf32>'}}
  %0 = transformer.matmul %x, %y : tensor<2x4x4xf32>, tensor<3x4x4xf32> -> tensor<2x4x4xf32>
  return
}

// -----

// scale takes floating-point numbers.
func.func @f(%x: tensor<4xi32>) {
  // expected-error@+1 {{'transformer.scale' op operand #0 must be ranked tensor of 32-bit float or 16-bit float or bfloat16 type or 64-bit float values or 32-bit float or 16-bit float or bfloat16 type or 64-bit float, but got 'tensor<4xi32>'}}
  %0 = transformer.scale %x by 2.0 : tensor<4xi32>
  return
}

// -----

// gelu takes floating-point numbers.
func.func @f(%x: tensor<4xi32>) {
  // expected-error@+1 {{'transformer.gelu' op operand #0 must be ranked tensor of 32-bit float or 16-bit float or bfloat16 type or 64-bit float values or 32-bit float or 16-bit float or bfloat16 type or 64-bit float, but got 'tensor<4xi32>'}}
  %0 = transformer.gelu none %x : tensor<4xi32>
  return
}

// -----

// softmax of a scalar.
func.func @f(%x: tensor<f32>) {
  // expected-error@+1 {{'transformer.softmax' op expects input of rank 1 or more, got 'tensor<f32>'}}
  %0 = transformer.softmax %x : tensor<f32>
  return
}

// -----

// layer_norm: gamma is [C].
func.func @f(%x: tensor<?x4xf32>, %g: tensor<3xf32>) {
  // expected-error@+1 {{'transformer.layer_norm' op expects the widths of input and gamma to be equal, got 4 and 3}}
  %0 = transformer.layer_norm %x, %g, %g epsilon 1.0e-5 : tensor<?x4xf32>, tensor<3xf32>, tensor<3xf32> -> tensor<?x4xf32>
  return
}

// -----

// layer_norm: an epsilon below 0.
func.func @f(%x: tensor<?x4xf32>, %g: tensor<4xf32>) {
  // expected-error@+1 {{'transformer.layer_norm' op expects a finite epsilon of 0 or more, got -1.000000e+00}}
  %0 = transformer.layer_norm %x, %g, %g epsilon -1.0 : tensor<?x4xf32>, tensor<4xf32>, tensor<4xf32> -> tensor<?x4xf32>
  return
}

// -----

// rms_norm: gamma is [C].
func.func @f(%x: tensor<?x4xf32>, %g: tensor<3xf32>) {
  // expected-error@+1 {{'transformer.rms_norm' op expects the widths of input and gamma to be equal, got 4 and 3}}
  %0 = transformer.rms_norm %x, %g epsilon 1.0e-5 : tensor<?x4xf32>, tensor<3xf32> -> tensor<?x4xf32>
  return
}

// -----

// split_heads: 3 heads of 4 columns.
func.func @f(%x: tensor<?x?x4xf32>) {
  // expected-error@+1 {{'transformer.split_heads' op expects heads that divide the input's width, got 3 and 'tensor<?x?x4xf32>'}}
  %0 = transformer.split_heads %x heads 3 : tensor<?x?x4xf32> -> tensor<?x3x?x1xf32>
  return
}

// -----

// merge_heads: heads are [B, H, T, D].
func.func @f(%x: tensor<?x2x4xf32>) {
  // expected-error@+1 {{'transformer.merge_heads' op expects input of rank 4, got 'tensor<?x2x4xf32>'}}
  %0 = transformer.merge_heads %x : tensor<?x2x4xf32> -> tensor<?x?x8xf32>
  return
}

// -----

// padding_mask: a mask is [B, T].
func.func @f(%x: tensor<4xi32>) {
  // expected-error@+1 {{'transformer.padding_mask' op expects mask of rank 2, got 'tensor<4xi32>'}}
  %0 = transformer.padding_mask %x : tensor<4xi32> -> tensor<4x1x1x4xf32>
  return
}

// -----

// causal_mask: scores have queries and keys.
func.func @f(%x: tensor<4xf32>) {
  // expected-error@+1 {{'transformer.causal_mask' op expects scores of rank 2 or more, got 'tensor<4xf32>'}}
  %0 = transformer.causal_mask %x : tensor<4xf32>
  return
}

// -----

// relative_bias: the distance lies within the exact buckets.
func.func @f(%t: tensor<32x8xf32>, %x: tensor<?x?x4xf32>) {
  // expected-error@+1 {{'transformer.relative_bias' op expects max_distance above the 16 exact buckets of a direction, got 4}}
  %0 = transformer.relative_bias %t, %x, %x max_distance 4 : tensor<32x8xf32>, tensor<?x?x4xf32>, tensor<?x?x4xf32> -> tensor<1x8x?x?xf32>
  return
}

// -----

// relative_bias: too few buckets.
func.func @f(%t: tensor<1x8xf32>, %x: tensor<?x?x4xf32>) {
  // expected-error@+1 {{'transformer.relative_bias' op expects a table of 4 buckets or more, got 'tensor<1x8xf32>'}}
  %0 = transformer.relative_bias %t, %x, %x bidirectional max_distance 128 : tensor<1x8xf32>, tensor<?x?x4xf32>, tensor<?x?x4xf32> -> tensor<1x8x?x?xf32>
  return
}

// -----

// rotary: halves of an odd width.
func.func @f(%x: tensor<?x2x?x5xf32>, %p: tensor<?x?xi32>) {
  // expected-error@+1 {{'transformer.rotary' op expects heads of even width, got 5}}
  %0 = transformer.rotary %x, %p theta 10000.0 : tensor<?x2x?x5xf32>, tensor<?x?xi32> -> tensor<?x2x?x5xf32>
  return
}

// -----

// rotary: theta is above 0.
func.func @f(%x: tensor<?x2x?x4xf32>, %p: tensor<?x?xi32>) {
  // expected-error@+1 {{'transformer.rotary' op expects a finite theta above 0, got 0.000000e+00}}
  %0 = transformer.rotary %x, %p theta 0.0 : tensor<?x2x?x4xf32>, tensor<?x?xi32> -> tensor<?x2x?x4xf32>
  return
}

// -----

// select_token: beyond the length.
func.func @f(%x: tensor<?x3x4xf32>) {
  // expected-error@+1 {{'transformer.select_token' op expects a token of 'tensor<?x3x4xf32>', got 3}}
  %0 = transformer.select_token %x at 3 : tensor<?x3x4xf32> -> tensor<?x4xf32>
  return
}

// -----

// gather_token: one index for each sequence.
func.func @f(%x: tensor<2x?x4xf32>, %i: tensor<3xi32>) {
  // expected-error@+1 {{'transformer.gather_token' op expects an index for each sequence, got 3 and 2}}
  %0 = transformer.gather_token %x, %i : tensor<2x?x4xf32>, tensor<3xi32> -> tensor<2x4xf32>
  return
}

// -----

// gather_token: of [B, T, C].
func.func @f(%x: tensor<?x4xf32>, %i: tensor<?xi32>) {
  // expected-error@+1 {{'transformer.gather_token' op expects input of rank 3, got 'tensor<?x4xf32>'}}
  %0 = transformer.gather_token %x, %i : tensor<?x4xf32>, tensor<?xi32> -> tensor<?x4xf32>
  return
}

// -----

// yield stands in a region of a fused op.
func.func @f(%x: f32) {
  // expected-error@+1 {{'transformer.yield' op expects parent op to be one of 'transformer.linear, transformer.elementwise'}}
  transformer.yield %x : f32
  return
}

// -----

// rotary: two heads of three columns.
func.func @f(%x: tensor<?x6xf32>, %p: tensor<?xi32>) {
  // expected-error@+1 {{'transformer.rotary' op expects heads of even width, got 3}}
  %0 = transformer.rotary %x, %p heads 2 theta 10000.0 : tensor<?x6xf32>, tensor<?xi32> -> tensor<?x6xf32>
  return
}

// -----

// rotary: heads side by side.
func.func @f(%x: tensor<?x8xf32>, %p: tensor<?xi32>) {
  // expected-error@+1 {{'transformer.rotary' op expects heads that divide the input's width, got 3 and 'tensor<?x8xf32>'}}
  %0 = transformer.rotary %x, %p heads 3 theta 10000.0 : tensor<?x8xf32>, tensor<?xi32> -> tensor<?x8xf32>
  return
}

// -----

// repeat_heads: 2 key heads for 5.
func.func @f(%x: tensor<?x2x?x4xf32>) {
  // expected-error@+1 {{'transformer.repeat_heads' op expects heads that are a multiple of the input's, got 5 and 'tensor<?x2x?x4xf32>'}}
  %0 = transformer.repeat_heads %x heads 5 : tensor<?x2x?x4xf32> -> tensor<?x5x?x4xf32>
  return
}
