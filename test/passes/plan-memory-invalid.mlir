// RUN: transom-opt %s --transom-plan-memory --split-input-file --verify-diagnostics

// expected-error @+1 {{'func.func' op argument 0 expects the first of 'transformer.dims' to be "tokens", "sequences", "source_tokens" or "positions", got "batch"}}
func.func @padded(%x: tensor<?xi32> {transformer.dims = ["batch"]}) -> tensor<?xi32> {
  return %x : tensor<?xi32>
}

// -----

// expected-error @+1 {{'func.func' op argument 0 expects the first of 'transformer.dims' to be "tokens", "sequences", "source_tokens" or "positions", got no names}}
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
