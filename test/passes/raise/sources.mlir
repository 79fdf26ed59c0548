// RUN: transom-opt %s --transom-raise | FileCheck %s

// The transposed form is read from the same tensor; two readers share it.
// CHECK-DAG: transformer.weight @stored.transposed from [#transformer.source<"onnx::MatMul_7" transposed>] : tensor<3x2xf32>
// CHECK-DAG: transformer.weight @conv1d.transposed from [#transformer.source<"h.0.c_attn.weight">] : tensor<3x2xf32>
// CHECK-DAG: transformer.weight @merged from
// CHECK-NOT: transformer.weight
transformer.weight @stored from [#transformer.source<"onnx::MatMul_7">] : tensor<2x3xf32>
transformer.weight @conv1d from [#transformer.source<"h.0.c_attn.weight" transposed>] : tensor<2x3xf32>
transformer.weight @merged from [#transformer.source<"a">, #transformer.source<"b">] : tensor<2x3xf32>

// CHECK-LABEL: @reads_the_tensor_transposed
// CHECK-COUNT-2: transformer.get_weight @stored.transposed
func.func @reads_the_tensor_transposed(%x: tensor<?x2xf32>) -> (tensor<?x3xf32>, tensor<?x3xf32>, tensor<?x3xf32>) {
  %w = transformer.get_weight @stored : tensor<2x3xf32>
  %v = transformer.get_weight @conv1d : tensor<2x3xf32>
  %0 = transformer.matmul %x, %w : tensor<?x2xf32>, tensor<2x3xf32> -> tensor<?x3xf32>
  %1 = transformer.matmul %x, %v : tensor<?x2xf32>, tensor<2x3xf32> -> tensor<?x3xf32>
  %2 = transformer.add %x, %x : tensor<?x2xf32>, tensor<?x2xf32> -> tensor<?x2xf32>
  %3 = transformer.matmul %2, %w : tensor<?x2xf32>, tensor<2x3xf32> -> tensor<?x3xf32>
  return %0, %1, %3 : tensor<?x3xf32>, tensor<?x3xf32>, tensor<?x3xf32>
}

// Negative: of several sources, one below the other, no transposed form can be
// written.
// CHECK-LABEL: @keeps_weight_of_several_sources
// CHECK: transformer.matmul
func.func @keeps_weight_of_several_sources(%x: tensor<?x2xf32>) -> tensor<?x3xf32> {
  %w = transformer.get_weight @merged : tensor<2x3xf32>
  %0 = transformer.matmul %x, %w : tensor<?x2xf32>, tensor<2x3xf32> -> tensor<?x3xf32>
  return %0 : tensor<?x3xf32>
}
