// RUN: transom-test-opt %s --test-interpret -o /dev/null | FileCheck %s

// CHECK-LABEL: @unary
// CHECK-NEXT{LITERAL}: tensor<3xf32> [1, -0, -2]
// CHECK-NEXT{LITERAL}: tensor<3xf32> [1, 0, 2]
// CHECK-NEXT{LITERAL}: tensor<3xf32> [0.367879, 1, 7.38906]
// CHECK-NEXT{LITERAL}: tensor<3xf32> [-0.842701, 0, 0.995322]
// CHECK-NEXT{LITERAL}: tensor<3xf32> [0.268941, 0.5, 0.880797]
// CHECK-NEXT{LITERAL}: tensor<3xf32> [-0.841471, 0, 0.909297]
// CHECK-NEXT{LITERAL}: tensor<3xf32> [0.540302, 1, -0.416147]
// CHECK-NEXT{LITERAL}: tensor<3xf32> [-0.761594, 0, 0.964028]
// CHECK-NEXT{LITERAL}: tensor<3xf32> [0, 0, 2]
// CHECK-NEXT{LITERAL}: tensor<3xf32> [-0.268941, 0, 1.76159]
// CHECK-NEXT{LITERAL}: tensor<3xf32> [-0.158655, 0, 1.9545]
// CHECK-NEXT{LITERAL}: tensor<3xf32> [-0.158808, 0, 1.9546]
// CHECK-NEXT{LITERAL}: tensor<3xf32> [-0.5, 0, 1]
func.func @unary() -> (tensor<3xf32>, tensor<3xf32>, tensor<3xf32>, tensor<3xf32>, tensor<3xf32>, tensor<3xf32>, tensor<3xf32>, tensor<3xf32>, tensor<3xf32>, tensor<3xf32>, tensor<3xf32>, tensor<3xf32>, tensor<3xf32>) {
  %x = arith.constant dense<[-1.0, 0.0, 2.0]> : tensor<3xf32>
  %0 = transformer.neg %x : tensor<3xf32>
  %1 = transformer.abs %x : tensor<3xf32>
  %2 = transformer.exp %x : tensor<3xf32>
  %3 = transformer.erf %x : tensor<3xf32>
  %4 = transformer.sigmoid %x : tensor<3xf32>
  %5 = transformer.sin %x : tensor<3xf32>
  %6 = transformer.cos %x : tensor<3xf32>
  %7 = transformer.tanh %x : tensor<3xf32>
  %8 = transformer.relu %x : tensor<3xf32>
  %9 = transformer.silu %x : tensor<3xf32>
  %10 = transformer.gelu none %x : tensor<3xf32>
  %11 = transformer.gelu tanh %x : tensor<3xf32>
  %12 = transformer.scale %x by 0.5 : tensor<3xf32>
  return %0, %1, %2, %3, %4, %5, %6, %7, %8, %9, %10, %11, %12 : tensor<3xf32>, tensor<3xf32>, tensor<3xf32>, tensor<3xf32>, tensor<3xf32>, tensor<3xf32>, tensor<3xf32>, tensor<3xf32>, tensor<3xf32>, tensor<3xf32>, tensor<3xf32>, tensor<3xf32>, tensor<3xf32>
}

// CHECK-LABEL: @roots
// CHECK-NEXT{LITERAL}: tensor<2xf32> [0.693147, -1.38629]
// CHECK-NEXT{LITERAL}: tensor<2xf32> [1.41421, 0.5]
// CHECK-NEXT{LITERAL}: tensor<2xf32> [0.707107, 2]
func.func @roots() -> (tensor<2xf32>, tensor<2xf32>, tensor<2xf32>) {
  %x = arith.constant dense<[2.0, 0.25]> : tensor<2xf32>
  %0 = transformer.log %x : tensor<2xf32>
  %1 = transformer.sqrt %x : tensor<2xf32>
  %2 = transformer.rsqrt %x : tensor<2xf32>
  return %0, %1, %2 : tensor<2xf32>, tensor<2xf32>, tensor<2xf32>
}

// Ranks are aligned at the last dimension, extents of 1 repeat.
// CHECK-LABEL: @binary
// CHECK-NEXT{LITERAL}: tensor<2x2xf32> [[4, 5], [3, 4]]
// CHECK-NEXT{LITERAL}: tensor<2x2xf32> [[-2, -3], [-3, -4]]
// CHECK-NEXT{LITERAL}: tensor<2x2xf32> [[3, 4], [0, 0]]
// CHECK-NEXT{LITERAL}: tensor<2x2xf32> [[0.333333, 0.25], [0, 0]]
// CHECK-NEXT{LITERAL}: tensor<2x2xf32> [[1, 1], [0, 0]]
// CHECK-NEXT{LITERAL}: tensor<2x2xf32> [[3, 4], [3, 4]]
// CHECK-NEXT{LITERAL}: tensor<2x2xf32> [[1, 1], [0, 0]]
func.func @binary() -> (tensor<2x2xf32>, tensor<2x2xf32>, tensor<2x2xf32>, tensor<2x2xf32>, tensor<2x2xf32>, tensor<2x2xf32>, tensor<2x2xf32>) {
  %x = arith.constant dense<[[1.0], [0.0]]> : tensor<2x1xf32>
  %y = arith.constant dense<[3.0, 4.0]> : tensor<2xf32>
  %0 = transformer.add %x, %y : tensor<2x1xf32>, tensor<2xf32> -> tensor<2x2xf32>
  %1 = transformer.sub %x, %y : tensor<2x1xf32>, tensor<2xf32> -> tensor<2x2xf32>
  %2 = transformer.mul %x, %y : tensor<2x1xf32>, tensor<2xf32> -> tensor<2x2xf32>
  %3 = transformer.div %x, %y : tensor<2x1xf32>, tensor<2xf32> -> tensor<2x2xf32>
  %4 = transformer.pow %x, %y : tensor<2x1xf32>, tensor<2xf32> -> tensor<2x2xf32>
  %5 = transformer.max %x, %y : tensor<2x1xf32>, tensor<2xf32> -> tensor<2x2xf32>
  %6 = transformer.min %x, %y : tensor<2x1xf32>, tensor<2xf32> -> tensor<2x2xf32>
  return %0, %1, %2, %3, %4, %5, %6 : tensor<2x2xf32>, tensor<2x2xf32>, tensor<2x2xf32>, tensor<2x2xf32>, tensor<2x2xf32>, tensor<2x2xf32>, tensor<2x2xf32>
}

// Integers wrap at their width and truncate when divided.
// CHECK-LABEL: @integers
// CHECK-NEXT{LITERAL}: tensor<2xi8> [-128, -5]
// CHECK-NEXT{LITERAL}: tensor<2xi8> [127, -3]
// CHECK-NEXT{LITERAL}: tensor<2xi8> [1, -49]
func.func @integers() -> (tensor<2xi8>, tensor<2xi8>, tensor<2xi8>) {
  %x = arith.constant dense<[127, -7]> : tensor<2xi8>
  %y = arith.constant dense<[1, 2]> : tensor<2xi8>
  %0 = transformer.add %x, %y : tensor<2xi8>, tensor<2xi8> -> tensor<2xi8>
  %1 = transformer.div %x, %y : tensor<2xi8>, tensor<2xi8> -> tensor<2xi8>
  %z = arith.constant dense<[127, 7]> : tensor<2xi8>
  %2 = transformer.mul %x, %z : tensor<2xi8>, tensor<2xi8> -> tensor<2xi8>
  return %0, %1, %2 : tensor<2xi8>, tensor<2xi8>, tensor<2xi8>
}

// CHECK-LABEL: @logic
// CHECK-NEXT{LITERAL}: tensor<3xi1> [0, 1, 0]
// CHECK-NEXT{LITERAL}: tensor<3xi1> [1, 0, 1]
// CHECK-NEXT{LITERAL}: tensor<3xi1> [1, 0, 0]
// CHECK-NEXT{LITERAL}: tensor<3xi1> [1, 1, 0]
// CHECK-NEXT{LITERAL}: tensor<3xi1> [0, 0, 1]
// CHECK-NEXT{LITERAL}: tensor<3xi1> [0, 1, 1]
// CHECK-NEXT{LITERAL}: tensor<3xi1> [0, 1, 0]
// CHECK-NEXT{LITERAL}: tensor<3xi1> [1, 1, 1]
// CHECK-NEXT{LITERAL}: tensor<3xi32> [9, 2, 9]
func.func @logic() -> (tensor<3xi1>, tensor<3xi1>, tensor<3xi1>, tensor<3xi1>, tensor<3xi1>, tensor<3xi1>, tensor<3xi1>, tensor<3xi1>, tensor<3xi32>) {
  %x = arith.constant dense<[1, 2, 3]> : tensor<3xi32>
  %y = arith.constant dense<2> : tensor<i32>
  %n = arith.constant dense<9> : tensor<i32>
  %eq = transformer.compare eq %x, %y : tensor<3xi32>, tensor<i32> -> tensor<3xi1>
  %ne = transformer.compare ne %x, %y : tensor<3xi32>, tensor<i32> -> tensor<3xi1>
  %lt = transformer.compare lt %x, %y : tensor<3xi32>, tensor<i32> -> tensor<3xi1>
  %le = transformer.compare le %x, %y : tensor<3xi32>, tensor<i32> -> tensor<3xi1>
  %gt = transformer.compare gt %x, %y : tensor<3xi32>, tensor<i32> -> tensor<3xi1>
  %ge = transformer.compare ge %x, %y : tensor<3xi32>, tensor<i32> -> tensor<3xi1>
  %and = transformer.and %le, %ge : tensor<3xi1>, tensor<3xi1> -> tensor<3xi1>
  %or = transformer.or %le, %gt : tensor<3xi1>, tensor<3xi1> -> tensor<3xi1>
  %s = transformer.select %eq, %x, %n : tensor<3xi1>, tensor<3xi32>, tensor<i32> -> tensor<3xi32>
  return %eq, %ne, %lt, %le, %gt, %ge, %and, %or, %s : tensor<3xi1>, tensor<3xi1>, tensor<3xi1>, tensor<3xi1>, tensor<3xi1>, tensor<3xi1>, tensor<3xi1>, tensor<3xi1>, tensor<3xi32>
}

// Truncates toward zero; i1 tests for nonzero; narrow floats round to even.
// CHECK-LABEL: @casts
// CHECK-NEXT{LITERAL}: tensor<3xi32> [-1, 0, 2]
// CHECK-NEXT{LITERAL}: tensor<3xi1> [1, 1, 1]
// CHECK-NEXT{LITERAL}: tensor<3xbf16> [-1.75, 0.25, 2.98438]
// CHECK-NEXT{LITERAL}: tensor<2xf32> [0, -3]
func.func @casts() -> (tensor<3xi32>, tensor<3xi1>, tensor<3xbf16>, tensor<2xf32>) {
  %x = arith.constant dense<[-1.75, 0.25, 2.99]> : tensor<3xf32>
  %i = arith.constant dense<[0, -3]> : tensor<2xi64>
  %0 = transformer.cast %x : tensor<3xf32> -> tensor<3xi32>
  %1 = transformer.cast %x : tensor<3xf32> -> tensor<3xi1>
  %2 = transformer.cast %x : tensor<3xf32> -> tensor<3xbf16>
  %3 = transformer.cast %i : tensor<2xi64> -> tensor<2xf32>
  return %0, %1, %2, %3 : tensor<3xi32>, tensor<3xi1>, tensor<3xbf16>, tensor<2xf32>
}

// CHECK-LABEL: @reductions
// CHECK-NEXT{LITERAL}: tensor<2xf32> [6, 15]
// CHECK-NEXT{LITERAL}: tensor<2x1xf32> [[2], [5]]
// CHECK-NEXT{LITERAL}: tensor<3xf32> [4, 5, 6]
// CHECK-NEXT{LITERAL}: tensor<1x1xf32> [[1]]
func.func @reductions() -> (tensor<2xf32>, tensor<2x1xf32>, tensor<3xf32>, tensor<1x1xf32>) {
  %x = arith.constant dense<[[1.0, 2.0, 3.0], [4.0, 5.0, 6.0]]> : tensor<2x3xf32>
  %0 = transformer.reduce sum %x axes [1] : tensor<2x3xf32> -> tensor<2xf32>
  %1 = transformer.reduce mean %x axes [-1] keep_dims : tensor<2x3xf32> -> tensor<2x1xf32>
  %2 = transformer.reduce max %x axes [0] : tensor<2x3xf32> -> tensor<3xf32>
  %3 = transformer.reduce min %x axes [0, 1] keep_dims : tensor<2x3xf32> -> tensor<1x1xf32>
  return %0, %1, %2, %3 : tensor<2xf32>, tensor<2x1xf32>, tensor<3xf32>, tensor<1x1xf32>
}

// CHECK-LABEL: @shapes
// CHECK-NEXT{LITERAL}: tensor<2x2xi32> [[3, 1], [6, 4]]
// CHECK-NEXT{LITERAL}: tensor<3xi32> [4, 5, 6]
// CHECK-NEXT{LITERAL}: tensor<3x2xi32> [[1, 2], [3, 4], [5, 6]]
// CHECK-NEXT{LITERAL}: tensor<3x2xi32> [[1, 4], [2, 5], [3, 6]]
// CHECK-NEXT{LITERAL}: tensor<2x2xi32> [[1, 3], [4, 6]]
// CHECK-NEXT{LITERAL}: tensor<2x2xi32> [[2, 3], [5, 6]]
// CHECK-NEXT{LITERAL}: tensor<2x5xi32> [[1, 2, 3, 1, 3], [4, 5, 6, 4, 6]]
// CHECK-NEXT{LITERAL}: tensor<2x3xi32> [[7, 7, 7], [7, 7, 7]]
// CHECK-NEXT{LITERAL}: tensor<i64> 3
// CHECK-NEXT{LITERAL}: tensor<3xi64> [0, 1, 2]
func.func @shapes() -> (tensor<2x2xi32>, tensor<3xi32>, tensor<3x2xi32>, tensor<3x2xi32>, tensor<2x2xi32>, tensor<2x2xi32>, tensor<2x5xi32>, tensor<2x3xi32>, tensor<i64>, tensor<?xi64>) {
  %x = arith.constant dense<[[1, 2, 3], [4, 5, 6]]> : tensor<2x3xi32>
  %i = arith.constant dense<[-1, 0]> : tensor<2xi64>
  %one = arith.constant dense<1> : tensor<i64>
  %seven = arith.constant dense<7> : tensor<1x1xi32>
  %0 = transformer.gather %x, %i axis 1 : tensor<2x3xi32>, tensor<2xi64> -> tensor<2x2xi32>
  %1 = transformer.gather %x, %one axis 0 : tensor<2x3xi32>, tensor<i64> -> tensor<3xi32>
  %2 = transformer.reshape %x to [-1, 2] : tensor<2x3xi32> -> tensor<3x2xi32>
  %3 = transformer.transpose %x [1, 0] : tensor<2x3xi32> -> tensor<3x2xi32>
  %4 = transformer.slice %x axis 1 from 0 to 9223372036854775807 step 2 : tensor<2x3xi32> -> tensor<2x2xi32>
  %5 = transformer.slice %x axis -1 from -2 to 9 : tensor<2x3xi32> -> tensor<2x2xi32>
  %6 = transformer.concat %x, %4 axis 1 : tensor<2x3xi32>, tensor<2x2xi32> -> tensor<2x5xi32>
  %7 = transformer.expand %seven like %x : tensor<1x1xi32>, tensor<2x3xi32> -> tensor<2x3xi32>
  %8 = transformer.dim %x axis 1 : tensor<2x3xi32> -> tensor<i64>
  %9 = transformer.range %8 : tensor<i64> -> tensor<?xi64>
  return %0, %1, %2, %3, %4, %5, %6, %7, %8, %9 : tensor<2x2xi32>, tensor<3xi32>, tensor<3x2xi32>, tensor<3x2xi32>, tensor<2x2xi32>, tensor<2x2xi32>, tensor<2x5xi32>, tensor<2x3xi32>, tensor<i64>, tensor<?xi64>
}
