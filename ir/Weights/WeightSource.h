//===- WeightSource.h - where the numbers behind weights are ----*- C++ -*-===//
//
// `transformer.weight` names tensors of a checkpoint; this is how their values
// are had. Frontends implement it over mapped files, the packing of weights
// reads through it, and neither includes the other.
//
//===----------------------------------------------------------------------===//

#ifndef TRANSOM_IR_WEIGHTS_WEIGHTSOURCE_H
#define TRANSOM_IR_WEIGHTS_WEIGHTSOURCE_H

#include "llvm/ADT/ArrayRef.h"
#include "llvm/ADT/SmallVector.h"
#include "llvm/ADT/StringRef.h"
#include "llvm/Support/Error.h"

#include <cstdint>

namespace transom {

/// Element types that a weight can be stored in.
enum class WeightType { F32, F16, BF16 };

/// Bytes of one element.
int64_t sizeOf(WeightType type);

/// "F32", "F16" or "BF16".
llvm::StringRef nameOf(WeightType type);

/// A tensor as it is stored: dense, row-major, little endian. Aligned to
/// nothing. `bytes` belongs to the source that the view came from.
struct TensorView {
  WeightType type = WeightType::F32;
  llvm::SmallVector<int64_t, 4> shape;
  llvm::ArrayRef<uint8_t> bytes;

  int64_t numElements() const { return bytes.size() / sizeOf(type); }
};

/// The tensors of one checkpoint, by name. Immutable: any number of threads may
/// read at the same time.
class WeightSource {
public:
  virtual ~WeightSource();

  /// The tensor that `#transformer.source<"tensor">` names, without reading its
  /// values. The view lives as long as the source. Fails if there is no such
  /// tensor or it isn't of a WeightType; the message names the checkpoint.
  virtual llvm::Expected<TensorView> lookup(llvm::StringRef tensor) const = 0;

  /// Says that `view` will not be read again soon, so that mapped pages need
  /// not stay in memory: a checkpoint streams through, it never lies in memory
  /// whole. The view stays valid.
  virtual void release(const TensorView &view) const;
};

/// Writes elements [first, first + result.size()) of `view` to `result` as f32:
/// exact, since F16 and BF16 are subsets of F32. The range lies inside the
/// view.
void readAsFloat(const TensorView &view, int64_t first,
                 llvm::MutableArrayRef<float> result);

} // namespace transom

#endif // TRANSOM_IR_WEIGHTS_WEIGHTSOURCE_H
