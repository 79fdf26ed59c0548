// RUN: transom-opt %s --transom-raise --split-input-file | FileCheck %s
// RUN: transom-test-opt %s --test-pass-equivalence="passes=transom-raise" \
// RUN:   --split-input-file -o /dev/null

// Exporters store weights [K, N] and add the bias from the left. Once nothing
// reads the stored form, its symbol goes.
// CHECK-NOT: transformer.weight @w value
// CHECK: transformer.weight @w.transposed value dense<{{\[}}[1.000000e+00, 4.000000e+00], [2.000000e+00, 5.000000e+00], [3.000000e+00, 6.000000e+00]]> : tensor<3x2xf32>
transformer.weight @w value dense<[[1.0, 2.0, 3.0], [4.0, 5.0, 6.0]]> : tensor<2x3xf32>
transformer.weight @b value dense<[7.0, 8.0, 9.0]> : tensor<3xf32>

// CHECK-LABEL: @raises_linear_of_a_stored_weight
// CHECK-SAME: (%[[X:.+]]: tensor<?x?x2xf32>)
// CHECK-DAG: %[[W:.+]] = transformer.get_weight @w.transposed : tensor<3x2xf32>
// CHECK-DAG: %[[B:.+]] = transformer.get_weight @b
// CHECK: %[[Y:.+]] = transformer.linear %[[X]], %[[W]] bias %[[B]]
// CHECK-NEXT: return %[[Y]]
func.func @raises_linear_of_a_stored_weight(%x: tensor<?x?x2xf32>) -> tensor<?x?x3xf32> {
  %w = transformer.get_weight @w : tensor<2x3xf32>
  %b = transformer.get_weight @b : tensor<3xf32>
  %0 = transformer.matmul %x, %w : tensor<?x?x2xf32>, tensor<2x3xf32> -> tensor<?x?x3xf32>
  %1 = transformer.add %b, %0 : tensor<3xf32>, tensor<?x?x3xf32> -> tensor<?x?x3xf32>
  return %1 : tensor<?x?x3xf32>
}

// CHECK-LABEL: @raises_linear_of_a_constant
// CHECK: arith.constant dense<{{\[}}[1.000000e+00, 3.000000e+00], [2.000000e+00, 4.000000e+00]]>
// CHECK: transformer.linear
func.func @raises_linear_of_a_constant(%x: tensor<?x2xf32>) -> tensor<?x2xf32> {
  %w = arith.constant dense<[[1.0, 2.0], [3.0, 4.0]]> : tensor<2x2xf32>
  %0 = transformer.matmul %x, %w : tensor<?x2xf32>, tensor<2x2xf32> -> tensor<?x2xf32>
  return %0 : tensor<?x2xf32>
}

// A weight that is transposed in the graph is [N, K] already.
// CHECK-LABEL: @raises_linear_of_a_transposed_weight
// CHECK: %[[B:.+]] = arith.constant
// CHECK-NEXT: transformer.linear %{{.+}}, %[[B]]
func.func @raises_linear_of_a_transposed_weight(%x: tensor<?x2xf32>) -> tensor<?x3xf32> {
  %w = arith.constant dense<[[1.0, 2.0], [3.0, 4.0], [5.0, 6.0]]> : tensor<3x2xf32>
  %t = transformer.transpose %w [1, 0] : tensor<3x2xf32> -> tensor<2x3xf32>
  %0 = transformer.matmul %x, %t : tensor<?x2xf32>, tensor<2x3xf32> -> tensor<?x3xf32>
  return %0 : tensor<?x3xf32>
}

// CHECK-LABEL: @raises_scale
// CHECK: %[[S:.+]] = transformer.scale %{{.+}} by 1.250000e-01
// CHECK-NEXT: transformer.scale %[[S]] by 2.000000e+00
func.func @raises_scale(%x: tensor<?x2xf32>) -> tensor<?x2xf32> {
  %eight = arith.constant dense<8.0> : tensor<f32>
  %two = arith.constant dense<2.0> : tensor<1xf32>
  %0 = transformer.div %x, %eight : tensor<?x2xf32>, tensor<f32> -> tensor<?x2xf32>
  %1 = transformer.mul %two, %0 : tensor<1xf32>, tensor<?x2xf32> -> tensor<?x2xf32>
  return %1 : tensor<?x2xf32>
}

// Negative: a product of two activations is not a linear.
// CHECK-LABEL: @keeps_product_of_activations
// CHECK: transformer.matmul
func.func @keeps_product_of_activations(%x: tensor<2x2xf32>, %w: tensor<2x2xf32>) -> tensor<2x2xf32> {
  %0 = transformer.matmul %x, %w : tensor<2x2xf32>, tensor<2x2xf32> -> tensor<2x2xf32>
  return %0 : tensor<2x2xf32>
}

// Negative: the product without the bias is wanted too.
// CHECK-LABEL: @keeps_bias_of_shared_product
// CHECK: %[[L:.+]] = transformer.linear
// CHECK-NEXT: %[[A:.+]] = transformer.add
// CHECK-NEXT: return %[[L]], %[[A]]
func.func @keeps_bias_of_shared_product(%x: tensor<?x2xf32>) -> (tensor<?x2xf32>, tensor<?x2xf32>) {
  %w = arith.constant dense<1.0> : tensor<2x2xf32>
  %b = arith.constant dense<[1.0, 2.0]> : tensor<2xf32>
  %0 = transformer.matmul %x, %w transpose_rhs : tensor<?x2xf32>, tensor<2x2xf32> -> tensor<?x2xf32>
  %1 = transformer.add %0, %b : tensor<?x2xf32>, tensor<2xf32> -> tensor<?x2xf32>
  return %0, %1 : tensor<?x2xf32>, tensor<?x2xf32>
}

// Negative: a number divided by x is not a multiple of x.
// CHECK-LABEL: @keeps_reciprocal
// CHECK-NOT: transformer.scale
// CHECK: transformer.div
func.func @keeps_reciprocal(%x: tensor<?x2xf32>) -> tensor<?x2xf32> {
  %one = arith.constant dense<1.0> : tensor<f32>
  %0 = transformer.div %one, %x : tensor<f32>, tensor<?x2xf32> -> tensor<?x2xf32>
  return %0 : tensor<?x2xf32>
}

// -----

// A table that is read as it is, too (tied embeddings), keeps its symbol.
// CHECK-DAG: transformer.weight @table value
// CHECK-DAG: transformer.weight @table.transposed value
transformer.weight @table value dense<[[1.0, 2.0, 3.0], [4.0, 5.0, 6.0]]> : tensor<2x3xf32>

// CHECK-LABEL: @keeps_weight_with_another_reader
func.func @keeps_weight_with_another_reader(%x: tensor<?x2xf32>) -> (tensor<?x3xf32>, tensor<2x3xf32>) {
  %w = transformer.get_weight @table : tensor<2x3xf32>
  %0 = transformer.matmul %x, %w : tensor<?x2xf32>, tensor<2x3xf32> -> tensor<?x3xf32>
  return %0, %w : tensor<?x3xf32>, tensor<2x3xf32>
}
