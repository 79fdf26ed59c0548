// RUN: transom-test-opt %s --test-interpret -o /dev/null | FileCheck %s

transformer.weight @w value dense<[[1.0, 2.0], [3.0, 4.0]]> : tensor<2x2xf32>
transformer.weight @g value dense<1.0> : tensor<2xf32>
transformer.weight @b value dense<0.0> : tensor<2xf32>

// Extras are broadcast to the result: an activation, a value a row, a vector.
// CHECK-LABEL: @epilogue
// CHECK-NEXT{LITERAL}: tensor<2x2xf32> [[111, 213], [120, 220]]
func.func @epilogue() -> tensor<2x2xf32> {
  %w = transformer.get_weight @w : tensor<2x2xf32>
  %x = arith.constant dense<[[1.0, 0.0], [0.0, -1.0]]> : tensor<2x2xf32>
  %r = arith.constant dense<[[10.0], [20.0]]> : tensor<2x1xf32>
  %c = arith.constant dense<[100.0, 200.0]> : tensor<2xf32>
  %0 = transformer.linear %x, %w extras(%r, %c) : tensor<2x2xf32>, tensor<2x2xf32> extras(tensor<2x1xf32>, tensor<2xf32>) -> tensor<2x2xf32> {
  ^bb0(%acc: f32, %row: f32, %column: f32):
    %y = transformer.relu %acc : f32
    %z = transformer.add %y, %row : f32, f32 -> f32
    %v = transformer.add %z, %column : f32, f32 -> f32
    transformer.yield %v : f32
  }
  return %0 : tensor<2x2xf32>
}

// A region may yield less than the shape of its operands: that is repeated.
// CHECK-LABEL: @chains
// CHECK-NEXT{LITERAL}: tensor<2x2xf32> [[2.5, 3.5], [-3.5, -4.5]]
// CHECK-NEXT{LITERAL}: tensor<2x2xf32> [[0.5, 0.5], [0.5, 0.5]]
func.func @chains() -> (tensor<2x2xf32>, tensor<2x2xf32>) {
  %x = arith.constant dense<[[1.0], [-1.0]]> : tensor<2x1xf32>
  %y = arith.constant dense<[3.0, 4.0]> : tensor<2xf32>
  %0, %1 = transformer.elementwise %x, %y : tensor<2x1xf32>, tensor<2xf32> -> tensor<2x2xf32>, tensor<2x2xf32> {
  ^bb0(%a: f32, %b: f32):
    %c = arith.constant 0.5 : f32
    %d = transformer.mul %a, %b : f32, f32 -> f32
    %e = transformer.sub %d, %c : f32, f32 -> f32
    transformer.yield %e, %c : f32, f32
  }
  return %0, %1 : tensor<2x2xf32>, tensor<2x2xf32>
}

// CHECK-LABEL: @residual_norms
// CHECK-NEXT{LITERAL}: tensor<1x2xf32> [[-1, 1]]
// CHECK-NEXT{LITERAL}: tensor<1x2xf32> [[3, 4]]
// CHECK-NEXT{LITERAL}: tensor<1x2xf32> [[0.848528, 1.13137]]
// CHECK-NEXT{LITERAL}: tensor<1x2xf32> [[3, 4]]
func.func @residual_norms() -> (tensor<1x2xf32>, tensor<1x2xf32>, tensor<1x2xf32>, tensor<1x2xf32>) {
  %g = transformer.get_weight @g : tensor<2xf32>
  %b = transformer.get_weight @b : tensor<2xf32>
  %x = arith.constant dense<[[1.0, 2.0]]> : tensor<1x2xf32>
  %r = arith.constant dense<[[2.0, 2.0]]> : tensor<1x2xf32>
  %0, %1 = transformer.add_layer_norm %x, %r, %g, %b epsilon 0.0 : tensor<1x2xf32>, tensor<1x2xf32>, tensor<2xf32>, tensor<2xf32> -> tensor<1x2xf32>, tensor<1x2xf32>
  %2, %3 = transformer.add_rms_norm %x, %r, %g epsilon 0.0 : tensor<1x2xf32>, tensor<1x2xf32>, tensor<2xf32> -> tensor<1x2xf32>, tensor<1x2xf32>
  return %0, %1, %2, %3 : tensor<1x2xf32>, tensor<1x2xf32>, tensor<1x2xf32>, tensor<1x2xf32>
}

// One query head pair shares a key head; the second key is hidden by the bias,
// or comes later than the first query.
// CHECK-LABEL: @attends
// CHECK-NEXT{LITERAL}: tensor<1x2x2x1xf32> [[[[2], [2]], [[1.53788], [1.23841]]]]
// CHECK-NEXT{LITERAL}: tensor<1x2x2x1xf32> [[[[1], [1]], [[1], [1]]]]
// CHECK-NEXT{LITERAL}: tensor<1x2x2x1xf32> [[[[1], [2]], [[1], [1.23841]]]]
func.func @attends() -> (tensor<1x2x2x1xf32>, tensor<1x2x2x1xf32>, tensor<1x2x2x1xf32>) {
  %q = arith.constant dense<[[[[0.0], [0.0]], [[1.0], [2.0]]]]> : tensor<1x2x2x1xf32>
  %k = arith.constant dense<[[[[1.0], [0.0]]]]> : tensor<1x1x2x1xf32>
  %v = arith.constant dense<[[[[1.0], [3.0]]]]> : tensor<1x1x2x1xf32>
  %m = arith.constant dense<[[[[0.0, -1.0e30]]]]> : tensor<1x1x1x2xf32>
  %0 = transformer.attention %q, %k, %v scale 1.0 : tensor<1x2x2x1xf32>, tensor<1x1x2x1xf32>, tensor<1x1x2x1xf32> -> tensor<1x2x2x1xf32>
  %1 = transformer.attention %q, %k, %v bias %m scale 1.0 : tensor<1x2x2x1xf32>, tensor<1x1x2x1xf32>, tensor<1x1x2x1xf32>, tensor<1x1x1x2xf32> -> tensor<1x2x2x1xf32>
  %2 = transformer.attention %q, %k, %v causal scale 1.0 : tensor<1x2x2x1xf32>, tensor<1x1x2x1xf32>, tensor<1x1x2x1xf32> -> tensor<1x2x2x1xf32>
  return %0, %1, %2 : tensor<1x2x2x1xf32>, tensor<1x2x2x1xf32>, tensor<1x2x2x1xf32>
}

// Three sequences of two, no and two rows; the last one has one key, so its
// second row is a query only. Without keys nothing comes.
// CHECK-LABEL: @attends_raggedly
// CHECK-NEXT{LITERAL}: tensor<4x2xf32> [[2, 3], [2, 3], [5, 6], [5, 6]]
// CHECK-NEXT{LITERAL}: tensor<4x2xf32> [[1, 2], [2, 3], [0, 0], [5, 6]]
// CHECK-NEXT{LITERAL}: tensor<4x2xf32> [[0, 0], [0, 0], [0, 0], [0, 0]]
func.func @attends_raggedly() -> (tensor<4x2xf32>, tensor<4x2xf32>, tensor<4x2xf32>) {
  %q = arith.constant dense<0.0> : tensor<4x2xf32>
  %v = arith.constant dense<[[1.0, 2.0], [3.0, 4.0], [5.0, 6.0], [7.0, 8.0]]> : tensor<4x2xf32>
  %o = arith.constant dense<[0, 2, 2, 4]> : tensor<4xi32>
  %n = arith.constant dense<[2, 0, 1]> : tensor<3xi32>
  %none = arith.constant dense<0> : tensor<3xi32>
  %0 = transformer.ragged_attention %q, %q, %v, %o, %o, %n heads 2 key_heads 2 scale 1.0 : tensor<4x2xf32>, tensor<4x2xf32>, tensor<4x2xf32>, tensor<4xi32>, tensor<4xi32>, tensor<3xi32> -> tensor<4x2xf32>
  %1 = transformer.ragged_attention %q, %q, %v, %o, %o, %n heads 2 key_heads 2 causal scale 1.0 : tensor<4x2xf32>, tensor<4x2xf32>, tensor<4x2xf32>, tensor<4xi32>, tensor<4xi32>, tensor<3xi32> -> tensor<4x2xf32>
  %2 = transformer.ragged_attention %q, %q, %v, %o, %o, %none heads 1 key_heads 1 scale 1.0 : tensor<4x2xf32>, tensor<4x2xf32>, tensor<4x2xf32>, tensor<4xi32>, tensor<4xi32>, tensor<3xi32> -> tensor<4x2xf32>
  return %0, %1, %2 : tensor<4x2xf32>, tensor<4x2xf32>, tensor<4x2xf32>
}
