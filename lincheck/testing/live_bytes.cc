#include "lincheck/testing/live_bytes.h"

#include <malloc.h>

#include <algorithm>
#include <cstdlib>
#include <new>

namespace {
size_t live_bytes = 0;
size_t peak_bytes = 0;
}  // namespace

void* operator new(size_t size) {
  void* memory = std::malloc(size);
  if (memory == nullptr) std::abort();
  live_bytes += malloc_usable_size(memory);
  peak_bytes = std::max(peak_bytes, live_bytes);
  return memory;
}
void operator delete(void* memory) noexcept {
  live_bytes -= malloc_usable_size(memory);
  std::free(memory);
}
void operator delete(void* memory, size_t) noexcept { operator delete(memory); }

namespace quorate::lincheck {

size_t LiveBytes() { return live_bytes; }
size_t PeakBytes() { return peak_bytes; }
void BeginPeak() { peak_bytes = live_bytes; }

}  // namespace quorate::lincheck
