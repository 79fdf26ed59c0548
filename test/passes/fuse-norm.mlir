// RUN: transom-opt %s --transom-fuse-norm | FileCheck %s
// RUN: transom-opt %s --transom-fuse-norm --remarks-filter=fusion \
// RUN:   2>&1 >/dev/null | FileCheck %s --check-prefix=REMARK

// CHECK-LABEL: @fuses_post_norm
// CHECK-SAME: (%[[X:.+]]: tensor<?x8xf32>, %[[R:.+]]: tensor<?x8xf32>, %[[G:.+]]: tensor<8xf32>, %[[B:.+]]: tensor<8xf32>)
// CHECK-NEXT: %[[Y:.+]], %{{.+}} = transformer.add_layer_norm %[[X]], %[[R]], %[[G]], %[[B]] epsilon 9.99999974E-6
// CHECK-NEXT: return %[[Y]]
func.func @fuses_post_norm(%x: tensor<?x8xf32>, %r: tensor<?x8xf32>, %g: tensor<8xf32>, %b: tensor<8xf32>) -> tensor<?x8xf32> {
  %s = transformer.add %x, %r : tensor<?x8xf32>, tensor<?x8xf32> -> tensor<?x8xf32>
  %y = transformer.layer_norm %s, %g, %b epsilon 1.0e-5 : tensor<?x8xf32>, tensor<8xf32>, tensor<8xf32> -> tensor<?x8xf32>
  return %y : tensor<?x8xf32>
}

// Pre-norm: the sum goes on, also to users that stand before the norm.
// CHECK-LABEL: @keeps_the_sum_for_its_users
// CHECK: %[[Y:.+]], %[[S:.+]] = transformer.add_layer_norm
// CHECK-NEXT: %[[T:.+]] = transformer.tanh %[[S]]
// CHECK-NEXT: return %[[Y]], %[[S]], %[[T]]
func.func @keeps_the_sum_for_its_users(%x: tensor<?x8xf32>, %r: tensor<?x8xf32>, %g: tensor<8xf32>, %b: tensor<8xf32>) -> (tensor<?x8xf32>, tensor<?x8xf32>, tensor<?x8xf32>) {
  %s = transformer.add %x, %r : tensor<?x8xf32>, tensor<?x8xf32> -> tensor<?x8xf32>
  %t = transformer.tanh %s : tensor<?x8xf32>
  %y = transformer.layer_norm %s, %g, %b epsilon 1.0e-5 : tensor<?x8xf32>, tensor<8xf32>, tensor<8xf32> -> tensor<?x8xf32>
  return %y, %s, %t : tensor<?x8xf32>, tensor<?x8xf32>, tensor<?x8xf32>
}

transformer.weight @gamma value dense<1.0> : tensor<8xf32>

// Weights are read after the sum: reading them earlier changes nothing.
// CHECK-LABEL: @moves_weights_up
// CHECK: %[[G:.+]] = transformer.get_weight @gamma
// CHECK: transformer.add_rms_norm %{{.+}}, %{{.+}}, %[[G]] epsilon
func.func @moves_weights_up(%x: tensor<?x8xf32>, %r: tensor<?x8xf32>) -> tensor<?x8xf32> {
  %s = transformer.add %x, %r : tensor<?x8xf32>, tensor<?x8xf32> -> tensor<?x8xf32>
  %g = transformer.get_weight @gamma : tensor<8xf32>
  %y = transformer.rms_norm %s, %g epsilon 1.0e-6 : tensor<?x8xf32>, tensor<8xf32> -> tensor<?x8xf32>
  return %y : tensor<?x8xf32>
}

// Two norms of one sum: the first takes it, the second reads it.
// CHECK-LABEL: @second_norm_reads_the_sum
// CHECK: %{{.+}}, %[[S:.+]] = transformer.add_layer_norm
// CHECK: transformer.layer_norm %[[S]]
func.func @second_norm_reads_the_sum(%x: tensor<?x8xf32>, %r: tensor<?x8xf32>, %g: tensor<8xf32>, %b: tensor<8xf32>) -> (tensor<?x8xf32>, tensor<?x8xf32>) {
  %s = transformer.add %x, %r : tensor<?x8xf32>, tensor<?x8xf32> -> tensor<?x8xf32>
  %y = transformer.layer_norm %s, %g, %b epsilon 1.0e-5 : tensor<?x8xf32>, tensor<8xf32>, tensor<8xf32> -> tensor<?x8xf32>
  %z = transformer.layer_norm %s, %b, %g epsilon 1.0e-5 : tensor<?x8xf32>, tensor<8xf32>, tensor<8xf32> -> tensor<?x8xf32>
  return %y, %z : tensor<?x8xf32>, tensor<?x8xf32>
}

// Negative: the kernel adds rows to rows.
// REMARK: [Missed] fuse-norm | Category:fusion | Function=keeps_broadcasting_sum | Reason="the sum before the norm broadcasts an operand"
// REMARK-NOT: [Missed]
// CHECK-LABEL: @keeps_broadcasting_sum
// CHECK-NOT: add_layer_norm
// CHECK: return
func.func @keeps_broadcasting_sum(%x: tensor<?x8xf32>, %r: tensor<8xf32>, %g: tensor<8xf32>, %b: tensor<8xf32>) -> tensor<?x8xf32> {
  %s = transformer.add %x, %r : tensor<?x8xf32>, tensor<8xf32> -> tensor<?x8xf32>
  %y = transformer.layer_norm %s, %g, %b epsilon 1.0e-5 : tensor<?x8xf32>, tensor<8xf32>, tensor<8xf32> -> tensor<?x8xf32>
  return %y : tensor<?x8xf32>
}

// Negative: a weight that is computed from the sum can't come before it.
// CHECK-LABEL: @keeps_weight_made_of_the_sum
// CHECK-NOT: add_layer_norm
// CHECK: return
func.func @keeps_weight_made_of_the_sum(%x: tensor<8x8xf32>, %r: tensor<8x8xf32>, %b: tensor<8xf32>) -> tensor<8x8xf32> {
  %s = transformer.add %x, %r : tensor<8x8xf32>, tensor<8x8xf32> -> tensor<8x8xf32>
  %g = transformer.reduce sum %s axes [0] : tensor<8x8xf32> -> tensor<8xf32>
  %y = transformer.layer_norm %s, %g, %b epsilon 1.0e-5 : tensor<8x8xf32>, tensor<8xf32>, tensor<8xf32> -> tensor<8x8xf32>
  return %y : tensor<8x8xf32>
}
