#include "env/kept_memory.h"

#include <cstdint>
#include <string>
#include <vector>

#include "gtest/gtest.h"

namespace quorate {
namespace {

TEST(ClearAndTrim, MemoryUpToTheBound_IsKept) {
  std::vector<uint64_t> numbers(100);
  const size_t bytes = CapacityBytes(numbers);
  EXPECT_GE(bytes, 800u);
  ClearAndTrim(&numbers, bytes);
  EXPECT_TRUE(numbers.empty());
  EXPECT_EQ(CapacityBytes(numbers), bytes);
}

TEST(ClearAndTrim, MemoryBeyondTheBound_IsFreed) {
  std::vector<uint64_t> numbers(100);
  ClearAndTrim(&numbers, CapacityBytes(numbers) - 1);
  EXPECT_TRUE(numbers.empty());
  EXPECT_EQ(CapacityBytes(numbers), 0u);
}

TEST(ClearAndTrim, LargeString_KeepsNoBlock) {
  std::string text(kKeptBytesMax + 1, 'x');
  ClearAndTrim(&text);
  EXPECT_TRUE(text.empty());
  EXPECT_EQ(text.capacity(), std::string().capacity());
}

TEST(ClearAndTrim, SmallString_KeepsItsBlock) {
  std::string text(1'000, 'x');
  const size_t capacity = text.capacity();
  ClearAndTrim(&text);
  EXPECT_TRUE(text.empty());
  EXPECT_EQ(text.capacity(), capacity);
}

}  // namespace
}  // namespace quorate
