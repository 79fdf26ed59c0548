// RUN: transom-opt %s --transom-raise | FileCheck %s
// RUN: transom-test-opt %s --test-pass-equivalence="passes=transom-raise" -o /dev/null

transformer.weight @table value dense<[[1.0, 2.0], [3.0, 4.0], [5.0, 6.0]]> : tensor<3x2xf32>

// An id outside the table is refused from now on, as nn.Embedding does.
// CHECK-LABEL: @raises_embedding
// CHECK-SAME: (%[[I:.+]]: tensor<?x?xi64> {transformer.bound = 3 : i64})
// CHECK: %[[T:.+]] = transformer.get_weight @table
// CHECK-NEXT: transformer.embedding %[[I]], %[[T]]
func.func @raises_embedding(%ids: tensor<?x?xi64>) -> tensor<?x?x2xf32> {
  %t = transformer.get_weight @table : tensor<3x2xf32>
  %0 = transformer.gather %t, %ids axis 0 : tensor<3x2xf32>, tensor<?x?xi64> -> tensor<?x?x2xf32>
  return %0 : tensor<?x?x2xf32>
}

// A closer bound stays; a cast doesn't hide the argument.
// CHECK-LABEL: @raises_embedding_of_cast_ids
// CHECK-SAME: transformer.bound = 2 : i64
// CHECK: transformer.embedding
func.func @raises_embedding_of_cast_ids(%ids: tensor<?x?xi32> {transformer.bound = 2 : i64}) -> tensor<?x?x2xf32> {
  %t = transformer.get_weight @table : tensor<3x2xf32>
  %0 = transformer.cast %ids : tensor<?x?xi32> -> tensor<?x?xi64>
  %1 = transformer.gather %t, %0 axis 0 : tensor<3x2xf32>, tensor<?x?xi64> -> tensor<?x?x2xf32>
  return %1 : tensor<?x?x2xf32>
}

// CHECK-LABEL: @raises_select_token_of_gather
// CHECK: transformer.select_token %{{.+}} at 0
func.func @raises_select_token_of_gather(%x: tensor<?x?x2xf32>) -> tensor<?x2xf32> {
  %zero = arith.constant dense<0> : tensor<i64>
  %0 = transformer.gather %x, %zero axis 1 : tensor<?x?x2xf32>, tensor<i64> -> tensor<?x2xf32>
  return %0 : tensor<?x2xf32>
}

// CHECK-LABEL: @raises_select_token_of_slice
// CHECK: transformer.select_token %{{.+}} at 0
func.func @raises_select_token_of_slice(%x: tensor<?x?x2xf32>) -> tensor<?x2xf32> {
  %0 = transformer.slice %x axis 1 from 0 to 1 : tensor<?x?x2xf32> -> tensor<?x?x2xf32>
  %1 = transformer.reshape %0 to [0, 2] : tensor<?x?x2xf32> -> tensor<?x2xf32>
  return %1 : tensor<?x2xf32>
}

// Negative: an activation is not a table.
// CHECK-LABEL: @keeps_gather_of_activation
// CHECK: transformer.gather
func.func @keeps_gather_of_activation(%x: tensor<3x2xf32>, %ids: tensor<?xi64>) -> tensor<?x2xf32> {
  %0 = transformer.gather %x, %ids axis 0 : tensor<3x2xf32>, tensor<?xi64> -> tensor<?x2xf32>
  return %0 : tensor<?x2xf32>
}

// Negative: -1 is the last row for a gather.
// CHECK-LABEL: @keeps_gather_of_negative_ids
// CHECK: transformer.gather
func.func @keeps_gather_of_negative_ids() -> tensor<2x2xf32> {
  %ids = arith.constant dense<[0, -1]> : tensor<2xi64>
  %t = transformer.get_weight @table : tensor<3x2xf32>
  %0 = transformer.gather %t, %ids axis 0 : tensor<3x2xf32>, tensor<2xi64> -> tensor<2x2xf32>
  return %0 : tensor<2x2xf32>
}

// Negative: ids that are computed may be negative.
// CHECK-LABEL: @keeps_gather_of_computed_ids
// CHECK: transformer.gather
func.func @keeps_gather_of_computed_ids(%a: tensor<?xi64>) -> tensor<?x2xf32> {
  %one = arith.constant dense<1> : tensor<i64>
  %ids = transformer.sub %a, %one : tensor<?xi64>, tensor<i64> -> tensor<?xi64>
  %t = transformer.get_weight @table : tensor<3x2xf32>
  %0 = transformer.gather %t, %ids axis 0 : tensor<3x2xf32>, tensor<?xi64> -> tensor<?x2xf32>
  return %0 : tensor<?x2xf32>
}
