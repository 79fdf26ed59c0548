//===- Memory.h - memory that grows with the largest use ------------------===//
#ifndef TRANSOM_RUNTIME_MEMORY_H
#define TRANSOM_RUNTIME_MEMORY_H

#include <cstddef>
#include <cstdint>
#include <cstdlib>
#include <new>

namespace transom {

constexpr int64_t divideUp(int64_t value, int64_t by) {
  return value / by + (value % by != 0);
}
constexpr int64_t roundUp(int64_t value, int64_t to) {
  return divideUp(value, to) * to;
}

/// sum += count * bytes; false if that can't be represented.
inline bool addProduct(int64_t &sum, int64_t count, int64_t bytes) {
  int64_t product;
  return !__builtin_mul_overflow(count, bytes, &product) &&
         !__builtin_add_overflow(sum, product, &sum);
}

/// An anonymous mapping, page-aligned, zero when new. From 2 MiB on it is
/// aligned for huge pages, and asks for them.
struct Region {
  uint8_t *base = nullptr;
  size_t bytes = 0;

  /// Makes room for at least `wanted` bytes. If it has to grow, the contents
  /// are lost, and the old memory is given back first, so that the peak is the
  /// new size. False if there is no memory: the region is then empty.
  bool reserve(size_t wanted);
  void release();
};

/// new and delete without the C++ library: `T` on its own cache lines.
template <typename T> T *create() {
  constexpr size_t alignment = alignof(T) < 64 ? 64 : alignof(T);
  void *memory =
      aligned_alloc(alignment, size_t(roundUp(sizeof(T), alignment)));
  return memory ? new (memory) T() : nullptr;
}
/// `count` of them, for free: T needs no destruction.
template <typename T> T *createArray(int64_t count) {
  auto *array = static_cast<T *>(calloc(size_t(count), sizeof(T)));
  for (int64_t i = 0; array && i < count; ++i)
    new (array + i) T();
  return array;
}
template <typename T> void destroy(T *object) {
  if (object) {
    object->~T();
    free(object);
  }
}

} // namespace transom

#endif // TRANSOM_RUNTIME_MEMORY_H
