// RUN: transom-opt %s --transom-remove-padding --split-input-file --verify-diagnostics

// Whatever looks across the tokens of a sequence is named, with the pass that
// should have consumed it.

func.func @softmax_over_tokens(%x: tensor<?x?xf32> {transformer.dims = ["batch", "length"]})
    -> (tensor<?x?xf32> {transformer.dims = ["batch", "length"]}) {
  // expected-error @+1 {{'transformer.softmax' op expects to be rowwise in the first 2 dimensions, which are packed, got one that mixes values per token}}
  %y = transformer.softmax %x : tensor<?x?xf32>
  return %y : tensor<?x?xf32>
}

// -----

func.func @rotary_of_no_heads(%x: tensor<?x?x8x4xf32> {transformer.dims = ["batch", "length", "a", "b"]},
                              %p: tensor<?x8xi32> {transformer.dims = ["batch", "a"]})
    -> (tensor<?x?x8x4xf32> {transformer.dims = ["batch", "length", "a", "b"]}) {
  // expected-error @+1 {{'transformer.rotary' op expects heads that 'transformer.split_heads' split, got values per token}}
  %y = transformer.rotary %x, %p theta 10000.0 : tensor<?x?x8x4xf32>, tensor<?x8xi32> -> tensor<?x?x8x4xf32>
  return %y : tensor<?x?x8x4xf32>
}

// -----

func.func @rotary_by_uniform_positions(%x: tensor<1x4x8xf32> {transformer.dims = ["batch", "length", "width"]})
    -> (tensor<1x4x8xf32> {transformer.dims = ["batch", "length", "width"]}) {
  %p = arith.constant dense<[[0, 1, 2, 3]]> : tensor<1x4xi32>
  %h = transformer.split_heads %x heads 2 : tensor<1x4x8xf32> -> tensor<1x2x4x4xf32>
  // expected-error @+1 {{'transformer.rotary' op expects positions per token, got values without a batch}}
  %r = transformer.rotary %h, %p theta 10000.0 : tensor<1x2x4x4xf32>, tensor<1x4xi32> -> tensor<1x2x4x4xf32>
  %y = transformer.merge_heads %r : tensor<1x2x4x4xf32> -> tensor<1x4x8xf32>
  return %y : tensor<1x4x8xf32>
}

// -----

func.func @repeated_heads(%x: tensor<?x?x8xf32> {transformer.dims = ["batch", "length", "width"]})
    -> (tensor<?x?x8xf32> {transformer.dims = ["batch", "length", "width"]}) {
  %h = transformer.split_heads %x heads 2 : tensor<?x?x8xf32> -> tensor<?x2x?x4xf32>
  // expected-error @+2 {{'transformer.repeat_heads' op has no packed form}}
  // expected-note @+1 {{transom-fuse-attention should have consumed it}}
  %r = transformer.repeat_heads %h heads 4 : tensor<?x2x?x4xf32> -> tensor<?x4x?x4xf32>
  return %x : tensor<?x?x8xf32>
}

// -----

func.func @matmul_of_heads(%x: tensor<?x?x8xf32> {transformer.dims = ["batch", "length", "width"]})
    -> (tensor<?x?x8xf32> {transformer.dims = ["batch", "length", "width"]}) {
  %h = transformer.split_heads %x heads 2 : tensor<?x?x8xf32> -> tensor<?x2x?x4xf32>
  // expected-error @+2 {{'transformer.matmul' op has no packed form}}
  // expected-note @+1 {{transom-fuse-attention should have consumed it}}
  %s = transformer.matmul %h, %h transpose_rhs : tensor<?x2x?x4xf32>, tensor<?x2x?x4xf32> -> tensor<?x2x?x?xf32>
  return %x : tensor<?x?x8xf32>
}

// -----

// [B, 1] to [B]: what would be taken away is the length.
func.func @column_of_tokens(%x: tensor<?x1xf32> {transformer.dims = ["batch", "length"]})
    -> (tensor<?xf32> {transformer.dims = ["batch"]}) {
  // expected-error @+2 {{'transformer.reshape' op expects to be rowwise in the first 2 dimensions, which are packed, got one that mixes values per token}}
  // expected-note @+1 {{transom-raise should have consumed it}}
  %y = transformer.reshape %x to [0] : tensor<?x1xf32> -> tensor<?xf32>
  return %y : tensor<?xf32>
}

// -----

func.func @reshape(%x: tensor<?x?x8xf32> {transformer.dims = ["batch", "length", "width"]})
    -> (tensor<?x?x2x4xf32> {transformer.dims = ["batch", "length", "a", "b"]}) {
  // expected-error @+2 {{'transformer.reshape' op expects to be rowwise in the first 2 dimensions, which are packed, got one that mixes values per token}}
  // expected-note @+1 {{transom-raise should have consumed it}}
  %y = transformer.reshape %x to [0, 0, 2, 4] : tensor<?x?x8xf32> -> tensor<?x?x2x4xf32>
  return %y : tensor<?x?x2x4xf32>
}

// -----

func.func @mean_over_tokens(%x: tensor<?x?x8xf32> {transformer.dims = ["batch", "length", "width"]})
    -> (tensor<?x8xf32> {transformer.dims = ["batch", "width"]}) {
  // expected-error @+1 {{'transformer.reduce' op expects to be rowwise in the first 2 dimensions, which are packed, got one that mixes values per token}}
  %y = transformer.reduce mean %x axes [1] : tensor<?x?x8xf32> -> tensor<?x8xf32>
  return %y : tensor<?x8xf32>
}

// -----

func.func @slice_of_tokens(%x: tensor<?x?x8xf32> {transformer.dims = ["batch", "length", "width"]})
    -> (tensor<?x?x8xf32> {transformer.dims = ["batch", "length", "width"]}) {
  // expected-error @+1 {{'transformer.slice' op expects to be rowwise in the first 2 dimensions, which are packed, got one that mixes values per token}}
  %y = transformer.slice %x axis 1 from 0 to 4 : tensor<?x?x8xf32> -> tensor<?x?x8xf32>
  return %y : tensor<?x?x8xf32>
}

// -----

transformer.weight @positions value dense<1.0> : tensor<4x8xf32>
func.func @table_of_positions(%x: tensor<?x4x8xf32> {transformer.dims = ["batch", "length", "width"]})
    -> (tensor<?x4x8xf32> {transformer.dims = ["batch", "length", "width"]}) {
  %p = transformer.get_weight @positions : tensor<4x8xf32>
  // expected-error @+1 {{'transformer.add' op expects operand 1 without a batch to be the same for all tokens, got 'tensor<4x8xf32>'}}
  %y = transformer.add %x, %p : tensor<?x4x8xf32>, tensor<4x8xf32> -> tensor<?x4x8xf32>
  return %y : tensor<?x4x8xf32>
}

// -----

func.func @mask_as_value(%x: tensor<?x?xi32> {transformer.dims = ["batch", "length"]},
                         %mask: tensor<?x?xi32> {transformer.dims = ["batch", "length"], transformer.role = #transformer.role<attention_mask>})
    -> (tensor<?x?xi32> {transformer.dims = ["batch", "length"]}) {
  // expected-error @+1 {{'transformer.add' op expects operand 1 to be values per token, got the attention mask}}
  %y = transformer.add %x, %mask : tensor<?x?xi32>, tensor<?x?xi32> -> tensor<?x?xi32>
  return %y : tensor<?x?xi32>
}

// -----

func.func @attention_ignores_mask(%x: tensor<?x?x8xf32> {transformer.dims = ["batch", "length", "width"]},
                                  %mask: tensor<?x?xi32> {transformer.dims = ["batch", "length"], transformer.role = #transformer.role<attention_mask>})
    -> (tensor<?x?x8xf32> {transformer.dims = ["batch", "length", "width"]}) {
  %h = transformer.split_heads %x heads 2 : tensor<?x?x8xf32> -> tensor<?x2x?x4xf32>
  // expected-error @+1 {{'transformer.attention' op expects the padding mask of its keys as its bias, got none beside an attention mask}}
  %y = transformer.attention %h, %h, %h scale 1.0 : tensor<?x2x?x4xf32>, tensor<?x2x?x4xf32>, tensor<?x2x?x4xf32> -> tensor<?x2x?x4xf32>
  %z = transformer.merge_heads %y : tensor<?x2x?x4xf32> -> tensor<?x?x8xf32>
  return %z : tensor<?x?x8xf32>
}

// -----

func.func @attention_with_other_bias(%x: tensor<?x?x8xf32> {transformer.dims = ["batch", "length", "width"]})
    -> (tensor<?x?x8xf32> {transformer.dims = ["batch", "length", "width"]}) {
  %h = transformer.split_heads %x heads 2 : tensor<?x?x8xf32> -> tensor<?x2x?x4xf32>
  %b = arith.constant dense<1.0> : tensor<1x1x1x1xf32>
  // expected-error @+1 {{'transformer.attention' op expects the padding mask of its keys as its only bias, got values without a batch}}
  %y = transformer.attention %h, %h, %h bias %b scale 1.0 : tensor<?x2x?x4xf32>, tensor<?x2x?x4xf32>, tensor<?x2x?x4xf32>, tensor<1x1x1x1xf32> -> tensor<?x2x?x4xf32>
  %z = transformer.merge_heads %y : tensor<?x2x?x4xf32> -> tensor<?x?x8xf32>
  return %z : tensor<?x?x8xf32>
}

// -----

func.func @sequences_beside_tokens(%x: tensor<?x?x8xf32> {transformer.dims = ["batch", "length", "width"]})
    -> (tensor<?x?x8xf32> {transformer.dims = ["batch", "length", "width"]}) {
  %s = transformer.select_token %x at 0 : tensor<?x?x8xf32> -> tensor<?x8xf32>
  // expected-error @+1 {{'transformer.add' op expects operand 1 to be values per token, got values per sequence}}
  %y = transformer.add %x, %s : tensor<?x?x8xf32>, tensor<?x8xf32> -> tensor<?x?x8xf32>
  return %y : tensor<?x?x8xf32>
}

// -----

// A masked token that is asked for stands last in its sequence, where causal
// attention would count from.
func.func @causal_and_selected(%x: tensor<?x?x8xf32> {transformer.dims = ["batch", "length", "width"]},
                               %mask: tensor<?x?xi32> {transformer.dims = ["batch", "length"], transformer.role = #transformer.role<attention_mask>})
    -> (tensor<?x8xf32> {transformer.dims = ["batch", "width"]}) {
  %m = transformer.padding_mask %mask : tensor<?x?xi32> -> tensor<?x1x1x?xf32>
  %h = transformer.split_heads %x heads 2 : tensor<?x?x8xf32> -> tensor<?x2x?x4xf32>
  // expected-error @+1 {{'transformer.attention' op expects the last row of a sequence to be a key, since it counts keys from there, got a token that may be masked}}
  %y = transformer.attention %h, %h, %h bias %m causal scale 1.0 : tensor<?x2x?x4xf32>, tensor<?x2x?x4xf32>, tensor<?x2x?x4xf32>, tensor<?x1x1x?xf32> -> tensor<?x2x?x4xf32>
  %z = transformer.merge_heads %y : tensor<?x2x?x4xf32> -> tensor<?x?x8xf32>
  // expected-note @+1 {{the token that is selected here is packed last if it is masked}}
  %s = transformer.select_token %z at 0 : tensor<?x?x8xf32> -> tensor<?x8xf32>
  return %s : tensor<?x8xf32>
}

// -----

// A number other than the index of a token can't become its row.
func.func @gathers_by_values(%x: tensor<?x?x8xf32> {transformer.dims = ["batch", "length", "width"]},
                             %i: tensor<?xi32> {transformer.dims = ["batch"]})
    -> (tensor<?x8xf32> {transformer.dims = ["batch", "width"]}) {
  // expected-error @+1 {{'transformer.gather_token' op expects an argument with role 'token_index', got values per sequence}}
  %y = transformer.gather_token %x, %i : tensor<?x?x8xf32>, tensor<?xi32> -> tensor<?x8xf32>
  return %y : tensor<?x8xf32>
}

// -----

// And a place is nothing else: no id of an embedding, for one.
func.func @embeds_places(%t: tensor<4x8xf32> {transformer.dims = ["batch", "width"]},
                         %i: tensor<?xi32> {transformer.dims = ["batch"], transformer.role = #transformer.role<token_index>})
    -> (tensor<?x8xf32> {transformer.dims = ["batch", "width"]}) {
  // expected-error @+1 {{'transformer.embedding' op expects values per token or per sequence, got token indices}}
  %y = transformer.embedding %i, %t : tensor<?xi32>, tensor<4x8xf32> -> tensor<?x8xf32>
  return %y : tensor<?x8xf32>
}

// -----

// expected-error @+1 {{'func.func' op argument 0 expects one number for each sequence, as its 'transformer.role' says, got 'tensor<?x?xi32>'}}
func.func @places_of_tokens(%i: tensor<?x?xi32> {transformer.dims = ["batch", "length"], transformer.role = #transformer.role<token_index>}) {
  return
}

// -----

// expected-error @+1 {{'func.func' op argument 1 expects 'transformer.dims' to name each dimension of 'tensor<?x?xi32>'}}
func.func @argument_without_dims(%x: tensor<?x?xi32> {transformer.dims = ["batch", "length"]}, %y: tensor<?x?xi32>)
    -> (tensor<?x?xi32> {transformer.dims = ["batch", "length"]}) {
  return %x : tensor<?x?xi32>
}

// -----

// expected-error @+1 {{'func.func' op argument 1 expects dimensions ["batch", "length", ..] or ["batch", ..], got ["heads", "batch"]}}
func.func @argument_of_other_dims(%x: tensor<?x?xi32> {transformer.dims = ["batch", "length"]},
                                  %y: tensor<?x?xi32> {transformer.dims = ["heads", "batch"]})
    -> (tensor<?x?xi32> {transformer.dims = ["batch", "length"]}) {
  return %x : tensor<?x?xi32>
}

// -----

func.func @result_of_other_dims(%x: tensor<?x?xf32> {transformer.dims = ["batch", "length"]})
    -> (tensor<?x?xf32> {transformer.dims = ["batch", "width"]}) {
  // expected-error @+1 {{'func.return' op expects result 0 to be per token or per sequence as 'transformer.dims' says, got values per token}}
  return %x : tensor<?x?xf32>
}

// -----

// Packed, what stands on both sides of a hole would be neighbours.
transformer.weight @d value dense<1.0> : tensor<2x5xf32>
func.func @distances_beside_holes(%x: tensor<?x?x8xf32> {transformer.dims = ["batch", "length", "width"]},
    %mask: tensor<?x?xi32> {transformer.dims = ["batch", "length"], transformer.role = #transformer.role<attention_mask>})
    -> (tensor<?x?x8xf32> {transformer.dims = ["batch", "length", "width"]}) {
  %d = transformer.get_weight @d : tensor<2x5xf32>
  %m = transformer.padding_mask %mask : tensor<?x?xi32> -> tensor<?x1x1x?xf32>
  %h = transformer.split_heads %x heads 2 : tensor<?x?x8xf32> -> tensor<?x2x?x4xf32>
  // expected-error @+2 {{'transformer.attention' op expects an attention mask without holes for its distance_bias, got one whose packed tokens may be closer than they were}}
  // expected-note @+1 {{'transformer.contiguous' on the mask says that it has no holes}}
  %y = transformer.attention %h, %h, %h bias %m distance_bias %d from -2 scale 1.0
      : tensor<?x2x?x4xf32>, tensor<?x2x?x4xf32>, tensor<?x2x?x4xf32>, tensor<?x1x1x?xf32> distance_bias tensor<2x5xf32> -> tensor<?x2x?x4xf32>
  %z = transformer.merge_heads %y : tensor<?x2x?x4xf32> -> tensor<?x?x8xf32>
  return %z : tensor<?x?x8xf32>
}

// -----

func.func @adds_a_source(%s: tensor<?x?x8xf32> {transformer.dims = ["batch", "encoder_length", "width"]},
                         %x: tensor<?x?x8xf32> {transformer.dims = ["batch", "length", "width"]})
    -> (tensor<?x?x8xf32> {transformer.dims = ["batch", "length", "width"]}) {
  // expected-error @+1 {{'transformer.add' op expects operand 1 to be values per token, got values per encoder token}}
  %y = transformer.add %x, %s : tensor<?x?x8xf32>, tensor<?x?x8xf32> -> tensor<?x?x8xf32>
  return %y : tensor<?x?x8xf32>
}

// -----

func.func @causal_beside_a_source(%s: tensor<?x?x8xf32> {transformer.dims = ["batch", "encoder_length", "width"]},
                                  %x: tensor<?x?x8xf32> {transformer.dims = ["batch", "length", "width"]})
    -> (tensor<?x?x8xf32> {transformer.dims = ["batch", "length", "width"]}) {
  %h = transformer.split_heads %x heads 2 : tensor<?x?x8xf32> -> tensor<?x2x?x4xf32>
  %k = transformer.split_heads %s heads 2 : tensor<?x?x8xf32> -> tensor<?x2x?x4xf32>
  // expected-error @+1 {{'transformer.attention' op expects queries and keys of the same tokens for causal attention and for a distance_bias, got heads of tokens and heads of encoder tokens}}
  %y = transformer.attention %h, %k, %k causal scale 1.0
      : tensor<?x2x?x4xf32>, tensor<?x2x?x4xf32>, tensor<?x2x?x4xf32> -> tensor<?x2x?x4xf32>
  %z = transformer.merge_heads %y : tensor<?x2x?x4xf32> -> tensor<?x?x8xf32>
  return %z : tensor<?x?x8xf32>
}

// -----

func.func @result_of_the_source(%s: tensor<?x?x8xf32> {transformer.dims = ["batch", "encoder_length", "width"]})
    -> (tensor<?x?x8xf32> {transformer.dims = ["batch", "length", "width"]}) {
  // expected-error @+1 {{'func.return' op expects result 0 to be per token or per sequence as 'transformer.dims' says, got values per encoder token}}
  return %s : tensor<?x?x8xf32>
}
