#include "kv/store/record_pool.h"

#include <cstdint>
#include <cstring>
#include <string_view>
#include <utility>
#include <vector>

#include "gtest/gtest.h"
#include "rapidcheck/gtest.h"

namespace quorate::kv {
namespace {

TEST(RecordPool, BlocksOfOneSize_FillASlabBeforeTheNext) {
  RecordPool pool;
  std::vector<void*> blocks;
  while (pool.slab_count() < 2) blocks.push_back(pool.Allocate(136));
  EXPECT_GE((blocks.size() - 1) * 136, RecordPool::kSlabBytes - 200);
  EXPECT_EQ(pool.used_bytes(), blocks.size() * 136);
  for (void* block : blocks) RecordPool::Free(block);
  EXPECT_EQ(pool.slab_count(), 0u);
  EXPECT_EQ(pool.used_bytes(), 0u);
}

TEST(RecordPool, SlabWithoutBlocks_IsFreedWhileOthersStay) {
  RecordPool pool;
  std::vector<void*> blocks;
  for (int i = 0; i < 10'000; ++i) blocks.push_back(pool.Allocate(100));
  const size_t full = pool.slab_count();
  // Every block but the last ones, so that no order of slabs helps.
  for (size_t i = 0; i < 9'900; ++i) RecordPool::Free(blocks[i]);
  EXPECT_LE(pool.slab_count(), 2u);
  EXPECT_GT(full, 30u);
  for (size_t i = 9'900; i < blocks.size(); ++i) RecordPool::Free(blocks[i]);
}

TEST(RecordPool, FreedBlock_IsUsedBeforeANewSlab) {
  RecordPool pool;
  std::vector<void*> blocks;
  while (pool.slab_count() < 2) blocks.push_back(pool.Allocate(64));
  RecordPool::Free(blocks[0]);
  RecordPool::Free(blocks[1]);
  blocks[0] = pool.Allocate(64);
  blocks[1] = pool.Allocate(64);
  EXPECT_EQ(pool.slab_count(), 2u);
  for (void* block : blocks) RecordPool::Free(block);
}

// Blocks keep their bytes, never overlap, are aligned, and all memory goes
// back.
RC_GTEST_PROP(RecordPool, AnyOrder_KeepsBytes, ()) {
  RecordPool pool;
  struct Held {
    char* bytes = nullptr;
    size_t size = 0;
    char fill = 0;
  };
  std::vector<Held> held;
  const auto sizes = *rc::gen::container<std::vector<size_t>>(
      4, rc::gen::inRange<size_t>(1, RecordPool::kBlockBytesMax + 1));
  const auto free_one = [&](size_t at) {
    const std::string_view bytes(held[at].bytes, held[at].size);
    RC_ASSERT(bytes.find_first_not_of(held[at].fill) == std::string_view::npos);
    RecordPool::Free(held[at].bytes);
    held[at] = held.back();
    held.pop_back();
  };
  const auto draws = *rc::gen::arbitrary<std::vector<uint32_t>>();
  for (const uint32_t draw : draws) {
    for (uint32_t i = 0; i < 40; ++i) {
      if (draw % 3 == 0 && !held.empty()) {
        free_one((draw / 3 + i) % held.size());
        continue;
      }
      const size_t size = sizes[(draw / 3 + i) % sizes.size()];
      Held one{static_cast<char*>(pool.Allocate(size)), size,
               static_cast<char>(held.size())};
      RC_ASSERT(reinterpret_cast<uintptr_t>(one.bytes) % 8 == 0);
      std::memset(one.bytes, one.fill, size);
      held.push_back(one);
    }
  }
  while (!held.empty()) free_one(held.size() - 1);
  RC_ASSERT(pool.slab_count() == 0u);
  RC_ASSERT(pool.used_bytes() == 0u);
}

}  // namespace
}  // namespace quorate::kv
