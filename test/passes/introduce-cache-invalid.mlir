// RUN: transom-opt %s --transom-introduce-cache --split-input-file --verify-diagnostics

// Attention that is not causal: an old token would change.
// expected-note @+1 {{'transformer.generates' of @forward asks for a step}}
func.func @forward(
    %x: tensor<?x8xf32> {transformer.name = "x", transformer.dims = ["tokens", "width"]},
    %offsets: tensor<?xi32> {transformer.name = "sequence_offsets", transformer.dims = ["sequences+1"], transformer.role = #transformer.role<sequence_offsets>},
    %lengths: tensor<?xi32> {transformer.name = "key_lengths", transformer.dims = ["sequences"], transformer.role = #transformer.role<key_lengths>})
    -> (tensor<?x8xf32> {transformer.name = "hidden", transformer.dims = ["tokens", "width"]}) attributes {transformer.generates} {
  // expected-error @+1 {{'transformer.ragged_attention' op expects to be causal for a cache, got tokens that see later ones}}
  %a = transformer.ragged_attention %x, %x, %x, %offsets, %offsets, %lengths heads 2 key_heads 2 scale 0.5 : tensor<?x8xf32>, tensor<?x8xf32>, tensor<?x8xf32>, tensor<?xi32>, tensor<?xi32>, tensor<?xi32> -> tensor<?x8xf32>
  return %a : tensor<?x8xf32>
}

// -----

// Keys of other sequences than the queries'.
// expected-note @+1 {{'transformer.generates' of @forward asks for a step}}
func.func @forward(
    %x: tensor<?x8xf32> {transformer.name = "x", transformer.dims = ["tokens", "width"]},
    %offsets: tensor<?xi32> {transformer.name = "sequence_offsets", transformer.dims = ["sequences+1"], transformer.role = #transformer.role<sequence_offsets>},
    %lengths: tensor<?xi32> {transformer.name = "key_lengths", transformer.dims = ["sequences"], transformer.role = #transformer.role<key_lengths>},
    %source: tensor<?xi32> {transformer.name = "encoder_offsets", transformer.dims = ["sequences+1"]})
    -> (tensor<?x8xf32> {transformer.name = "hidden", transformer.dims = ["tokens", "width"]}) attributes {transformer.generates} {
  // expected-error @+1 {{'transformer.ragged_attention' op expects keys of the function's own sequences, or of their encoder tokens, for a cache, got others}}
  %a = transformer.ragged_attention %x, %x, %x, %offsets, %source, %lengths heads 2 key_heads 2 causal scale 0.5 : tensor<?x8xf32>, tensor<?x8xf32>, tensor<?x8xf32>, tensor<?xi32>, tensor<?xi32>, tensor<?xi32> -> tensor<?x8xf32>
  return %a : tensor<?x8xf32>
}

// -----

// A gather of other rows.
// expected-note @+1 {{'transformer.generates' of @forward asks for a step}}
func.func @forward(
    %x: tensor<?x8xf32> {transformer.name = "x", transformer.dims = ["tokens", "width"]},
    %offsets: tensor<?xi32> {transformer.name = "sequence_offsets", transformer.dims = ["sequences+1"], transformer.role = #transformer.role<sequence_offsets>},
    %lengths: tensor<?xi32> {transformer.name = "key_lengths", transformer.dims = ["sequences"], transformer.role = #transformer.role<key_lengths>},
    %rows: tensor<?xi32> {transformer.name = "rows", transformer.dims = ["tokens"]})
    -> (tensor<?x8xf32> {transformer.name = "hidden", transformer.dims = ["tokens", "width"]}) attributes {transformer.generates} {
  %a = transformer.ragged_attention %x, %x, %x, %offsets, %offsets, %lengths heads 2 key_heads 2 causal scale 0.5 : tensor<?x8xf32>, tensor<?x8xf32>, tensor<?x8xf32>, tensor<?xi32>, tensor<?xi32>, tensor<?xi32> -> tensor<?x8xf32>
  // expected-error @+1 {{'transformer.embedding' op expects to be rowwise in a step, got one that mixes tokens}}
  %b = transformer.embedding %rows, %a : tensor<?xi32>, tensor<?x8xf32> -> tensor<?x8xf32>
  return %b : tensor<?x8xf32>
}

// -----

// A sum over tokens.
// expected-note @+1 {{'transformer.generates' of @forward asks for a step}}
func.func @forward(
    %x: tensor<?x8xf32> {transformer.name = "x", transformer.dims = ["tokens", "width"]},
    %offsets: tensor<?xi32> {transformer.name = "sequence_offsets", transformer.dims = ["sequences+1"], transformer.role = #transformer.role<sequence_offsets>},
    %lengths: tensor<?xi32> {transformer.name = "key_lengths", transformer.dims = ["sequences"], transformer.role = #transformer.role<key_lengths>})
    -> (tensor<?x8xf32> {transformer.name = "hidden", transformer.dims = ["tokens", "width"]}) attributes {transformer.generates} {
  %a = transformer.ragged_attention %x, %x, %x, %offsets, %offsets, %lengths heads 2 key_heads 2 causal scale 0.5 : tensor<?x8xf32>, tensor<?x8xf32>, tensor<?x8xf32>, tensor<?xi32>, tensor<?xi32>, tensor<?xi32> -> tensor<?x8xf32>
  // expected-error @+1 {{'transformer.reduce' op expects to be rowwise in a step, got one that mixes tokens}}
  %s = transformer.reduce sum %a axes [0] keep_dims : tensor<?x8xf32> -> tensor<1x8xf32>
  %b = transformer.add %a, %s : tensor<?x8xf32>, tensor<1x8xf32> -> tensor<?x8xf32>
  return %b : tensor<?x8xf32>
}

// -----

// Positions that the whole sequence decides.
// expected-error @+2 {{'func.func' op argument 3 expects a default that a step can compute, got "padding_aware_position_ids", which count the whole sequence}}
// expected-note @+1 {{'transformer.generates' of @forward asks for a step}}
func.func @forward(
    %x: tensor<?x8xf32> {transformer.name = "x", transformer.dims = ["tokens", "width"]},
    %offsets: tensor<?xi32> {transformer.name = "sequence_offsets", transformer.dims = ["sequences+1"], transformer.role = #transformer.role<sequence_offsets>},
    %lengths: tensor<?xi32> {transformer.name = "key_lengths", transformer.dims = ["sequences"], transformer.role = #transformer.role<key_lengths>},
    %p: tensor<?xi32> {transformer.name = "position_ids", transformer.dims = ["tokens"], transformer.default = #transformer.default<padding_aware_position_ids, 1>})
    -> (tensor<?x8xf32> {transformer.name = "hidden", transformer.dims = ["tokens", "width"]}) attributes {transformer.generates} {
  %a = transformer.ragged_attention %x, %x, %x, %offsets, %offsets, %lengths heads 2 key_heads 2 causal scale 0.5 : tensor<?x8xf32>, tensor<?x8xf32>, tensor<?x8xf32>, tensor<?xi32>, tensor<?xi32>, tensor<?xi32> -> tensor<?x8xf32>
  return %a : tensor<?x8xf32>
}

// -----

// Without attention a token needs no past.
// expected-error @+2 {{'func.func' op expects attention whose keys a cache can hold, got none}}
// expected-note @+1 {{'transformer.generates' of @forward asks for a step}}
func.func @forward(
    %x: tensor<?x8xf32> {transformer.name = "x", transformer.dims = ["tokens", "width"]},
    %offsets: tensor<?xi32> {transformer.name = "sequence_offsets", transformer.dims = ["sequences+1"], transformer.role = #transformer.role<sequence_offsets>},
    %lengths: tensor<?xi32> {transformer.name = "key_lengths", transformer.dims = ["sequences"], transformer.role = #transformer.role<key_lengths>})
    -> (tensor<?x8xf32> {transformer.name = "hidden", transformer.dims = ["tokens", "width"]}) attributes {transformer.generates} {
  return %x : tensor<?x8xf32>
}

// -----

// Nothing per token is left.
// expected-error @+2 {{'func.func' op expects attention whose keys a cache can hold, got none}}
// expected-note @+1 {{'transformer.generates' of @forward asks for a step}}
func.func @forward(
    %x: tensor<?x8xf32> {transformer.name = "x", transformer.dims = ["tokens", "width"]},
    %offsets: tensor<?xi32> {transformer.name = "sequence_offsets", transformer.dims = ["sequences+1"], transformer.role = #transformer.role<sequence_offsets>},
    %lengths: tensor<?xi32> {transformer.name = "key_lengths", transformer.dims = ["sequences"], transformer.role = #transformer.role<key_lengths>},
    %rows: tensor<?xi32> {transformer.name = "rows", transformer.dims = ["sequences"]})
    -> (tensor<?x8xf32> {transformer.name = "pooled", transformer.dims = ["sequences", "width"]}) attributes {transformer.generates} {
  %a = transformer.ragged_attention %x, %x, %x, %offsets, %offsets, %lengths heads 2 key_heads 2 causal scale 0.5 : tensor<?x8xf32>, tensor<?x8xf32>, tensor<?x8xf32>, tensor<?xi32>, tensor<?xi32>, tensor<?xi32> -> tensor<?x8xf32>
  %b = transformer.embedding %rows, %a : tensor<?xi32>, tensor<?x8xf32> -> tensor<?x8xf32>
  return %b : tensor<?x8xf32>
}

// -----

// The name is taken.
// expected-note @+1 {{'transformer.generates' of @forward asks for a step}}
func.func @forward(
    %x: tensor<?x8xf32> {transformer.name = "x", transformer.dims = ["tokens", "width"]},
    %offsets: tensor<?xi32> {transformer.name = "sequence_offsets", transformer.dims = ["sequences+1"], transformer.role = #transformer.role<sequence_offsets>},
    %lengths: tensor<?xi32> {transformer.name = "key_lengths", transformer.dims = ["sequences"], transformer.role = #transformer.role<key_lengths>})
    -> (tensor<?x8xf32> {transformer.name = "hidden", transformer.dims = ["tokens", "width"]}) attributes {transformer.generates} {
  %a = transformer.ragged_attention %x, %x, %x, %offsets, %offsets, %lengths heads 2 key_heads 2 causal scale 0.5 : tensor<?x8xf32>, tensor<?x8xf32>, tensor<?x8xf32>, tensor<?xi32>, tensor<?xi32>, tensor<?xi32> -> tensor<?x8xf32>
  return %a : tensor<?x8xf32>
}
// expected-error @+1 {{'func.func' op expects another name than @step, which is added}}
func.func @step() {
  return
}

// -----

// A source's result that the sequences have a part in.
// expected-error @+2 {{'func.func' op result 1 expects what encoder tokens alone decide, got others}}
// expected-note @+1 {{'transformer.generates' of @forward asks for a step}}
func.func @forward(
    %source: tensor<?x8xf32> {transformer.name = "source", transformer.dims = ["encoder_tokens", "width"]},
    %x: tensor<?x8xf32> {transformer.name = "x", transformer.dims = ["tokens", "width"]},
    %offsets: tensor<?xi32> {transformer.name = "sequence_offsets", transformer.dims = ["sequences+1"], transformer.role = #transformer.role<sequence_offsets>},
    %lengths: tensor<?xi32> {transformer.name = "key_lengths", transformer.dims = ["sequences"], transformer.role = #transformer.role<key_lengths>},
    %so: tensor<?xi32> {transformer.name = "encoder_offsets", transformer.dims = ["sequences+1"], transformer.role = #transformer.role<encoder_offsets>},
    %sn: tensor<?xi32> {transformer.name = "encoder_key_lengths", transformer.dims = ["sequences"], transformer.role = #transformer.role<encoder_key_lengths>})
    -> (tensor<?x8xf32> {transformer.name = "hidden", transformer.dims = ["tokens", "width"]},
        tensor<?x8xf32> {transformer.name = "encoded", transformer.dims = ["encoder_tokens", "width"]}) attributes {transformer.generates} {
  %a = transformer.ragged_attention %x, %x, %x, %offsets, %offsets, %lengths heads 2 key_heads 2 causal scale 0.5 : tensor<?x8xf32>, tensor<?x8xf32>, tensor<?x8xf32>, tensor<?xi32>, tensor<?xi32>, tensor<?xi32> -> tensor<?x8xf32>
  return %a, %a : tensor<?x8xf32>, tensor<?x8xf32>
}

// -----

// A step knows no distance of its token from one of the source.
transformer.weight @distances value dense<1.0> : tensor<2x3xf32>
// expected-note @+1 {{'transformer.generates' of @forward asks for a step}}
func.func @forward(
    %source: tensor<?x8xf32> {transformer.name = "source", transformer.dims = ["encoder_tokens", "width"]},
    %x: tensor<?x8xf32> {transformer.name = "x", transformer.dims = ["tokens", "width"]},
    %offsets: tensor<?xi32> {transformer.name = "sequence_offsets", transformer.dims = ["sequences+1"], transformer.role = #transformer.role<sequence_offsets>},
    %lengths: tensor<?xi32> {transformer.name = "key_lengths", transformer.dims = ["sequences"], transformer.role = #transformer.role<key_lengths>},
    %so: tensor<?xi32> {transformer.name = "encoder_offsets", transformer.dims = ["sequences+1"], transformer.role = #transformer.role<encoder_offsets>},
    %sn: tensor<?xi32> {transformer.name = "encoder_key_lengths", transformer.dims = ["sequences"], transformer.role = #transformer.role<encoder_key_lengths>})
    -> (tensor<?x8xf32> {transformer.name = "hidden", transformer.dims = ["tokens", "width"]}) attributes {transformer.generates} {
  %d = transformer.get_weight @distances : tensor<2x3xf32>
  %a = transformer.ragged_attention %x, %x, %x, %offsets, %offsets, %lengths heads 2 key_heads 2 causal scale 0.5 : tensor<?x8xf32>, tensor<?x8xf32>, tensor<?x8xf32>, tensor<?xi32>, tensor<?xi32>, tensor<?xi32> -> tensor<?x8xf32>
  // expected-error @+1 {{'transformer.ragged_attention' op expects neither a causal mask nor a distance_bias to encoder tokens, got one, and a step can't tell how far they are}}
  %b = transformer.ragged_attention %a, %source, %source, %offsets, %so, %sn distance_bias %d from -2 heads 2 key_heads 2 scale 0.5 : tensor<?x8xf32>, tensor<?x8xf32>, tensor<?x8xf32>, tensor<?xi32>, tensor<?xi32>, tensor<?xi32> distance_bias tensor<2x3xf32> -> tensor<?x8xf32>
  return %b : tensor<?x8xf32>
}
