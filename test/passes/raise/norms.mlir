// RUN: transom-opt %s --transom-raise | FileCheck %s
// RUN: transom-test-opt %s --test-pass-equivalence="passes=transom-raise" -o /dev/null

// As both of PyTorch's exporters write nn.LayerNorm below opset 17.
// CHECK-LABEL: @raises_layer_norm_of_torchscript
// CHECK-SAME: (%[[X:.+]]: tensor<?x?x8xf32>, %[[G:.+]]: tensor<8xf32>, %[[B:.+]]: tensor<8xf32>)
// CHECK-NEXT: %[[Y:.+]] = transformer.layer_norm %[[X]], %[[G]], %[[B]] epsilon 9.99999996E-13
// CHECK-NEXT: return %[[Y]]
func.func @raises_layer_norm_of_torchscript(%x: tensor<?x?x8xf32>, %g: tensor<8xf32>, %b: tensor<8xf32>) -> tensor<?x?x8xf32> {
  %two = arith.constant dense<2.0> : tensor<f32>
  %epsilon = arith.constant dense<1.0e-12> : tensor<f32>
  %0 = transformer.reduce mean %x axes [-1] keep_dims : tensor<?x?x8xf32> -> tensor<?x?x1xf32>
  %1 = transformer.sub %x, %0 : tensor<?x?x8xf32>, tensor<?x?x1xf32> -> tensor<?x?x8xf32>
  %2 = transformer.pow %1, %two : tensor<?x?x8xf32>, tensor<f32> -> tensor<?x?x8xf32>
  %3 = transformer.reduce mean %2 axes [-1] keep_dims : tensor<?x?x8xf32> -> tensor<?x?x1xf32>
  %4 = transformer.add %3, %epsilon : tensor<?x?x1xf32>, tensor<f32> -> tensor<?x?x1xf32>
  %5 = transformer.sqrt %4 : tensor<?x?x1xf32>
  %6 = transformer.div %1, %5 : tensor<?x?x8xf32>, tensor<?x?x1xf32> -> tensor<?x?x8xf32>
  %7 = transformer.mul %6, %g : tensor<?x?x8xf32>, tensor<8xf32> -> tensor<?x?x8xf32>
  %8 = transformer.add %7, %b : tensor<?x?x8xf32>, tensor<8xf32> -> tensor<?x?x8xf32>
  return %8 : tensor<?x?x8xf32>
}

// rsqrt, the square as a product, the deviation computed twice, swapped
// operands, an axis counted from the front.
// CHECK-LABEL: @raises_layer_norm_with_rsqrt
// CHECK-SAME: (%[[X:.+]]: tensor<?x8xf32>, %[[G:.+]]: tensor<8xf32>, %[[B:.+]]: tensor<8xf32>)
// CHECK-NEXT: %[[Y:.+]] = transformer.layer_norm %[[X]], %[[G]], %[[B]]
// CHECK-NEXT: return %[[Y]]
func.func @raises_layer_norm_with_rsqrt(%x: tensor<?x8xf32>, %g: tensor<8xf32>, %b: tensor<8xf32>) -> tensor<?x8xf32> {
  %epsilon = arith.constant dense<1.0e-05> : tensor<1xf32>
  %0 = transformer.reduce mean %x axes [1] keep_dims : tensor<?x8xf32> -> tensor<?x1xf32>
  %1 = transformer.sub %x, %0 : tensor<?x8xf32>, tensor<?x1xf32> -> tensor<?x8xf32>
  %2 = transformer.sub %x, %0 : tensor<?x8xf32>, tensor<?x1xf32> -> tensor<?x8xf32>
  %3 = transformer.mul %1, %1 : tensor<?x8xf32>, tensor<?x8xf32> -> tensor<?x8xf32>
  %4 = transformer.reduce mean %3 axes [1] keep_dims : tensor<?x8xf32> -> tensor<?x1xf32>
  %5 = transformer.add %epsilon, %4 : tensor<1xf32>, tensor<?x1xf32> -> tensor<?x1xf32>
  %6 = transformer.rsqrt %5 : tensor<?x1xf32>
  %7 = transformer.mul %g, %6 : tensor<8xf32>, tensor<?x1xf32> -> tensor<?x8xf32>
  %8 = transformer.mul %2, %7 : tensor<?x8xf32>, tensor<?x8xf32> -> tensor<?x8xf32>
  %9 = transformer.add %b, %8 : tensor<8xf32>, tensor<?x8xf32> -> tensor<?x8xf32>
  return %9 : tensor<?x8xf32>
}

// T5's norm: 1 / sqrt as a division.
// CHECK-LABEL: @raises_rms_norm_of_torchscript
// CHECK-SAME: (%[[X:.+]]: tensor<?x?x8xf32>, %[[G:.+]]: tensor<8xf32>)
// CHECK-NEXT: %[[Y:.+]] = transformer.rms_norm %[[X]], %[[G]] epsilon 9.99999997E-7
// CHECK-NEXT: return %[[Y]]
func.func @raises_rms_norm_of_torchscript(%x: tensor<?x?x8xf32>, %g: tensor<8xf32>) -> tensor<?x?x8xf32> {
  %two = arith.constant dense<2.0> : tensor<f32>
  %one = arith.constant dense<1.0> : tensor<f32>
  %epsilon = arith.constant dense<1.0e-06> : tensor<f32>
  %0 = transformer.pow %x, %two : tensor<?x?x8xf32>, tensor<f32> -> tensor<?x?x8xf32>
  %1 = transformer.reduce mean %0 axes [-1] keep_dims : tensor<?x?x8xf32> -> tensor<?x?x1xf32>
  %2 = transformer.add %1, %epsilon : tensor<?x?x1xf32>, tensor<f32> -> tensor<?x?x1xf32>
  %3 = transformer.sqrt %2 : tensor<?x?x1xf32>
  %4 = transformer.div %one, %3 : tensor<f32>, tensor<?x?x1xf32> -> tensor<?x?x1xf32>
  %5 = transformer.mul %x, %4 : tensor<?x?x8xf32>, tensor<?x?x1xf32> -> tensor<?x?x8xf32>
  %6 = transformer.mul %g, %5 : tensor<8xf32>, tensor<?x?x8xf32> -> tensor<?x?x8xf32>
  return %6 : tensor<?x?x8xf32>
}

// x may be a product itself.
// CHECK-LABEL: @raises_rms_norm_of_a_product
// CHECK: %[[P:.+]] = transformer.mul
// CHECK-NEXT: transformer.rms_norm %[[P]]
func.func @raises_rms_norm_of_a_product(%a: tensor<?x8xf32>, %c: tensor<?x8xf32>, %g: tensor<8xf32>) -> tensor<?x8xf32> {
  %epsilon = arith.constant dense<1.0e-06> : tensor<f32>
  %x = transformer.mul %a, %c : tensor<?x8xf32>, tensor<?x8xf32> -> tensor<?x8xf32>
  %0 = transformer.mul %x, %x : tensor<?x8xf32>, tensor<?x8xf32> -> tensor<?x8xf32>
  %1 = transformer.reduce mean %0 axes [-1] keep_dims : tensor<?x8xf32> -> tensor<?x1xf32>
  %2 = transformer.add %1, %epsilon : tensor<?x1xf32>, tensor<f32> -> tensor<?x1xf32>
  %3 = transformer.rsqrt %2 : tensor<?x1xf32>
  %4 = transformer.mul %x, %3 : tensor<?x8xf32>, tensor<?x1xf32> -> tensor<?x8xf32>
  %5 = transformer.mul %4, %g : tensor<?x8xf32>, tensor<8xf32> -> tensor<?x8xf32>
  return %5 : tensor<?x8xf32>
}

// Negative: the mean of another axis is another norm.
// CHECK-LABEL: @keeps_norm_of_another_axis
// CHECK-NOT: transformer.layer_norm
// CHECK: transformer.sqrt
func.func @keeps_norm_of_another_axis(%x: tensor<8x8xf32>, %g: tensor<8xf32>, %b: tensor<8xf32>) -> tensor<8x8xf32> {
  %epsilon = arith.constant dense<1.0e-12> : tensor<f32>
  %0 = transformer.reduce mean %x axes [0] keep_dims : tensor<8x8xf32> -> tensor<1x8xf32>
  %1 = transformer.sub %x, %0 : tensor<8x8xf32>, tensor<1x8xf32> -> tensor<8x8xf32>
  %2 = transformer.mul %1, %1 : tensor<8x8xf32>, tensor<8x8xf32> -> tensor<8x8xf32>
  %3 = transformer.reduce mean %2 axes [0] keep_dims : tensor<8x8xf32> -> tensor<1x8xf32>
  %4 = transformer.add %3, %epsilon : tensor<1x8xf32>, tensor<f32> -> tensor<1x8xf32>
  %5 = transformer.sqrt %4 : tensor<1x8xf32>
  %6 = transformer.div %1, %5 : tensor<8x8xf32>, tensor<1x8xf32> -> tensor<8x8xf32>
  %7 = transformer.mul %6, %g : tensor<8x8xf32>, tensor<8xf32> -> tensor<8x8xf32>
  %8 = transformer.add %7, %b : tensor<8x8xf32>, tensor<8xf32> -> tensor<8x8xf32>
  return %8 : tensor<8x8xf32>
}

// Negative: mean and variance are of two values.
// CHECK-LABEL: @keeps_norm_by_anothers_variance
// CHECK-NOT: transformer.layer_norm
// CHECK: transformer.rsqrt
func.func @keeps_norm_by_anothers_variance(%x: tensor<?x8xf32>, %z: tensor<?x8xf32>, %g: tensor<8xf32>, %b: tensor<8xf32>) -> tensor<?x8xf32> {
  %epsilon = arith.constant dense<1.0e-05> : tensor<f32>
  %0 = transformer.reduce mean %x axes [-1] keep_dims : tensor<?x8xf32> -> tensor<?x1xf32>
  %1 = transformer.sub %x, %0 : tensor<?x8xf32>, tensor<?x1xf32> -> tensor<?x8xf32>
  %2 = transformer.reduce mean %z axes [-1] keep_dims : tensor<?x8xf32> -> tensor<?x1xf32>
  %3 = transformer.sub %z, %2 : tensor<?x8xf32>, tensor<?x1xf32> -> tensor<?x8xf32>
  %4 = transformer.mul %3, %3 : tensor<?x8xf32>, tensor<?x8xf32> -> tensor<?x8xf32>
  %5 = transformer.reduce mean %4 axes [-1] keep_dims : tensor<?x8xf32> -> tensor<?x1xf32>
  %6 = transformer.add %5, %epsilon : tensor<?x1xf32>, tensor<f32> -> tensor<?x1xf32>
  %7 = transformer.rsqrt %6 : tensor<?x1xf32>
  %8 = transformer.mul %1, %7 : tensor<?x8xf32>, tensor<?x1xf32> -> tensor<?x8xf32>
  %9 = transformer.mul %8, %g : tensor<?x8xf32>, tensor<8xf32> -> tensor<?x8xf32>
  %10 = transformer.add %9, %b : tensor<?x8xf32>, tensor<8xf32> -> tensor<?x8xf32>
  return %10 : tensor<?x8xf32>
}
