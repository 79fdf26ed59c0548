//===- Array.h - a growing array without the C++ library ------------------===//
#ifndef TRANSOM_RUNTIME_GENERATION_ARRAY_H
#define TRANSOM_RUNTIME_GENERATION_ARRAY_H

#include <cstdint>
#include <cstdlib>
#include <cstring>
#include <type_traits>

namespace transom {

/// Elements are not constructed, and move as bytes. Functions that return false
/// had no memory, and changed nothing.
template <typename T> class Array {
  static_assert(std::is_trivially_copyable_v<T>);

public:
  Array() = default;
  Array(const Array &) = delete;
  Array &operator=(const Array &) = delete;
  ~Array() { free(memory); }

  T *data() { return memory; }
  const T *data() const { return memory; }
  int64_t size() const { return count; }
  bool empty() const { return count == 0; }
  T &operator[](int64_t i) { return memory[i]; }
  const T &operator[](int64_t i) const { return memory[i]; }
  T *begin() { return memory; }
  T *end() { return memory + count; }
  const T *begin() const { return memory; }
  const T *end() const { return memory + count; }

  bool reserve(int64_t wanted) {
    if (wanted <= capacity)
      return true;
    if (wanted < 2 * capacity)
      wanted = 2 * capacity; // It has grown before.
    size_t bytes;
    if (__builtin_mul_overflow(wanted, sizeof(T), &bytes))
      return false;
    void *grown = realloc(static_cast<void *>(memory), bytes);
    if (!grown)
      return false;
    memory = static_cast<T *>(grown);
    capacity = wanted;
    return true;
  }
  /// New elements are indeterminate.
  bool resize(int64_t wanted) {
    if (!reserve(wanted))
      return false;
    count = wanted;
    return true;
  }
  bool push(T value) {
    if (count == capacity && !reserve(capacity < 8 ? 8 : capacity + 1))
      return false;
    memory[count++] = value;
    return true;
  }
  bool assign(const T *values, int64_t number) {
    if (!resize(number))
      return false;
    if (number > 0)
      memcpy(static_cast<void *>(memory), values, size_t(number) * sizeof(T));
    return true;
  }
  /// Keeps the order of the others.
  void erase(int64_t i) {
    memmove(static_cast<void *>(memory + i), memory + i + 1,
            size_t(count - i - 1) * sizeof(T));
    --count;
  }
  void clear() { count = 0; }

private:
  T *memory = nullptr;
  int64_t count = 0, capacity = 0;
};

} // namespace transom

#endif // TRANSOM_RUNTIME_GENERATION_ARRAY_H
