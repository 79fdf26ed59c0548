//===- Format.cpp - how the numbers of a weight are stored ----------------===//
#include "codegen/formats/Format.h"

#include <algorithm>

using namespace transom::codegen;

int64_t Format::blockBytes(int64_t rows, int64_t columns) const {
  int64_t end = 0, largest = 1;
  for (const StoredArray &array : arrays(rows, columns)) {
    int64_t bytes = array.type.bytes();
    largest = std::max(largest, bytes);
    for (int64_t extent : array.extents)
      bytes *= extent;
    end = std::max(end, array.offset + bytes);
  }
  return (end + largest - 1) / largest * largest;
}
