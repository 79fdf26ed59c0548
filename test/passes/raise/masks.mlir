// RUN: transom-opt %s --transom-raise --cse | FileCheck %s
// RUN: transom-opt %s --transom-raise --remarks-filter=fusion 2>&1 >/dev/null \
// RUN:   | FileCheck %s --check-prefix=REMARK
// RUN: transom-test-opt %s --test-pass-equivalence="passes=transom-raise" -o /dev/null

// get_extended_attention_mask of transformers 4: (1 - mask[:, None, None]) * lowest.
// CHECK-LABEL: @raises_arithmetic_mask
// CHECK-SAME: (%[[S:[^:]+]]: tensor<?x2x?x?xf32>{{.*}}, %[[M:[^:]+]]: tensor<?x?xi64>
// CHECK-NEXT: %[[P:.+]] = transformer.padding_mask %[[M]]
// CHECK-NEXT: %[[A:.+]] = transformer.add %[[S]], %[[P]]
// CHECK-NEXT: return %[[A]]
func.func @raises_arithmetic_mask(
    %s: tensor<?x2x?x?xf32> {transformer.dims = ["batch", "heads", "length", "length"]},
    %mask: tensor<?x?xi64> {transformer.role = #transformer.role<attention_mask>, transformer.dims = ["batch", "length"]}) -> tensor<?x2x?x?xf32> {
  %one = arith.constant dense<1.0> : tensor<f32>
  %lowest = arith.constant dense<0xFF7FFFFF> : tensor<f32>
  %0 = transformer.reshape %mask to [0, 1, 1, -1] : tensor<?x?xi64> -> tensor<?x1x1x?xi64>
  %1 = transformer.cast %0 : tensor<?x1x1x?xi64> -> tensor<?x1x1x?xf32>
  %2 = transformer.sub %one, %1 : tensor<f32>, tensor<?x1x1x?xf32> -> tensor<?x1x1x?xf32>
  %3 = transformer.mul %2, %lowest : tensor<?x1x1x?xf32>, tensor<f32> -> tensor<?x1x1x?xf32>
  %4 = transformer.add %s, %3 : tensor<?x2x?x?xf32>, tensor<?x1x1x?xf32> -> tensor<?x2x?x?xf32>
  return %4 : tensor<?x2x?x?xf32>
}

// The unsqueeze comes last, in two steps.
// CHECK-LABEL: @raises_mask_unsqueezed_afterwards
// CHECK: transformer.padding_mask
func.func @raises_mask_unsqueezed_afterwards(
    %s: tensor<?x2x?x?xf32> {transformer.dims = ["batch", "heads", "length", "length"]},
    %mask: tensor<?x?xi64> {transformer.bound = 2 : i64, transformer.dims = ["batch", "length"]}) -> tensor<?x2x?x?xf32> {
  %one = arith.constant dense<1.0> : tensor<f32>
  %lowest = arith.constant dense<0xFF7FFFFF> : tensor<f32>
  %1 = transformer.cast %mask : tensor<?x?xi64> -> tensor<?x?xf32>
  %2 = transformer.sub %one, %1 : tensor<f32>, tensor<?x?xf32> -> tensor<?x?xf32>
  %3 = transformer.mul %lowest, %2 : tensor<f32>, tensor<?x?xf32> -> tensor<?x?xf32>
  %4 = transformer.reshape %3 to [0, 1, -1] : tensor<?x?xf32> -> tensor<?x1x?xf32>
  %5 = transformer.reshape %4 to [0, 1, 1, -1] : tensor<?x1x?xf32> -> tensor<?x1x1x?xf32>
  %6 = transformer.add %5, %s : tensor<?x1x1x?xf32>, tensor<?x2x?x?xf32> -> tensor<?x2x?x?xf32>
  return %6 : tensor<?x2x?x?xf32>
}

// CHECK-LABEL: @raises_selected_mask
// CHECK: transformer.padding_mask
// CHECK-NOT: transformer.select
func.func @raises_selected_mask(
    %s: tensor<?x2x?x?xf32> {transformer.dims = ["batch", "heads", "length", "length"]},
    %mask: tensor<?x?xi64> {transformer.dims = ["batch", "length"]}) -> tensor<?x2x?x?xf32> {
  %zero = arith.constant dense<0> : tensor<i64>
  %none = arith.constant dense<0.0> : tensor<f32>
  %lowest = arith.constant dense<0xFF7FFFFF> : tensor<f32>
  %0 = transformer.compare eq %mask, %zero : tensor<?x?xi64>, tensor<i64> -> tensor<?x?xi1>
  %1 = transformer.reshape %0 to [0, 1, 1, -1] : tensor<?x?xi1> -> tensor<?x1x1x?xi1>
  %2 = transformer.select %1, %lowest, %none : tensor<?x1x1x?xi1>, tensor<f32>, tensor<f32> -> tensor<?x1x1x?xf32>
  %3 = transformer.add %s, %2 : tensor<?x2x?x?xf32>, tensor<?x1x1x?xf32> -> tensor<?x2x?x?xf32>
  return %3 : tensor<?x2x?x?xf32>
}

// masked_fill: the scores themselves are selected.
// CHECK-LABEL: @raises_masked_fill
// CHECK: transformer.padding_mask
// CHECK-NEXT: transformer.add
// CHECK-NOT: transformer.select
func.func @raises_masked_fill(
    %s: tensor<?x2x?x?xf32> {transformer.dims = ["batch", "heads", "length", "length"]},
    %mask: tensor<?x?xi64> {transformer.dims = ["batch", "length"]}) -> tensor<?x2x?x?xf32> {
  %lowest = arith.constant dense<0xFF7FFFFF> : tensor<f32>
  %0 = transformer.reshape %mask to [0, 1, 1, -1] : tensor<?x?xi64> -> tensor<?x1x1x?xi64>
  %1 = transformer.cast %0 : tensor<?x1x1x?xi64> -> tensor<?x1x1x?xi1>
  %2 = transformer.expand %1 like %s : tensor<?x1x1x?xi1>, tensor<?x2x?x?xf32> -> tensor<?x2x?x?xi1>
  %3 = transformer.select %2, %s, %lowest : tensor<?x2x?x?xi1>, tensor<?x2x?x?xf32>, tensor<f32> -> tensor<?x2x?x?xf32>
  return %3 : tensor<?x2x?x?xf32>
}

// transformers 5: a condition that is always true, and the mask gathered at
// b * T + k from its flattened form, and-ed and expanded.
// CHECK-LABEL: @raises_gathered_mask
// CHECK-SAME: (%[[S:[^:]+]]: tensor<?x2x?x?xf32>{{.*}}, %[[M:[^:]+]]: tensor<?x?xi64>
// CHECK-NEXT: %[[P:.+]] = transformer.padding_mask %[[M]]
// CHECK-NEXT: %[[A:.+]] = transformer.add %[[S]], %[[P]]
// CHECK-NEXT: return %[[A]]
func.func @raises_gathered_mask(
    %s: tensor<?x2x?x?xf32> {transformer.dims = ["batch", "heads", "length", "length"]},
    %mask: tensor<?x?xi64> {transformer.dims = ["batch", "length"]}) -> tensor<?x2x?x?xf32> {
  %true = arith.constant dense<true> : tensor<i1>
  %zero = arith.constant dense<0> : tensor<i64>
  %none = arith.constant dense<0.0> : tensor<f32>
  %lowest = arith.constant dense<0xFF7FFFFF> : tensor<f32>
  %b = transformer.dim %mask axis 0 : tensor<?x?xi64> -> tensor<i64>
  %t = transformer.dim %s axis 2 : tensor<?x2x?x?xf32> -> tensor<i64>
  %rb = transformer.range %b : tensor<i64> -> tensor<?xi64>
  %rq = transformer.range %t : tensor<i64> -> tensor<?xi64>
  %batch = transformer.reshape %rb to [0, 1, 1, 1] : tensor<?xi64> -> tensor<?x1x1x1xi64>
  %query = transformer.reshape %rq to [1, 1, -1, 1] : tensor<?xi64> -> tensor<1x1x?x1xi64>
  %key = transformer.reshape %rq to [1, 1, 1, -1] : tensor<?xi64> -> tensor<1x1x1x?xi64>
  %0 = transformer.compare ge %query, %zero : tensor<1x1x?x1xi64>, tensor<i64> -> tensor<1x1x?x1xi1>
  %1 = transformer.and %true, %0 : tensor<i1>, tensor<1x1x?x1xi1> -> tensor<1x1x?x1xi1>
  %2 = transformer.cast %mask : tensor<?x?xi64> -> tensor<?x?xi1>
  %3 = transformer.reshape %2 to [-1] : tensor<?x?xi1> -> tensor<?xi1>
  %4 = transformer.mul %batch, %t : tensor<?x1x1x1xi64>, tensor<i64> -> tensor<?x1x1x1xi64>
  %5 = transformer.add %key, %4 : tensor<1x1x1x?xi64>, tensor<?x1x1x1xi64> -> tensor<?x1x1x?xi64>
  %6 = transformer.gather %3, %5 axis 0 : tensor<?xi1>, tensor<?x1x1x?xi64> -> tensor<?x1x1x?xi1>
  %7 = transformer.and %1, %6 : tensor<1x1x?x1xi1>, tensor<?x1x1x?xi1> -> tensor<?x1x?x?xi1>
  %8 = transformer.select %7, %none, %lowest : tensor<?x1x?x?xi1>, tensor<f32>, tensor<f32> -> tensor<?x1x?x?xf32>
  %9 = transformer.add %s, %8 : tensor<?x2x?x?xf32>, tensor<?x1x?x?xf32> -> tensor<?x2x?x?xf32>
  return %9 : tensor<?x2x?x?xf32>
}

// GPT-2 of transformers 5: key <= query and the mask.
// CHECK-LABEL: @raises_causal_and_padding_mask
// CHECK: %[[P:.+]] = transformer.padding_mask
// CHECK-NEXT: %[[A:.+]] = transformer.add %{{.+}}, %[[P]]
// CHECK-NEXT: %[[C:.+]] = transformer.causal_mask %[[A]]
// CHECK-NEXT: return %[[C]]
func.func @raises_causal_and_padding_mask(
    %s: tensor<?x2x?x?xf32> {transformer.dims = ["batch", "heads", "length", "length"]},
    %mask: tensor<?x?xi64> {transformer.dims = ["batch", "length"]}) -> tensor<?x2x?x?xf32> {
  %none = arith.constant dense<0.0> : tensor<f32>
  %lowest = arith.constant dense<0xFF7FFFFF> : tensor<f32>
  %t = transformer.dim %mask axis 1 : tensor<?x?xi64> -> tensor<i64>
  %r = transformer.range %t : tensor<i64> -> tensor<?xi64>
  %query = transformer.reshape %r to [1, 1, -1, 1] : tensor<?xi64> -> tensor<1x1x?x1xi64>
  %key = transformer.reshape %r to [1, 1, 1, -1] : tensor<?xi64> -> tensor<1x1x1x?xi64>
  %0 = transformer.compare le %key, %query : tensor<1x1x1x?xi64>, tensor<1x1x?x1xi64> -> tensor<1x1x?x?xi1>
  %1 = transformer.cast %mask : tensor<?x?xi64> -> tensor<?x?xi1>
  %2 = transformer.reshape %1 to [0, 1, 1, -1] : tensor<?x?xi1> -> tensor<?x1x1x?xi1>
  %3 = transformer.and %0, %2 : tensor<1x1x?x?xi1>, tensor<?x1x1x?xi1> -> tensor<?x1x?x?xi1>
  %4 = transformer.select %3, %none, %lowest : tensor<?x1x?x?xi1>, tensor<f32>, tensor<f32> -> tensor<?x1x?x?xf32>
  %5 = transformer.add %4, %s : tensor<?x1x?x?xf32>, tensor<?x2x?x?xf32> -> tensor<?x2x?x?xf32>
  return %5 : tensor<?x2x?x?xf32>
}

// Hidden where key > query, positions without unsqueezes.
// CHECK-LABEL: @raises_causal_mask_of_hidden_keys
// CHECK-NEXT: %[[C:.+]] = transformer.causal_mask %{{.+}}
// CHECK-NEXT: return %[[C]]
func.func @raises_causal_mask_of_hidden_keys(%s: tensor<1x2x4x4xf32>) -> tensor<1x2x4x4xf32> {
  %lowest = arith.constant dense<0xFF7FFFFF> : tensor<f32>
  %t = transformer.dim %s axis -1 : tensor<1x2x4x4xf32> -> tensor<i64>
  %r = transformer.range %t : tensor<i64> -> tensor<?xi64>
  %query = transformer.reshape %r to [-1, 1] : tensor<?xi64> -> tensor<?x1xi64>
  %0 = transformer.compare gt %r, %query : tensor<?xi64>, tensor<?x1xi64> -> tensor<?x?xi1>
  %1 = transformer.select %0, %lowest, %s : tensor<?x?xi1>, tensor<f32>, tensor<1x2x4x4xf32> -> tensor<1x2x4x4xf32>
  return %1 : tensor<1x2x4x4xf32>
}

// Negative: the mask is a number that may be 2.
// REMARK: masks.mlir:[[@LINE+12]]:{{.*}}Function=keeps_numbers_that_are_no_mask {{.*}}a mask is used as a number and may be neither 0 nor 1
// CHECK-LABEL: @keeps_numbers_that_are_no_mask
// CHECK-NOT: transformer.padding_mask
func.func @keeps_numbers_that_are_no_mask(
    %s: tensor<?x2x?x?xf32> {transformer.dims = ["batch", "heads", "length", "length"]},
    %mask: tensor<?x?xi64> {transformer.bound = 3 : i64, transformer.dims = ["batch", "length"]}) -> tensor<?x2x?x?xf32> {
  %one = arith.constant dense<1.0> : tensor<f32>
  %lowest = arith.constant dense<-1.0e+05> : tensor<f32>
  %0 = transformer.reshape %mask to [0, 1, 1, -1] : tensor<?x?xi64> -> tensor<?x1x1x?xi64>
  %1 = transformer.cast %0 : tensor<?x1x1x?xi64> -> tensor<?x1x1x?xf32>
  %2 = transformer.sub %one, %1 : tensor<f32>, tensor<?x1x1x?xf32> -> tensor<?x1x1x?xf32>
  %3 = transformer.mul %2, %lowest : tensor<?x1x1x?xf32>, tensor<f32> -> tensor<?x1x1x?xf32>
  %4 = transformer.add %s, %3 : tensor<?x2x?x?xf32>, tensor<?x1x1x?xf32> -> tensor<?x2x?x?xf32>
  return %4 : tensor<?x2x?x?xf32>
}

// Negative: -100 does not hide a key.
// CHECK-LABEL: @keeps_bias_that_does_not_hide
// CHECK-NOT: transformer.padding_mask
func.func @keeps_bias_that_does_not_hide(
    %s: tensor<?x2x?x?xf32> {transformer.dims = ["batch", "heads", "length", "length"]},
    %mask: tensor<?x?xi64> {transformer.role = #transformer.role<attention_mask>, transformer.dims = ["batch", "length"]}) -> tensor<?x2x?x?xf32> {
  %one = arith.constant dense<1.0> : tensor<f32>
  %low = arith.constant dense<-100.0> : tensor<f32>
  %0 = transformer.reshape %mask to [0, 1, 1, -1] : tensor<?x?xi64> -> tensor<?x1x1x?xi64>
  %1 = transformer.cast %0 : tensor<?x1x1x?xi64> -> tensor<?x1x1x?xf32>
  %2 = transformer.sub %one, %1 : tensor<f32>, tensor<?x1x1x?xf32> -> tensor<?x1x1x?xf32>
  %3 = transformer.mul %2, %low : tensor<?x1x1x?xf32>, tensor<f32> -> tensor<?x1x1x?xf32>
  %4 = transformer.add %s, %3 : tensor<?x2x?x?xf32>, tensor<?x1x1x?xf32> -> tensor<?x2x?x?xf32>
  return %4 : tensor<?x2x?x?xf32>
}

// Negative: it hides queries, not keys.
// CHECK-LABEL: @keeps_mask_along_queries
// CHECK-NOT: transformer.padding_mask
func.func @keeps_mask_along_queries(
    %s: tensor<?x2x?x?xf32> {transformer.dims = ["batch", "heads", "length", "length"]},
    %mask: tensor<?x?xi64> {transformer.dims = ["batch", "length"]}) -> tensor<?x2x?x?xf32> {
  %lowest = arith.constant dense<0xFF7FFFFF> : tensor<f32>
  %0 = transformer.cast %mask : tensor<?x?xi64> -> tensor<?x?xi1>
  %1 = transformer.reshape %0 to [0, 1, -1, 1] : tensor<?x?xi1> -> tensor<?x1x?x1xi1>
  %2 = transformer.select %1, %s, %lowest : tensor<?x1x?x1xi1>, tensor<?x2x?x?xf32>, tensor<f32> -> tensor<?x2x?x?xf32>
  return %2 : tensor<?x2x?x?xf32>
}

// Negative: query and key positions are not known to be as many, so the last
// query may not be the one that sees all keys.
// CHECK-LABEL: @keeps_order_of_unknown_lengths
// CHECK-NOT: transformer.causal_mask
func.func @keeps_order_of_unknown_lengths(
    %s: tensor<?x2x?x?xf32> {transformer.dims = ["batch", "heads", "queries", "keys"]}) -> tensor<?x2x?x?xf32> {
  %lowest = arith.constant dense<0xFF7FFFFF> : tensor<f32>
  %tq = transformer.dim %s axis 2 : tensor<?x2x?x?xf32> -> tensor<i64>
  %tk = transformer.dim %s axis 3 : tensor<?x2x?x?xf32> -> tensor<i64>
  %rq = transformer.range %tq : tensor<i64> -> tensor<?xi64>
  %rk = transformer.range %tk : tensor<i64> -> tensor<?xi64>
  %query = transformer.reshape %rq to [-1, 1] : tensor<?xi64> -> tensor<?x1xi64>
  %0 = transformer.compare le %rk, %query : tensor<?xi64>, tensor<?x1xi64> -> tensor<?x?xi1>
  %1 = transformer.select %0, %s, %lowest : tensor<?x?xi1>, tensor<?x2x?x?xf32>, tensor<f32> -> tensor<?x2x?x?xf32>
  return %1 : tensor<?x2x?x?xf32>
}
