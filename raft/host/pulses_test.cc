#include "raft/host/pulses.h"

#include <vector>

#include "gtest/gtest.h"

namespace quorate::raft {
namespace {

MonoTime At(int64_t ms) { return MonoTime(0) + Milliseconds(ms); }

const Pulses kNone(Milliseconds(75), Milliseconds(300));

// The nodes that get a pulse at `now`, if it is a time of pulses.
std::vector<NodeId> Due(Pulses pulses, int64_t last_sent, int64_t now) {
  std::vector<NodeId> nodes;
  pulses.Schedule(MonoTime(0));
  pulses.SendDue(
      At(now), [last_sent](NodeId) { return At(last_sent); },
      [&nodes](NodeId node) { nodes.push_back(node); });
  return nodes;
}

TEST(PulsesTest, Nodes_NeedPulsesUntilTheirLastGroupIsAwake) {
  Pulses pulses = kNone;
  pulses.Schedule(At(100));
  EXPECT_EQ(pulses.next_at(), MonoTime::Max());
  pulses.Add(NodeId(3));
  pulses.Add(NodeId(2));
  pulses.Add(NodeId(3));
  EXPECT_EQ(Due(pulses, 0, 150), (std::vector<NodeId>{NodeId(2), NodeId(3)}));
  pulses.Remove(NodeId(2));
  pulses.Remove(NodeId(3));
  EXPECT_EQ(Due(pulses, 0, 150), std::vector<NodeId>{NodeId(3)});
  pulses.Remove(NodeId(3));
  EXPECT_TRUE(Due(pulses, 0, 150).empty());
}

TEST(PulsesTest, NodeNeedsOneWhenATimeHasCome_TheTimeStays) {
  Pulses pulses = kNone;
  const auto send = [&pulses](int64_t now) {
    int sent = 0;
    pulses.SendDue(
        At(now), [](NodeId) { return At(0); }, [&sent](NodeId) { ++sent; });
    return sent;
  };
  pulses.Add(NodeId(2));
  pulses.Schedule(At(100));
  EXPECT_EQ(pulses.next_at(), At(150));
  pulses.Add(NodeId(3));
  pulses.Schedule(At(160));  // The turn of 150 ms is late.
  EXPECT_EQ(pulses.next_at(), At(150));
  EXPECT_EQ(send(160), 2);
  EXPECT_EQ(pulses.next_at(), At(300));
  EXPECT_EQ(send(299), 0);
  pulses.Remove(NodeId(2));
  pulses.Remove(NodeId(3));
  EXPECT_EQ(send(300), 0);
  EXPECT_EQ(pulses.next_at(), MonoTime::Max());
}

// Another envelope is as good as a pulse. A node that was sent nothing so far
// gets one at once.
TEST(PulsesTest, NodeThatWasSentSomething_NeedsNoneForTwoBeats) {
  Pulses pulses = kNone;
  pulses.Add(NodeId(2));
  EXPECT_TRUE(Due(pulses, 76, 224).empty());
  EXPECT_EQ(Due(pulses, 76, 225).size(), 1u);
  std::vector<NodeId> sent;
  pulses.Schedule(At(0));
  pulses.SendDue(
      At(75), [](NodeId) { return MonoTime::Min(); },
      [&sent](NodeId node) { sent.push_back(node); });
  EXPECT_EQ(sent, std::vector<NodeId>{NodeId(2)});
}

// Timers fire a little late, and not always by as much.
TEST(PulsesTest, LateTurns_EachSecondBeatHasAPulse) {
  Pulses pulses = kNone;
  pulses.Add(NodeId(2));
  EXPECT_EQ(Due(pulses, 78, 226).size(), 1u);
}

TEST(PulsesTest, ShortestTimeoutOfTwoHeartbeats_EachBeatHasAPulse) {
  Pulses pulses(Milliseconds(75), Milliseconds(150));
  pulses.Add(NodeId(2));
  EXPECT_EQ(Due(pulses, 78, 151).size(), 1u);
}

TEST(PulsesTest, NextTime_IsTheFirstAtWhichAPulseMayBeDue) {
  Pulses pulses = kNone;
  pulses.Add(NodeId(2));
  pulses.Add(NodeId(3));
  pulses.Schedule(At(80));
  EXPECT_EQ(pulses.next_at(), At(150));
  std::vector<NodeId> sent;
  pulses.SendDue(
      At(151), [](NodeId node) { return At(node == NodeId(2) ? 1 : 76); },
      [&sent](NodeId node) { sent.push_back(node); });
  EXPECT_EQ(sent, std::vector<NodeId>{NodeId(2)});
  EXPECT_EQ(pulses.next_at(), At(225));
  pulses.SendDue(
      At(226), [](NodeId) { return At(151); }, [](NodeId) { FAIL(); });
  EXPECT_EQ(pulses.next_at(), At(300));
}

TEST(PulsesTest, OneProcess_ItsLastSignCounts) {
  Pulses pulses = kNone;
  EXPECT_EQ(pulses.Last(NodeId(2), At(100)), MonoTime::Min());
  pulses.Heard(NodeId(2), 7, At(10));
  pulses.Heard(NodeId(2), 7, At(90));
  EXPECT_EQ(pulses.Last(NodeId(2), At(10)), At(90));
  EXPECT_EQ(pulses.Last(NodeId(2), At(9)), MonoTime::Min());
  EXPECT_EQ(pulses.Last(NodeId(3), At(100)), MonoTime::Min());
}

// The roles of its replicas ended with the earlier process.
TEST(PulsesTest, NodeStartedAgain_ItsSignsCountForLaterQuietOnly) {
  Pulses pulses = kNone;
  pulses.Heard(NodeId(2), 7, At(10));
  pulses.Heard(NodeId(2), 8, At(50));
  EXPECT_EQ(pulses.Last(NodeId(2), At(20)), MonoTime::Min());
  EXPECT_EQ(pulses.Last(NodeId(2), At(50)), At(50));
  // A late envelope of the earlier process.
  pulses.Heard(NodeId(2), 7, At(60));
  pulses.Heard(NodeId(2), 8, At(61));
  EXPECT_EQ(pulses.Last(NodeId(2), At(60)), MonoTime::Min());
}

TEST(PulsesTest, NodeIsLate_IsToldOnceUntilItsNextSign) {
  const std::vector<NodeId> none;
  const std::vector<NodeId> second = {NodeId(2)};
  Pulses pulses = kNone;
  pulses.Heard(NodeId(2), 7, At(10));
  EXPECT_EQ(pulses.look_at(), MonoTime::Max());
  pulses.Add(NodeId(2));
  EXPECT_EQ(pulses.look_at(), At(310));
  pulses.Heard(NodeId(2), 7, At(150));
  EXPECT_EQ(pulses.TakeLate(At(310)), none);
  EXPECT_EQ(pulses.look_at(), At(450));
  EXPECT_EQ(pulses.TakeLate(At(449)), none);
  EXPECT_EQ(pulses.TakeLate(At(450)), second);
  EXPECT_EQ(pulses.look_at(), MonoTime::Max());
  EXPECT_EQ(pulses.TakeLate(At(900)), none);
  pulses.Heard(NodeId(2), 7, At(1000));
  EXPECT_EQ(pulses.look_at(), At(1300));
  EXPECT_EQ(pulses.TakeLate(At(1300)), second);
}

// Nodes that gave no sign, and nodes that none relies on, are never late. A
// group that becomes quiet late finds the old sign.
TEST(PulsesTest, NodesThatNoneReliesOn_AreNotLate) {
  Pulses pulses = kNone;
  pulses.Add(NodeId(2));
  EXPECT_EQ(pulses.look_at(), MonoTime::Max());
  pulses.Heard(NodeId(3), 7, At(10));
  pulses.Heard(NodeId(4), 7, At(10));
  pulses.Add(NodeId(3));
  pulses.Remove(NodeId(3));
  EXPECT_TRUE(pulses.TakeLate(At(2000)).empty());
  pulses.Add(NodeId(4));
  EXPECT_EQ(pulses.TakeLate(At(2000)), std::vector<NodeId>{NodeId(4)});
}

TEST(PulsesTest, AnotherProcess_IsTold) {
  Pulses pulses = kNone;
  EXPECT_FALSE(pulses.Heard(NodeId(2), 7, At(10)));
  EXPECT_FALSE(pulses.Heard(NodeId(2), 7, At(20)));
  EXPECT_TRUE(pulses.Heard(NodeId(2), 8, At(30)));
}

}  // namespace
}  // namespace quorate::raft
