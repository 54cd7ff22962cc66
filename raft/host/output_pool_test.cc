#include "raft/host/output_pool.h"

#include <algorithm>

#include "env/buffer.h"
#include "gtest/gtest.h"
#include "raft/host/host.h"
#include "raft/host/testing/journal_cluster.h"

namespace quorate::raft {
namespace {

TEST(OutputPool, StepAfterStep_UsesOneOutput) {
  OutputPool pool;
  for (int i = 0; i < 3; ++i) {
    OutputPool::Lease output(&pool);
    EXPECT_TRUE((*output).apply.empty());
    EXPECT_EQ(pool.free(), 0u);
    Entry entry;
    entry.payload = Buffer::Copy("payload");
    (*output).apply.push_back(entry);
  }
  EXPECT_EQ(pool.free(), 1u);
}

TEST(OutputPool, StepWithinAStep_HasItsOwnOutput) {
  OutputPool pool;
  {
    OutputPool::Lease outer(&pool);
    (*outer).proposed.resize(1);
    {
      OutputPool::Lease inner(&pool);
      EXPECT_TRUE((*inner).proposed.empty());
    }
    EXPECT_EQ((*outer).proposed.size(), 1u);
  }
  EXPECT_EQ(pool.free(), 2u);
}

// A large step of one group leaves its memory to the steps of all groups, and
// none to the group alone.
TEST(OutputPoolOfHosts, StepsOfTwoGroups_UseOneOutput) {
  constexpr GroupId kOther(2);
  constexpr size_t kProposals = 1'000;
  size_t proposed = 0;  // The most in one step of the first group.
  size_t room = 0;      // The proposals that fit in a step of the other group.
  testing::JournalCluster cluster(6, /*snapshot_threshold_bytes=*/0, {});
  cluster.SetGroups(2);
  for (uint32_t n = 1; n <= 3; ++n) cluster.StartNode(n);
  ASSERT_TRUE(cluster.WaitForLeader());
  testing::JournalProgram& leader = *cluster.node(cluster.leader());
  leader.observer.on_step = [&](GroupId group, const Output& output) {
    if (group == kOther) {
      room = output.proposed.capacity();
    } else {
      proposed = std::max(proposed, output.proposed.size());
    }
  };
  for (size_t i = 0; i < kProposals; ++i) {
    leader.host.Propose(testing::kGroup, Buffer::Copy("x"),
                        [](const ProposeResult&) {});
  }
  ASSERT_TRUE(cluster.WaitConverged(kProposals));
  EXPECT_EQ(proposed, kProposals);
  ASSERT_EQ(cluster.Propose("x", kOther).outcome, Outcome::kDone);
  ASSERT_TRUE(cluster.WaitConverged(1, kOther));
  EXPECT_GE(room, kProposals);
}

}  // namespace
}  // namespace quorate::raft
