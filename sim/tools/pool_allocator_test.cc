#include "sim/tools/pool_allocator.h"

#include <array>
#include <cstddef>
#include <cstdint>
#include <cstring>
#include <memory>
#include <new>
#include <string>
#include <string_view>
#include <thread>
#include <vector>

#include "gtest/gtest.h"

namespace quorate::sim {
namespace {

TEST(PoolAllocator, Blocks_AreAlignedAndApart) {
  std::vector<std::unique_ptr<char[]>> blocks;
  for (size_t size = 0; size < 5000; size += 7) {
    blocks.push_back(std::make_unique_for_overwrite<char[]>(size));
    const auto address = reinterpret_cast<uintptr_t>(blocks.back().get());
    EXPECT_EQ(address % alignof(std::max_align_t), 0u) << size;
    std::memset(blocks.back().get(), static_cast<int>(size % 251), size);
  }
  size_t size = 0;
  for (const auto& block : blocks) {
    const std::string expected(size, static_cast<char>(size % 251));
    EXPECT_EQ(std::string_view(block.get(), size), expected);
    size += 7;
  }
}

TEST(PoolAllocator, AFreedBlock_ServesTheNextRequestOfItsSize) {
  if (Allocations() == 0) GTEST_SKIP() << "a sanitizer allocates";
  auto first = std::make_unique<std::array<char, 200>>();
  const void* const address = first.get();
  first.reset();
  const auto second = std::make_unique<std::array<char, 205>>();
  EXPECT_EQ(second.get(), address);
}

TEST(PoolAllocator, OverAlignedTypes_KeepTheirAlignment) {
  struct alignas(256) Wide {
    char bytes[300];
  };
  std::vector<std::unique_ptr<Wide>> wide;
  for (int i = 0; i < 10; ++i) {
    wide.push_back(std::make_unique<Wide>());
    EXPECT_EQ(reinterpret_cast<uintptr_t>(wide.back().get()) % 256, 0u);
  }
}

TEST(PoolAllocator, Allocations_CountsCallsOfThisThread) {
  if (Allocations() == 0) GTEST_SKIP() << "a sanitizer allocates";
  const uint64_t before = Allocations();
  const auto block = std::make_unique<std::array<char, 40>>();
  const auto large = std::make_unique<std::array<char, 40'000>>();
  EXPECT_EQ(Allocations() - before, 2u);
}

TEST(PoolAllocator, BlocksOfOtherThreads_CanBeFreed) {
  std::vector<std::string> texts(100);
  std::thread thread([&texts] {
    for (size_t i = 0; i < texts.size(); ++i) texts[i].assign(20 * i, 'x');
  });
  thread.join();
  for (size_t i = 0; i < texts.size(); ++i) {
    EXPECT_EQ(texts[i], std::string(20 * i, 'x'));
    texts[i] = std::string(30 * i, 'y');
  }
}

}  // namespace
}  // namespace quorate::sim
