#include "env/ids.h"
#include "gtest/gtest.h"
#include "node/connections/context.h"
#include "shardctrl/map.h"

namespace quorate::node {
namespace {

constexpr shardctrl::MapVersion kMap(1);

TEST(ScanCoverageTest, SameSet_KeepsItsNumber) {
  ScanCoverage coverage;
  const uint64_t none = coverage.NumberOf(kMap, {});
  EXPECT_EQ(coverage.NumberOf(kMap, {}), none);
  const uint64_t one = coverage.NumberOf(kMap, {GroupId(1)});
  EXPECT_NE(one, none);
  EXPECT_EQ(coverage.NumberOf(kMap, {GroupId(1)}), one);
}

TEST(ScanCoverageTest, SetThatReturns_HasANewNumber) {
  ScanCoverage coverage;
  const uint64_t before = coverage.NumberOf(kMap, {GroupId(1), GroupId(2)});
  const uint64_t between = coverage.NumberOf(kMap, {GroupId(2)});
  const uint64_t after = coverage.NumberOf(kMap, {GroupId(1), GroupId(2)});
  EXPECT_NE(between, before);
  EXPECT_NE(after, between);
  EXPECT_NE(after, before);
}

TEST(ScanCoverageTest, AnotherMap_HasANewNumber) {
  ScanCoverage coverage;
  const uint64_t before = coverage.NumberOf(kMap, {GroupId(1)});
  EXPECT_NE(coverage.NumberOf(shardctrl::MapVersion(2), {GroupId(1)}), before);
}

}  // namespace
}  // namespace quorate::node
