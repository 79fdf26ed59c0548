// RUN: transom-opt %s --transom-lower-host=name=two --split-input-file | FileCheck %s

// CHECK-LABEL: module
// CHECK: llvm.mlir.global external hidden constant @kernel.exp()

// CHECK: llvm.func internal @run(%[[FRAME:.*]]: !llvm.ptr) -> i32
// Both outputs' places are set, whatever is asked for: arena + 256 * tokens,
// rounded up, and arena.
// CHECK:   llvm.mlir.constant(256 : i64)
// CHECK:   llvm.mul
// CHECK:   llvm.store
// CHECK:   llvm.store

// The first launch is needed by both outputs: nothing to test.
// CHECK:   llvm.getelementptr %[[FRAME]][0, 2]
// CHECK-NOT: llvm.and
// CHECK:   llvm.getelementptr %[[FRAME]][0, 4, 0]
// CHECK-NEXT: %[[ROWS:.*]] = llvm.load {{.*}} -> i64
// CHECK:   %[[TABLE:.*]] = llvm.mlir.addressof @kernel.table
// CHECK:   %[[STATUS:.*]] = llvm.call @transom_launch(%[[FRAME]], %[[TABLE]], %{{.*}}, %[[ROWS]], %{{.*}})
// A failure is handed through at once.
// CHECK:   %[[FAILED:.*]] = llvm.icmp "ne" %[[STATUS]]
// CHECK:   llvm.cond_br %[[FAILED]], ^[[EXIT:.*]](%[[STATUS]] : i32), ^[[NEXT:.*]]

// The second is for output 1 alone, bit 2 of the frame's mask.
// CHECK: ^[[NEXT]]:
// CHECK:   %[[MASK:.*]] = llvm.mlir.constant(2 : i64)
// CHECK:   llvm.and %{{.*}}, %[[MASK]]
// CHECK:   llvm.cond_br %{{.*}}, ^{{.*}}, ^[[SKIP:.*]]
// CHECK:   llvm.call @transom_launch
// CHECK: ^[[SKIP]]:
// CHECK:   llvm.br ^[[EXIT]]
// CHECK: ^[[EXIT]](%[[RESULT:.*]]: i32):
// CHECK:   llvm.return %[[RESULT]] : i32

// CHECK: llvm.mlir.global private constant @inputs
// CHECK: llvm.mlir.global internal constant @library
// CHECK: llvm.func @two_open(
// CHECK:   llvm.mlir.addressof @library
// CHECK:   llvm.call @transom_model_open
// CHECK: llvm.func @two_metadata
// CHECK: llvm.mlir.global external constant @two_entry
// CHECK: llvm.mlir.alias external @transom_entry
module {
  transformer.weight @w value dense<1.0> : tensor<5x8xf32>
  kernel.define @table(%i: tensor<?xi32>, %t: tensor<5x8xf32>) -> tensor<?x8xf32> rows 0 weights [1] {
    %0 = transformer.embedding %i, %t : tensor<?xi32>, tensor<5x8xf32> -> tensor<?x8xf32>
    kernel.yield %0 : tensor<?x8xf32>
  }
  kernel.define @exp(%x: tensor<?x8xf32>) -> tensor<?x8xf32> rows 0 weights [] {
    %0 = transformer.exp %x : tensor<?x8xf32>
    kernel.yield %0 : tensor<?x8xf32>
  }
  kernel.program @forward(%i: !kernel.buffer<tensor<?xi32>, tokens> {transformer.name = "ids"})
      -> (!kernel.buffer<tensor<?x8xf32>, tokens> {transformer.name = "a"},
          !kernel.buffer<tensor<?x8xf32>, tokens> {transformer.name = "b"}) arena [512, 0, 0, 0] {
    %w = kernel.weight @w : !kernel.buffer<tensor<5x8xf32>>
    %a = kernel.slot [256, 0, 0, 0] : !kernel.buffer<tensor<?x8xf32>, tokens>
    kernel.launch @table rows tokens reads(%i, %w) writes(%a) outputs [0, 1] layer "embeddings" : !kernel.buffer<tensor<?xi32>, tokens>, !kernel.buffer<tensor<5x8xf32>> -> !kernel.buffer<tensor<?x8xf32>, tokens>
    %b = kernel.slot [0, 0, 0, 0] : !kernel.buffer<tensor<?x8xf32>, tokens>
    kernel.launch @exp rows tokens reads(%a) writes(%b) outputs [1] : !kernel.buffer<tensor<?x8xf32>, tokens> -> !kernel.buffer<tensor<?x8xf32>, tokens>
    kernel.return %a, %b : !kernel.buffer<tensor<?x8xf32>, tokens>, !kernel.buffer<tensor<?x8xf32>, tokens>
  }
}
