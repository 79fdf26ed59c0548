// RUN: transom-opt %s --split-input-file --verify-diagnostics

// attention: 3 key heads for 8.
func.func @f(%q: tensor<?x8x?x4xf32>, %k: tensor<?x3x?x4xf32>) {
  // expected-error@+1 {{'transformer.attention' op expects key heads to divide query heads, got 3 and 8}}
  %0 = transformer.attention %q, %k, %k scale 1.0 : tensor<?x8x?x4xf32>, tensor<?x3x?x4xf32>, tensor<?x3x?x4xf32> -> tensor<?x8x?x4xf32>
  return
}

// -----

// attention: heads of unequal width.
func.func @f(%q: tensor<?x8x?x4xf32>, %k: tensor<?x8x?x3xf32>) {
  // expected-error@+1 {{'transformer.attention' op expects the head sizes of query and key to be equal, got 4 and 3}}
  %0 = transformer.attention %q, %k, %k scale 1.0 : tensor<?x8x?x4xf32>, tensor<?x8x?x3xf32>, tensor<?x8x?x3xf32> -> tensor<?x8x?x4xf32>
  return
}

// -----

// attention: keys and values of one type.
func.func @f(%q: tensor<?x8x?x4xf32>, %k: tensor<?x4x?x4xf32>) {
  // expected-error@+1 {{'transformer.attention' op expects key and value of one type, got 'tensor<?x4x?x4xf32>' and 'tensor<?x8x?x4xf32>'}}
  %0 = transformer.attention %q, %k, %q scale 1.0 : tensor<?x8x?x4xf32>, tensor<?x4x?x4xf32>, tensor<?x8x?x4xf32> -> tensor<?x8x?x4xf32>
  return
}

// -----

// attention: a bias of 3 heads.
func.func @f(%q: tensor<?x8x?x4xf32>, %b: tensor<?x3x1x?xf32>) {
  // expected-error@+1 {{'transformer.attention' op expects a bias that broadcasts to the scores, 'tensor<?x8x?x?xf32>', got 'tensor<?x3x1x?xf32>'}}
  %0 = transformer.attention %q, %q, %q bias %b scale 1.0 : tensor<?x8x?x4xf32>, tensor<?x8x?x4xf32>, tensor<?x8x?x4xf32>, tensor<?x3x1x?xf32> -> tensor<?x8x?x4xf32>
  return
}

// -----

// attention: distances of 3 heads.
func.func @f(%q: tensor<?x8x?x4xf32>, %d: tensor<3x5xf32>) {
  // expected-error@+1 {{'transformer.attention' op expects a distance_bias for each head, got 3 and 8}}
  %0 = transformer.attention %q, %q, %q distance_bias %d from -2 scale 1.0 : tensor<?x8x?x4xf32>, tensor<?x8x?x4xf32>, tensor<?x8x?x4xf32> distance_bias tensor<3x5xf32> -> tensor<?x8x?x4xf32>
  return
}

// -----

// ragged_attention: no distances.
func.func @f(%q: tensor<?x32xf32>, %o: tensor<?xi32>, %d: tensor<8x0xf32>) {
  // expected-error@+1 {{'transformer.ragged_attention' op expects a distance_bias of one distance or more, got 'tensor<8x0xf32>'}}
  %0 = transformer.ragged_attention %q, %q, %q, %o, %o, %o distance_bias %d from 0 heads 8 key_heads 8 scale 1.0 : tensor<?x32xf32>, tensor<?x32xf32>, tensor<?x32xf32>, tensor<?xi32>, tensor<?xi32>, tensor<?xi32> distance_bias tensor<8x0xf32> -> tensor<?x32xf32>
  return
}

// -----

// ragged_attention: 3 key heads for 8.
func.func @f(%q: tensor<?x32xf32>, %k: tensor<?x12xf32>, %o: tensor<?xi32>) {
  // expected-error@+1 {{'transformer.ragged_attention' op expects key_heads to divide heads, got 3 and 8}}
  %0 = transformer.ragged_attention %q, %k, %k, %o, %o, %o heads 8 key_heads 3 scale 1.0 : tensor<?x32xf32>, tensor<?x12xf32>, tensor<?x12xf32>, tensor<?xi32>, tensor<?xi32>, tensor<?xi32> -> tensor<?x32xf32>
  return
}

// -----

// ragged_attention: 5 heads of 32 columns.
func.func @f(%q: tensor<?x32xf32>, %k: tensor<?x32xf32>, %o: tensor<?xi32>) {
  // expected-error@+1 {{'transformer.ragged_attention' op expects heads to divide the query's width, got 5 and 32}}
  %0 = transformer.ragged_attention %q, %k, %k, %o, %o, %o heads 5 key_heads 5 scale 1.0 : tensor<?x32xf32>, tensor<?x32xf32>, tensor<?x32xf32>, tensor<?xi32>, tensor<?xi32>, tensor<?xi32> -> tensor<?x32xf32>
  return
}

// -----

// ragged_attention: keys of another head size.
func.func @f(%q: tensor<?x32xf32>, %k: tensor<?x16xf32>, %o: tensor<?xi32>) {
  // expected-error@+1 {{'transformer.ragged_attention' op expects the key's width to be key_heads times the head size, got 16 and 32}}
  %0 = transformer.ragged_attention %q, %k, %k, %o, %o, %o heads 4 key_heads 4 scale 1.0 : tensor<?x32xf32>, tensor<?x16xf32>, tensor<?x16xf32>, tensor<?xi32>, tensor<?xi32>, tensor<?xi32> -> tensor<?x32xf32>
  return
}

// -----

// add_layer_norm: input and residual of one type.
func.func @f(%x: tensor<?x4xf32>, %r: tensor<4xf32>) {
  // expected-error@+1 {{'transformer.add_layer_norm' op expects input and residual of one type, got 'tensor<?x4xf32>' and 'tensor<4xf32>'}}
  %0:2 = transformer.add_layer_norm %x, %r, %r, %r epsilon 1.0e-5 : tensor<?x4xf32>, tensor<4xf32>, tensor<4xf32>, tensor<4xf32> -> tensor<?x4xf32>, tensor<?x4xf32>
  return
}

// -----

// add_layer_norm: gamma is [C].
func.func @f(%x: tensor<?x4xf32>, %g: tensor<3xf32>) {
  // expected-error@+1 {{'transformer.add_layer_norm' op expects the widths of input and gamma to be equal, got 4 and 3}}
  %0:2 = transformer.add_layer_norm %x, %x, %g, %g epsilon 1.0e-5 : tensor<?x4xf32>, tensor<?x4xf32>, tensor<3xf32>, tensor<3xf32> -> tensor<?x4xf32>, tensor<?x4xf32>
  return
}

// -----

// add_rms_norm: gamma is [C].
func.func @f(%x: tensor<?x4xf32>, %g: tensor<3xf32>) {
  // expected-error@+1 {{'transformer.add_rms_norm' op expects the widths of input and gamma to be equal, got 4 and 3}}
  %0:2 = transformer.add_rms_norm %x, %x, %g epsilon 1.0e-5 : tensor<?x4xf32>, tensor<?x4xf32>, tensor<3xf32> -> tensor<?x4xf32>, tensor<?x4xf32>
  return
}

// -----

// elementwise: one argument an input.
func.func @f(%x: tensor<?x4xf32>) {
  // expected-error@+1 {{'transformer.elementwise' op expects a region of 1 arguments, got 2}}
  %0 = transformer.elementwise %x : tensor<?x4xf32> -> tensor<?x4xf32> {
  ^bb0(%a: f32, %b: f32):
    transformer.yield %a : f32
  }
  return
}

// -----

// elementwise: arguments have the inputs' element types.
func.func @f(%x: tensor<?x4xf32>) {
  // expected-error@+1 {{'transformer.elementwise' op expects argument 0 of the region to be 'f32', got 'i32'}}
  %0 = transformer.elementwise %x : tensor<?x4xf32> -> tensor<?x4xf32> {
  ^bb0(%a: i32):
    transformer.yield %a : i32
  }
  return
}

// -----

// elementwise: one value a result.
func.func @f(%x: tensor<?x4xf32>) {
  %0 = transformer.elementwise %x : tensor<?x4xf32> -> tensor<?x4xf32> {
  ^bb0(%a: f32):
    // expected-error@+1 {{'transformer.yield' op expects 1 values, one a result, got 2}}
    transformer.yield %a, %a : f32, f32
  }
  return
}

// -----

// elementwise: the values have the results' element types.
func.func @f(%x: tensor<?x4xf32>) {
  %0 = transformer.elementwise %x : tensor<?x4xf32> -> tensor<?x4xi32> {
  ^bb0(%a: f32):
    // expected-error@+1 {{'transformer.yield' op expects value 0 to be 'i32', got 'f32'}}
    transformer.yield %a : f32
  }
  return
}

// -----

// elementwise: results have the inputs' shape.
func.func @f(%x: tensor<?x4xf32>) {
  // expected-error@+1 {{'transformer.elementwise' op expects results of the inputs' common shape, 'tensor<?x4xf32>', got 'tensor<?x5xf32>'}}
  %0 = transformer.elementwise %x : tensor<?x4xf32> -> tensor<?x5xf32> {
  ^bb0(%a: f32):
    transformer.yield %a : f32
  }
  return
}

// -----

// elementwise: inputs broadcast.
func.func @f(%x: tensor<?x4xf32>, %y: tensor<3xf32>) {
  // expected-error@+1 {{'transformer.elementwise' op expects inputs whose shapes broadcast, got 'tensor<?x4xf32>' and 'tensor<3xf32>'}}
  %0 = transformer.elementwise %x, %y : tensor<?x4xf32>, tensor<3xf32> -> tensor<?x4xf32> {
  ^bb0(%a: f32, %b: f32):
    transformer.yield %a : f32
  }
  return
}

// -----

// elementwise: elementwise ops only.
func.func @f(%x: tensor<?x4xf32>) {
  // expected-note@+1 {{required by region isolation constraints}}
  %0 = transformer.elementwise %x : tensor<?x4xf32> -> tensor<?x4xf32> {
  ^bb0(%a: f32):
    // expected-error@+1 {{'transformer.softmax' op using value defined outside the region}}
    %1 = transformer.softmax %x : tensor<?x4xf32>
    transformer.yield %a : f32
  }
  return
}
