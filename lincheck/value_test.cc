#include "lincheck/value.h"

#include <limits>
#include <string>

#include "gtest/gtest.h"

namespace quorate::lincheck {
namespace {

std::string Shown(std::string_view bytes) {
  ValueArena arena;
  return arena.String(bytes).ToString();
}

TEST(Value, Text_IsShownAsItIs) {
  EXPECT_EQ(Shown(""), "\"\"");
  EXPECT_EQ(Shown("x 9 0 y"), "\"x 9 0 y\"");
  EXPECT_EQ(Shown("ö 日本 𝄞"), "\"ö 日本 𝄞\"");
}

TEST(Value, WhatIsNotText_IsEscaped) {
  EXPECT_EQ(Shown("a\"\\\n"), R"("a\"\\\n")");
  EXPECT_EQ(Shown("\x1b[0m\x7f"), R"("\x1b[0m\x7f")");
  EXPECT_EQ(Shown("\xff\xc3"), R"("\xff\xc3")");
  EXPECT_EQ(Shown("\xc2\x9b"), R"("\xc2\x9b")");
}

constexpr int64_t kMost = Value::kIntegerMax;

TEST(Value, Integers_AreEqualOnlyToThemselves) {
  for (const int64_t n : {int64_t{0}, int64_t{-1}, kMost, -kMost}) {
    EXPECT_EQ(Value::Integer(n).integer(), n);
    EXPECT_TRUE(Value::Integer(n) == n);
    EXPECT_FALSE(Value::Integer(n) == n + 1);
    // Both share their lower 62 bits.
    EXPECT_FALSE(Value::Integer(0) == int64_t{1} << 62);
  }
  EXPECT_FALSE(Value() == 0);
  EXPECT_FALSE(Value::Nil() == 0);
}

// They were taken modulo 2^62 before, so that different ones were equal.
TEST(ValueDeathTest, IntegerBeyondTheRange_IsRefused) {
  for (const int64_t n : {kMost + 1, -kMost - 1, int64_t{1} << 62,
                          std::numeric_limits<int64_t>::max(),
                          std::numeric_limits<int64_t>::min()}) {
    EXPECT_DEATH(Value::Integer(n), "Value::Integer\\(" + std::to_string(n) +
                                        "\\): an integer beyond");
  }
}

TEST(Value, LongText_IsCutBetweenCharacters) {
  std::string text;
  for (int i = 0; i < 30; ++i) text += "日";
  std::string half;
  for (int i = 0; i < 13; ++i) half += "日";
  EXPECT_EQ(Shown(text), "\"" + half + "\"…\"" + half + "日\" (90 bytes)");
  // Not text: cut anywhere.
  const std::string bytes(90, '\x80');
  std::string escaped;
  for (int i = 0; i < 40; ++i) escaped += "\\x80";
  EXPECT_EQ(Shown(bytes), "\"" + escaped + "\"…\"" + escaped + "\" (90 bytes)");
}

}  // namespace
}  // namespace quorate::lincheck
