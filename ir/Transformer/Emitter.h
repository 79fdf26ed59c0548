//===- Emitter.h - ops in place of an op ------------------------*- C++ -*-===//
//
// Private to the files that implement `decompose`: short names for building
// ops.
//
//===----------------------------------------------------------------------===//

#ifndef TRANSOM_IR_TRANSFORMER_EMITTER_H
#define TRANSOM_IR_TRANSFORMER_EMITTER_H

#include "ir/Transformer/OpSupport.h"
#include "ir/Transformer/Transformer.h"

#include "mlir/Dialect/Arith/IR/Arith.h"
#include "mlir/IR/TypeUtilities.h"

#include <limits>

namespace transom::transformer {

using Values = llvm::SmallVector<mlir::Value>;

/// The end of a slice that goes to the end of its dimension.
inline constexpr int64_t kEnd = std::numeric_limits<int64_t>::max();

/// Builds ops for `op` where it stands.
struct Emitter {
  Emitter(mlir::OpBuilder &builder, mlir::Operation *op)
      : builder(builder), op(op), loc(op->getLoc()) {
    builder.setInsertionPoint(op);
  }

  template <typename Op, typename... Arguments>
  mlir::Value emit(Arguments &&...arguments) {
    return Op::create(builder, loc, std::forward<Arguments>(arguments)...)
        ->getResult(0);
  }

  mlir::Value add(mlir::Value a, mlir::Value b) { return emit<AddOp>(a, b); }
  mlir::Value sub(mlir::Value a, mlir::Value b) { return emit<SubOp>(a, b); }
  mlir::Value mul(mlir::Value a, mlir::Value b) { return emit<MulOp>(a, b); }
  mlir::Value div(mlir::Value a, mlir::Value b) { return emit<DivOp>(a, b); }
  mlir::Value compare(mlir::Value a, Comparison relation, mlir::Value b) {
    return emit<CompareOp>(relation, a, b);
  }
  mlir::Value reduce(Reduction kind, mlir::Value value) {
    return emit<ReduceOp>(kind, value, llvm::ArrayRef<int64_t>(-1),
                          /*keep_dims=*/true);
  }
  mlir::Value reshape(mlir::Value value, llvm::ArrayRef<int64_t> shape) {
    return emit<ReshapeOp>(value, shape);
  }
  mlir::Value transpose(mlir::Value value,
                        llvm::ArrayRef<int64_t> permutation) {
    return emit<TransposeOp>(value, permutation);
  }
  mlir::Value slice(mlir::Value value, int64_t axis, int64_t begin,
                    int64_t end) {
    return emit<SliceOp>(value, axis, begin, end);
  }

  /// The values of `value` in another element type.
  mlir::Value cast(mlir::Value value, mlir::Type elementType) {
    mlir::Type type = elementType;
    if (auto tensor = llvm::dyn_cast<mlir::RankedTensorType>(value.getType()))
      type = tensor.clone(elementType);
    return value.getType() == type ? value : emit<CastOp>(type, value);
  }

  /// `value` as a constant of the element type of `like`: of rank 0 if `like`
  /// is a tensor, a scalar if it is one.
  mlir::Value constant(mlir::Value like, mlir::TypedAttr value) {
    if (llvm::isa<mlir::RankedTensorType>(like.getType()))
      value = mlir::DenseElementsAttr::get(
          mlir::RankedTensorType::get({}, value.getType()),
          static_cast<mlir::Attribute>(value));
    return emit<mlir::arith::ConstantOp>(value);
  }
  mlir::Value number(mlir::Value like, double value) {
    mlir::Type type = mlir::getElementTypeOrSelf(like.getType());
    if (auto real = llvm::dyn_cast<mlir::FloatType>(type))
      return constant(like, builder.getFloatAttr(real, value));
    return constant(like, builder.getIntegerAttr(type, int64_t(value)));
  }
  mlir::Value lowest(mlir::Value like) {
    auto type =
        llvm::cast<mlir::FloatType>(mlir::getElementTypeOrSelf(like.getType()));
    llvm::APFloat value = llvm::APFloat::getLargest(type.getFloatSemantics(),
                                                    /*Negative=*/true);
    return constant(like, mlir::FloatAttr::get(type, value));
  }

  /// 0, 1, 2, ... below an extent, in i32.
  mlir::Value indices(mlir::Value tensor, int64_t axis) {
    return cast(emit<RangeOp>(emit<DimOp>(tensor, axis)), builder.getI32Type());
  }

  /// What a bias over distances [H, R] gives at `distance` [Tq, Tk], i32: [H,
  /// Tq, Tk].
  mlir::Value biasOf(mlir::Value bias, mlir::Value distance, int64_t first) {
    mlir::Value place = sub(distance, number(distance, first));
    place = emit<MaxOp>(place, number(place, 0));
    place = emit<MinOp>(place, number(place, extentOf(bias, 1) - 1));
    return emit<GatherOp>(bias, place, 1);
  }

  /// `value` with heads repeated along `axis`, so that head h of `heads` has
  /// what was head h * keyHeads / heads.
  mlir::Value repeatHeads(mlir::Value value, int64_t axis, int64_t heads,
                          int64_t keyHeads) {
    if (heads == keyHeads)
      return value;
    llvm::SmallVector<int64_t> groups;
    for (int64_t head = 0; head < heads; ++head)
      groups.push_back(head * keyHeads / heads);
    auto type = mlir::RankedTensorType::get(heads, builder.getI64Type());
    mlir::Value indices =
        emit<mlir::arith::ConstantOp>(llvm::cast<mlir::TypedAttr>(
            mlir::DenseElementsAttr::get(type, llvm::ArrayRef(groups))));
    return emit<GatherOp>(value, indices, axis);
  }

  /// Gives the results the very types of the op's, which may be more or less
  /// precise than the inferred ones.
  Values finish(Values values) {
    for (auto [value, type] : llvm::zip(values, op->getResultTypes())) {
      if (value.getType() == type)
        continue;
      bool isOurs = value.getDefiningOp<mlir::InferTypeOpInterface>() &&
                    !llvm::is_contained(op->getOperands(), value);
      if (isOurs)
        value.setType(type);
      else
        value = emit<CastOp>(type, value);
    }
    return values;
  }

  mlir::OpBuilder &builder;
  mlir::Operation *op;
  mlir::Location loc;
};

} // namespace transom::transformer

#endif // TRANSOM_IR_TRANSFORMER_EMITTER_H
