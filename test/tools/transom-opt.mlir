// RUN: transom-opt %s --canonicalize | FileCheck %s
// RUN: transom-opt %s --emit-bytecode | transom-opt | FileCheck %s

// CHECK-LABEL: func.func @identity
func.func @identity(%x: tensor<?xf32>) -> tensor<?xf32> {
  return %x : tensor<?xf32>
}
