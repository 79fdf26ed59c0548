// RUN: transom-opt %s --transom-select-kernels 2>/dev/null | FileCheck %s
// RUN: transom-opt %s --transom-select-kernels -o /dev/null 2>&1 | FileCheck %s --check-prefix=SPEC
// RUN: transom-opt %s --transom-select-kernels --remarks-filter=selection -o /dev/null 2>&1 | FileCheck %s --check-prefix=REMARK

// A linear reads whole blocks of columns, also of what its epilogue adds: at the
// end of a row there is no room for them. It becomes the linear alone and what
// follows from its result.
// REMARK-DAG: Missed{{.*}}'at_the_end' is a plain linear and a row program: an operand of its epilogue is a slice whose rows end before a whole block of columns
// CHECK-NOT:   kernel.define private @at_the_end(
// CHECK-LABEL: kernel.define private @at_the_end_plain(
// CHECK-SAME:      %[[X:.*]]: tensor<?x64xf32>, %[[W:.*]]: tensor<3x64xf32>, %{{.*}}: tensor<?x64xf32>)
// CHECK-SAME:      -> tensor<?x3xf32> rows 0 weights [1]
// CHECK-NEXT:    %[[Y:.*]] = transformer.linear %[[X]], %[[W]]
// CHECK-NEXT:    kernel.yield %[[Y]]
// CHECK-LABEL: kernel.define private @at_the_end_epilogue(
// CHECK-SAME:      %{{.*}}: tensor<?x64xf32>, %{{.*}}: tensor<3x64xf32>, %[[R:.*]]: tensor<?x64xf32>, %[[Y:.*]]: tensor<?x3xf32>)
// CHECK-SAME:      -> tensor<?x3xf32> rows 0 weights [1]
// CHECK-NEXT:    %[[S:.*]] = transformer.slice %[[R]] axis 1 from 61 to 64
// CHECK-NEXT:    %[[A:.*]] = transformer.relu %[[Y]]
// CHECK-NEXT:    %[[B:.*]] = transformer.add %[[A]], %[[S]]
// CHECK-NEXT:    kernel.yield %[[B]]
// SPEC-DAG: 'at_the_end_plain' is linear(in=64,out=3,x=64:0:f32,result=64:0:f32,weightFormat=f32,hasBias=0,epilogue=[->],operands=[]); operands: arg0 arg1 res0
// SPEC-DAG: 'at_the_end_epilogue' is row_program(width=3,program=[Input(0) Relu(0) Input(1) Add(1 2) -> 3],operands=[0:64:0:f32 0:64:61:f32 ],results=[64:0:f32 ]); operands: arg3 arg2 res0
kernel.define private @at_the_end(%x: tensor<?x64xf32>, %w: tensor<3x64xf32>, %r: tensor<?x64xf32>) -> tensor<?x3xf32> rows 0 weights [1] {
  %s = transformer.slice %r axis 1 from 61 to 64 : tensor<?x64xf32> -> tensor<?x3xf32>
  %0 = transformer.linear %x, %w extras(%s) : tensor<?x64xf32>, tensor<3x64xf32> extras(tensor<?x3xf32>) -> tensor<?x3xf32> {
  ^bb0(%acc: f32, %extra: f32):
    %1 = transformer.relu %acc : f32
    %2 = transformer.add %1, %extra : f32, f32 -> f32
    transformer.yield %2 : f32
  }
  kernel.yield %0 : tensor<?x3xf32>
}

// The launches of both halves stand where the one stood, on the same buffer.
// CHECK-LABEL: kernel.program @forward
// CHECK:         %[[OUT:.*]] = kernel.slot
// CHECK-NEXT:    kernel.launch @at_the_end_plain rows tokens reads(%[[IN:.*]], %[[W:.*]], %[[IN]]) writes(%[[OUT]]) outputs [0] layer "dense"
// CHECK-NEXT:    kernel.launch @at_the_end_epilogue rows tokens reads(%[[IN]], %[[W]], %[[IN]], %[[OUT]]) writes(%[[OUT]]) outputs [0] layer "dense"
// CHECK-NEXT:    kernel.return %[[OUT]]
transformer.weight @w value dense<1.0> : tensor<3x64xf32>
kernel.program @forward(%x: !kernel.buffer<tensor<?x64xf32>, tokens>) -> (!kernel.buffer<tensor<?x3xf32>, tokens>) arena [256, 0, 0, 0] {
  %w = kernel.weight @w : !kernel.buffer<tensor<3x64xf32>>
  %s = kernel.slot [0, 0, 0, 0] : !kernel.buffer<tensor<?x3xf32>, tokens>
  kernel.launch @at_the_end rows tokens reads(%x, %w, %x) writes(%s) outputs [0] layer "dense" : !kernel.buffer<tensor<?x64xf32>, tokens>, !kernel.buffer<tensor<3x64xf32>>, !kernel.buffer<tensor<?x64xf32>, tokens> -> !kernel.buffer<tensor<?x3xf32>, tokens>
  kernel.return %s : !kernel.buffer<tensor<?x3xf32>, tokens>
}

// One column is read by rows, wherever it is: an epilogue takes it.
// SPEC-DAG: 'column' is linear(in=8,out=8,{{.*}},epilogue=[Input(0) Input(1) Mul(0 1) -> 2],operands=[2:64:63:f32 ]); operands: arg0 arg1 arg2 res0
kernel.define private @column(%x: tensor<?x8xf32>, %w: tensor<8x8xf32>, %r: tensor<?x64xf32>) -> tensor<?x8xf32> rows 0 weights [1] {
  %s = transformer.slice %r axis 1 from 63 to 64 : tensor<?x64xf32> -> tensor<?x1xf32>
  %0 = transformer.linear %x, %w extras(%s) : tensor<?x8xf32>, tensor<8x8xf32> extras(tensor<?x1xf32>) -> tensor<?x8xf32> {
  ^bb0(%acc: f32, %extra: f32):
    %1 = transformer.mul %acc, %extra : f32, f32 -> f32
    transformer.yield %1 : f32
  }
  kernel.yield %0 : tensor<?x8xf32>
}

// The norm kernel reads whole vectors of a row; a row program does not have to.
// It is the norm's decomposition.
// REMARK-DAG: Missed{{.*}}'norm' is a row program: it reads a slice, whose rows may end before a whole vector
// SPEC-DAG: 'norm' is row_program(width=4,program=[Input(0) Input(1) Add(0 1) Mul(2 2) ReduceSum(3) Constant(0x1p-2) Mul(4 5) Constant(0x1p-10) Add(6 7) Rsqrt(8) Mul(2 9) Input(2) Mul(10 11) -> 12 2],operands=[0:64:4:f32 0:64:0:f32 1:0:0:f32 ],results=[64:0:f32 64:0:f32 ]); operands: arg0 arg1 arg2 res0 res1
kernel.define private @norm(%x: tensor<?x8xf32>, %r: tensor<?x4xf32>, %g: tensor<4xf32>) -> (tensor<?x4xf32>, tensor<?x4xf32>) rows 0 weights [2] {
  %s = transformer.slice %x axis 1 from 4 to 8 : tensor<?x8xf32> -> tensor<?x4xf32>
  %y, %sum = transformer.add_rms_norm %s, %r, %g epsilon 0.0009765625 : tensor<?x4xf32>, tensor<?x4xf32>, tensor<4xf32> -> tensor<?x4xf32>, tensor<?x4xf32>
  kernel.yield %y, %sum : tensor<?x4xf32>, tensor<?x4xf32>
}

// Tables and addends may be slices.
// SPEC-DAG: 'gather' is embedding(width=4,tableRows=0,table=1:64:f32,tableOffset=60,result=64:0:f32,addend=64:4:f32); operands: arg0 arg1 arg2 res0
// REMARK-NOT: Missed{{.*}}'gather'
kernel.define private @gather(%ids: tensor<?xi32>, %x: tensor<?x64xf32>, %a: tensor<?x8xf32>) -> tensor<?x4xf32> rows 0 weights [] {
  %s = transformer.slice %x axis 1 from 60 to 64 : tensor<?x64xf32> -> tensor<?x4xf32>
  %t = transformer.slice %a axis 1 from 4 to 8 : tensor<?x8xf32> -> tensor<?x4xf32>
  %0 = transformer.embedding %ids, %s : tensor<?xi32>, tensor<?x4xf32> -> tensor<?x4xf32>
  %1 = transformer.add %0, %t : tensor<?x4xf32>, tensor<?x4xf32> -> tensor<?x4xf32>
  kernel.yield %1 : tensor<?x4xf32>
}
