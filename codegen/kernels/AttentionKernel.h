//===- AttentionKernel.h - what both attention kernels share --------------===//
//
// Attention over packed keys and attention over a cache differ in how they read
// keys and values and in the order in which they sum. Queries, what of the keys
// a row sees, the bias by distance, and how rows are written are here.
//
//===----------------------------------------------------------------------===//
#ifndef TRANSOM_CODEGEN_KERNELS_ATTENTIONKERNEL_H
#define TRANSOM_CODEGEN_KERNELS_ATTENTIONKERNEL_H

#include "codegen/kernels/Verbs.h"

namespace transom::codegen {

/// What the specs of both kernels say.
struct AttentionShape {
  int64_t heads, keyHeads, headDim;
  Activation query, result;
  float scale;
  bool causal;
  int64_t distances, firstDistance;
  int32_t queryOperand, biasOperand, resultOperand;

  template <typename Spec>
  explicit AttentionShape(const Spec &spec)
      : heads(spec.heads), keyHeads(spec.keyHeads), headDim(spec.headDim),
        query(spec.query), result(spec.result), scale(spec.scale),
        causal(spec.causal), distances(spec.distances),
        firstDistance(spec.firstDistance),
        queryOperand(indexOf(spec, Spec::Query)),
        biasOperand(hasBias() ? indexOf(spec, Spec::DistanceBias) : -1),
        resultOperand(indexOf(spec, Spec::Output)) {}

  /// Can a kernel compute it?
  bool isValid() const {
    return headDim > 0 && keyHeads > 0 && heads % keyHeads == 0;
  }
  bool hasBias() const { return distances > 0; }
  /// Heads that read the same keys.
  int32_t group() const { return static_cast<int32_t>(heads / keyHeads); }
};

/// Softmax is taken with exp2: log2(e) is part of the queries' scale.
constexpr float log2e = 1.44269504f;
/// The score of a key that a row does not see, and the least maximum of scores:
/// exp2 of their difference is exactly 0, also in a row that sees no key.
constexpr float maskedScore = -1e30f, leastMaximum = -1e29f;

class AttentionKernel : public Kernel {
protected:
  explicit AttentionKernel(const AttentionShape &shape) : shape(shape) {}

  // Each of these declares operands; the order of the calls is theirs.
  void readQueries();
  void readLengths();
  /// The bias times log2(e) of a key so far behind the task's first row.
  std::function<Halide::Expr(Halide::Expr)> readBias();
  void writeRows(Halide::Expr value);

  /// 1 / total, and 0 for a row that sees no key.
  static Halide::Expr inverseOf(Halide::Expr total);

  /// Tiles of `rows` rows; returns the loop over them.
  Halide::LoopLevel scheduleRows(int rows, const Machine &machine);
  /// A vector a row, reduced over `keys` at `level`, and what is folded of it.
  void scheduleReductions(Halide::LoopLevel level, int rows,
                          const std::vector<Halide::RVar> &maximumKeys,
                          const std::vector<Halide::RVar> &sumKeys,
                          const Machine &machine);

  const AttentionShape shape;
  Halide::Var d{"d"}, i{"i"}, lane{"lane"}; ///< column of a head, query row
  Halide::RDom fold;
  Halide::Func packedQ{"packed_q"}; ///< scaled
  Halide::Func limit{"limit"};      ///< keys that a row sees
  Halide::Func maxima{"maxima"}, maximum{"maximum"};
  Halide::Func sums{"sums"}, total{"total"}, out{"out"};
  Halide::Expr keys;       ///< of the sequence
  Halide::Expr rows;       ///< of the task
  Halide::Expr seenByTask; ///< keys that any of its rows sees
  Halide::Expr firstKey;   ///< where the task's first row is among the keys
};

/// All of the plan but variants, scratch, and operands of the grid.
CompiledKernel planAttention(const AttentionShape &shape);

} // namespace transom::codegen

#endif // TRANSOM_CODEGEN_KERNELS_ATTENTIONKERNEL_H
