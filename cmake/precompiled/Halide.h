// For codegen/kernels/ and its tests: Halide alone costs clang 12 seconds.
#include <Halide.h>
