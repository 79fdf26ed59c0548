// RUN: transom-opt %s --split-input-file --verify-diagnostics

// neg takes floating-point numbers.
func.func @f(%x: tensor<4xi32>) {
  // expected-error@+1 {{'transformer.neg' op operand #0 must be ranked tensor of 32-bit float or 16-bit float or bfloat16 type or 64-bit float values or 32-bit float or 16-bit float or bfloat16 type or 64-bit float, but got 'tensor<4xi32>'}}
  %0 = transformer.neg %x : tensor<4xi32>
  return
}

// -----

// abs takes floating-point numbers.
func.func @f(%x: tensor<4xi32>) {
  // expected-error@+1 {{'transformer.abs' op operand #0 must be ranked tensor of 32-bit float or 16-bit float or bfloat16 type or 64-bit float values or 32-bit float or 16-bit float or bfloat16 type or 64-bit float, but got 'tensor<4xi32>'}}
  %0 = transformer.abs %x : tensor<4xi32>
  return
}

// -----

// exp takes floating-point numbers.
func.func @f(%x: tensor<4xi32>) {
  // expected-error@+1 {{'transformer.exp' op operand #0 must be ranked tensor of 32-bit float or 16-bit float or bfloat16 type or 64-bit float values or 32-bit float or 16-bit float or bfloat16 type or 64-bit float, but got 'tensor<4xi32>'}}
  %0 = transformer.exp %x : tensor<4xi32>
  return
}

// -----

// log takes floating-point numbers.
func.func @f(%x: tensor<4xi32>) {
  // expected-error@+1 {{'transformer.log' op operand #0 must be ranked tensor of 32-bit float or 16-bit float or bfloat16 type or 64-bit float values or 32-bit float or 16-bit float or bfloat16 type or 64-bit float, but got 'tensor<4xi32>'}}
  %0 = transformer.log %x : tensor<4xi32>
  return
}

// -----

// sqrt takes floating-point numbers.
func.func @f(%x: tensor<4xi32>) {
  // expected-error@+1 {{'transformer.sqrt' op operand #0 must be ranked tensor of 32-bit float or 16-bit float or bfloat16 type or 64-bit float values or 32-bit float or 16-bit float or bfloat16 type or 64-bit float, but got 'tensor<4xi32>'}}
  %0 = transformer.sqrt %x : tensor<4xi32>
  return
}

// -----

// rsqrt takes floating-point numbers.
func.func @f(%x: tensor<4xi32>) {
  // expected-error@+1 {{'transformer.rsqrt' op operand #0 must be ranked tensor of 32-bit float or 16-bit float or bfloat16 type or 64-bit float values or 32-bit float or 16-bit float or bfloat16 type or 64-bit float, but got 'tensor<4xi32>'}}
  %0 = transformer.rsqrt %x : tensor<4xi32>
  return
}

// -----

// erf takes floating-point numbers.
func.func @f(%x: tensor<4xi32>) {
  // expected-error@+1 {{'transformer.erf' op operand #0 must be ranked tensor of 32-bit float or 16-bit float or bfloat16 type or 64-bit float values or 32-bit float or 16-bit float or bfloat16 type or 64-bit float, but got 'tensor<4xi32>'}}
  %0 = transformer.erf %x : tensor<4xi32>
  return
}

// -----

// sigmoid takes floating-point numbers.
func.func @f(%x: tensor<4xi32>) {
  // expected-error@+1 {{'transformer.sigmoid' op operand #0 must be ranked tensor of 32-bit float or 16-bit float or bfloat16 type or 64-bit float values or 32-bit float or 16-bit float or bfloat16 type or 64-bit float, but got 'tensor<4xi32>'}}
  %0 = transformer.sigmoid %x : tensor<4xi32>
  return
}

// -----

// sin takes floating-point numbers.
func.func @f(%x: tensor<4xi32>) {
  // expected-error@+1 {{'transformer.sin' op operand #0 must be ranked tensor of 32-bit float or 16-bit float or bfloat16 type or 64-bit float values or 32-bit float or 16-bit float or bfloat16 type or 64-bit float, but got 'tensor<4xi32>'}}
  %0 = transformer.sin %x : tensor<4xi32>
  return
}

// -----

// cos takes floating-point numbers.
func.func @f(%x: tensor<4xi32>) {
  // expected-error@+1 {{'transformer.cos' op operand #0 must be ranked tensor of 32-bit float or 16-bit float or bfloat16 type or 64-bit float values or 32-bit float or 16-bit float or bfloat16 type or 64-bit float, but got 'tensor<4xi32>'}}
  %0 = transformer.cos %x : tensor<4xi32>
  return
}

// -----

// add: 4 and 3 do not broadcast.
func.func @f(%x: tensor<4xf32>, %y: tensor<3xf32>) {
  // expected-error@+1 {{'transformer.add' op expects shapes that broadcast, got 'tensor<4xf32>', 'tensor<3xf32>'}}
  %0 = transformer.add %x, %y : tensor<4xf32>, tensor<3xf32> -> tensor<4xf32>
  return
}

// -----

// sub: 4 and 3 do not broadcast.
func.func @f(%x: tensor<4xf32>, %y: tensor<3xf32>) {
  // expected-error@+1 {{'transformer.sub' op expects shapes that broadcast, got 'tensor<4xf32>', 'tensor<3xf32>'}}
  %0 = transformer.sub %x, %y : tensor<4xf32>, tensor<3xf32> -> tensor<4xf32>
  return
}

// -----

// mul: 4 and 3 do not broadcast.
func.func @f(%x: tensor<4xf32>, %y: tensor<3xf32>) {
  // expected-error@+1 {{'transformer.mul' op expects shapes that broadcast, got 'tensor<4xf32>', 'tensor<3xf32>'}}
  %0 = transformer.mul %x, %y : tensor<4xf32>, tensor<3xf32> -> tensor<4xf32>
  return
}

// -----

// div: 4 and 3 do not broadcast.
func.func @f(%x: tensor<4xf32>, %y: tensor<3xf32>) {
  // expected-error@+1 {{'transformer.div' op expects shapes that broadcast, got 'tensor<4xf32>', 'tensor<3xf32>'}}
  %0 = transformer.div %x, %y : tensor<4xf32>, tensor<3xf32> -> tensor<4xf32>
  return
}

// -----

// pow: 4 and 3 do not broadcast.
func.func @f(%x: tensor<4xf32>, %y: tensor<3xf32>) {
  // expected-error@+1 {{'transformer.pow' op expects shapes that broadcast, got 'tensor<4xf32>', 'tensor<3xf32>'}}
  %0 = transformer.pow %x, %y : tensor<4xf32>, tensor<3xf32> -> tensor<4xf32>
  return
}

// -----

// max: 4 and 3 do not broadcast.
func.func @f(%x: tensor<4xf32>, %y: tensor<3xf32>) {
  // expected-error@+1 {{'transformer.max' op expects shapes that broadcast, got 'tensor<4xf32>', 'tensor<3xf32>'}}
  %0 = transformer.max %x, %y : tensor<4xf32>, tensor<3xf32> -> tensor<4xf32>
  return
}

// -----

// min: 4 and 3 do not broadcast.
func.func @f(%x: tensor<4xf32>, %y: tensor<3xf32>) {
  // expected-error@+1 {{'transformer.min' op expects shapes that broadcast, got 'tensor<4xf32>', 'tensor<3xf32>'}}
  %0 = transformer.min %x, %y : tensor<4xf32>, tensor<3xf32> -> tensor<4xf32>
  return
}

// -----

// The result has the shape that is inferred.
func.func @f(%x: tensor<?x4xf32>, %y: tensor<4xf32>) {
  // expected-error@+2 {{'transformer.add' op inferred type(s) 'tensor<?x4xf32>' are incompatible with return type(s) of operation 'tensor<?x5xf32>'}}
  // expected-error@+1 {{'transformer.add' op failed to infer returned types}}
  %0 = transformer.add %x, %y : tensor<?x4xf32>, tensor<4xf32> -> tensor<?x5xf32>
  return
}

// -----

// Element types are equal.
func.func @f(%x: tensor<4xf32>, %y: tensor<4xi32>) {
  // expected-error@+1 {{'transformer.add' op expects operands of one element type, got 'f32' and 'i32'}}
  %0 = transformer.add %x, %y : tensor<4xf32>, tensor<4xi32> -> tensor<4xf32>
  return
}

// -----

// Scalars do not mix with tensors.
func.func @f(%x: tensor<4xf32>, %y: f32) {
  // expected-error@+1 {{'transformer.add' op expects tensors only or scalars only, got 'tensor<4xf32>' and 'f32'}}
  %0 = transformer.add %x, %y : tensor<4xf32>, f32 -> tensor<4xf32>
  return
}

// -----

// and takes booleans.
func.func @f(%x: tensor<4xf32>) {
  // expected-error@+1 {{'transformer.and' op expects operands of i1, got 'f32'}}
  %0 = transformer.and %x, %x : tensor<4xf32>, tensor<4xf32> -> tensor<4xf32>
  return
}

// -----

// or takes booleans.
func.func @f(%x: tensor<4xf32>) {
  // expected-error@+1 {{'transformer.or' op expects operands of i1, got 'f32'}}
  %0 = transformer.or %x, %x : tensor<4xf32>, tensor<4xf32> -> tensor<4xf32>
  return
}

// -----

// A comparison is a boolean.
func.func @f(%x: tensor<4xf32>) {
  // expected-error@+2 {{'transformer.compare' op inferred type(s) 'tensor<4xi1>' are incompatible with return type(s) of operation 'tensor<4xf32>'}}
  // expected-error@+1 {{'transformer.compare' op failed to infer returned types}}
  %0 = transformer.compare lt %x, %x : tensor<4xf32>, tensor<4xf32> -> tensor<4xf32>
  return
}

// -----

// The condition is a boolean.
func.func @f(%x: tensor<4xf32>) {
  // expected-error@+1 {{'transformer.select' op expects a condition of i1, got 'tensor<4xf32>'}}
  %0 = transformer.select %x, %x, %x : tensor<4xf32>, tensor<4xf32>, tensor<4xf32> -> tensor<4xf32>
  return
}

// -----

// Both choices have one type.
func.func @f(%c: tensor<4xi1>, %x: tensor<4xf32>, %y: tensor<4xi32>) {
  // expected-error@+1 {{'transformer.select' op expects operands of one element type, got 'f32' and 'i32'}}
  %0 = transformer.select %c, %x, %y : tensor<4xi1>, tensor<4xf32>, tensor<4xi32> -> tensor<4xf32>
  return
}

// -----

// cast keeps the shape.
func.func @f(%x: tensor<4xf32>) {
  // expected-error@+1 {{'transformer.cast' op expects a result of the input's shape, 'tensor<4xf32>', got 'tensor<5xi32>'}}
  %0 = transformer.cast %x : tensor<4xf32> -> tensor<5xi32>
  return
}

// -----

// reduce: an axis beyond the rank.
func.func @f(%x: tensor<4x4xf32>) {
  // expected-error@+1 {{'transformer.reduce' op expects an axis of the input, which has rank 2, got 2}}
  %0 = transformer.reduce sum %x axes [2] : tensor<4x4xf32> -> tensor<4xf32>
  return
}

// -----

// reduce: one axis twice.
func.func @f(%x: tensor<4x4xf32>) {
  // expected-error@+1 {{'transformer.reduce' op expects distinct axes in ascending order, got [1, -1]}}
  %0 = transformer.reduce sum %x axes [1, -1] : tensor<4x4xf32> -> tensor<4xf32>
  return
}

// -----

// reduce: no axis.
func.func @f(%x: tensor<4x4xf32>) {
  // expected-error@+1 {{'transformer.reduce' op expects one axis or more, got none}}
  %0 = transformer.reduce sum %x axes [] : tensor<4x4xf32> -> tensor<4x4xf32>
  return
}

// -----

// reduce: a mean of integers is none.
func.func @f(%x: tensor<4x4xi32>) {
  // expected-error@+1 {{'transformer.reduce' op expects floating-point numbers for a mean, got 'tensor<4x4xi32>'}}
  %0 = transformer.reduce mean %x axes [1] : tensor<4x4xi32> -> tensor<4xi32>
  return
}

// -----

// gather: an axis beyond the rank.
func.func @f(%x: tensor<4xf32>, %i: tensor<2xi32>) {
  // expected-error@+1 {{'transformer.gather' op expects an axis of the input, which has rank 1, got 1}}
  %0 = transformer.gather %x, %i axis 1 : tensor<4xf32>, tensor<2xi32> -> tensor<2xf32>
  return
}

// -----

// gather: the shape of the indices stands in place of the axis.
func.func @f(%x: tensor<4xf32>, %i: tensor<2xi32>) {
  // expected-error@+2 {{'transformer.gather' op inferred type(s) 'tensor<2xf32>' are incompatible with return type(s) of operation 'tensor<3xf32>'}}
  // expected-error@+1 {{'transformer.gather' op failed to infer returned types}}
  %0 = transformer.gather %x, %i axis 0 : tensor<4xf32>, tensor<2xi32> -> tensor<3xf32>
  return
}

// -----

// reshape: what is left is known once.
func.func @f(%x: tensor<4x4xf32>) {
  // expected-error@+1 {{'transformer.reshape' op expects -1 once at most, got [-1, -1]}}
  %0 = transformer.reshape %x to [-1, -1] : tensor<4x4xf32> -> tensor<4x4xf32>
  return
}

// -----

// reshape: an extent of -2.
func.func @f(%x: tensor<4x4xf32>) {
  // expected-error@+1 {{'transformer.reshape' op expects extents, 0 or -1, got -2}}
  %0 = transformer.reshape %x to [-2] : tensor<4x4xf32> -> tensor<16xf32>
  return
}

// -----

// reshape: nothing to copy.
func.func @f(%x: tensor<4xf32>) {
  // expected-error@+1 {{'transformer.reshape' op expects 0 only where the input has an extent, got it at 1 for 'tensor<4xf32>'}}
  %0 = transformer.reshape %x to [4, 0] : tensor<4xf32> -> tensor<4x1xf32>
  return
}

// -----

// reshape: other elements.
func.func @f(%x: tensor<4x4xf32>) {
  // expected-error@+1 {{'transformer.reshape' op expects as many elements as the input, 'tensor<4x4xf32>', has, got [5, 3]}}
  %0 = transformer.reshape %x to [5, 3] : tensor<4x4xf32> -> tensor<5x3xf32>
  return
}

// -----

// transpose: one dimension twice.
func.func @f(%x: tensor<4x4xf32>) {
  // expected-error@+1 {{'transformer.transpose' op expects a permutation of the 2 dimensions of the input, got [0, 0]}}
  %0 = transformer.transpose %x [0, 0] : tensor<4x4xf32> -> tensor<4x4xf32>
  return
}

// -----

// slice: backwards.
func.func @f(%x: tensor<4xf32>) {
  // expected-error@+1 {{'transformer.slice' op expects a step of 1 or more, got -1}}
  %0 = transformer.slice %x axis 0 from 3 to 0 step -1 : tensor<4xf32> -> tensor<3xf32>
  return
}

// -----

// slice: an axis beyond the rank.
func.func @f(%x: tensor<4xf32>) {
  // expected-error@+1 {{'transformer.slice' op expects an axis of the input, which has rank 1, got 1}}
  %0 = transformer.slice %x axis 1 from 0 to 2 : tensor<4xf32> -> tensor<2xf32>
  return
}

// -----

// concat: unequal beside the axis.
func.func @f(%x: tensor<4x4xf32>, %y: tensor<4x3xf32>) {
  // expected-error@+1 {{'transformer.concat' op expects inputs that differ along axis 0 only, got 'tensor<4x4xf32>' and 'tensor<4x3xf32>'}}
  %0 = transformer.concat %x, %y axis 0 : tensor<4x4xf32>, tensor<4x3xf32> -> tensor<8x4xf32>
  return
}

// -----

// concat: an axis beyond the rank.
func.func @f(%x: tensor<4xf32>) {
  // expected-error@+1 {{'transformer.concat' op expects an axis of the input, which has rank 1, got 1}}
  %0 = transformer.concat %x axis 1 : tensor<4xf32> -> tensor<4xf32>
  return
}

// -----

// expand: 4 does not repeat to 3.
func.func @f(%x: tensor<4xf32>, %y: tensor<3xf32>) {
  // expected-error@+1 {{'transformer.expand' op expects shapes that broadcast, got 'tensor<4xf32>', 'tensor<3xf32>'}}
  %0 = transformer.expand %x like %y : tensor<4xf32>, tensor<3xf32> -> tensor<3xf32>
  return
}

// -----

// dim: an axis beyond the rank.
func.func @f(%x: tensor<4xf32>) {
  // expected-error@+1 {{'transformer.dim' op expects an axis of the input, which has rank 1, got 1}}
  %0 = transformer.dim %x axis 1 : tensor<4xf32> -> tensor<i64>
  return
}

// -----

// range: the limit is one number.
func.func @f(%x: tensor<4xi64>) {
  // expected-error@+1 {{'transformer.range' op expects limit of rank 0, got 'tensor<4xi64>'}}
  %0 = transformer.range %x : tensor<4xi64> -> tensor<?xi64>
  return
}
