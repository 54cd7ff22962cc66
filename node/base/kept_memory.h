// node/base/kept_memory.h: the memory that an empty container keeps for its
// next use.
//
// Containers that fill and empty all the time keep their memory, which saves
// allocations. A container that was once very large gives its memory back.
#ifndef QUORATE_NODE_BASE_KEPT_MEMORY_H_
#define QUORATE_NODE_BASE_KEPT_MEMORY_H_

#include <cstddef>

namespace quorate::node {

inline constexpr size_t kKeptBytesMax = 64 << 10;

// The memory of a vector or string.
template <typename Container>
size_t CapacityBytes(const Container& container) {
  return container.capacity() * sizeof(typename Container::value_type);
}

// Empties a vector or string. It keeps at most kKeptBytesMax of memory.
template <typename Container>
void ClearAndTrim(Container* container) {
  if (CapacityBytes(*container) > kKeptBytesMax) {
    Container().swap(*container);  // Assigning an empty one keeps the memory.
  } else {
    container->clear();
  }
}

}  // namespace quorate::node

#endif  // QUORATE_NODE_BASE_KEPT_MEMORY_H_
