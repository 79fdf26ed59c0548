// RUN: transom-opt %s --transom-fold-relative-bias --split-input-file | FileCheck %s
// RUN: transom-opt %s --transom-fold-relative-bias --split-input-file \
// RUN:   --remarks-filter=fusion 2>&1 >/dev/null | FileCheck %s --check-prefix=REMARK

// Two layers read one weight over distances, whichever side of the sum the
// relative bias is on; padding stays a bias. Distances end at the first that
// shares the last bucket: with 8 buckets and max_distance 8, at -4 and 4.
// CHECK:       transformer.weight @table.distances from [#transformer.source<"rel" transposed columns [3, 2, 2, 1, 0, 5, 6, 6, 7]>] : tensor<2x9xf32>
// CHECK-LABEL: func.func @stack
// CHECK:         %[[D:.+]] = transformer.get_weight @table.distances : tensor<2x9xf32>
// CHECK:         %[[M:.+]] = transformer.padding_mask
// CHECK-NOT:     relative_bias
// CHECK:         transformer.attention %{{.+}}, %{{.+}}, %{{.+}} bias %[[M]] distance_bias %[[D]] from -4 scale 1.000000e+00
// CHECK-NOT:     transformer.add
// CHECK:         transformer.attention %{{.+}}, %{{.+}}, %{{.+}} bias %[[M]] distance_bias %[[D]] from -4 scale 1.000000e+00
transformer.weight @table from [#transformer.source<"rel">] : tensor<8x2xf32>
func.func @stack(%q: tensor<?x2x?x4xf32>, %x: tensor<?x?x8xf32>, %mask: tensor<?x?xi32>) -> tensor<?x2x?x4xf32> {
  %t = transformer.get_weight @table : tensor<8x2xf32>
  %m = transformer.padding_mask %mask : tensor<?x?xi32> -> tensor<?x1x1x?xf32>
  %r = transformer.relative_bias %t, %x, %x bidirectional max_distance 8
      : tensor<8x2xf32>, tensor<?x?x8xf32>, tensor<?x?x8xf32> -> tensor<1x2x?x?xf32>
  %b = transformer.add %r, %m : tensor<1x2x?x?xf32>, tensor<?x1x1x?xf32> -> tensor<?x2x?x?xf32>
  %y = transformer.attention %q, %q, %q bias %b scale 1.0
      : tensor<?x2x?x4xf32>, tensor<?x2x?x4xf32>, tensor<?x2x?x4xf32>, tensor<?x2x?x?xf32> -> tensor<?x2x?x4xf32>
  %c = transformer.add %m, %r : tensor<?x1x1x?xf32>, tensor<1x2x?x?xf32> -> tensor<?x2x?x?xf32>
  %z = transformer.attention %y, %y, %y bias %c scale 1.0
      : tensor<?x2x?x4xf32>, tensor<?x2x?x4xf32>, tensor<?x2x?x4xf32>, tensor<?x2x?x?xf32> -> tensor<?x2x?x4xf32>
  return %z : tensor<?x2x?x4xf32>
}

// -----

// One direction: later keys share bucket 0, so distances end at 0. An inline
// table is reordered in place. No other bias is left.
// CHECK:       transformer.weight @table.distances value dense<{{\[\[}}3.000000e+01, 2.000000e+01, 1.000000e+01, 0.000000e+00], [3.100000e+01, 2.100000e+01, 1.100000e+01, 1.000000e+00]]> : tensor<2x4xf32>
// CHECK-LABEL: func.func @causal
// CHECK:         %[[D:.+]] = transformer.get_weight @table.distances
// CHECK:         transformer.attention %{{.+}}, %{{.+}}, %{{.+}} distance_bias %[[D]] from -3 causal scale 1.000000e+00
// CHECK-SAME:      distance_bias tensor<2x4xf32>
transformer.weight @table value dense<[[0.0, 1.0], [10.0, 11.0], [20.0, 21.0], [30.0, 31.0]]> : tensor<4x2xf32>
func.func @causal(%q: tensor<?x2x?x4xf32>, %x: tensor<?x?x8xf32>) -> tensor<?x2x?x4xf32> {
  %t = transformer.get_weight @table : tensor<4x2xf32>
  %r = transformer.relative_bias %t, %x, %x max_distance 4
      : tensor<4x2xf32>, tensor<?x?x8xf32>, tensor<?x?x8xf32> -> tensor<1x2x?x?xf32>
  %y = transformer.attention %q, %q, %q bias %r causal scale 1.0
      : tensor<?x2x?x4xf32>, tensor<?x2x?x4xf32>, tensor<?x2x?x4xf32>, tensor<1x2x?x?xf32> -> tensor<?x2x?x4xf32>
  return %y : tensor<?x2x?x4xf32>
}

// -----

// Each layer has a table of its own.
// CHECK-LABEL: func.func @two_tables
// CHECK-DAG:     %[[A:.+]] = transformer.get_weight @a.distances
// CHECK-DAG:     %[[B:.+]] = transformer.get_weight @b.distances
// CHECK:         distance_bias %[[A]] from
// CHECK:         distance_bias %[[B]] from
transformer.weight @a from [#transformer.source<"a">] : tensor<8x2xf32>
transformer.weight @b from [#transformer.source<"b">] : tensor<8x2xf32>
func.func @two_tables(%q: tensor<?x2x?x4xf32>, %x: tensor<?x?x8xf32>) -> tensor<?x2x?x4xf32> {
  %t = transformer.get_weight @a : tensor<8x2xf32>
  %u = transformer.get_weight @b : tensor<8x2xf32>
  %r = transformer.relative_bias %t, %x, %x bidirectional max_distance 8
      : tensor<8x2xf32>, tensor<?x?x8xf32>, tensor<?x?x8xf32> -> tensor<1x2x?x?xf32>
  %s = transformer.relative_bias %u, %x, %x bidirectional max_distance 8
      : tensor<8x2xf32>, tensor<?x?x8xf32>, tensor<?x?x8xf32> -> tensor<1x2x?x?xf32>
  %y = transformer.attention %q, %q, %q bias %r scale 1.0
      : tensor<?x2x?x4xf32>, tensor<?x2x?x4xf32>, tensor<?x2x?x4xf32>, tensor<1x2x?x?xf32> -> tensor<?x2x?x4xf32>
  %z = transformer.attention %y, %y, %y bias %s scale 1.0
      : tensor<?x2x?x4xf32>, tensor<?x2x?x4xf32>, tensor<?x2x?x4xf32>, tensor<1x2x?x?xf32> -> tensor<?x2x?x4xf32>
  return %z : tensor<?x2x?x4xf32>
}

// -----

// A table that an argument brings is not known when the model is compiled.
// REMARK: [Missed] fold-relative-bias
// REMARK-SAME: Reason="the table of the relative bias is not a weight"
// CHECK-LABEL: func.func @computed_table
// CHECK:         transformer.relative_bias
// CHECK:         transformer.attention %{{.+}}, %{{.+}}, %{{.+}} bias %{{.+}} scale
func.func @computed_table(%q: tensor<?x2x?x4xf32>, %x: tensor<?x?x8xf32>, %t: tensor<8x2xf32>) -> tensor<?x2x?x4xf32> {
  %r = transformer.relative_bias %t, %x, %x bidirectional max_distance 8
      : tensor<8x2xf32>, tensor<?x?x8xf32>, tensor<?x?x8xf32> -> tensor<1x2x?x?xf32>
  %y = transformer.attention %q, %q, %q bias %r scale 1.0
      : tensor<?x2x?x4xf32>, tensor<?x2x?x4xf32>, tensor<?x2x?x4xf32>, tensor<1x2x?x?xf32> -> tensor<?x2x?x4xf32>
  return %y : tensor<?x2x?x4xf32>
}

// -----

// REMARK: [Missed] fold-relative-bias
// REMARK-SAME: Reason="the scores have several relative biases"
// CHECK-LABEL: func.func @two_biases
// CHECK:         transformer.attention %{{.+}}, %{{.+}}, %{{.+}} bias %{{.+}} scale
transformer.weight @a from [#transformer.source<"a">] : tensor<8x2xf32>
func.func @two_biases(%q: tensor<?x2x?x4xf32>, %x: tensor<?x?x8xf32>) -> tensor<?x2x?x4xf32> {
  %t = transformer.get_weight @a : tensor<8x2xf32>
  %r = transformer.relative_bias %t, %x, %x bidirectional max_distance 8
      : tensor<8x2xf32>, tensor<?x?x8xf32>, tensor<?x?x8xf32> -> tensor<1x2x?x?xf32>
  %s = transformer.relative_bias %t, %x, %x max_distance 8
      : tensor<8x2xf32>, tensor<?x?x8xf32>, tensor<?x?x8xf32> -> tensor<1x2x?x?xf32>
  %b = transformer.add %r, %s : tensor<1x2x?x?xf32>, tensor<1x2x?x?xf32> -> tensor<1x2x?x?xf32>
  %y = transformer.attention %q, %q, %q bias %b scale 1.0
      : tensor<?x2x?x4xf32>, tensor<?x2x?x4xf32>, tensor<?x2x?x4xf32>, tensor<1x2x?x?xf32> -> tensor<?x2x?x4xf32>
  return %y : tensor<?x2x?x4xf32>
}
