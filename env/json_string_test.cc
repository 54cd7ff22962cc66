#include "env/json_string.h"

#include "gtest/gtest.h"

namespace quorate {
namespace {

TEST(JsonString, PlainText_IsQuoted) {
  EXPECT_EQ(JsonString(""), "\"\"");
  EXPECT_EQ(JsonString("a b/ä\x7f"), "\"a b/ä\x7f\"");
}

TEST(JsonString, SpecialCharacters_AreEscaped) {
  EXPECT_EQ(JsonString("say \"x\" \\ y"), "\"say \\\"x\\\" \\\\ y\"");
  EXPECT_EQ(JsonString("a\nb\r\t\x1f"), "\"a\\nb\\u000d\\u0009\\u001f\"");
  EXPECT_EQ(JsonString(std::string_view("\0", 1)), "\"\\u0000\"");
}

}  // namespace
}  // namespace quorate
