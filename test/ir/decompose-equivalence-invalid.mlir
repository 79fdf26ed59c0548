// RUN: transom-test-opt %s --test-decompose-equivalence --verify-diagnostics -o /dev/null

// The check itself: a function without anything to decompose proves nothing.
// expected-error @+1 {{'func.func' op has nothing that decomposes}}
func.func @nothing(%x: tensor<?xf32>) -> tensor<?xf32> {
  %0 = transformer.neg %x : tensor<?xf32>
  return %0 : tensor<?xf32>
}
