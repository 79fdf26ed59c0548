// RUN: transom-opt %s --transom-select-kernels --split-input-file --verify-diagnostics

kernel.define @matmul(%a: tensor<?x8xf32>, %b: tensor<8x8xf32>) -> tensor<?x8xf32> rows 0 weights [] {
  // expected-error @below {{no kernel accepts 'transformer.matmul' on 'tensor<?x8xf32>', 'tensor<8x8xf32>'}}
  %0 = transformer.matmul %a, %b : tensor<?x8xf32>, tensor<8x8xf32> -> tensor<?x8xf32>
  kernel.yield %0 : tensor<?x8xf32>
}

// -----

// Integers are not elements of row programs.
kernel.define @integers(%a: tensor<?x8xi32>) -> tensor<?x8xi32> rows 0 weights [] {
  // expected-error @below {{no kernel accepts 'transformer.add' on 'tensor<?x8xi32>'; expected elements of f32}}
  %0 = transformer.add %a, %a : tensor<?x8xi32>, tensor<?x8xi32> -> tensor<?x8xi32>
  kernel.yield %0 : tensor<?x8xi32>
}

// -----

// A matrix that isn't a weight can't be packed.
kernel.define @two_activations(%x: tensor<?x8xf32>, %w: tensor<8x8xf32>) -> tensor<?x8xf32> rows 0 weights [] {
  // expected-error @below {{no kernel accepts 'transformer.linear' on 'tensor<?x8xf32>', 'tensor<8x8xf32>'}}
  %0 = transformer.linear %x, %w : tensor<?x8xf32>, tensor<8x8xf32> -> tensor<?x8xf32>
  kernel.yield %0 : tensor<?x8xf32>
}

// -----

kernel.define @across_rows(%x: tensor<?x8xf32>) -> tensor<1x8xf32> rows 0 weights [] {
  // expected-error @below {{no kernel accepts 'transformer.reduce' along other axes than the last one, kept}}
  %0 = transformer.reduce sum %x axes [0] keep_dims : tensor<?x8xf32> -> tensor<1x8xf32>
  kernel.yield %0 : tensor<1x8xf32>
}

// -----

// expected-error @below {{no kernel reads 'tensor<?x4xf32>' by rows of 8; expected [rows, 8], [rows, 1], [8] or a scalar}}
kernel.define @widths(%x: tensor<?x4xf32>, %y: tensor<?x8xf32>) -> (tensor<?x4xf32>, tensor<?x8xf32>) rows 0 weights [] {
  %0 = transformer.exp %x : tensor<?x4xf32>
  %1 = transformer.exp %y : tensor<?x8xf32>
  kernel.yield %0, %1 : tensor<?x4xf32>, tensor<?x8xf32>
}

// -----

// All that is wrong is said, not the first thing only.
kernel.define @first(%a: tensor<?x8xf64>) -> tensor<?x8xf64> rows 0 weights [] {
  // expected-error @below {{no kernel accepts 'transformer.exp' on 'tensor<?x8xf64>'; expected elements of f32}}
  %0 = transformer.exp %a : tensor<?x8xf64>
  kernel.yield %0 : tensor<?x8xf64>
}
kernel.define @second(%a: tensor<?x8xf16>) -> tensor<?x8xf16> rows 0 weights [] {
  // expected-error @below {{no kernel accepts 'transformer.log' on 'tensor<?x8xf16>'; expected elements of f32}}
  %0 = transformer.log %a : tensor<?x8xf16>
  kernel.yield %0 : tensor<?x8xf16>
}

// -----

kernel.define @two_columns(%x: tensor<?x2xf32>) -> tensor<?xf32> rows 0 weights [] {
  // expected-error @below {{no kernel accepts 'transformer.reshape' but for [rows, 1] to [rows]}}
  %0 = transformer.reshape %x to [-1] : tensor<?x2xf32> -> tensor<?xf32>
  kernel.yield %0 : tensor<?xf32>
}
