//===- Format.h - how the numbers of a weight are stored ------------------===//
//
// A weight is a matrix whose rows are stored in blocks, one after another. A
// format says how a block lies in memory, in both directions: pack() fills the
// weights file, decode() reads it in a kernel. They stand side by side, one
// file a format, so that they cannot disagree. All else is the same for all
// formats: which rows make up a block is Packing's to say, and where the block
// of a task is, Kernel::weight's.
//
//===----------------------------------------------------------------------===//
#ifndef TRANSOM_CODEGEN_FORMATS_FORMAT_H
#define TRANSOM_CODEGEN_FORMATS_FORMAT_H

#include "codegen/ElementType.h"

#include <vector>

// What writes weights meets this header, but not Halide's.
namespace Halide {
struct Expr;
class ImageParam;
} // namespace Halide

namespace transom::codegen {

/// Elements of one type in a block: the numbers, or what they are scaled by.
struct StoredArray {
  ElementType type;
  std::vector<int64_t> extents; ///< innermost first, dense
  int64_t offset = 0;           ///< from the block's start, in bytes
};

class Format {
public:
  virtual ~Format() = default;

  /// Part of the object cache's key: another name for another layout.
  virtual const char *name() const = 0;

  /// What a block of so many rows and columns consists of. Its size is that of
  /// all arrays, rounded up to their largest element.
  virtual std::vector<StoredArray> arrays(int64_t rows,
                                          int64_t columns) const = 0;

  /// Writes `values` [rows, columns], row-major, to a block.
  virtual void pack(const float *values, int64_t rows, int64_t columns,
                    uint8_t *block) const = 0;

  /// The number at a row and column of a block, in f32. The parameters are
  /// those of arrays(), and their last dimension is the block.
  virtual Halide::Expr decode(const std::vector<Halide::ImageParam> &arrays,
                              Halide::Expr row, Halide::Expr column,
                              Halide::Expr block) const = 0;

  int64_t blockBytes(int64_t rows, int64_t columns) const;
};

/// f32, the rows of a block side by side.
const Format &f32Format();

} // namespace transom::codegen

#endif // TRANSOM_CODEGEN_FORMATS_FORMAT_H
