// Rules beyond Figure 2 of the Raft paper: invalid messages, durability, reads,
// leadership transfer, restarts. Limits and log time have tests of their own.
#include "raft/core/core.h"

#include <map>

#include "raft/core/testing/replica_fixture.h"

namespace quorate::raft {
namespace {

using CoreTest = ReplicaTest;

// ---- Invalid messages.

class InvalidMessageTest : public ReplicaTest {
 protected:
  void ExpectDropped(Message message) {
    const LogPosition last = core_->last();
    const Term term = core_->term();
    Receive(std::move(message));
    ASSERT_FALSE(out_.events.empty());
    EXPECT_EQ(out_.events.back().kind, Event::Kind::kInvalidMessage);
    EXPECT_EQ(core_->last(), last);
    EXPECT_EQ(core_->term(), term);
    EXPECT_TRUE(out_.messages.empty());
  }
};

TEST_F(InvalidMessageTest, NotAddressedToThisNode_OrWithoutSender) {
  Start(Term(2));
  Message message = Append(2, 2, At(1, 1), {});
  message.to = ReplicaId(3);
  Step(MessageReceived{message});
  EXPECT_EQ(out_.events.back().kind, Event::Kind::kInvalidMessage);
  ExpectDropped(Append(1, 2, At(1, 1), {}));
  ExpectDropped(Append(0, 2, At(1, 1), {}));
  ExpectDropped(Append(2, 0, At(0, 0), {}));
}

TEST_F(InvalidMessageTest, TypeUnknown) {
  Start(Term(2));
  ExpectDropped(From(2, static_cast<MessageType>(99), 2));
}

TEST_F(InvalidMessageTest, SecondLeaderInOneTerm) {
  Start(Term(2));
  Receive(Append(2, 2, At(1, 1), {}));
  ExpectDropped(Append(3, 2, At(1, 1), {Commands(2, 2)}));
  EXPECT_EQ(core_->leader(), ReplicaId(2));
}

TEST_F(InvalidMessageTest, AppendAtALeader) {
  Start(Term(1));
  BecomeLeader();
  ExpectDropped(Append(3, 2, At(1, 1), {}));
  EXPECT_EQ(core_->role(), RoleKind::kLeader);
}

TEST_F(InvalidMessageTest, EntriesThatNoLeaderSends) {
  Start(Term(3));
  Receive(Append(2, 3, At(1, 1), {}));
  ExpectDropped(Append(2, 3, At(1, 1), {Commands(3, 3)}));  // A gap.
  ExpectDropped(Append(2, 3, At(1, 1), {Commands(3, 2), Commands(2, 3)}));
  ExpectDropped(Append(2, 3, At(1, 1), {Commands(4, 2)}));  // A future term.
  Entry entry = Commands(3, 2);
  entry.log_time = WallTime(-5);  // Before the bootstrap entry's.
  ExpectDropped(Append(2, 3, At(1, 1), {entry}));
}

TEST_F(InvalidMessageTest, AcknowledgementOfWhatWasNeverSent) {
  Start(Term(1));
  BecomeLeader();
  ExpectDropped(Ack(2, 2, 9));
  EXPECT_EQ(core_->commit_index(), Index(0));
}

TEST_F(InvalidMessageTest, ConfirmationOfAReadRoundNeverSent) {
  Start(Term(1));
  BecomeServingLeader();
  Message reply = From(2, MessageType::kHeartbeatReply, 2);
  reply.read_round = ReadRound(5);
  ExpectDropped(reply);
}

TEST_F(InvalidMessageTest, ChunkBeyondItsSnapshot) {
  Start(Term(3));
  Receive(Append(2, 3, At(1, 1), {}));
  Message chunk = From(2, MessageType::kSnapshotChunk, 3);
  chunk.part.Mutable().snapshot.position = At(3, 9);
  chunk.part.Mutable().snapshot.configuration = configuration_;
  chunk.part.Mutable().snapshot.size_bytes = 3;
  chunk.part.Mutable().chunk = Buffer::Copy("abcd");
  ExpectDropped(chunk);
  chunk.part.Mutable().chunk = Buffer::Copy("abc");
  chunk.part.Mutable().snapshot.configuration = Configuration();
  ExpectDropped(chunk);
}

TEST_F(CoreTest, Heartbeat_CommitBeyondTheLog_IsNotFollowed) {
  Start(Term(2), {2});
  Message heartbeat = From(2, MessageType::kHeartbeat, 2);
  heartbeat.commit = Index(9);
  Receive(heartbeat);
  EXPECT_EQ(core_->commit_index(), Index(0));
  // The follower is known to be alive.
  EXPECT_EQ(out_.heartbeats.size(), 1u);
}

// ---- Durability.

TEST_F(CoreTest, WriteDone_OfTheOldEpoch_DoesNotCoverTheNewEntry) {
  Start(Term(2));
  Receive(Append(2, 2, At(1, 1), {Commands(2, 2), Commands(2, 3)}));
  Receive(Append(3, 3, At(1, 1), {Commands(3, 2), Commands(3, 3)}));
  ASSERT_EQ(pending_.size(), 2u);
  EXPECT_NE(pending_[0].token.epoch, pending_[1].token.epoch);
  FinishWrite();
  EXPECT_EQ(core_->durable_index(), Index(1));
  FinishWrite();
  EXPECT_EQ(core_->durable_index(), Index(3));
}

TEST_F(CoreTest, Append_MatchesWhatIsNotDurableYet_OnlyDurableIsAcknowledged) {
  Start(Term(2));
  Receive(Append(2, 2, At(1, 1), {}));
  Receive(Append(2, 2, At(1, 1), {Commands(2, 2)}));
  Receive(Append(2, 2, At(1, 1), {Commands(2, 2)}));
  ASSERT_EQ(out_.messages.size(), 1u);
  EXPECT_EQ(out_.messages[0].received, Index(2));
  EXPECT_EQ(out_.messages[0].durable, Index(1));
}

TEST_F(CoreTest, WriteDone_OutOfOrder_DoesNotFall) {
  Start(Term(2));
  Receive(Append(2, 2, At(1, 1), {Commands(2, 2)}));
  Receive(Append(2, 2, At(2, 2), {Commands(2, 3)}));
  const WriteToken first = pending_[0].token;
  Step(WriteDone{pending_[1].token});
  EXPECT_EQ(core_->durable_index(), Index(3));
  Step(WriteDone{first});
  EXPECT_EQ(core_->durable_index(), Index(3));
}

TEST_F(CoreTest, Acknowledgement_LateOrFromANonMember_ChangesNothing) {
  Start(Term(1));
  BecomeServingLeader();
  for (int i = 0; i < 3; ++i) {
    Step(Proposal{0, EntryKind::kCommands, Buffer::Copy("a")});
  }
  FinishWrites();
  Receive(Ack(9, 2, 5));
  EXPECT_EQ(core_->commit_index(), Index(2));
  Receive(Ack(2, 2, 4));
  Receive(Ack(2, 2, 3));
  EXPECT_EQ(core_->followers()[0].match, Index(4));
  EXPECT_EQ(core_->commit_index(), Index(4));
}

TEST_F(CoreTest, Refusal_LateAfterTheFollowerCaughtUp_DoesNotWalkBack) {
  Start(Term(3), {1, 2, 3});
  BecomeServingLeader();
  ASSERT_EQ(core_->followers()[0].match, Index(5));
  Message refusal = Rejection(2, 4, At(1, 1));
  refusal.number = AppendNumber(1);
  Receive(refusal);
  EXPECT_EQ(core_->followers()[0].next, Index(6));
  EXPECT_EQ(core_->followers()[0].state, "replicate");
}

// The entries are in the follower's memory; its disk hangs. Overdue replies
// make the leader ask, and it sends no entry a second time.
TEST_F(CoreTest, Follower_WithASlowDisk_IsSentNothingTwice) {
  Start(Term(1));
  BecomeServingLeader();
  Receive(Ack(3, 2, 2));
  Step(Proposal{0, EntryKind::kCommands, Buffer::Copy("a")});
  FinishWrites();
  for (int round = 0; round < 20; ++round) {
    Message contact = From(2, MessageType::kHeartbeatReply, 2);
    Receive(contact);
    contact.from = ReplicaId(3);
    Receive(contact);
    Pass(options_.retry_interval);
    Step(TimerFired());
    const auto appends = Of(out_.messages, MessageType::kAppend);
    ASSERT_EQ(appends.size(), 2u) << round;
    for (const Message& append : appends) {
      EXPECT_EQ(append.previous, At(2, 3));
      EXPECT_TRUE(append.entries.empty());
      Message reply = From(append.to.value(), MessageType::kAppendReply, 2);
      reply.number = append.number;
      reply.received = Index(3);
      reply.durable = Index(2);
      Receive(reply);
      EXPECT_TRUE(Of(out_.messages, MessageType::kAppend).empty());
    }
  }
  EXPECT_EQ(core_->commit_index(), Index(2));
  Message reply = Ack(2, 2, 3);
  reply.number = AppendNumber(3);  // That of the entry, before all questions.
  Receive(reply);
  EXPECT_EQ(core_->commit_index(), Index(3));
}

TEST_F(CoreTest, Follower_ThatLostDurableEntries_IsSentNothingMore) {
  Start(Term(1));
  BecomeServingLeader();
  Step(Proposal{0, EntryKind::kCommands, Buffer::Copy("a")});
  Receive(Rejection(2, 2, At(1, 1)));
  EXPECT_TRUE(out_.messages.empty());
  ASSERT_EQ(out_.events.size(), 1u);
  EXPECT_EQ(out_.events[0].kind, Event::Kind::kFollowerLostEntries);
  EXPECT_EQ(out_.events[0].index, Index(2));
  // It is told at once, with each heartbeat, and over a new link.
  const auto told = [this] {
    for (const Message& message : out_.heartbeats) {
      EXPECT_EQ(message.lost_entries, message.to == ReplicaId(2));
      if (message.lost_entries) return true;
    }
    return false;
  };
  EXPECT_TRUE(told());
  Pass(options_.heartbeat_interval);
  Step(TimerFired());
  EXPECT_TRUE(told());
  Step(RoomToSend{ReplicaId(2), true});
  EXPECT_TRUE(told());
  EXPECT_TRUE(out_.messages.empty());
  Step(Proposal{0, EntryKind::kCommands, Buffer::Copy("b")});
  EXPECT_TRUE(Of(out_.messages, MessageType::kAppend).empty());
  FinishWrites();
  Receive(Ack(2, 2, 4));
  EXPECT_EQ(core_->commit_index(), Index(2));
}

// Its reply to an append may be lost, and the leader would wait for a retry.
TEST_F(CoreTest, Follower_WhoseReplyLinkIsNew_RepliesToItsLeader) {
  Start(Term(2));
  Step(RepliesLost{ReplicaId(2)});
  EXPECT_TRUE(out_.messages.empty()) << "it knows no leader";
  Receive(From(2, MessageType::kHeartbeat, 2));
  Step(RepliesLost{ReplicaId(3)});
  EXPECT_TRUE(out_.messages.empty());
  Step(RepliesLost{ReplicaId(2)});
  ASSERT_EQ(out_.messages.size(), 1u);
  EXPECT_EQ(out_.messages[0].type, MessageType::kAppendReply);
  EXPECT_EQ(out_.messages[0].number, AppendNumber());
  EXPECT_FALSE(out_.messages[0].reject);
}

TEST_F(CoreTest, Leader_OfAFollowerWhoseRepliesMayBeLost_AsksAgain) {
  Start(Term(1));
  BecomeServingLeader();
  Message told = Ack(2, 2, 0);
  told.number = AppendNumber();
  Receive(told);
  EXPECT_TRUE(Of(out_.messages, MessageType::kAppend).empty())
      << "it awaits no reply";
  Step(Proposal{0, EntryKind::kCommands, Buffer::Copy("a")});
  Receive(told);
  const std::vector<Message> asked = Of(out_.messages, MessageType::kAppend);
  ASSERT_EQ(asked.size(), 1u);
  EXPECT_EQ(asked[0].to, ReplicaId(2));
  EXPECT_TRUE(asked[0].entries.empty());
}

// Only the leader of the present term is believed.
TEST_F(CoreTest, Follower_ThatIsToldOfLostEntries_ReportsIt) {
  Start(Term(2));
  Message heartbeat = From(2, MessageType::kHeartbeat, 1);
  heartbeat.lost_entries = true;
  Receive(heartbeat);
  EXPECT_TRUE(out_.events.empty());
  heartbeat.term = Term(2);
  heartbeat.to = ReplicaId(1);
  Receive(heartbeat);
  ASSERT_FALSE(out_.events.empty());
  EXPECT_EQ(out_.events.back().kind, Event::Kind::kLostEntries);
  EXPECT_TRUE(out_.heartbeats.empty());
}

// Its copies are gone: counting them, the group could commit an entry that the
// leader's disk alone has.
TEST_F(CoreTest, Follower_ThatLostDurableEntries_DoesNotCount) {
  Start(Term(1));
  BecomeServingLeader();
  Step(Proposal{0, EntryKind::kCommands, Buffer::Copy("a")});
  Receive(Ack(2, 2, 3));
  Step(Proposal{0, EntryKind::kCommands, Buffer::Copy("b")});
  ASSERT_EQ(core_->commit_index(), Index(2));
  Receive(Rejection(2, 2, At(1, 1)));
  ASSERT_EQ(out_.events.size(), 1u);
  EXPECT_EQ(out_.events[0].index, Index(3));
  FinishWrites();
  EXPECT_EQ(core_->commit_index(), Index(2));
  Receive(Ack(3, 2, 4));
  EXPECT_EQ(core_->commit_index(), Index(4));
}

TEST_F(CoreTest, Snapshot_ThatCannotBeReadForAWhile_IsContinued) {
  Start(Term(1));
  BecomeServingLeader();
  SnapshotDescriptor snapshot = SmallSnapshot(At(2, 2));
  snapshot.size_bytes = 2;
  Step(SnapshotTaken{snapshot, Index(2)});
  Receive(Rejection(3, 2, At(1, 1)));
  Step(ChunkRead{ReplicaId(3), snapshot, 0, Buffer::Copy("x"), false});
  Message reply = From(3, MessageType::kSnapshotReply, 2);
  reply.number = last_append_;
  reply.part.Mutable().snapshot.position = snapshot.position;
  reply.part.Mutable().offset = 1;
  reply.part.Mutable().staged = 1;
  Receive(reply);
  ASSERT_EQ(out_.snapshots.size(), 1u);
  for (int round = 0; round < 30; ++round) {
    Step(ChunkRead{ReplicaId(3), snapshot, 1, Buffer(), false});
    EXPECT_TRUE(out_.snapshots.empty()) << "a pause comes first";
    Receive(From(3, MessageType::kHeartbeatReply, 2));
    Pass(options_.retry_interval);
    Step(TimerFired());
    ASSERT_EQ(out_.snapshots.size(), 1u);
    EXPECT_EQ(out_.snapshots[0].offset, 1u);
  }
}

TEST_F(CoreTest, Snapshot_ForAFollowerThatIsGone_IsNotSentAgain) {
  Start(Term(1));
  BecomeServingLeader();
  const SnapshotDescriptor snapshot = SmallSnapshot(At(2, 2));
  Step(SnapshotTaken{snapshot, Index(2)});
  Receive(Rejection(3, 2, At(1, 1)));
  ASSERT_EQ(out_.snapshots.size(), 1u);
  Step(ChunkRead{ReplicaId(3), snapshot, 0, Buffer::Copy("x"), false});
  // It still answers at first.
  size_t questions = 0;
  for (int round = 0; round < 20; ++round) {
    Receive(From(2, MessageType::kHeartbeatReply, 2));
    Pass(options_.retry_interval);
    Step(TimerFired());
    questions += Of(out_.messages, MessageType::kSnapshotChunk).size();
    EXPECT_TRUE(out_.snapshots.empty());
  }
  EXPECT_LE(questions, 4u);
  EXPECT_GE(questions, 1u);
  Receive(From(3, MessageType::kHeartbeatReply, 2));
  Pass(options_.retry_interval);
  Step(TimerFired());
  EXPECT_EQ(Of(out_.messages, MessageType::kSnapshotChunk).size(), 1u);
}

TEST_F(CoreTest,
       Snapshot_InTransfer_IsReportedUntilTheFollowerIsSilentForLong) {
  Start(Term(1));
  BecomeServingLeader();
  const auto in_transfer = [this] {
    return core_->followers().at(1).snapshot;  // To replica 3.
  };
  const SnapshotDescriptor snapshot = SmallSnapshot(At(2, 2));
  Step(SnapshotTaken{snapshot, Index(2)});
  EXPECT_EQ(in_transfer(), LogPosition());
  Receive(Rejection(3, 2, At(1, 1)));
  EXPECT_EQ(in_transfer(), snapshot.position);
  const auto pass = [this](Duration time) {
    for (Duration passed; passed < time;
         passed = passed + options_.retry_interval) {
      Receive(From(2, MessageType::kHeartbeatReply, 2));
      Pass(options_.retry_interval);
      Step(TimerFired());
    }
  };
  pass(options_.snapshot_transfer_timeout / 2);
  EXPECT_EQ(in_transfer(), snapshot.position);
  pass(options_.snapshot_transfer_timeout);
  ASSERT_EQ(core_->role(), RoleKind::kLeader);
  EXPECT_EQ(in_transfer(), LogPosition());
  Receive(From(3, MessageType::kHeartbeatReply, 2));
  EXPECT_EQ(in_transfer(), snapshot.position);
}

TEST_F(CoreTest, WriteDone_AfterASnapshotReplacedTheLog_IsIgnored) {
  Start(Term(5));
  Receive(Append(2, 5, At(1, 1), {Commands(5, 2), Commands(5, 3)}));
  // The log holds another entry 2.
  const SnapshotDescriptor snapshot = SmallSnapshot(At(4, 2));
  ReceiveSnapshot(2, 5, snapshot);
  Step(SnapshotInstalled{snapshot, true});
  ASSERT_EQ(core_->last(), At(4, 2));
  FinishWrites();
  EXPECT_EQ(core_->durable_index(), Index(2));
}

TEST_F(CoreTest, SnapshotInstall_NotOk_LeaderStartsAgain) {
  Start(Term(5));
  const SnapshotDescriptor snapshot = SmallSnapshot(At(4, 9));
  ReceiveSnapshot(2, 5, snapshot);
  Step(SnapshotInstalled{snapshot, false});
  ASSERT_EQ(out_.messages.size(), 1u);
  EXPECT_EQ(out_.messages[0].type, MessageType::kSnapshotReply);
  EXPECT_TRUE(out_.messages[0].reject);
  EXPECT_EQ(core_->last(), At(1, 1));
  Receive(ChunkOf(2, 5, snapshot));  // The transfer starts again.
  EXPECT_EQ(out_.snapshots.size(), 1u);
}

TEST_F(CoreTest, SnapshotInstall_UnderWay_NothingElseMoves) {
  Start(Term(5));
  const SnapshotDescriptor snapshot = SmallSnapshot(At(4, 9));
  ReceiveSnapshot(2, 5, snapshot);
  // While the state machine is replaced, the replica neither appends nor
  // commits nor campaigns.
  Receive(Append(2, 5, At(1, 1), {Commands(5, 2)}, 2));
  EXPECT_EQ(core_->last(), At(1, 1));
  Message heartbeat = From(2, MessageType::kHeartbeat, 5);
  heartbeat.commit = Index(1);
  Receive(heartbeat);
  EXPECT_EQ(core_->commit_index(), Index(0));
  PassToDeadline();
  EXPECT_EQ(core_->role(), RoleKind::kFollower);
  Receive(From(2, MessageType::kTimeoutNow, 5));
  EXPECT_EQ(core_->role(), RoleKind::kFollower);
}

TEST_F(CoreTest, SnapshotTaken_EntriesNotDurableYet_StayInMemory) {
  Start(Term(2));
  Receive(Append(2, 2, At(1, 1), {Commands(2, 2), Commands(2, 3)}, 3));
  SnapshotTaken compacted;
  compacted.snapshot.position = At(2, 3);
  compacted.snapshot.configuration = configuration_;
  compacted.compact_index = Index(3);
  Step(compacted);
  EXPECT_EQ(core_->log_start(), At(1, 1));
  EXPECT_EQ(core_->snapshot().position, At(2, 3));
}

TEST_F(CoreTest, Restart_FromSnapshot_BeginsAtItsPosition) {
  Restored restored;
  restored.hard_state.term = Term(4);
  restored.snapshot.position = At(3, 7);
  restored.snapshot.configuration = configuration_;
  restored.snapshot.log_time = WallTime(70);
  restored.log_start = restored.snapshot.log_start();
  Entry entry = Commands(4, 8);
  entry.log_time = WallTime(71);
  restored.entries = {entry};
  StartFrom(std::move(restored));
  EXPECT_EQ(core_->log_start(), At(3, 7));
  EXPECT_EQ(core_->last(), At(4, 8));
  EXPECT_EQ(core_->commit_index(), Index(7));
  EXPECT_EQ(core_->applied_log_time(), WallTime(70));
  EXPECT_EQ(core_->configuration(), configuration_);
}

// An entry stays committed. So a replica applies those that it knew, also while
// no leader is heard.
TEST_F(CoreTest, Restart_WithAKnownCommit_AppliesWithoutALeader) {
  Restored restored;
  restored.hard_state.term = Term(2);
  restored.commit = Index(3);
  restored.entries = {BootstrapEntry(configuration_), Commands(2, 2),
                      Commands(2, 3), Commands(2, 4)};
  StartFrom(std::move(restored));
  EXPECT_EQ(core_->commit_index(), Index(3));
  EXPECT_EQ(core_->applied_index(), Index(0));
  EXPECT_EQ(core_->deadline(), now_.mono);
  Step(TimerFired());
  EXPECT_EQ(core_->applied_index(), Index(3));
  ASSERT_EQ(out_.apply.size(), 3u);
  EXPECT_EQ(out_.apply.back().index, Index(3));
  EXPECT_EQ(core_->role(), RoleKind::kFollower);
  EXPECT_GT(core_->deadline(), now_.mono);
}

TEST_F(CoreTest, Restart_WithACommitBehindItsLog_TakesTheLastEntry) {
  Restored restored;
  restored.hard_state.term = Term(2);
  restored.commit = Index(9);
  restored.entries = {BootstrapEntry(configuration_), Commands(2, 2)};
  StartFrom(std::move(restored));
  EXPECT_EQ(core_->commit_index(), Index(2));
}

TEST_F(CoreTest, Restart_WithACommitBeforeItsSnapshot_TakesTheSnapshot) {
  Restored restored;
  restored.hard_state.term = Term(4);
  restored.commit = Index(5);
  restored.snapshot.position = At(3, 7);
  restored.snapshot.configuration = configuration_;
  restored.log_start = restored.snapshot.log_start();
  restored.entries = {Commands(4, 8)};
  StartFrom(std::move(restored));
  EXPECT_EQ(core_->commit_index(), Index(7));
  EXPECT_EQ(core_->applied_index(), Index(7));
  EXPECT_GT(core_->deadline(), now_.mono);
}

TEST_F(CoreTest, Write_HasTheCommitIndexOfItsTime) {
  Start(Term(2));
  Receive(Append(2, 2, At(1, 1), {Commands(2, 2), Commands(2, 3)}, 2));
  ASSERT_TRUE(out_.write.has_value());
  EXPECT_EQ(core_->commit_index(), Index(2));
  EXPECT_EQ(out_.write->commit, Index(2));
}

// ---- Configurations (thesis 4.1).

// The log keeps entries behind the snapshot, for followers that lag a little.
// They are there after a restart, too.
TEST_F(CoreTest, Restart_EntriesBehindTheSnapshot_AreSentToAFollower) {
  Restored restored;
  restored.hard_state.term = Term(4);
  restored.snapshot.position = At(3, 7);
  restored.snapshot.configuration = configuration_;
  restored.log_start = {At(3, 4), WallTime(40), WallTime(45)};
  // The configuration of the snapshot counts, not the one of this entry.
  Configuration older = configuration_;
  older.voters.pop_back();
  Entry configuration = BootstrapEntry(older);
  configuration.term = Term(3);
  configuration.index = Index(5);
  configuration.log_time = WallTime(41);
  restored.entries.push_back(configuration);
  for (uint64_t index = 6; index <= 8; ++index) {
    Entry entry = Commands(3, index);
    entry.log_time = WallTime(41);
    restored.entries.push_back(entry);
  }
  StartFrom(std::move(restored));
  EXPECT_EQ(core_->log_start(), At(3, 4));
  EXPECT_EQ(core_->boundary().latest, WallTime(45));
  EXPECT_EQ(core_->last(), At(3, 8));
  EXPECT_EQ(core_->applied_index(), Index(7));
  EXPECT_EQ(core_->configuration(), configuration_);
  EXPECT_EQ(core_->ConfigurationAt(Index(7)), configuration_);
  BecomeLeader();
  Receive(Rejection(2, 5, At(3, 5)));
  const auto appends = Of(out_.messages, MessageType::kAppend);
  ASSERT_EQ(appends.size(), 1u);
  EXPECT_EQ(appends[0].previous, At(3, 5));
  EXPECT_FALSE(appends[0].entries.empty());
  EXPECT_TRUE(out_.snapshots.empty());
}

TEST_F(CoreTest, Configuration_AppendedThenTruncated_IsDerivedAgain) {
  Start(Term(2));
  const Configuration five = VotersUpTo(5);
  Entry change = BootstrapEntry(five);
  change.term = Term(2);
  change.index = Index(2);
  Receive(Append(2, 2, At(1, 1), {change}));
  EXPECT_EQ(core_->configuration(), five);
  EXPECT_EQ(core_->ConfigurationAt(Index(1)), configuration_);
  Receive(Append(3, 3, At(1, 1), {Commands(3, 2)}));
  EXPECT_EQ(core_->configuration(), configuration_);
}

TEST_F(CoreTest, Learner_NeitherCampaignsNorObeysTimeoutNow) {
  configuration_ = Configuration();
  configuration_.voters = {{ReplicaId(2), NodeId(2), StoreIncarnation(2)}};
  configuration_.learners = {{ReplicaId(1), NodeId(1), StoreIncarnation(1)}};
  Start(Term(2));
  EXPECT_EQ(core_->deadline(), MonoTime::Max());
  Pass(Seconds(60));
  Step(TimerFired());
  EXPECT_EQ(core_->role(), RoleKind::kFollower);
  Receive(Append(2, 2, At(1, 1), {}));
  Receive(From(2, MessageType::kTimeoutNow, 2));
  EXPECT_EQ(core_->role(), RoleKind::kFollower);
  EXPECT_EQ(core_->term(), Term(2));
}

TEST_F(CoreTest, JointConfiguration_NeedsBothMajorities) {
  configuration_ = VotersUpTo(3);
  configuration_.outgoing_voters = {
      {ReplicaId(1), NodeId(1), StoreIncarnation(1)},
      {ReplicaId(4), NodeId(4), StoreIncarnation(4)},
      {ReplicaId(5), NodeId(5), StoreIncarnation(5)}};
  Start(Term(1));
  PassToDeadline();
  EXPECT_EQ(Of(out_.messages, MessageType::kPreVote).size(), 4u);
  for (uint32_t node : {2, 3}) {
    Receive(From(node, MessageType::kPreVoteReply, 2));
    EXPECT_EQ(core_->role(), RoleKind::kPreCandidate);
  }
  Receive(From(4, MessageType::kPreVoteReply, 2));
  FinishWrites();
  for (uint32_t node : {2, 4}) Receive(From(node, MessageType::kVoteReply, 2));
  ASSERT_EQ(core_->role(), RoleKind::kLeader);
  FinishWrites();
  Receive(Ack(2, 2, 2));
  Receive(Ack(3, 2, 2));
  EXPECT_EQ(core_->commit_index(), Index(0));
  Receive(Ack(5, 2, 2));
  EXPECT_EQ(core_->commit_index(), Index(2));
}

// ---- Elections.

TEST_F(CoreTest, PreVote_RecentLeaderContact_IsRefused) {
  Start(Term(2));
  Receive(Append(2, 2, At(1, 1), {}));
  Message request = From(3, MessageType::kPreVote, 3);
  request.last_log = At(1, 1);
  Pass(options_.election_timeout_min - Nanoseconds(1));
  Receive(request);
  ASSERT_EQ(out_.messages.size(), 1u);
  EXPECT_TRUE(out_.messages[0].reject);
  EXPECT_EQ(out_.messages[0].term, Term(2));
  Pass(Nanoseconds(1));
  Receive(request);
  EXPECT_FALSE(out_.messages[0].reject);
}

TEST_F(CoreTest, Vote_RecentLeaderContact_OnlyAForcedOneIsConsidered) {
  Start(Term(2));
  Receive(Append(2, 2, At(1, 1), {}));
  Message request = VoteRequest(3, 3, At(1, 1));
  Receive(request);
  EXPECT_EQ(core_->term(), Term(2));
  EXPECT_TRUE(out_.messages.empty());
  request.forced = true;
  Receive(request);
  EXPECT_EQ(core_->term(), Term(3));
  EXPECT_EQ(core_->voted_for(), ReplicaId(3));
}

TEST_F(CoreTest, PreVoteReplies_OfAnEarlierTermOrRefused_DoNotElect) {
  Start(Term(2));
  PassToDeadline();
  Receive(From(2, MessageType::kPreVoteReply, 2));
  EXPECT_EQ(core_->role(), RoleKind::kPreCandidate);
  Message refusal = From(3, MessageType::kPreVoteReply, 2);
  refusal.reject = true;
  Receive(refusal);
  EXPECT_EQ(core_->role(), RoleKind::kPreCandidate);
  refusal.from = ReplicaId(2);
  Receive(refusal);
  EXPECT_EQ(core_->role(), RoleKind::kFollower);
  EXPECT_EQ(core_->term(), Term(2));
}

TEST_F(CoreTest, CheckQuorum_NoContactForAnElectionTimeout_StepsDown) {
  Start(Term(1));
  BecomeServingLeader();
  Pass(options_.election_timeout_max - Nanoseconds(1));
  Step(TimerFired());
  EXPECT_EQ(core_->role(), RoleKind::kLeader);
  Pass(Nanoseconds(1));
  Step(TimerFired());
  EXPECT_EQ(core_->role(), RoleKind::kFollower);
  EXPECT_EQ(core_->term(), Term(2));
}

TEST_F(CoreTest, CheckQuorum_OneFollowerOfTwoAnswers_LeadsOn) {
  Start(Term(1));
  BecomeServingLeader();
  for (int i = 0; i < 20; ++i) {
    Pass(Milliseconds(100));
    Receive(From(2, MessageType::kHeartbeatReply, 2));
    Step(TimerFired());
  }
  EXPECT_EQ(core_->role(), RoleKind::kLeader);
}

// ---- Commit notifications, probes.

TEST_F(CoreTest, CommitNotification_NothingFollows_AHeartbeatFollowsSoon) {
  Start(Term(1));
  BecomeServingLeader();
  ASSERT_EQ(core_->commit_index(), Index(2));
  EXPECT_EQ(core_->deadline(), now_.mono + options_.commit_notification_delay);
  PassToDeadline();
  ASSERT_EQ(out_.heartbeats.size(), 1u);  // Node 3 holds nothing yet.
  EXPECT_EQ(out_.heartbeats[0].to, ReplicaId(2));
  EXPECT_EQ(out_.heartbeats[0].commit, Index(2));
}

TEST_F(CoreTest, CommitNotification_AnAppendFollows_NothingMoreIsSent) {
  Start(Term(1));
  BecomeServingLeader();
  Step(Proposal{0, EntryKind::kCommands, Buffer()});
  PassToDeadline();
  EXPECT_TRUE(out_.heartbeats.empty());
}

TEST_F(CoreTest, Probe_OfASilentFollower_CarriesNoEntries) {
  Start(Term(1));
  BecomeServingLeader();
  size_t with_entries = 0;
  size_t without = 0;
  for (int i = 0; i < 100; ++i) {
    Pass(Milliseconds(20));
    Receive(From(2, MessageType::kHeartbeatReply, 2));
    Step(TimerFired());
    for (const Message& message : Of(out_.messages, MessageType::kAppend)) {
      if (message.to != ReplicaId(3)) continue;
      ++(message.entries.empty() ? without : with_entries);
    }
  }
  EXPECT_GT(without, 5u);
  EXPECT_LE(with_entries, 5u);
}

// ---- Reads (thesis 6.4).

Message Confirm(uint32_t node, uint64_t term, uint64_t batch) {
  Message reply;
  reply.type = MessageType::kHeartbeatReply;
  reply.from = ReplicaId(node);
  reply.term = Term(term);
  reply.read_round = ReadRound(batch);
  return reply;
}

TEST_F(CoreTest, Read_QuorumConfirms_IsAnsweredWithTheCommitIndex) {
  Start(Term(1));
  BecomeServingLeader();
  Step(ReadRequested{42});
  ASSERT_EQ(out_.heartbeats.size(), 2u);
  const uint64_t batch = out_.heartbeats[0].read_round.value();
  Receive(Confirm(2, 2, batch - 1));
  EXPECT_TRUE(out_.reads.empty());
  Receive(Confirm(2, 2, batch));
  ASSERT_EQ(out_.reads.size(), 1u);
  EXPECT_EQ(out_.reads[0].tag, 42u);
  EXPECT_TRUE(out_.reads[0].ok);
  EXPECT_EQ(out_.reads[0].index, Index(2));
}

TEST_F(CoreTest, Read_LearnerConfirms_IsNotAnswered) {
  configuration_.learners = {{ReplicaId(4), NodeId(4), StoreIncarnation(4)}};
  Start(Term(1));
  BecomeServingLeader();
  Step(ReadRequested{42});
  Receive(Confirm(4, 2, 1));
  EXPECT_TRUE(out_.reads.empty());
}

TEST_F(CoreTest, Read_WhileARoundIsOut_JoinsTheNextWithOthers) {
  Start(Term(1));
  BecomeServingLeader();
  Step(ReadRequested{1});
  Step(ReadRequested{2});
  Step(ReadRequested{3});
  EXPECT_TRUE(out_.heartbeats.empty());
  Receive(Confirm(2, 2, 1));
  ASSERT_EQ(out_.reads.size(), 1u);
  ASSERT_EQ(out_.heartbeats.size(), 1u);
  EXPECT_EQ(out_.heartbeats[0].to, ReplicaId(2));
  EXPECT_EQ(out_.heartbeats[0].read_round, ReadRound(2));
  Receive(Confirm(3, 2, 1));
  EXPECT_TRUE(out_.reads.empty());
  Receive(Confirm(3, 2, 2));
  EXPECT_EQ(out_.reads.size(), 2u);
}

std::vector<ReplicaId> AskedIn(const Output& out) {
  std::vector<ReplicaId> asked;
  for (const Message& heartbeat : out.heartbeats) asked.push_back(heartbeat.to);
  return asked;
}

TEST_F(CoreTest, ReadRound_AsksTheVotersThatConfirmedTheLastOne) {
  configuration_ = VotersUpTo(5);
  configuration_.learners = {{ReplicaId(6), NodeId(6), StoreIncarnation(6)}};
  Start(Term(1));
  PassToDeadline();
  for (const uint32_t node : {2, 3}) {
    Receive(From(node, MessageType::kPreVoteReply, 2));
  }
  FinishWrites();
  for (const uint32_t node : {2, 3}) {
    Receive(From(node, MessageType::kVoteReply, 2));
  }
  FinishWrites();
  for (const uint32_t node : {2, 3}) Receive(Ack(node, 2, 2));
  ASSERT_TRUE(core_->CanServeReads());
  Step(ReadRequested{1});
  EXPECT_EQ(out_.heartbeats.size(), 5u);
  Receive(Confirm(6, 2, 1));
  Receive(Confirm(5, 2, 1));
  EXPECT_TRUE(out_.reads.empty());
  Receive(Confirm(3, 2, 1));
  EXPECT_EQ(out_.reads.size(), 1u);
  Receive(Confirm(2, 2, 1));
  Step(ReadRequested{2});
  EXPECT_EQ(AskedIn(out_), (std::vector{ReplicaId(3), ReplicaId(5)}));
  Receive(Confirm(3, 2, 2));
  Receive(Confirm(5, 2, 2));
  EXPECT_EQ(out_.reads.size(), 1u);
}

TEST_F(CoreTest, ReadRound_AQuickVoterIsSilent_AsksTheOthersSoon) {
  Start(Term(1));
  BecomeServingLeader();
  Step(ReadRequested{1});
  Receive(Confirm(2, 2, 1));
  Step(ReadRequested{2});
  EXPECT_EQ(AskedIn(out_), std::vector{ReplicaId(2)});
  EXPECT_EQ(core_->deadline(), now_.mono + options_.read_hedge_delay);
  PassToDeadline();
  EXPECT_EQ(AskedIn(out_), std::vector{ReplicaId(3)});
  EXPECT_EQ(out_.heartbeats[0].read_round, ReadRound(2));
  Receive(Confirm(3, 2, 2));
  EXPECT_EQ(out_.reads.size(), 1u);
  // It confirmed the last round.
  Step(ReadRequested{3});
  EXPECT_EQ(AskedIn(out_), std::vector{ReplicaId(3)});
  Receive(Confirm(3, 2, 3));
  EXPECT_GT(core_->deadline(), now_.mono + options_.read_hedge_delay);
}

// Where rounds take long, a slow answer does not mean that it is lost.
TEST_F(CoreTest, ReadRound_AfterALongOne_WaitsLonger) {
  options_.commit_notification_delay = Seconds(1);
  Start(Term(1));
  BecomeServingLeader();
  Step(ReadRequested{1});
  Pass(Milliseconds(3));
  Receive(Confirm(2, 2, 1));
  Step(ReadRequested{2});
  EXPECT_EQ(core_->deadline(), now_.mono + Milliseconds(6));
  EXPECT_EQ(AskedIn(out_), std::vector{ReplicaId(2)});
}

// Another voter may have become quicker.
TEST_F(CoreTest, ReadRound_OnceInAHeartbeatInterval_AsksAll) {
  Start(Term(1));
  BecomeServingLeader();
  Step(ReadRequested{1});
  Receive(Confirm(2, 2, 1));
  Pass(options_.heartbeat_interval);
  Step(ReadRequested{2});
  EXPECT_EQ(AskedIn(out_), (std::vector{ReplicaId(2), ReplicaId(3)}));
  Receive(Confirm(3, 2, 2));
  Step(ReadRequested{3});
  EXPECT_EQ(AskedIn(out_), std::vector{ReplicaId(3)});
}

// The followers answer and write nothing.
TEST_F(CoreTest, Read_NoEntryOfTheTermCommits_ExpiresAtTheLeader) {
  Start(Term(1));
  BecomeLeader();
  Step(ReadRequested{42});
  Message asked = From(3, MessageType::kReadIndex, 2);
  asked.read_id = 7;
  Receive(asked);
  const MonoTime expires = now_.mono + options_.election_timeout_max;
  std::vector<Message> replies;
  while (out_.reads.empty() && now_.mono < expires + Seconds(1)) {
    Receive(Confirm(2, 2, 0));
    EXPECT_LE(core_->deadline(), expires);
    PassToDeadline();
    for (const Message& reply : Of(out_.messages, MessageType::kReadIndexReply))
      replies.push_back(reply);
  }
  EXPECT_EQ(now_.mono, expires);
  ASSERT_EQ(out_.reads.size(), 1u);
  EXPECT_FALSE(out_.reads[0].ok);
  ASSERT_EQ(replies.size(), 1u);
  EXPECT_TRUE(replies[0].reject);
  EXPECT_EQ(core_->role(), RoleKind::kLeader);
}

// Messages of the control lane are lost, and those of the others arrive.
TEST_F(CoreTest, Read_RoundIsNeverConfirmed_ExpiresAndTheNextRoundBegins) {
  Start(Term(1));
  BecomeServingLeader();
  Step(ReadRequested{1});
  Pass(Milliseconds(10));
  Step(ReadRequested{2});
  Pass(options_.election_timeout_max - Milliseconds(10));
  Receive(Ack(2, 2, 2));
  Step(TimerFired());
  ASSERT_EQ(out_.reads.size(), 1u);
  EXPECT_EQ(out_.reads[0].tag, 1u);
  EXPECT_FALSE(out_.reads[0].ok);
  Receive(Confirm(2, 2, 1));
  EXPECT_TRUE(out_.reads.empty()) << "the first round is not the second's";
  Receive(Confirm(2, 2, 2));
  ASSERT_EQ(out_.reads.size(), 1u);
  EXPECT_EQ(out_.reads[0].tag, 2u);
  EXPECT_TRUE(out_.reads[0].ok);
}

TEST_F(CoreTest, Read_OfTheOnlyVoterWithAHangingDisk_Expires) {
  configuration_ = VotersUpTo(1);
  Start(Term(1));
  PassToDeadline();
  FinishWrite();
  ASSERT_EQ(core_->role(), RoleKind::kLeader);
  ASSERT_FALSE(core_->CanServeReads());
  Step(ReadRequested{42});
  EXPECT_TRUE(out_.reads.empty());
  const MonoTime expires = now_.mono + options_.election_timeout_max;
  while (out_.reads.empty() && core_->deadline() <= expires) PassToDeadline();
  ASSERT_EQ(out_.reads.size(), 1u);
  EXPECT_FALSE(out_.reads[0].ok);
  EXPECT_EQ(core_->deadline(), MonoTime::Max());
}

TEST_F(CoreTest, Read_TooMany_AreRefused) {
  options_.pending_reads_max = 3;
  Start(Term(1));
  BecomeServingLeader();
  for (uint64_t tag = 1; tag <= 3; ++tag) {
    Step(ReadRequested{tag});
    EXPECT_TRUE(out_.reads.empty());
  }
  Step(ReadRequested{4});
  ASSERT_EQ(out_.reads.size(), 1u);
  EXPECT_FALSE(out_.reads[0].ok);
}

TEST_F(CoreTest, ForwardedRead_TooMany_AreRefused) {
  options_.pending_reads_max = 2;
  Start(Term(2));
  Receive(Append(2, 2, At(1, 1), {}));
  Step(ReadRequested{1});
  Step(ReadRequested{2});
  EXPECT_TRUE(out_.reads.empty());
  Step(ReadRequested{3});
  ASSERT_EQ(out_.reads.size(), 1u);
  EXPECT_FALSE(out_.reads[0].ok);
}

TEST_F(CoreTest, ForwardedRead_AnswerLost_IsSentAgainThenFails) {
  Start(Term(2));
  Receive(Append(2, 2, At(1, 1), {}));
  Step(ReadRequested{1});
  ASSERT_EQ(Of(out_.messages, MessageType::kReadIndex).size(), 1u);
  const uint64_t id = out_.messages[0].read_id;
  Pass(options_.retry_interval);
  Step(TimerFired());
  ASSERT_EQ(Of(out_.messages, MessageType::kReadIndex).size(), 1u);
  EXPECT_EQ(out_.messages[0].read_id, id);
  Pass(options_.election_timeout_max);
  Receive(From(2, MessageType::kHeartbeat, 2));
  Step(TimerFired());
  ASSERT_EQ(out_.reads.size(), 1u);
  EXPECT_FALSE(out_.reads[0].ok);
}

TEST_F(CoreTest, ForwardedRead_IdsOfALaterLife_AreOthers) {
  std::map<uint64_t, int> lives;
  for (int life = 0; life < 3; ++life) {
    Start(Term(2));
    Receive(Append(2, 2, At(1, 1), {}));
    for (int i = 0; i < 10; ++i) {
      Step(ReadRequested{1});
      ++lives[out_.messages.at(0).read_id];
    }
    Pass(Milliseconds(1));
  }
  EXPECT_EQ(lives.size(), 30u);
}

// ---- Leadership transfer (thesis 3.10).

TEST_F(CoreTest, Transfer_ToNoVoter_IsAbandonedAtOnce) {
  configuration_.learners = {{ReplicaId(4), NodeId(4), StoreIncarnation(4)}};
  Start(Term(1));
  BecomeServingLeader();
  for (uint32_t node : {1, 4, 9}) {
    Step(TransferRequested{ReplicaId(node)});
    ASSERT_FALSE(out_.events.empty());
    EXPECT_EQ(out_.events[0].kind, Event::Kind::kTransferAbandoned);
  }
  Step(Proposal{0, EntryKind::kCommands, Buffer()});
  EXPECT_TRUE(out_.refused.empty());
}

// Clients wait meanwhile.
TEST_F(CoreTest, Transfer_ToAMemberThatMayLackEntries_AsksItAtOnce) {
  Start(Term(1));
  BecomeServingLeader();
  for (const uint32_t node : {2, 3}) {
    if (core_->followers().at(node - 2).match == core_->last().index) continue;
    Step(TransferRequested{ReplicaId(node)});
    const auto questions = Of(out_.messages, MessageType::kAppend);
    ASSERT_EQ(questions.size(), 1u);
    EXPECT_EQ(questions[0].to, ReplicaId(node));
    return;
  }
  FAIL() << "all have all entries";
}

TEST_F(CoreTest, Transfer_TimeoutNowFromAnotherThanTheLeader_IsIgnored) {
  Start(Term(2));
  Receive(Append(2, 2, At(1, 1), {}));
  Receive(From(3, MessageType::kTimeoutNow, 2));
  EXPECT_EQ(core_->role(), RoleKind::kFollower);
  Receive(From(2, MessageType::kTimeoutNow, 1));
  EXPECT_EQ(core_->role(), RoleKind::kFollower);
  Receive(From(2, MessageType::kTimeoutNow, 2));
  EXPECT_EQ(core_->role(), RoleKind::kCandidate);
  const auto requests = Of(FinishWrite(), MessageType::kVote);
  ASSERT_EQ(requests.size(), 2u);
  EXPECT_TRUE(requests[0].forced);
}

// ---- Idle cost.

TEST_F(CoreTest, Timeout_TooEarly_DoesNothing) {
  Start(Term(2));
  const MonoTime deadline = core_->deadline();
  now_.mono = deadline - Nanoseconds(1);
  Step(TimerFired());
  EXPECT_EQ(core_->role(), RoleKind::kFollower);
  EXPECT_EQ(out_.deadline, deadline);
}

TEST_F(CoreTest, LeaderAlone_HoldsNoTimer) {
  configuration_ = VotersUpTo(1);
  Start(Term(1));
  PassToDeadline();
  FinishWrites();
  ASSERT_EQ(core_->role(), RoleKind::kLeader);
  ASSERT_TRUE(core_->CanServeReads());
  EXPECT_EQ(core_->deadline(), MonoTime::Max());
}

TEST_F(CoreTest, Output_IsClearedByTheNextStep) {
  Start(Term(1));
  PassToDeadline();
  EXPECT_FALSE(out_.messages.empty());
  Step(TimerFired());
  EXPECT_TRUE(out_.messages.empty());
  EXPECT_TRUE(out_.events.empty());
}

TEST_F(CoreTest, Clock_GoesBack_Dies) {
  Start(Term(1));
  Step(TimerFired());
  now_.mono = now_.mono - Nanoseconds(1);
  EXPECT_DEATH(Step(TimerFired()), "CHECK failed");
}

}  // namespace
}  // namespace quorate::raft
