// Reads by a lease: who may serve them, until when, and whose commits wait.
#include <cstdint>
#include <memory>
#include <utility>

#include "gtest/gtest.h"
#include "raft/core/core.h"
#include "raft/core/testing/core_cluster.h"

namespace quorate::raft {
namespace {

constexpr Duration kLease = Seconds(1);  // Longer than an election takes.
// The lease is shorter by drift, and by what the clock's watch does not see.
constexpr Duration kLeaseMargin = Milliseconds(20);

class LeaseTest : public ::testing::Test {
 protected:
  // Returns the leader, which has just sent heartbeats.
  uint32_t Begin(CoreCluster::Options options = {}) {
    options.lease_length = kLease;
    cluster_ = std::make_unique<CoreCluster>(options);
    cluster_->Run(kLease + Seconds(2));
    return Leader();
  }
  void TearDown() override { EXPECT_EQ(cluster_->violation(), ""); }

  uint32_t Leader() {
    uint32_t leader = 0;
    for (uint32_t id = 1; id <= cluster_->size(); ++id) {
      if (cluster_->up(id) && cluster_->core(id).role() == RoleKind::kLeader &&
          (leader == 0 ||
           cluster_->core(id).term() > cluster_->core(leader).term())) {
        leader = id;
      }
    }
    return leader;
  }
  // Another voter than these.
  uint32_t Other(uint32_t a, uint32_t b = 0) const {
    for (uint32_t id = 1;; ++id) {
      if (id != a && id != b) return id;
    }
  }
  void CutOff(uint32_t id) {
    for (uint32_t other = 1; other <= cluster_->size(); ++other) {
      cluster_->Cut(id, other);
      cluster_->Cut(other, id);
    }
  }
  // Whether a read is answered at once, without a message.
  bool Reads(uint32_t id) {
    const uint64_t tag = next_tag_++;
    cluster_->Read(id, tag);
    const auto& read = cluster_->reads().at(tag);
    return read.done && read.ok;
  }
  bool Commits(uint32_t id) {
    return cluster_->core(id).commit_index() == cluster_->core(id).last().index;
  }
  // Runs until another replica leads, in a newer term.
  uint32_t AwaitLeader(Duration limit) {
    const uint32_t before = Leader();
    const MonoTime end = cluster_->now() + limit;
    while (Leader() == before && cluster_->now() < end) {
      cluster_->Run(Milliseconds(1));
    }
    EXPECT_NE(Leader(), before);
    return Leader();
  }

  std::unique_ptr<CoreCluster> cluster_;
  uint64_t next_tag_ = 1;
};

TEST_F(LeaseTest, LeaderWithLease_ReadsWithoutMessages) {
  const uint32_t leader = Begin();
  const size_t before = cluster_->sent(MessageType::kHeartbeat);
  EXPECT_TRUE(Reads(leader));
  EXPECT_EQ(cluster_->sent(MessageType::kHeartbeat), before);
}

TEST_F(LeaseTest, CutOffLeader_ReadsUntilItsLeaseEnds) {
  const uint32_t leader = Begin();
  CutOff(leader);
  cluster_->Advance(kLease - kLeaseMargin - Milliseconds(75));
  EXPECT_TRUE(Reads(leader));
  cluster_->Advance(kLeaseMargin + Milliseconds(75));
  EXPECT_FALSE(Reads(leader));
}

// The reply arrives long after the heartbeat was sent.
TEST_F(LeaseTest, Lease_CountsFromTheSendTime) {
  const uint32_t leader = Begin();
  cluster_->Advance(kLease);
  ASSERT_FALSE(Reads(leader));
  // The read's round has sent heartbeats.
  cluster_->Advance(kLease / 2);
  ASSERT_TRUE(cluster_->Stabilize());
  EXPECT_TRUE(Reads(leader));
  cluster_->Advance(kLease / 2);
  EXPECT_FALSE(Reads(leader));
}

TEST_F(LeaseTest, NewLeader_CommitsNothingWhileThePromiseLasts) {
  const uint32_t old = Begin();
  const MonoTime cut = cluster_->now();
  CutOff(old);
  const uint32_t next = AwaitLeader(Milliseconds(900));
  EXPECT_FALSE(Commits(next));
  EXPECT_TRUE(Reads(old));  // The checker sees what others committed.
  while (!Commits(next)) cluster_->Run(Milliseconds(1));
  EXPECT_GT(cluster_->now() - cut, kLease - Milliseconds(75));
  EXPECT_LT(cluster_->now() - cut, kLease + kLeaseMargin);
  EXPECT_FALSE(Reads(old));
}

TEST_F(LeaseTest, VoterThatStartedAgain_HasPromisedAWholeLease) {
  const uint32_t old = Begin();
  const uint32_t voter = Other(old);
  CutOff(old);
  cluster_->Advance(kLease / 2);
  cluster_->Crash(voter);
  cluster_->Restart(voter);
  const MonoTime started = cluster_->now();
  const uint32_t next = AwaitLeader(Seconds(3));
  ASSERT_LT(cluster_->now() - started, kLease);
  while (!Commits(next)) cluster_->Run(Milliseconds(1));
  EXPECT_GE(cluster_->now() - started, kLease);
}

// The target commits at once, and the former leader reads no more, even if the
// transfer came to nothing.
TEST_F(LeaseTest, Transfer_EndsTheLease_AndItsTargetCommits) {
  const uint32_t old = Begin();
  const uint32_t target = Other(old);
  cluster_->Step(old, TransferRequested{ReplicaId(target)});
  EXPECT_FALSE(Reads(old));
  ASSERT_TRUE(cluster_->Stabilize());
  ASSERT_EQ(Leader(), target);
  EXPECT_TRUE(Commits(target));
}

TEST_F(LeaseTest, AbandonedTransfer_LeavesTheTermWithoutLease) {
  const uint32_t old = Begin();
  const uint32_t target = Other(old);
  cluster_->Cut(old, target);
  cluster_->Step(old, TransferRequested{ReplicaId(target)});
  cluster_->Run(Milliseconds(650));
  cluster_->Heal(old, target);
  cluster_->Run(Seconds(1));
  ASSERT_EQ(Leader(), old);
  EXPECT_FALSE(Reads(old));
  ASSERT_TRUE(cluster_->Stabilize());
  EXPECT_TRUE(cluster_->reads().rbegin()->second.ok);  // By a round.
}

// A leader that is still held gives its leadership away: the next one waits for
// the same promise.
TEST_F(LeaseTest, TransferDuringTheHold_PassesItOn) {
  const uint32_t old = Begin({.voters = 5});
  const MonoTime cut = cluster_->now();
  CutOff(old);
  const uint32_t next = AwaitLeader(Milliseconds(900));
  const uint32_t last = Other(old, next);
  cluster_->Step(next, TransferRequested{ReplicaId(last)});
  ASSERT_TRUE(cluster_->Stabilize());
  ASSERT_EQ(Leader(), last);
  EXPECT_FALSE(Commits(last));
  while (!Commits(last)) cluster_->Run(Milliseconds(1));
  EXPECT_GT(cluster_->now() - cut, kLease - Milliseconds(75));
}

TEST_F(LeaseTest, ClockDisruption_EndsTheLeaseUntilTheNextHeartbeat) {
  const uint32_t leader = Begin();
  ++cluster_->node(leader).clock_disruptions;
  EXPECT_FALSE(Reads(leader));
  cluster_->Run(Milliseconds(200));
  EXPECT_TRUE(Reads(leader));
}

TEST_F(LeaseTest, ClockDisruptionOfAVoter_RestartsItsPromise) {
  const uint32_t old = Begin();
  CutOff(old);
  cluster_->Advance(kLease);
  for (uint32_t id = 1; id <= 3; ++id) ++cluster_->node(id).clock_disruptions;
  const MonoTime disrupted = cluster_->now();
  const uint32_t next = AwaitLeader(Seconds(3));
  while (!Commits(next)) cluster_->Run(Milliseconds(1));
  EXPECT_GE(cluster_->now() - disrupted, kLease);
}

TEST_F(LeaseTest, Learner_DoesNotCount) {
  const uint32_t leader = Begin({.voters = 3, .learners = 2});
  for (uint32_t voter = 1; voter <= 3; ++voter) {
    cluster_->Cut(leader, voter);
    cluster_->Cut(voter, leader);
  }
  cluster_->Run(Milliseconds(500));
  cluster_->Advance(kLease / 2);
  EXPECT_FALSE(Reads(leader));
}

// A follower asks its leader, which answers in a later turn: its clock may have
// been read before the question arrived.
TEST_F(LeaseTest, FollowersRead_IsAnsweredByTheTimer) {
  const uint32_t leader = Begin();
  const uint32_t follower = Other(leader);
  const size_t before = cluster_->sent(MessageType::kHeartbeat);
  EXPECT_FALSE(Reads(follower));
  ASSERT_TRUE(cluster_->Deliver(follower, leader));
  EXPECT_EQ(cluster_->sent(MessageType::kReadIndexReply), 0u);
  EXPECT_EQ(cluster_->core(leader).deadline(), cluster_->now());
  cluster_->FireTimeout(leader);
  ASSERT_TRUE(cluster_->Deliver(leader, follower));
  EXPECT_TRUE(cluster_->reads().rbegin()->second.ok);
  EXPECT_EQ(cluster_->sent(MessageType::kHeartbeat), before);
}

TEST_F(LeaseTest, ReadThatShowsLogTime_NeedsARound) {
  const uint32_t leader = Begin();
  cluster_->Step(leader, ReadRequested{.tag = 100, .shows_log_time = true});
  EXPECT_TRUE(cluster_->reads().empty());
  EXPECT_TRUE(Reads(leader));
  const uint32_t follower = Other(leader);
  cluster_->Step(follower, ReadRequested{.tag = 101, .shows_log_time = true});
  ASSERT_TRUE(cluster_->Deliver(follower, leader));
  EXPECT_NE(cluster_->core(leader).deadline(), cluster_->now());
}

TEST_F(LeaseTest, LeaseReadsTurnedOff_NeedARound) {
  CoreCluster::Options options;
  options.core.lease_reads = false;
  const uint32_t leader = Begin(options);
  EXPECT_FALSE(Reads(leader));
}

// A majority knows the log time that reads show. The present one is later, and
// an entry has to advance log time to it.
TEST_F(LeaseTest, PresentLogTime_AdvancesBetweenHeartbeats) {
  CoreCluster::Options options;
  options.wall_clock = true;
  const uint32_t leader = Begin(options);
  const uint32_t follower = Other(leader);
  CutOff(leader);
  ASSERT_TRUE(Reads(leader));
  const WallTime shown = cluster_->core(leader).read_log_time();
  const WallTime present = cluster_->core(leader).present_log_time();
  cluster_->Advance(kLease / 2);
  ASSERT_TRUE(Reads(leader));
  EXPECT_EQ(cluster_->core(leader).read_log_time(), shown);
  EXPECT_GE(cluster_->core(leader).present_log_time(), present + kLease / 3);
  EXPECT_EQ(cluster_->core(follower).present_log_time(), WallTime());
}

// A read may have shown later log times than any heartbeat.
TEST_F(LeaseTest, LogTimeOfANewLeader_IsNotBeforeThatOfReads) {
  const uint32_t old = Begin();
  CutOff(old);
  cluster_->Advance(kLease - kLeaseMargin - Milliseconds(75));
  ASSERT_TRUE(Reads(old));
  const WallTime shown = cluster_->core(old).read_log_time();
  cluster_->Run(Seconds(3));
  const uint32_t next = Leader();
  ASSERT_NE(next, old);
  const Core& core = cluster_->core(next);
  EXPECT_GE(core.EntryAt(core.last().index).log_time, shown);
}

}  // namespace
}  // namespace quorate::raft
