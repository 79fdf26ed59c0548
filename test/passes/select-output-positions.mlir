// RUN: transom-opt %s --transom-select-output-positions --split-input-file | FileCheck %s
// RUN: transom-opt %s --transom-select-output-positions --split-input-file --remarks-filter=fusion 2>&1 >/dev/null | FileCheck %s --check-prefix=REMARK

// A head on hidden states that are a result themselves: all of the head works
// on the rows that are asked for, one gather feeds it.
// CHECK-LABEL: func.func @head
// CHECK-SAME:    %[[X:[a-z0-9_]+]]: tensor<?x8xf32> {transformer.dims = ["tokens", "width"]}
// CHECK-SAME:    %[[ROWS:[a-z0-9_]+]]: tensor<?xi32> {transformer.dims = ["output_positions"], transformer.name = "output_positions", transformer.role = #transformer.role<output_positions>}
// CHECK-SAME:    -> (tensor<?x8xf32> {transformer.dims = ["tokens", "width"]}, tensor<?x96xf32> {transformer.dims = ["output_positions", "words"], transformer.name = "logits"})
// CHECK:         %[[G:.+]] = transformer.embedding %[[ROWS]], %[[X]] : tensor<?xi32>, tensor<?x8xf32> -> tensor<?x8xf32>
// CHECK-NOT:     transformer.embedding
// CHECK:         %[[T:.+]] = transformer.linear %[[G]], %{{.+}} : tensor<?x8xf32>, tensor<8x8xf32>
// CHECK:         %[[A:.+]] = transformer.gelu none %[[T]]
// CHECK:         %[[N:.+]] = transformer.layer_norm %[[A]]
// CHECK:         %[[L:.+]] = transformer.linear %[[N]], %{{.+}} : tensor<?x8xf32>, tensor<96x8xf32>
// CHECK:         return %[[X]], %[[L]]
transformer.weight @w value dense<1.0> : tensor<8x8xf32>
transformer.weight @words value dense<1.0> : tensor<96x8xf32>
transformer.weight @g value dense<1.0> : tensor<8xf32>
func.func @head(%x: tensor<?x8xf32> {transformer.dims = ["tokens", "width"]})
    -> (tensor<?x8xf32> {transformer.dims = ["tokens", "width"]},
        tensor<?x96xf32> {transformer.dims = ["tokens", "words"], transformer.name = "logits", transformer.select_output_positions}) {
  %w = transformer.get_weight @w : tensor<8x8xf32>
  %words = transformer.get_weight @words : tensor<96x8xf32>
  %g = transformer.get_weight @g : tensor<8xf32>
  %t = transformer.linear %x, %w : tensor<?x8xf32>, tensor<8x8xf32> -> tensor<?x8xf32>
  %a = transformer.gelu none %t : tensor<?x8xf32>
  %n = transformer.layer_norm %a, %g, %g epsilon 1.0e-12 : tensor<?x8xf32>, tensor<8xf32>, tensor<8xf32> -> tensor<?x8xf32>
  %l = transformer.linear %n, %words : tensor<?x8xf32>, tensor<96x8xf32> -> tensor<?x96xf32>
  return %x, %l : tensor<?x8xf32>, tensor<?x96xf32>
}

// -----

// Where the hidden states are not a result, the tail is what follows the last
// attention: its residual is gathered, too. Queries, keys and values are of all
// tokens.
// CHECK-LABEL: func.func @reaches_the_last_attention
// CHECK-SAME:    %[[X:[a-z0-9_]+]]: tensor<?x8xf32>
// CHECK-SAME:    %[[ROWS:[a-z0-9_]+]]: tensor<?xi32> {transformer.dims = ["output_positions"]
// CHECK:         %[[RESIDUAL:.+]] = transformer.embedding %[[ROWS]], %[[X]]
// CHECK:         transformer.linear %[[X]]
// CHECK:         %[[A:.+]] = transformer.ragged_attention
// CHECK:         %[[G:.+]] = transformer.embedding %[[ROWS]], %[[A]]
// CHECK-NOT:     transformer.embedding
// CHECK:         %[[Y:.+]], %{{.+}} = transformer.add_layer_norm %[[G]], %[[RESIDUAL]]
// CHECK:         transformer.linear %[[Y]]
transformer.weight @w value dense<1.0> : tensor<8x8xf32>
transformer.weight @words value dense<1.0> : tensor<96x8xf32>
transformer.weight @g value dense<1.0> : tensor<8xf32>
func.func @reaches_the_last_attention(
    %x: tensor<?x8xf32> {transformer.dims = ["tokens", "width"]},
    %offsets: tensor<?xi32> {transformer.dims = ["sequences+1"]},
    %lengths: tensor<?xi32> {transformer.dims = ["sequences"]})
    -> (tensor<?x96xf32> {transformer.dims = ["tokens", "words"], transformer.select_output_positions}) {
  %w = transformer.get_weight @w : tensor<8x8xf32>
  %words = transformer.get_weight @words : tensor<96x8xf32>
  %g = transformer.get_weight @g : tensor<8xf32>
  %q = transformer.linear %x, %w : tensor<?x8xf32>, tensor<8x8xf32> -> tensor<?x8xf32>
  %a = transformer.ragged_attention %q, %x, %x, %offsets, %offsets, %lengths heads 2 key_heads 2 scale 0.5
      : tensor<?x8xf32>, tensor<?x8xf32>, tensor<?x8xf32>, tensor<?xi32>, tensor<?xi32>, tensor<?xi32> -> tensor<?x8xf32>
  %y, %s = transformer.add_layer_norm %a, %x, %g, %g epsilon 1.0e-12
      : tensor<?x8xf32>, tensor<?x8xf32>, tensor<8xf32>, tensor<8xf32> -> tensor<?x8xf32>, tensor<?x8xf32>
  %l = transformer.linear %y, %words : tensor<?x8xf32>, tensor<96x8xf32> -> tensor<?x96xf32>
  return %l : tensor<?x96xf32>
}

// -----

// Kernels gather whole rows: a slice that others read, too, follows the gather.
// Reductions of a row are part of a tail, as softmax is.
// CHECK-LABEL: func.func @slices_and_reductions
// CHECK-SAME:    %[[X:[a-z0-9_]+]]: tensor<?x16xf32>
// CHECK-SAME:    %[[ROWS:[a-z0-9_]+]]: tensor<?xi32> {transformer.dims = ["output_positions"]
// CHECK:         %[[G:.+]] = transformer.embedding %[[ROWS]], %[[X]] : tensor<?xi32>, tensor<?x16xf32>
// CHECK:         %[[H:.+]] = transformer.slice %[[X]] axis 1 from 8 to 16
// CHECK:         %[[S:.+]] = transformer.slice %[[G]] axis 1 from 8 to 16
// CHECK-NOT:     transformer.embedding
// CHECK:         %[[M:.+]] = transformer.reduce max %[[S]]
// CHECK:         %[[Y:.+]] = transformer.sub %[[S]], %[[M]]
// CHECK:         return %[[Y]], %[[H]]
func.func @slices_and_reductions(%x: tensor<?x16xf32> {transformer.dims = ["tokens", "width"]})
    -> (tensor<?x8xf32> {transformer.dims = ["tokens", "words"], transformer.select_output_positions},
        tensor<?x8xf32> {transformer.dims = ["tokens", "width"]}) {
  %h = transformer.slice %x axis 1 from 8 to 16 : tensor<?x16xf32> -> tensor<?x8xf32>
  %m = transformer.reduce max %h axes [-1] keep_dims : tensor<?x8xf32> -> tensor<?x1xf32>
  %y = transformer.sub %h, %m : tensor<?x8xf32>, tensor<?x1xf32> -> tensor<?x8xf32>
  return %y, %h : tensor<?x8xf32>, tensor<?x8xf32>
}

// -----

// Two results share one argument, and what both of them need.
// CHECK-LABEL: func.func @two_results
// CHECK-SAME:    %[[X:[a-z0-9_]+]]: tensor<?x8xf32>
// CHECK-SAME:    %[[ROWS:[a-z0-9_]+]]: tensor<?xi32>
// CHECK-NOT:     tensor<?xi32>
// CHECK-SAME:    -> (tensor<?x8xf32> {transformer.dims = ["output_positions", "a"]}, tensor<?x8xf32> {transformer.dims = ["output_positions", "b"]})
// CHECK:         %[[G:.+]] = transformer.embedding %[[ROWS]], %[[X]]
// CHECK:         %[[Y:.+]] = transformer.tanh %[[G]]
// CHECK:         %[[Z:.+]] = transformer.exp %[[Y]]
// CHECK:         return %[[Y]], %[[Z]]
func.func @two_results(%x: tensor<?x8xf32> {transformer.dims = ["tokens", "width"]})
    -> (tensor<?x8xf32> {transformer.dims = ["tokens", "a"], transformer.select_output_positions},
        tensor<?x8xf32> {transformer.dims = ["tokens", "b"], transformer.select_output_positions}) {
  %y = transformer.tanh %x : tensor<?x8xf32>
  %z = transformer.exp %y : tensor<?x8xf32>
  return %y, %z : tensor<?x8xf32>, tensor<?x8xf32>
}

// -----

// Ids are not gathered: the embedding is of all tokens.
// CHECK-LABEL: func.func @keeps_embeddings
// CHECK-SAME:    %[[IDS:[a-z0-9_]+]]: tensor<?xi32> {transformer.dims = ["tokens"]}
// CHECK-SAME:    %[[ROWS:[a-z0-9_]+]]: tensor<?xi32> {transformer.dims = ["output_positions"]
// CHECK:         %[[X:.+]] = transformer.embedding %[[IDS]], %{{.+}} : tensor<?xi32>, tensor<16x8xf32>
// CHECK:         %[[G:.+]] = transformer.embedding %[[ROWS]], %[[X]] : tensor<?xi32>, tensor<?x8xf32>
// CHECK:         transformer.tanh %[[G]]
transformer.weight @table value dense<1.0> : tensor<16x8xf32>
func.func @keeps_embeddings(%ids: tensor<?xi32> {transformer.dims = ["tokens"]})
    -> (tensor<?x8xf32> {transformer.dims = ["tokens", "words"], transformer.select_output_positions}) {
  %table = transformer.get_weight @table : tensor<16x8xf32>
  %x = transformer.embedding %ids, %table : tensor<?xi32>, tensor<16x8xf32> -> tensor<?x8xf32>
  %y = transformer.tanh %x : tensor<?x8xf32>
  return %y : tensor<?x8xf32>
}

// -----

// Negative: what another result needs, too, is computed for all tokens. The
// caller may still ask for positions.
// CHECK-LABEL: func.func @used_elsewhere
// CHECK-SAME:    %[[X:[a-z0-9_]+]]: tensor<?x8xf32>
// CHECK-SAME:    %[[ROWS:[a-z0-9_]+]]: tensor<?xi32> {transformer.dims = ["output_positions"]
// CHECK:         %[[Y:.+]] = transformer.exp %[[X]]
// CHECK:         %[[G:.+]] = transformer.embedding %[[ROWS]], %[[Y]]
// CHECK:         %[[Z:.+]] = transformer.tanh %[[Y]]
// CHECK:         return %[[G]], %[[Z]]
// REMARK:      [Missed] select-output-positions | Category:fusion | Function=used_elsewhere | Reason="result is also used elsewhere, or not made row by row: it is computed for all tokens"
// REMARK-NOT:  [Missed]
func.func @used_elsewhere(%x: tensor<?x8xf32> {transformer.dims = ["tokens", "width"]})
    -> (tensor<?x8xf32> {transformer.dims = ["tokens", "a"], transformer.select_output_positions},
        tensor<?x8xf32> {transformer.dims = ["tokens", "b"]}) {
  %y = transformer.exp %x : tensor<?x8xf32>
  %z = transformer.tanh %y : tensor<?x8xf32>
  return %y, %z : tensor<?x8xf32>, tensor<?x8xf32>
}

// -----

// Negative: no caller may choose tokens of an unmarked result.
// CHECK-LABEL: func.func @unmarked
// CHECK-SAME:    (%{{[a-z0-9_]+}}: tensor<?x8xf32> {transformer.dims = ["tokens", "width"]}) -> (tensor<?x8xf32> {transformer.dims = ["tokens", "words"]})
// CHECK-NOT:     transformer.embedding
func.func @unmarked(%x: tensor<?x8xf32> {transformer.dims = ["tokens", "width"]})
    -> (tensor<?x8xf32> {transformer.dims = ["tokens", "words"]}) {
  %y = transformer.exp %x : tensor<?x8xf32>
  return %y : tensor<?x8xf32>
}

// -----

// Negative: a slice along the tokens takes other rows than its own, so the tail
// begins behind it.
// CHECK-LABEL: func.func @slice_of_tokens
// CHECK-SAME:    %[[X:[a-z0-9_]+]]: tensor<?x8xf32>
// CHECK-SAME:    %[[ROWS:[a-z0-9_]+]]: tensor<?xi32> {transformer.dims = ["output_positions"]
// CHECK:         %[[S:.+]] = transformer.slice %[[X]] axis 0
// CHECK-NEXT:    %[[G:.+]] = transformer.embedding %[[ROWS]], %[[S]]
// CHECK-NEXT:    transformer.tanh %[[G]]
func.func @slice_of_tokens(%x: tensor<?x8xf32> {transformer.dims = ["tokens", "width"]})
    -> (tensor<?x8xf32> {transformer.dims = ["tokens", "width"], transformer.select_output_positions}) {
  %s = transformer.slice %x axis 0 from 0 to 4 : tensor<?x8xf32> -> tensor<?x8xf32>
  %y = transformer.tanh %s : tensor<?x8xf32>
  return %y : tensor<?x8xf32>
}
