// RUN: transom-test-opt %s --test-interpret --split-input-file --verify-diagnostics -o /dev/null

// What only numbers show is a diagnostic at the op, never a crash.

func.func @id_outside_table() -> tensor<1x2xf32> {
  %t = arith.constant dense<1.0> : tensor<3x2xf32>
  %i = arith.constant dense<3> : tensor<1xi32>
  // expected-error @+1 {{'transformer.embedding' op id 3 lies outside of a table of 3 rows}}
  %x = transformer.embedding %i, %t : tensor<1xi32>, tensor<3x2xf32> -> tensor<1x2xf32>
  return %x : tensor<1x2xf32>
}

// -----

func.func @index_outside() -> tensor<f32> {
  %t = arith.constant dense<1.0> : tensor<3xf32>
  %i = arith.constant dense<-4> : tensor<i32>
  // expected-error @+1 {{'transformer.gather' op index -4 lies outside of 3 along axis 0}}
  %x = transformer.gather %t, %i axis 0 : tensor<3xf32>, tensor<i32> -> tensor<f32>
  return %x : tensor<f32>
}

// -----

func.func @division_by_zero() -> tensor<i32> {
  %x = arith.constant dense<1> : tensor<i32>
  %z = arith.constant dense<0> : tensor<i32>
  // expected-error @+1 {{'transformer.div' op expects no division by zero}}
  %y = transformer.div %x, %z : tensor<i32>, tensor<i32> -> tensor<i32>
  return %y : tensor<i32>
}

// -----

func.func @extents_that_do_not_broadcast() -> tensor<?xi64> {
  %x = arith.constant dense<2> : tensor<i64>
  %y = arith.constant dense<3> : tensor<i64>
  %a = transformer.range %x : tensor<i64> -> tensor<?xi64>
  %b = transformer.range %y : tensor<i64> -> tensor<?xi64>
  // expected-error @+1 {{'transformer.add' op expects extents that broadcast, got 'tensor<3xi64>' beside extents [2]}}
  %c = transformer.add %a, %b : tensor<?xi64>, tensor<?xi64> -> tensor<?xi64>
  return %c : tensor<?xi64>
}

// -----

func.func @other_extents_than_the_type() -> tensor<3xi64> {
  %x = arith.constant dense<2> : tensor<i64>
  // expected-error @+1 {{'transformer.range' op computes 'tensor<2xi64>' for a result of 'tensor<3xi64>'}}
  %a = transformer.range %x : tensor<i64> -> tensor<3xi64>
  return %a : tensor<3xi64>
}

// -----

transformer.weight @w from [#transformer.source<"w">] : tensor<2xf32>
func.func @no_checkpoint() -> tensor<2xf32> {
  // expected-error @+1 {{'transformer.get_weight' op has no checkpoint to read @w from}}
  %w = transformer.get_weight @w : tensor<2xf32>
  return %w : tensor<2xf32>
}

// -----

kernel.define private @gather(%ids: tensor<?xi32>, %t: tensor<?x2xf32>) -> tensor<?x2xf32> rows 0 weights [] {
  %0 = transformer.embedding %ids, %t : tensor<?xi32>, tensor<?x2xf32> -> tensor<?x2xf32>
  kernel.yield %0 : tensor<?x2xf32>
}
kernel.program @outside_the_arena(%ids: !kernel.buffer<tensor<?xi32>, tokens>)
    -> (!kernel.buffer<tensor<?x2xf32>, tokens>) arena [256, 0, 0, 0] {
  %x = kernel.slot [64, 0, 0, 0] : !kernel.buffer<tensor<?x2xf32>, tokens>
  // expected-error @+1 {{'kernel.launch' op slot lies outside of the arena}}
  kernel.launch @gather rows tokens reads(%ids, %x) writes(%x) outputs [0] : !kernel.buffer<tensor<?xi32>, tokens>, !kernel.buffer<tensor<?x2xf32>, tokens> -> !kernel.buffer<tensor<?x2xf32>, tokens>
  kernel.return %x : !kernel.buffer<tensor<?x2xf32>, tokens>
}

// -----

func.func @slot_outside_the_cache() -> tensor<4x32xf32> {
  %c = arith.constant dense<0.0> : tensor<4x32xf32>
  %k = arith.constant dense<0.0> : tensor<1x1xf32>
  %s = arith.constant dense<4> : tensor<1xi32>
  // expected-error @+1 {{'transformer.append_cache' op expects slots of the cache, or -1}}
  %0 = transformer.append_cache %c, %k, %k, %s key_heads 1 at 0 : tensor<4x32xf32>, tensor<1x1xf32>, tensor<1x1xf32>, tensor<1xi32>
  return %0 : tensor<4x32xf32>
}

// -----

func.func @slot_twice() -> tensor<4x32xf32> {
  %c = arith.constant dense<0.0> : tensor<4x32xf32>
  %k = arith.constant dense<0.0> : tensor<2x1xf32>
  %s = arith.constant dense<3> : tensor<2xi32>
  // expected-error @+1 {{'transformer.append_cache' op expects distinct slots}}
  %0 = transformer.append_cache %c, %k, %k, %s key_heads 1 at 0 : tensor<4x32xf32>, tensor<2x1xf32>, tensor<2x1xf32>, tensor<2xi32>
  return %0 : tensor<4x32xf32>
}

// -----

func.func @keys_without_a_block() -> tensor<1x1xf32> {
  %c = arith.constant dense<0.0> : tensor<32x32xf32>
  %q = arith.constant dense<0.0> : tensor<1x1xf32>
  %o = arith.constant dense<[0, 1]> : tensor<2xi32>
  %n = arith.constant dense<17> : tensor<1xi32>
  %t = arith.constant dense<1> : tensor<1xi32>
  // expected-error @+1 {{'transformer.cached_attention' op expects sequences whose keys the block table has}}
  %0 = transformer.cached_attention %q, %c, %o, %n, %t, %o heads 1 key_heads 1 at 0 scale 1.0 : tensor<1x1xf32>, tensor<32x32xf32>, tensor<2xi32>, tensor<1xi32>, tensor<1xi32>, tensor<2xi32> -> tensor<1x1xf32>
  return %0 : tensor<1x1xf32>
}
