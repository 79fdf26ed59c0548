// RUN: transom-opt %s --transom-lower-host=name=two --split-input-file | FileCheck %s

// CHECK-LABEL: module
// CHECK: llvm.mlir.global external hidden constant @kernel.exp()

// CHECK: llvm.func internal @run.forward(%[[FRAME:.*]]: !llvm.ptr) -> i32
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

// CHECK: llvm.mlir.global private constant @inputs.forward
// CHECK: llvm.mlir.global private constant @programs
// CHECK: llvm.mlir.global internal constant @library
// CHECK: llvm.func @two_open(
// CHECK:   llvm.mlir.addressof @library
// CHECK:   llvm.call @transom_open
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

// -----

// Two programs share kernels and weights; the second appends to a cache.
// CHECK-LABEL: module
// CHECK: llvm.func internal @run.forward(
// CHECK: llvm.func internal @run.step(%[[FRAME:.*]]: !llvm.ptr) -> i32
// The cache is not an output: one place is set.
// CHECK-COUNT-1: llvm.store
// The tokens are stored, whatever is asked for.
// CHECK-NOT:   llvm.and
// CHECK:       llvm.call @transom_launch
// The output's launch runs if it is asked for, though all outputs need it: a
// step may have none.
// CHECK:       %[[MASK:.*]] = llvm.mlir.constant(1 : i64)
// CHECK:       llvm.and %{{.*}}, %[[MASK]]
// CHECK:       llvm.call @transom_launch
// CHECK:       llvm.return
// CHECK: llvm.mlir.global private constant @inputs.forward
// CHECK: llvm.mlir.global private constant @inputs.step
// Lengths, blocks and their offsets of the sequences' sources.
// CHECK: llvm.mlir.constant(10 : i8)
// CHECK: llvm.mlir.constant(11 : i8)
// CHECK: llvm.mlir.constant(12 : i8)
// CHECK: llvm.mlir.global private constant @programs
// CHECK: \22cache\22:{\22block_bytes\22:2048,\22block_tokens\22:16,\22columns\22:32}
// CHECK-SAME: \22programs\22:{\22step\22:{\22inputs\22:[{{.*}}\22name\22:\22ids\22
// Of a token 32 floats, of a block 2048 bytes.
// CHECK: llvm.mlir.global internal constant @library
// CHECK:   llvm.mlir.constant(32 : i32)
// CHECK:   llvm.mlir.constant(2048 : i64)
module {
  transformer.weight @w value dense<1.0> : tensor<5x8xf32>
  kernel.define @table(%i: tensor<?xi32>, %t: tensor<5x8xf32>) -> tensor<?x8xf32> rows 0 weights [1] {
    %0 = transformer.embedding %i, %t : tensor<?xi32>, tensor<5x8xf32> -> tensor<?x8xf32>
    kernel.yield %0 : tensor<?x8xf32>
  }
  kernel.define @append(%c: tensor<?x32xf32>, %x: tensor<?x8xf32>, %slots: tensor<?xi32>) -> tensor<?x32xf32> rows 1 weights [] {
    %0 = transformer.append_cache %c, %x, %x, %slots key_heads 1 at 0 : tensor<?x32xf32>, tensor<?x8xf32>, tensor<?x8xf32>, tensor<?xi32>
    kernel.yield %0 : tensor<?x32xf32>
  }
  kernel.define @exp(%x: tensor<?x8xf32>) -> tensor<?x8xf32> rows 0 weights [] {
    %0 = transformer.exp %x : tensor<?x8xf32>
    kernel.yield %0 : tensor<?x8xf32>
  }
  kernel.program @forward(%i: !kernel.buffer<tensor<?xi32>, tokens> {transformer.name = "ids"})
      -> (!kernel.buffer<tensor<?x8xf32>, tokens> {transformer.name = "a"}) arena [256, 0, 0, 0] {
    %w = kernel.weight @w : !kernel.buffer<tensor<5x8xf32>>
    %a = kernel.slot [0, 0, 0, 0] : !kernel.buffer<tensor<?x8xf32>, tokens>
    kernel.launch @table rows tokens reads(%i, %w) writes(%a) outputs [0] : !kernel.buffer<tensor<?xi32>, tokens>, !kernel.buffer<tensor<5x8xf32>> -> !kernel.buffer<tensor<?x8xf32>, tokens>
    kernel.return %a : !kernel.buffer<tensor<?x8xf32>, tokens>
  }
  kernel.program @step(%i: !kernel.buffer<tensor<?xi32>, tokens> {transformer.name = "ids"},
                       %s: !kernel.buffer<tensor<?xi32>, tokens> {transformer.role = #transformer.role<cache_slots>},
                       %t: !kernel.buffer<tensor<?xi32>, blocks> {transformer.role = #transformer.role<block_table>},
                       %o: !kernel.buffer<tensor<?xi32>, sequences, 1> {transformer.role = #transformer.role<block_offsets>},
                       %sl: !kernel.buffer<tensor<?xi32>, sequences> {transformer.role = #transformer.role<encoder_key_lengths>},
                       %st: !kernel.buffer<tensor<?xi32>, encoder_blocks> {transformer.role = #transformer.role<encoder_block_table>},
                       %so: !kernel.buffer<tensor<?xi32>, sequences, 1> {transformer.role = #transformer.role<encoder_block_offsets>},
                       %c: !kernel.buffer<tensor<?x32xf32>, slots> {transformer.role = #transformer.role<cache>})
      -> (!kernel.buffer<tensor<?x8xf32>, tokens> {transformer.name = "a"},
          !kernel.buffer<tensor<?x32xf32>, slots> {transformer.role = #transformer.role<cache>}) arena [512, 0, 0, 0] attributes {transformer.program = #transformer.program<step>} {
    %w = kernel.weight @w : !kernel.buffer<tensor<5x8xf32>>
    %x = kernel.slot [256, 0, 0, 0] : !kernel.buffer<tensor<?x8xf32>, tokens>
    kernel.launch @table rows tokens reads(%i, %w) writes(%x) outputs [0, 1] : !kernel.buffer<tensor<?xi32>, tokens>, !kernel.buffer<tensor<5x8xf32>> -> !kernel.buffer<tensor<?x8xf32>, tokens>
    kernel.launch @append rows tokens reads(%c, %x, %s) writes(%c) outputs [1] : !kernel.buffer<tensor<?x32xf32>, slots>, !kernel.buffer<tensor<?x8xf32>, tokens>, !kernel.buffer<tensor<?xi32>, tokens> -> !kernel.buffer<tensor<?x32xf32>, slots>
    %a = kernel.slot [0, 0, 0, 0] : !kernel.buffer<tensor<?x8xf32>, tokens>
    kernel.launch @exp rows tokens reads(%x) writes(%a) outputs [0] : !kernel.buffer<tensor<?x8xf32>, tokens> -> !kernel.buffer<tensor<?x8xf32>, tokens>
    kernel.return %a, %c : !kernel.buffer<tensor<?x8xf32>, tokens>, !kernel.buffer<tensor<?x32xf32>, slots>
  }
}

// -----

// The second layer's part of the cache begins 16 floats a column further on.
// CHECK: llvm.func internal @run.step(
// CHECK: llvm.call @transom_launch
// CHECK: %[[PLACE:.*]] = llvm.getelementptr %{{.*}}[4] : (!llvm.ptr) -> !llvm.ptr, !llvm.ptr
// CHECK-NEXT: %[[CACHE:.*]] = llvm.load %[[PLACE]]
// CHECK-NEXT: %[[AT:.*]] = llvm.mlir.constant(2048 : i64)
// CHECK-NEXT: llvm.getelementptr %[[CACHE]][%[[AT]]] : (!llvm.ptr, i64) -> !llvm.ptr, i8
// CHECK: llvm.call @transom_launch
module {
  transformer.weight @w value dense<1.0> : tensor<5x8xf32>
  kernel.define @table(%i: tensor<?xi32>, %t: tensor<5x8xf32>) -> tensor<?x8xf32> rows 0 weights [1] {
    %0 = transformer.embedding %i, %t : tensor<?xi32>, tensor<5x8xf32> -> tensor<?x8xf32>
    kernel.yield %0 : tensor<?x8xf32>
  }
  kernel.define @append(%c: tensor<?x64xf32>, %x: tensor<?x8xf32>, %slots: tensor<?xi32>) -> tensor<?x64xf32> rows 1 weights [] {
    %0 = transformer.append_cache %c, %x, %x, %slots key_heads 1 at 0 : tensor<?x64xf32>, tensor<?x8xf32>, tensor<?x8xf32>, tensor<?xi32>
    kernel.yield %0 : tensor<?x64xf32>
  }
  kernel.program @forward(%i: !kernel.buffer<tensor<?xi32>, tokens> {transformer.name = "ids"})
      -> (!kernel.buffer<tensor<?x8xf32>, tokens> {transformer.name = "a"}) arena [256, 0, 0, 0] {
    %w = kernel.weight @w : !kernel.buffer<tensor<5x8xf32>>
    %a = kernel.slot [0, 0, 0, 0] : !kernel.buffer<tensor<?x8xf32>, tokens>
    kernel.launch @table rows tokens reads(%i, %w) writes(%a) outputs [0] : !kernel.buffer<tensor<?xi32>, tokens>, !kernel.buffer<tensor<5x8xf32>> -> !kernel.buffer<tensor<?x8xf32>, tokens>
    kernel.return %a : !kernel.buffer<tensor<?x8xf32>, tokens>
  }
  kernel.program @step(%i: !kernel.buffer<tensor<?xi32>, tokens> {transformer.name = "ids"},
                       %s: !kernel.buffer<tensor<?xi32>, tokens> {transformer.role = #transformer.role<cache_slots>},
                       %t: !kernel.buffer<tensor<?xi32>, blocks> {transformer.role = #transformer.role<block_table>},
                       %o: !kernel.buffer<tensor<?xi32>, sequences, 1> {transformer.role = #transformer.role<block_offsets>},
                       %c: !kernel.buffer<tensor<?x64xf32>, slots> {transformer.role = #transformer.role<cache>})
      -> (!kernel.buffer<tensor<?x8xf32>, tokens> {transformer.name = "a"},
          !kernel.buffer<tensor<?x64xf32>, slots> {transformer.role = #transformer.role<cache>}) arena [256, 0, 0, 0] attributes {transformer.program = #transformer.program<step>} {
    %w = kernel.weight @w : !kernel.buffer<tensor<5x8xf32>>
    %a = kernel.slot [0, 0, 0, 0] : !kernel.buffer<tensor<?x8xf32>, tokens>
    kernel.launch @table rows tokens reads(%i, %w) writes(%a) outputs [0, 1] : !kernel.buffer<tensor<?xi32>, tokens>, !kernel.buffer<tensor<5x8xf32>> -> !kernel.buffer<tensor<?x8xf32>, tokens>
    %l = kernel.layer %c at 32 : !kernel.buffer<tensor<?x64xf32>, slots>
    kernel.launch @append rows tokens reads(%l, %a, %s) writes(%l) outputs [1] : !kernel.buffer<tensor<?x64xf32>, slots>, !kernel.buffer<tensor<?x8xf32>, tokens>, !kernel.buffer<tensor<?xi32>, tokens> -> !kernel.buffer<tensor<?x64xf32>, slots>
    kernel.return %a, %c : !kernel.buffer<tensor<?x8xf32>, tokens>, !kernel.buffer<tensor<?x64xf32>, slots>
  }
}

// -----

// What generation takes is typed: the metadata is for others to read. With
// decoder_start_token_id, bos_token_id does not count.
// CHECK-LABEL: module attributes {transformer.metadata
// CHECK: llvm.mlir.global private constant @eos_token_ids()
// CHECK:   dense<[3, 4]> : tensor<2xi32>
// CHECK: llvm.mlir.global private constant @generation()
// CHECK:   llvm.mlir.addressof @eos_token_ids
// CHECK:   llvm.mlir.constant(2 : i32)
// CHECK:   llvm.mlir.constant(7 : i32)
// CHECK:   llvm.mlir.constant(1 : i32)
// CHECK: llvm.mlir.global internal constant @library
// CHECK:   llvm.mlir.addressof @generation
module attributes {transformer.metadata = "{\"generation_config\": {\"bos_token_id\": 5, \"decoder_start_token_id\": 7, \"eos_token_id\": [3, 4]}}"} {
  transformer.weight @w value dense<1.0> : tensor<5x8xf32>
  kernel.define @table(%i: tensor<?xi32>, %t: tensor<5x8xf32>) -> tensor<?x8xf32> rows 0 weights [1] {
    %0 = transformer.embedding %i, %t : tensor<?xi32>, tensor<5x8xf32> -> tensor<?x8xf32>
    kernel.yield %0 : tensor<?x8xf32>
  }
  kernel.program @forward(%i: !kernel.buffer<tensor<?xi32>, tokens> {transformer.name = "ids"})
      -> (!kernel.buffer<tensor<?x8xf32>, tokens> {transformer.name = "a"}) arena [256, 0, 0, 0] {
    %w = kernel.weight @w : !kernel.buffer<tensor<5x8xf32>>
    %a = kernel.slot [0, 0, 0, 0] : !kernel.buffer<tensor<?x8xf32>, tokens>
    kernel.launch @table rows tokens reads(%i, %w) writes(%a) outputs [0] : !kernel.buffer<tensor<?xi32>, tokens>, !kernel.buffer<tensor<5x8xf32>> -> !kernel.buffer<tensor<?x8xf32>, tokens>
    kernel.return %a : !kernel.buffer<tensor<?x8xf32>, tokens>
  }
  kernel.program @step(%i: !kernel.buffer<tensor<?xi32>, tokens> {transformer.name = "ids"},
                       %p: !kernel.buffer<tensor<?xi32>, output_positions> {transformer.role = #transformer.role<output_positions>, transformer.name = "positions"})
      -> (!kernel.buffer<tensor<?x8xf32>, tokens> {transformer.name = "a"},
          !kernel.buffer<tensor<?x8xf32>, output_positions> {transformer.name = "logits"}) arena [256, 0, 0, 256] attributes {transformer.program = #transformer.program<step>} {
    %w = kernel.weight @w : !kernel.buffer<tensor<5x8xf32>>
    %a = kernel.slot [0, 0, 0, 0] : !kernel.buffer<tensor<?x8xf32>, tokens>
    kernel.launch @table rows tokens reads(%i, %w) writes(%a) outputs [0] : !kernel.buffer<tensor<?xi32>, tokens>, !kernel.buffer<tensor<5x8xf32>> -> !kernel.buffer<tensor<?x8xf32>, tokens>
    %b = kernel.slot [256, 0, 0, 0] : !kernel.buffer<tensor<?x8xf32>, output_positions>
    kernel.launch @table rows output_positions reads(%p, %w) writes(%b) outputs [1] : !kernel.buffer<tensor<?xi32>, output_positions>, !kernel.buffer<tensor<5x8xf32>> -> !kernel.buffer<tensor<?x8xf32>, output_positions>
    kernel.return %a, %b : !kernel.buffer<tensor<?x8xf32>, tokens>, !kernel.buffer<tensor<?x8xf32>, output_positions>
  }
}
