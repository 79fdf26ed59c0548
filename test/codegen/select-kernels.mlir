// RUN: transom-opt %s --transom-select-kernels -o /dev/null 2>&1 | FileCheck %s

// Specs as `describe` writes them. A row program is a list of expressions, each
// with its operands; the values behind the arrow are stored.

// Slices become offsets into rows of the whole argument, the bias and an
// epilogue's operands follow the weight.
// CHECK: 'linear' is linear(in=4,out=8,x=64:4:f32,result=64:0:f32,weightFormat=f32,hasBias=1,epilogue=[Input(0) Relu(0) Input(1) Add(1 2) -> 3],operands=[0:64:0:f32 ]); operands: arg0 arg1 arg2 arg3 res0
kernel.define @linear(%x: tensor<?x12xf32>, %w: tensor<8x4xf32>, %b: tensor<8xf32>, %r: tensor<?x8xf32>) -> tensor<?x8xf32> rows 0 weights [1, 2] {
  %s = transformer.slice %x axis 1 from 4 to 8 : tensor<?x12xf32> -> tensor<?x4xf32>
  %0 = transformer.linear %s, %w bias %b extras(%r) : tensor<?x4xf32>, tensor<8x4xf32>, tensor<8xf32> extras(tensor<?x8xf32>) -> tensor<?x8xf32> {
  ^bb0(%acc: f32, %extra: f32):
    %1 = transformer.relu %acc : f32
    %2 = transformer.add %1, %extra : f32, f32 -> f32
    transformer.yield %2 : f32
  }
  kernel.yield %0 : tensor<?x8xf32>
}

// Query, key and value are one buffer.
// CHECK: 'attention' is attention(heads=2,keyHeads=2,headDim=40,query=256:0:f32,key=256:80:f32,value=256:160:f32,result=128:0:f32,scale=0x1p-1,causal=0,distances=0,firstDistance=0); operands: arg0 arg0 arg0 arg1 arg1 arg2 res0
kernel.define @attention(%x: tensor<?x240xf32>, %o: tensor<?xi32>, %n: tensor<?xi32>) -> tensor<?x80xf32> rows 0 weights [] {
  %q = transformer.slice %x axis 1 from 0 to 80 : tensor<?x240xf32> -> tensor<?x80xf32>
  %k = transformer.slice %x axis -1 from 80 to 160 : tensor<?x240xf32> -> tensor<?x80xf32>
  %v = transformer.slice %x axis 1 from -80 to 240 : tensor<?x240xf32> -> tensor<?x80xf32>
  %0 = transformer.ragged_attention %q, %k, %v, %o, %o, %n heads 2 key_heads 2 scale 0.5 : tensor<?x80xf32>, tensor<?x80xf32>, tensor<?x80xf32>, tensor<?xi32>, tensor<?xi32>, tensor<?xi32> -> tensor<?x80xf32>
  kernel.yield %0 : tensor<?x80xf32>
}

// The cache is written in place: it is the result. A layer's columns are those
// from `at` of all the cache's.
// CHECK: 'append' is append_cache(keyHeads=2,headDim=40,key=256:80:f32,value=256:160:f32,cache=576:192:f32); operands: arg1 arg1 arg2 res0
kernel.define @append(%c: tensor<?x576xf32>, %x: tensor<?x240xf32>, %slots: tensor<?xi32>) -> tensor<?x576xf32> rows 0 weights [] {
  %k = transformer.slice %x axis 1 from 80 to 160 : tensor<?x240xf32> -> tensor<?x80xf32>
  %v = transformer.slice %x axis 1 from 160 to 240 : tensor<?x240xf32> -> tensor<?x80xf32>
  %0 = transformer.append_cache %c, %k, %v, %slots key_heads 2 at 192 : tensor<?x576xf32>, tensor<?x80xf32>, tensor<?x80xf32>, tensor<?xi32>
  kernel.yield %0 : tensor<?x576xf32>
}

// CHECK: 'cached' is cached_attention(heads=4,keyHeads=2,headDim=40,query=320:0:f32,cache=576:192:f32,result=192:0:f32,scale=0x1p-1,causal=1,distances=0,firstDistance=0); operands: arg1 arg0 arg2 arg3 arg4 arg5 res0
kernel.define @cached(%c: tensor<?x576xf32>, %x: tensor<?x320xf32>, %o: tensor<?xi32>, %n: tensor<?xi32>, %t: tensor<?xi32>, %b: tensor<?xi32>) -> tensor<?x160xf32> rows 0 weights [] {
  %q = transformer.slice %x axis 1 from 0 to 160 : tensor<?x320xf32> -> tensor<?x160xf32>
  %0 = transformer.cached_attention %q, %c, %o, %n, %t, %b heads 4 key_heads 2 at 192 causal scale 0.5 : tensor<?x160xf32>, tensor<?x576xf32>, tensor<?xi32>, tensor<?xi32>, tensor<?xi32>, tensor<?xi32> -> tensor<?x160xf32>
  kernel.yield %0 : tensor<?x160xf32>
}

// CHECK: 'rotary' is rotary(heads=2,headDim=4,x=64:8:f32,result=64:0:f32,frequencies=[0x1p+0 0x1.47ae14p-7 ]); operands: arg0 arg1 res0
kernel.define @rotary(%x: tensor<?x24xf32>, %p: tensor<?xi32>) -> tensor<?x8xf32> rows 0 weights [] {
  %k = transformer.slice %x axis 1 from 8 to 16 : tensor<?x24xf32> -> tensor<?x8xf32>
  %0 = transformer.rotary %k, %p heads 2 theta 10000.0 : tensor<?x8xf32>, tensor<?xi32> -> tensor<?x8xf32>
  kernel.yield %0 : tensor<?x8xf32>
}

// Results in an order of their own.
// CHECK: 'both' is norm(width=8,x=64:0:f32,residual=64:0:f32,result=64:0:f32,sum=64:0:f32,epsilon=0x1p-10,rms=0,hasResidual=1,hasBeta=1,storesSum=1); operands: arg1 arg0 arg2 arg3 res1 res0
kernel.define @both(%r: tensor<?x8xf32>, %x: tensor<?x8xf32>, %g: tensor<8xf32>, %b: tensor<8xf32>) -> (tensor<?x8xf32>, tensor<?x8xf32>) rows 0 weights [2, 3] {
  %y, %s = transformer.add_layer_norm %x, %r, %g, %b epsilon 0.0009765625 : tensor<?x8xf32>, tensor<?x8xf32>, tensor<8xf32>, tensor<8xf32> -> tensor<?x8xf32>, tensor<?x8xf32>
  kernel.yield %s, %y : tensor<?x8xf32>, tensor<?x8xf32>
}

// CHECK: 'embedding' is embedding(width=8,tableRows=5,table=1:64:f32,tableOffset=0,result=64:0:f32,addend=64:0:f32); operands: arg1 arg2 arg0 res0
kernel.define @embedding(%a: tensor<?x8xf32>, %ids: tensor<?xi32>, %t: tensor<5x8xf32>) -> tensor<?x8xf32> rows 1 weights [2] {
  %0 = transformer.embedding %ids, %t : tensor<?xi32>, tensor<5x8xf32> -> tensor<?x8xf32>
  %1 = transformer.add %a, %0 : tensor<?x8xf32>, tensor<?x8xf32> -> tensor<?x8xf32>
  kernel.yield %1 : tensor<?x8xf32>
}

// Rows of an activation by index: any number of them.
// CHECK: 'gather' is embedding(width=8,tableRows=0,table=1:64:f32,{{.*}}; operands: arg0 arg1 res0
kernel.define @gather(%ids: tensor<?xi32>, %x: tensor<?x8xf32>) -> tensor<?x8xf32> rows 0 weights [] {
  %0 = transformer.embedding %ids, %x : tensor<?xi32>, tensor<?x8xf32> -> tensor<?x8xf32>
  kernel.yield %0 : tensor<?x8xf32>
}

// Softmax as a maximum, an exponential and a sum.
// CHECK: 'softmax' is row_program(width=8,program=[Input(0) ReduceMax(0) Sub(0 1) Exp(2) ReduceSum(3) Div(3 4) -> 5],operands=[0:64:0:f32 ],results=[64:0:f32 ]); operands: arg0 res0
kernel.define @softmax(%x: tensor<?x8xf32>) -> tensor<?x8xf32> rows 0 weights [] {
  %0 = transformer.softmax %x : tensor<?x8xf32>
  kernel.yield %0 : tensor<?x8xf32>
}

// A norm of a slice is none of the norm kernels, but a row program; a vector, a
// column and a scalar are broadcast.
// CHECK: 'sliced_norm' is row_program(width=8,{{.*}}operands=[0:64:8:f32 1:0:0:f32 1:0:0:f32 2:64:0:f32 3:0:0:f32 ],results=[64:0:f32 ]); operands: arg0 arg1 arg2 arg3 arg4 res0
kernel.define @sliced_norm(%x: tensor<?x16xf32>, %g: tensor<8xf32>, %b: tensor<8xf32>, %c: tensor<?x1xf32>, %d: tensor<f32>) -> tensor<?x8xf32> rows 0 weights [1, 2, 4] {
  %s = transformer.slice %x axis 1 from 8 to 16 : tensor<?x16xf32> -> tensor<?x8xf32>
  %0 = transformer.layer_norm %s, %g, %b epsilon 1.0e-5 : tensor<?x8xf32>, tensor<8xf32>, tensor<8xf32> -> tensor<?x8xf32>
  %1 = transformer.mul %0, %c : tensor<?x8xf32>, tensor<?x1xf32> -> tensor<?x8xf32>
  %2 = transformer.sub %1, %d : tensor<?x8xf32>, tensor<f32> -> tensor<?x8xf32>
  kernel.yield %2 : tensor<?x8xf32>
}

// A symbol that no linker takes gets another name.
// CHECK: 'kernel_{{[0-9a-f]+}}' is row_program
kernel.define @"a name: with more"(%x: tensor<?x8xf32>) -> tensor<?x8xf32> rows 0 weights [] {
  %0 = transformer.exp %x : tensor<?x8xf32>
  kernel.yield %0 : tensor<?x8xf32>
}

// One column: a copy, for [rows] is stored as [rows, 1].
// CHECK: 'column' is row_program(width=1,program=[Input(0) -> 0],operands=[0:64:1:f32 ],results=[64:0:f32 ]); operands: arg0 res0
kernel.define @column(%x: tensor<?x2xf32>) -> tensor<?xf32> rows 0 weights [] {
  %0 = transformer.slice %x axis 1 from 1 to 2 : tensor<?x2xf32> -> tensor<?x1xf32>
  %1 = transformer.reshape %0 to [0] : tensor<?x1xf32> -> tensor<?xf32>
  kernel.yield %1 : tensor<?xf32>
}
