// RUN: transom-opt %s --transom-fuse-epilogues --canonicalize | FileCheck %s
// RUN: transom-opt %s --transom-fuse-epilogues --remarks-filter=fusion \
// RUN:   2>&1 >/dev/null | FileCheck %s --check-prefix=REMARK

// CHECK-LABEL: @moves_activation_and_residual
// CHECK-SAME: (%[[X:.+]]: tensor<?x4xf32>, %[[W:.+]]: tensor<8x4xf32>, %[[R:.+]]: tensor<?x8xf32>)
// CHECK-NEXT: %[[Y:.+]] = transformer.linear %[[X]], %[[W]] extras(%[[R]])
// CHECK-NEXT: ^bb0(%[[ACC:.+]]: f32, %[[E:.+]]: f32):
// CHECK-NEXT:   %[[G:.+]] = transformer.gelu none %[[ACC]] : f32
// CHECK-NEXT:   %[[S:.+]] = transformer.add %[[E]], %[[G]] : f32, f32 -> f32
// CHECK-NEXT:   transformer.yield %[[S]] : f32
// CHECK: return %[[Y]]
func.func @moves_activation_and_residual(%x: tensor<?x4xf32>, %w: tensor<8x4xf32>, %r: tensor<?x8xf32>) -> tensor<?x8xf32> {
  %y = transformer.linear %x, %w : tensor<?x4xf32>, tensor<8x4xf32> -> tensor<?x8xf32>
  %g = transformer.gelu none %y : tensor<?x8xf32>
  %s = transformer.add %r, %g : tensor<?x8xf32>, tensor<?x8xf32> -> tensor<?x8xf32>
  return %s : tensor<?x8xf32>
}

// Each tensor from outside keeps its own place.
// CHECK-LABEL: @two_extras
// CHECK-SAME: (%[[X:.+]]: tensor<?x4xf32>, %[[W:.+]]: tensor<8x4xf32>, %[[A:.+]]: tensor<?x8xf32>, %[[B:.+]]: tensor<?x8xf32>)
// CHECK-NEXT: transformer.linear %[[X]], %[[W]] extras(%[[A]], %[[B]])
// CHECK-NEXT: ^bb0(%[[ACC:.+]]: f32, %[[E:.+]]: f32, %[[F:.+]]: f32):
// CHECK-NEXT:   %[[S:.+]] = transformer.add %[[ACC]], %[[E]] : f32, f32 -> f32
// CHECK-NEXT:   %[[M:.+]] = transformer.mul %[[S]], %[[F]] : f32, f32 -> f32
// CHECK-NEXT:   transformer.yield %[[M]] : f32
func.func @two_extras(%x: tensor<?x4xf32>, %w: tensor<8x4xf32>, %a: tensor<?x8xf32>, %b: tensor<?x8xf32>) -> tensor<?x8xf32> {
  %y = transformer.linear %x, %w : tensor<?x4xf32>, tensor<8x4xf32> -> tensor<?x8xf32>
  %s = transformer.add %y, %a : tensor<?x8xf32>, tensor<?x8xf32> -> tensor<?x8xf32>
  %m = transformer.mul %s, %b : tensor<?x8xf32>, tensor<?x8xf32> -> tensor<?x8xf32>
  return %m : tensor<?x8xf32>
}

// CHECK-LABEL: @constants_move_in
// CHECK: transformer.linear %{{.+}}, %{{.+}} :
// CHECK: ^bb0(%[[ACC:.+]]: f32):
// CHECK-NEXT: %[[C:.+]] = arith.constant 2.000000e+00 : f32
// CHECK-NEXT: transformer.mul %[[ACC]], %[[C]]
func.func @constants_move_in(%x: tensor<?x4xf32>, %w: tensor<8x4xf32>) -> tensor<?x8xf32> {
  %c = arith.constant dense<2.0> : tensor<f32>
  %y = transformer.linear %x, %w : tensor<?x4xf32>, tensor<8x4xf32> -> tensor<?x8xf32>
  %s = transformer.mul %y, %c : tensor<?x8xf32>, tensor<f32> -> tensor<?x8xf32>
  return %s : tensor<?x8xf32>
}

// A square uses the accumulator twice, and is one consumer.
// CHECK-LABEL: @square_of_the_accumulator
// CHECK: transformer.mul %[[ACC:.+]], %[[ACC]] : f32, f32 -> f32
func.func @square_of_the_accumulator(%x: tensor<?x4xf32>, %w: tensor<8x4xf32>) -> tensor<?x8xf32> {
  %y = transformer.linear %x, %w : tensor<?x4xf32>, tensor<8x4xf32> -> tensor<?x8xf32>
  %s = transformer.mul %y, %y : tensor<?x8xf32>, tensor<?x8xf32> -> tensor<?x8xf32>
  return %s : tensor<?x8xf32>
}

// What follows no linear is one loop a chain.
// CHECK-LABEL: @gathers_a_chain
// CHECK-SAME: (%[[X:.+]]: tensor<?x8xf32>, %[[G:.+]]: tensor<8xf32>)
// CHECK-NEXT: transformer.elementwise %[[X]], %[[G]] : tensor<?x8xf32>, tensor<8xf32> -> tensor<?x8xf32>
// CHECK-NEXT: ^bb0(%[[A:.+]]: f32, %[[B:.+]]: f32):
// CHECK-NEXT:   %[[T:.+]] = transformer.tanh %[[A]]
// CHECK-NEXT:   %[[M:.+]] = transformer.mul %[[T]], %[[B]]
// CHECK-NEXT:   transformer.yield %[[M]]
func.func @gathers_a_chain(%x: tensor<?x8xf32>, %g: tensor<8xf32>) -> tensor<?x8xf32> {
  %t = transformer.tanh %x : tensor<?x8xf32>
  %m = transformer.mul %t, %g : tensor<?x8xf32>, tensor<8xf32> -> tensor<?x8xf32>
  return %m : tensor<?x8xf32>
}

// Negative: the product is wanted as it is, too.
// REMARK: [Missed] fuse-epilogues | Category:fusion | Function=keeps_linear_with_second_user | Reason="the linear before is also used elsewhere"
// REMARK-NOT: [Missed]
// CHECK-LABEL: @keeps_linear_with_second_user
// CHECK: %[[Y:.+]] = transformer.linear %{{.+}}, %{{.+}} : tensor<?x4xf32>, tensor<8x4xf32> -> tensor<?x8xf32>
// CHECK-NEXT: %[[R:.+]] = transformer.elementwise %[[Y]]
// CHECK: return %[[Y]], %[[R]]
func.func @keeps_linear_with_second_user(%x: tensor<?x4xf32>, %w: tensor<8x4xf32>) -> (tensor<?x8xf32>, tensor<?x8xf32>) {
  %y = transformer.linear %x, %w : tensor<?x4xf32>, tensor<8x4xf32> -> tensor<?x8xf32>
  %r = transformer.relu %y : tensor<?x8xf32>
  return %y, %r : tensor<?x8xf32>, tensor<?x8xf32>
}

// Negative: the consumer is wider than the product.
// CHECK-LABEL: @keeps_broadcast_product
// CHECK: transformer.linear %{{.+}}, %{{.+}} : tensor<?x4xf32>, tensor<1x4xf32> -> tensor<?x1xf32>
// CHECK-NEXT: transformer.elementwise
func.func @keeps_broadcast_product(%x: tensor<?x4xf32>, %w: tensor<1x4xf32>, %z: tensor<?x8xf32>) -> tensor<?x8xf32> {
  %y = transformer.linear %x, %w : tensor<?x4xf32>, tensor<1x4xf32> -> tensor<?x1xf32>
  %s = transformer.add %y, %z : tensor<?x1xf32>, tensor<?x8xf32> -> tensor<?x8xf32>
  return %s : tensor<?x8xf32>
}

// Negative: a chain stops at a value with another user.
// CHECK-LABEL: @keeps_shared_intermediate
// CHECK: %[[T:.+]] = transformer.elementwise
// CHECK: %[[S:.+]] = transformer.elementwise %[[T]]
// CHECK: return %[[T]], %[[S]]
func.func @keeps_shared_intermediate(%x: tensor<?x8xf32>) -> (tensor<?x8xf32>, tensor<?x8xf32>) {
  %t = transformer.tanh %x : tensor<?x8xf32>
  %s = transformer.neg %t : tensor<?x8xf32>
  return %t, %s : tensor<?x8xf32>, tensor<?x8xf32>
}

// Negative: a row of unknown length is not a single value.
// CHECK-LABEL: @keeps_bias_of_unknown_width
// CHECK: transformer.linear %{{.+}}, %{{.+}} : tensor<?x4xf32>, tensor<8x4xf32> -> tensor<?x8xf32>
// CHECK-NEXT: transformer.elementwise
func.func @keeps_bias_of_unknown_width(%x: tensor<?x4xf32>, %w: tensor<8x4xf32>, %b: tensor<?xf32>) -> tensor<?x8xf32> {
  %y = transformer.linear %x, %w : tensor<?x4xf32>, tensor<8x4xf32> -> tensor<?x8xf32>
  %s = transformer.add %y, %b : tensor<?x8xf32>, tensor<?xf32> -> tensor<?x8xf32>
  return %s : tensor<?x8xf32>
}
