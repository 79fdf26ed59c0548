//===- RowProgramBuilder.h - chains of row-wise ops -> RowProgram ---------===//
#ifndef TRANSOM_CODEGEN_SELECTION_ROWPROGRAMBUILDER_H
#define TRANSOM_CODEGEN_SELECTION_ROWPROGRAMBUILDER_H

#include "codegen/kernels/KernelSpec.h"

#include "mlir/IR/Diagnostics.h"
#include "mlir/IR/Value.h"
#include "mlir/Support/LLVM.h"
#include "llvm/ADT/DenseMap.h"

namespace transom::codegen {

/// Translates values on rows of `width` columns into the expressions of a
/// RowProgram. Knows primitives, and the activations that have an expression of
/// their own; what else there is it decomposes, in the body that it stands in:
/// a copy of the define's, that is.
class RowProgramBuilder {
public:
  explicit RowProgramBuilder(int64_t width) : width(width) {}

  /// Makes `value` the accumulator of an epilogue, input 0. To be called before
  /// anything is added.
  void bindAccumulator(mlir::Value value);
  /// Translates `value` and all that it needs. Fails with an error at the op
  /// that can't be translated.
  mlir::LogicalResult addResult(mlir::Value value);

  RowProgram program() const { return {expressions, results}; }
  /// What the program reads, and the argument of the define that each is.
  std::vector<ProgramOperand> operands() const { return inputs; }
  mlir::ArrayRef<unsigned> arguments() const { return inputArguments; }

private:
  mlir::FailureOr<int> translate(mlir::Value value);
  mlir::FailureOr<int> translate(mlir::Operation *op, unsigned result);
  mlir::FailureOr<int> translateDecomposed(mlir::Operation *op,
                                           unsigned result);
  mlir::FailureOr<int> input(mlir::Value tensor);
  mlir::InFlightDiagnostic refuse(mlir::Operation *op) const;
  int add(Expression::Kind kind, std::vector<int> operands);
  int constant(double value);
  int reduce(Expression::Kind kind, int value, int64_t operandWidth);

  int64_t width;
  int firstOperand = 0;
  std::vector<Expression> expressions;
  std::vector<int> results;
  std::vector<ProgramOperand> inputs;
  llvm::SmallVector<unsigned> inputArguments;
  llvm::DenseMap<mlir::Value, int> values;
  /// The results of each op that was decomposed.
  llvm::DenseMap<mlir::Operation *, llvm::SmallVector<mlir::Value>>
      decompositions;
  /// The op of the define that what is being translated is a part of.
  mlir::Operation *decomposed = nullptr;
};

} // namespace transom::codegen

#endif // TRANSOM_CODEGEN_SELECTION_ROWPROGRAMBUILDER_H
