#include "lincheck/value.h"

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
