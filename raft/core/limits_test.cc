// Proposals, and the limits of bytes: uncommitted, not written, not applied, of
// one append, and of links.
#include <optional>
#include <string>
#include <vector>

#include "raft/core/core.h"
#include "raft/core/testing/replica_fixture.h"

namespace quorate::raft {
namespace {

using LimitsTest = ReplicaTest;

TEST_F(LimitsTest, Propose_NotLeader_IsRefused) {
  Start(Term(1));
  Step(Proposal{5, EntryKind::kCommands, Buffer::Copy("a")});
  ASSERT_EQ(out_.refused.size(), 1u);
  EXPECT_EQ(out_.refused[0].tag, 5u);
  EXPECT_EQ(out_.refused[0].reason, Refused::Reason::kNotLeader);
}

TEST_F(LimitsTest, Propose_Several_ShareOneWriteAndOneAppendForEachMember) {
  Start(Term(1));
  BecomeServingLeader();
  Receive(Ack(3, 2, 2));
  Proposals proposals;
  for (uint64_t tag = 7; tag < 10; ++tag) {
    proposals.all.push_back({tag, EntryKind::kCommands, Buffer::Copy("a")});
  }
  Step(std::move(proposals));
  ASSERT_EQ(out_.proposed.size(), 3u);
  EXPECT_EQ(out_.proposed[2].tag, 9u);
  EXPECT_EQ(out_.proposed[2].position, At(2, 5));
  ASSERT_TRUE(out_.write.has_value());
  EXPECT_EQ(out_.write->entries.size(), 3u);
  const auto appends = Of(out_.messages, MessageType::kAppend);
  ASSERT_EQ(appends.size(), 2u);
  for (const Message& append : appends) EXPECT_EQ(append.entries.size(), 3u);
}

// A smaller proposal does not pass one for which there was no room.
TEST_F(LimitsTest, Propose_SeveralWithoutRoom_RefusesTheRestInOrder) {
  options_.uncommitted_bytes_max = 300;
  Start(Term(1));
  BecomeServingLeader();
  Proposals proposals;
  for (const size_t bytes : {100, 300, 1}) {
    proposals.all.push_back(
        {bytes, EntryKind::kCommands, Buffer::Copy(std::string(bytes, 'x'))});
  }
  Step(std::move(proposals));
  ASSERT_EQ(out_.proposed.size(), 1u);
  EXPECT_EQ(out_.proposed[0].tag, 100u);
  ASSERT_EQ(out_.refused.size(), 2u);
  EXPECT_EQ(out_.refused[0].tag, 300u);
  EXPECT_EQ(out_.refused[1].tag, 1u);
  EXPECT_EQ(out_.refused[1].reason, Refused::Reason::kTooMuchUncommitted);
}

TEST_F(LimitsTest, Propose_UncommittedLimit_IsExactToTheByte) {
  options_.uncommitted_bytes_max = 200;
  Start(Term(1));
  BecomeServingLeader();
  const auto propose = [this](size_t bytes) {
    Step(Proposal{0, EntryKind::kCommands,
                  Buffer::Copy(std::string(bytes, 'x'))});
    return out_.refused.empty();
  };
  EXPECT_TRUE(propose(100 - 48));
  EXPECT_FALSE(propose(101 - 48));
  EXPECT_EQ(out_.refused[0].reason, Refused::Reason::kTooMuchUncommitted);
  // The room opens again.
  FinishWrites();
  Receive(Ack(2, 2, 3));
  EXPECT_TRUE(propose(100 - 48));
  EXPECT_TRUE(propose(100 - 48));
  EXPECT_FALSE(propose(0));
  EXPECT_EQ(out_.refused[0].reason, Refused::Reason::kTooMuchUncommitted);
  FinishWrites();
  Receive(Ack(2, 2, 4));
  EXPECT_TRUE(propose(100 - 48));
  EXPECT_FALSE(propose(0));
}

TEST_F(LimitsTest, Propose_BehindARefusedOne_IsRefusedUntilThatFits) {
  options_.uncommitted_bytes_max = 200;
  Start(Term(1));
  BecomeServingLeader();
  const auto propose = [this](size_t bytes) {
    Step(Proposal{0, EntryKind::kCommands,
                  Buffer::Copy(std::string(bytes - 48, 'x'))});
    return out_.refused.empty();
  };
  EXPECT_TRUE(propose(60));
  EXPECT_TRUE(propose(60));
  EXPECT_FALSE(propose(150));
  EXPECT_FALSE(propose(60));
  FinishWrites();
  Receive(Ack(2, 2, 3));
  EXPECT_FALSE(propose(60));
  Receive(Ack(2, 2, 4));
  EXPECT_TRUE(propose(60));
}

// The disks of the others are faster: they commit, and the leader's own queue
// grows.
TEST_F(LimitsTest, Propose_OwnDiskTooSlow_IsRefusedAndTheLeadershipGivenAway) {
  options_.unwritten_bytes_max = 300;
  Start(Term(1));
  BecomeServingLeader();
  const auto propose = [this] {
    Step(Proposal{0, EntryKind::kCommands,
                  Buffer::Copy(std::string(100 - 48, 'x'))});
    return out_.refused.empty();
  };
  for (int i = 0; i < 3; ++i) EXPECT_TRUE(propose());
  Receive(Ack(2, 2, 5));
  Receive(Ack(3, 2, 5));
  EXPECT_EQ(core_->commit_index(), Index(5));
  EXPECT_FALSE(propose());
  EXPECT_EQ(out_.refused[0].reason, Refused::Reason::kTooMuchUnwritten);
  const MonoTime refused_at = now_.mono;
  // Less than half of the limit is free then, so the disk is still behind.
  FinishWrite();
  EXPECT_TRUE(propose());
  Receive(Ack(2, 2, 6));
  while (core_->deadline() < refused_at + options_.election_timeout_max) {
    PassToDeadline();
    ASSERT_TRUE(Of(out_.messages, MessageType::kTimeoutNow).empty());
    Receive(From(2, MessageType::kHeartbeatReply, 2));
    Receive(From(3, MessageType::kHeartbeatReply, 2));
  }
  PassToDeadline();
  const auto calls = Of(out_.messages, MessageType::kTimeoutNow);
  ASSERT_EQ(calls.size(), 1u);
  EXPECT_EQ(calls[0].to, ReplicaId(2));
  EXPECT_EQ(out_.events[0].kind, Event::Kind::kGivesLeadershipAway);
}

TEST_F(LimitsTest, Propose_OwnDiskCatchesUp_KeepsTheLeadership) {
  options_.unwritten_bytes_max = 200;
  Start(Term(1));
  BecomeServingLeader();
  for (int i = 0; i < 3; ++i) {
    Step(Proposal{0, EntryKind::kCommands,
                  Buffer::Copy(std::string(100 - 48, 'x'))});
  }
  ASSERT_EQ(out_.refused.size(), 1u);
  Receive(Ack(2, 2, 4));
  FinishWrites();
  for (int i = 0; i < 30; ++i) {
    PassToDeadline();
    EXPECT_TRUE(Of(out_.messages, MessageType::kTimeoutNow).empty());
    Receive(From(2, MessageType::kHeartbeatReply, 2));
  }
}

// After a restart the whole log is committed at once.
class BacklogTest : public LimitsTest {
 protected:
  // Three entries at a time, after the configuration, which is larger.
  void StartWithBacklog() {
    options_.apply_bytes_max = 3 * 49;
    Start(Term(2), {2, 2, 2, 2, 2, 2, 2});
    Receive(Append(2, 2, At(2, 8), {}, 8));
    ASSERT_EQ(core_->commit_index(), Index(8));
    ASSERT_EQ(out_.apply.size(), 1u);
  }
};

TEST_F(BacklogTest, IsAppliedInPieces_ByTheTimer) {
  StartWithBacklog();
  uint64_t applied = 1;
  for (const size_t piece : {3, 3, 1}) {
    EXPECT_EQ(core_->applied_index(), Index(applied));
    EXPECT_EQ(core_->deadline(), now_.mono);
    // Other inputs apply nothing.
    Receive(From(2, MessageType::kHeartbeat, 2));
    EXPECT_TRUE(out_.apply.empty());
    PassToDeadline();
    ASSERT_EQ(out_.apply.size(), piece);
    for (const Entry& entry : out_.apply) {
      EXPECT_EQ(entry.index, Index(++applied));
    }
  }
  EXPECT_GT(core_->deadline(), now_.mono);
}

// Each entry costs as much as 60 bytes, although it has 49.
class HeavyBacklogTest : public BacklogTest, protected HostGate {
 protected:
  HeavyBacklogTest() { context_.gate = this; }
  bool MaySend(ReplicaId, Load) override { return true; }
  uint64_t WorkOf(const Entry& entry) override {
    // The work depends on what was applied before.
    EXPECT_GT(entry.index, core_->applied_index());
    return entry.index == Index(5) ? 1'000 : 60;
  }
};

TEST_F(HeavyBacklogTest, WorkOfAPiece_IsBoundedToo) {
  StartWithBacklog();
  uint64_t applied = 1;
  // The fifth entry exceeds the bound, so it is alone.
  for (const size_t piece : {2, 1, 1, 2, 1}) {
    PassToDeadline();
    ASSERT_EQ(out_.apply.size(), piece);
    EXPECT_EQ(out_.apply_work, piece == 1 && applied == 4 ? 1'000 : 60 * piece);
    applied += piece;
    EXPECT_EQ(core_->applied_index(), Index(applied));
  }
  EXPECT_GT(core_->deadline(), now_.mono);
}

// All groups of a node share the work of a turn.
class RoomBacklogTest : public BacklogTest, protected HostGate {
 protected:
  RoomBacklogTest() { context_.gate = this; }
  bool MaySend(ReplicaId, Load) override { return true; }
  uint64_t ApplyRoom() override { return room_; }
  uint64_t room_ = 1'000;
};

TEST_F(RoomBacklogTest, EntriesWithoutRoom_WaitForTheTimer) {
  StartWithBacklog();
  const Index before = core_->applied_index();
  room_ = 0;
  PassToDeadline();
  EXPECT_TRUE(out_.apply.empty());
  EXPECT_EQ(core_->deadline(), now_.mono);
  EXPECT_GT(core_->deadline_without_backlog(), now_.mono);
  room_ = 1;  // One entry may exceed it.
  PassToDeadline();
  EXPECT_EQ(core_->applied_index(), before + 1);
  room_ = 1'000;
  PassToDeadline();
  EXPECT_GT(core_->applied_index(), before + 2);
}

// All groups of a node share a bound of what they have to apply.
class LagOfManyGroupsTest : public BacklogTest, protected HostGate {
 protected:
  LagOfManyGroupsTest() { context_.gate = this; }
  bool MaySend(ReplicaId, Load) override { return true; }
  bool MayLag() override { return may_lag_; }
  bool may_lag_ = true;
};

TEST_F(LagOfManyGroupsTest, FollowerWithABacklog_WantsNoEntries) {
  StartWithBacklog();
  may_lag_ = false;
  Receive(From(2, MessageType::kHeartbeat, 2));
  ASSERT_EQ(out_.heartbeats.size(), 1u);
  EXPECT_TRUE(out_.heartbeats[0].no_entries);
  EXPECT_TRUE(core_->asked_for_no_entries());
  may_lag_ = true;
  Step(RoomForEntries());
  ASSERT_EQ(out_.messages.size(), 1u) << "its leader need not ask";
  EXPECT_FALSE(out_.messages[0].no_entries);
  EXPECT_FALSE(core_->asked_for_no_entries());
}

// Others have the backlog, and it takes nothing of what they need.
TEST_F(LagOfManyGroupsTest, GroupWithoutABacklog_TakesEntriesAndProposals) {
  may_lag_ = false;
  Start(Term(1));
  Receive(From(2, MessageType::kHeartbeat, 2));
  FinishWrites();
  EXPECT_FALSE(core_->asked_for_no_entries());
  BecomeServingLeader();
  const auto propose = [this] {
    Proposals proposals;
    proposals.all.push_back({1, EntryKind::kCommands, Buffer::Copy("a")});
    Step(std::move(proposals));
  };
  propose();
  EXPECT_EQ(out_.proposed.size(), 1u);
  propose();
  ASSERT_EQ(out_.refused.size(), 1u) << "the first one is not applied";
  EXPECT_EQ(out_.refused[0].reason, Refused::Reason::kTooMuchUnapplied);
}

TEST_F(BacklogTest, ReadOfAFollower_WaitsUntilItsIndexIsApplied) {
  StartWithBacklog();
  Step(ReadRequested{7});
  ASSERT_EQ(out_.messages.size(), 1u);
  Message answer = From(2, MessageType::kReadIndexReply, 2);
  answer.read_id = out_.messages[0].read_id;
  answer.read_index = Index(6);
  Receive(answer);
  EXPECT_TRUE(out_.reads.empty());
  PassToDeadline();
  EXPECT_TRUE(out_.reads.empty());
  PassToDeadline();
  ASSERT_EQ(out_.reads.size(), 1u);
  EXPECT_EQ(out_.reads[0].tag, 7u);
  EXPECT_TRUE(out_.reads[0].ok);
}

TEST_F(BacklogTest, ReadOfTheLeader_WaitsUntilItsIndexIsApplied) {
  options_.apply_bytes_max = 3 * 49;
  Start(Term(2), {2, 2, 2, 2, 2, 2, 2});
  BecomeLeader();
  Receive(Ack(2, 3, 9));
  ASSERT_EQ(core_->commit_index(), Index(9));
  ASSERT_LT(core_->applied_index(), Index(4));
  Step(ReadRequested{7});
  ASSERT_FALSE(out_.heartbeats.empty());
  Message reply = From(2, MessageType::kHeartbeatReply, 3);
  reply.read_round = out_.heartbeats[0].read_round;
  Receive(reply);
  int pieces = 0;
  while (core_->applied_index() < Index(9)) {
    EXPECT_TRUE(out_.reads.empty());
    PassToDeadline();
    ++pieces;
  }
  EXPECT_EQ(pieces, 3);
  ASSERT_EQ(out_.reads.size(), 1u);
  EXPECT_TRUE(out_.reads[0].ok);
}

TEST_F(BacklogTest, ProposalsBeyondTheLimit_AreRefused) {
  options_.apply_bytes_max = 49;
  options_.unapplied_bytes_max = 6 * 49;
  Start(Term(2), {2, 2, 2, 2, 2, 2, 2});
  BecomeLeader();
  Receive(Ack(2, 3, 9));
  ASSERT_EQ(core_->commit_index(), Index(9));
  const auto propose = [this] {
    Step(Proposal{0, EntryKind::kCommands, Buffer::Copy("x")});
    return out_.refused.empty();
  };
  EXPECT_FALSE(propose());
  EXPECT_EQ(out_.refused[0].reason, Refused::Reason::kTooMuchUnapplied);
  while (core_->applied_index() < Index(9)) PassToDeadline();
  EXPECT_TRUE(propose());
}

// A follower that applies its entries more slowly than it gets them.
TEST_F(BacklogTest, FollowerBeyondTheLimit_SaysSoUntilItHasAppliedEnough) {
  options_.unapplied_bytes_max = 4 * 49;
  StartWithBacklog();
  const auto says_so = [this](const Message& question, MessageType reply) {
    Receive(question);
    const auto replies =
        Of(reply == MessageType::kAppendReply ? out_.messages : out_.heartbeats,
           reply);
    EXPECT_EQ(replies.size(), 1u);
    return !replies.empty() && replies[0].no_entries;
  };
  const Message heartbeat = From(2, MessageType::kHeartbeat, 2);
  const Message append = Append(2, 2, At(2, 8), {}, 8);
  EXPECT_TRUE(says_so(heartbeat, MessageType::kHeartbeatReply));
  EXPECT_TRUE(says_so(append, MessageType::kAppendReply));
  EXPECT_TRUE(
      says_so(Append(2, 2, At(2, 9), {}, 8), MessageType::kAppendReply));
  // It takes an append nevertheless, and says so.
  Receive(Append(2, 2, At(2, 8), {Commands(2, 9)}, 8));
  ASSERT_TRUE(out_.write.has_value());
  EXPECT_FALSE(out_.write->after.at(0).no_entries) << "it leaves later";
  ASSERT_EQ(out_.messages.size(), 1u) << "this one leaves now";
  EXPECT_TRUE(out_.messages[0].no_entries);
  EXPECT_EQ(out_.messages[0].received, Index(9));
  EXPECT_EQ(out_.messages[0].durable, Index(8));
  EXPECT_EQ(core_->apply_backlog_bytes(), 7 * 49u);
  EXPECT_TRUE(core_->asked_for_no_entries());
  PassToDeadline();
  EXPECT_EQ(core_->apply_backlog_bytes(), 4 * 49u);
  ASSERT_EQ(out_.messages.size(), 1u) << "its leader need not ask";
  EXPECT_EQ(out_.messages[0].number, AppendNumber());
  EXPECT_EQ(out_.messages[0].received, Index(8));
  EXPECT_FALSE(out_.messages[0].no_entries);
  EXPECT_FALSE(core_->asked_for_no_entries());
  EXPECT_FALSE(says_so(heartbeat, MessageType::kHeartbeatReply));
  EXPECT_FALSE(says_so(append, MessageType::kAppendReply));
}

// Entries must arrive although none before them is committed.
TEST_F(BacklogTest, FollowerWithAnUncommittedLog_WantsEntries) {
  options_.unapplied_bytes_max = 49;
  Start(Term(2), {2, 2, 2, 2, 2, 2, 2});
  Receive(Append(2, 2, At(2, 8), {}, 0));
  ASSERT_EQ(out_.messages.size(), 1u);
  EXPECT_FALSE(out_.messages[0].no_entries);
}

// A snapshot replaces the state machine, so nothing is applied meanwhile.
TEST_F(BacklogTest, WaitsWhileASnapshotIsInstalled) {
  StartWithBacklog();
  const SnapshotDescriptor snapshot = SmallSnapshot(At(2, 20));
  ReceiveSnapshot(2, 2, snapshot);
  ASSERT_EQ(out_.snapshots.size(), 1u);
  EXPECT_GT(core_->deadline(), now_.mono);
  PassToDeadline();
  EXPECT_TRUE(out_.apply.empty());
  // It cannot be installed; the entries are still there.
  Step(SnapshotInstalled{snapshot, false});
  EXPECT_EQ(out_.apply.size(), 3u);
}

TEST_F(LimitsTest, Append_BytesLimit_SplitsBetweenEntries) {
  options_.append_bytes_max = 120;
  Start(Term(1));
  BecomeLeader();
  for (int i = 0; i < 4; ++i) {
    Step(Proposal{0, EntryKind::kCommands, Buffer::Copy("ab")});
  }
  Receive(Ack(2, 2, 2));
  const auto appends = Of(out_.messages, MessageType::kAppend);
  ASSERT_EQ(appends.size(), 2u);
  EXPECT_EQ(appends[0].entries.size(), 2u);
  EXPECT_EQ(appends[1].entries.size(), 2u);
}

TEST_F(LimitsTest, EntriesBeyondTheLimitOfAStep_AreSentByTheTimer) {
  options_.append_bytes_max = 100;
  options_.send_bytes_max = 150;
  Start(Term(1));
  BecomeServingLeader();
  // Nothing is sent while the follower rejects.
  Receive(Rejection(2, 2, At(2, 2)));
  for (int i = 0; i < 5; ++i) {
    Step(Proposal{0, EntryKind::kCommands, Buffer::Copy("ab")});
    EXPECT_TRUE(out_.messages.empty());
  }
  Receive(Ack(2, 2, 2));
  EXPECT_EQ(Of(out_.messages, MessageType::kAppend).size(), 2u);
  EXPECT_EQ(core_->deadline(), now_.mono);
  Step(TimerFired());
  EXPECT_EQ(Of(out_.messages, MessageType::kAppend).size(), 1u);
  EXPECT_GT(core_->deadline(), now_.mono);
}

class NoEntriesTest : public LimitsTest {
 protected:
  void Lead() {
    Start(Term(1));
    BecomeServingLeader();
    Receive(Ack(3, 2, 2));
  }
  // The followers that the last step sent entries.
  std::vector<ReplicaId> Sent() const {
    std::vector<ReplicaId> to;
    for (const Message& message : Of(out_.messages, MessageType::kAppend)) {
      if (!message.entries.empty()) to.push_back(message.to);
    }
    return to;
  }
  void Propose() { Step(Proposal{0, EntryKind::kCommands, Buffer::Copy("a")}); }
  Message WantsNone(Message reply) const {
    reply.no_entries = true;
    return reply;
  }
  // A follower sends it of its own accord.
  Message WantsSome(uint32_t node, uint64_t match) const {
    Message message = Ack(node, 2, match);
    message.number = AppendNumber();
    return message;
  }
};

TEST_F(NoEntriesTest, FollowerThatWantsNone_GetsEntriesOnceItWantsSome) {
  Lead();
  Receive(WantsNone(From(2, MessageType::kHeartbeatReply, 2)));
  for (int i = 0; i < 3; ++i) {
    Propose();
    EXPECT_EQ(Sent(), std::vector<ReplicaId>{ReplicaId(3)});
  }
  // Its copies count nevertheless, and heartbeats go on.
  FinishWrites();
  Receive(Ack(3, 2, 5));
  EXPECT_EQ(core_->commit_index(), Index(5));
  Receive(WantsNone(Ack(2, 2, 2)));
  EXPECT_TRUE(out_.messages.empty());
  Pass(options_.heartbeat_interval);
  Step(TimerFired());
  ASSERT_EQ(out_.heartbeats.size(), 2u);
  Receive(From(2, MessageType::kHeartbeatReply, 2));
  EXPECT_EQ(Sent(), std::vector<ReplicaId>{ReplicaId(2)});
  EXPECT_EQ(out_.messages[0].entries.size(), 3u);
}

TEST_F(NoEntriesTest, FollowerThatWantsSomeAgain_GetsThemAtOnce) {
  Lead();
  Propose();
  Receive(WantsNone(From(2, MessageType::kHeartbeatReply, 2)));
  Propose();
  Receive(WantsSome(2, 2));
  EXPECT_EQ(Sent(), std::vector<ReplicaId>{ReplicaId(2)});
  EXPECT_EQ(out_.messages[0].entries.size(), 1u);
  // It gets nothing twice: the leader only asks (RepliesLost).
  Receive(WantsSome(2, 2));
  EXPECT_TRUE(Sent().empty());
  EXPECT_EQ(out_.messages.size(), 1u);
}

// It may have been made before the reply that it follows.
TEST_F(NoEntriesTest, AcknowledgementOfAWrite_DoesNotEndTheWish) {
  Lead();
  Propose();
  Receive(WantsNone(From(2, MessageType::kHeartbeatReply, 2)));
  Propose();
  Receive(Ack(2, 2, 3));
  EXPECT_TRUE(out_.messages.empty());
  Receive(From(2, MessageType::kHeartbeatReply, 2));
  EXPECT_EQ(Sent(), std::vector<ReplicaId>{ReplicaId(2)});
}

// The follower has accepted the first of four appends.
TEST_F(NoEntriesTest, RefusedAppends_CostOneProbeAndAreSentOnceMore) {
  Lead();
  std::vector<Message> rejections;
  for (int i = 0; i < 4; ++i) {
    Propose();
    ASSERT_EQ(Sent(), (std::vector<ReplicaId>{ReplicaId(2), ReplicaId(3)}));
    Message rejection = WantsNone(Rejection(2, 2, At(2, 3)));
    rejection.number = out_.messages[0].number;
    if (i > 0) rejections.push_back(rejection);
  }
  std::vector<Message> sent;
  const auto note = [&] {
    for (const Message& message : Of(out_.messages, MessageType::kAppend)) {
      if (message.to == ReplicaId(2)) sent.push_back(message);
    }
  };
  for (const Message& rejection : rejections) {
    Receive(rejection);
    note();
  }
  ASSERT_EQ(sent.size(), 1u);
  EXPECT_TRUE(sent[0].entries.empty());
  Message answer = WantsNone(Ack(2, 2, 3));
  answer.number = sent[0].number;
  answer.durable = Index(2);
  Receive(answer);
  note();
  EXPECT_EQ(sent.size(), 1u);
  Receive(WantsSome(2, 3));
  note();
  ASSERT_EQ(sent.size(), 2u);
  EXPECT_EQ(sent[1].previous.index, Index(3));
  EXPECT_EQ(sent[1].entries.size(), 3u);
}

// A new leader must find out where the logs agree.
TEST_F(NoEntriesTest, ProbeOfAFollowerThatWantsNone_HasNoEntries) {
  Lead();
  Propose();
  Receive(WantsNone(Rejection(2, 2, At(2, 2))));
  const auto probes = Of(out_.messages, MessageType::kAppend);
  ASSERT_EQ(probes.size(), 1u);
  EXPECT_TRUE(probes[0].entries.empty());
  Receive(WantsNone(Ack(2, 2, 2)));
  EXPECT_TRUE(out_.messages.empty());
  Receive(From(2, MessageType::kHeartbeatReply, 2));
  EXPECT_EQ(Sent(), std::vector<ReplicaId>{ReplicaId(2)});
}

// Links that have no room.
class SendRoomTest : public LimitsTest, protected HostGate {
 protected:
  bool MaySend(ReplicaId to, Load load) override {
    return to != full_ || load == spared_;
  }
  void Lead() {
    context_.gate = this;
    Start(Term(1));
    BecomeServingLeader();
  }
  // The nodes to which the last step sent an append, with entries or without.
  std::vector<ReplicaId> Appends(bool with_entries) const {
    std::vector<ReplicaId> to;
    for (const Message& message : Of(out_.messages, MessageType::kAppend)) {
      if (message.entries.empty() != with_entries) to.push_back(message.to);
    }
    return to;
  }
  void Propose() { Step(Proposal{0, EntryKind::kCommands, Buffer::Copy("a")}); }

  ReplicaId full_;
  std::optional<Load> spared_;  // It may be sent to `full_`, too.
};

TEST_F(SendRoomTest, EntriesForAFullLink_LeaveOnceThereIsRoom) {
  Lead();
  Receive(Ack(3, 2, 2));
  full_ = ReplicaId(2);
  Propose();
  EXPECT_EQ(Appends(true), std::vector<ReplicaId>{ReplicaId(3)});
  Propose();
  Step(RoomToSend{ReplicaId(2)});
  EXPECT_TRUE(out_.messages.empty());
  full_ = ReplicaId();
  Step(RoomToSend{ReplicaId(2)});
  ASSERT_EQ(Appends(true), std::vector<ReplicaId>{ReplicaId(2)});
  EXPECT_EQ(out_.messages[0].entries.size(), 2u);
  Step(RoomToSend{ReplicaId(2)});
  EXPECT_TRUE(out_.messages.empty());
}

TEST_F(SendRoomTest, FullLink_AProbeLeavesWithoutEntries) {
  Lead();
  Propose();
  full_ = ReplicaId(2);
  Receive(Rejection(2, 2, At(2, 2)));
  EXPECT_EQ(Appends(false), std::vector<ReplicaId>{ReplicaId(2)});
  EXPECT_TRUE(Appends(true).empty());
}

TEST_F(SendRoomTest, NewLink_TheFollowerIsAskedAtOnce) {
  Lead();
  Propose();
  Step(RoomToSend{ReplicaId(2), true});
  EXPECT_EQ(Appends(false), std::vector<ReplicaId>{ReplicaId(2)});
  Receive(Ack(2, 2, 3));
  // Nothing is under way, but the follower may have lost what it acknowledged.
  Step(RoomToSend{ReplicaId(2), true});
  EXPECT_EQ(Appends(false), std::vector<ReplicaId>{ReplicaId(2)});
  Receive(Rejection(2, 2, At(2, 2)));
  ASSERT_EQ(out_.events.size(), 1u);
  EXPECT_EQ(out_.events[0].kind, Event::Kind::kFollowerLostEntries);
}

TEST_F(SendRoomTest, LaneOfSnapshotsIsFull_EntriesLeave) {
  Lead();
  const SnapshotDescriptor snapshot = SmallSnapshot(At(2, 2));
  Step(SnapshotTaken{snapshot, Index(2)});
  full_ = ReplicaId(3);
  spared_ = Load::kEntries;
  Receive(Rejection(3, 2, At(1, 1)));
  EXPECT_TRUE(out_.snapshots.empty());
  Receive(Ack(3, 2, 2));
  Propose();
  EXPECT_EQ(Appends(true),
            (std::vector<ReplicaId>{ReplicaId(2), ReplicaId(3)}));
}

TEST_F(SendRoomTest, ChunkForAFullLink_IsNotRead) {
  Lead();
  const SnapshotDescriptor snapshot = SmallSnapshot(At(2, 2));
  Step(SnapshotTaken{snapshot, Index(2)});
  full_ = ReplicaId(3);
  Receive(Rejection(3, 2, At(1, 1)));
  EXPECT_TRUE(out_.snapshots.empty());
  full_ = ReplicaId();
  Step(RoomToSend{ReplicaId(3)});
  ASSERT_EQ(out_.snapshots.size(), 1u);
  Step(ChunkRead{ReplicaId(3), snapshot, 0, Buffer::Copy("x"), false});
  Step(RoomToSend{ReplicaId(3)});
  EXPECT_TRUE(out_.messages.empty()) << "the chunk is under way";
  Step(RoomToSend{ReplicaId(3), true});
  ASSERT_EQ(out_.messages.size(), 1u) << "the chunk may be lost";
  EXPECT_EQ(out_.messages[0].type, MessageType::kSnapshotChunk);
  EXPECT_TRUE(out_.messages[0].part->chunk.empty());
}

TEST_F(SendRoomTest, RoomAtAFollower_DoesNothing) {
  context_.gate = this;
  Start(Term(1));
  Step(RoomToSend{ReplicaId(2), true});
  EXPECT_TRUE(out_.messages.empty());
}

}  // namespace
}  // namespace quorate::raft
