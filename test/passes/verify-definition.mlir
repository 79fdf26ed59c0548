// RUN: transom-opt %s --transom-verify-definition --split-input-file --verify-diagnostics

// What a definition may contain: no diagnostics.
transformer.weight @g value dense<1.0> : tensor<8xf32>
func.func @definition(%x: tensor<?x?x8xf32>) -> tensor<?x?x4xf32> {
  %g = transformer.get_weight @g : tensor<8xf32>
  %n = transformer.layer_norm %x, %g, %g epsilon 1.0e-12 : tensor<?x?x8xf32>, tensor<8xf32>, tensor<8xf32> -> tensor<?x?x8xf32>
  %m = transformer.reduce mean %n axes [-1] keep_dims : tensor<?x?x8xf32> -> tensor<?x?x1xf32>
  %d = transformer.sub %n, %m : tensor<?x?x8xf32>, tensor<?x?x1xf32> -> tensor<?x?x8xf32>
  %s = transformer.slice %d axis 2 from 0 to 4 : tensor<?x?x8xf32> -> tensor<?x?x4xf32>
  return %s : tensor<?x?x4xf32>
}

// One column of every token or sequence.
func.func @columns(%x: tensor<?x?x1xf32>, %y: tensor<?x1xf32>) -> (tensor<?x?xf32>, tensor<?xf32>) {
  %0 = transformer.reshape %x to [0, 0] : tensor<?x?x1xf32> -> tensor<?x?xf32>
  %1 = transformer.reshape %y to [-1] : tensor<?x1xf32> -> tensor<?xf32>
  return %0, %1 : tensor<?x?xf32>, tensor<?xf32>
}

// -----

// Other extents may be exchanged: [2, 3, 1] to [3, 2].
func.func @not_a_column(%x: tensor<?x?x1xf32>) -> tensor<?x2xf32> {
  // expected-error @+2 {{no definition contains 'transformer.reshape'}}
  // expected-note @+1 {{transom-raise should have consumed it}}
  %0 = transformer.reshape %x to [-1, 2] : tensor<?x?x1xf32> -> tensor<?x2xf32>
  return %0 : tensor<?x2xf32>
}

// -----

func.func @heads_by_hand(%x: tensor<?x?x8xf32>) -> tensor<?x2x?x4xf32> {
  // expected-error @+2 {{no definition contains 'transformer.reshape'}}
  // expected-note @+1 {{transom-raise should have consumed it}}
  %0 = transformer.reshape %x to [0, 0, 2, 4] : tensor<?x?x8xf32> -> tensor<?x?x2x4xf32>
  %1 = transformer.transpose %0 [0, 2, 1, 3] : tensor<?x?x2x4xf32> -> tensor<?x2x?x4xf32>
  return %1 : tensor<?x2x?x4xf32>
}

// -----

func.func @token_by_gather(%x: tensor<?x?x8xf32>) -> tensor<?x8xf32> {
  %i = arith.constant dense<0> : tensor<i64>
  // expected-error @+2 {{no definition contains 'transformer.gather'}}
  // expected-note @+1 {{transom-raise should have consumed it}}
  %0 = transformer.gather %x, %i axis 1 : tensor<?x?x8xf32>, tensor<i64> -> tensor<?x8xf32>
  return %0 : tensor<?x8xf32>
}
