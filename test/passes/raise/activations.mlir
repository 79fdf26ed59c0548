// RUN: transom-opt %s --transom-raise | FileCheck %s
// RUN: transom-test-opt %s --test-pass-equivalence="passes=transom-raise" -o /dev/null

// As PyTorch's TorchScript exporter writes nn.GELU().
// CHECK-LABEL: @raises_erf_gelu_of_torchscript
// CHECK-SAME: (%[[X:.+]]: tensor<?x8xf32>)
// CHECK-NEXT: %[[Y:.+]] = transformer.gelu none %[[X]]
// CHECK-NEXT: return %[[Y]]
func.func @raises_erf_gelu_of_torchscript(%x: tensor<?x8xf32>) -> tensor<?x8xf32> {
  %root2 = arith.constant dense<1.41421354> : tensor<f32>
  %one = arith.constant dense<1.0> : tensor<f32>
  %half = arith.constant dense<0.5> : tensor<f32>
  %0 = transformer.div %x, %root2 : tensor<?x8xf32>, tensor<f32> -> tensor<?x8xf32>
  %1 = transformer.erf %0 : tensor<?x8xf32>
  %2 = transformer.add %1, %one : tensor<?x8xf32>, tensor<f32> -> tensor<?x8xf32>
  %3 = transformer.mul %x, %2 : tensor<?x8xf32>, tensor<?x8xf32> -> tensor<?x8xf32>
  %4 = transformer.mul %3, %half : tensor<?x8xf32>, tensor<f32> -> tensor<?x8xf32>
  return %4 : tensor<?x8xf32>
}

// The half goes with x, operands are swapped, constants have another rank.
// CHECK-LABEL: @raises_erf_gelu_with_halved_input
// CHECK-SAME: (%[[X:.+]]: tensor<?x8xf32>)
// CHECK-NEXT: %[[Y:.+]] = transformer.gelu none %[[X]]
// CHECK-NEXT: return %[[Y]]
func.func @raises_erf_gelu_with_halved_input(%x: tensor<?x8xf32>) -> tensor<?x8xf32> {
  %r = arith.constant dense<0.707106769> : tensor<1xf32>
  %one = arith.constant dense<1.0> : tensor<1x1xf32>
  %half = arith.constant dense<0.5> : tensor<f32>
  %0 = transformer.mul %r, %x : tensor<1xf32>, tensor<?x8xf32> -> tensor<?x8xf32>
  %1 = transformer.erf %0 : tensor<?x8xf32>
  %2 = transformer.add %one, %1 : tensor<1x1xf32>, tensor<?x8xf32> -> tensor<?x8xf32>
  %3 = transformer.mul %half, %x : tensor<f32>, tensor<?x8xf32> -> tensor<?x8xf32>
  %4 = transformer.mul %2, %3 : tensor<?x8xf32>, tensor<?x8xf32> -> tensor<?x8xf32>
  return %4 : tensor<?x8xf32>
}

// x * (0.5 * (1 + erf)), with x a product itself and a scale as scale.
// CHECK-LABEL: @raises_erf_gelu_of_a_product
// CHECK: %[[P:.+]] = transformer.mul
// CHECK-NEXT: %[[Y:.+]] = transformer.gelu none %[[P]]
// CHECK-NEXT: return %[[Y]]
func.func @raises_erf_gelu_of_a_product(%a: tensor<?x8xf32>, %b: tensor<?x8xf32>) -> tensor<?x8xf32> {
  %one = arith.constant dense<1.0> : tensor<f32>
  %x = transformer.mul %a, %b : tensor<?x8xf32>, tensor<?x8xf32> -> tensor<?x8xf32>
  %0 = transformer.scale %x by 0.707106769 : tensor<?x8xf32>
  %1 = transformer.erf %0 : tensor<?x8xf32>
  %2 = transformer.add %1, %one : tensor<?x8xf32>, tensor<f32> -> tensor<?x8xf32>
  %3 = transformer.scale %2 by 0.5 : tensor<?x8xf32>
  %4 = transformer.mul %x, %3 : tensor<?x8xf32>, tensor<?x8xf32> -> tensor<?x8xf32>
  return %4 : tensor<?x8xf32>
}

// As exporters write gelu_new, BERT's and GPT-2's.
// CHECK-LABEL: @raises_tanh_gelu_of_torchscript
// CHECK-SAME: (%[[X:.+]]: tensor<?x8xf32>)
// CHECK-NEXT: %[[Y:.+]] = transformer.gelu tanh %[[X]]
// CHECK-NEXT: return %[[Y]]
func.func @raises_tanh_gelu_of_torchscript(%x: tensor<?x8xf32>) -> tensor<?x8xf32> {
  %half = arith.constant dense<0.5> : tensor<f32>
  %three = arith.constant dense<3.0> : tensor<f32>
  %cubic = arith.constant dense<0.0447149985> : tensor<f32>
  %slope = arith.constant dense<0.797884583> : tensor<f32>
  %one = arith.constant dense<1.0> : tensor<f32>
  %0 = transformer.mul %x, %half : tensor<?x8xf32>, tensor<f32> -> tensor<?x8xf32>
  %1 = transformer.pow %x, %three : tensor<?x8xf32>, tensor<f32> -> tensor<?x8xf32>
  %2 = transformer.mul %1, %cubic : tensor<?x8xf32>, tensor<f32> -> tensor<?x8xf32>
  %3 = transformer.add %x, %2 : tensor<?x8xf32>, tensor<?x8xf32> -> tensor<?x8xf32>
  %4 = transformer.mul %3, %slope : tensor<?x8xf32>, tensor<f32> -> tensor<?x8xf32>
  %5 = transformer.tanh %4 : tensor<?x8xf32>
  %6 = transformer.add %5, %one : tensor<?x8xf32>, tensor<f32> -> tensor<?x8xf32>
  %7 = transformer.mul %0, %6 : tensor<?x8xf32>, tensor<?x8xf32> -> tensor<?x8xf32>
  return %7 : tensor<?x8xf32>
}

// gelu_fast: x (1 + 0.044715 x x) sqrt(2/pi), the cube as products.
// CHECK-LABEL: @raises_tanh_gelu_with_factored_cubic
// CHECK-SAME: (%[[X:.+]]: tensor<?x8xf32>)
// CHECK-NEXT: %[[Y:.+]] = transformer.gelu tanh %[[X]]
// CHECK-NEXT: return %[[Y]]
func.func @raises_tanh_gelu_with_factored_cubic(%x: tensor<?x8xf32>) -> tensor<?x8xf32> {
  %half = arith.constant dense<0.5> : tensor<f32>
  %cubic = arith.constant dense<0.0447149985> : tensor<f32>
  %slope = arith.constant dense<0.797884583> : tensor<f32>
  %one = arith.constant dense<1.0> : tensor<f32>
  %0 = transformer.mul %x, %slope : tensor<?x8xf32>, tensor<f32> -> tensor<?x8xf32>
  %1 = transformer.mul %cubic, %x : tensor<f32>, tensor<?x8xf32> -> tensor<?x8xf32>
  %2 = transformer.mul %1, %x : tensor<?x8xf32>, tensor<?x8xf32> -> tensor<?x8xf32>
  %3 = transformer.add %one, %2 : tensor<f32>, tensor<?x8xf32> -> tensor<?x8xf32>
  %4 = transformer.mul %0, %3 : tensor<?x8xf32>, tensor<?x8xf32> -> tensor<?x8xf32>
  %5 = transformer.tanh %4 : tensor<?x8xf32>
  %6 = transformer.add %one, %5 : tensor<f32>, tensor<?x8xf32> -> tensor<?x8xf32>
  %7 = transformer.mul %x, %6 : tensor<?x8xf32>, tensor<?x8xf32> -> tensor<?x8xf32>
  %8 = transformer.mul %half, %7 : tensor<f32>, tensor<?x8xf32> -> tensor<?x8xf32>
  return %8 : tensor<?x8xf32>
}

// A gate outside of the activation stays outside.
// CHECK-LABEL: @raises_gated_silu
// CHECK-SAME: (%[[X:.+]]: tensor<?x8xf32>, %[[G:.+]]: tensor<?x8xf32>)
// CHECK-NEXT: %[[S:.+]] = transformer.silu %[[X]]
// CHECK-NEXT: transformer.mul %[[S]], %[[G]]
func.func @raises_gated_silu(%x: tensor<?x8xf32>, %g: tensor<?x8xf32>) -> tensor<?x8xf32> {
  %0 = transformer.sigmoid %x : tensor<?x8xf32>
  %1 = transformer.mul %0, %x : tensor<?x8xf32>, tensor<?x8xf32> -> tensor<?x8xf32>
  %2 = transformer.mul %1, %g : tensor<?x8xf32>, tensor<?x8xf32> -> tensor<?x8xf32>
  return %2 : tensor<?x8xf32>
}

// CHECK-LABEL: @raises_silu_by_exp
// CHECK-SAME: (%[[X:.+]]: tensor<?x8xf32>)
// CHECK-NEXT: transformer.silu %[[X]]
func.func @raises_silu_by_exp(%x: tensor<?x8xf32>) -> tensor<?x8xf32> {
  %one = arith.constant dense<1.0> : tensor<f32>
  %0 = transformer.neg %x : tensor<?x8xf32>
  %1 = transformer.exp %0 : tensor<?x8xf32>
  %2 = transformer.add %1, %one : tensor<?x8xf32>, tensor<f32> -> tensor<?x8xf32>
  %3 = transformer.div %x, %2 : tensor<?x8xf32>, tensor<?x8xf32> -> tensor<?x8xf32>
  return %3 : tensor<?x8xf32>
}

// CHECK-LABEL: @raises_relu
// CHECK-SAME: (%[[X:.+]]: tensor<?x8xf32>)
// CHECK-NEXT: transformer.relu %[[X]]
func.func @raises_relu(%x: tensor<?x8xf32>) -> tensor<?x8xf32> {
  %zero = arith.constant dense<0.0> : tensor<f32>
  %0 = transformer.max %zero, %x : tensor<f32>, tensor<?x8xf32> -> tensor<?x8xf32>
  return %0 : tensor<?x8xf32>
}

// Negative: 1.702 is another function (quick_gelu), not silu.
// CHECK-LABEL: @keeps_sigmoid_of_another_slope
// CHECK-NOT: transformer.silu
// CHECK: transformer.sigmoid
func.func @keeps_sigmoid_of_another_slope(%x: tensor<?x8xf32>) -> tensor<?x8xf32> {
  %0 = transformer.scale %x by 1.702 : tensor<?x8xf32>
  %1 = transformer.sigmoid %0 : tensor<?x8xf32>
  %2 = transformer.mul %x, %1 : tensor<?x8xf32>, tensor<?x8xf32> -> tensor<?x8xf32>
  return %2 : tensor<?x8xf32>
}

// Negative: sqrt 2 to three digits would change results.
// CHECK-LABEL: @keeps_erf_with_coarse_constant
// CHECK-NOT: transformer.gelu
// CHECK: transformer.erf
func.func @keeps_erf_with_coarse_constant(%x: tensor<?x8xf32>) -> tensor<?x8xf32> {
  %one = arith.constant dense<1.0> : tensor<f32>
  %0 = transformer.scale %x by 0.707 : tensor<?x8xf32>
  %1 = transformer.erf %0 : tensor<?x8xf32>
  %2 = transformer.add %1, %one : tensor<?x8xf32>, tensor<f32> -> tensor<?x8xf32>
  %3 = transformer.mul %x, %2 : tensor<?x8xf32>, tensor<?x8xf32> -> tensor<?x8xf32>
  %4 = transformer.scale %3 by 0.5 : tensor<?x8xf32>
  return %4 : tensor<?x8xf32>
}

// Negative: the error function of one value times another value.
// CHECK-LABEL: @keeps_erf_of_another_value
// CHECK-NOT: transformer.gelu
// CHECK: transformer.erf
func.func @keeps_erf_of_another_value(%x: tensor<?x8xf32>, %z: tensor<?x8xf32>) -> tensor<?x8xf32> {
  %one = arith.constant dense<1.0> : tensor<f32>
  %0 = transformer.scale %z by 0.707106769 : tensor<?x8xf32>
  %1 = transformer.erf %0 : tensor<?x8xf32>
  %2 = transformer.add %1, %one : tensor<?x8xf32>, tensor<f32> -> tensor<?x8xf32>
  %3 = transformer.mul %x, %2 : tensor<?x8xf32>, tensor<?x8xf32> -> tensor<?x8xf32>
  %4 = transformer.scale %3 by 0.5 : tensor<?x8xf32>
  return %4 : tensor<?x8xf32>
}

// Negative: the zeros widen the result.
// CHECK-LABEL: @keeps_max_that_broadcasts
// CHECK: transformer.max
func.func @keeps_max_that_broadcasts(%x: tensor<8xf32>) -> tensor<1x8xf32> {
  %zero = arith.constant dense<0.0> : tensor<1x1xf32>
  %0 = transformer.max %x, %zero : tensor<8xf32>, tensor<1x1xf32> -> tensor<1x8xf32>
  return %0 : tensor<1x8xf32>
}
