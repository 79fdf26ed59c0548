// RUN: transom-test-opt %s --test-interpret -o /dev/null | FileCheck %s

// Two tokens of one head of one column; the third is not stored. The rest of
// the cache stays as it was.
// CHECK-LABEL: @appends
// CHECK-NEXT{LITERAL}: tensor<4x2xf32> [[9, 9], [2, 20], [9, 9], [1, 10]]
func.func @appends() -> tensor<4x2xf32> {
  %c = arith.constant dense<9.0> : tensor<4x32xf32>
  %k = arith.constant dense<[[1.0], [2.0], [3.0]]> : tensor<3x1xf32>
  %v = arith.constant dense<[[10.0], [20.0], [30.0]]> : tensor<3x1xf32>
  %s = arith.constant dense<[3, 1, -1]> : tensor<3xi32>
  %0 = transformer.append_cache %c, %k, %v, %s key_heads 1 at 0 : tensor<4x32xf32>, tensor<3x1xf32>, tensor<3x1xf32>, tensor<3xi32>
  %1 = transformer.slice %0 axis 1 from 0 to 32 step 16 : tensor<4x32xf32> -> tensor<4x2xf32>
  return %1 : tensor<4x2xf32>
}

// Two heads of 17 take 32 columns each: of the second layer, head 1's last
// column of a key and of a value.
// CHECK-LABEL: @appends_to_the_second_layer
// CHECK-NEXT{LITERAL}: tensor<1x2xf32> [[2, 4]]
func.func @appends_to_the_second_layer() -> tensor<1x2xf32> {
  %c = arith.constant dense<0.0> : tensor<1x256xf32>
  %a = arith.constant dense<1.0> : tensor<1x33xf32>
  %b = arith.constant dense<2.0> : tensor<1x1xf32>
  %k = transformer.concat %a, %b axis 1 : tensor<1x33xf32>, tensor<1x1xf32> -> tensor<1x34xf32>
  %v = transformer.add %k, %k : tensor<1x34xf32>, tensor<1x34xf32> -> tensor<1x34xf32>
  %s = arith.constant dense<[0]> : tensor<1xi32>
  %0 = transformer.append_cache %c, %k, %v, %s key_heads 2 at 128 : tensor<1x256xf32>, tensor<1x34xf32>, tensor<1x34xf32>, tensor<1xi32>
  %1 = transformer.slice %0 axis 1 from 176 to 256 step 64 : tensor<1x256xf32> -> tensor<1x2xf32>
  return %1 : tensor<1x2xf32>
}

// 17 keys in blocks 1 and 0; all scores are equal, values are 1, 2, .., 17.
// The first query sees 16 of them, the second all. The other sequence has one
// key in block 2. Slots without a key are NaN, which does not matter.
// CHECK-LABEL: @attends_to_a_table_of_blocks
// CHECK-NEXT{LITERAL}: tensor<3x1xf32> [[8.5], [9], [99]]
// CHECK-NEXT{LITERAL}: tensor<3x1xf32> [[9], [9], [99]]
func.func @attends_to_a_table_of_blocks() -> (tensor<3x1xf32>, tensor<3x1xf32>) {
  %c = arith.constant dense<0x7FC00000> : tensor<48x32xf32>
  %k = arith.constant dense<1.0> : tensor<18x1xf32>
  %v = arith.constant dense<[[1.0], [2.0], [3.0], [4.0], [5.0], [6.0], [7.0], [8.0], [9.0], [10.0], [11.0], [12.0], [13.0], [14.0], [15.0], [16.0], [17.0], [99.0]]> : tensor<18x1xf32>
  %s = arith.constant dense<[16, 17, 18, 19, 20, 21, 22, 23, 24, 25, 26, 27, 28, 29, 30, 31, 0, 32]> : tensor<18xi32>
  %0 = transformer.append_cache %c, %k, %v, %s key_heads 1 at 0 : tensor<48x32xf32>, tensor<18x1xf32>, tensor<18x1xf32>, tensor<18xi32>
  %q = arith.constant dense<1.0> : tensor<3x1xf32>
  %o = arith.constant dense<[0, 2, 3]> : tensor<3xi32>
  %n = arith.constant dense<[17, 1]> : tensor<2xi32>
  %t = arith.constant dense<[1, 0, 2]> : tensor<3xi32>
  %1 = transformer.cached_attention %q, %0, %o, %n, %t, %o heads 1 key_heads 1 at 0 causal scale 1.0 : tensor<3x1xf32>, tensor<48x32xf32>, tensor<3xi32>, tensor<2xi32>, tensor<3xi32>, tensor<3xi32> -> tensor<3x1xf32>
  %2 = transformer.cached_attention %q, %0, %o, %n, %t, %o heads 1 key_heads 1 at 0 scale 1.0 : tensor<3x1xf32>, tensor<48x32xf32>, tensor<3xi32>, tensor<2xi32>, tensor<3xi32>, tensor<3xi32> -> tensor<3x1xf32>
  return %1, %2 : tensor<3x1xf32>, tensor<3x1xf32>
}

// As many keys of score 0, and a bias that outweighs all but those which are 2
// away; the second query stands at key 3, the first at key 2.
// CHECK-LABEL: @adds_by_distance
// CHECK-NEXT{LITERAL}: tensor<2x1xf32> [[1], [2]]
func.func @adds_by_distance() -> tensor<2x1xf32> {
  %c = arith.constant dense<0x7FC00000> : tensor<16x32xf32>
  %k = arith.constant dense<0.0> : tensor<4x1xf32>
  %v = arith.constant dense<[[1.0], [2.0], [3.0], [4.0]]> : tensor<4x1xf32>
  %s = arith.constant dense<[0, 1, 2, 3]> : tensor<4xi32>
  %0 = transformer.append_cache %c, %k, %v, %s key_heads 1 at 0 : tensor<16x32xf32>, tensor<4x1xf32>, tensor<4x1xf32>, tensor<4xi32>
  %q = arith.constant dense<1.0> : tensor<2x1xf32>
  %o = arith.constant dense<[0, 2]> : tensor<2xi32>
  %n = arith.constant dense<[4]> : tensor<1xi32>
  %t = arith.constant dense<[0]> : tensor<1xi32>
  %b = arith.constant dense<[0, 1]> : tensor<2xi32>
  %d = arith.constant dense<[[0.0, 100.0, 0.0, 0.0]]> : tensor<1x4xf32>
  %1 = transformer.cached_attention %q, %0, %o, %n, %t, %b distance_bias %d from -3 heads 1 key_heads 1 at 0 causal scale 1.0 : tensor<2x1xf32>, tensor<16x32xf32>, tensor<2xi32>, tensor<1xi32>, tensor<1xi32>, tensor<2xi32> distance_bias tensor<1x4xf32> -> tensor<2x1xf32>
  return %1 : tensor<2x1xf32>
}

// The same numbers as ragged_attention's, with two query heads a key head,
// whether four tokens come at once or two and two.
// CHECK-LABEL: @attends_as_ragged_attention_does
// CHECK-NEXT{LITERAL}: tensor<4x4xf32> [[1, 2, 1, 2], [2.76159, 3.76159, 2.53705, 3.53705], [3.15806, 3.69065, 2.12999, 2.7895], [3.71229, 4.07622, 5.8612, 6.03122]]
// CHECK-NEXT{LITERAL}: tensor<4x4xf32> [[1, 2, 1, 2], [2.76159, 3.76159, 2.53705, 3.53705], [3.15806, 3.69065, 2.12999, 2.7895], [3.71229, 4.07622, 5.8612, 6.03122]]
// CHECK-NEXT{LITERAL}: tensor<2x4xf32> [[1, 2, 1, 2], [2.76159, 3.76159, 2.53705, 3.53705]]
// CHECK-NEXT{LITERAL}: tensor<2x4xf32> [[3.15806, 3.69065, 2.12999, 2.7895], [3.71229, 4.07622, 5.8612, 6.03122]]
func.func @attends_as_ragged_attention_does() -> (tensor<4x4xf32>, tensor<4x4xf32>, tensor<2x4xf32>, tensor<2x4xf32>) {
  %q = arith.constant dense<[[1.0, 2.0, 0.5, -1.0], [0.0, 1.0, 1.0, 1.0], [0.5, 0.5, 2.0, 0.0], [1.0, -1.0, 3.0, 0.0]]> : tensor<4x4xf32>
  %k = arith.constant dense<[[1.0, 0.0], [0.2, 2.0], [0.3, 0.4], [1.5, 1.0]]> : tensor<4x2xf32>
  %v = arith.constant dense<[[1.0, 2.0], [3.0, 4.0], [6.0, 5.0], [7.0, 7.0]]> : tensor<4x2xf32>
  %o = arith.constant dense<[0, 4]> : tensor<2xi32>
  %n = arith.constant dense<[4]> : tensor<1xi32>
  %0 = transformer.ragged_attention %q, %k, %v, %o, %o, %n heads 2 key_heads 1 causal scale 1.0 : tensor<4x4xf32>, tensor<4x2xf32>, tensor<4x2xf32>, tensor<2xi32>, tensor<2xi32>, tensor<1xi32> -> tensor<4x4xf32>

  %c = arith.constant dense<0x7FC00000> : tensor<16x64xf32>
  %s = arith.constant dense<[0, 1, 2, 3]> : tensor<4xi32>
  %t = arith.constant dense<[0]> : tensor<1xi32>
  %b = arith.constant dense<[0, 1]> : tensor<2xi32>
  %1 = transformer.append_cache %c, %k, %v, %s key_heads 1 at 32 : tensor<16x64xf32>, tensor<4x2xf32>, tensor<4x2xf32>, tensor<4xi32>
  %2 = transformer.cached_attention %q, %1, %o, %n, %t, %b heads 2 key_heads 1 at 32 causal scale 1.0 : tensor<4x4xf32>, tensor<16x64xf32>, tensor<2xi32>, tensor<1xi32>, tensor<1xi32>, tensor<2xi32> -> tensor<4x4xf32>

  %half = arith.constant dense<[0, 2]> : tensor<2xi32>
  %two = arith.constant dense<[2]> : tensor<1xi32>
  %q0 = transformer.slice %q axis 0 from 0 to 2 step 1 : tensor<4x4xf32> -> tensor<2x4xf32>
  %k0 = transformer.slice %k axis 0 from 0 to 2 step 1 : tensor<4x2xf32> -> tensor<2x2xf32>
  %v0 = transformer.slice %v axis 0 from 0 to 2 step 1 : tensor<4x2xf32> -> tensor<2x2xf32>
  %s0 = arith.constant dense<[0, 1]> : tensor<2xi32>
  %3 = transformer.append_cache %c, %k0, %v0, %s0 key_heads 1 at 32 : tensor<16x64xf32>, tensor<2x2xf32>, tensor<2x2xf32>, tensor<2xi32>
  %4 = transformer.cached_attention %q0, %3, %half, %two, %t, %b heads 2 key_heads 1 at 32 causal scale 1.0 : tensor<2x4xf32>, tensor<16x64xf32>, tensor<2xi32>, tensor<1xi32>, tensor<1xi32>, tensor<2xi32> -> tensor<2x4xf32>
  %q1 = transformer.slice %q axis 0 from 2 to 4 step 1 : tensor<4x4xf32> -> tensor<2x4xf32>
  %k1 = transformer.slice %k axis 0 from 2 to 4 step 1 : tensor<4x2xf32> -> tensor<2x2xf32>
  %v1 = transformer.slice %v axis 0 from 2 to 4 step 1 : tensor<4x2xf32> -> tensor<2x2xf32>
  %s1 = arith.constant dense<[2, 3]> : tensor<2xi32>
  %5 = transformer.append_cache %3, %k1, %v1, %s1 key_heads 1 at 32 : tensor<16x64xf32>, tensor<2x2xf32>, tensor<2x2xf32>, tensor<2xi32>
  %6 = transformer.cached_attention %q1, %5, %half, %n, %t, %b heads 2 key_heads 1 at 32 causal scale 1.0 : tensor<2x4xf32>, tensor<16x64xf32>, tensor<2xi32>, tensor<1xi32>, tensor<1xi32>, tensor<2xi32> -> tensor<2x4xf32>
  return %0, %2, %4, %6 : tensor<4x4xf32>, tensor<4x4xf32>, tensor<2x4xf32>, tensor<2x4xf32>
}
