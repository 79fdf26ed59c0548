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

#include "codegen/formats/Format.h"
#include "runtime/abi.h"

#include <algorithm>
#include <cassert>
#include <cstdint>
#include <map>
#include <string>
#include <variant>
#include <vector>

namespace transom::codegen {

inline int64_t rowStride(int64_t width) {
  return (width + TRANSOM_ROW_ALIGNMENT - 1) / TRANSOM_ROW_ALIGNMENT *
         TRANSOM_ROW_ALIGNMENT;
}

/// How an operand that is a weight is stored in the weights file.
struct Packing {
  int64_t block = 1;  ///< rows of a block; the last one is padded with zeros
  int64_t stride = 0; ///< least columns of a row, which zeros are added to
  const Format *format = &f32Format(); ///< of a block
};

/// Some columns of an activation [rows, width].
struct Activation {
  int64_t stride = 0, offset = 0; ///< of rows, and of the first column
  ElementType type = f32;
};

/// Columns of a cache of keys and values.
struct CacheColumns {
  int64_t width = 0, offset = 0; ///< of the cache, and the first one
  ElementType type = f32;
};

/// What an expression is. Constant and Input have no operands: the value of the
/// constant, and operand `index` of the program at (row, column). Gelu is
/// x * Phi(x), with erf; GeluTanh 0.5 x (1 + tanh(sqrt(2/pi) (x + 0.044715
/// x^3))). A comparison is 1 or 0; Select takes condition, then, else.
/// Reduce... is over the columns of a row: the value is one per row afterwards.
// clang-format off
#define TRANSOM_EXPRESSION_KINDS(X)                                            \
  X(Input) X(Constant)                                                         \
  X(Neg) X(Abs) X(Exp) X(Log) X(Sqrt) X(Rsqrt) X(Erf) X(Tanh) X(Sigmoid)       \
  X(Sin) X(Cos) X(Gelu) X(GeluTanh) X(Relu) X(Silu)                            \
  X(Add) X(Sub) X(Mul) X(Div) X(Pow) X(Max) X(Min)                             \
  X(CompareEq) X(CompareLt) X(CompareLe) X(Select)                             \
  X(ReduceSum) X(ReduceMax) X(ReduceMin)
// clang-format on

/// One value of a row program, in SSA order: value i is expressions[i].
struct Expression {
  enum class Kind {
#define KIND(kind) kind,
    TRANSOM_EXPRESSION_KINDS(KIND)
#undef KIND
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
  ElementType type = f32;
};

/// Elementwise chains, and rows reduced on the way. Input k >= firstOperand of
/// `expressions` reads operand k - firstOperand.
struct RowProgram {
  std::vector<Expression> expressions;
  std::vector<int> results; ///< values that are stored
};

// A spec names the operands of its launch: `Operand`, in the order in which
// they are passed. operands() lists those that the spec has. Selection, kernels
// and the weight plan find an operand by its name.

/// The position of `operand` (of the first, if there are several of the name)
/// among those of the launch.
template <typename Spec>
int32_t indexOf(const Spec &spec, typename Spec::Operand operand) {
  const auto operands = spec.operands();
  const auto found = std::find(operands.begin(), operands.end(), operand);
  assert(found != operands.end() && "the spec has no such operand");
  return static_cast<int32_t>(found - operands.begin());
}

/// out[m, n] = epilogue(bias[n] + sum_k x[m, k] * weight[n, k], operands...)
/// The weight is packed. Epilogue input 0 is the accumulator, input 1 + i
/// operand i. `epilogue` empty: the accumulator itself.
struct LinearSpec {
  enum Operand { Input, Weight, Bias, Epilogue, Output };
  std::vector<Operand> operands() const {
    std::vector<Operand> operands = {Input, Weight};
    if (hasBias)
      operands.push_back(Bias);
    operands.insert(operands.end(), epilogueOperands.size(), Epilogue);
    operands.push_back(Output);
    return operands;
  }

  int64_t in = 0, out = 0; ///< K, N
  Activation x, result;
  const Format *weightFormat = &f32Format();
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
/// q, k and v may be one buffer with different offsets.
struct AttentionSpec {
  enum Operand {
    Query,
    Key,
    Value,
    QueryOffsets,
    KeyOffsets,
    KeyLengths,
    DistanceBias,
    Output
  };
  std::vector<Operand> operands() const {
    std::vector<Operand> operands = {Query,        Key,        Value,
                                     QueryOffsets, KeyOffsets, KeyLengths};
    if (distances > 0)
      operands.push_back(DistanceBias);
    operands.push_back(Output);
    return operands;
  }

  int64_t heads = 0, keyHeads = 0, headDim = 0;
  Activation query, key, value, result;
  float scale = 1.0f;
  bool causal = false;
  int64_t distances = 0, firstDistance = 0;
};

/// Keys and values of new tokens into their slots of the cache, which is
/// written in place: slots[i] / 16 is a block, slots[i] % 16 a place in it, and
/// -1 is not stored. The cache of `cache.width` columns and this layer's first
/// column `cache.offset` are laid out as transformer.append_cache says; blocks
/// as TRANSOM_CACHE_BLOCK does.
struct AppendCacheSpec {
  enum Operand { Key, Value, Slots, Cache };
  std::vector<Operand> operands() const { return {Key, Value, Slots, Cache}; }

  int64_t keyHeads = 0, headDim = 0;
  Activation key, value;
  CacheColumns cache;
};

/// As AttentionSpec, but key j of sequence s is in the cache, at place j % 16
/// of block block_table[block_offsets[s] + j / 16]; key_lengths count past and
/// new tokens. A row's result is bitwise the same however its keys came to be
/// there.
struct CachedAttentionSpec {
  enum Operand {
    Query,
    Cache,
    QueryOffsets,
    KeyLengths,
    BlockTable,
    BlockOffsets,
    DistanceBias,
    Output
  };
  std::vector<Operand> operands() const {
    std::vector<Operand> operands = {Query,      Cache,      QueryOffsets,
                                     KeyLengths, BlockTable, BlockOffsets};
    if (distances > 0)
      operands.push_back(DistanceBias);
    operands.push_back(Output);
    return operands;
  }

  int64_t heads = 0, keyHeads = 0, headDim = 0;
  Activation query;
  CacheColumns cache;
  Activation result;
  float scale = 1.0f;
  bool causal = false;
  int64_t distances = 0, firstDistance = 0;
};

/// Rotates the halves of every head: with angle a = position * frequencies[i],
/// y[i] = x[i] cos a - x[i + D/2] sin a, y[i + D/2] = x[i + D/2] cos a +
/// x[i] sin a. Positions are i32.
struct RotarySpec {
  enum Operand { Input, Positions, Output };
  std::vector<Operand> operands() const { return {Input, Positions, Output}; }

  int64_t heads = 0, headDim = 0;
  Activation x, result;
  std::vector<float> frequencies; ///< headDim / 2
};

/// s = x + residual (if hasResidual); y = (s - mean) * rstd * gamma + beta, or
/// without mean and beta (rms). s is a result if storesSum.
struct NormSpec {
  enum Operand { Input, Residual, Gamma, Beta, Output, Sum };
  std::vector<Operand> operands() const {
    std::vector<Operand> operands = {Input};
    if (hasResidual)
      operands.push_back(Residual);
    operands.push_back(Gamma);
    if (hasBeta)
      operands.push_back(Beta);
    operands.push_back(Output);
    if (storesSum)
      operands.push_back(Sum);
    return operands;
  }

  int64_t width = 0;
  Activation x, residual, result, sum;
  float epsilon = 1e-12f;
  bool rms = false, hasResidual = false, hasBeta = true, storesSum = false;
};

/// y[m] = table[ids[m]] (+ addend[m]). ids are i32 and were checked against the
/// table's rows (tableRows 0: an activation, any number of them), or are -1:
/// zeros.
struct EmbeddingSpec {
  enum Operand { Ids, Table, Addend, Output };
  std::vector<Operand> operands() const {
    std::vector<Operand> operands = {Ids, Table};
    if (addend.stride != 0)
      operands.push_back(Addend);
    operands.push_back(Output);
    return operands;
  }

  int64_t width = 0, tableRows = 0;
  Packing table;           ///< in blocks if it is a linear's weight, too
  int64_t tableOffset = 0; ///< its first column, if it is an activation
  Activation result;
  Activation addend; ///< stride 0: none
};

/// results[r][m, c] = program over operands: any elementwise chain, softmax,
/// norms in decomposed form: the family that refuses nothing. Results are
/// [rows, width] (or [rows, 1]).
struct RowProgramSpec {
  enum Operand { Input, Result };
  std::vector<Operand> operands() const {
    std::vector<Operand> operands(inputs.size(), Input);
    operands.insert(operands.end(), program.results.size(), Result);
    return operands;
  }

  int64_t width = 0;
  RowProgram program;
  std::vector<ProgramOperand> inputs;
  std::vector<Activation> results;
};

using KernelSpec = std::variant<LinearSpec, AttentionSpec, AppendCacheSpec,
                                CachedAttentionSpec, RotarySpec, NormSpec,
                                EmbeddingSpec, RowProgramSpec>;

/// The spec as text, field by field: the object cache hashes it.
std::string describe(const KernelSpec &spec);

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
  /// Of operands that are weights, by their index; those that have none are
  /// stored as they are.
  std::map<int32_t, Packing> packing;
  int32_t grid = TRANSOM_GRID_ROWS, columns = 1;
  int32_t queryOffsets = -1, keyOffsets = -1, keyLengths = -1;
  int64_t scratchBytes = 0, scratchBytesPerKey = 0;
  double flopsPerRow = 0, flopsPerPair = 0;
};

} // namespace transom::codegen

#endif // TRANSOM_CODEGEN_KERNELS_KERNELSPEC_H
