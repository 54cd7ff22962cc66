#include "kv/store/record_pool.h"

#include <new>
#include <utility>

#include "env/check.h"

#if defined(__SANITIZE_ADDRESS__)
#include <sanitizer/asan_interface.h>
#else
#define ASAN_POISON_MEMORY_REGION(begin, size) ((void)(begin), (void)(size))
#define ASAN_UNPOISON_MEMORY_REGION(begin, size) ((void)(begin), (void)(size))
#endif

namespace quorate::kv {

// Stands in a free block, whose other bytes are poisoned under a sanitizer.
struct RecordPool::FreeBlock {
  FreeBlock* next = nullptr;
};

// The beginning of a slab. Its address is a multiple of kSlabBytes, so that a
// block's address tells its slab.
struct RecordPool::Slab {
  RecordPool* pool = nullptr;
  // Neighbours in the list of slabs with room.
  Slab* previous = nullptr;
  Slab* next = nullptr;
  FreeBlock* free = nullptr;
  uint32_t size_class = 0;
  uint32_t used_blocks = 0;
  // Blocks from this one on were never in use, and are not in `free`.
  uint32_t first_unused = 0;
  uint32_t block_count = 0;

  size_t block_bytes() const { return size_class * kStepBytes; }
  char* block(uint32_t at) {
    return reinterpret_cast<char*>(this + 1) + at * block_bytes();
  }
  bool full() const { return used_blocks == block_count; }
};

RecordPool::~RecordPool() {
  CHECK_EQ(slab_count_, size_t{0});
  Release(spare_);
}

void RecordPool::Release(void* slab) {
  if (slab == nullptr) return;
  ASAN_UNPOISON_MEMORY_REGION(slab, kSlabBytes);
  ::operator delete (slab, std::align_val_t{kSlabBytes});
}

RecordPool::Slab* RecordPool::NewSlab(size_t size_class) {
  static_assert(sizeof(Slab) % kStepBytes == 0);
  void* bytes = std::exchange(spare_, nullptr);
  if (bytes == nullptr) {
    bytes = ::operator new (kSlabBytes, std::align_val_t{kSlabBytes});
  }
  ASAN_UNPOISON_MEMORY_REGION(bytes, sizeof(Slab));
  Slab* slab = new (bytes) Slab();
  slab->pool = this;
  slab->size_class = static_cast<uint32_t>(size_class);
  slab->block_count =
      static_cast<uint32_t>((kSlabBytes - sizeof(Slab)) / slab->block_bytes());
  ASAN_POISON_MEMORY_REGION(slab + 1, kSlabBytes - sizeof(Slab));
  Link(slab);
  ++slab_count_;
  return slab;
}

void RecordPool::Link(Slab* slab) {
  Slab*& first = with_room_[slab->size_class];
  slab->previous = nullptr;
  slab->next = first;
  if (first != nullptr) first->previous = slab;
  first = slab;
}

void RecordPool::Unlink(Slab* slab) {
  if (slab->next != nullptr) slab->next->previous = slab->previous;
  if (slab->previous != nullptr) {
    slab->previous->next = slab->next;
  } else {
    with_room_[slab->size_class] = slab->next;
  }
}

void* RecordPool::Allocate(size_t size_bytes) {
  CHECK_GT(size_bytes, size_t{0});
  CHECK_LE(size_bytes, kBlockBytesMax);
  const size_t size_class = (size_bytes + kStepBytes - 1) / kStepBytes;
  if (size_class >= with_room_.size()) with_room_.resize(size_class + 1);
  Slab* slab = with_room_[size_class];
  if (slab == nullptr) slab = NewSlab(size_class);
  void* block = slab->free;
  if (block != nullptr) {
    slab->free = slab->free->next;
  } else {
    block = slab->block(slab->first_unused++);
  }
  ASAN_UNPOISON_MEMORY_REGION(block, slab->block_bytes());
  ++slab->used_blocks;
  used_bytes_ += slab->block_bytes();
  if (slab->full()) Unlink(slab);
  return block;
}

void RecordPool::Free(void* block) {
  const auto address = reinterpret_cast<uintptr_t>(block);
  auto* slab = reinterpret_cast<Slab*>(address & ~(kSlabBytes - 1));
  slab->pool->FreeIn(slab, block);
}

void RecordPool::FreeIn(Slab* slab, void* block) {
  CHECK_GT(slab->used_blocks, 0u);
  if (slab->full()) Link(slab);
  --slab->used_blocks;
  used_bytes_ -= slab->block_bytes();
  if (slab->used_blocks == 0) {
    Unlink(slab);
    --slab_count_;
    // In a small store each write may empty one slab and begin another.
    ASAN_POISON_MEMORY_REGION(slab, kSlabBytes);
    Release(std::exchange(spare_, slab));
    return;
  }
  slab->free = new (block) FreeBlock{.next = slab->free};
  ASAN_POISON_MEMORY_REGION(static_cast<char*>(block) + sizeof(FreeBlock),
                            slab->block_bytes() - sizeof(FreeBlock));
}

}  // namespace quorate::kv
