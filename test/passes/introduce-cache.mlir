// RUN: transom-opt %s --transom-introduce-cache --split-input-file | FileCheck %s

// Two layers share one cache: four heads of 2 take 16 columns each, so each
// layer has 128 of its columns, and passes it on. The function itself stays.
// CHECK-LABEL: func.func @forward
// CHECK-COUNT-2: transformer.ragged_attention
// CHECK-LABEL: func.func @step
// CHECK-SAME:    %[[IDS:[a-z0-9]+]]: tensor<?xi32> {{[{][^}]+[}]}}, %[[O:[a-z0-9]+]]: tensor<?xi32> {{[{][^}]+[}]}}, %[[N:[a-z0-9]+]]: tensor<?xi32> {{[{][^}]+[}]}},
// CHECK-SAME:    %[[S:[a-z0-9]+]]: tensor<?xi32> {transformer.dims = ["tokens"], transformer.name = "cache_slots", transformer.role = #transformer.role<cache_slots>},
// CHECK-SAME:    %[[T:[a-z0-9]+]]: tensor<?xi32> {transformer.dims = ["blocks"], transformer.name = "block_table", transformer.role = #transformer.role<block_table>},
// CHECK-SAME:    %[[B:[a-z0-9]+]]: tensor<?xi32> {transformer.dims = ["sequences+1"], transformer.name = "block_offsets", transformer.role = #transformer.role<block_offsets>},
// CHECK-SAME:    %[[C0:[a-z0-9]+]]: tensor<?x256xf32> {transformer.dims = ["slots", "columns"], transformer.name = "cache", transformer.role = #transformer.role<cache>})
// CHECK-SAME:    -> (tensor<?x8xf32> {transformer.dims = ["tokens", "width"], transformer.name = "logits", transformer.select_output_positions},
// CHECK-SAME:        tensor<?x256xf32> {transformer.dims = ["slots", "columns"], transformer.name = "cache", transformer.role = #transformer.role<cache>}) attributes {transformer.program = #transformer.program<step>} {
// CHECK:         %[[X:.+]] = transformer.embedding %[[IDS]]
// CHECK:         %[[C1:.+]] = transformer.append_cache %[[C0]], %[[X]], %[[X]], %[[S]] key_heads 4 at 0 :
// CHECK-NEXT:    %[[A:.+]] = transformer.cached_attention %[[X]], %[[C1]], %[[O]], %[[N]], %[[T]], %[[B]] heads 4 key_heads 4 at 0 causal scale 5.000000e-01 :
// CHECK-NEXT:    %[[R:.+]] = transformer.rotary %[[A]], %[[IDS]] heads 4
// CHECK-NEXT:    %[[C2:.+]] = transformer.append_cache %[[C1]], %[[R]], %[[A]], %[[S]] key_heads 4 at 128 :
// CHECK-NEXT:    %[[Y:.+]] = transformer.cached_attention %[[R]], %[[C2]], %[[O]], %[[N]], %[[T]], %[[B]] heads 4 key_heads 4 at 128 causal scale 5.000000e-01 :
// CHECK-NOT:     ragged_attention
// CHECK:         return %[[Y]], %[[C2]]
transformer.weight @table value dense<1.0> : tensor<16x8xf32>
func.func @forward(
    %ids: tensor<?xi32> {transformer.name = "input_ids", transformer.dims = ["tokens"]},
    %offsets: tensor<?xi32> {transformer.name = "sequence_offsets", transformer.dims = ["sequences+1"], transformer.role = #transformer.role<sequence_offsets>},
    %lengths: tensor<?xi32> {transformer.name = "key_lengths", transformer.dims = ["sequences"], transformer.role = #transformer.role<key_lengths>})
    -> (tensor<?x8xf32> {transformer.name = "logits", transformer.dims = ["tokens", "width"], transformer.select_output_positions}) attributes {transformer.generates} {
  %table = transformer.get_weight @table : tensor<16x8xf32>
  %x = transformer.embedding %ids, %table : tensor<?xi32>, tensor<16x8xf32> -> tensor<?x8xf32>
  %a = transformer.ragged_attention %x, %x, %x, %offsets, %offsets, %lengths heads 4 key_heads 4 causal scale 0.5 : tensor<?x8xf32>, tensor<?x8xf32>, tensor<?x8xf32>, tensor<?xi32>, tensor<?xi32>, tensor<?xi32> -> tensor<?x8xf32>
  %r = transformer.rotary %a, %ids heads 4 theta 10000.0 : tensor<?x8xf32>, tensor<?xi32> -> tensor<?x8xf32>
  %y = transformer.ragged_attention %r, %r, %a, %offsets, %offsets, %lengths heads 4 key_heads 4 causal scale 0.5 : tensor<?x8xf32>, tensor<?x8xf32>, tensor<?x8xf32>, tensor<?xi32>, tensor<?xi32>, tensor<?xi32> -> tensor<?x8xf32>
  return %y : tensor<?x8xf32>
}

// -----

// Shared key heads are kept once. What is per sequence, and only that, goes:
// the class, its rows, and the linear before it.
// CHECK-LABEL: func.func @step
// CHECK-NOT:     token_rows
// CHECK-SAME:    %[[C:[a-z0-9]+]]: tensor<?x32xf32> {{[{][^}]+[}]}})
// CHECK-SAME:    -> (tensor<?x8xf32> {transformer.dims = ["tokens", "width"], transformer.name = "hidden"}, tensor<?x32xf32> {{[{][^}]+[}]}}) attributes {transformer.program = #transformer.program<step>} {
// CHECK-NOT:     transformer.linear
// CHECK:         transformer.append_cache %[[C]], %{{.+}} key_heads 1 at 0 : tensor<?x32xf32>, tensor<?x2xf32>
// CHECK:         transformer.cached_attention {{.+}} heads 4 key_heads 1 at 0
// CHECK-NOT:     transformer.linear
transformer.weight @w value dense<1.0> : tensor<3x8xf32>
func.func @forward(
    %x: tensor<?x8xf32> {transformer.name = "x", transformer.dims = ["tokens", "width"]},
    %offsets: tensor<?xi32> {transformer.name = "sequence_offsets", transformer.dims = ["sequences+1"], transformer.role = #transformer.role<sequence_offsets>},
    %lengths: tensor<?xi32> {transformer.name = "key_lengths", transformer.dims = ["sequences"], transformer.role = #transformer.role<key_lengths>},
    %rows: tensor<?xi32> {transformer.default = #transformer.default<token, 0>, transformer.name = "token_rows_0", transformer.dims = ["sequences"], transformer.role = #transformer.role<token_rows>})
    -> (tensor<?x3xf32> {transformer.name = "class", transformer.dims = ["sequences", "classes"]},
        tensor<?x8xf32> {transformer.dims = ["tokens", "width"], transformer.name = "hidden"}) attributes {transformer.generates} {
  %w = transformer.get_weight @w : tensor<3x8xf32>
  %k = transformer.slice %x axis 1 from 0 to 2 : tensor<?x8xf32> -> tensor<?x2xf32>
  %a = transformer.ragged_attention %x, %k, %k, %offsets, %offsets, %lengths heads 4 key_heads 1 causal scale 0.5 : tensor<?x8xf32>, tensor<?x2xf32>, tensor<?x2xf32>, tensor<?xi32>, tensor<?xi32>, tensor<?xi32> -> tensor<?x8xf32>
  %s = transformer.embedding %rows, %a : tensor<?xi32>, tensor<?x8xf32> -> tensor<?x8xf32>
  %l = transformer.linear %s, %w : tensor<?x8xf32>, tensor<3x8xf32> -> tensor<?x3xf32>
  return %l, %a : tensor<?x3xf32>, tensor<?x8xf32>
}

// -----

// Negative: a classifier has no step.
// CHECK-LABEL: func.func @forward
// CHECK-NOT:   @step
func.func @forward(
    %x: tensor<?x8xf32> {transformer.name = "x", transformer.dims = ["tokens", "width"]},
    %offsets: tensor<?xi32> {transformer.name = "sequence_offsets", transformer.dims = ["sequences+1"], transformer.role = #transformer.role<sequence_offsets>},
    %lengths: tensor<?xi32> {transformer.name = "key_lengths", transformer.dims = ["sequences"], transformer.role = #transformer.role<key_lengths>})
    -> (tensor<?x8xf32> {transformer.dims = ["tokens", "width"]}) {
  %a = transformer.ragged_attention %x, %x, %x, %offsets, %offsets, %lengths heads 2 key_heads 2 causal scale 0.5 : tensor<?x8xf32>, tensor<?x8xf32>, tensor<?x8xf32>, tensor<?xi32>, tensor<?xi32>, tensor<?xi32> -> tensor<?x8xf32>
  return %a : tensor<?x8xf32>
}

// -----

// A source is encoded once: its keys and values of both layers of the decoder
// go to slots of the same cache, whose columns are the layers' again. A step
// takes lengths and blocks of sources, and nothing else of them. The distance
// bias stays with the attention to the sequence itself.
// CHECK-LABEL: func.func @forward
// CHECK-LABEL: func.func @encode
// CHECK-SAME:    %[[E:[a-z0-9]+]]: tensor<?x8xf32> {transformer.dims = ["tokens", "width"], transformer.name = "source"},
// CHECK-SAME:    %[[EO:[a-z0-9]+]]: tensor<?xi32> {transformer.dims = ["sequences+1"], transformer.name = "sequence_offsets", transformer.role = #transformer.role<sequence_offsets>},
// CHECK-SAME:    %[[EN:[a-z0-9]+]]: tensor<?xi32> {transformer.contiguous, transformer.dims = ["sequences"], transformer.name = "key_lengths", transformer.role = #transformer.role<key_lengths>},
// CHECK-SAME:    %[[ES:[a-z0-9]+]]: tensor<?xi32> {transformer.dims = ["tokens"], transformer.name = "cache_slots", transformer.role = #transformer.role<cache_slots>},
// CHECK-SAME:    %[[E0:[a-z0-9]+]]: tensor<?x128xf32> {transformer.dims = ["slots", "columns"], transformer.name = "cache", transformer.role = #transformer.role<cache>})
// CHECK-SAME:    -> (tensor<?x8xf32> {transformer.dims = ["tokens", "width"], transformer.name = "encoded"},
// CHECK-SAME:        tensor<?x128xf32> {transformer.dims = ["slots", "columns"], transformer.name = "cache", transformer.role = #transformer.role<cache>}) attributes {transformer.program = #transformer.program<encode>} {
// CHECK:         %[[H:.+]] = transformer.ragged_attention %[[E]], %[[E]], %[[E]], %[[EO]], %[[EO]], %[[EN]] heads 2
// CHECK-NEXT:    %[[E1:.+]] = transformer.append_cache %[[E0]], %[[H]], %[[H]], %[[ES]] key_heads 2 at 0 :
// CHECK-NEXT:    %[[G:.+]] = transformer.gelu none %[[H]]
// CHECK-NEXT:    %[[E2:.+]] = transformer.append_cache %[[E1]], %[[G]], %[[H]], %[[ES]] key_heads 2 at 64 :
// CHECK-NEXT:    return %[[H]], %[[E2]]
// CHECK-LABEL: func.func @step
// CHECK-SAME:    %[[X:[a-z0-9]+]]: tensor<?x8xf32> {{[{][^}]+[}]}}, %[[O:[a-z0-9]+]]: tensor<?xi32> {{[{][^}]+[}]}}, %[[N:[a-z0-9]+]]: tensor<?xi32> {{[{][^}]+[}]}},
// CHECK-SAME:    %[[SN:[a-z0-9]+]]: tensor<?xi32> {transformer.contiguous, transformer.dims = ["sequences"], transformer.name = "encoder_key_lengths", transformer.role = #transformer.role<encoder_key_lengths>},
// CHECK-SAME:    %[[S:[a-z0-9]+]]: tensor<?xi32> {{[{][^}]+[}]}}, %[[T:[a-z0-9]+]]: tensor<?xi32> {{[{][^}]+[}]}}, %[[B:[a-z0-9]+]]: tensor<?xi32> {{[{][^}]+[}]}},
// CHECK-SAME:    %[[ST:[a-z0-9]+]]: tensor<?xi32> {transformer.dims = ["encoder_blocks"], transformer.name = "encoder_block_table", transformer.role = #transformer.role<encoder_block_table>},
// CHECK-SAME:    %[[SB:[a-z0-9]+]]: tensor<?xi32> {transformer.dims = ["sequences+1"], transformer.name = "encoder_block_offsets", transformer.role = #transformer.role<encoder_block_offsets>},
// CHECK-SAME:    %[[C0:[a-z0-9]+]]: tensor<?x128xf32> {{[{][^}]+[}]}})
// CHECK-SAME:    -> (tensor<?x8xf32> {transformer.dims = ["tokens", "width"], transformer.name = "hidden"}, tensor<?x128xf32> {{[{][^}]+[}]}}) attributes {transformer.program = #transformer.program<step>} {
// CHECK:         %[[C1:.+]] = transformer.append_cache %[[C0]], %[[X]], %[[X]], %[[S]] key_heads 2 at 0 :
// CHECK-NEXT:    %[[A:.+]] = transformer.cached_attention %[[X]], %[[C1]], %[[O]], %[[N]], %[[T]], %[[B]] distance_bias %{{.+}} from -2 heads 2 key_heads 2 at 0 causal
// CHECK-NEXT:    %[[A1:.+]] = transformer.cached_attention %[[A]], %[[C1]], %[[O]], %[[SN]], %[[ST]], %[[SB]] heads 2 key_heads 2 at 0 scale
// CHECK-NEXT:    %[[A2:.+]] = transformer.cached_attention %[[A1]], %[[C1]], %[[O]], %[[SN]], %[[ST]], %[[SB]] heads 2 key_heads 2 at 64 scale
// CHECK-NOT:     transformer.gelu
// CHECK:         return %[[A2]], %[[C1]]
transformer.weight @distances value dense<1.0> : tensor<2x3xf32>
func.func @forward(
    %source: tensor<?x8xf32> {transformer.name = "source", transformer.dims = ["encoder_tokens", "width"]},
    %x: tensor<?x8xf32> {transformer.name = "x", transformer.dims = ["tokens", "width"]},
    %offsets: tensor<?xi32> {transformer.name = "sequence_offsets", transformer.dims = ["sequences+1"], transformer.role = #transformer.role<sequence_offsets>},
    %lengths: tensor<?xi32> {transformer.name = "key_lengths", transformer.dims = ["sequences"], transformer.role = #transformer.role<key_lengths>},
    %so: tensor<?xi32> {transformer.name = "encoder_offsets", transformer.dims = ["sequences+1"], transformer.role = #transformer.role<encoder_offsets>},
    %sn: tensor<?xi32> {transformer.name = "encoder_key_lengths", transformer.dims = ["sequences"], transformer.role = #transformer.role<encoder_key_lengths>, transformer.contiguous})
    -> (tensor<?x8xf32> {transformer.name = "hidden", transformer.dims = ["tokens", "width"]},
        tensor<?x8xf32> {transformer.name = "encoded", transformer.dims = ["encoder_tokens", "width"]}) attributes {transformer.generates} {
  %d = transformer.get_weight @distances : tensor<2x3xf32>
  %h = transformer.ragged_attention %source, %source, %source, %so, %so, %sn heads 2 key_heads 2 scale 0.5 : tensor<?x8xf32>, tensor<?x8xf32>, tensor<?x8xf32>, tensor<?xi32>, tensor<?xi32>, tensor<?xi32> -> tensor<?x8xf32>
  %a = transformer.ragged_attention %x, %x, %x, %offsets, %offsets, %lengths distance_bias %d from -2 heads 2 key_heads 2 causal scale 0.5 : tensor<?x8xf32>, tensor<?x8xf32>, tensor<?x8xf32>, tensor<?xi32>, tensor<?xi32>, tensor<?xi32> distance_bias tensor<2x3xf32> -> tensor<?x8xf32>
  %b = transformer.ragged_attention %a, %h, %h, %offsets, %so, %sn heads 2 key_heads 2 scale 0.5 : tensor<?x8xf32>, tensor<?x8xf32>, tensor<?x8xf32>, tensor<?xi32>, tensor<?xi32>, tensor<?xi32> -> tensor<?x8xf32>
  %g = transformer.gelu none %h : tensor<?x8xf32>
  %c = transformer.ragged_attention %b, %g, %h, %offsets, %so, %sn heads 2 key_heads 2 scale 0.5 : tensor<?x8xf32>, tensor<?x8xf32>, tensor<?x8xf32>, tensor<?xi32>, tensor<?xi32>, tensor<?xi32> -> tensor<?x8xf32>
  return %c, %h : tensor<?x8xf32>, tensor<?x8xf32>
}
