// RUN: transom-opt %s --transom-raise | FileCheck %s
// RUN: transom-test-opt %s --test-pass-equivalence="passes=transom-raise" -o /dev/null

// CHECK-LABEL: @raises_softmax
// CHECK-SAME: (%[[X:.+]]: tensor<?x2x?x?xf32>)
// CHECK-NEXT: %[[Y:.+]] = transformer.softmax %[[X]]
// CHECK-NEXT: return %[[Y]]
func.func @raises_softmax(%x: tensor<?x2x?x?xf32>) -> tensor<?x2x?x?xf32> {
  %0 = transformer.reduce max %x axes [-1] keep_dims : tensor<?x2x?x?xf32> -> tensor<?x2x?x1xf32>
  %1 = transformer.sub %x, %0 : tensor<?x2x?x?xf32>, tensor<?x2x?x1xf32> -> tensor<?x2x?x?xf32>
  %2 = transformer.exp %1 : tensor<?x2x?x?xf32>
  %3 = transformer.reduce sum %2 axes [3] keep_dims : tensor<?x2x?x?xf32> -> tensor<?x2x?x1xf32>
  %4 = transformer.div %2, %3 : tensor<?x2x?x?xf32>, tensor<?x2x?x1xf32> -> tensor<?x2x?x?xf32>
  return %4 : tensor<?x2x?x?xf32>
}

// CHECK-LABEL: @raises_softmax_by_reciprocal
// CHECK: transformer.softmax
func.func @raises_softmax_by_reciprocal(%x: tensor<?x8xf32>) -> tensor<?x8xf32> {
  %one = arith.constant dense<1.0> : tensor<f32>
  %0 = transformer.reduce max %x axes [1] keep_dims : tensor<?x8xf32> -> tensor<?x1xf32>
  %1 = transformer.sub %x, %0 : tensor<?x8xf32>, tensor<?x1xf32> -> tensor<?x8xf32>
  %2 = transformer.exp %1 : tensor<?x8xf32>
  %3 = transformer.reduce sum %2 axes [1] keep_dims : tensor<?x8xf32> -> tensor<?x1xf32>
  %4 = transformer.div %one, %3 : tensor<f32>, tensor<?x1xf32> -> tensor<?x1xf32>
  %5 = transformer.mul %2, %4 : tensor<?x8xf32>, tensor<?x1xf32> -> tensor<?x8xf32>
  return %5 : tensor<?x8xf32>
}

// Negative: without the maximum it overflows where softmax doesn't.
// CHECK-LABEL: @keeps_softmax_without_maximum
// CHECK-NOT: transformer.softmax
// CHECK: transformer.exp
func.func @keeps_softmax_without_maximum(%x: tensor<?x8xf32>) -> tensor<?x8xf32> {
  %0 = transformer.exp %x : tensor<?x8xf32>
  %1 = transformer.reduce sum %0 axes [-1] keep_dims : tensor<?x8xf32> -> tensor<?x1xf32>
  %2 = transformer.div %0, %1 : tensor<?x8xf32>, tensor<?x1xf32> -> tensor<?x8xf32>
  return %2 : tensor<?x8xf32>
}

// Negative: a softmax over another axis.
// CHECK-LABEL: @keeps_softmax_of_another_axis
// CHECK-NOT: transformer.softmax
// CHECK: transformer.exp
func.func @keeps_softmax_of_another_axis(%x: tensor<8x8xf32>) -> tensor<8x8xf32> {
  %0 = transformer.reduce max %x axes [0] keep_dims : tensor<8x8xf32> -> tensor<1x8xf32>
  %1 = transformer.sub %x, %0 : tensor<8x8xf32>, tensor<1x8xf32> -> tensor<8x8xf32>
  %2 = transformer.exp %1 : tensor<8x8xf32>
  %3 = transformer.reduce sum %2 axes [0] keep_dims : tensor<8x8xf32> -> tensor<1x8xf32>
  %4 = transformer.div %2, %3 : tensor<8x8xf32>, tensor<1x8xf32> -> tensor<8x8xf32>
  return %4 : tensor<8x8xf32>
}

// Negative: -inf is a number of these scores, so the guard can be needed.
// CHECK-LABEL: @keeps_guard_of_unmasked_softmax
// CHECK: transformer.softmax
// CHECK: transformer.select
func.func @keeps_guard_of_unmasked_softmax(%x: tensor<?x8xf32>) -> tensor<?x8xf32> {
  %zero = arith.constant dense<0.0> : tensor<f32>
  %0 = transformer.softmax %x : tensor<?x8xf32>
  %1 = transformer.compare ne %0, %0 : tensor<?x8xf32>, tensor<?x8xf32> -> tensor<?x8xi1>
  %2 = transformer.select %1, %zero, %0 : tensor<?x8xi1>, tensor<f32>, tensor<?x8xf32> -> tensor<?x8xf32>
  return %2 : tensor<?x8xf32>
}
