// RUN: transom-test-opt %s --test-interpret -o /dev/null | FileCheck %s

transformer.weight @table value dense<[[1.0, 2.0], [3.0, 4.0], [5.0, 6.0]]> : tensor<3x2xf32>
transformer.weight @bias value dense<[1.0, 0.0, -1.0]> : tensor<3xf32>

// An id of -1 gives zeros.
// CHECK-LABEL: @weights
// CHECK-NEXT{LITERAL}: tensor<1x3x2xf32> [[[5, 6], [0, 0], [1, 2]]]
// CHECK-NEXT{LITERAL}: tensor<2x3xf32> [[4, 7, 10], [0, -1, -2]]
func.func @weights() -> (tensor<1x3x2xf32>, tensor<2x3xf32>) {
  %t = transformer.get_weight @table : tensor<3x2xf32>
  %b = transformer.get_weight @bias : tensor<3xf32>
  %ids = arith.constant dense<[[2, -1, 0]]> : tensor<1x3xi32>
  %x = arith.constant dense<[[1.0, 1.0], [1.0, -1.0]]> : tensor<2x2xf32>
  %0 = transformer.embedding %ids, %t : tensor<1x3xi32>, tensor<3x2xf32> -> tensor<1x3x2xf32>
  %1 = transformer.linear %x, %t bias %b : tensor<2x2xf32>, tensor<3x2xf32>, tensor<3xf32> -> tensor<2x3xf32>
  return %0, %1 : tensor<1x3x2xf32>, tensor<2x3xf32>
}

// Batches broadcast; the depth of nine goes over the end of a block of lanes.
// CHECK-LABEL: @matmul
// CHECK-NEXT{LITERAL}: tensor<2x1x2xf32> [[[5, 11]], [[11, 25]]]
// CHECK-NEXT{LITERAL}: tensor<1x2xf32> [[7, 10]]
// CHECK-NEXT{LITERAL}: tensor<1x1xf32> [[18]]
func.func @matmul() -> (tensor<2x1x2xf32>, tensor<1x2xf32>, tensor<1x1xf32>) {
  %a = arith.constant dense<[[[1.0, 2.0]], [[3.0, 4.0]]]> : tensor<2x1x2xf32>
  %b = arith.constant dense<[[[1.0, 2.0], [3.0, 4.0]]]> : tensor<1x2x2xf32>
  %c = arith.constant dense<[[1.0, 2.0]]> : tensor<1x2xf32>
  %d = arith.constant dense<[[1.0, 2.0], [3.0, 4.0]]> : tensor<2x2xf32>
  %n = arith.constant dense<1.0> : tensor<1x9xf32>
  %m = arith.constant dense<2.0> : tensor<9x1xf32>
  %0 = transformer.matmul %a, %b transpose_rhs : tensor<2x1x2xf32>, tensor<1x2x2xf32> -> tensor<2x1x2xf32>
  %1 = transformer.matmul %c, %d : tensor<1x2xf32>, tensor<2x2xf32> -> tensor<1x2xf32>
  %2 = transformer.matmul %n, %m : tensor<1x9xf32>, tensor<9x1xf32> -> tensor<1x1xf32>
  return %0, %1, %2 : tensor<2x1x2xf32>, tensor<1x2xf32>, tensor<1x1xf32>
}

// CHECK-LABEL: @norms
// CHECK-NEXT{LITERAL}: tensor<2x2xf32> [[0.5, 0.5], [0.268941, 0.731059]]
// CHECK-NEXT{LITERAL}: tensor<1x4xf32> [[-1.32665, 0.552786, 2.44721, 6.36656]]
// CHECK-NEXT{LITERAL}: tensor<1x4xf32> [[0.365148, 0.730297, 1.09545, 2.92119]]
func.func @norms() -> (tensor<2x2xf32>, tensor<1x4xf32>, tensor<1x4xf32>) {
  %s = arith.constant dense<[[1000.0, 1000.0], [0.0, 1.0]]> : tensor<2x2xf32>
  %x = arith.constant dense<[[1.0, 2.0, 3.0, 4.0]]> : tensor<1x4xf32>
  %g = arith.constant dense<[1.0, 1.0, 1.0, 2.0]> : tensor<4xf32>
  %b = arith.constant dense<[0.0149910, 1.0, 2.0, 3.68328]> : tensor<4xf32>
  %0 = transformer.softmax %s : tensor<2x2xf32>
  %1 = transformer.layer_norm %x, %g, %b epsilon 0.0 : tensor<1x4xf32>, tensor<4xf32>, tensor<4xf32> -> tensor<1x4xf32>
  %2 = transformer.rms_norm %x, %g epsilon 0.0 : tensor<1x4xf32>, tensor<4xf32> -> tensor<1x4xf32>
  return %0, %1, %2 : tensor<2x2xf32>, tensor<1x4xf32>, tensor<1x4xf32>
}

// CHECK-LABEL: @heads
// CHECK-NEXT{LITERAL}: tensor<1x2x2x2xf32> [[[[1, 2], [5, 6]], [[3, 4], [7, 8]]]]
// CHECK-NEXT{LITERAL}: tensor<1x2x4xf32> [[[1, 2, 3, 4], [5, 6, 7, 8]]]
// CHECK-NEXT{LITERAL}: tensor<1x4xf32> [[5, 6, 7, 8]]
func.func @heads() -> (tensor<1x2x2x2xf32>, tensor<1x2x4xf32>, tensor<1x4xf32>) {
  %x = arith.constant dense<[[[1.0, 2.0, 3.0, 4.0], [5.0, 6.0, 7.0, 8.0]]]> : tensor<1x2x4xf32>
  %0 = transformer.split_heads %x heads 2 : tensor<1x2x4xf32> -> tensor<1x2x2x2xf32>
  %1 = transformer.merge_heads %0 : tensor<1x2x2x2xf32> -> tensor<1x2x4xf32>
  %2 = transformer.select_token %1 at 1 : tensor<1x2x4xf32> -> tensor<1x4xf32>
  return %0, %1, %2 : tensor<1x2x2x2xf32>, tensor<1x2x4xf32>, tensor<1x4xf32>
}

// CHECK-LABEL: @gathers_tokens
// CHECK-NEXT{LITERAL}: tensor<2x2xf32> [[3, 4], [5, 6]]
func.func @gathers_tokens() -> tensor<2x2xf32> {
  %x = arith.constant dense<[[[1.0, 2.0], [3.0, 4.0]], [[5.0, 6.0], [7.0, 8.0]]]> : tensor<2x2x2xf32>
  %i = arith.constant dense<[1, 0]> : tensor<2xi32>
  %0 = transformer.gather_token %x, %i : tensor<2x2x2xf32>, tensor<2xi32> -> tensor<2x2xf32>
  return %0 : tensor<2x2xf32>
}

// Of two queries and three keys, the first query sees two keys.
// CHECK-LABEL: @masks
// CHECK-NEXT{LITERAL}: tensor<1x1x1x3xf32> [[[[0, -3.40282e+38, 0]]]]
// CHECK-NEXT{LITERAL}: tensor<2x3xf32> [[1, 1, -3.40282e+38], [1, 1, 1]]
func.func @masks() -> (tensor<1x1x1x3xf32>, tensor<2x3xf32>) {
  %m = arith.constant dense<[[1, 0, 1]]> : tensor<1x3xi32>
  %x = arith.constant dense<1.0> : tensor<2x3xf32>
  %0 = transformer.padding_mask %m : tensor<1x3xi32> -> tensor<1x1x1x3xf32>
  %1 = transformer.causal_mask %x : tensor<2x3xf32>
  return %0, %1 : tensor<1x1x1x3xf32>, tensor<2x3xf32>
}

// Buckets as T5 has them: of the distances -19 .. 0, and of -3 .. 3 both ways.
// CHECK-LABEL: @positions
// CHECK-NEXT{LITERAL}: tensor<1x1x1x20xf32> [[[[7, 7, 7, 7, 7, 7, 7, 7, 6, 6, 6, 6, 5, 5, 4, 4, 3, 2, 1, 0]]]]
// CHECK-NEXT{LITERAL}: tensor<1x1x4x4xf32> [[[[0, 5, 6, 6], [1, 0, 5, 6], [2, 1, 0, 5], [2, 2, 1, 0]]]]
// CHECK-NEXT{LITERAL}: tensor<1x1x2x2xf32> [[[[1, 2], [-0.642242, 3.00532]]]]
func.func @positions() -> (tensor<1x1x1x20xf32>, tensor<1x1x4x4xf32>, tensor<1x1x2x2xf32>) {
  %t = arith.constant dense<[[0.0], [1.0], [2.0], [3.0], [4.0], [5.0], [6.0], [7.0]]> : tensor<8x1xf32>
  %one = arith.constant dense<0.0> : tensor<1x1x2xf32>
  %four = arith.constant dense<0.0> : tensor<1x4x2xf32>
  %twenty = arith.constant dense<0.0> : tensor<1x20x2xf32>
  %x = arith.constant dense<[[[[1.0, 2.0], [3.0, -0.6666667]]]]> : tensor<1x1x2x2xf32>
  %p = arith.constant dense<[[0, 2]]> : tensor<1x2xi32>
  %0 = transformer.relative_bias %t, %one, %twenty max_distance 16 : tensor<8x1xf32>, tensor<1x1x2xf32>, tensor<1x20x2xf32> -> tensor<1x1x1x20xf32>
  %1 = transformer.relative_bias %t, %four, %four bidirectional max_distance 16 : tensor<8x1xf32>, tensor<1x4x2xf32>, tensor<1x4x2xf32> -> tensor<1x1x4x4xf32>
  %2 = transformer.rotary %x, %p theta 10000.0 : tensor<1x1x2x2xf32>, tensor<1x2xi32> -> tensor<1x1x2x2xf32>
  return %0, %1, %2 : tensor<1x1x1x20xf32>, tensor<1x1x4x4xf32>, tensor<1x1x2x2xf32>
}

// Packed tokens whose two heads stand side by side: the second token is the one
// at position 2 above, once in each head.
// CHECK-LABEL: @packed_rotary
// CHECK-NEXT{LITERAL}: tensor<2x4xf32> [[1, 2, 1, 2], [-0.642242, 3.00532, -0.642242, 3.00532]]
func.func @packed_rotary() -> tensor<2x4xf32> {
  %x = arith.constant dense<[[1.0, 2.0, 1.0, 2.0], [3.0, -0.6666667, 3.0, -0.6666667]]> : tensor<2x4xf32>
  %p = arith.constant dense<[0, 2]> : tensor<2xi32>
  %0 = transformer.rotary %x, %p heads 2 theta 10000.0 : tensor<2x4xf32>, tensor<2xi32> -> tensor<2x4xf32>
  return %0 : tensor<2x4xf32>
}

// Two groups of two query heads.
// CHECK-LABEL: @repeats_heads
// CHECK-NEXT{LITERAL}: tensor<1x4x1x1xf32> [[[[1]], [[1]], [[2]], [[2]]]]
func.func @repeats_heads() -> tensor<1x4x1x1xf32> {
  %x = arith.constant dense<[[[[1.0]], [[2.0]]]]> : tensor<1x2x1x1xf32>
  %0 = transformer.repeat_heads %x heads 4 : tensor<1x2x1x1xf32> -> tensor<1x4x1x1xf32>
  return %0 : tensor<1x4x1x1xf32>
}
