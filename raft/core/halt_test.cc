// A replica whose program does not know an entry.
#include <algorithm>
#include <vector>

#include "gtest/gtest.h"
#include "raft/core/testing/replica_fixture.h"

namespace quorate::raft {
namespace {

class HaltTest : public ReplicaTest, protected HostGate {
 protected:
  bool MaySend(ReplicaId, Load) override { return true; }
  bool MayGrowHalted() override { return may_grow_; }
  bool CanApply(const Entry& entry) override {
    return entry.payload.view() != "new";
  }
  void SetUp() override { context_.gate = this; }

  // A follower of node 2 in term 2, whose log is "x", "new", "x" from index 2.
  void HaltAsFollower() {
    Start(Term(2));
    Receive(Append(2, 2, At(1, 1),
                   {Commands(2, 2), Commands(2, 3, "new"), Commands(2, 4)}, 4));
  }
  bool may_grow_ = true;
  bool HasEvent(Event::Kind kind) const {
    return std::any_of(
        out_.events.begin(), out_.events.end(),
        [kind](const Event& event) { return event.kind == kind; });
  }
};

TEST_F(HaltTest, Follower_AppliesUpToTheUnknownEntry) {
  HaltAsFollower();
  EXPECT_TRUE(HasEvent(Event::Kind::kHalted));
  EXPECT_EQ(core_->halted_at(), Index(3));
  EXPECT_EQ(core_->commit_index(), Index(4));
  EXPECT_EQ(core_->applied_index(), Index(2));
  // More entries change nothing, however they are committed.
  Receive(Append(2, 2, At(2, 4), {Commands(2, 5)}, 5));
  EXPECT_TRUE(out_.apply.empty());
  EXPECT_EQ(core_->halted_at(), Index(3));
  core_->CheckInvariants();
}

TEST_F(HaltTest, Follower_AcknowledgesAndVotesButNeverCampaigns) {
  HaltAsFollower();
  const std::vector<Message> acknowledged =
      Of(FinishWrite(), MessageType::kAppendReply);
  ASSERT_EQ(acknowledged.size(), 1u);
  EXPECT_EQ(acknowledged[0].durable, Index(4));
  Message now = From(2, MessageType::kTimeoutNow, 2);
  Receive(now);
  EXPECT_EQ(core_->role(), RoleKind::kFollower);
  for (int i = 0; i < 20; ++i) {
    PassToDeadline();
    EXPECT_EQ(core_->role(), RoleKind::kFollower);
  }
  Receive(VoteRequest(3, 3, At(2, 4)));
  EXPECT_EQ(core_->voted_for(), ReplicaId(3));
}

// Its last chunk is being written meanwhile.
TEST_F(HaltTest, ArrivingSnapshot_IsDiscarded) {
  Start(Term(2));
  const SnapshotDescriptor snapshot = SmallSnapshot(At(2, 20));
  Receive(ChunkOf(2, 2, snapshot));
  Receive(Append(2, 2, At(1, 1),
                 {Commands(2, 2), Commands(2, 3, "new"), Commands(2, 4)}, 4));
  EXPECT_EQ(core_->halted_at(), Index(3));
  ASSERT_EQ(out_.snapshots.size(), 1u);
  EXPECT_EQ(out_.snapshots[0].kind, SnapshotWork::Kind::kDiscard);
  Step(ChunkWritten{snapshot, 1});
  EXPECT_FALSE(core_->installing());
  EXPECT_TRUE(out_.snapshots.empty());
}

TEST_F(HaltTest, Leader_StepsDown) {
  Start(Term(1));
  BecomeServingLeader();
  const Index unknown = core_->last().index + 1;
  Step(Proposal{1, EntryKind::kCommands, Buffer::Copy("new")});
  Receive(Ack(2, core_->term().value(), unknown.value()));
  FinishWrites();
  EXPECT_EQ(core_->halted_at(), unknown);
  EXPECT_EQ(core_->role(), RoleKind::kFollower);
  EXPECT_EQ(core_->applied_index(), unknown - 1);
  core_->CheckInvariants();
}

// They are kept and acknowledged. If they were dropped, the leader would send
// them again and again.
TEST_F(HaltTest, EntriesOfANewerProgram_AreKeptAndHaltTheReplica) {
  Entry kind = Commands(2, 3);
  kind.kind = static_cast<EntryKind>(77);
  Entry version = Commands(2, 3);
  version.version = 2;
  Entry flags = Commands(2, 3);
  flags.flags = 1;
  Entry configuration = BootstrapEntry(configuration_);
  configuration.term = Term(2);
  configuration.index = Index(3);
  configuration.version = 2;
  Entry payload = configuration;
  payload.version = 1;
  payload.payload = Buffer::Copy("of another format");
  for (const Entry& entry : {kind, version, flags, configuration, payload}) {
    pending_.clear();
    Start(Term(2));
    Receive(Append(2, 2, At(1, 1), {Commands(2, 2), entry}, 2));
    EXPECT_EQ(core_->halted_at(), Index());
    const auto acknowledged = Of(FinishWrite(), MessageType::kAppendReply);
    ASSERT_EQ(acknowledged.size(), 1u);
    EXPECT_EQ(acknowledged[0].durable, Index(3));
    Receive(Append(2, 2, At(2, 3), {}, 3));
    EXPECT_EQ(core_->halted_at(), Index(3));
    EXPECT_EQ(core_->applied_index(), Index(2));
    EXPECT_EQ(core_->configuration(), configuration_);
  }
}

// It votes by the configuration before, but cannot count votes.
TEST_F(HaltTest, UnknownConfigurationInARecoveredLog_NeverCampaigns) {
  Restored restored;
  restored.hard_state = {Term(2), ReplicaId()};
  restored.entries.push_back(BootstrapEntry(configuration_));
  Entry unknown = restored.entries.front();
  unknown.term = Term(2);
  unknown.index = Index(2);
  unknown.payload = Buffer::Copy("of another format");
  restored.entries.push_back(unknown);
  StartFrom(std::move(restored));
  for (int i = 0; i < 5; ++i) {
    PassToDeadline();
    EXPECT_EQ(core_->role(), RoleKind::kFollower);
    EXPECT_EQ(core_->term(), Term(2));
  }
  // It was never committed: another leader replaces it.
  Receive(Append(3, 3, At(1, 1), {Commands(3, 2)}, 2));
  FinishWrites();
  EXPECT_EQ(core_->applied_index(), Index(2));
  now_.mono = core_->deadline();
  Step(TimerFired());
  EXPECT_EQ(core_->role(), RoleKind::kPreCandidate);
}

// Entries behind the halt are of no use before a restart.
TEST_F(HaltTest, EntriesBehindTheHalt_LeaveTheMemory) {
  HaltAsFollower();
  FinishWrites();
  const WallTime applied = core_->applied_log_time();
  Step(Evict{0});
  EXPECT_EQ(core_->evicted(), Index(4));
  EXPECT_EQ(core_->resident_log_bytes(), 0u);
  EXPECT_EQ(core_->applied_index(), Index(2));
  EXPECT_EQ(core_->applied_log_time(), applied);
  Receive(Append(2, 2, At(2, 4), {Commands(2, 5)}, 5));
  FinishWrites();
  Step(Evict{0});
  EXPECT_EQ(core_->evicted(), Index(5));
}

// The snapshot has the entry as well.
TEST_F(HaltTest, Follower_TakesNoSnapshot) {
  HaltAsFollower();
  Receive(ChunkOf(2, 2, SmallSnapshot(At(2, 9))));
  EXPECT_TRUE(out_.snapshots.empty());
}

// An older program cannot even read its configuration.
TEST_F(HaltTest, SnapshotWithAConfigurationOfANewerProgram_Halts) {
  Start(Term(2));
  SnapshotDescriptor snapshot = SmallSnapshot(At(2, 20));
  snapshot.configuration = UnreadableConfiguration();
  Receive(ChunkOf(2, 2, snapshot));
  EXPECT_TRUE(HasEvent(Event::Kind::kHalted));
  EXPECT_EQ(core_->halted_at(), core_->commit_index() + 1);
  EXPECT_TRUE(out_.snapshots.empty());
}

// It takes no snapshot, so nothing would shorten its log.
TEST_F(HaltTest, FollowerWithALongLog_WantsNoEntries) {
  HaltAsFollower();
  EXPECT_TRUE(Of(out_.messages, MessageType::kAppendReply).empty());
  std::vector<Message> replies = Of(FinishWrite(), MessageType::kAppendReply);
  ASSERT_EQ(replies.size(), 1u);
  EXPECT_FALSE(replies[0].no_entries);
  may_grow_ = false;
  Receive(Append(2, 2, At(2, 4), {Commands(2, 5), Commands(2, 6)}, 6));
  // It says so at once.
  replies = Of(out_.messages, MessageType::kAppendReply);
  ASSERT_EQ(replies.size(), 1u);
  EXPECT_TRUE(replies[0].no_entries);
  Receive(From(2, MessageType::kHeartbeat, 2));
  replies = Of(out_.heartbeats, MessageType::kHeartbeatReply);
  ASSERT_EQ(replies.size(), 1u);
  EXPECT_TRUE(replies[0].no_entries);
}

}  // namespace
}  // namespace quorate::raft
