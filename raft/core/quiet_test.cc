// Quiet groups, where pulses of the nodes stand in for heartbeats.
#include <vector>

#include "gtest/gtest.h"
#include "raft/core/core.h"
#include "raft/core/testing/core_cluster.h"

namespace quorate::raft {
namespace {

constexpr Duration kElection = Milliseconds(600);  // Its longest timeout.

class QuietTest : public ::testing::Test {
 protected:
  // Returns the leader of a quiet group.
  uint32_t Begin(uint32_t voters = 3) {
    cluster_ = std::make_unique<CoreCluster>(
        CoreCluster::Options{.voters = voters, .pulses = true});
    cluster_->Run(Seconds(3));
    EXPECT_TRUE(AllQuiet());
    term_ = cluster_->core(Leader()).term();
    return Leader();
  }
  void TearDown() override { EXPECT_EQ(cluster_->violation(), ""); }

  uint32_t Leader() {
    uint32_t leader = 0;
    for (uint32_t id = 1; id <= cluster_->size(); ++id) {
      if (!cluster_->up(id)) continue;
      Core& core = cluster_->core(id);
      if (core.role() != RoleKind::kLeader) continue;
      if (leader == 0 || core.term() > cluster_->core(leader).term()) {
        leader = id;
      }
    }
    return leader;
  }
  bool AllQuiet() {
    bool all = true;
    for (uint32_t id = 1; id <= cluster_->size(); ++id) {
      all &= cluster_->up(id) && cluster_->core(id).quiet();
    }
    return all;
  }
  // Cuts or heals all links of one node.
  void CutOff(uint32_t id) {
    for (uint32_t other = 1; other <= cluster_->size(); ++other) {
      cluster_->Cut(id, other);
      cluster_->Cut(other, id);
    }
  }
  void Heal(uint32_t id) {
    for (uint32_t other = 1; other <= cluster_->size(); ++other) {
      cluster_->Heal(id, other);
      cluster_->Heal(other, id);
    }
  }
  size_t Heartbeats() const { return cluster_->sent(MessageType::kHeartbeat); }

  std::unique_ptr<CoreCluster> cluster_;
  Term term_;
};

TEST_F(QuietTest, IdleGroup_SendsHeartbeatsRarely) {
  const uint32_t leader = Begin();
  const size_t before = Heartbeats();
  cluster_->Run(Seconds(20));
  EXPECT_EQ(Heartbeats() - before, 2 * 20 / 2);
  EXPECT_EQ(cluster_->core(leader).term(), term_);
  EXPECT_EQ(Leader(), leader);
  EXPECT_TRUE(AllQuiet());
}

TEST_F(QuietTest, PulsesArrive_NoTimerLooksForThem) {
  const uint32_t leader = Begin();
  for (uint32_t id = 1; id <= 3; ++id) {
    const MonoTime deadline = cluster_->core(id).deadline();
    EXPECT_GT(deadline - cluster_->now(), kElection) << id;
    // Its group sends heartbeats before.
    if (id != leader) {
      EXPECT_GT(deadline, cluster_->core(leader).deadline());
    }
  }
}

TEST_F(QuietTest, WithoutPulses_NoGroupIsQuiet) {
  cluster_ = std::make_unique<CoreCluster>(CoreCluster::Options{});
  cluster_->Run(Seconds(3));
  EXPECT_FALSE(cluster_->core(Leader()).quiet());
  const size_t before = Heartbeats();
  cluster_->Run(Seconds(3));
  EXPECT_EQ(Heartbeats() - before, 2 * 40);
}

// The heartbeats that carry commit indexes and read rounds make it quiet again.
TEST_F(QuietTest, WritesAndReads_NeedNoOtherHeartbeats) {
  const uint32_t leader = Begin();
  const size_t before = Heartbeats();
  for (uint64_t tag = 1; tag <= 10; ++tag) {
    cluster_->Propose(leader, "x");
    EXPECT_FALSE(cluster_->core(leader).quiet());
    cluster_->Run(Milliseconds(20));
    EXPECT_TRUE(AllQuiet());
    cluster_->Read(leader, tag);
    cluster_->Run(Milliseconds(20));
    EXPECT_TRUE(cluster_->reads().at(tag).ok);
    EXPECT_TRUE(AllQuiet());
    cluster_->Run(Milliseconds(460));
  }
  EXPECT_EQ(Heartbeats() - before, 2 * 2 * 10);
}

TEST_F(QuietTest, LeaderDies_AnotherOneIsElectedInTime) {
  const uint32_t leader = Begin();
  cluster_->Crash(leader);
  cluster_->Run(kElection + Milliseconds(1));
  EXPECT_NE(Leader(), 0u);
}

// Its node gives pulses without a pause, but the process is another one.
TEST_F(QuietTest, LeaderStartsAgain_IsNotTrusted) {
  const uint32_t leader = Begin();
  cluster_->Crash(leader);
  cluster_->Advance(Milliseconds(1));
  cluster_->Restart(leader);
  cluster_->Run(kElection + Milliseconds(1));
  ASSERT_NE(Leader(), 0u);
  EXPECT_GT(cluster_->core(Leader()).term(), term_);
}

TEST_F(QuietTest, LeaderCutOff_StepsDown) {
  const uint32_t leader = Begin();
  CutOff(leader);
  cluster_->Run(kElection * 2 + Milliseconds(1));
  EXPECT_EQ(cluster_->core(leader).role(), RoleKind::kFollower);
  EXPECT_NE(Leader(), 0u);
  EXPECT_NE(Leader(), leader);
}

// The others hear the leader, and the leader reaches a majority.
TEST_F(QuietTest, OneFollowerLosesContact_ChangesNothing) {
  const uint32_t leader = Begin();
  const uint32_t follower = leader == 1 ? 2 : 1;
  cluster_->Cut(leader, follower);
  cluster_->Run(Seconds(5));
  cluster_->Heal(leader, follower);
  cluster_->Run(Seconds(1));
  EXPECT_EQ(Leader(), leader);
  EXPECT_EQ(cluster_->core(leader).term(), term_);
  EXPECT_TRUE(AllQuiet());
}

TEST_F(QuietTest, GroupWithoutOneMember_IsQuietAndTakesItBack) {
  const uint32_t leader = Begin();
  const uint32_t follower = leader == 1 ? 2 : 1;
  cluster_->Crash(follower);
  cluster_->Run(Seconds(3));
  EXPECT_TRUE(cluster_->core(leader).quiet());
  cluster_->Propose(leader, "x");
  cluster_->Run(Seconds(3));
  EXPECT_TRUE(cluster_->core(leader).quiet());
  cluster_->Restart(follower);
  cluster_->Run(Seconds(1));
  EXPECT_TRUE(AllQuiet());
  EXPECT_EQ(cluster_->core(leader).term(), term_);
  EXPECT_EQ(cluster_->node(follower).state, "[x]");
}

// Its node works, so the others trust it until it asks for their votes.
TEST_F(QuietTest, LeaderStepsDownUnheard_OneIsElected) {
  const uint32_t leader = Begin();
  Message message;
  message.type = MessageType::kAppendReply;
  message.from = ReplicaId(leader == 1 ? 2 : 1);
  message.to = ReplicaId(leader);
  message.term = term_ + 1;
  message.reject = true;
  cluster_->Step(leader, MessageReceived{message});
  ASSERT_EQ(cluster_->core(leader).role(), RoleKind::kFollower);
  cluster_->Run(Seconds(2) + kElection * 2);
  EXPECT_NE(Leader(), 0u);
}

// Its node works, and it asks for no votes.
TEST_F(QuietTest, LeaderIsFenced_TrustEnds) {
  const uint32_t leader = Begin();
  cluster_->Fence(leader);
  cluster_->Run(Seconds(2) + kElection * 2);
  EXPECT_NE(Leader(), 0u);
  EXPECT_NE(Leader(), leader);
}

// Its node works. Entries that it does not acknowledge must not count as in
// flight, or they take the room of other groups.
TEST_F(QuietTest, FollowerIsFenced_PulsesAreNoContact) {
  const uint32_t leader = Begin();
  const uint32_t fenced = leader == 1 ? 2 : 1;
  cluster_->Fence(fenced);
  cluster_->Propose(leader, "x");
  cluster_->Run(kElection * 2);
  Core& core = cluster_->core(leader);
  size_t quiet = 0;
  for (int i = 0; i < 60; ++i) {
    if (i % 10 == 0) cluster_->Propose(leader, "y");
    cluster_->Run(Milliseconds(100));
    if (core.quiet()) ++quiet;
    for (const Core::FollowerStatus& follower : core.followers()) {
      EXPECT_EQ(follower.active, follower.replica != ReplicaId(fenced)) << i;
    }
    std::vector<Core::FollowerInFlight> in_flight;
    core.GetInFlight(&in_flight);
    for (const Core::FollowerInFlight& follower : in_flight) {
      EXPECT_EQ(follower.bytes, 0u) << i;
    }
  }
  EXPECT_GT(quiet, 40u);
}

TEST_F(QuietTest, LengthThatNoLeaderSends_IsRefused) {
  const uint32_t leader = Begin();
  Message message;
  message.type = MessageType::kHeartbeat;
  message.from = ReplicaId(leader);
  message.to = ReplicaId(leader == 1 ? 2 : 1);
  message.term = term_;
  for (const Duration quiet_for : {Seconds(-1), Seconds(3601)}) {
    message.quiet_for = quiet_for;
    cluster_->TakeTrace();
    cluster_->Step(static_cast<uint32_t>(message.to.value()),
                   MessageReceived{message});
    ASSERT_EQ(cluster_->TakeTrace().size(), 1u);
  }
}

}  // namespace
}  // namespace quorate::raft
