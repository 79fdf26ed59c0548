//===- Tensor.cpp - a value of the interpreter ----------------------------===//

#include "ir/Interpreter/Tensor.h"

#include "llvm/ADT/STLExtras.h"
#include "llvm/Support/Format.h"
#include "llvm/Support/MathExtras.h"

#include <cmath>

using namespace mlir;
using namespace transom::interpreter;

static int64_t product(ArrayRef<int64_t> shape) {
  return llvm::product_of(shape);
}

/// Elements between neighbours along each dimension.
static SmallVector<int64_t> getStrides(ArrayRef<int64_t> shape) {
  SmallVector<int64_t> strides(shape.size(), 1);
  for (int64_t axis = static_cast<int64_t>(shape.size()) - 2; axis >= 0; --axis)
    strides[axis] = strides[axis + 1] * shape[axis + 1];
  return strides;
}

/// Calls `visit(target, source)` for each element of `shape` in row-major
/// order, where `source` moves by `strides` of its own.
static void walk(ArrayRef<int64_t> shape, ArrayRef<int64_t> strides,
                 llvm::function_ref<void(int64_t, int64_t)> visit) {
  SmallVector<int64_t> index(shape.size(), 0);
  int64_t count = product(shape), source = 0;
  for (int64_t target = 0; target < count; ++target) {
    visit(target, source);
    for (int64_t axis = static_cast<int64_t>(shape.size()) - 1; axis >= 0;
         --axis) {
      source += strides[axis];
      if (++index[axis] < shape[axis])
        break;
      source -= strides[axis] * shape[axis];
      index[axis] = 0;
    }
  }
}

int64_t transom::interpreter::wrap(int64_t value, Type type) {
  unsigned width = type.getIntOrFloatBitWidth();
  if (width == 1)
    return value & 1;
  return width >= 64 ? value : llvm::SignExtend64(value, width);
}

Tensor::Tensor(Type elementType, ArrayRef<int64_t> shape)
    : elementType(elementType), shape(shape),
      numbers(std::make_shared<Numbers>()) {
  if (isFloat())
    numbers->floats.resize(product(shape));
  else
    numbers->integers.resize(product(shape));
}

std::optional<Tensor> Tensor::fromAttribute(Attribute attribute) {
  if (auto number = dyn_cast<FloatAttr>(attribute)) {
    Tensor result(number.getType(), {});
    result.floats()[0] = number.getValueAsDouble();
    return result;
  }
  if (auto number = dyn_cast<IntegerAttr>(attribute)) {
    Tensor result(number.getType(), {});
    result.integers()[0] = wrap(
        number.getValue().sextOrTrunc(64).getSExtValue(), number.getType());
    return result;
  }
  auto elements = dyn_cast<ElementsAttr>(attribute);
  if (!elements || !elements.getShapedType().hasStaticShape())
    return std::nullopt;
  Type type = elements.getElementType();
  Tensor result(type, elements.getShapedType().getShape());
  if (type.isFloat()) {
    auto values = elements.tryGetValues<APFloat>();
    if (!values)
      return std::nullopt;
    for (auto [number, value] : llvm::zip_equal(result.floats(), *values))
      number = value.convertToDouble();
    return result;
  }
  auto values = elements.tryGetValues<APInt>();
  if (!values)
    return std::nullopt;
  for (auto [number, value] : llvm::zip_equal(result.integers(), *values))
    number = wrap(value.sextOrTrunc(64).getSExtValue(), type);
  return result;
}

int64_t Tensor::getNumElements() const { return product(shape); }

RankedTensorType Tensor::getType() const {
  return RankedTensorType::get(shape, elementType);
}

ArrayRef<double> Tensor::floats() const {
  assert(isFloat());
  return numbers->floats;
}
ArrayRef<int64_t> Tensor::integers() const {
  assert(isInteger());
  return numbers->integers;
}

Tensor::Numbers &Tensor::unshare() {
  if (numbers.use_count() > 1)
    numbers = std::make_shared<Numbers>(*numbers);
  return *numbers;
}
MutableArrayRef<double> Tensor::floats() {
  assert(isFloat());
  return unshare().floats;
}
MutableArrayRef<int64_t> Tensor::integers() {
  assert(isInteger());
  return unshare().integers;
}

/// `value` as a number of the type, which is neither f32 nor f64.
static double roundTo(double value, Type type) {
  if (auto floatType = dyn_cast<FloatType>(type)) {
    APFloat number(value);
    bool losesInfo;
    number.convert(floatType.getFloatSemantics(), APFloat::rmNearestTiesToEven,
                   &losesInfo);
    return number.convertToDouble();
  }
  unsigned width = type.getIntOrFloatBitWidth();
  bool isSigned = !type.isUnsignedInteger();
  double most = std::ldexp(1.0, width - isSigned) - 1;
  double least = isSigned ? -most - 1 : 0;
  return std::min(std::max(std::nearbyint(value), least), most);
}

void Tensor::roundTo(Type storage) {
  if (isInteger()) {
    for (int64_t &value : integers())
      value = wrap(value, storage);
  } else if (storage.isF32()) { // As is most of what the interpreter sees.
    for (double &value : floats())
      value = static_cast<float>(value);
  } else if (!storage.isF64()) {
    for (double &value : floats())
      value = ::roundTo(value, storage);
  }
}

Tensor Tensor::reshape(ArrayRef<int64_t> newShape) const {
  assert(product(newShape) == getNumElements());
  Tensor result = *this;
  result.shape.assign(newShape.begin(), newShape.end());
  return result;
}

/// `shape`, whose element at an index is the one that `strides` lead to.
static Tensor readStrided(const Tensor &tensor, ArrayRef<int64_t> shape,
                          ArrayRef<int64_t> strides) {
  Tensor result(tensor.getElementType(), shape);
  if (tensor.isFloat()) {
    ArrayRef<double> from = tensor.floats();
    MutableArrayRef<double> to = result.floats();
    walk(shape, strides, [&](int64_t t, int64_t s) { to[t] = from[s]; });
  } else {
    ArrayRef<int64_t> from = tensor.integers();
    MutableArrayRef<int64_t> to = result.integers();
    walk(shape, strides, [&](int64_t t, int64_t s) { to[t] = from[s]; });
  }
  return result;
}

std::optional<Tensor> Tensor::broadcast(ArrayRef<int64_t> newShape) const {
  if (ArrayRef<int64_t>(shape) == newShape)
    return *this;
  if (shape.size() > newShape.size())
    return std::nullopt;
  size_t missing = newShape.size() - shape.size();
  SmallVector<int64_t> own = getStrides(shape), strides(newShape.size(), 0);
  for (auto [axis, extent] : llvm::enumerate(shape)) {
    if (extent == newShape[missing + axis])
      strides[missing + axis] = own[axis];
    else if (extent != 1)
      return std::nullopt;
  }
  return readStrided(*this, newShape, strides);
}

Tensor Tensor::permute(ArrayRef<int64_t> permutation) const {
  SmallVector<int64_t> own = getStrides(shape), newShape, strides;
  for (int64_t axis : permutation) {
    newShape.push_back(shape[axis]);
    strides.push_back(own[axis]);
  }
  return readStrided(*this, newShape, strides);
}

static void printElements(llvm::raw_ostream &os, const Tensor &tensor,
                          ArrayRef<int64_t> shape, int64_t &at) {
  if (shape.empty()) {
    int64_t i = at++;
    if (tensor.isInteger())
      os << tensor.integers()[i];
    else if (std::isnan(tensor.floats()[i]))
      os << "nan"; // Of either sign.
    else
      os << llvm::format("%.6g", tensor.floats()[i]);
    return;
  }
  os << '[';
  for (int64_t i = 0; i < shape.front(); ++i) {
    if (i)
      os << ", ";
    printElements(os, tensor, shape.drop_front(), at);
  }
  os << ']';
}

void Tensor::print(llvm::raw_ostream &os) const {
  int64_t at = 0;
  os << getType() << ' ';
  printElements(os, *this, shape, at);
}
