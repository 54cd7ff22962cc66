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
  }
  uint16_t small = 0;
  EXPECT_FALSE(ParseInteger("65536", &small));
  EXPECT_FALSE(ParseInteger("-1", &small));
}

}  // namespace
}  // namespace quorate
