#include "sim/tools/pool_allocator.h"

#include <malloc.h>

#include <array>
#include <cstddef>
#include <cstdlib>
#include <new>

#if defined(__SANITIZE_ADDRESS__) || defined(__SANITIZE_THREAD__)

// A sanitizer has an allocator of its own.
namespace quorate::sim {
uint64_t Allocations() { return 0; }
}  // namespace quorate::sim

#else

namespace quorate::sim {
namespace {

// Blocks of one class have equal sizes, so a freed one serves the next request
// of its class. Sizes are multiples of kStepBytes.
constexpr size_t kStepBytes = 16;
constexpr size_t kClasses = 128;
constexpr size_t kSmallBytesMax = kStepBytes * (kClasses - 1);
// New blocks are cut from chunks. A chunk is never given back.
constexpr size_t kChunkBytes = size_t{1} << 18;

// Stands before the bytes of a block. Its size keeps them aligned.
struct alignas(std::max_align_t) Header {
  size_t size_class;  // 0: from std::malloc.
};
static_assert(sizeof(Header) == kStepBytes);

// A block that is free.
struct Free {
  Free* next;
};

// Plain values without a constructor: threads may allocate before any
// constructor has run.
struct Pool {
  std::array<Free*, kClasses> free;
  char* chunk;
  char* chunk_end;
  uint64_t allocations;
};
// Without locks: each thread has a pool of its own. A block that another thread
// frees goes to that thread's pool.
thread_local constinit Pool pool = {};

void* BytesOf(void* block, size_t size_class) {
  if (block == nullptr) std::abort();
  auto* const header = static_cast<Header*>(block);
  header->size_class = size_class;
  return header + 1;
}

[[gnu::noinline]] void* Cut(size_t size_class) {
  const size_t bytes = sizeof(Header) + size_class * kStepBytes;
  if (static_cast<size_t>(pool.chunk_end - pool.chunk) < bytes) {
    pool.chunk = static_cast<char*>(std::malloc(kChunkBytes));
    if (pool.chunk == nullptr) std::abort();
    pool.chunk_end = pool.chunk + kChunkBytes;
  }
  void* const block = pool.chunk;
  pool.chunk += bytes;
  return BytesOf(block, size_class);
}

inline void* Allocate(size_t size) {
  ++pool.allocations;
  if (size > kSmallBytesMax) {
    return BytesOf(std::malloc(sizeof(Header) + size), 0);
  }
  const size_t size_class =
      size == 0 ? 1 : (size + kStepBytes - 1) / kStepBytes;
  Free*& list = pool.free[size_class];
  if (list == nullptr) return Cut(size_class);
  Free* const block = list;
  list = block->next;
  return block;
}

inline void Release(void* bytes) {
  if (bytes == nullptr) return;
  Header* const header = static_cast<Header*>(bytes) - 1;
  const size_t size_class = header->size_class;
  if (size_class == 0) return std::free(header);
  auto* const block = static_cast<Free*>(bytes);
  block->next = pool.free[size_class];
  pool.free[size_class] = block;
}

// Each run allocates and frees the same large blocks, such as files. The C
// library keeps what is freed, so the kernel does not hand out and clear the
// same pages for each run.
constexpr int kMappedBytes = 32 << 20;  // The most that it takes.
constexpr int kKeptBytes = 1 << 30;
constexpr int kGrownBytes = 16 << 20;
[[maybe_unused]] const bool kept =
    mallopt(M_MMAP_THRESHOLD, kMappedBytes) != 0 &&
    mallopt(M_TRIM_THRESHOLD, kKeptBytes) != 0 &&
    mallopt(M_TOP_PAD, kGrownBytes) != 0;

// Rare: such blocks come from the C library, without a header.
void* AllocateAligned(size_t size, std::align_val_t alignment) {
  ++pool.allocations;
  const auto align = static_cast<size_t>(alignment);
  void* const bytes =
      std::aligned_alloc(align, (size + align - 1) / align * align);
  if (bytes == nullptr) std::abort();
  return bytes;
}

void ReleaseAligned(void* bytes) { std::free(bytes); }

}  // namespace

uint64_t Allocations() { return pool.allocations; }

}  // namespace quorate::sim

using quorate::sim::Allocate;
using quorate::sim::AllocateAligned;
using quorate::sim::Release;
using quorate::sim::ReleaseAligned;

#include "sim/tools/global_allocation.h"

#endif
