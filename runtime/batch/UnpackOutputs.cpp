//===- UnpackOutputs.cpp - scatters what a program has computed -----------===//
#include "runtime/batch/BatchPacker.h"

using namespace transom;

void BatchPacker::unpack(const Request &request,
                         const void *const *results) const {
  for (int32_t i = 0; i < request.program->num_outputs; ++i) {
    if (!(request.requested >> i & 1))
      continue;
    const transom_output_info &info = request.program->outputs[i];
    size_t bytes = size_t(info.width) * sizeof(float);
    auto *to = static_cast<uint8_t *>(request.outputs[i]->data);
    auto *from = static_cast<const uint8_t *>(results[i]);
    auto put = [&](int64_t row) {
      memcpy(to, from + row * info.row_bytes, bytes);
      to += bytes;
    };
    auto putZeros = [&] {
      memset(to, 0, bytes);
      to += bytes;
    };

    if (numRows == 0) { // Nothing was run: whatever there is, is masked.
      int64_t rows = request.isListed(info)             ? numPositions
                     : info.extent == TRANSOM_SEQUENCES ? request.sequences
                                                        : request.elements;
      if (rows > 0)
        memset(to, 0, size_t(rows) * bytes);
    } else if (info.extent == TRANSOM_SEQUENCES) {
      for (int64_t s = 0; s < request.sequences; ++s)
        if (keyLengths[s] > 0)
          put(s);
        else
          putZeros();
    } else if (request.isListed(info)) {
      for (int64_t row = 0; row < numPositions; ++row)
        put(row);
    } else if (!request.mask) {
      for (int64_t row = 0; row < numRows; ++row)
        put(row);
    } else {
      int64_t row = 0;
      for (int64_t s = 0; s < request.sequences; ++s) {
        int64_t begin = request.begin(s);
        // Without a list, positions are the tokens that are there, no others.
        if (info.extent != TRANSOM_OUTPUT_POSITIONS)
          row = offsets[s];
        for (int64_t column = 0; column < request.columns(s); ++column)
          if (request.isAttended(begin + column))
            put(row++);
          else
            putZeros();
      }
    }
  }
}
