#include "sim/checks/leaderships.h"

#include "gtest/gtest.h"

namespace quorate::sim {
namespace {

constexpr GroupId kGroup(1);

SimTime At(int64_t ms) { return SimTime() + Milliseconds(ms); }

TEST(Leaderships, FirstLeader_IsNoChange) {
  Leaderships all;
  all.Begin(NodeId(1), kGroup, raft::Term(1), At(10));
  EXPECT_EQ(all.LastChange(kGroup), SimTime());
  all.Begin(NodeId(2), kGroup, raft::Term(3), At(20));
  EXPECT_EQ(all.LastChange(kGroup), At(20));
  EXPECT_EQ(all.In(kGroup, raft::Term(3)).leader, NodeId(2));
  EXPECT_EQ(all.In(kGroup, raft::Term(2)).leader, NodeId());
}

TEST(Leaderships, LedSince_UntilTheEnd) {
  Leaderships all;
  all.Begin(NodeId(1), kGroup, raft::Term(1), At(10));
  EXPECT_TRUE(all.LedSince(NodeId(1), kGroup, At(50)));
  all.EndAll(NodeId(1), At(30));
  EXPECT_TRUE(all.LedSince(NodeId(1), kGroup, At(30)));
  EXPECT_FALSE(all.LedSince(NodeId(1), kGroup, At(31)));
}

TEST(Leaderships, Heartbeats_AreThoseOfTheTerm) {
  Leaderships all;
  all.Begin(NodeId(1), kGroup, raft::Term(1), At(10));
  EXPECT_EQ(all.In(kGroup, raft::Term(1)).last_heartbeat, SimTime::Max());
  all.OnHeartbeats(kGroup, raft::Term(1), At(15));
  EXPECT_EQ(all.In(kGroup, raft::Term(1)).last_heartbeat, At(15));
}

}  // namespace
}  // namespace quorate::sim
