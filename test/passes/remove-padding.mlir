// RUN: transom-opt %s --transom-remove-padding --split-input-file | FileCheck %s

// A layer of an encoder: rows stay rows, attention knows where sequences
// begin, the mask is gone.
// CHECK-LABEL: func.func @encoder_layer
// CHECK-SAME:    %[[IDS:[a-z0-9_]+]]: tensor<?xi32> {transformer.dims = ["tokens"], transformer.name = "input_ids"}
// CHECK-SAME:    %[[OFFSETS:[a-z0-9_]+]]: tensor<?xi32> {transformer.dims = ["sequences+1"], transformer.name = "sequence_offsets", transformer.role = #transformer.role<sequence_offsets>}
// CHECK-SAME:    %[[LENGTHS:[a-z0-9_]+]]: tensor<?xi32> {transformer.dims = ["sequences"], transformer.name = "key_lengths", transformer.role = #transformer.role<key_lengths>}
// CHECK-SAME:    -> (tensor<?x8xf32> {transformer.dims = ["tokens", "width"], transformer.name = "last_hidden_state"})
// CHECK:         %[[TABLE:.+]] = transformer.get_weight @table
// CHECK:         %[[X:.+]] = transformer.embedding %[[IDS]], %[[TABLE]] : tensor<?xi32>, tensor<16x8xf32> -> tensor<?x8xf32>
// CHECK:         %[[Q:.+]] = transformer.linear %[[X]], %{{.+}} : tensor<?x8xf32>, tensor<8x8xf32> -> tensor<?x8xf32>
// CHECK:         %[[A:.+]] = transformer.ragged_attention %[[Q]], %[[X]], %[[X]], %[[OFFSETS]], %[[OFFSETS]], %[[LENGTHS]] heads 2 key_heads 2 scale 5.000000e-01
// CHECK:         %[[Y:.+]], %{{.+}} = transformer.add_layer_norm %[[A]], %[[X]], %{{.+}} : tensor<?x8xf32>, tensor<?x8xf32>
// CHECK:         return %[[Y]]
transformer.weight @table value dense<1.0> : tensor<16x8xf32>
transformer.weight @w value dense<1.0> : tensor<8x8xf32>
transformer.weight @g value dense<1.0> : tensor<8xf32>
func.func @encoder_layer(
    %ids: tensor<?x?xi32> {transformer.name = "input_ids", transformer.dims = ["batch", "length"]},
    %mask: tensor<?x?xi32> {transformer.name = "attention_mask", transformer.dims = ["batch", "length"], transformer.role = #transformer.role<attention_mask>})
    -> (tensor<?x?x8xf32> {transformer.name = "last_hidden_state", transformer.dims = ["batch", "length", "width"]}) {
  %table = transformer.get_weight @table : tensor<16x8xf32>
  %w = transformer.get_weight @w : tensor<8x8xf32>
  %g = transformer.get_weight @g : tensor<8xf32>
  %x = transformer.embedding %ids, %table : tensor<?x?xi32>, tensor<16x8xf32> -> tensor<?x?x8xf32>
  %q = transformer.linear %x, %w : tensor<?x?x8xf32>, tensor<8x8xf32> -> tensor<?x?x8xf32>
  %qh = transformer.split_heads %q heads 2 : tensor<?x?x8xf32> -> tensor<?x2x?x4xf32>
  %kh = transformer.split_heads %x heads 2 : tensor<?x?x8xf32> -> tensor<?x2x?x4xf32>
  %m = transformer.padding_mask %mask : tensor<?x?xi32> -> tensor<?x1x1x?xf32>
  %h = transformer.attention %qh, %kh, %kh bias %m scale 0.5
      : tensor<?x2x?x4xf32>, tensor<?x2x?x4xf32>, tensor<?x2x?x4xf32>, tensor<?x1x1x?xf32> -> tensor<?x2x?x4xf32>
  %a = transformer.merge_heads %h : tensor<?x2x?x4xf32> -> tensor<?x?x8xf32>
  %y, %s = transformer.add_layer_norm %a, %x, %g, %g epsilon 1.0e-12
      : tensor<?x?x8xf32>, tensor<?x?x8xf32>, tensor<8xf32>, tensor<8xf32> -> tensor<?x?x8xf32>, tensor<?x?x8xf32>
  return %y : tensor<?x?x8xf32>
}

// -----

// One row of each sequence is a gather by rows that the runtime knows; each
// token that is asked for has one such argument. What follows is per sequence.
// CHECK-LABEL: func.func @selects_tokens
// CHECK-SAME:    %[[X:[a-z0-9_]+]]: tensor<?x4xf32> {transformer.dims = ["tokens", "width"]}
// CHECK-SAME:    %[[FIRST:[a-z0-9_]+]]: tensor<?xi32> {transformer.default = #transformer.default<token, 0>, transformer.dims = ["sequences"], transformer.name = "token_rows_0", transformer.role = #transformer.role<token_rows>}
// CHECK-SAME:    %[[THIRD:[a-z0-9_]+]]: tensor<?xi32> {transformer.default = #transformer.default<token, 2>, transformer.dims = ["sequences"], transformer.name = "token_rows_2", transformer.role = #transformer.role<token_rows>}
// CHECK-SAME:    -> (tensor<?x4xf32> {transformer.dims = ["sequences", "width"]})
// CHECK:         %[[A:.+]] = transformer.embedding %[[FIRST]], %[[X]] : tensor<?xi32>, tensor<?x4xf32> -> tensor<?x4xf32>
// CHECK:         %[[B:.+]] = transformer.embedding %[[THIRD]], %[[X]]
// CHECK:         %[[C:.+]] = transformer.embedding %[[FIRST]], %[[X]]
// CHECK:         %[[AB:.+]] = transformer.add %[[A]], %[[B]] : tensor<?x4xf32>, tensor<?x4xf32> -> tensor<?x4xf32>
// CHECK:         transformer.add %[[AB]], %[[C]]
func.func @selects_tokens(%x: tensor<?x?x4xf32> {transformer.dims = ["batch", "length", "width"]})
    -> (tensor<?x4xf32> {transformer.dims = ["batch", "width"]}) {
  %a = transformer.select_token %x at 0 : tensor<?x?x4xf32> -> tensor<?x4xf32>
  %b = transformer.select_token %x at 2 : tensor<?x?x4xf32> -> tensor<?x4xf32>
  %c = transformer.select_token %x at 0 : tensor<?x?x4xf32> -> tensor<?x4xf32>
  %ab = transformer.add %a, %b : tensor<?x4xf32>, tensor<?x4xf32> -> tensor<?x4xf32>
  %abc = transformer.add %ab, %c : tensor<?x4xf32>, tensor<?x4xf32> -> tensor<?x4xf32>
  return %abc : tensor<?x4xf32>
}

// -----

// A token whose place is an argument: the argument becomes the token's row.
// CHECK-LABEL: func.func @gathers_tokens
// CHECK-SAME:    %[[X:[a-z0-9_]+]]: tensor<?x4xf32>
// CHECK-SAME:    %[[I:[a-z0-9_]+]]: tensor<?xi32> {transformer.default = #transformer.default<last>, transformer.dims = ["sequences"], transformer.name = "place", transformer.role = #transformer.role<token_rows>}
// CHECK-SAME:    -> (tensor<?x4xf32> {transformer.dims = ["sequences", "width"]})
// CHECK:         %[[Y:.+]] = transformer.embedding %[[I]], %[[X]] : tensor<?xi32>, tensor<?x4xf32> -> tensor<?x4xf32>
// CHECK-NEXT:    return %[[Y]]
func.func @gathers_tokens(%x: tensor<?x?x4xf32> {transformer.dims = ["batch", "length", "width"]},
                          %i: tensor<?xi32> {transformer.default = #transformer.default<last>, transformer.dims = ["batch"], transformer.name = "place", transformer.role = #transformer.role<token_index>})
    -> (tensor<?x4xf32> {transformer.dims = ["batch", "width"]}) {
  %y = transformer.gather_token %x, %i : tensor<?x?x4xf32>, tensor<?xi32> -> tensor<?x4xf32>
  return %y : tensor<?x4xf32>
}

// -----

// Axes and constants lose the dimension that is packed.
// CHECK-LABEL: func.func @renumbers_axes
// CHECK:         %[[C:.+]] = arith.constant dense<2.000000e+00> : tensor<8xf32>
// CHECK:         %[[X:.+]] = transformer.mul %{{.+}}, %[[C]] : tensor<?x8xf32>, tensor<8xf32> -> tensor<?x8xf32>
// CHECK:         %[[S:.+]] = transformer.slice %[[X]] axis 1 from 0 to 4 : tensor<?x8xf32> -> tensor<?x4xf32>
// CHECK:         transformer.reduce mean %[[S]] axes [1] keep_dims : tensor<?x4xf32> -> tensor<?x1xf32>
func.func @renumbers_axes(%x: tensor<?x?x8xf32> {transformer.dims = ["batch", "length", "width"]})
    -> (tensor<?x?x1xf32> {transformer.dims = ["batch", "length", "one"]}) {
  %c = arith.constant dense<2.0> : tensor<1x1x8xf32>
  %y = transformer.mul %x, %c : tensor<?x?x8xf32>, tensor<1x1x8xf32> -> tensor<?x?x8xf32>
  %s = transformer.slice %y axis 2 from 0 to 4 : tensor<?x?x8xf32> -> tensor<?x?x4xf32>
  %m = transformer.reduce mean %s axes [-1] keep_dims : tensor<?x?x4xf32> -> tensor<?x?x1xf32>
  return %m : tensor<?x?x1xf32>
}

// -----

// Causal attention and grouped key heads carry over; without a mask there is
// nothing to hide.
// CHECK-LABEL: func.func @decoder
// CHECK:         transformer.ragged_attention {{.+}} heads 4 key_heads 2 causal scale
func.func @decoder(%q: tensor<?x?x8xf32> {transformer.dims = ["batch", "length", "width"]},
                   %k: tensor<?x?x4xf32> {transformer.dims = ["batch", "length", "width"]})
    -> (tensor<?x?x8xf32> {transformer.dims = ["batch", "length", "width"]}) {
  %qh = transformer.split_heads %q heads 4 : tensor<?x?x8xf32> -> tensor<?x4x?x2xf32>
  %kh = transformer.split_heads %k heads 2 : tensor<?x?x4xf32> -> tensor<?x2x?x2xf32>
  %h = transformer.attention %qh, %kh, %kh causal scale 1.0
      : tensor<?x4x?x2xf32>, tensor<?x2x?x2xf32>, tensor<?x2x?x2xf32> -> tensor<?x4x?x2xf32>
  %a = transformer.merge_heads %h : tensor<?x4x?x2xf32> -> tensor<?x?x8xf32>
  return %a : tensor<?x?x8xf32>
}

// -----

// Rotary embedding turns heads that stand side by side, by the tokens' own
// positions, before attention.
// CHECK-LABEL: func.func @rotates
// CHECK-SAME:    %[[X:[a-z0-9]+]]: tensor<?x8xf32> {{.+}}, %[[P:[a-z0-9]+]]: tensor<?xi32> {transformer.dims = ["tokens"]
// CHECK:         %[[Q:.+]] = transformer.rotary %[[X]], %[[P]] heads 2 theta 1.000000e+04 : tensor<?x8xf32>, tensor<?xi32> -> tensor<?x8xf32>
// CHECK-NEXT:    transformer.ragged_attention %[[Q]], %[[Q]], %[[X]]
func.func @rotates(%x: tensor<?x?x8xf32> {transformer.dims = ["batch", "length", "width"]},
                   %p: tensor<?x?xi32> {transformer.dims = ["batch", "length"], transformer.name = "position_ids"})
    -> (tensor<?x?x8xf32> {transformer.dims = ["batch", "length", "width"]}) {
  %h = transformer.split_heads %x heads 2 : tensor<?x?x8xf32> -> tensor<?x2x?x4xf32>
  %r = transformer.rotary %h, %p theta 10000.0 : tensor<?x2x?x4xf32>, tensor<?x?xi32> -> tensor<?x2x?x4xf32>
  %a = transformer.attention %r, %r, %h causal scale 1.0
      : tensor<?x2x?x4xf32>, tensor<?x2x?x4xf32>, tensor<?x2x?x4xf32> -> tensor<?x2x?x4xf32>
  %y = transformer.merge_heads %a : tensor<?x2x?x4xf32> -> tensor<?x?x8xf32>
  return %y : tensor<?x?x8xf32>
}

// -----

// Negative: a function without a batch is packed already, or no model.
// CHECK-LABEL: func.func @packed_already
// CHECK-SAME:    tensor<?x8xf32> {transformer.dims = ["tokens", "width"]}) -> tensor<?x8xf32>
func.func @packed_already(%x: tensor<?x8xf32> {transformer.dims = ["tokens", "width"]}) -> tensor<?x8xf32> {
  return %x : tensor<?x8xf32>
}

// -----

// One column: a number a token, a number a sequence.
// CHECK-LABEL: func.func @columns
// CHECK-SAME:    -> (tensor<?xf32> {transformer.dims = ["tokens"]}, tensor<?xf32> {transformer.dims = ["sequences"]})
// CHECK:         %[[S:.+]] = transformer.slice %{{.+}} axis 1 from 1 to 2 : tensor<?x2xf32> -> tensor<?x1xf32>
// CHECK-NEXT:    %[[C:.+]] = transformer.reshape %[[S]] to [0] : tensor<?x1xf32> -> tensor<?xf32>
// CHECK-NEXT:    %[[D:.+]] = transformer.reshape %{{.+}} to [0] : tensor<?x1xf32> -> tensor<?xf32>
// CHECK-NEXT:    return %[[C]], %[[D]]
func.func @columns(%x: tensor<?x?x2xf32> {transformer.dims = ["batch", "length", "two"]},
                   %y: tensor<?x1xf32> {transformer.dims = ["batch", "one"]})
    -> (tensor<?x?xf32> {transformer.dims = ["batch", "length"]}, tensor<?xf32> {transformer.dims = ["batch"]}) {
  %s = transformer.slice %x axis 2 from 1 to 2 : tensor<?x?x2xf32> -> tensor<?x?x1xf32>
  %c = transformer.reshape %s to [0, 0] : tensor<?x?x1xf32> -> tensor<?x?xf32>
  %d = transformer.reshape %y to [-1] : tensor<?x1xf32> -> tensor<?xf32>
  return %c, %d : tensor<?x?xf32>, tensor<?xf32>
}

// -----

// A bias over distances is a weight, and stays one; that tokens must follow one
// another is now said of how many keys there are.
// CHECK-LABEL: func.func @distances
// CHECK-SAME:    %[[LENGTHS:[a-z0-9_]+]]: tensor<?xi32> {transformer.contiguous, transformer.dims = ["sequences"], transformer.name = "key_lengths", transformer.role = #transformer.role<key_lengths>}
// CHECK:         %[[D:.+]] = transformer.get_weight @d
// CHECK:         transformer.ragged_attention %{{.+}}, %[[LENGTHS]] distance_bias %[[D]] from -2 heads 2 key_heads 2 scale 1.000000e+00
// CHECK-SAME:      distance_bias tensor<2x5xf32> -> tensor<?x8xf32>
transformer.weight @d value dense<1.0> : tensor<2x5xf32>
func.func @distances(%x: tensor<?x?x8xf32> {transformer.dims = ["batch", "length", "width"]},
    %mask: tensor<?x?xi32> {transformer.dims = ["batch", "length"], transformer.role = #transformer.role<attention_mask>, transformer.contiguous})
    -> (tensor<?x?x8xf32> {transformer.dims = ["batch", "length", "width"]}) {
  %d = transformer.get_weight @d : tensor<2x5xf32>
  %m = transformer.padding_mask %mask : tensor<?x?xi32> -> tensor<?x1x1x?xf32>
  %h = transformer.split_heads %x heads 2 : tensor<?x?x8xf32> -> tensor<?x2x?x4xf32>
  %y = transformer.attention %h, %h, %h bias %m distance_bias %d from -2 scale 1.0
      : tensor<?x2x?x4xf32>, tensor<?x2x?x4xf32>, tensor<?x2x?x4xf32>, tensor<?x1x1x?xf32> distance_bias tensor<2x5xf32> -> tensor<?x2x?x4xf32>
  %z = transformer.merge_heads %y : tensor<?x2x?x4xf32> -> tensor<?x?x8xf32>
  return %z : tensor<?x?x8xf32>
}

// -----

// A decoder and what it reads of its source: two sets of tokens, each with
// offsets, which meet in attention only. Both masks are gone.
// CHECK-LABEL: func.func @decoder_of_a_source
// CHECK-SAME:    %[[S:[a-z0-9_]+]]: tensor<?x8xf32> {transformer.dims = ["encoder_tokens", "width"]}
// CHECK-SAME:    %[[X:[a-z0-9_]+]]: tensor<?x8xf32> {transformer.dims = ["tokens", "width"]}
// CHECK-SAME:    %[[O:[a-z0-9_]+]]: tensor<?xi32> {transformer.dims = ["sequences+1"], transformer.name = "sequence_offsets", transformer.role = #transformer.role<sequence_offsets>}
// CHECK-SAME:    %[[N:[a-z0-9_]+]]: tensor<?xi32> {transformer.dims = ["sequences"], transformer.name = "key_lengths", transformer.role = #transformer.role<key_lengths>}
// CHECK-SAME:    %[[SO:[a-z0-9_]+]]: tensor<?xi32> {transformer.dims = ["sequences+1"], transformer.name = "encoder_offsets", transformer.role = #transformer.role<encoder_offsets>}
// CHECK-SAME:    %[[SN:[a-z0-9_]+]]: tensor<?xi32> {transformer.dims = ["sequences"], transformer.name = "encoder_key_lengths", transformer.role = #transformer.role<encoder_key_lengths>}
// CHECK-SAME:    -> (tensor<?x8xf32> {transformer.dims = ["tokens", "width"]}, tensor<?x8xf32> {transformer.dims = ["encoder_tokens", "width"]})
// CHECK:         %[[Y:.+]] = transformer.ragged_attention %[[X]], %[[X]], %[[X]], %[[O]], %[[O]], %[[N]] heads 2 key_heads 2 causal
// CHECK:         %[[Z:.+]] = transformer.ragged_attention %[[Y]], %[[S]], %[[S]], %[[O]], %[[SO]], %[[SN]] heads 2 key_heads 2 scale
// CHECK:         return %[[Z]], %[[S]]
func.func @decoder_of_a_source(
    %s: tensor<?x?x8xf32> {transformer.dims = ["batch", "encoder_length", "width"]},
    %sm: tensor<?x?xi32> {transformer.dims = ["batch", "encoder_length"], transformer.role = #transformer.role<attention_mask>},
    %x: tensor<?x?x8xf32> {transformer.dims = ["batch", "length", "width"]},
    %xm: tensor<?x?xi32> {transformer.dims = ["batch", "length"], transformer.role = #transformer.role<attention_mask>})
    -> (tensor<?x?x8xf32> {transformer.dims = ["batch", "length", "width"]},
        tensor<?x?x8xf32> {transformer.dims = ["batch", "encoder_length", "width"]}) {
  %m = transformer.padding_mask %xm : tensor<?x?xi32> -> tensor<?x1x1x?xf32>
  %n = transformer.padding_mask %sm : tensor<?x?xi32> -> tensor<?x1x1x?xf32>
  %h = transformer.split_heads %x heads 2 : tensor<?x?x8xf32> -> tensor<?x2x?x4xf32>
  %k = transformer.split_heads %s heads 2 : tensor<?x?x8xf32> -> tensor<?x2x?x4xf32>
  %y = transformer.attention %h, %h, %h bias %m causal scale 1.0
      : tensor<?x2x?x4xf32>, tensor<?x2x?x4xf32>, tensor<?x2x?x4xf32>, tensor<?x1x1x?xf32> -> tensor<?x2x?x4xf32>
  %z = transformer.attention %y, %k, %k bias %n scale 1.0
      : tensor<?x2x?x4xf32>, tensor<?x2x?x4xf32>, tensor<?x2x?x4xf32>, tensor<?x1x1x?xf32> -> tensor<?x2x?x4xf32>
  %r = transformer.merge_heads %z : tensor<?x2x?x4xf32> -> tensor<?x?x8xf32>
  return %r, %s : tensor<?x?x8xf32>, tensor<?x?x8xf32>
}
