// A disk that takes no write for long: what the core holds and hands out
// meanwhile has a limit.
#include <map>
#include <string>
#include <utility>
#include <vector>

#include "raft/core/testing/replica_fixture.h"

namespace quorate::raft {
namespace {

class SlowDiskTest : public ReplicaTest {
 protected:
  // One message of each kind of a leader of this term that wants an answer.
  void ReceiveFromLeader(uint32_t leader, uint64_t term) {
    Receive(From(leader, MessageType::kHeartbeat, term));
    Receive(Append(leader, term, At(1, 1), {}));
    Receive(Append(leader, term, At(term, 100), {}));
    Receive(From(leader, MessageType::kPreVote, term + 1));
  }

  // Answers of each type to each replica.
  static std::map<std::pair<ReplicaId, MessageType>, int> Count(
      const std::vector<Message>& messages) {
    std::map<std::pair<ReplicaId, MessageType>, int> count;
    for (const Message& message : messages) {
      ++count[{message.to, message.type}];
    }
    return count;
  }
};

TEST_F(SlowDiskTest, LeaderOfANewTerm_ManyMessages_WaitForOneWrite) {
  Start(Term(1));
  for (int i = 0; i < 250'000; ++i) {
    ReceiveFromLeader(2, 2);
    ASSERT_TRUE(out_.messages.empty());
    ASSERT_TRUE(out_.heartbeats.empty());
  }
  ASSERT_EQ(pending_.size(), 1u);
  EXPECT_TRUE(pending_[0].after.empty());
  const auto left = Count(FinishWrite());
  EXPECT_EQ(left.size(), 3u);
  for (const auto& [kind, messages] : left) EXPECT_EQ(messages, 1);
  EXPECT_TRUE(pending_.empty());
}

// The newest answer says most.
TEST_F(SlowDiskTest, WaitingAnswers_OfOneKind_TheNewestLeaves) {
  Start(Term(1));
  for (uint64_t round = 1; round <= 3; ++round) {
    Message heartbeat = From(2, MessageType::kHeartbeat, 2);
    heartbeat.read_round = ReadRound(round);
    Receive(std::move(heartbeat));
  }
  const std::vector<Message> left = FinishWrite();
  ASSERT_EQ(left.size(), 1u);
  EXPECT_EQ(left[0].read_round, ReadRound(3));
}

TEST_F(SlowDiskTest, ManyTerms_OneWriteIsInFlightAndAnOtherHasTheNewest) {
  Start(Term(1));
  for (uint64_t term = 2; term < 1000; ++term) {
    Receive(VoteRequest(2 + term % 2, term, At(1, 1)));
  }
  ASSERT_EQ(pending_.size(), 1u);
  EXPECT_EQ(pending_[0].hard_state, (HardState{Term(2), ReplicaId(2)}));
  EXPECT_TRUE(FinishWrite().empty());  // It answers a term that has ended.
  ASSERT_EQ(pending_.size(), 1u);
  EXPECT_TRUE(pending_[0].hard_state_changed);
  EXPECT_EQ(pending_[0].hard_state, (HardState{Term(999), ReplicaId(3)}));
  const std::vector<Message> left = FinishWrite();
  ASSERT_EQ(left.size(), 1u);
  EXPECT_EQ(left[0].type, MessageType::kVoteReply);
  EXPECT_EQ(left[0].term, Term(999));
  EXPECT_TRUE(pending_.empty());
}

// Senders that the configuration does not name are answered too.
TEST_F(SlowDiskTest, ManySenders_WaitingAnswersHaveALimit) {
  Start(Term(1));
  Receive(From(2, MessageType::kHeartbeat, 2));
  for (uint32_t sender = 10; sender < 1010; ++sender) {
    Receive(VoteRequest(sender, 2, At(1, 1)));
  }
  ASSERT_EQ(pending_.size(), 1u);
  const std::vector<Message> left = FinishWrite();
  EXPECT_EQ(left.size(), 64u);
  EXPECT_EQ(Of(left, MessageType::kHeartbeatReply).size(), 1u);
}

// Reads expire, and further ones take their place.
TEST_F(SlowDiskTest, ReadsOfAFollower_WaitForOneWrite) {
  Start(Term(1));
  for (uint64_t tag = 0; tag < 10'000; ++tag) {
    Receive(From(2, MessageType::kHeartbeat, 2));
    Step(ReadRequested{tag});
    Pass(Milliseconds(75));
    Step(TimerFired());
  }
  ASSERT_EQ(pending_.size(), 1u);
  EXPECT_EQ(Of(FinishWrite(), MessageType::kReadIndex).size(), 1u);
}

// An answer about a log that a snapshot replaces would be out of date.
TEST_F(SlowDiskTest, WaitingAnswers_SnapshotReplacesTheLog_AreDiscarded) {
  Start(Term(1));
  Receive(Append(2, 2, At(2, 100), {}));
  ReceiveSnapshot(2, 2, SmallSnapshot(At(2, 100)));
  ASSERT_TRUE(core_->installing());
  EXPECT_TRUE(FinishWrite().empty());
}

// A candidate whose own vote is not on its disk cannot win. It does not begin
// another term, which that disk would have to write too.
TEST_F(SlowDiskTest, OnlyVoter_OwnVoteIsNotDurable_BeginsOneTerm) {
  configuration_ = VotersUpTo(1);
  Start(Term(1));
  for (int i = 0; i < 1000; ++i) PassToDeadline();
  EXPECT_EQ(core_->term(), Term(2));
  ASSERT_EQ(pending_.size(), 1u);
  FinishWrite();
  EXPECT_EQ(core_->role(), RoleKind::kLeader);
}

TEST_F(SlowDiskTest, LeaderAsksForAnElection_OwnTermIsNotDurable_IsIgnored) {
  Start(Term(1));
  Receive(From(2, MessageType::kHeartbeat, 2));
  Receive(From(2, MessageType::kTimeoutNow, 2));
  EXPECT_EQ(core_->role(), RoleKind::kFollower);
  FinishWrites();
  Receive(From(2, MessageType::kTimeoutNow, 2));
  EXPECT_EQ(core_->role(), RoleKind::kCandidate);
}

// The disk of a node that has many groups: others have filled it.
class DiskOfManyGroupsTest : public ReplicaTest, protected HostGate {
 protected:
  DiskOfManyGroupsTest() { context_.gate = this; }
  bool MaySend(ReplicaId, Load) override { return true; }
  bool MayWrite(uint64_t bytes) override { return !closed_ && bytes <= room_; }

  void Propose(size_t count = 1) {
    Proposals proposals;
    for (size_t i = 0; i < count; ++i) {
      proposals.all.push_back(
          {i, EntryKind::kCommands, Buffer::Copy(std::string(52, 'x'))});
    }
    Step(std::move(proposals));
  }
  // Heartbeats are answered until this time has passed. Returns the requests to
  // take over.
  std::vector<Message> Lead(Duration duration) {
    std::vector<Message> requests;
    const MonoTime end = now_.mono + duration;
    while (core_->role() == RoleKind::kLeader && core_->deadline() <= end) {
      PassToDeadline();
      for (const Message& request :
           Of(out_.messages, MessageType::kTimeoutNow)) {
        requests.push_back(request);
      }
      for (const uint32_t node : {2, 3}) {
        Message reply = From(node, MessageType::kHeartbeatReply, 2);
        reply.no_entries = node == wants_none_;
        Receive(std::move(reply));
      }
    }
    return requests;
  }

  uint64_t room_ = 1 << 30;
  bool closed_ = false;  // As after a refusal.
  uint32_t wants_none_ = 0;
};

TEST_F(DiskOfManyGroupsTest, Proposals_FitTheRoomOfTheNodeToTheByte) {
  Start(Term(1));
  BecomeServingLeader();
  room_ = 300;
  Propose(4);
  EXPECT_EQ(out_.proposed.size(), 3u);
  ASSERT_EQ(out_.refused.size(), 1u);
  EXPECT_EQ(out_.refused[0].reason, Refused::Reason::kTooMuchUnwritten);
  // The host has counted those of the step before.
  room_ = 100;
  Propose(2);
  EXPECT_EQ(out_.proposed.size(), 1u);
  room_ = 99;
  Propose();
  EXPECT_EQ(out_.refused.size(), 1u);
}

// All of this log is on the disk, but nothing more will be.
TEST_F(DiskOfManyGroupsTest, LeaderWithoutRoom_GivesItsLeadershipAway) {
  Start(Term(1));
  BecomeServingLeader();
  Receive(Ack(3, 2, 2));
  room_ = 0;
  Propose();
  ASSERT_EQ(out_.refused.size(), 1u);
  EXPECT_FALSE(Lead(options_.election_timeout_max * 2).empty());
}

// It could do no more than this leader.
TEST_F(DiskOfManyGroupsTest, FollowerThatWantsNoEntries_IsNotMadeLeader) {
  Start(Term(1));
  BecomeServingLeader();
  Receive(Ack(3, 2, 2));
  wants_none_ = 2;
  room_ = 0;
  Propose();
  const std::vector<Message> requests = Lead(options_.election_timeout_max * 2);
  ASSERT_FALSE(requests.empty());
  for (const Message& request : requests) {
    EXPECT_EQ(request.to, ReplicaId(3));
  }
  for (const auto& follower : core_->followers()) {
    EXPECT_EQ(follower.wants_no_entries, follower.replica == ReplicaId(2));
  }
}

TEST_F(DiskOfManyGroupsTest, LeaderThatGetsRoomAgain_KeepsItsLeadership) {
  Start(Term(1));
  BecomeServingLeader();
  Receive(Ack(3, 2, 2));
  room_ = 0;
  Propose();
  ASSERT_EQ(out_.refused.size(), 1u);
  room_ = 1 << 30;
  EXPECT_TRUE(Lead(options_.election_timeout_max * 4).empty());
  EXPECT_EQ(core_->role(), RoleKind::kLeader);
}

TEST_F(DiskOfManyGroupsTest, Follower_RefusesEntriesAndSaysWhatItHas) {
  Start(Term(2));
  const auto append = [this](uint64_t after, std::vector<Entry> entries) {
    Message message = Append(2, 2, At(after == 1 ? 1 : 2, after),
                             std::move(entries), /*commit=*/2);
    message.number = AppendNumber(7);
    Receive(std::move(message));
  };
  const auto reply = [this] {
    const auto replies = Of(out_.messages, MessageType::kAppendReply);
    EXPECT_EQ(replies.size(), 1u);
    return replies.empty() ? Message() : replies[0];
  };
  append(1, {Commands(2, 2)});
  FinishWrites();
  room_ = 49;
  closed_ = true;
  // The log has the first of them. Two do not fit.
  append(1, {Commands(2, 2), Commands(2, 3), Commands(2, 4)});
  EXPECT_FALSE(out_.write.has_value());
  EXPECT_TRUE(reply().reject);
  EXPECT_TRUE(reply().no_entries);
  EXPECT_EQ(reply().number, AppendNumber(7));
  EXPECT_EQ(reply().hint, At(2, 2));
  EXPECT_EQ(core_->last().index, Index(2));
  EXPECT_EQ(core_->commit_index(), Index(2)) << "known entries are committed";
  // Those that followed on their way.
  append(4, {Commands(2, 5)});
  EXPECT_TRUE(reply().reject);
  EXPECT_TRUE(reply().no_entries);
  EXPECT_EQ(reply().hint, At(2, 2));
  append(2, {});
  EXPECT_FALSE(reply().reject) << "known entries are acknowledged";
  EXPECT_TRUE(reply().no_entries);
  closed_ = false;
  append(1, {Commands(2, 2), Commands(2, 3)});
  ASSERT_TRUE(out_.write.has_value());
  EXPECT_EQ(out_.write->entries.size(), 1u);
}

// Once for each time that it was asked for none.
TEST_F(DiskOfManyGroupsTest, FollowerThatGetsRoom_AsksItsLeaderForEntries) {
  Start(Term(2));
  room_ = 0;
  Step(RoomForEntries{});
  EXPECT_TRUE(out_.messages.empty());
  for (int i = 0; i < 3; ++i) {
    room_ = 0;
    Receive(From(2, MessageType::kHeartbeat, 2));
    ASSERT_EQ(out_.heartbeats.size(), 1u);
    EXPECT_TRUE(out_.heartbeats[0].no_entries);
    EXPECT_TRUE(core_->asked_for_no_entries());
    Step(RoomForEntries{});
    EXPECT_TRUE(out_.messages.empty()) << "there is none yet";
    room_ = 100;
    Step(RoomForEntries{});
    ASSERT_EQ(out_.messages.size(), 1u);
    EXPECT_EQ(out_.messages[0].type, MessageType::kAppendReply);
    EXPECT_EQ(out_.messages[0].to, ReplicaId(2));
    EXPECT_FALSE(out_.messages[0].no_entries);
    EXPECT_FALSE(core_->asked_for_no_entries());
    Step(RoomForEntries{});
    EXPECT_TRUE(out_.messages.empty());
  }
}

// The host need not say so.
TEST_F(DiskOfManyGroupsTest, EndOfTheOwnWrite_AsksForEntries) {
  Start(Term(2));
  Receive(Append(2, 2, At(1, 1), {Commands(2, 2)}));
  room_ = 0;
  Receive(Append(2, 2, At(2, 2), {Commands(2, 3)}));
  EXPECT_TRUE(core_->asked_for_no_entries());
  room_ = 100;
  const std::vector<Message> left = FinishWrite();
  ASSERT_EQ(left.size(), 2u);
  EXPECT_EQ(left[0].durable, Index(2));
  EXPECT_EQ(left[1].number, AppendNumber());
  EXPECT_FALSE(left[1].no_entries);
}

// The leader of a new term was asked for nothing.
TEST_F(DiskOfManyGroupsTest, RoomUnderAnotherLeader_IsNotAnnounced) {
  Start(Term(2));
  room_ = 0;
  Receive(From(2, MessageType::kHeartbeat, 2));
  Receive(From(3, MessageType::kHeartbeat, 3));
  EXPECT_FALSE(core_->asked_for_no_entries());
  room_ = 100;
  for (const Message& message : FinishWrite()) {
    EXPECT_FALSE(message.no_entries) << "it says how things are when it leaves";
  }
  Step(RoomForEntries{});
  EXPECT_TRUE(out_.messages.empty());
}

}  // namespace
}  // namespace quorate::raft
