#include "bench/report.h"

#include <nlohmann/json.hpp>
#include <set>
#include <string>

#include "gtest/gtest.h"

namespace quorate::bench {
namespace {

Row RowOf(std::string system, double ops_per_second, uint64_t errors) {
  return {.system = std::move(system),
          .op = "set",
          .value_bytes = 64,
          .connections = 50,
          .pipeline = 1,
          .ops_per_second = ops_per_second,
          .p50_us = 1.26,
          .errors = errors};
}

TEST(ReportTest, Median_OfRounds_HasTheMiddleAndAllErrors) {
  const Row median = MedianOf(
      {RowOf("redis", 300, 1), RowOf("redis", 100, 0), RowOf("redis", 200, 2)});
  EXPECT_EQ(median.ops_per_second, 200);
  EXPECT_EQ(median.least_ops_per_second, 100);
  EXPECT_EQ(median.most_ops_per_second, 300);
  EXPECT_EQ(median.errors, 3u);
}

TEST(ReportTest, Json_Rows_HaveExactlyTheirFields) {
  const Report report = {.rows = {RowOf("quorate", 1000, 0)}};
  const auto json = nlohmann::json::parse(Json(report));
  ASSERT_EQ(json["rows"].size(), 1u);
  std::set<std::string> fields;
  for (const auto& [key, value] : json["rows"][0].items()) fields.insert(key);
  EXPECT_EQ(fields,
            (std::set<std::string>{"system", "op", "value_bytes", "connections",
                                   "pipeline", "ops_per_second", "p50_us",
                                   "p99_us", "p999_us", "errors"}));
  EXPECT_EQ(json["rows"][0]["system"], "quorate");
  EXPECT_DOUBLE_EQ(json["rows"][0]["p50_us"], 1.3);
  EXPECT_TRUE(json["details"][0]["syncs_per_write"].is_null());
}

TEST(ReportTest, Summary_OfSameLoad_HasTheRatio) {
  Row other_load = RowOf("etcd", 10, 0);
  other_load.connections = 512;
  const Report report = {
      .rows = {RowOf("quorate", 1000, 0), RowOf("redis", 400, 0), other_load}};
  const std::string text = SummaryText(report);
  EXPECT_NE(text.find("2.50 x redis"), std::string::npos) << text;
  EXPECT_EQ(text.find("x etcd"), std::string::npos) << text;
}

}  // namespace
}  // namespace quorate::bench
