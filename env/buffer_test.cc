#include "env/buffer.h"

#include <cstring>
#include <string>
#include <utility>

#include "gtest/gtest.h"

namespace quorate {
namespace {

TEST(Buffer, Default_IsEmpty) {
  Buffer buffer;
  EXPECT_TRUE(buffer.empty());
  EXPECT_EQ(buffer.view(), "");
  EXPECT_EQ(buffer, Buffer::Copy(""));
}

TEST(Buffer, Slice_SharesTheBytesAndOutlivesTheWhole) {
  Buffer slice;
  const char* inside = nullptr;
  {
    Buffer whole = Buffer::Copy("hello world");
    slice = whole.Slice(6, 5);
    inside = whole.data() + 6;
  }
  EXPECT_EQ(slice.view(), "world");
  EXPECT_EQ(slice.data(), inside);
  EXPECT_EQ(slice.Suffix(3).view(), "ld");
}

TEST(Buffer, Moved_LeavesNothingBehind) {
  Buffer a = Buffer::Copy("abc");
  Buffer b = std::move(a);
  EXPECT_TRUE(a.empty());
  EXPECT_EQ(b.view(), "abc");
  b = b.Slice(1, 1);
  EXPECT_EQ(b.view(), "b");
}

TEST(Buffer, Take_KeepsTheBytesWhereTheyAre) {
  for (const size_t size : {3u, 1'000u}) {
    Buffer slice;
    {
      std::string text(size, 'x');
      text.back() = 'y';
      const char* const inside = text.data();
      Buffer whole = Buffer::Take(std::move(text));
      // A short text lies inside the string itself, which moves.
      if (size > 100) {
        EXPECT_EQ(whole.data(), inside);
      }
      EXPECT_EQ(whole.size(), size);
      EXPECT_GE(whole.block_size(), size);
      EXPECT_LT(whole.block_size(), 2 * size + 32);
      slice = whole.Suffix(size - 2);
    }
    EXPECT_EQ(slice.view(), "xy");
  }
  EXPECT_TRUE(Buffer::Take("").empty());
}

TEST(Buffer, Create_FillsTheBlock) {
  Buffer buffer =
      Buffer::Create(3, [](char* block) { std::memcpy(block, "xyz", 3); });
  EXPECT_EQ(buffer.view(), "xyz");
}

TEST(Buffer, Constant_HasNoBlock) {
  static constexpr char kBytes[] = "abcdef";
  Buffer suffix;
  {
    const Buffer whole = Buffer::Constant(kBytes);
    EXPECT_EQ(whole.data(), kBytes);
    EXPECT_EQ(whole.view(), "abcdef");
    EXPECT_EQ(whole.block_size(), 0u);
    suffix = whole.Suffix(4);
  }
  EXPECT_EQ(suffix.view(), "ef");
}

TEST(BufferDeathTest, SliceOutsideTheBytes_Fails) {
  Buffer buffer = Buffer::Copy("abc");
  EXPECT_DEATH(buffer.Slice(2, 2), "CHECK failed");
  EXPECT_DEATH(buffer.Slice(4, 0), "CHECK failed");
}

TEST(Buffer, Slice_ReportsTheSizeOfItsPinnedBlock) {
  const Buffer whole = Buffer::Copy("0123456789");
  EXPECT_EQ(whole.Slice(3, 2).block_size(), 10u);
  EXPECT_EQ(Buffer().block_size(), 0u);
}

}  // namespace
}  // namespace quorate
