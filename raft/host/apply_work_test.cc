#include <string>

#include "gtest/gtest.h"
#include "raft/host/testing/journal_cluster.h"

namespace quorate::raft {
namespace {

constexpr uint32_t kAppliedGroups = 40;
constexpr size_t kAppliedBytes = 200;

// One message of heartbeats tells a node that starts again what is committed in
// all groups.
TEST(ApplyWorkOfHosts, BacklogOfAllGroups_IsAppliedOverManyTurns) {
  testing::JournalCluster cluster(3, /*snapshot_threshold_bytes=*/0, {});
  cluster.options_.turn_apply_work_max = 4'000;
  cluster.SetGroups(kAppliedGroups);
  for (uint32_t n = 1; n <= 3; ++n) cluster.StartNode(n);
  for (uint32_t g = 1; g <= kAppliedGroups; ++g) {
    ASSERT_TRUE(cluster.WaitForLeader(GroupId(g)));
    Host& leader = cluster.node(cluster.leader(GroupId(g)))->host;
    for (int i = 0; i < 20; ++i) {
      leader.Propose(GroupId(g), Buffer::Copy(std::string(kAppliedBytes, 'x')),
                     [](const ProposeResult&) {});
    }
  }
  const auto converged = [&] {
    for (uint32_t g = 1; g <= kAppliedGroups; ++g) {
      if (!cluster.Converged(20, GroupId(g))) return false;
    }
    return true;
  };
  ASSERT_TRUE(cluster.world_.RunUntilTrue(converged));
  for (uint32_t n = 1; n <= 3; ++n) {
    cluster.Crash(n, sim::CrashKind::kProcess);
    cluster.Restart(n);
    ASSERT_TRUE(cluster.world_.RunUntilTrue(converged));
    const uint64_t longest = cluster.node(n)->host.stats().longest_apply_work;
    EXPECT_GT(longest, 1'000u);
    EXPECT_LE(longest, 4'000 + Entry().size_bytes() + kAppliedBytes);
  }
}

}  // namespace
}  // namespace quorate::raft
