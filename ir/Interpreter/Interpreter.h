//===- Interpreter.h - what a program means, in numbers ---------*- C++ -*-===//
//
// Runs functions of transformer ops, kernel calls and planned programs in
// double precision: slow, simple, independent of every kernel. Tests compare
// ops with their decompositions by it, and `transom verify` each stage with the
// one before.
//
//===----------------------------------------------------------------------===//

#ifndef TRANSOM_IR_INTERPRETER_INTERPRETER_H
#define TRANSOM_IR_INTERPRETER_INTERPRETER_H

#include "ir/Interpreter/Tensor.h"
#include "ir/Weights/WeightSource.h"

#include "mlir/IR/BuiltinOps.h"
#include "mlir/IR/DialectRegistry.h"
#include "mlir/IR/SymbolTable.h"
#include "mlir/Interfaces/FunctionInterfaces.h"

namespace transom::interpreter {

/// What an op may ask for besides its operands: symbols and weights of one
/// module, which must not change while the context lives.
class Context {
public:
  /// `weights` holds the checkpoint that weights name; null if the module's
  /// weights all have inline values.
  explicit Context(mlir::ModuleOp module, const WeightSource *weights = nullptr)
      : module(module), weights(weights) {}

  /// Runs a `func.func`, `kernel.define` or `kernel.program` of the module.
  /// Fails with a diagnostic at the op that can't be computed: arguments of
  /// other types or extents than it expects, an id outside a table, an op
  /// without a model.
  mlir::LogicalResult run(mlir::FunctionOpInterface function,
                          llvm::ArrayRef<Tensor> arguments,
                          llvm::SmallVectorImpl<Tensor> &results);

  /// Runs the ops of a single-block region; the results are its terminator's
  /// operands.
  mlir::LogicalResult run(mlir::Block &block, llvm::ArrayRef<Tensor> arguments,
                          llvm::SmallVectorImpl<Tensor> &results);

  /// The symbol that `op` refers to, or null.
  mlir::Operation *lookup(mlir::Operation *op, mlir::FlatSymbolRefAttr symbol) {
    return symbols.lookupNearestSymbolFrom(op, symbol);
  }

  /// The numbers of the `transformer.weight` that `op` refers to, read from the
  /// checkpoint anew each time. Fails with a diagnostic at `op`.
  mlir::FailureOr<Tensor> getWeight(mlir::Operation *op,
                                    mlir::FlatSymbolRefAttr symbol);

  /// Outputs of a `kernel.program` that are asked for, bit i output i: launches
  /// that only others need are skipped, and those outputs hold no numbers.
  uint64_t requested = ~uint64_t(0);

private:
  mlir::ModuleOp module;
  const WeightSource *weights;
  mlir::SymbolTableCollection symbols;
};

/// Gives every op of the dialects (and arith.constant) its
/// InterpretableOpInterface.
void registerInterpreterModels(mlir::DialectRegistry &registry);

} // namespace transom::interpreter

#include "ir/Interpreter/InterpreterInterfaces.h.inc"

#endif // TRANSOM_IR_INTERPRETER_INTERPRETER_H
