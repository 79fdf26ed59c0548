// RUN: transom-opt %s --transom-fuse-attention | FileCheck %s
// RUN: transom-opt %s --transom-fuse-attention --remarks-filter=fusion \
// RUN:   2>&1 >/dev/null | FileCheck %s --check-prefix=REMARK
// RUN: transom-test-opt %s -o /dev/null \
// RUN:   --test-pass-equivalence="passes=transom-fuse-attention"

// CHECK-LABEL: @fuses_scale_and_padding
// CHECK-SAME: (%[[Q:.+]]: tensor<?x2x?x4xf32>, %[[K:.+]]: tensor<?x2x?x4xf32>, %[[V:.+]]: tensor<?x2x?x4xf32>, %[[M:.+]]: tensor<?x1x1x?xf32>)
// CHECK-NEXT: %[[Y:.+]] = transformer.attention %[[Q]], %[[K]], %[[V]] bias %[[M]] scale 5.000000e-01
// CHECK-NEXT: return %[[Y]]
func.func @fuses_scale_and_padding(%q: tensor<?x2x?x4xf32>, %k: tensor<?x2x?x4xf32>, %v: tensor<?x2x?x4xf32>, %m: tensor<?x1x1x?xf32>) -> tensor<?x2x?x4xf32> {
  %s = transformer.matmul %q, %k transpose_rhs : tensor<?x2x?x4xf32>, tensor<?x2x?x4xf32> -> tensor<?x2x?x?xf32>
  %c = transformer.scale %s by 0.5 : tensor<?x2x?x?xf32>
  %a = transformer.add %c, %m : tensor<?x2x?x?xf32>, tensor<?x1x1x?xf32> -> tensor<?x2x?x?xf32>
  %p = transformer.softmax %a : tensor<?x2x?x?xf32>
  %y = transformer.matmul %p, %v : tensor<?x2x?x?xf32>, tensor<?x2x?x4xf32> -> tensor<?x2x?x4xf32>
  return %y : tensor<?x2x?x4xf32>
}

// T5 neither scales nor masks; the bias may stand on the left.
// CHECK-LABEL: @fuses_without_scale
// CHECK: transformer.attention %{{.+}}, %{{.+}}, %{{.+}} bias %{{.+}} scale 1.000000e+00
func.func @fuses_without_scale(%q: tensor<?x2x?x4xf32>, %k: tensor<?x2x?x4xf32>, %v: tensor<?x2x?x4xf32>, %m: tensor<1x2x?x?xf32>) -> tensor<?x2x?x4xf32> {
  %s = transformer.matmul %q, %k transpose_rhs : tensor<?x2x?x4xf32>, tensor<?x2x?x4xf32> -> tensor<?x2x?x?xf32>
  %a = transformer.add %m, %s : tensor<1x2x?x?xf32>, tensor<?x2x?x?xf32> -> tensor<?x2x?x?xf32>
  %p = transformer.softmax %a : tensor<?x2x?x?xf32>
  %y = transformer.matmul %p, %v : tensor<?x2x?x?xf32>, tensor<?x2x?x4xf32> -> tensor<?x2x?x4xf32>
  return %y : tensor<?x2x?x4xf32>
}

// CHECK-LABEL: @fuses_causal_without_bias
// CHECK: transformer.attention %{{.+}}, %{{.+}}, %{{.+}} causal scale 2.500000e-01
func.func @fuses_causal_without_bias(%q: tensor<?x2x?x4xf32>, %k: tensor<?x2x?x4xf32>, %v: tensor<?x2x?x4xf32>) -> tensor<?x2x?x4xf32> {
  %s = transformer.matmul %q, %k transpose_rhs : tensor<?x2x?x4xf32>, tensor<?x2x?x4xf32> -> tensor<?x2x?x?xf32>
  %c = transformer.scale %s by 0.25 : tensor<?x2x?x?xf32>
  %a = transformer.causal_mask %c : tensor<?x2x?x?xf32>
  %p = transformer.softmax %a : tensor<?x2x?x?xf32>
  %y = transformer.matmul %p, %v : tensor<?x2x?x?xf32>, tensor<?x2x?x4xf32> -> tensor<?x2x?x4xf32>
  return %y : tensor<?x2x?x4xf32>
}

// Decoders hide padding and what comes later, in either order: GPT-2 adds a
// padding mask to masked scores, other models mask the sum.
// CHECK-LABEL: @fuses_padding_after_causal
// CHECK-SAME: %[[M:[a-z0-9]+]]: tensor<?x1x1x?xf32>)
// CHECK: transformer.attention %{{.+}}, %{{.+}}, %{{.+}} bias %[[M]] causal scale 2.500000e-01
func.func @fuses_padding_after_causal(%q: tensor<?x2x?x4xf32>, %k: tensor<?x2x?x4xf32>, %v: tensor<?x2x?x4xf32>, %m: tensor<?x1x1x?xf32>) -> tensor<?x2x?x4xf32> {
  %s = transformer.matmul %q, %k transpose_rhs : tensor<?x2x?x4xf32>, tensor<?x2x?x4xf32> -> tensor<?x2x?x?xf32>
  %c = transformer.scale %s by 0.25 : tensor<?x2x?x?xf32>
  %a = transformer.causal_mask %c : tensor<?x2x?x?xf32>
  %b = transformer.add %a, %m : tensor<?x2x?x?xf32>, tensor<?x1x1x?xf32> -> tensor<?x2x?x?xf32>
  %p = transformer.softmax %b : tensor<?x2x?x?xf32>
  %y = transformer.matmul %p, %v : tensor<?x2x?x?xf32>, tensor<?x2x?x4xf32> -> tensor<?x2x?x4xf32>
  return %y : tensor<?x2x?x4xf32>
}
// CHECK-LABEL: @fuses_causal_after_padding
// CHECK-SAME: %[[M:[a-z0-9]+]]: tensor<?x1x1x?xf32>)
// CHECK: transformer.attention %{{.+}}, %{{.+}}, %{{.+}} bias %[[M]] causal scale 2.500000e-01
func.func @fuses_causal_after_padding(%q: tensor<?x2x?x4xf32>, %k: tensor<?x2x?x4xf32>, %v: tensor<?x2x?x4xf32>, %m: tensor<?x1x1x?xf32>) -> tensor<?x2x?x4xf32> {
  %s = transformer.matmul %q, %k transpose_rhs : tensor<?x2x?x4xf32>, tensor<?x2x?x4xf32> -> tensor<?x2x?x?xf32>
  %c = transformer.scale %s by 0.25 : tensor<?x2x?x?xf32>
  %b = transformer.add %m, %c : tensor<?x1x1x?xf32>, tensor<?x2x?x?xf32> -> tensor<?x2x?x?xf32>
  %a = transformer.causal_mask %b : tensor<?x2x?x?xf32>
  %p = transformer.softmax %a : tensor<?x2x?x?xf32>
  %y = transformer.matmul %p, %v : tensor<?x2x?x?xf32>, tensor<?x2x?x4xf32> -> tensor<?x2x?x4xf32>
  return %y : tensor<?x2x?x4xf32>
}

// Groups of query heads share key heads: nothing is repeated.
// CHECK-LABEL: @shares_key_heads
// CHECK-SAME: (%[[Q:.+]]: tensor<?x4x?x4xf32>, %[[K:.+]]: tensor<?x2x?x4xf32>, %[[V:.+]]: tensor<?x2x?x4xf32>)
// CHECK-NEXT: transformer.attention %[[Q]], %[[K]], %[[V]] scale 5.000000e-01
func.func @shares_key_heads(%q: tensor<?x4x?x4xf32>, %k: tensor<?x2x?x4xf32>, %v: tensor<?x2x?x4xf32>) -> tensor<?x4x?x4xf32> {
  %kr = transformer.repeat_heads %k heads 4 : tensor<?x2x?x4xf32> -> tensor<?x4x?x4xf32>
  %vr = transformer.repeat_heads %v heads 4 : tensor<?x2x?x4xf32> -> tensor<?x4x?x4xf32>
  %s = transformer.matmul %q, %kr transpose_rhs : tensor<?x4x?x4xf32>, tensor<?x4x?x4xf32> -> tensor<?x4x?x?xf32>
  %c = transformer.scale %s by 0.5 : tensor<?x4x?x?xf32>
  %p = transformer.softmax %c : tensor<?x4x?x?xf32>
  %y = transformer.matmul %p, %vr : tensor<?x4x?x?xf32>, tensor<?x4x?x4xf32> -> tensor<?x4x?x4xf32>
  return %y : tensor<?x4x?x4xf32>
}

// Negative: keys repeat otherwise than values, so both stay as long as they are.
// CHECK-LABEL: @keeps_unequal_groups
// CHECK: %[[K:.+]] = transformer.repeat_heads
// CHECK: %[[V:.+]] = transformer.repeat_heads
// CHECK: transformer.attention %{{.+}}, %[[K]], %[[V]] scale
func.func @keeps_unequal_groups(%q: tensor<?x4x?x4xf32>, %k: tensor<?x2x?x4xf32>, %v: tensor<?x1x?x4xf32>) -> tensor<?x4x?x4xf32> {
  %kr = transformer.repeat_heads %k heads 4 : tensor<?x2x?x4xf32> -> tensor<?x4x?x4xf32>
  %vr = transformer.repeat_heads %v heads 4 : tensor<?x1x?x4xf32> -> tensor<?x4x?x4xf32>
  %s = transformer.matmul %q, %kr transpose_rhs : tensor<?x4x?x4xf32>, tensor<?x4x?x4xf32> -> tensor<?x4x?x?xf32>
  %p = transformer.softmax %s : tensor<?x4x?x?xf32>
  %y = transformer.matmul %p, %vr : tensor<?x4x?x?xf32>, tensor<?x4x?x4xf32> -> tensor<?x4x?x4xf32>
  return %y : tensor<?x4x?x4xf32>
}

// Exporters scale the query; a scale of the product multiplies with it.
// CHECK-LABEL: @fuses_scaled_query
// CHECK-SAME: (%[[Q:[a-z0-9]+]]: tensor
// CHECK: transformer.attention %[[Q]], %{{.+}}, %{{.+}} scale 1.250000e-01
func.func @fuses_scaled_query(%q: tensor<?x2x?x4xf32>, %k: tensor<?x2x?x4xf32>, %v: tensor<?x2x?x4xf32>) -> tensor<?x2x?x4xf32> {
  %z = transformer.scale %q by 0.5 : tensor<?x2x?x4xf32>
  %s = transformer.matmul %z, %k transpose_rhs : tensor<?x2x?x4xf32>, tensor<?x2x?x4xf32> -> tensor<?x2x?x?xf32>
  %c = transformer.scale %s by 0.25 : tensor<?x2x?x?xf32>
  %p = transformer.softmax %c : tensor<?x2x?x?xf32>
  %y = transformer.matmul %p, %v : tensor<?x2x?x?xf32>, tensor<?x2x?x4xf32> -> tensor<?x2x?x4xf32>
  return %y : tensor<?x2x?x4xf32>
}

// Two biases are one, in a tensor as small as they are.
// CHECK-LABEL: @adds_biases
// CHECK: %[[B:.+]] = transformer.add %{{.+}}, %{{.+}} : tensor<?x1x1x?xf32>, tensor<1x2x?x?xf32>
// CHECK: transformer.attention %{{.+}}, %{{.+}}, %{{.+}} bias %[[B]] scale 1.000000e+00
func.func @adds_biases(%q: tensor<?x2x?x4xf32>, %k: tensor<?x2x?x4xf32>, %v: tensor<?x2x?x4xf32>, %r: tensor<1x2x?x?xf32>, %m: tensor<?x1x1x?xf32>) -> tensor<?x2x?x4xf32> {
  %s = transformer.matmul %q, %k transpose_rhs : tensor<?x2x?x4xf32>, tensor<?x2x?x4xf32> -> tensor<?x2x?x?xf32>
  %a = transformer.add %s, %r : tensor<?x2x?x?xf32>, tensor<1x2x?x?xf32> -> tensor<?x2x?x?xf32>
  %b = transformer.add %a, %m : tensor<?x2x?x?xf32>, tensor<?x1x1x?xf32> -> tensor<?x2x?x?xf32>
  %p = transformer.softmax %b : tensor<?x2x?x?xf32>
  %y = transformer.matmul %p, %v : tensor<?x2x?x?xf32>, tensor<?x2x?x4xf32> -> tensor<?x2x?x4xf32>
  return %y : tensor<?x2x?x4xf32>
}


// Negative: the caller wants the attention map, so it must stay in memory.
// REMARK: Missed
// REMARK-SAME: attention probabilities are also used elsewhere
// CHECK-LABEL: @keeps_probabilities_with_second_user
// CHECK-NOT: transformer.attention
// CHECK: transformer.softmax
func.func @keeps_probabilities_with_second_user(%q: tensor<?x2x?x4xf32>, %k: tensor<?x2x?x4xf32>, %v: tensor<?x2x?x4xf32>) -> (tensor<?x2x?x4xf32>, tensor<?x2x?x?xf32>) {
  %s = transformer.matmul %q, %k transpose_rhs : tensor<?x2x?x4xf32>, tensor<?x2x?x4xf32> -> tensor<?x2x?x?xf32>
  %p = transformer.softmax %s : tensor<?x2x?x?xf32>
  %y = transformer.matmul %p, %v : tensor<?x2x?x?xf32>, tensor<?x2x?x4xf32> -> tensor<?x2x?x4xf32>
  return %y, %p : tensor<?x2x?x4xf32>, tensor<?x2x?x?xf32>
}

// Negative: keys that are not transposed do not give scores.
// CHECK-LABEL: @keeps_product_without_transpose
// REMARK: the key is not transposed by the product
// CHECK-NOT: transformer.attention
// CHECK: return
func.func @keeps_product_without_transpose(%q: tensor<?x2x4x4xf32>, %k: tensor<?x2x4x4xf32>, %v: tensor<?x2x4x4xf32>) -> tensor<?x2x4x4xf32> {
  %s = transformer.matmul %q, %k : tensor<?x2x4x4xf32>, tensor<?x2x4x4xf32> -> tensor<?x2x4x4xf32>
  %p = transformer.softmax %s : tensor<?x2x4x4xf32>
  %y = transformer.matmul %p, %v : tensor<?x2x4x4xf32>, tensor<?x2x4x4xf32> -> tensor<?x2x4x4xf32>
  return %y : tensor<?x2x4x4xf32>
}

// Negative: one head without its dimension is not [B, H, T, D].
// CHECK-LABEL: @keeps_rank_three
// REMARK: query, key and value are not [B, H, T, D]
// CHECK-NOT: transformer.attention
// CHECK: return
func.func @keeps_rank_three(%q: tensor<?x?x4xf32>, %k: tensor<?x?x4xf32>, %v: tensor<?x?x4xf32>) -> tensor<?x?x4xf32> {
  %s = transformer.matmul %q, %k transpose_rhs : tensor<?x?x4xf32>, tensor<?x?x4xf32> -> tensor<?x?x?xf32>
  %p = transformer.softmax %s : tensor<?x?x?xf32>
  %y = transformer.matmul %p, %v : tensor<?x?x?xf32>, tensor<?x?x4xf32> -> tensor<?x?x4xf32>
  return %y : tensor<?x?x4xf32>
}

// scaled_dot_product_attention scales both sides.
// CHECK-LABEL: @fuses_scales_of_query_and_key
// CHECK-SAME: (%[[Q:.+]]: tensor<?x2x?x4xf32>, %[[K:.+]]: tensor<?x2x?x4xf32>, %[[V:.+]]: tensor<?x2x?x4xf32>)
// CHECK-NEXT: transformer.attention %[[Q]], %[[K]], %[[V]] scale 1.250000e-01
func.func @fuses_scales_of_query_and_key(%q: tensor<?x2x?x4xf32>, %k: tensor<?x2x?x4xf32>, %v: tensor<?x2x?x4xf32>) -> tensor<?x2x?x4xf32> {
  %a = transformer.scale %q by 0.5 : tensor<?x2x?x4xf32>
  %b = transformer.scale %k by 0.25 : tensor<?x2x?x4xf32>
  %s = transformer.matmul %a, %b transpose_rhs : tensor<?x2x?x4xf32>, tensor<?x2x?x4xf32> -> tensor<?x2x?x?xf32>
  %p = transformer.softmax %s : tensor<?x2x?x?xf32>
  %y = transformer.matmul %p, %v : tensor<?x2x?x?xf32>, tensor<?x2x?x4xf32> -> tensor<?x2x?x4xf32>
  return %y : tensor<?x2x?x4xf32>
}

// A scale after the bias scales the bias too.
// CHECK-LABEL: @scales_bias_under_a_scale
// CHECK: %[[B:.+]] = transformer.scale %{{.+}} by 5.000000e-01 : tensor<1x2x?x?xf32>
// CHECK-NEXT: transformer.attention {{.+}} bias %[[B]] scale 5.000000e-01
func.func @scales_bias_under_a_scale(%q: tensor<?x2x?x4xf32>, %k: tensor<?x2x?x4xf32>, %v: tensor<?x2x?x4xf32>, %b: tensor<1x2x?x?xf32>) -> tensor<?x2x?x4xf32> {
  %s = transformer.matmul %q, %k transpose_rhs : tensor<?x2x?x4xf32>, tensor<?x2x?x4xf32> -> tensor<?x2x?x?xf32>
  %a = transformer.add %b, %s : tensor<1x2x?x?xf32>, tensor<?x2x?x?xf32> -> tensor<?x2x?x?xf32>
  %c = transformer.scale %a by 0.5 : tensor<?x2x?x?xf32>
  %p = transformer.softmax %c : tensor<?x2x?x?xf32>
  %y = transformer.matmul %p, %v : tensor<?x2x?x?xf32>, tensor<?x2x?x4xf32> -> tensor<?x2x?x4xf32>
  return %y : tensor<?x2x?x4xf32>
}

// A padding mask hides as well when it is scaled.
// CHECK-LABEL: @keeps_padding_under_a_scale
// CHECK: %[[M:.+]] = transformer.padding_mask
// CHECK-NEXT: transformer.attention {{.+}} bias %[[M]] scale 5.000000e-01
func.func @keeps_padding_under_a_scale(%q: tensor<?x2x?x4xf32>, %k: tensor<?x2x?x4xf32>, %v: tensor<?x2x?x4xf32>, %mask: tensor<?x?xi32>) -> tensor<?x2x?x4xf32> {
  %m = transformer.padding_mask %mask : tensor<?x?xi32> -> tensor<?x1x1x?xf32>
  %s = transformer.matmul %q, %k transpose_rhs : tensor<?x2x?x4xf32>, tensor<?x2x?x4xf32> -> tensor<?x2x?x?xf32>
  %a = transformer.add %s, %m : tensor<?x2x?x?xf32>, tensor<?x1x1x?xf32> -> tensor<?x2x?x?xf32>
  %c = transformer.scale %a by 0.5 : tensor<?x2x?x?xf32>
  %p = transformer.softmax %c : tensor<?x2x?x?xf32>
  %y = transformer.matmul %p, %v : tensor<?x2x?x?xf32>, tensor<?x2x?x4xf32> -> tensor<?x2x?x4xf32>
  return %y : tensor<?x2x?x4xf32>
}

// So does a causal mask.
// CHECK-LABEL: @keeps_causality_under_a_scale
// CHECK: transformer.attention {{.+}} causal scale 5.000000e-01
func.func @keeps_causality_under_a_scale(%q: tensor<?x2x?x4xf32>, %k: tensor<?x2x?x4xf32>, %v: tensor<?x2x?x4xf32>) -> tensor<?x2x?x4xf32> {
  %s = transformer.matmul %q, %k transpose_rhs : tensor<?x2x?x4xf32>, tensor<?x2x?x4xf32> -> tensor<?x2x?x?xf32>
  %o = transformer.causal_mask %s : tensor<?x2x?x?xf32>
  %c = transformer.scale %o by 0.5 : tensor<?x2x?x?xf32>
  %p = transformer.softmax %c : tensor<?x2x?x?xf32>
  %y = transformer.matmul %p, %v : tensor<?x2x?x?xf32>, tensor<?x2x?x4xf32> -> tensor<?x2x?x4xf32>
  return %y : tensor<?x2x?x4xf32>
}

// Negative: a negative scale would make a mask of it that shows.
// REMARK: a causal mask is scaled by a factor that isn't positive
// CHECK-LABEL: @keeps_negated_causal_mask
// CHECK-NOT: transformer.attention
// CHECK: return
func.func @keeps_negated_causal_mask(%q: tensor<?x2x?x4xf32>, %k: tensor<?x2x?x4xf32>, %v: tensor<?x2x?x4xf32>) -> tensor<?x2x?x4xf32> {
  %s = transformer.matmul %q, %k transpose_rhs : tensor<?x2x?x4xf32>, tensor<?x2x?x4xf32> -> tensor<?x2x?x?xf32>
  %o = transformer.causal_mask %s : tensor<?x2x?x?xf32>
  %c = transformer.scale %o by -0.5 : tensor<?x2x?x?xf32>
  %p = transformer.softmax %c : tensor<?x2x?x?xf32>
  %y = transformer.matmul %p, %v : tensor<?x2x?x?xf32>, tensor<?x2x?x4xf32> -> tensor<?x2x?x4xf32>
  return %y : tensor<?x2x?x4xf32>
}

// Negative: a caller wants the scores. Said once.
// REMARK: Missed
// REMARK-SAME: attention scores are also used elsewhere
// REMARK-NOT: attention scores
// CHECK-LABEL: @keeps_scores_with_second_user
// CHECK-NOT: transformer.attention
// CHECK: return
func.func @keeps_scores_with_second_user(%q: tensor<?x2x?x4xf32>, %k: tensor<?x2x?x4xf32>, %v: tensor<?x2x?x4xf32>) -> (tensor<?x2x?x4xf32>, tensor<?x2x?x?xf32>) {
  %s = transformer.matmul %q, %k transpose_rhs : tensor<?x2x?x4xf32>, tensor<?x2x?x4xf32> -> tensor<?x2x?x?xf32>
  %c = transformer.scale %s by 0.5 : tensor<?x2x?x?xf32>
  %p = transformer.softmax %c : tensor<?x2x?x?xf32>
  %y = transformer.matmul %p, %v : tensor<?x2x?x?xf32>, tensor<?x2x?x4xf32> -> tensor<?x2x?x4xf32>
  return %y, %s : tensor<?x2x?x4xf32>, tensor<?x2x?x?xf32>
}

// Negative: one query for all batches of keys: the batch is the keys'.
// REMARK: batches or heads of query, key and value differ
// CHECK-LABEL: @keeps_query_that_repeats
// CHECK-NOT: transformer.attention
// CHECK: return
func.func @keeps_query_that_repeats(%q: tensor<1x2x?x4xf32>, %k: tensor<3x2x?x4xf32>, %v: tensor<3x2x?x4xf32>) -> tensor<3x2x?x4xf32> {
  %s = transformer.matmul %q, %k transpose_rhs : tensor<1x2x?x4xf32>, tensor<3x2x?x4xf32> -> tensor<3x2x?x?xf32>
  %p = transformer.softmax %s : tensor<3x2x?x?xf32>
  %y = transformer.matmul %p, %v : tensor<3x2x?x?xf32>, tensor<3x2x?x4xf32> -> tensor<3x2x?x4xf32>
  return %y : tensor<3x2x?x4xf32>
}
