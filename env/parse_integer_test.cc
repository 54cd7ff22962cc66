#include "env/parse_integer.h"

#include <cstdint>

#include "gtest/gtest.h"

namespace quorate {
namespace {

TEST(ParseInteger, OneSpellingOfEachValue_IsRead) {
  int64_t value = 0;
  EXPECT_TRUE(ParseInteger("0", &value));
  EXPECT_EQ(value, 0);
  EXPECT_TRUE(ParseInteger("-9223372036854775808", &value));
  EXPECT_EQ(value, INT64_MIN);
  EXPECT_TRUE(ParseInteger("9223372036854775807", &value));
  EXPECT_EQ(value, INT64_MAX);
}

TEST(ParseInteger, AnythingElse_IsRefused) {
  int64_t value = 0;
  for (const char* text : {"", "-", "+1", " 1", "1 ", "01", "-0", "-01", "1x",
                           "1.0", "9223372036854775808"}) {
    EXPECT_FALSE(ParseInteger(text, &value)) << text;
    EXPECT_EQ(value, 0) << text;
  }
  uint16_t small = 0;
  EXPECT_FALSE(ParseInteger("65536", &small));
  EXPECT_FALSE(ParseInteger("-1", &small));
}

TEST(HexDigit, BothCases_HaveTheirValues) {
  EXPECT_EQ(HexDigit('0'), 0);
  EXPECT_EQ(HexDigit('9'), 9);
  EXPECT_EQ(HexDigit('a'), 10);
  EXPECT_EQ(HexDigit('f'), 15);
  EXPECT_EQ(HexDigit('A'), 10);
  EXPECT_EQ(HexDigit('F'), 15);
  for (const char c : {'/', ':', '`', 'g', '@', 'G', ' ', '-'}) {
    EXPECT_EQ(HexDigit(c), -1) << c;
  }
}

TEST(ParsePaddedHex, LowerCaseDigits_AreParsed) {
  uint64_t value = 0;
  ASSERT_TRUE(ParsePaddedHex("000000000000002a", &value));
  EXPECT_EQ(value, 42u);
  ASSERT_TRUE(ParsePaddedHex("ffffffffffffffff", &value));
  EXPECT_EQ(value, ~uint64_t{0});
}

TEST(ParsePaddedHex, OtherTexts_AreRefused) {
  uint64_t value = 0;
  for (const char* bad : {"", "2A", "0x2a", "-1", " 1", "00000000000000001"}) {
    EXPECT_FALSE(ParsePaddedHex(bad, &value)) << bad;
  }
}

}  // namespace
}  // namespace quorate
