//===- F32.cpp - weights as checkpoints have them -------------------------===//
//
// [columns][rows]: a column of a block is what a linear layer multiplies with
// one number of its input, a run of whole vectors. A block of one row is that
// row, as embeddings and vectors are read.
//
//===----------------------------------------------------------------------===//
#include "codegen/formats/Format.h"

#include <Halide.h>

#include <algorithm>
#include <cstring>

using namespace transom::codegen;

namespace {

class F32 : public Format {
public:
  const char *name() const override { return "f32"; }

  std::vector<StoredArray> arrays(int64_t rows,
                                  int64_t columns) const override {
    return {{f32, {rows, columns}}};
  }

  void pack(const float *values, int64_t rows, int64_t columns,
            uint8_t *block) const override {
    auto *result = reinterpret_cast<float *>(block);
    if (rows == 1) {
      std::memcpy(result, values, columns * sizeof(float));
      return;
    }
    // In tiles: writing whole columns at a stride of a page would miss the
    // cache at every element.
    constexpr int64_t tile = 16;
    for (int64_t c0 = 0; c0 < columns; c0 += tile)
      for (int64_t r0 = 0; r0 < rows; r0 += tile) {
        int64_t cEnd = std::min(columns, c0 + tile);
        int64_t rEnd = std::min(rows, r0 + tile);
        for (int64_t c = c0; c < cEnd; ++c)
          for (int64_t r = r0; r < rEnd; ++r)
            result[c * rows + r] = values[r * columns + c];
      }
  }

  Halide::Expr decode(const std::vector<Halide::ImageParam> &arrays,
                      Halide::Expr row, Halide::Expr column,
                      Halide::Expr block) const override {
    return arrays[0](row, column, block);
  }
};

} // namespace

const Format &transom::codegen::f32Format() {
  static const F32 format;
  return format;
}
