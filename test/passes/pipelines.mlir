// RUN: transom-opt %s --transom-pipeline | FileCheck %s
// RUN: transom-opt %s --transom-definition-pipeline --transom-fusion-pipeline --transom-kernel-pipeline | FileCheck %s
// RUN: transom-opt %s --transom-fusion-pipeline=fuse-epilogues=false | FileCheck %s --check-prefix=APART

// All stages together, or one after another: a layer becomes launches on packed
// tokens, the activation inside the linear before it.
// CHECK-DAG:     kernel.define private @ragged_attention_2x4(
// CHECK-DAG:     kernel.define private @linear_8x16_relu(
// CHECK-DAG:     kernel.define private @add_layer_norm_8(
// CHECK-LABEL:   kernel.program @forward(
// CHECK-SAME:      transformer.role = #transformer.role<sequence_offsets>
// CHECK-COUNT-5:   kernel.launch
// CHECK-NOT:       kernel.launch
// CHECK:           kernel.return

// Switched off, a pass leaves its ops to be kernels of their own.
// APART-LABEL: func.func @forward
// APART:         transformer.linear
// APART:         transformer.relu

transformer.weight @table value dense<1.0> : tensor<16x8xf32>
transformer.weight @up value dense<1.0> : tensor<16x8xf32>
transformer.weight @down value dense<1.0> : tensor<8x16xf32>
transformer.weight @g value dense<1.0> : tensor<8xf32>
func.func @forward(
    %ids: tensor<?x?xi32> {transformer.name = "input_ids", transformer.dims = ["batch", "length"]},
    %mask: tensor<?x?xi32> {transformer.name = "attention_mask", transformer.dims = ["batch", "length"], transformer.role = #transformer.role<attention_mask>})
    -> (tensor<?x?x8xf32> {transformer.name = "last_hidden_state", transformer.dims = ["batch", "length", "width"]}) {
  %table = transformer.get_weight @table : tensor<16x8xf32>
  %up = transformer.get_weight @up : tensor<16x8xf32>
  %down = transformer.get_weight @down : tensor<8x16xf32>
  %g = transformer.get_weight @g : tensor<8xf32>
  %x = transformer.embedding %ids, %table : tensor<?x?xi32>, tensor<16x8xf32> -> tensor<?x?x8xf32>
  %h = transformer.split_heads %x heads 2 : tensor<?x?x8xf32> -> tensor<?x2x?x4xf32>
  %m = transformer.padding_mask %mask : tensor<?x?xi32> -> tensor<?x1x1x?xf32>
  %q = transformer.matmul %h, %h transpose_rhs : tensor<?x2x?x4xf32>, tensor<?x2x?x4xf32> -> tensor<?x2x?x?xf32>
  %s = transformer.scale %q by 0.5 : tensor<?x2x?x?xf32>
  %b = transformer.add %s, %m : tensor<?x2x?x?xf32>, tensor<?x1x1x?xf32> -> tensor<?x2x?x?xf32>
  %p = transformer.softmax %b : tensor<?x2x?x?xf32>
  %c = transformer.matmul %p, %h : tensor<?x2x?x?xf32>, tensor<?x2x?x4xf32> -> tensor<?x2x?x4xf32>
  %a = transformer.merge_heads %c : tensor<?x2x?x4xf32> -> tensor<?x?x8xf32>
  %l = transformer.linear %a, %up : tensor<?x?x8xf32>, tensor<16x8xf32> -> tensor<?x?x16xf32>
  %r = transformer.relu %l : tensor<?x?x16xf32>
  %d = transformer.linear %r, %down : tensor<?x?x16xf32>, tensor<8x16xf32> -> tensor<?x?x8xf32>
  %t = transformer.add %d, %x : tensor<?x?x8xf32>, tensor<?x?x8xf32> -> tensor<?x?x8xf32>
  %y = transformer.layer_norm %t, %g, %g epsilon 1.0e-12 : tensor<?x?x8xf32>, tensor<8xf32>, tensor<8xf32> -> tensor<?x?x8xf32>
  return %y : tensor<?x?x8xf32>
}
