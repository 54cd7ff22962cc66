// kv/store/record_pool.h: memory for records, in blocks of sizes that are
// multiples of 8 bytes.
//
// A general allocator rounds sizes above 128 bytes up by as much as a quarter,
// which is the largest part of a small key's overhead. A pool cuts aligned
// slabs into blocks of one size. A slab without blocks in use goes back to the
// allocator at once. All stores of a node share one pool, so that small groups
// do not hold partly used slabs of their own.
#ifndef QUORATE_KV_STORE_RECORD_POOL_H_
#define QUORATE_KV_STORE_RECORD_POOL_H_

#include <cstddef>
#include <cstdint>
#include <vector>

namespace quorate::kv {

// Single-threaded. It outlives its blocks.
class RecordPool {
 public:
  static constexpr size_t kSlabBytes = size_t{32} << 10;
  static constexpr size_t kBlockBytesMax = size_t{2} << 10;

  RecordPool() = default;
  // Requires: all blocks were freed.
  ~RecordPool();
  RecordPool(const RecordPool&) = delete;
  RecordPool& operator=(const RecordPool&) = delete;

  // Returns a block of at least `size_bytes` bytes, aligned to 8. Requires:
  // 0 < size_bytes <= kBlockBytesMax.
  void* Allocate(size_t size_bytes);
  // Frees a block of any pool.
  static void Free(void* block);

  // Slabs in use, and bytes of the blocks in use, rounded as allocated.
  size_t slab_count() const { return slab_count_; }
  size_t used_bytes() const { return used_bytes_; }

 private:
  struct Slab;
  struct FreeBlock;

  static constexpr size_t kStepBytes = 8;

  Slab* NewSlab(size_t size_class);
  void FreeIn(Slab* slab, void* block);
  void Link(Slab* slab);
  void Unlink(Slab* slab);
  static void Release(void* slab);

  // By size class, which is the size in steps: a list of the slabs with room.
  std::vector<Slab*> with_room_;
  // The memory of the last slab that became empty, for the next one. May be
  // null.
  void* spare_ = nullptr;
  size_t slab_count_ = 0;
  size_t used_bytes_ = 0;
};

}  // namespace quorate::kv

#endif  // QUORATE_KV_STORE_RECORD_POOL_H_
