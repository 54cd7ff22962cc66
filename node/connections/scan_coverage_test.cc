#include "node/connections/scan_coverage.h"

#include "gtest/gtest.h"

namespace quorate::node {
namespace {

TEST(ScanCoverageTest, SameSet_KeepsItsNumber) {
  ScanCoverage coverage;
  const uint64_t none = coverage.NumberOf({});
  EXPECT_EQ(coverage.NumberOf({}), none);
  const uint64_t one = coverage.NumberOf({GroupId(1)});
  EXPECT_NE(one, none);
  EXPECT_EQ(coverage.NumberOf({GroupId(1)}), one);
}

TEST(ScanCoverageTest, SetThatReturns_HasANewNumber) {
  ScanCoverage coverage;
  const uint64_t before = coverage.NumberOf({GroupId(1), GroupId(2)});
  const uint64_t between = coverage.NumberOf({GroupId(2)});
  const uint64_t after = coverage.NumberOf({GroupId(1), GroupId(2)});
  EXPECT_NE(between, before);
  EXPECT_NE(after, between);
  EXPECT_NE(after, before);
}

}  // namespace
}  // namespace quorate::node
