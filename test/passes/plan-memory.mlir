// RUN: transom-opt %s --transom-plan-memory --split-input-file | FileCheck %s

kernel.define private @tanh_8(%x: tensor<?x8xf32>) -> tensor<?x8xf32> rows 0 weights [] {
  %0 = transformer.tanh %x : tensor<?x8xf32>
  kernel.yield %0 : tensor<?x8xf32>
}
kernel.define private @linear_8x100(%x: tensor<?x8xf32>, %w: tensor<100x8xf32>) -> tensor<?x100xf32> rows 0 weights [1] {
  %0 = transformer.linear %x, %w : tensor<?x8xf32>, tensor<100x8xf32> -> tensor<?x100xf32>
  kernel.yield %0 : tensor<?x100xf32>
}
kernel.define private @linear_100x8(%x: tensor<?x100xf32>, %w: tensor<8x100xf32>) -> tensor<?x8xf32> rows 0 weights [1] {
  %0 = transformer.linear %x, %w : tensor<?x100xf32>, tensor<8x100xf32> -> tensor<?x8xf32>
  kernel.yield %0 : tensor<?x8xf32>
}
kernel.define private @embedding_8(%ids: tensor<?xi32>, %t: tensor<16x8xf32>) -> tensor<?x8xf32> rows 0 weights [1] {
  %0 = transformer.embedding %ids, %t : tensor<?xi32>, tensor<16x8xf32> -> tensor<?x8xf32>
  kernel.yield %0 : tensor<?x8xf32>
}
transformer.weight @t value dense<1.0> : tensor<16x8xf32>
transformer.weight @up value dense<1.0> : tensor<100x8xf32>
transformer.weight @down value dense<1.0> : tensor<8x100xf32>

// Rows of 8 take 64 elements, of 100 take 128. The embedding is dead when the
// first activation is written, so its memory serves for the second; the output
// must not be overwritten. Weights are named once.
// CHECK-LABEL: kernel.program @reuses_memory(
// CHECK-SAME:    %[[IDS:.+]]: !kernel.buffer<tensor<?xi32>, tokens> {transformer.dims = ["tokens"], transformer.name = "ids"})
// CHECK-SAME:    -> (!kernel.buffer<tensor<?x8xf32>, tokens> {transformer.name = "y"}) arena [768, 0, 0, 0]
// CHECK-NEXT:    %[[T:.+]] = kernel.weight @t : !kernel.buffer<tensor<16x8xf32>>
// CHECK-NEXT:    %[[UP:.+]] = kernel.weight @up
// CHECK-NEXT:    %[[DOWN:.+]] = kernel.weight @down
// CHECK-NEXT:    %[[X:.+]] = kernel.slot [512, 0, 0, 0] : !kernel.buffer<tensor<?x8xf32>, tokens>
// CHECK-NEXT:    kernel.launch @embedding_8 rows tokens reads(%[[IDS]], %[[T]]) writes(%[[X]]) outputs [0] layer "embeddings" :
// CHECK-NEXT:    %[[H:.+]] = kernel.slot [0, 0, 0, 0] : !kernel.buffer<tensor<?x100xf32>, tokens>
// CHECK-NEXT:    kernel.launch @linear_8x100 rows tokens reads(%[[X]], %[[UP]]) writes(%[[H]]) outputs [0] :
// CHECK-NEXT:    %[[Y:.+]] = kernel.slot [512, 0, 0, 0] : !kernel.buffer<tensor<?x8xf32>, tokens>
// CHECK-NEXT:    kernel.launch @linear_100x8 rows tokens reads(%[[H]], %[[DOWN]]) writes(%[[Y]])
// CHECK-NEXT:    %[[H2:.+]] = kernel.slot [0, 0, 0, 0]
// CHECK-NEXT:    kernel.launch @linear_8x100 rows tokens reads(%[[Y]], %[[UP]]) writes(%[[H2]])
// CHECK-NEXT:    %[[Z:.+]] = kernel.slot [512, 0, 0, 0]
// CHECK-NEXT:    kernel.launch @linear_100x8 rows tokens reads(%[[H2]], %[[DOWN]]) writes(%[[Z]])
// CHECK-NEXT:    kernel.return %[[Z]]
func.func @reuses_memory(%ids: tensor<?xi32> {transformer.dims = ["tokens"], transformer.name = "ids"})
    -> (tensor<?x8xf32> {transformer.name = "y"}) {
  %t = transformer.get_weight @t : tensor<16x8xf32>
  %up = transformer.get_weight @up : tensor<100x8xf32>
  %down = transformer.get_weight @down : tensor<8x100xf32>
  %x = kernel.call @embedding_8(%ids, %t) layer "embeddings" : (tensor<?xi32>, tensor<16x8xf32>) -> tensor<?x8xf32>
  %h = kernel.call @linear_8x100(%x, %up) : (tensor<?x8xf32>, tensor<100x8xf32>) -> tensor<?x100xf32>
  %y = kernel.call @linear_100x8(%h, %down) : (tensor<?x100xf32>, tensor<8x100xf32>) -> tensor<?x8xf32>
  %h2 = kernel.call @linear_8x100(%y, %up) : (tensor<?x8xf32>, tensor<100x8xf32>) -> tensor<?x100xf32>
  %z = kernel.call @linear_100x8(%h2, %down) : (tensor<?x100xf32>, tensor<8x100xf32>) -> tensor<?x8xf32>
  return %z : tensor<?x8xf32>
}

// -----

kernel.define private @tanh_8(%x: tensor<?x8xf32>) -> tensor<?x8xf32> rows 0 weights [] {
  %0 = transformer.tanh %x : tensor<?x8xf32>
  kernel.yield %0 : tensor<?x8xf32>
}
kernel.define private @select_8(%rows: tensor<?xi32>, %x: tensor<?x8xf32>) -> tensor<?x8xf32> rows 0 weights [] {
  %0 = transformer.embedding %rows, %x : tensor<?xi32>, tensor<?x8xf32> -> tensor<?x8xf32>
  kernel.yield %0 : tensor<?x8xf32>
}
kernel.define private @embedding_8(%ids: tensor<?xi32>, %t: tensor<16x8xf32>) -> tensor<?x8xf32> rows 0 weights [1] {
  %0 = transformer.embedding %ids, %t : tensor<?xi32>, tensor<16x8xf32> -> tensor<?x8xf32>
  kernel.yield %0 : tensor<?x8xf32>
}
transformer.weight @t value dense<1.0> : tensor<16x8xf32>

// Two outputs: the first lives to the end although another launch follows; each
// launch says who needs it, and what no output needs is not there. What has a row a
// sequence lies behind all tokens. Offsets have one row more than sequences.
// CHECK-LABEL: kernel.program @two_outputs(
// CHECK-SAME:    !kernel.buffer<tensor<?xi32>, sequences, 1>
// CHECK-SAME:    arena [512, 512, 0, 0]
// CHECK:         %[[X:.+]] = kernel.slot [0, 0, 0, 0] : !kernel.buffer<tensor<?x8xf32>, tokens>
// CHECK-NEXT:    kernel.launch @embedding_8 {{.+}} writes(%[[X]]) outputs [0, 1]
// CHECK-NEXT:    %[[Y:.+]] = kernel.slot [256, 0, 0, 0] : !kernel.buffer<tensor<?x8xf32>, tokens>
// CHECK-NEXT:    kernel.launch @tanh_8 rows tokens reads(%[[X]]) writes(%[[Y]]) outputs [0]
// CHECK-NEXT:    %[[P:.+]] = kernel.slot [512, 0, 0, 0] : !kernel.buffer<tensor<?x8xf32>, sequences>
// CHECK-NEXT:    kernel.launch @select_8 rows sequences reads(%{{.+}}, %[[X]]) writes(%[[P]]) outputs [1]
// CHECK-NEXT:    %[[Q:.+]] = kernel.slot [512, 256, 0, 0] : !kernel.buffer<tensor<?x8xf32>, sequences>
// CHECK-NEXT:    kernel.launch @tanh_8 rows sequences reads(%[[P]]) writes(%[[Q]]) outputs [1]
// CHECK-NEXT:    kernel.return %[[Y]], %[[Q]]
func.func @two_outputs(%ids: tensor<?xi32> {transformer.dims = ["tokens"]},
                       %offsets: tensor<?xi32> {transformer.dims = ["sequences+1"]},
                       %rows: tensor<?xi32> {transformer.dims = ["sequences"]}) -> (tensor<?x8xf32>, tensor<?x8xf32>) {
  %t = transformer.get_weight @t : tensor<16x8xf32>
  %x = kernel.call @embedding_8(%ids, %t) : (tensor<?xi32>, tensor<16x8xf32>) -> tensor<?x8xf32>
  %y = kernel.call @tanh_8(%x) : (tensor<?x8xf32>) -> tensor<?x8xf32>
  %p = kernel.call @select_8(%rows, %x) : (tensor<?xi32>, tensor<?x8xf32>) -> tensor<?x8xf32>
  %q = kernel.call @tanh_8(%p) : (tensor<?x8xf32>) -> tensor<?x8xf32>
  %unused = kernel.call @tanh_8(%q) : (tensor<?x8xf32>) -> tensor<?x8xf32>
  return %y, %q : tensor<?x8xf32>, tensor<?x8xf32>
}

// -----

// Negative: an argument that is returned has no slot; the arena is empty.
// CHECK-LABEL: kernel.program @returns_its_argument(
// CHECK-SAME:    arena [0, 0, 0, 0]
// CHECK-NEXT:    kernel.return %{{.+}}
func.func @returns_its_argument(%x: tensor<?xi32> {transformer.dims = ["tokens"]}) -> tensor<?xi32> {
  return %x : tensor<?xi32>
}

// -----

// A number a row takes as much as a row of one column: kernels write whole
// vectors.
kernel.define private @column(%x: tensor<?x1xf32>) -> tensor<?xf32> rows 0 weights [] {
  %0 = transformer.reshape %x to [0] : tensor<?x1xf32> -> tensor<?xf32>
  kernel.yield %0 : tensor<?xf32>
}
// CHECK-LABEL: kernel.program @a_number_a_row(
// CHECK-SAME:    arena [256, 0, 0, 0]
// CHECK:         kernel.slot [0, 0, 0, 0] : !kernel.buffer<tensor<?xf32>, tokens>
func.func @a_number_a_row(%x: tensor<?x1xf32> {transformer.dims = ["tokens", "one"]})
    -> (tensor<?xf32> {transformer.name = "y"}) {
  %y = kernel.call @column(%x) : (tensor<?x1xf32>) -> tensor<?xf32>
  return %y : tensor<?xf32>
}

// -----

kernel.define private @gather_8(%rows: tensor<?xi32>, %x: tensor<?x8xf32>) -> tensor<?x8xf32> rows 0 weights [] {
  %0 = transformer.embedding %rows, %x : tensor<?xi32>, tensor<?x8xf32> -> tensor<?x8xf32>
  kernel.yield %0 : tensor<?x8xf32>
}
kernel.define private @linear_8x100(%x: tensor<?x8xf32>, %w: tensor<100x8xf32>) -> tensor<?x100xf32> rows 0 weights [1] {
  %0 = transformer.linear %x, %w : tensor<?x8xf32>, tensor<100x8xf32> -> tensor<?x100xf32>
  kernel.yield %0 : tensor<?x100xf32>
}
kernel.define private @tanh_8(%x: tensor<?x8xf32>) -> tensor<?x8xf32> rows 0 weights [] {
  %0 = transformer.tanh %x : tensor<?x8xf32>
  kernel.yield %0 : tensor<?x8xf32>
}
transformer.weight @up value dense<1.0> : tensor<100x8xf32>

// What is asked for at positions has a region of its own, behind that of the
// tokens: its bytes count the former, where it begins the latter.
// CHECK-LABEL: kernel.program @positions(
// CHECK-SAME:    %[[ROWS:[a-z0-9]+]]: !kernel.buffer<tensor<?xi32>, output_positions> {{.+}}arena [256, 0, 0, 768]
// CHECK:         kernel.launch @tanh_8 rows tokens
// CHECK:         %[[G:.+]] = kernel.slot [256, 0, 0, 512] : !kernel.buffer<tensor<?x8xf32>, output_positions>
// CHECK-NEXT:    kernel.launch @gather_8 rows output_positions reads(%[[ROWS]], %{{.+}}) writes(%[[G]])
// CHECK-NEXT:    %[[L:.+]] = kernel.slot [256, 0, 0, 0] : !kernel.buffer<tensor<?x100xf32>, output_positions>
// CHECK-NEXT:    kernel.launch @linear_8x100 rows output_positions reads(%[[G]], %{{.+}}) writes(%[[L]])
func.func @positions(%x: tensor<?x8xf32> {transformer.dims = ["tokens", "width"]},
                     %rows: tensor<?xi32> {transformer.dims = ["output_positions"]}) -> tensor<?x100xf32> {
  %up = transformer.get_weight @up : tensor<100x8xf32>
  %t = kernel.call @tanh_8(%x) : (tensor<?x8xf32>) -> tensor<?x8xf32>
  %g = kernel.call @gather_8(%rows, %t) : (tensor<?xi32>, tensor<?x8xf32>) -> tensor<?x8xf32>
  %l = kernel.call @linear_8x100(%g, %up) : (tensor<?x8xf32>, tensor<100x8xf32>) -> tensor<?x100xf32>
  return %l : tensor<?x100xf32>
}

// -----

kernel.define private @append(%c: tensor<?x128xf32>, %k: tensor<?x8xf32>, %v: tensor<?x8xf32>, %s: tensor<?xi32>) -> tensor<?x128xf32> rows 1 weights [] {
  %0 = transformer.append_cache %c, %k, %v, %s key_heads 2 at 0 : tensor<?x128xf32>, tensor<?x8xf32>, tensor<?x8xf32>, tensor<?xi32>
  kernel.yield %0 : tensor<?x128xf32>
}
kernel.define private @attention(%q: tensor<?x8xf32>, %c: tensor<?x128xf32>, %o: tensor<?xi32>, %n: tensor<?xi32>, %t: tensor<?xi32>, %b: tensor<?xi32>) -> tensor<?x8xf32> rows 0 weights [] {
  %0 = transformer.cached_attention %q, %c, %o, %n, %t, %b heads 2 key_heads 2 at 0 causal scale 0.5 : tensor<?x8xf32>, tensor<?x128xf32>, tensor<?xi32>, tensor<?xi32>, tensor<?xi32>, tensor<?xi32> -> tensor<?x8xf32>
  kernel.yield %0 : tensor<?x8xf32>
}

// The cache is changed where it is: no slot, no copy. The second layer's columns
// are seen through its own view. Who asks for the cache alone needs no attention
// of the last layer.
// CHECK-LABEL: kernel.program @updates_in_place(
// CHECK-SAME:    %[[X:[a-z0-9]+]]: !kernel.buffer<tensor<?x8xf32>, tokens>
// CHECK-SAME:    %[[T:[a-z0-9]+]]: !kernel.buffer<tensor<?xi32>, blocks>
// CHECK-SAME:    %[[C:[a-z0-9]+]]: !kernel.buffer<tensor<?x128xf32>, slots>
// CHECK-SAME:    arena [512, 0, 0, 0]
// CHECK-NEXT:    kernel.launch @append rows tokens reads(%[[C]], %[[X]], %[[X]], %{{.+}}) writes(%[[C]]) outputs [0, 1]
// CHECK-NEXT:    %[[A:.+]] = kernel.slot
// CHECK-NEXT:    kernel.launch @attention rows tokens reads(%[[X]], %[[C]], {{.+}} writes(%[[A]]) outputs [0, 1]
// CHECK-NEXT:    %[[L:.+]] = kernel.layer %[[C]] at 64 : !kernel.buffer<tensor<?x128xf32>, slots>
// CHECK-NEXT:    kernel.launch @append rows tokens reads(%[[L]], %[[A]], %[[A]], %{{.+}}) writes(%[[L]]) outputs [0, 1]
// CHECK-NEXT:    %[[M:.+]] = kernel.layer %[[C]] at 64
// CHECK-NEXT:    %[[Y:.+]] = kernel.slot
// CHECK-NEXT:    kernel.launch @attention rows tokens reads(%[[A]], %[[M]], {{.+}} writes(%[[Y]]) outputs [0] :
// CHECK-NEXT:    kernel.return %[[Y]], %[[C]]
func.func @updates_in_place(%x: tensor<?x8xf32> {transformer.dims = ["tokens", "width"]}, %o: tensor<?xi32> {transformer.dims = ["sequences+1"]},
                          %n: tensor<?xi32> {transformer.dims = ["sequences"]}, %s: tensor<?xi32> {transformer.dims = ["tokens"]},
                          %t: tensor<?xi32> {transformer.dims = ["blocks"]}, %b: tensor<?xi32> {transformer.dims = ["sequences+1"]},
                          %c0: tensor<?x128xf32> {transformer.dims = ["slots", "columns"], transformer.role = #transformer.role<cache>}) -> (tensor<?x8xf32>, tensor<?x128xf32>) {
  %c1 = kernel.call @append(%c0, %x, %x, %s) : (tensor<?x128xf32>, tensor<?x8xf32>, tensor<?x8xf32>, tensor<?xi32>) -> tensor<?x128xf32>
  %a = kernel.call @attention(%x, %c1, %o, %n, %t, %b) : (tensor<?x8xf32>, tensor<?x128xf32>, tensor<?xi32>, tensor<?xi32>, tensor<?xi32>, tensor<?xi32>) -> tensor<?x8xf32>
  %c2 = kernel.call @append(%c1, %a, %a, %s) at 64 : (tensor<?x128xf32>, tensor<?x8xf32>, tensor<?x8xf32>, tensor<?xi32>) -> tensor<?x128xf32>
  %y = kernel.call @attention(%a, %c2, %o, %n, %t, %b) at 64 : (tensor<?x8xf32>, tensor<?x128xf32>, tensor<?xi32>, tensor<?xi32>, tensor<?xi32>, tensor<?xi32>) -> tensor<?x8xf32>
  return %y, %c2 : tensor<?x8xf32>, tensor<?x128xf32>
}
