// RUN: transom-opt %s --transom-raise | FileCheck %s
// RUN: transom-test-opt %s --test-pass-equivalence="passes=transom-raise" -o /dev/null

// CHECK-LABEL: @raises_split_heads
// CHECK-SAME: (%[[X:.+]]: tensor<?x?x8xf32>)
// CHECK-NEXT: %[[Y:.+]] = transformer.split_heads %[[X]] heads 2
// CHECK-NEXT: return %[[Y]]
func.func @raises_split_heads(%x: tensor<?x?x8xf32>) -> tensor<?x2x?x4xf32> {
  %0 = transformer.reshape %x to [0, 0, -1, 4] : tensor<?x?x8xf32> -> tensor<?x?x2x4xf32>
  %1 = transformer.transpose %0 [0, 2, 1, 3] : tensor<?x?x2x4xf32> -> tensor<?x2x?x4xf32>
  return %1 : tensor<?x2x?x4xf32>
}

// The rest can only be the batch, as all other extents are known to be kept.
// CHECK-LABEL: @raises_split_heads_with_inferred_batch
// CHECK-NEXT: transformer.split_heads %{{.+}} heads 2
func.func @raises_split_heads_with_inferred_batch(%x: tensor<?x5x8xf32>) -> tensor<?x2x5x4xf32> {
  %0 = transformer.reshape %x to [-1, 5, 2, 4] : tensor<?x5x8xf32> -> tensor<?x5x2x4xf32>
  %1 = transformer.transpose %0 [0, 2, 1, 3] : tensor<?x5x2x4xf32> -> tensor<?x2x5x4xf32>
  return %1 : tensor<?x2x5x4xf32>
}

// CHECK-LABEL: @raises_merge_heads
// CHECK-SAME: (%[[X:.+]]: tensor<?x2x?x4xf32>)
// CHECK-NEXT: %[[Y:.+]] = transformer.merge_heads %[[X]]
// CHECK-NEXT: return %[[Y]]
func.func @raises_merge_heads(%x: tensor<?x2x?x4xf32>) -> tensor<?x?x8xf32> {
  %0 = transformer.transpose %x [0, 2, 1, 3] : tensor<?x2x?x4xf32> -> tensor<?x?x2x4xf32>
  %1 = transformer.reshape %0 to [0, 0, 8] : tensor<?x?x2x4xf32> -> tensor<?x?x8xf32>
  return %1 : tensor<?x?x8xf32>
}

// PyTorch's exporters fuse the key's two transpositions into one.
// CHECK-LABEL: @raises_transposed_key
// CHECK-SAME: (%[[Q:.+]]: tensor<?x2x?x4xf32>, %[[K:.+]]: tensor<?x?x8xf32>)
// CHECK-NEXT: %[[S:.+]] = transformer.split_heads %[[K]] heads 2
// CHECK-NEXT: transformer.matmul %[[Q]], %[[S]] transpose_rhs
func.func @raises_transposed_key(%q: tensor<?x2x?x4xf32>, %k: tensor<?x?x8xf32>) -> tensor<?x2x?x?xf32> {
  %0 = transformer.reshape %k to [0, 0, 2, 4] : tensor<?x?x8xf32> -> tensor<?x?x2x4xf32>
  %1 = transformer.transpose %0 [0, 2, 3, 1] : tensor<?x?x2x4xf32> -> tensor<?x2x4x?xf32>
  %2 = transformer.matmul %q, %1 : tensor<?x2x?x4xf32>, tensor<?x2x4x?xf32> -> tensor<?x2x?x?xf32>
  return %2 : tensor<?x2x?x?xf32>
}

// scaled_dot_product_attention scales query and key by the root of the factor.
// CHECK-LABEL: @raises_scaled_transposed_key
// CHECK-SAME: (%[[Q:.+]]: tensor<?x2x?x4xf32>, %[[K:.+]]: tensor<?x2x?x4xf32>)
// CHECK: %[[S:.+]] = transformer.scale %[[K]] by 0.70{{.+}} : tensor<?x2x?x4xf32>
// CHECK-NEXT: transformer.matmul %{{.+}}, %[[S]] transpose_rhs
func.func @raises_scaled_transposed_key(%q: tensor<?x2x?x4xf32>, %k: tensor<?x2x?x4xf32>) -> tensor<?x2x?x?xf32> {
  %root = arith.constant dense<0.707106769> : tensor<f32>
  %0 = transformer.transpose %k [0, 1, 3, 2] : tensor<?x2x?x4xf32> -> tensor<?x2x4x?xf32>
  %1 = transformer.mul %q, %root : tensor<?x2x?x4xf32>, tensor<f32> -> tensor<?x2x?x4xf32>
  %2 = transformer.mul %0, %root : tensor<?x2x4x?xf32>, tensor<f32> -> tensor<?x2x4x?xf32>
  %3 = transformer.matmul %1, %2 : tensor<?x2x?x4xf32>, tensor<?x2x4x?xf32> -> tensor<?x2x?x?xf32>
  return %3 : tensor<?x2x?x?xf32>
}

// CHECK-LABEL: @drops_identities
// CHECK-SAME: (%[[X:.+]]: tensor<?x?x8xf32>)
// CHECK-NEXT: return %[[X]]
func.func @drops_identities(%x: tensor<?x?x8xf32>) -> tensor<?x?x8xf32> {
  %0 = transformer.cast %x : tensor<?x?x8xf32> -> tensor<?x?x8xf32>
  %1 = transformer.reshape %0 to [0, -1, 8] : tensor<?x?x8xf32> -> tensor<?x?x8xf32>
  %2 = transformer.transpose %1 [0, 1, 2] : tensor<?x?x8xf32> -> tensor<?x?x8xf32>
  return %2 : tensor<?x?x8xf32>
}

// Negative: the value is not transposed, and stays so.
// CHECK-LABEL: @keeps_product_with_value
// CHECK: transformer.split_heads
// CHECK-NEXT: transformer.matmul %{{.+}}, %{{.+}} : tensor<?x2x?x?xf32>
func.func @keeps_product_with_value(%p: tensor<?x2x?x?xf32>, %v: tensor<?x?x8xf32>) -> tensor<?x2x?x4xf32> {
  %0 = transformer.reshape %v to [0, 0, 2, 4] : tensor<?x?x8xf32> -> tensor<?x?x2x4xf32>
  %1 = transformer.transpose %0 [0, 2, 1, 3] : tensor<?x?x2x4xf32> -> tensor<?x2x?x4xf32>
  %2 = transformer.matmul %p, %1 : tensor<?x2x?x?xf32>, tensor<?x2x?x4xf32> -> tensor<?x2x?x4xf32>
  return %2 : tensor<?x2x?x4xf32>
}

// Negative: the reshapes exchange batch and length. Two transposes that undo each
// other fold away.
// CHECK-LABEL: @keeps_reshape_across_rows
// CHECK: transformer.reshape
// CHECK-NEXT: transformer.reshape
func.func @keeps_reshape_across_rows(%x: tensor<2x6x8xf32>) -> tensor<2x6x8xf32> {
  %0 = transformer.reshape %x to [6, 2, 2, 4] : tensor<2x6x8xf32> -> tensor<6x2x2x4xf32>
  %1 = transformer.transpose %0 [0, 2, 1, 3] : tensor<6x2x2x4xf32> -> tensor<6x2x2x4xf32>
  %2 = transformer.transpose %1 [0, 2, 1, 3] : tensor<6x2x2x4xf32> -> tensor<6x2x2x4xf32>
  %3 = transformer.reshape %2 to [2, 6, 8] : tensor<6x2x2x4xf32> -> tensor<2x6x8xf32>
  return %3 : tensor<2x6x8xf32>
}
