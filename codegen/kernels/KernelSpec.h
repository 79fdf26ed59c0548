//===- KernelSpec.h - what a kernel computes, and what was compiled -------===//
//
// Plain C++ on purpose: kernel selection (which knows MLIR) fills specs, kernel
// families (which know Halide) read them, and neither header meets the other.
//
// Layout of activations, everywhere: [rows, width], width innermost, row stride
// rowStride(width) elements; see TRANSOM_ROW_ALIGNMENT in runtime/abi.h.
//
//===----------------------------------------------------------------------===//
#ifndef TRANSOM_CODEGEN_KERNELS_KERNELSPEC_H
#define TRANSOM_CODEGEN_KERNELS_KERNELSPEC_H

#include "runtime/abi.h"

#include <cstdint>
#include <string>
#include <variant>
#include <vector>

namespace transom::codegen {

inline int64_t rowStride(int64_t width) {
  return (width + TRANSOM_ROW_ALIGNMENT - 1) / TRANSOM_ROW_ALIGNMENT *
         TRANSOM_ROW_ALIGNMENT;
}

/// One value of a row program, in SSA order: value i is expressions[i].
struct Expression {
  enum class Kind {
    Input,    ///< operand `index` of the program at (row, column)
    Constant, ///< `constant`
    // Unary.
    Neg,
    Abs,
    Exp,
    Log,
    Sqrt,
    Rsqrt,
    Erf,
    Tanh,
    Sigmoid,
    Sin,
    Cos,
    Gelu,     ///< x * Phi(x), erf
    GeluTanh, ///< 0.5 x (1 + tanh(sqrt(2/pi) (x + 0.044715 x^3)))
    Relu,
    Silu,
    // Binary.
    Add,
    Sub,
    Mul,
    Div,
    Pow,
    Max,
    Min,
    CompareEq,
    CompareLt,
    CompareLe, ///< 1 or 0
    Select,    ///< operands: condition, then, else
    // Over the columns of a row: the value is one per row afterwards.
    ReduceSum,
    ReduceMax,
    ReduceMin,
  };
  Kind kind = Kind::Input;
  std::vector<int> operands; ///< indices of earlier values
  double constant = 0.0;
  int index = 0;
};

/// How an operand of a row program is indexed.
enum class Broadcast {
  None,      ///< (row, column): an activation [rows, width]
  PerColumn, ///< (column): a weight vector [width]
  PerRow,    ///< (row): an activation [rows, 1]
  Scalar     ///< one value
};

struct ProgramOperand {
  Broadcast broadcast = Broadcast::None;
  /// Broadcast::None: row stride in elements and first column of the view.
  int64_t stride = 0, offset = 0;
};

/// Elementwise chains, and rows reduced on the way. Input k >= firstOperand of
/// `expressions` reads operands[k - firstOperand].
struct RowProgram {
  std::vector<Expression> expressions;
  std::vector<int> results; ///< values that are stored
};

/// out[m, n] = epilogue(bias[n] + sum_k x[m, k] * weight[n, k], operands...)
/// Operands of the launch: x, weight (packed), bias if hasBias, the epilogue's,
/// out. Epilogue input 0 is the accumulator, input 1 + i operand i. `epilogue`
/// empty: the accumulator itself.
struct LinearSpec {
  int64_t in = 0, out = 0;          ///< K, N
  int64_t xStride = 0, xOffset = 0; ///< in elements
  int64_t outStride = 0;
  bool hasBias = true;
  RowProgram epilogue;
  std::vector<ProgramOperand> epilogueOperands;
};

/// result[i, h] = sum_j softmax_j(scale * <q[i, h], k[j, h / g]>
///                                + distance_bias[h, r]) v[j, h / g]
/// within each sequence; keys are the sequence's first key_lengths[s] rows from
/// key_offsets[s]. causal masks j > i + keys - rows. A sequence without keys
/// gives zeros. distance_bias [heads, distances] (if distances > 0; a weight)
/// is read at r = clamp(j - (i + keys - rows) - firstDistance, 0, distances-1).
/// Operands: q, k, v, query_offsets, key_offsets, key_lengths, distance_bias?,
/// out; q, k and v may be one buffer with different offsets.
struct AttentionSpec {
  int64_t heads = 0, keyHeads = 0, headDim = 0;
  int64_t queryStride = 0, queryOffset = 0;
  int64_t keyStride = 0, keyOffset = 0;
  int64_t valueStride = 0, valueOffset = 0;
  int64_t outStride = 0;
  float scale = 1.0f;
  bool causal = false;
  int64_t distances = 0, firstDistance = 0;
};

/// Keys and values of new tokens into their slots of the cache, which is
/// written in place: slots[i] / 16 is a block, slots[i] % 16 a place in it, and
/// -1 is not stored. The cache of `cacheWidth` columns and this layer's first
/// column `cacheOffset` are laid out as transformer.append_cache says; blocks
/// as TRANSOM_CACHE_BLOCK does. Operands: key, value, slots, cache.
struct AppendCacheSpec {
  int64_t keyHeads = 0, headDim = 0;
  int64_t keyStride = 0, keyOffset = 0;
  int64_t valueStride = 0, valueOffset = 0;
  int64_t cacheWidth = 0, cacheOffset = 0;
};

/// As AttentionSpec, but key j of sequence s is in the cache, at place j % 16
/// of block block_table[block_offsets[s] + j / 16]; key_lengths count past and
/// new tokens. A row's result is bitwise the same however its keys came to be
/// there. Operands: q, cache, query_offsets, key_lengths, block_table,
/// block_offsets, distance_bias?, out.
struct CachedAttentionSpec {
  int64_t heads = 0, keyHeads = 0, headDim = 0;
  int64_t queryStride = 0, queryOffset = 0;
  int64_t cacheWidth = 0, cacheOffset = 0;
  int64_t outStride = 0;
  float scale = 1.0f;
  bool causal = false;
  int64_t distances = 0, firstDistance = 0;
};

/// Rotates the halves of every head: with angle a = position * frequencies[i],
/// y[i] = x[i] cos a - x[i + D/2] sin a, y[i + D/2] = x[i + D/2] cos a +
/// x[i] sin a. Operands: x, positions (i32), y.
struct RotarySpec {
  int64_t heads = 0, headDim = 0;
  int64_t xStride = 0, xOffset = 0, outStride = 0;
  std::vector<float> frequencies; ///< headDim / 2
};

/// s = x + residual (if hasResidual); y = (s - mean) * rstd * gamma + beta, or
/// without mean and beta (rms). Operands: x, residual?, gamma, beta?, y, s if
/// storesSum.
struct NormSpec {
  int64_t width = 0;
  int64_t xStride = 0, residualStride = 0, outStride = 0, sumStride = 0;
  float epsilon = 1e-12f;
  bool rms = false, hasResidual = false, hasBeta = true, storesSum = false;
};

/// y[m] = table[ids[m]] (+ addend[m]). ids are i32 and were checked against the
/// table's rows (tableRows 0: an activation, any number of them), or are -1:
/// zeros. Operands: ids, table, addend?, y.
struct EmbeddingSpec {
  int64_t width = 0, tableRows = 0, tableStride = 0;
  int64_t tableBlock =
      0; ///< the table is Blocked as a linear's weight; 0: rows
  int64_t outStride = 0;
  int64_t addendStride = 0; ///< 0: none
};

/// results[r][m, c] = program over operands: any elementwise chain, softmax,
/// norms in decomposed form: the family that refuses nothing.
/// Operands: the program's, then one a result [rows, width] (or [rows, 1]).
struct RowProgramSpec {
  int64_t width = 0;
  RowProgram program;
  std::vector<ProgramOperand> operands;
  std::vector<int64_t> resultStrides;
};

using KernelSpec = std::variant<LinearSpec, AttentionSpec, AppendCacheSpec,
                                CachedAttentionSpec, RotarySpec, NormSpec,
                                EmbeddingSpec, RowProgramSpec>;

/// The spec as text, field by field: the object cache hashes it.
std::string describe(const KernelSpec &spec);

/// How an operand that is a weight is stored in the weights file.
struct Packing {
  enum class Kind {
    Dense,  ///< row-major, rows padded with zeros to `stride` elements
    Blocked ///< [N / block][K][block]: a linear weight [N, K], zero padded
  };
  Kind kind = Kind::Dense;
  int64_t block = 0;  ///< Blocked
  int64_t stride = 0; ///< Dense: elements of a row; vectors: padded length
};

/// A compiled kernel: an object file with one argv function a variant, and all
/// that the host program says about it in a `transom_kernel`.
struct CompiledKernel {
  struct Variant {
    /// `<symbol>_argv` is called; variants of one symbol share it.
    std::string symbol;
    transom_kernel_variant shape; ///< `run` is null here
  };
  std::string family;
  std::vector<char> object; ///< a relocatable object file
  std::string assembly;     ///< when asked for
  std::string statement;    ///< when asked for
  std::vector<Variant> variants;
  std::vector<transom_kernel_argument> arguments;
  std::vector<Packing> packing; ///< one a launch operand; Dense if no weight
  int32_t grid = TRANSOM_GRID_ROWS, columns = 1;
  int32_t queryOffsets = -1, keyOffsets = -1, keyLengths = -1;
  int64_t scratchBytes = 0, scratchBytesPerKey = 0;
  double flopsPerRow = 0, flopsPerPair = 0;
};

} // namespace transom::codegen

#endif // TRANSOM_CODEGEN_KERNELS_KERNELSPEC_H
