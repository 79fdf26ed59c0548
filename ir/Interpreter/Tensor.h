//===- Tensor.h - a value of the interpreter --------------------*- C++ -*-===//

#ifndef TRANSOM_IR_INTERPRETER_TENSOR_H
#define TRANSOM_IR_INTERPRETER_TENSOR_H

#include "mlir/IR/BuiltinAttributes.h"
#include "mlir/IR/BuiltinTypes.h"

#include <memory>
#include <vector>

namespace transom::interpreter {

/// A dense row-major tensor whose numbers are doubles if its element type is
/// floating point, whatever its width, and int64 if it is an integer (i1: 0 or
/// 1). Rank 0 is a scalar, of an op inside a region as well. Copies share the
/// numbers; writing to a shared tensor copies them first.
class Tensor {
public:
  Tensor() = default;

  /// All zeros. `elementType` is a float or integer type, extents are static.
  Tensor(mlir::Type elementType, llvm::ArrayRef<int64_t> shape);

  /// The numbers of a constant: dense elements, a float or an integer. Nothing
  /// for other attributes.
  static std::optional<Tensor> fromAttribute(mlir::Attribute attribute);

  mlir::Type getElementType() const { return elementType; }
  llvm::ArrayRef<int64_t> getShape() const { return shape; }
  int64_t getRank() const { return shape.size(); }
  int64_t getNumElements() const;
  /// The type of a tensor with exactly these extents.
  mlir::RankedTensorType getType() const;

  bool isFloat() const { return elementType.isFloat(); }
  bool isInteger() const { return !isFloat(); }

  /// The numbers, row-major; only those of the tensor's own kind.
  llvm::ArrayRef<double> floats() const;
  llvm::ArrayRef<int64_t> integers() const;
  llvm::MutableArrayRef<double> floats();
  llvm::MutableArrayRef<int64_t> integers();

  /// Makes every number one that `storage` can hold, as if it were stored and
  /// read again. A float becomes the nearest one, ties to even, and stays
  /// within the range of an integer type; an integer wraps.
  void roundTo(mlir::Type storage);

  /// The same numbers in another shape of as many elements.
  Tensor reshape(llvm::ArrayRef<int64_t> newShape) const;

  /// Extents of 1, and missing leading ones, repeated up to `newShape` (NumPy).
  /// Nothing if the shapes don't fit.
  std::optional<Tensor> broadcast(llvm::ArrayRef<int64_t> newShape) const;

  /// result.shape[i] = shape[permutation[i]].
  Tensor permute(llvm::ArrayRef<int64_t> permutation) const;

  /// `tensor<2x2xf32> [[1, 2], [3, 4]]`, six significant digits.
  void print(llvm::raw_ostream &os) const;

private:
  struct Numbers {
    std::vector<double> floats;
    std::vector<int64_t> integers;
  };
  Numbers &unshare();

  mlir::Type elementType;
  llvm::SmallVector<int64_t, 4> shape;
  std::shared_ptr<Numbers> numbers;
};

/// `value` as an integer of `type` holds it: two's complement, i1 is 0 or 1.
int64_t wrap(int64_t value, mlir::Type type);

} // namespace transom::interpreter

#endif // TRANSOM_IR_INTERPRETER_TENSOR_H
