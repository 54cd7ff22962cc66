#include "raft/host/pulses.h"

#include <vector>

#include "gtest/gtest.h"

namespace quorate::raft {
namespace {

using Side = Pulses::Side;

constexpr NodeId kOther(2);
constexpr MonoTime At(int64_t ms) { return MonoTime(0) + Milliseconds(ms); }

// Two nodes, the first of which has leaders.
class PulsesTest : public ::testing::Test {
 protected:
  // The nodes that get a pulse at `now`, if it is a time of pulses.
  static std::vector<NodeId> Due(Pulses pulses, int64_t last_sent,
                                 int64_t now) {
    std::vector<NodeId> due;
    pulses.Schedule(MonoTime(0));
    pulses.SendDue(
        At(now), [&](NodeId) { return At(last_sent); },
        [&](NodeId node) { due.push_back(node); });
    return due;
  }
  void Tie(uint64_t hash) {
    leader_.Add(kOther, Side::kLeads, hash);
    follower_.Add(kOther, Side::kFollows, hash);
  }
  // An envelope arrives that left at `sent`. Returns what Heard says.
  bool ToFollower(int64_t sent, int64_t now) {
    return Send(leader_, follower_, leader_process_, sent, now);
  }
  bool ToLeader(int64_t sent, int64_t now) {
    return Send(follower_, leader_, /*process=*/9, sent, now);
  }
  bool Send(Pulses& from, Pulses& to, uint64_t process, int64_t sent,
            int64_t now) {
    stamp_ = {.process = process,
              .sent = At(sent),
              .pulse = from.Take(kOther, WallTime(sent), 0)};
    other_ = to.IsOtherProcess(kOther, process, At(now));
    return to.Heard(kOther, stamp_, At(now));
  }

  Pulses leader_{Milliseconds(75), Milliseconds(300)};
  Pulses follower_{Milliseconds(75), Milliseconds(300)};
  uint64_t leader_process_ = 7;
  EnvelopeStamp stamp_;
  bool other_ = false;
};

TEST_F(PulsesTest, Nodes_NeedPulsesWhileThereAreTies) {
  EXPECT_TRUE(Due(leader_, 0, 150).empty());
  leader_.Add(NodeId(3), Side::kLeads, 5);
  leader_.Add(NodeId(2), Side::kFollows, 6);
  leader_.Add(NodeId(2), Side::kLeads, 7);
  EXPECT_EQ(Due(leader_, 0, 150), (std::vector<NodeId>{NodeId(2), NodeId(3)}));
  leader_.Remove(NodeId(2), Side::kFollows, 6);
  leader_.Remove(NodeId(3), Side::kLeads, 5);
  EXPECT_EQ(Due(leader_, 0, 150), std::vector<NodeId>{NodeId(2)});
}

// Pulses leave at the times of heartbeats. Another envelope is as good.
TEST_F(PulsesTest, NodeThatWasSentSomething_NeedsNoneAtThisBeat) {
  leader_.Add(kOther, Side::kLeads, 5);
  EXPECT_TRUE(Due(leader_, 76, 149).empty());
  EXPECT_EQ(Due(leader_, 76, 150).size(), 1u);
  Pulses slow(Milliseconds(20), Milliseconds(300));
  slow.Add(kOther, Side::kLeads, 5);
  EXPECT_TRUE(Due(slow, 20, 79).empty());
  EXPECT_EQ(Due(slow, 20, 80).size(), 1u);
}

TEST_F(PulsesTest, EqualTies_CountForBothEnds) {
  Tie(5);
  Tie(6);
  EXPECT_FALSE(ToFollower(10, 12));
  EXPECT_EQ(follower_.OfLeader(kOther, At(12)).heard, At(12));
  EXPECT_EQ(follower_.OfLeader(kOther, At(12)).sent, At(10));
  EXPECT_EQ(follower_.OfLeader(kOther, At(12)).wall, WallTime(10));
  EXPECT_EQ(follower_.OfLeader(kOther, At(13)).heard, MonoTime::Min());
  EXPECT_FALSE(ToLeader(20, 23));
  EXPECT_EQ(leader_.OfMember(kOther, At(9)).sent, At(10));
  EXPECT_EQ(leader_.OfMember(kOther, At(9)).heard, At(23));
  // A tie that began when the pulse left may not be in it.
  EXPECT_EQ(leader_.OfMember(kOther, At(10)).heard, MonoTime::Min());
  EXPECT_EQ(leader_.OfMember(NodeId(3), At(9)).heard, MonoTime::Min());
}

// The reply does not say more for having been sent again.
TEST_F(PulsesTest, OldAnswer_IsNoNewSign) {
  Tie(5);
  ToFollower(10, 12);
  ToLeader(20, 23);
  ToLeader(90, 93);
  EXPECT_EQ(leader_.OfMember(kOther, At(9)).heard, At(23));
  // No pulse was sent then.
  stamp_.pulse.answers = At(500);
  leader_.Heard(kOther, stamp_, At(99));
  EXPECT_EQ(leader_.OfMember(kOther, At(9)).sent, At(10));
}

TEST_F(PulsesTest, TiesThatDifferForLong_EndTrustAndAskOnce) {
  Tie(5);
  ToFollower(10, 12);
  leader_.Remove(kOther, Side::kLeads, 5);
  EXPECT_FALSE(ToFollower(75, 80));
  EXPECT_FALSE(ToFollower(150, 155));
  EXPECT_EQ(follower_.OfLeader(kOther, At(12)).heard, At(12));
  EXPECT_TRUE(ToFollower(225, 230));
  EXPECT_TRUE(follower_.OfLeader(kOther, At(229)).ended);
  EXPECT_FALSE(follower_.OfLeader(kOther, At(230)).ended);
  ToLeader(226, 231);
  EXPECT_TRUE(stamp_.pulse.asks);
  ToLeader(227, 232);
  EXPECT_FALSE(stamp_.pulse.asks);
  // Not sooner than after a least election timeout.
  EXPECT_FALSE(ToFollower(300, 305));
  EXPECT_FALSE(ToFollower(500, 505));
  EXPECT_TRUE(ToFollower(525, 530));
  // The pause doubles.
  EXPECT_FALSE(ToFollower(700, 705));
  EXPECT_FALSE(ToFollower(1100, 1105));
  EXPECT_TRUE(ToFollower(1130, 1135));
  follower_.Remove(kOther, Side::kFollows, 5);
  EXPECT_FALSE(ToFollower(1900, 1905));
}

// A message that changes ties may overtake a pulse, or follow it.
TEST_F(PulsesTest, TiesThatDifferShortly_ChangeNothing) {
  Tie(5);
  for (int64_t i = 0; i < 20; ++i) {
    leader_.Add(kOther, Side::kLeads, 6);
    EXPECT_FALSE(ToFollower(i * 75, i * 75 + 2));
    leader_.Remove(kOther, Side::kLeads, 6);
    EXPECT_FALSE(ToFollower(i * 75, i * 75 + 3));
  }
  EXPECT_FALSE(follower_.OfLeader(kOther, At(3)).ended);
}

TEST_F(PulsesTest, AnotherProcess_IsToldAndEndsTrust) {
  Tie(5);
  ToFollower(10, 12);
  EXPECT_FALSE(other_);
  ToLeader(11, 13);
  ++leader_process_;
  ToFollower(20, 22);
  EXPECT_TRUE(other_);
  EXPECT_TRUE(follower_.OfLeader(kOther, At(12)).ended);
  EXPECT_EQ(follower_.OfLeader(kOther, At(22)).heard, At(22));
  leader_.IsOtherProcess(kOther, 10, At(30));
  EXPECT_EQ(leader_.OfMember(kOther, At(0)).heard, MonoTime::Min());
}

TEST_F(PulsesTest, NodeIsLate_IsToldOnceUntilItsNextPulse) {
  const std::vector<NodeId> none;
  const std::vector<NodeId> other = {kOther};
  EXPECT_EQ(follower_.look_at(), MonoTime::Max());
  Tie(5);
  ToFollower(10, 12);
  EXPECT_EQ(follower_.TakeLate(At(311)), none);
  EXPECT_EQ(follower_.look_at(), At(312));
  EXPECT_EQ(follower_.TakeLate(At(312)), other);
  EXPECT_EQ(follower_.look_at(), MonoTime::Max());
  EXPECT_EQ(follower_.TakeLate(At(900)), none);
  ToFollower(1000, 1000);
  EXPECT_EQ(follower_.TakeLate(At(1300)), other);
  // The leader misses an answer.
  EXPECT_EQ(leader_.TakeLate(At(1300)), other);
  ToLeader(1301, 1302);
  EXPECT_EQ(leader_.TakeLate(At(1601)), none);
  EXPECT_EQ(leader_.TakeLate(At(1602)), other);
}

}  // namespace
}  // namespace quorate::raft
