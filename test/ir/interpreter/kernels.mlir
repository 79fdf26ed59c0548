// RUN: transom-test-opt %s --test-interpret -o /dev/null | FileCheck %s

transformer.weight @t value dense<[[1.0, 2.0], [3.0, 4.0], [5.0, 6.0]]> : tensor<3x2xf32>
kernel.define private @embedding_2(%ids: tensor<?xi32>, %t: tensor<3x2xf32>) -> tensor<?x2xf32> rows 0 weights [1] {
  %0 = transformer.embedding %ids, %t : tensor<?xi32>, tensor<3x2xf32> -> tensor<?x2xf32>
  kernel.yield %0 : tensor<?x2xf32>
}
kernel.define private @gather_2(%ids: tensor<?xi32>, %t: tensor<?x2xf32>) -> tensor<?x2xf32> rows 0 weights [] {
  %0 = transformer.embedding %ids, %t : tensor<?xi32>, tensor<?x2xf32> -> tensor<?x2xf32>
  kernel.yield %0 : tensor<?x2xf32>
}
kernel.define private @add_2(%x: tensor<?x2xf32>, %y: tensor<?x2xf32>) -> tensor<?x2xf32> rows 0 weights [] {
  %0 = transformer.add %x, %y : tensor<?x2xf32>, tensor<?x2xf32> -> tensor<?x2xf32>
  kernel.yield %0 : tensor<?x2xf32>
}

// CHECK-LABEL: @calls
// CHECK-NEXT{LITERAL}: tensor<1x2xf32> [[5, 6]]
func.func @calls() -> tensor<?x2xf32> {
  %ids = arith.constant dense<2> : tensor<1xi32>
  %t = transformer.get_weight @t : tensor<3x2xf32>
  %x = kernel.call @embedding_2(%ids, %t) : (tensor<1xi32>, tensor<3x2xf32>) -> tensor<?x2xf32>
  return %x : tensor<?x2xf32>
}

// Both regions of the arena, and a row gathered from an activation.
// CHECK-LABEL: @program
// CHECK-NEXT{LITERAL}: tensor<3x2xf32> [[2, 4], [6, 8], [10, 12]]
// CHECK-NEXT{LITERAL}: tensor<2x2xf32> [[2, 4], [6, 8]]
kernel.program @program(%ids: !kernel.buffer<tensor<?xi32>, tokens>, %rows: !kernel.buffer<tensor<?xi32>, sequences>)
    -> (!kernel.buffer<tensor<?x2xf32>, tokens>, !kernel.buffer<tensor<?x2xf32>, sequences>) arena [512, 256, 0, 0] {
  %t = kernel.weight @t : !kernel.buffer<tensor<3x2xf32>>
  %x = kernel.slot [0, 0, 0, 0] : !kernel.buffer<tensor<?x2xf32>, tokens>
  kernel.launch @embedding_2 rows tokens reads(%ids, %t) writes(%x) outputs [0, 1] : !kernel.buffer<tensor<?xi32>, tokens>, !kernel.buffer<tensor<3x2xf32>> -> !kernel.buffer<tensor<?x2xf32>, tokens>
  %y = kernel.slot [256, 0, 0, 0] : !kernel.buffer<tensor<?x2xf32>, tokens>
  kernel.launch @add_2 rows tokens reads(%x, %x) writes(%y) outputs [0, 1] : !kernel.buffer<tensor<?x2xf32>, tokens>, !kernel.buffer<tensor<?x2xf32>, tokens> -> !kernel.buffer<tensor<?x2xf32>, tokens>
  %z = kernel.slot [512, 0, 0, 0] : !kernel.buffer<tensor<?x2xf32>, sequences>
  kernel.launch @gather_2 rows sequences reads(%rows, %y) writes(%z) outputs [1] : !kernel.buffer<tensor<?xi32>, sequences>, !kernel.buffer<tensor<?x2xf32>, tokens> -> !kernel.buffer<tensor<?x2xf32>, sequences>
  kernel.return %y, %z : !kernel.buffer<tensor<?x2xf32>, tokens>, !kernel.buffer<tensor<?x2xf32>, sequences>
}

// A plan that gives two living activations overlapping memory shows: the second
// embedding and its padding land on the first one's rows.
// CHECK-LABEL: @overlapping
// CHECK-NEXT{LITERAL}: tensor<3x2xf32> [[nan, nan], [nan, nan], [nan, nan]]
kernel.program @overlapping(%ids: !kernel.buffer<tensor<?xi32>, tokens>)
    -> (!kernel.buffer<tensor<?x2xf32>, tokens>) arena [512, 0, 0, 0] {
  %t = kernel.weight @t : !kernel.buffer<tensor<3x2xf32>>
  %x = kernel.slot [4, 0, 0, 0] : !kernel.buffer<tensor<?x2xf32>, tokens>
  kernel.launch @embedding_2 rows tokens reads(%ids, %t) writes(%x) outputs [0] : !kernel.buffer<tensor<?xi32>, tokens>, !kernel.buffer<tensor<3x2xf32>> -> !kernel.buffer<tensor<?x2xf32>, tokens>
  %y = kernel.slot [0, 0, 0, 0] : !kernel.buffer<tensor<?x2xf32>, tokens>
  kernel.launch @embedding_2 rows tokens reads(%ids, %t) writes(%y) outputs [0] : !kernel.buffer<tensor<?xi32>, tokens>, !kernel.buffer<tensor<3x2xf32>> -> !kernel.buffer<tensor<?x2xf32>, tokens>
  kernel.return %x : !kernel.buffer<tensor<?x2xf32>, tokens>
}

// A kernel's tasks run in any order, so it may not write where it reads.
// CHECK-LABEL: @in_place
// CHECK-NEXT{LITERAL}: tensor<3x2xf32> [[nan, nan], [nan, nan], [nan, nan]]
kernel.program @in_place(%ids: !kernel.buffer<tensor<?xi32>, tokens>)
    -> (!kernel.buffer<tensor<?x2xf32>, tokens>) arena [256, 0, 0, 0] {
  %t = kernel.weight @t : !kernel.buffer<tensor<3x2xf32>>
  %x = kernel.slot [0, 0, 0, 0] : !kernel.buffer<tensor<?x2xf32>, tokens>
  kernel.launch @embedding_2 rows tokens reads(%ids, %t) writes(%x) outputs [0] : !kernel.buffer<tensor<?xi32>, tokens>, !kernel.buffer<tensor<3x2xf32>> -> !kernel.buffer<tensor<?x2xf32>, tokens>
  %y = kernel.slot [0, 0, 0, 0] : !kernel.buffer<tensor<?x2xf32>, tokens>
  kernel.launch @add_2 rows tokens reads(%x, %x) writes(%y) outputs [0] : !kernel.buffer<tensor<?x2xf32>, tokens>, !kernel.buffer<tensor<?x2xf32>, tokens> -> !kernel.buffer<tensor<?x2xf32>, tokens>
  kernel.return %y : !kernel.buffer<tensor<?x2xf32>, tokens>
}

// Memory that nothing has written is NaN.
// CHECK-LABEL: @unwritten
// CHECK-NEXT{LITERAL}: tensor<3x2xf32> [[nan, nan], [nan, nan], [nan, nan]]
kernel.program @unwritten(%ids: !kernel.buffer<tensor<?xi32>, tokens>)
    -> (!kernel.buffer<tensor<?x2xf32>, tokens>) arena [256, 0, 0, 0] {
  %x = kernel.slot [0, 0, 0, 0] : !kernel.buffer<tensor<?x2xf32>, tokens>
  kernel.return %x : !kernel.buffer<tensor<?x2xf32>, tokens>
}
