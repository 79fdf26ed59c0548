// RUN: transom-opt %s --transom-select-output-positions --split-input-file --verify-diagnostics

// expected-error @+1 {{'func.func' op result 0 expects 'transformer.dims' to begin with "tokens" for 'transformer.select_output_positions'}}
func.func @per_sequence(%x: tensor<?x8xf32> {transformer.dims = ["sequences", "width"]})
    -> (tensor<?x8xf32> {transformer.dims = ["sequences", "width"], transformer.select_output_positions}) {
  return %x : tensor<?x8xf32>
}

// -----

// expected-error @+1 {{'func.func' op result 0 expects 'transformer.dims' to begin with "tokens" for 'transformer.select_output_positions'}}
func.func @without_dims(%x: tensor<?x8xf32> {transformer.dims = ["tokens", "width"]})
    -> (tensor<?x8xf32> {transformer.select_output_positions}) {
  return %x : tensor<?x8xf32>
}

// -----

// expected-error @+1 {{'func.func' op result 0 expects rows of f32 for 'transformer.select_output_positions', got 'tensor<?xi32>'}}
func.func @no_rows(%x: tensor<?xi32> {transformer.dims = ["tokens"]})
    -> (tensor<?xi32> {transformer.dims = ["tokens"], transformer.select_output_positions}) {
  return %x : tensor<?xi32>
}

// -----

// expected-error @+1 {{'func.func' op argument 0 expects another name than "output_positions", which 'transformer.select_output_positions' adds}}
func.func @name_is_taken(%x: tensor<?x8xf32> {transformer.dims = ["tokens", "width"], transformer.name = "output_positions"})
    -> (tensor<?x8xf32> {transformer.dims = ["tokens", "width"], transformer.select_output_positions}) {
  return %x : tensor<?x8xf32>
}
