//===- Models.h - how models of ops are written -----------------*- C++ -*-===//
//
// Private to this folder. A model is a function from operands to results:
//
//   LogicalResult interpret(AddOp op, Operands operands, Context &context,
//                           Results results);
//
// `attach<AddOp, ...>` makes each op's overload its InterpretableOpInterface.
// Results are checked against the op's types afterwards, by Context::run.
//
//===----------------------------------------------------------------------===//

#ifndef TRANSOM_IR_INTERPRETER_MODELS_H
#define TRANSOM_IR_INTERPRETER_MODELS_H

#include "ir/Interpreter/Interpreter.h"

#include "mlir/IR/TypeUtilities.h"

namespace transom::interpreter {

using Operands = llvm::ArrayRef<Tensor>;
using Results = llvm::SmallVectorImpl<Tensor> &;

/// sum_i lhs[i] * rhs[i], in a fixed order of eight partial sums.
double dot(const double *lhs, const double *rhs, int64_t count);

/// result[m, n] = sum_k lhs[m, k] * rhs[n, k], each row-major and dense.
void multiplyTransposed(const double *lhs, const double *rhs, double *result,
                        int64_t rows, int64_t columns, int64_t depth);

/// Replaces `row` by its softmax.
void softmaxInPlace(llvm::MutableArrayRef<double> row);

/// x w^T + bias as `transformer.linear` has it; no bias if null. Fails at `op`
/// if the extents don't fit.
mlir::FailureOr<Tensor> linear(mlir::Operation *op, const Tensor &input,
                               const Tensor &weight, const Tensor *bias);

/// Layer normalization of each row, or without `beta` root mean square
/// normalization. Fails at `op` if the extents don't fit.
mlir::FailureOr<Tensor> normalize(mlir::Operation *op, Tensor input,
                                  const Tensor &gamma, const Tensor *beta,
                                  double epsilon);

/// What the distance of a key adds to a score: [heads, R], its ends repeated.
struct DistanceBias {
  const Tensor *table = nullptr; ///< none: zeros
  int64_t first = 0;

  double at(int64_t head, int64_t distance) const {
    if (!table)
      return 0;
    int64_t count = table->getShape()[1];
    return table->floats()[head * count +
                           std::clamp<int64_t>(distance - first, 0, count - 1)];
  }
};

/// That of an attention, whose last operand it is if there is one.
template <typename Attention>
DistanceBias getDistanceBias(Attention op, Operands operands) {
  if (!op.getDistanceBias())
    return {};
  return {&operands.back(), static_cast<int64_t>(op.getFirstDistance())};
}

/// `input` split in rows of its last extent.
inline int64_t countRows(const Tensor &input) {
  return input.getRank() == 0 || input.getShape().back() == 0
             ? 0
             : input.getNumElements() / input.getShape().back();
}

/// Fails and says so unless `condition` holds: what a verifier can't know of
/// dynamic extents.
inline llvm::LogicalResult require(mlir::Operation *op, bool condition,
                                   const llvm::Twine &expectation) {
  if (condition)
    return mlir::success();
  return op->emitOpError() << "expects " << expectation;
}

/// Where models are attached, one function a level.
void attachPrimitiveModels(mlir::MLIRContext *context);
void attachDefinitionModels(mlir::MLIRContext *context);
void attachFusedModels(mlir::MLIRContext *context);
void attachCacheModels(mlir::MLIRContext *context);
void attachKernelModels(mlir::MLIRContext *context);

} // namespace transom::interpreter

/// Defines `attach<Ops...>` in a file whose `interpret` overloads precede it:
/// they are found there, not through templates of a header.
#define TRANSOM_DEFINE_ATTACH                                                  \
  template <typename OpT>                                                      \
  struct Model                                                                 \
      : transom::interpreter::InterpretableOpInterface::ExternalModel<         \
            Model<OpT>, OpT> {                                                 \
    llvm::LogicalResult                                                        \
    interpret(mlir::Operation *op, transom::interpreter::Operands operands,    \
              transom::interpreter::Context &context,                          \
              transom::interpreter::Results results) const {                   \
      return ::interpret(llvm::cast<OpT>(op), operands, context, results);     \
    }                                                                          \
  };                                                                           \
  template <typename... Ops> static void attach(mlir::MLIRContext *context) {  \
    (Ops::template attachInterface<Model<Ops>>(*context), ...);                \
  }

#endif // TRANSOM_IR_INTERPRETER_MODELS_H
