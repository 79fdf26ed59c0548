// RUN: transom-opt %s --transom-plan-memory --split-input-file --verify-diagnostics

// expected-error @+1 {{'func.func' op argument 0 expects the first of 'transformer.dims' to be "tokens", "sequences", "encoder_tokens", "output_positions", "blocks", "slots" or "encoder_blocks", got "batch"}}
func.func @padded(%x: tensor<?xi32> {transformer.dims = ["batch"]}) -> tensor<?xi32> {
  return %x : tensor<?xi32>
}

// -----

// expected-error @+1 {{'func.func' op argument 0 expects the first of 'transformer.dims' to be "tokens", "sequences", "encoder_tokens", "output_positions", "blocks", "slots" or "encoder_blocks", got no names}}
func.func @no_dims(%x: tensor<?xi32>) -> tensor<?xi32> {
  return %x : tensor<?xi32>
}

// -----

func.func @not_outlined(%x: tensor<?x8xf32> {transformer.dims = ["tokens", "width"]}) -> tensor<?x8xf32> {
  // expected-error @+2 {{'transformer.tanh' op expects to be outlined into a kernel}}
  // expected-note @+1 {{transom-outline-kernels should have consumed it}}
  %y = transformer.tanh %x : tensor<?x8xf32>
  return %y : tensor<?x8xf32>
}

// -----

transformer.weight @w value dense<1.0> : tensor<8x8xf32>
// expected-error @+1 {{'func.func' op result 0 expects an activation, got a weight}}
func.func @weight_as_result(%x: tensor<?xi32> {transformer.dims = ["tokens"]}) -> tensor<8x8xf32> {
  %w = transformer.get_weight @w : tensor<8x8xf32>
  return %w : tensor<8x8xf32>
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

// The cache as it was is gone when the first layer's attention reads it.
func.func @reads_an_old_state(%x: tensor<?x8xf32> {transformer.dims = ["tokens", "width"]}, %o: tensor<?xi32> {transformer.dims = ["sequences+1"]},
                          %n: tensor<?xi32> {transformer.dims = ["sequences"]}, %s: tensor<?xi32> {transformer.dims = ["tokens"]},
                          %t: tensor<?xi32> {transformer.dims = ["blocks"]}, %b: tensor<?xi32> {transformer.dims = ["sequences+1"]},
                          %c0: tensor<?x128xf32> {transformer.dims = ["slots", "columns"], transformer.role = #transformer.role<cache>}) -> (tensor<?x8xf32>, tensor<?x128xf32>) {
  // expected-error @+1 {{'kernel.call' op changes in place what is read again later as it was before}}
  %c1 = kernel.call @append(%c0, %x, %x, %s) : (tensor<?x128xf32>, tensor<?x8xf32>, tensor<?x8xf32>, tensor<?xi32>) -> tensor<?x128xf32>
  // expected-note @+1 {{it is read here}}
  %y = kernel.call @attention(%x, %c0, %o, %n, %t, %b) : (tensor<?x8xf32>, tensor<?x128xf32>, tensor<?xi32>, tensor<?xi32>, tensor<?xi32>, tensor<?xi32>) -> tensor<?x8xf32>
  return %y, %c1 : tensor<?x8xf32>, tensor<?x128xf32>
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

kernel.define private @tanh(%x: tensor<?x128xf32>) -> tensor<?x128xf32> rows 0 weights [] {
  %0 = transformer.tanh %x : tensor<?x128xf32>
  kernel.yield %0 : tensor<?x128xf32>
}
func.func @updates_an_activation(%x: tensor<?x8xf32> {transformer.dims = ["tokens", "width"]}, %o: tensor<?xi32> {transformer.dims = ["sequences+1"]},
                          %n: tensor<?xi32> {transformer.dims = ["sequences"]}, %s: tensor<?xi32> {transformer.dims = ["tokens"]},
                          %t: tensor<?xi32> {transformer.dims = ["blocks"]}, %b: tensor<?xi32> {transformer.dims = ["sequences+1"]},
                          %c0: tensor<?x128xf32> {transformer.dims = ["slots", "columns"], transformer.role = #transformer.role<cache>},
                          %z: tensor<?x128xf32> {transformer.dims = ["tokens", "width"]}) -> tensor<?x128xf32> {
  %t0 = kernel.call @tanh(%z) : (tensor<?x128xf32>) -> tensor<?x128xf32>
  // expected-error @+1 {{'kernel.call' op expects to change an argument of the function in place, got another value}}
  %c1 = kernel.call @append(%t0, %x, %x, %s) : (tensor<?x128xf32>, tensor<?x8xf32>, tensor<?x8xf32>, tensor<?xi32>) -> tensor<?x128xf32>
  return %c1 : tensor<?x128xf32>
}

// -----

kernel.define private @tanh(%x: tensor<?x128xf32>) -> tensor<?x128xf32> rows 0 weights [] {
  %0 = transformer.tanh %x : tensor<?x128xf32>
  kernel.yield %0 : tensor<?x128xf32>
}
// The arena has no room for as many rows as the cache has.
func.func @slots_in_the_arena(%c: tensor<?x128xf32> {transformer.dims = ["slots", "columns"]}) -> tensor<?x128xf32> {
  // expected-error @+1 {{'kernel.call' op expects rows that the arena has, got slots}}
  %y = kernel.call @tanh(%c) : (tensor<?x128xf32>) -> tensor<?x128xf32>
  return %y : tensor<?x128xf32>
}
