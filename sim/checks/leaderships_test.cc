#include "sim/checks/leaderships.h"

#include "gtest/gtest.h"

namespace quorate::sim {
namespace {

constexpr GroupId kLedGroup(1);

SimTime At(int64_t ms) { return SimTime() + Milliseconds(ms); }

TEST(Leaderships, FirstLeader_IsNoChange) {
  Leaderships all;
  all.Begin(NodeId(1), kLedGroup, raft::Term(1), At(10));
  EXPECT_EQ(all.LastChange(kLedGroup), SimTime());
  all.Begin(NodeId(2), kLedGroup, raft::Term(3), At(20));
  EXPECT_EQ(all.LastChange(kLedGroup), At(20));
  EXPECT_EQ(all.In(kLedGroup, raft::Term(3)).leader, NodeId(2));
  EXPECT_EQ(all.In(kLedGroup, raft::Term(2)).leader, NodeId());
}

TEST(Leaderships, LedSince_UntilTheEnd) {
  Leaderships all;
  all.Begin(NodeId(1), kLedGroup, raft::Term(1), At(10));
  EXPECT_TRUE(all.LedSince(NodeId(1), kLedGroup, At(50)));
  all.EndAll(NodeId(1), At(30));
  EXPECT_TRUE(all.LedSince(NodeId(1), kLedGroup, At(30)));
  EXPECT_FALSE(all.LedSince(NodeId(1), kLedGroup, At(31)));
}

TEST(Leaderships, Heartbeats_AreThoseOfTheTerm) {
  Leaderships all;
  all.Begin(NodeId(1), kLedGroup, raft::Term(1), At(10));
  EXPECT_EQ(all.In(kLedGroup, raft::Term(1)).last_heartbeat, SimTime::Max());
  all.OnHeartbeats(kLedGroup, raft::Term(1), At(15));
  EXPECT_EQ(all.In(kLedGroup, raft::Term(1)).last_heartbeat, At(15));
}

}  // namespace
}  // namespace quorate::sim
