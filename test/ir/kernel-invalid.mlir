// RUN: transom-opt %s --split-input-file --verify-diagnostics

// A weight has a shape.
// expected-error@+1 {{expects a static shape without an extent, got 'tensor<?x4xf32>'}}
func.func private @f(!kernel.buffer<tensor<?x4xf32>>)

// -----

// An activation has rows that are not known.
// expected-error@+1 {{expects an activation [?] or [?, width], got 'tensor<4x4xf32>'}}
func.func private @f(!kernel.buffer<tensor<4x4xf32>, tokens>)

// -----

// Extents have names.
// expected-error@+1 {{expects tokens, sequences, encoder_tokens, output_positions, blocks, slots or encoder_blocks, got 'words'}}
func.func private @f(!kernel.buffer<tensor<?x4xf32>, words>)

// -----

// Slack is never negative.
// expected-error@+1 {{expects slack of 0 or more, got -1}}
func.func private @f(!kernel.buffer<tensor<?xi32>, tokens, -1>)

// -----

// define: rows name an argument.
// expected-error@+1 {{'kernel.define' op expects rows to be one of its 1 arguments and no weight, got 1}}
kernel.define private @k(%x: tensor<?x4xf32>) -> tensor<?x4xf32> rows 1 weights [] {
  %0 = transformer.tanh %x : tensor<?x4xf32>
  kernel.yield %0 : tensor<?x4xf32>
}

// -----

// define: weights name arguments.
// expected-error@+1 {{'kernel.define' op expects weights in ascending order among its 1 arguments, got [3]}}
kernel.define private @k(%x: tensor<?x4xf32>) -> tensor<?x4xf32> rows 0 weights [3] {
  %0 = transformer.tanh %x : tensor<?x4xf32>
  kernel.yield %0 : tensor<?x4xf32>
}

// -----

// define: the rows of a weight do not count as rows.
// expected-error@+1 {{'kernel.define' op expects rows to be one of its 1 arguments and no weight, got 0}}
kernel.define private @k(%x: tensor<?x4xf32>) -> tensor<?x4xf32> rows 0 weights [0] {
  %0 = transformer.tanh %x : tensor<?x4xf32>
  kernel.yield %0 : tensor<?x4xf32>
}

// -----

// define: it yields its results.
kernel.define private @k(%x: tensor<?x4xf32>) -> tensor<?x5xf32> rows 0 weights [] {
  %0 = transformer.tanh %x : tensor<?x4xf32>
  // expected-error@+1 {{'kernel.yield' op expects the results of @k, ('tensor<?x5xf32>'), got ('tensor<?x4xf32>')}}
  kernel.yield %0 : tensor<?x4xf32>
}

// -----

// define: tensors only.
// expected-error@+1 {{'kernel.define' op expects arguments that are tensors, got 'f32'}}
kernel.define private @k(%x: tensor<?x4xf32>, %y: f32) -> tensor<?x4xf32> rows 0 weights [] {
  %0 = transformer.tanh %x : tensor<?x4xf32>
  kernel.yield %0 : tensor<?x4xf32>
}

// -----

// call: no such kernel.
func.func @f(%x: tensor<?x4xf32>) {
  // expected-error@+1 {{'kernel.call' op expects the name of a kernel.define, got @k}}
  %0 = kernel.call @k(%x) : (tensor<?x4xf32>) -> tensor<?x4xf32>
  return
}

// -----

// call: the operands are the callee's arguments.
kernel.define private @k(%x: tensor<?x4xf32>) -> tensor<?x4xf32> rows 0 weights [] {
  %0 = transformer.tanh %x : tensor<?x4xf32>
  kernel.yield %0 : tensor<?x4xf32>
}
func.func @f(%x: tensor<?x5xf32>) {
  // expected-error@+1 {{'kernel.call' op expects operands 0 of @k, 'tensor<?x4xf32>', got 'tensor<?x5xf32>'}}
  %0 = kernel.call @k(%x) : (tensor<?x5xf32>) -> tensor<?x4xf32>
  return
}

// -----

// program: an arena has a size for each extent.
kernel.define private @k(%x: tensor<?x4xf32>) -> tensor<?x4xf32> rows 0 weights [] {
  %0 = transformer.tanh %x : tensor<?x4xf32>
  kernel.yield %0 : tensor<?x4xf32>
}
// expected-error@+1 {{'kernel.program' op expects an arena of 4 multiples of 4, one an extent, got [256]}}
kernel.program @p(%a: !kernel.buffer<tensor<?x4xf32>, tokens>) -> (!kernel.buffer<tensor<?x4xf32>, tokens>) arena [256] {
  %s = kernel.slot [0, 0, 0, 0] : !kernel.buffer<tensor<?x4xf32>, tokens>
  kernel.launch @k rows tokens reads(%a) writes(%s) outputs [0] : !kernel.buffer<tensor<?x4xf32>, tokens> -> !kernel.buffer<tensor<?x4xf32>, tokens>
  kernel.return %s : !kernel.buffer<tensor<?x4xf32>, tokens>
}

// -----

// slot: an offset has a part for each extent.
kernel.define private @k(%x: tensor<?x4xf32>) -> tensor<?x4xf32> rows 0 weights [] {
  %0 = transformer.tanh %x : tensor<?x4xf32>
  kernel.yield %0 : tensor<?x4xf32>
}
kernel.program @p(%a: !kernel.buffer<tensor<?x4xf32>, tokens>) -> (!kernel.buffer<tensor<?x4xf32>, tokens>) arena [256, 0, 0, 0] {
  // expected-error@+1 {{'kernel.slot' op expects an offset of 4 multiples of 4, one an extent, got [0, 0]}}
  %s = kernel.slot [0, 0] : !kernel.buffer<tensor<?x4xf32>, tokens>
  kernel.launch @k rows tokens reads(%a) writes(%s) outputs [0] : !kernel.buffer<tensor<?x4xf32>, tokens> -> !kernel.buffer<tensor<?x4xf32>, tokens>
  kernel.return %s : !kernel.buffer<tensor<?x4xf32>, tokens>
}

// -----

// slot: it lies in the arena.
kernel.define private @k(%x: tensor<?x4xf32>) -> tensor<?x4xf32> rows 0 weights [] {
  %0 = transformer.tanh %x : tensor<?x4xf32>
  kernel.yield %0 : tensor<?x4xf32>
}
kernel.program @p(%a: !kernel.buffer<tensor<?x4xf32>, tokens>) -> (!kernel.buffer<tensor<?x4xf32>, tokens>) arena [256, 0, 0, 0] {
  // expected-error@+1 {{'kernel.slot' op expects an offset of 4 multiples of 4, one an extent, got [-4, 0, 0, 0]}}
  %s = kernel.slot [-4, 0, 0, 0] : !kernel.buffer<tensor<?x4xf32>, tokens>
  kernel.launch @k rows tokens reads(%a) writes(%s) outputs [0] : !kernel.buffer<tensor<?x4xf32>, tokens> -> !kernel.buffer<tensor<?x4xf32>, tokens>
  kernel.return %s : !kernel.buffer<tensor<?x4xf32>, tokens>
}

// -----

// launch: no such kernel.
kernel.program @p(%a: !kernel.buffer<tensor<?x4xf32>, tokens>) -> (!kernel.buffer<tensor<?x4xf32>, tokens>) arena [256, 0, 0, 0] {
  %s = kernel.slot [0, 0, 0, 0] : !kernel.buffer<tensor<?x4xf32>, tokens>
  // expected-error@+1 {{'kernel.launch' op expects the name of a kernel.define, got @k}}
  kernel.launch @k rows tokens reads(%a) writes(%s) outputs [0] : !kernel.buffer<tensor<?x4xf32>, tokens> -> !kernel.buffer<tensor<?x4xf32>, tokens>
  kernel.return %s : !kernel.buffer<tensor<?x4xf32>, tokens>
}

// -----

// launch: rows are those of the callee's.
kernel.define private @k(%x: tensor<?x4xf32>) -> tensor<?x4xf32> rows 0 weights [] {
  %0 = transformer.tanh %x : tensor<?x4xf32>
  kernel.yield %0 : tensor<?x4xf32>
}
kernel.program @p(%a: !kernel.buffer<tensor<?x4xf32>, tokens>) -> (!kernel.buffer<tensor<?x4xf32>, tokens>) arena [256, 0, 0, 0] {
  %s = kernel.slot [0, 0, 0, 0] : !kernel.buffer<tensor<?x4xf32>, tokens>
  // expected-error@+1 {{'kernel.launch' op expects rows to count those of read 0, '!kernel.buffer<tensor<?x4xf32>, tokens>', got sequences}}
  kernel.launch @k rows sequences reads(%a) writes(%s) outputs [0] : !kernel.buffer<tensor<?x4xf32>, tokens> -> !kernel.buffer<tensor<?x4xf32>, tokens>
  kernel.return %s : !kernel.buffer<tensor<?x4xf32>, tokens>
}

// -----

// launch: outputs are the program's.
kernel.define private @k(%x: tensor<?x4xf32>) -> tensor<?x4xf32> rows 0 weights [] {
  %0 = transformer.tanh %x : tensor<?x4xf32>
  kernel.yield %0 : tensor<?x4xf32>
}
kernel.program @p(%a: !kernel.buffer<tensor<?x4xf32>, tokens>) -> (!kernel.buffer<tensor<?x4xf32>, tokens>) arena [256, 0, 0, 0] {
  %s = kernel.slot [0, 0, 0, 0] : !kernel.buffer<tensor<?x4xf32>, tokens>
  // expected-error@+1 {{'kernel.launch' op expects outputs of the program's 1, got 1}}
  kernel.launch @k rows tokens reads(%a) writes(%s) outputs [1] : !kernel.buffer<tensor<?x4xf32>, tokens> -> !kernel.buffer<tensor<?x4xf32>, tokens>
  kernel.return %s : !kernel.buffer<tensor<?x4xf32>, tokens>
}

// -----

// launch: what it writes are the callee's results.
kernel.define private @k(%x: tensor<?x4xf32>) -> tensor<?x4xf32> rows 0 weights [] {
  %0 = transformer.tanh %x : tensor<?x4xf32>
  kernel.yield %0 : tensor<?x4xf32>
}
kernel.program @p(%a: !kernel.buffer<tensor<?x4xf32>, tokens>) -> (!kernel.buffer<tensor<?x4xf32>, tokens>) arena [256, 0, 0, 0] {
  %s = kernel.slot [0, 0, 0, 0] : !kernel.buffer<tensor<?x4xf32>, tokens>
  // expected-error@+1 {{'kernel.launch' op expects the 1 writes of @k, got 2}}
  kernel.launch @k rows tokens reads(%a) writes(%s, %s) outputs [0] : !kernel.buffer<tensor<?x4xf32>, tokens> -> !kernel.buffer<tensor<?x4xf32>, tokens>, !kernel.buffer<tensor<?x4xf32>, tokens>
  kernel.return %s : !kernel.buffer<tensor<?x4xf32>, tokens>
}

// -----

// weight: no such weight.
kernel.define private @k(%x: tensor<?x4xf32>) -> tensor<?x4xf32> rows 0 weights [] {
  %0 = transformer.tanh %x : tensor<?x4xf32>
  kernel.yield %0 : tensor<?x4xf32>
}
kernel.program @p(%a: !kernel.buffer<tensor<?x4xf32>, tokens>) -> (!kernel.buffer<tensor<?x4xf32>, tokens>) arena [256, 0, 0, 0] {
  // expected-error@+1 {{'kernel.weight' op expects the name of a transformer.weight, got @w}}
  %w = kernel.weight @w : !kernel.buffer<tensor<4xf32>>
  %s = kernel.slot [0, 0, 0, 0] : !kernel.buffer<tensor<?x4xf32>, tokens>
  kernel.launch @k rows tokens reads(%a) writes(%s) outputs [0] : !kernel.buffer<tensor<?x4xf32>, tokens> -> !kernel.buffer<tensor<?x4xf32>, tokens>
  kernel.return %s : !kernel.buffer<tensor<?x4xf32>, tokens>
}

// -----

// return: the slots of the results.
kernel.define private @k(%x: tensor<?x4xf32>) -> tensor<?x4xf32> rows 0 weights [] {
  %0 = transformer.tanh %x : tensor<?x4xf32>
  kernel.yield %0 : tensor<?x4xf32>
}
kernel.program @p(%a: !kernel.buffer<tensor<?x4xf32>, tokens>) -> (!kernel.buffer<tensor<?x4xf32>, tokens>) arena [256, 0, 0, 0] {
  %s = kernel.slot [0, 0, 0, 0] : !kernel.buffer<tensor<?x4xf32>, tokens>
  kernel.launch @k rows tokens reads(%a) writes(%s) outputs [0] : !kernel.buffer<tensor<?x4xf32>, tokens> -> !kernel.buffer<tensor<?x4xf32>, tokens>
  // expected-error@+1 {{'kernel.return' op expects the results of @p, ('!kernel.buffer<tensor<?x4xf32>, tokens>'), got ('!kernel.buffer<tensor<?x4xf32>, tokens>', '!kernel.buffer<tensor<?x4xf32>, tokens>')}}
  kernel.return %a, %s : !kernel.buffer<tensor<?x4xf32>, tokens>, !kernel.buffer<tensor<?x4xf32>, tokens>
}

// -----

// slot: the arena has no blocks.
func.func @f() {
  // expected-error@+1 {{'kernel.slot' op expects a buffer with an extent of the arena, got '!kernel.buffer<tensor<?xi32>, blocks>'}}
  %0 = kernel.slot [0, 0, 0, 0] : !kernel.buffer<tensor<?xi32>, blocks>
  return
}

// -----

// layer: of the cache only.
func.func @f(%b: !kernel.buffer<tensor<?x64xf32>, tokens>) {
  // expected-error@+1 {{'kernel.layer' op expects a buffer of slots, got '!kernel.buffer<tensor<?x64xf32>, tokens>'}}
  %0 = kernel.layer %b at 0 : !kernel.buffer<tensor<?x64xf32>, tokens>
  return
}

// -----

// layer: a column that is there.
func.func @f(%b: !kernel.buffer<tensor<?x64xf32>, slots>) {
  // expected-error@+1 {{'kernel.layer' op expects at to be one of the 64 columns, got 64}}
  %0 = kernel.layer %b at 64 : !kernel.buffer<tensor<?x64xf32>, slots>
  return
}

// -----

// call: a layer of a value other than a cache.
kernel.define private @tanh(%x: tensor<?x8xf32>) -> tensor<?x8xf32> rows 0 weights [] {
  %0 = transformer.tanh %x : tensor<?x8xf32>
  kernel.yield %0 : tensor<?x8xf32>
}
func.func @f(%x: tensor<?x8xf32>) {
  // expected-error@+1 {{'kernel.call' op expects a kernel on a layer of a cache for at, got @tanh}}
  %0 = kernel.call @tanh(%x) at 64 : (tensor<?x8xf32>) -> tensor<?x8xf32>
  return
}
