//===- Shapes.cpp - extents, broadcasting, axes ---------------------------===//

#include "ir/Transformer/Shapes.h"

#include "mlir/IR/TypeUtilities.h"
#include "llvm/ADT/STLExtras.h"
#include "llvm/Support/MathExtras.h"

#include <algorithm>

using namespace mlir;

namespace transom::transformer {

bool areCompatibleExtents(int64_t a, int64_t b) {
  return a == b || ShapedType::isDynamic(a) || ShapedType::isDynamic(b);
}

int64_t meetExtents(int64_t a, int64_t b) {
  return ShapedType::isDynamic(a) ? b : a;
}

std::optional<int64_t> broadcastExtents(int64_t a, int64_t b) {
  if (a == b || b == 1)
    return a;
  if (a == 1 || ShapedType::isDynamic(a))
    return b;
  if (ShapedType::isDynamic(b))
    return a;
  return std::nullopt;
}

std::optional<SmallVector<int64_t>> broadcastShapes(ArrayRef<int64_t> a,
                                                    ArrayRef<int64_t> b) {
  if (a.size() < b.size())
    std::swap(a, b);
  SmallVector<int64_t> shape(a);
  for (size_t i = 0, lead = a.size() - b.size(); i < b.size(); ++i) {
    std::optional<int64_t> extent = broadcastExtents(a[lead + i], b[i]);
    if (!extent)
      return std::nullopt;
    shape[lead + i] = *extent;
  }
  return shape;
}

std::optional<int64_t> normalizeAxis(int64_t axis, int64_t rank) {
  if (axis < -rank || axis >= rank)
    return std::nullopt;
  return axis < 0 ? axis + rank : axis;
}

int64_t countElements(ArrayRef<int64_t> shape) {
  int64_t count = 1;
  for (int64_t extent : shape)
    if (ShapedType::isDynamic(extent) ||
        llvm::MulOverflow(count, extent, count))
      return ShapedType::kDynamic;
  return count;
}

int64_t sliceExtent(int64_t extent, int64_t begin, int64_t end, int64_t step) {
  if (ShapedType::isDynamic(extent) || step <= 0)
    return ShapedType::kDynamic;
  auto resolve = [&](int64_t position) {
    // An extent is far from overflow; only ends may be enormous.
    int64_t fromStart = position < 0 ? position + extent : position;
    return std::clamp<int64_t>(fromStart, 0, extent);
  };
  int64_t length = std::max<int64_t>(resolve(end) - resolve(begin), 0);
  return length / step + (length % step != 0);
}

bool areCompatible(Type a, Type b) {
  return getElementTypeOrSelf(a) == getElementTypeOrSelf(b) &&
         isa<ShapedType>(a) == isa<ShapedType>(b) &&
         succeeded(verifyCompatibleShape(a, b));
}

bool areCompatible(TypeRange a, TypeRange b) {
  return llvm::equal(a, b, [](Type x, Type y) { return areCompatible(x, y); });
}

} // namespace transom::transformer
