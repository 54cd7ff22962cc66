#include "bench/memory/counted_memory.h"

#include <malloc.h>
#include <unistd.h>

#include <atomic>
#include <cstddef>
#include <cstdio>
#include <cstdlib>
#include <new>

namespace quorate::bench {
namespace {

constinit std::atomic<int64_t> allocated_bytes = 0;

void* Counted(void* block) {
  if (block == nullptr) std::abort();
  allocated_bytes.fetch_add(static_cast<int64_t>(malloc_usable_size(block)),
                            std::memory_order_relaxed);
  return block;
}

void* Allocate(size_t size) { return Counted(std::malloc(size)); }

void* AllocateAligned(size_t size, std::align_val_t alignment) {
  const auto align = static_cast<size_t>(alignment);
  return Counted(std::aligned_alloc(align, (size + align - 1) / align * align));
}

void Release(void* block) {
  if (block == nullptr) return;
  allocated_bytes.fetch_sub(static_cast<int64_t>(malloc_usable_size(block)),
                            std::memory_order_relaxed);
  std::free(block);
}

void ReleaseAligned(void* block) { Release(block); }

}  // namespace

int64_t AllocatedBytes() {
  return allocated_bytes.load(std::memory_order_relaxed);
}

int64_t ResidentBytes() {
  std::FILE* file = std::fopen("/proc/self/statm", "r");
  if (file == nullptr) return 0;
  long long size = 0;
  long long resident = 0;
  const int fields = std::fscanf(file, "%lld %lld", &size, &resident);
  std::fclose(file);
  return fields == 2 ? resident * sysconf(_SC_PAGESIZE) : 0;
}

}  // namespace quorate::bench

using quorate::bench::Allocate;
using quorate::bench::AllocateAligned;
using quorate::bench::Release;
using quorate::bench::ReleaseAligned;

#include "sim/tools/global_allocation.h"
