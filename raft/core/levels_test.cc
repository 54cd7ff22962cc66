// The level of a group rises when all members have announced a higher one.
#include <algorithm>
#include <utility>
#include <vector>

#include "gtest/gtest.h"
#include "raft/core/configuration.h"
#include "raft/core/testing/replica_fixture.h"

namespace quorate::raft {
namespace {

// Replica 1 knows level 3; the group begins at level 1.
class LevelsTest : public ReplicaTest {
 protected:
  void SetUp() override { context_.known_level = Level(3); }

  // A reply to a heartbeat: `node` knows `level`.
  void Announce(uint32_t node, uint64_t level) {
    Message reply =
        From(node, MessageType::kHeartbeatReply, core_->term().value());
    reply.known_level = Level(level);
    Receive(reply);
  }
  Level level() const { return core_->configuration().level; }
  // A configuration of `level`, as an entry.
  Entry Raise(uint64_t term, uint64_t index, uint64_t level) const {
    Configuration raised = configuration_;
    raised.level = Level(level);
    Entry entry = BootstrapEntry(raised);
    entry.term = Term(term);
    entry.index = Index(index);
    return entry;
  }
};

TEST_F(LevelsTest, Leader_RaisesToTheLeastOfAllMembersOnce) {
  Start(Term(1));
  BecomeServingLeader();
  Announce(2, 3);
  EXPECT_EQ(level(), Level(1));  // Replica 3 has announced nothing.
  Announce(3, 2);
  EXPECT_EQ(level(), Level(2));
  const Index raised = core_->last().index;
  EXPECT_EQ(core_->EntryAt(raised).kind, EntryKind::kConfiguration);
  Configuration expected = configuration_;
  expected.level = Level(2);
  EXPECT_EQ(core_->configuration(), expected);
  ASSERT_TRUE(out_.write.has_value());
  EXPECT_EQ(out_.write->entries.size(), 1u);
  EXPECT_FALSE(Of(out_.messages, MessageType::kAppend).empty());
  // The next change waits until this one is committed.
  Announce(3, 3);
  EXPECT_EQ(core_->last().index, raised);
  FinishWrites();
  Receive(Ack(2, core_->term().value(), raised.value()));
  EXPECT_EQ(level(), Level(3));
  EXPECT_EQ(core_->last().index, raised + 1);
  FinishWrites();
  Receive(Ack(2, core_->term().value(), raised.value() + 1));
  Announce(3, 9);
  EXPECT_EQ(core_->last().index, raised + 1);
}

TEST_F(LevelsTest, Learner_HoldsTheLevelBack) {
  configuration_.learners = {{ReplicaId(4), NodeId(4), StoreIncarnation(4)}};
  Start(Term(1));
  BecomeServingLeader();
  Announce(2, 3);
  Announce(3, 3);
  EXPECT_EQ(level(), Level(1));
  Announce(4, 2);
  EXPECT_EQ(level(), Level(2));
}

// An announcement may be older than the last start of its sender.
TEST_F(LevelsTest, Leader_ForgetsAnnouncementsOfOlderTerms) {
  Start(Term(1));
  BecomeServingLeader();
  Announce(2, 3);
  Receive(From(3, MessageType::kAppendReply, core_->term().value() + 1));
  ASSERT_EQ(core_->role(), RoleKind::kFollower);
  FinishWrites();
  BecomeServingLeader();
  Announce(3, 3);
  EXPECT_EQ(level(), Level(1));
}

TEST_F(LevelsTest, Leader_WaitsForACommitOfItsTerm) {
  Start(Term(1));
  BecomeLeader();
  Announce(2, 3);
  Announce(3, 3);
  EXPECT_EQ(level(), Level(1));
  Receive(Ack(2, core_->term().value(), core_->last().index.value()));
  EXPECT_EQ(level(), Level(3));
}

TEST_F(LevelsTest, OnlyMember_RaisesByItself) {
  configuration_ = VotersUpTo(1);
  Start(Term(1));
  PassToDeadline();
  FinishWrites();
  ASSERT_EQ(core_->role(), RoleKind::kLeader);
  EXPECT_EQ(level(), Level(3));
}

TEST_F(LevelsTest, Follower_AnnouncesWhatItKnows) {
  Start(Term(2));
  Receive(From(2, MessageType::kHeartbeat, 2));
  ASSERT_EQ(out_.heartbeats.size(), 1u);
  EXPECT_EQ(out_.heartbeats[0].known_level, Level(3));
}

TEST_F(LevelsTest, Follower_HaltsBeforeALevelThatItDoesNotKnow) {
  Start(Term(2));
  Receive(Append(2, 2, At(1, 1), {Commands(2, 2), Raise(2, 3, 4)}, 3));
  EXPECT_EQ(core_->halted_at(), Index(3));
  EXPECT_EQ(core_->applied_index(), Index(2));
}

TEST_F(LevelsTest, Follower_HaltsAtASnapshotOfSuchALevel) {
  Start(Term(2));
  SnapshotDescriptor snapshot = SmallSnapshot(At(2, 9));
  snapshot.configuration.level = Level(4);
  Receive(ChunkOf(2, 2, snapshot));
  EXPECT_TRUE(out_.snapshots.empty());
  EXPECT_EQ(core_->halted_at(), Index(1));
  // It goes on voting.
  Message request = VoteRequest(3, 3, At(2, 9));
  request.forced = true;
  Receive(request);
  EXPECT_EQ(core_->voted_for(), ReplicaId(3));
}

TEST_F(LevelsTest, Restart_WithASnapshotOfSuchALevel_IsHalted) {
  Restored restored;
  restored.hard_state.term = Term(2);
  restored.snapshot = SmallSnapshot(At(2, 9));
  restored.snapshot.configuration.level = Level(4);
  restored.log_start = restored.snapshot.log_start();
  StartFrom(std::move(restored));
  EXPECT_EQ(core_->halted_at(), Index(10));
  for (int i = 0; i < 5; ++i) PassToDeadline();
  EXPECT_EQ(core_->role(), RoleKind::kFollower);
}

}  // namespace
}  // namespace quorate::raft
