#include "env/parse_duration.h"

#include <string>

#include "gtest/gtest.h"

namespace quorate {
namespace {

TEST(ParseDurationMs, EveryUnit_IsRead) {
  EXPECT_EQ(ParseDurationMs("1500ms"), 1'500);
  EXPECT_EQ(ParseDurationMs("30s"), 30'000);
  EXPECT_EQ(ParseDurationMs("30"), 30'000);
  EXPECT_EQ(ParseDurationMs("5m"), 300'000);
  EXPECT_EQ(ParseDurationMs("2h"), 7'200'000);
}

TEST(ParseDurationMs, OtherText_IsRefused) {
  for (const char* bad : {"", "s", "ms", "0", "0s", "-1s", "+1s", "01s", " 1s",
                          "1 s", "1s ", "1.5s", "5y", "1S", "1msx"}) {
    EXPECT_EQ(ParseDurationMs(bad), std::nullopt) << bad;
  }
}

TEST(ParseDurationMs, Longest_IsReadAndOneMoreIsNot) {
  EXPECT_EQ(ParseDurationMs(std::to_string(kParsedMsMax) + "ms"), kParsedMsMax);
  EXPECT_EQ(ParseDurationMs(std::to_string(kParsedMsMax + 1) + "ms"),
            std::nullopt);
  EXPECT_EQ(ParseDurationMs(std::to_string(kParsedMsMax / 3'600'000 + 1) + "h"),
            std::nullopt);
}

}  // namespace
}  // namespace quorate
