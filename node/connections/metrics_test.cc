#include "node/connections/metrics.h"

#include "gtest/gtest.h"

namespace quorate::node {
namespace {

// A store adds its counts to them when it ends, which may be later.
TEST(Metrics, TotalsOfStores_StayWhereTheyAreWhenCountsAreReset) {
  Metrics metrics;
  kv::StoreTotals* const totals = &metrics.ended_stores[GroupId(1)];
  totals->keys_expired = 3;
  metrics.leader_changes = 4;
  metrics.Reset();
  EXPECT_EQ(metrics.leader_changes, 0u);
  EXPECT_EQ(&metrics.ended_stores[GroupId(1)], totals);
  EXPECT_EQ(totals->keys_expired, 3u);
}

}  // namespace
}  // namespace quorate::node
