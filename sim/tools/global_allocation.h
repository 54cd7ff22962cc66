// sim/tools/global_allocation.h: replaces operators new and delete of a program
// by functions of an allocator.
//
// One source file of a library includes it, after these functions of its own
// are in scope: Allocate(size), AllocateAligned(size, alignment),
// Release(bytes) and ReleaseAligned(bytes).
#ifndef QUORATE_SIM_TOOLS_GLOBAL_ALLOCATION_H_
#define QUORATE_SIM_TOOLS_GLOBAL_ALLOCATION_H_

#include <cstddef>
#include <new>

void* operator new(size_t size) { return Allocate(size); }
void* operator new[](size_t size) { return Allocate(size); }
void* operator new(size_t size, std::align_val_t alignment) {
  return AllocateAligned(size, alignment);
}
void* operator new[](size_t size, std::align_val_t alignment) {
  return AllocateAligned(size, alignment);
}
void operator delete(void* bytes) noexcept { Release(bytes); }
void operator delete[](void* bytes) noexcept { Release(bytes); }
void operator delete(void* bytes, size_t) noexcept { Release(bytes); }
void operator delete[](void* bytes, size_t) noexcept { Release(bytes); }
void operator delete(void* bytes, std::align_val_t) noexcept {
  ReleaseAligned(bytes);
}
void operator delete[](void* bytes, std::align_val_t) noexcept {
  ReleaseAligned(bytes);
}
void operator delete(void* bytes, size_t, std::align_val_t) noexcept {
  ReleaseAligned(bytes);
}
void operator delete[](void* bytes, size_t, std::align_val_t) noexcept {
  ReleaseAligned(bytes);
}

#endif  // QUORATE_SIM_TOOLS_GLOBAL_ALLOCATION_H_
