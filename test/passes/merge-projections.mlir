// RUN: transom-opt %s --transom-merge-projections --split-input-file | FileCheck %s

// CHECK: transformer.weight @a.query_key.weight from [#transformer.source<"q.w">, #transformer.source<"k.w" transposed>] : tensor<12x4xf32>
// CHECK-NOT: @a.query.weight
// CHECK: transformer.weight @a.query_key.bias from [#transformer.source<"q.b">, #transformer.source<"k.b">] : tensor<12xf32>
transformer.weight @a.query.weight from [#transformer.source<"q.w">] : tensor<8x4xf32>
transformer.weight @a.key.weight from [#transformer.source<"k.w" transposed>] : tensor<4x4xf32>
transformer.weight @a.query.bias from [#transformer.source<"q.b">] : tensor<8xf32>
transformer.weight @a.key.bias from [#transformer.source<"k.b">] : tensor<4xf32>

// CHECK-LABEL: @merges_two_of_unequal_width
// CHECK-SAME: (%[[X:.+]]: tensor
// CHECK: %[[W:.+]] = transformer.get_weight @a.query_key.weight
// CHECK: %[[B:.+]] = transformer.get_weight @a.query_key.bias
// CHECK: %[[M:.+]] = transformer.linear %[[X]], %[[W]] bias %[[B]]
// CHECK: %[[Q:.+]] = transformer.slice %[[M]] axis 2 from 0 to 8
// CHECK: %[[K:.+]] = transformer.slice %[[M]] axis 2 from 8 to 12
// CHECK: return %[[Q]], %[[K]]
func.func @merges_two_of_unequal_width(%x: tensor<?x?x4xf32>) -> (tensor<?x?x8xf32>, tensor<?x?x4xf32>) {
  %qw = transformer.get_weight @a.query.weight : tensor<8x4xf32>
  %qb = transformer.get_weight @a.query.bias : tensor<8xf32>
  %q = transformer.linear %x, %qw bias %qb : tensor<?x?x4xf32>, tensor<8x4xf32>, tensor<8xf32> -> tensor<?x?x8xf32>
  %kw = transformer.get_weight @a.key.weight : tensor<4x4xf32>
  %kb = transformer.get_weight @a.key.bias : tensor<4xf32>
  %k = transformer.linear %x, %kw bias %kb : tensor<?x?x4xf32>, tensor<4x4xf32>, tensor<4xf32> -> tensor<?x?x4xf32>
  return %q, %k : tensor<?x?x8xf32>, tensor<?x?x4xf32>
}

// -----

// A weight that something else reads stays.
// CHECK: @tied
transformer.weight @tied from [#transformer.source<"tied">] : tensor<4x4xf32>
transformer.weight @other from [#transformer.source<"other">] : tensor<4x4xf32>

// CHECK-LABEL: @keeps_weight_with_another_reader
// CHECK: transformer.slice
func.func @keeps_weight_with_another_reader(%x: tensor<?x4xf32>, %i: tensor<?xi32>) -> (tensor<?x4xf32>, tensor<?x4xf32>, tensor<?x4xf32>) {
  %w = transformer.get_weight @tied : tensor<4x4xf32>
  %v = transformer.get_weight @other : tensor<4x4xf32>
  %a = transformer.linear %x, %w : tensor<?x4xf32>, tensor<4x4xf32> -> tensor<?x4xf32>
  %b = transformer.linear %x, %v : tensor<?x4xf32>, tensor<4x4xf32> -> tensor<?x4xf32>
  %e = transformer.embedding %i, %w : tensor<?xi32>, tensor<4x4xf32> -> tensor<?x4xf32>
  return %a, %b, %e : tensor<?x4xf32>, tensor<?x4xf32>, tensor<?x4xf32>
}

// -----

transformer.weight @w from [#transformer.source<"w">] : tensor<4x4xf32>
transformer.weight @v from [#transformer.source<"v">] : tensor<4x4xf32>
transformer.weight @b from [#transformer.source<"b">] : tensor<4xf32>

// Negative: other inputs.
// CHECK-LABEL: @keeps_linears_of_two_inputs
// CHECK-NOT: transformer.slice
// CHECK: return
func.func @keeps_linears_of_two_inputs(%x: tensor<?x4xf32>, %y: tensor<?x4xf32>) -> (tensor<?x4xf32>, tensor<?x4xf32>) {
  %w = transformer.get_weight @w : tensor<4x4xf32>
  %v = transformer.get_weight @v : tensor<4x4xf32>
  %a = transformer.linear %x, %w : tensor<?x4xf32>, tensor<4x4xf32> -> tensor<?x4xf32>
  %b = transformer.linear %y, %v : tensor<?x4xf32>, tensor<4x4xf32> -> tensor<?x4xf32>
  return %a, %b : tensor<?x4xf32>, tensor<?x4xf32>
}

// Negative: only one has a bias.
// CHECK-LABEL: @keeps_one_bias_of_two
// CHECK-NOT: transformer.slice
// CHECK: return
func.func @keeps_one_bias_of_two(%x: tensor<?x4xf32>) -> (tensor<?x4xf32>, tensor<?x4xf32>) {
  %w = transformer.get_weight @w : tensor<4x4xf32>
  %v = transformer.get_weight @v : tensor<4x4xf32>
  %bias = transformer.get_weight @b : tensor<4xf32>
  %a = transformer.linear %x, %w bias %bias : tensor<?x4xf32>, tensor<4x4xf32>, tensor<4xf32> -> tensor<?x4xf32>
  %b = transformer.linear %x, %v : tensor<?x4xf32>, tensor<4x4xf32> -> tensor<?x4xf32>
  return %a, %b : tensor<?x4xf32>, tensor<?x4xf32>
}

// Negative: a weight that is computed has no place in the weights file.
// CHECK-LABEL: @keeps_computed_weight
// CHECK-NOT: transformer.slice
// CHECK: return
func.func @keeps_computed_weight(%x: tensor<?x4xf32>, %v: tensor<4x4xf32>) -> (tensor<?x4xf32>, tensor<?x4xf32>) {
  %w = transformer.get_weight @w : tensor<4x4xf32>
  %a = transformer.linear %x, %w : tensor<?x4xf32>, tensor<4x4xf32> -> tensor<?x4xf32>
  %b = transformer.linear %x, %v : tensor<?x4xf32>, tensor<4x4xf32> -> tensor<?x4xf32>
  return %a, %b : tensor<?x4xf32>, tensor<?x4xf32>
}

// -----

// What stands on both sides of an attention is wanted at different times: the
// first two are one product, the third is not one with them.
transformer.weight @a from [#transformer.source<"a">] : tensor<4x4xf32>
transformer.weight @b from [#transformer.source<"b">] : tensor<4x4xf32>
transformer.weight @c from [#transformer.source<"c">] : tensor<4x4xf32>

// CHECK-LABEL: @keeps_apart_what_attention_divides
// CHECK: %[[AB:.+]] = transformer.linear
// CHECK: %[[A:.+]] = transformer.slice %[[AB]]
// CHECK: %[[B:.+]] = transformer.slice %[[AB]]
// CHECK: %[[X:.+]] = transformer.attention
// CHECK: %[[C:.+]] = transformer.linear
// CHECK: return %[[A]], %[[B]], %[[C]], %[[X]]
func.func @keeps_apart_what_attention_divides(%s: tensor<?x?x4xf32>, %q: tensor<?x2x?x8xf32>)
    -> (tensor<?x?x4xf32>, tensor<?x?x4xf32>, tensor<?x?x4xf32>, tensor<?x2x?x8xf32>) {
  %aw = transformer.get_weight @a : tensor<4x4xf32>
  %bw = transformer.get_weight @b : tensor<4x4xf32>
  %cw = transformer.get_weight @c : tensor<4x4xf32>
  %a = transformer.linear %s, %aw : tensor<?x?x4xf32>, tensor<4x4xf32> -> tensor<?x?x4xf32>
  %b = transformer.linear %s, %bw : tensor<?x?x4xf32>, tensor<4x4xf32> -> tensor<?x?x4xf32>
  %x = transformer.attention %q, %q, %q scale 1.0 : tensor<?x2x?x8xf32>, tensor<?x2x?x8xf32>, tensor<?x2x?x8xf32> -> tensor<?x2x?x8xf32>
  %c = transformer.linear %s, %cw : tensor<?x?x4xf32>, tensor<4x4xf32> -> tensor<?x?x4xf32>
  return %a, %b, %c, %x : tensor<?x?x4xf32>, tensor<?x?x4xf32>, tensor<?x?x4xf32>, tensor<?x2x?x8xf32>
}
