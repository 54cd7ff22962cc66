// env/kept_memory.h: the memory that an empty container keeps for its next use.
//
// Containers that fill and empty all the time keep their memory, which saves
// allocations. A container that was once very large gives its memory back.
#ifndef QUORATE_ENV_KEPT_MEMORY_H_
#define QUORATE_ENV_KEPT_MEMORY_H_

#include <cstddef>

namespace quorate {

// The bound for containers of which a node has few.
inline constexpr size_t kKeptBytesMax = 64 << 10;

// The memory of a vector or string.
template <typename Container>
size_t CapacityBytes(const Container& container) {
  return container.capacity() * sizeof(typename Container::value_type);
}

// Empties a vector or string. It keeps its memory if that is at most
// `kept_bytes`, and none otherwise.
template <typename Container>
void ClearAndTrim(Container* container, size_t kept_bytes = kKeptBytesMax) {
  if (CapacityBytes(*container) > kept_bytes) {
    Container().swap(*container);  // Assigning an empty one keeps the memory.
  } else {
    container->clear();
  }
}

}  // namespace quorate

#endif  // QUORATE_ENV_KEPT_MEMORY_H_
