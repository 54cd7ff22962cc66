#include "bench/figures.h"

#include <nlohmann/json.hpp>

#include "gtest/gtest.h"

namespace quorate::bench {
namespace {

TEST(Figures, Median_IsTheMiddleOrTheMeanOfTwo) {
  EXPECT_DOUBLE_EQ(MedianOf({5, 1, 9}), 5);
  EXPECT_DOUBLE_EQ(MedianOf({5, 1, 9, 2}), 3.5);
}

TEST(Figures, Json_HasNameValueAndUnitInRows) {
  const auto json =
      nlohmann::json::parse(FiguresJson({{"a_ms", 1.5, "ms"}, {"b", 2, "1"}}));
  ASSERT_EQ(json["rows"].size(), 2u);
  EXPECT_EQ(json["rows"][0].size(), 3u);
  EXPECT_EQ(json["rows"][0]["name"], "a_ms");
  EXPECT_DOUBLE_EQ(json["rows"][0]["value"], 1.5);
  EXPECT_EQ(json["rows"][0]["unit"], "ms");
  EXPECT_EQ(json["rows"][1]["name"], "b");
}

TEST(Figures, Text_HasALineForEach) {
  EXPECT_EQ(FiguresText({{"a", 1, "ms"}}),
            "a                                            1.00 ms\n");
}

}  // namespace
}  // namespace quorate::bench
