// Plants each violation that ClusterInvariants checks: replicas that are
// correct alone but not together, or outputs that no replica returns.
#include "raft/core/testing/invariants.h"

#include <string>

#include "raft/core/configuration.h"
#include "raft/core/testing/replica_fixture.h"

namespace quorate::raft {
namespace {

using ::testing::Test;

// A replica driven by the fixture. Tests pass it to the checker as any node.
class DrivenReplica : public ReplicaTest {
 public:
  void TestBody() override {}

  explicit DrivenReplica(uint64_t term = 1,
                         std::initializer_list<uint64_t> log = {},
                         ReplicaId voted_for = ReplicaId()) {
    Start(Term(term), log, voted_for);
  }
  void Lead() { BecomeServingLeader(); }
  void LeadUncommitted() { BecomeLeader(); }
  // Receives an entry from node 2, leader of `term`, with all committed.
  void Follow(uint64_t term, uint64_t index, uint64_t previous_term,
              const std::string& payload, uint64_t commit) {
    Receive(Append(2, term, At(previous_term, index - 1),
                   {Commands(term, index, payload)}, commit));
  }
  // Receives entry 2, a configuration, from node 2, leader of term 2.
  void Reconfigure(const Buffer& payload) {
    Entry entry = Commands(2, 2);
    entry.kind = EntryKind::kConfiguration;
    entry.payload = payload;
    Receive(Append(2, 2, At(1, 1), {entry}));
  }
  void Acknowledge(uint32_t node, uint64_t match) {
    Receive(Ack(node, core().term().value(), match));
  }
  void Flush() { FinishWrites(); }
  void BeginInstalling(const SnapshotDescriptor& snapshot) {
    ReceiveSnapshot(2, 3, snapshot);
    ASSERT_TRUE(core_->installing());
  }
  using ReplicaTest::SmallSnapshot;
  void Restore(const SnapshotDescriptor& snapshot, uint64_t term,
               std::vector<Entry> entries) {
    StartFrom({.hard_state = {Term(term), ReplicaId()},
               .snapshot = snapshot,
               .log_start = snapshot.log_start(),
               .entries = std::move(entries)});
  }
  // With the bootstrap entry and one of `entry_term`.
  void RestoreWithCommit(uint64_t term, uint64_t entry_term, uint64_t commit) {
    StartFrom({.hard_state = {Term(term), ReplicaId()},
               .commit = Index(commit),
               .entries = {BootstrapEntry(configuration_),
                           Commands(entry_term, 2, "a")}});
  }
  void Compact(const SnapshotDescriptor& snapshot) {
    Step(SnapshotTaken{snapshot, snapshot.position.index});
  }
  const Core& core() const { return *core_; }
  Output& out() { return out_; }
};

class InvariantsTest : public Test {
 protected:
  std::string Show(uint32_t node, DrivenReplica& replica) {
    return invariants_.Observe(ReplicaId(node), replica.core(), replica.out());
  }
  std::string Start(uint32_t node, DrivenReplica& replica) {
    return invariants_.ObserveStart(ReplicaId(node), replica.core());
  }
  static void ExpectViolation(const std::string& rule,
                              const std::string& violation) {
    EXPECT_EQ(violation.substr(0, rule.size()), rule) << violation;
  }

  ClusterInvariants invariants_;
};

TEST_F(InvariantsTest, NothingWrong_SaysNothing) {
  DrivenReplica follower(2);
  EXPECT_EQ(Start(1, follower), "");
  follower.Follow(2, 2, 1, "a", 2);
  EXPECT_EQ(Show(1, follower), "");
  EXPECT_EQ(invariants_.committed(), Index(2));
}

TEST_F(InvariantsTest, TwoLeadersOfOneTerm_ElectionSafety) {
  DrivenReplica one;
  DrivenReplica two;
  one.LeadUncommitted();
  two.LeadUncommitted();
  EXPECT_EQ(Show(1, one), "");
  ExpectViolation("election safety", Show(2, two));
}

TEST_F(InvariantsTest, TwoVotesInOneTerm_OneVotePerTerm) {
  DrivenReplica before(2, {}, ReplicaId(2));
  DrivenReplica after(2, {}, ReplicaId(3));
  EXPECT_EQ(Show(1, before), "");
  ExpectViolation("one vote per term", Show(1, after));
}

TEST_F(InvariantsTest, VoteForgotten_OneVotePerTerm) {
  DrivenReplica before(2, {}, ReplicaId(2));
  DrivenReplica after(2);
  EXPECT_EQ(Show(1, before), "");
  ExpectViolation("one vote per term", Show(1, after));
}

TEST_F(InvariantsTest, TermFalls_Monotonic) {
  DrivenReplica before(3);
  DrivenReplica after(2);
  EXPECT_EQ(Show(1, before), "");
  ExpectViolation("monotonic term", Show(1, after));
}

TEST_F(InvariantsTest, CommitFalls_Monotonic) {
  DrivenReplica before(2);
  before.Follow(2, 2, 1, "a", 2);
  DrivenReplica after(2);
  EXPECT_EQ(Show(1, before), "");
  ExpectViolation("monotonic commit", Show(1, after));
}

TEST_F(InvariantsTest, RestartForgetsCommit_IsAllowed) {
  DrivenReplica before(2);
  before.Follow(2, 2, 1, "a", 2);
  DrivenReplica after(2);
  EXPECT_EQ(Show(1, before), "");
  EXPECT_EQ(Start(1, after), "");
  after.out().Clear();
  EXPECT_EQ(Show(1, after), "");
}

TEST_F(InvariantsTest, SameIndexAndTermOtherEntry_LogMatching) {
  DrivenReplica one(2);
  DrivenReplica two(2);
  one.Follow(2, 2, 1, "a", 0);
  two.Follow(2, 2, 1, "b", 0);
  EXPECT_EQ(Show(1, one), "");
  ExpectViolation("log matching", Show(2, two));
}

TEST_F(InvariantsTest, SameEntryOtherPredecessor_LogMatching) {
  DrivenReplica one(4, {1});
  DrivenReplica two(4, {3});
  one.Follow(4, 3, 1, "a", 0);
  two.Follow(4, 3, 3, "a", 0);
  EXPECT_EQ(Show(1, one), "");
  ExpectViolation("log matching", Show(2, two));
}

TEST_F(InvariantsTest, RestartWithAnotherLog_LogMatching) {
  DrivenReplica one(2);
  one.Follow(2, 2, 1, "a", 0);
  EXPECT_EQ(Show(1, one), "");
  DrivenReplica two(2);
  two.Follow(2, 2, 1, "b", 0);
  ExpectViolation("log matching", Start(2, two));
}

TEST_F(InvariantsTest, OtherEntriesApplied_StateMachineSafety) {
  DrivenReplica one(2);
  DrivenReplica two(3);
  one.Follow(2, 2, 1, "a", 2);
  two.Follow(3, 2, 1, "b", 2);
  EXPECT_EQ(Show(1, one), "");
  ExpectViolation("state machine safety", Show(2, two));
}

TEST_F(InvariantsTest, EntrySkippedAtApply_StateMachineSafety) {
  DrivenReplica one(2);
  one.Follow(2, 2, 1, "a", 2);
  one.out().apply.RemovePrefix(1);
  ExpectViolation("state machine safety", Show(1, one));
}

TEST_F(InvariantsTest, CommittedButNotGivenOut_StateMachineSafety) {
  DrivenReplica one(2);
  one.Follow(2, 2, 1, "a", 2);
  one.out().apply.clear();
  ExpectViolation("state machine safety", Show(1, one));
}

TEST_F(InvariantsTest, CommittedSuffixTruncated_StateMachineSafety) {
  DrivenReplica one(2);
  one.Follow(2, 2, 1, "a", 2);
  EXPECT_EQ(Show(1, one), "");
  one.out().Clear();
  Event event;
  event.kind = Event::Kind::kSuffixTruncated;
  event.index = Index(2);
  one.out().events.push_back(event);
  ExpectViolation("state machine safety", Show(1, one));
}

TEST_F(InvariantsTest, SnapshotNotCommitted_StateMachineSafety) {
  DrivenReplica one(2);
  EXPECT_EQ(Start(1, one), "");
  one.out().Clear();
  Event event;
  event.kind = Event::Kind::kSnapshotInstalled;
  event.index = Index(9);
  one.out().events.push_back(event);
  ExpectViolation("state machine safety", Show(1, one));
}

TEST_F(InvariantsTest, LeaderWithoutACommittedEntry_LeaderCompleteness) {
  DrivenReplica one(2);
  one.Follow(2, 2, 1, "a", 2);
  EXPECT_EQ(Show(1, one), "");
  DrivenReplica two(2);
  two.LeadUncommitted();  // In term 3, without entry 2 of term 2.
  ExpectViolation("leader completeness", Show(3, two));
}

TEST_F(InvariantsTest, LateLeaderOfAnOlderTerm_IsAllowed) {
  DrivenReplica one(5);
  one.Follow(5, 2, 1, "a", 2);
  EXPECT_EQ(Show(1, one), "");
  DrivenReplica two(2);
  two.LeadUncommitted();  // In term 3, elected before term 5 committed.
  EXPECT_EQ(Show(3, two), "");
}

TEST_F(InvariantsTest, ReadThatMissesACommittedEntry_Lease) {
  DrivenReplica committed(2), reads(2);
  committed.Follow(2, 2, 1, "a", 2);
  EXPECT_EQ(Show(1, committed), "");
  reads.Follow(2, 2, 1, "a", 1);
  reads.out().lease_reads.push_back(Index(2));
  EXPECT_EQ(Show(3, reads), "");
  reads.out().lease_reads.push_back(Index(1));
  ExpectViolation("lease: replica 3", Show(3, reads));
}

TEST_F(InvariantsTest, OldTermCommittedByCounting_Commit) {
  DrivenReplica before(2);
  EXPECT_EQ(Show(1, before), "");
  DrivenReplica after(2);
  after.Follow(2, 2, 1, "a", 2);
  after.LeadUncommitted();
  ExpectViolation("commit", Show(1, after));
}

TEST_F(InvariantsTest, AcknowledgedWithoutADisk_Commit) {
  DrivenReplica leader;
  EXPECT_EQ(Start(1, leader), "");
  leader.LeadUncommitted();
  EXPECT_EQ(Show(1, leader), "");
  // As far as the checker knows, only the leader has entry 2 on disk.
  leader.Acknowledge(2, 2);
  ExpectViolation("commit", Show(1, leader));
}

TEST_F(InvariantsTest, AcknowledgedAnotherTermsEntry_Commit) {
  // Node 2 has an entry 3 on disk, but of an older term than the leader's.
  DrivenReplica follower(2, {1});
  follower.Follow(2, 3, 1, "a", 0);
  follower.Flush();
  EXPECT_EQ(Show(2, follower), "");
  DrivenReplica leader(2, {1});
  leader.LeadUncommitted();
  EXPECT_EQ(Show(1, leader), "");
  leader.Acknowledge(2, 3);
  ExpectViolation("commit", Show(1, leader));
}

TEST_F(InvariantsTest, RestartWithoutWhatWasOnDisk_Durability) {
  DrivenReplica before(2);
  before.Follow(2, 2, 1, "a", 0);
  before.Flush();
  EXPECT_EQ(Show(1, before), "");
  DrivenReplica after(2);
  ExpectViolation("durability", Start(1, after));
}

TEST_F(InvariantsTest, RecoveredCopyWithoutWhatWasOnDisk_Durability) {
  DrivenReplica before(2);
  EXPECT_EQ(Start(1, before), "");
  before.Follow(2, 2, 1, "a", 0);
  EXPECT_EQ(Show(1, before), "");
  before.Flush();
  EXPECT_EQ(Show(1, before), "");
  EXPECT_EQ(invariants_.CheckRecovered(ReplicaId(1), before.core()), "");
  DrivenReplica after(2);
  ExpectViolation("durability",
                  invariants_.CheckRecovered(ReplicaId(1), after.core()));
}

TEST_F(InvariantsTest, RecoveredCopyWithAnEntryThatNoLogHeld_LogMatching) {
  DrivenReplica before(2);
  EXPECT_EQ(Start(1, before), "");
  DrivenReplica after(2);
  after.Follow(2, 2, 1, "a", 0);
  ExpectViolation("log matching",
                  invariants_.CheckRecovered(ReplicaId(1), after.core()));
}

TEST_F(InvariantsTest, RestartFromAnOlderDisk_KeepsItsTermAndVote) {
  DrivenReplica before(2);
  before.Follow(2, 2, 1, "a", 0);
  before.Flush();
  EXPECT_EQ(Show(1, before), "");
  invariants_.ObserveOlderDisk(ReplicaId(1));
  DrivenReplica after(2);
  EXPECT_EQ(Start(1, after), "");
  invariants_.ObserveWritten(ReplicaId(1),
                             {.hard_state = {Term(2), ReplicaId(3)}});
  invariants_.ObserveOlderDisk(ReplicaId(1));
  ExpectViolation("durability", Start(1, after));
}

TEST_F(InvariantsTest, RestartWithAnotherEntryThanWasOnDisk_Durability) {
  DrivenReplica before(3, {1, 2});
  DrivenReplica after(3, {1, 1});
  EXPECT_EQ(Show(1, before), "");
  ExpectViolation("durability", Start(1, after));
}

TEST_F(InvariantsTest, RestartWithoutWhatWasNotOnDisk_IsAllowed) {
  DrivenReplica before(2);
  before.Follow(2, 2, 1, "a", 0);
  EXPECT_EQ(Show(1, before), "");
  DrivenReplica after(2);
  EXPECT_EQ(Start(1, after), "");
}

TEST_F(InvariantsTest, RestartInAnEarlierTermThanWasOnDisk_Durability) {
  invariants_.ObserveWritten(ReplicaId(1),
                             {.hard_state = {Term(3), ReplicaId()}});
  DrivenReplica after(2);
  ExpectViolation("durability", Start(1, after));
}

TEST_F(InvariantsTest, RestartWithoutTheVoteThatWasOnDisk_Durability) {
  invariants_.ObserveWritten(ReplicaId(1),
                             {.hard_state = {Term(2), ReplicaId(3)}});
  DrivenReplica after(2);
  ExpectViolation("durability", Start(1, after));
}

TEST_F(InvariantsTest, RestartInALaterTermThanWasOnDisk_IsAllowed) {
  invariants_.ObserveWritten(ReplicaId(1),
                             {.hard_state = {Term(2), ReplicaId(3)}});
  DrivenReplica after(3);
  EXPECT_EQ(Start(1, after), "");
}

TEST_F(InvariantsTest, RestartWithMoreCommittedThanItKnew_Commit) {
  DrivenReplica before(2);
  before.Follow(2, 2, 1, "a", 1);
  EXPECT_EQ(Show(1, before), "");
  DrivenReplica after(2);
  after.RestoreWithCommit(2, 2, 2);
  ExpectViolation("commit", Start(1, after));
}

TEST_F(InvariantsTest, RestartWithWhatItKnew_IsAllowed) {
  DrivenReplica before(2);
  before.Follow(2, 2, 1, "a", 2);
  EXPECT_EQ(Show(1, before), "");
  DrivenReplica after(2);
  after.RestoreWithCommit(2, 2, 2);
  EXPECT_EQ(Start(1, after), "");
}

TEST_F(InvariantsTest, RestartWithAnotherEntryCommitted_Commit) {
  DrivenReplica before(3);
  before.Follow(3, 2, 1, "a", 2);
  EXPECT_EQ(Show(1, before), "");
  DrivenReplica after(3);
  after.RestoreWithCommit(3, 2, 2);
  ExpectViolation("commit", Start(1, after));
}

TEST_F(InvariantsTest, RestartWithAnotherEntryAtItsSnapshot_Commit) {
  DrivenReplica before(3);
  before.Follow(3, 2, 1, "a", 2);
  EXPECT_EQ(Show(1, before), "");
  DrivenReplica after(3);
  after.Restore(after.SmallSnapshot({Term(2), Index(2)}), 3, {});
  ExpectViolation("commit", Start(2, after));
}

TEST_F(InvariantsTest, ReportedDurableBeforeTheWrite_Durability) {
  DrivenReplica one(2);
  EXPECT_EQ(Start(1, one), "");
  one.Follow(2, 2, 1, "a", 0);
  const WriteToken first = one.out().write->token;
  EXPECT_EQ(Show(1, one), "");
  one.Follow(2, 3, 2, "b", 0);
  EXPECT_EQ(Show(1, one), "");
  invariants_.ObserveWritten(ReplicaId(1), first);
  one.Flush();  // The replica learns that both are durable.
  ExpectViolation("durability", Show(1, one));
}

TEST_F(InvariantsTest, WrittenOneAfterTheOther_IsAllowed) {
  DrivenReplica one(2);
  EXPECT_EQ(Start(1, one), "");
  for (const uint64_t index : {2, 3}) {
    one.Follow(2, index, index == 2 ? 1 : 2, "a", 0);
    EXPECT_EQ(Show(1, one), "");
    invariants_.ObserveWritten(ReplicaId(1), one.out().write->token);
    one.Flush();
    EXPECT_EQ(Show(1, one), "");
  }
}

// Node 1 in term 2, with its disk watched.
class MessageInvariantsTest : public InvariantsTest {
 protected:
  MessageInvariantsTest() {
    EXPECT_EQ(Start(1, replica_), "");
    invariants_.ObserveWritten(ReplicaId(1),
                               {.hard_state = {Term(2), ReplicaId(3)}});
  }
  // Passes an output with one more message that leaves at once.
  std::string Send(MessageType type, uint64_t term, uint32_t to,
                   uint64_t last = 0) {
    Message message;
    message.type = type;
    message.term = Term(term);
    message.to = ReplicaId(to);
    message.durable = Index(last);
    replica_.out().Clear();
    replica_.out().messages.push_back(message);
    return Show(1, replica_);
  }

  DrivenReplica replica_{2, {}, ReplicaId(3)};
};

TEST_F(MessageInvariantsTest, SaysWhatIsOnDisk_IsAllowed) {
  EXPECT_EQ(Send(MessageType::kHeartbeatReply, 2, 3), "");
  EXPECT_EQ(Send(MessageType::kVoteReply, 2, 3), "");
  EXPECT_EQ(Send(MessageType::kAppendReply, 2, 3, 1), "");
  EXPECT_EQ(Send(MessageType::kPreVote, 3, 3), "");
  EXPECT_EQ(Send(MessageType::kPreVoteReply, 9, 3), "");
}

TEST_F(MessageInvariantsTest, TermNotOnDisk_Durability) {
  ExpectViolation("durability", Send(MessageType::kHeartbeatReply, 3, 3));
}

TEST_F(MessageInvariantsTest, VoteNotOnDisk_Durability) {
  ExpectViolation("durability", Send(MessageType::kVoteReply, 2, 2));
}

TEST_F(MessageInvariantsTest, OwnVoteNotOnDisk_Durability) {
  ExpectViolation("durability", Send(MessageType::kVote, 2, 3));
}

TEST_F(MessageInvariantsTest, AcknowledgesWhatIsNotOnDisk_Durability) {
  ExpectViolation("durability", Send(MessageType::kAppendReply, 2, 3, 2));
}

// Node 1 leads term 3 with entry 3 of it. The disk of node 2 holds entry 3 of
// term 2.
class AcknowledgementTest : public InvariantsTest {
 protected:
  AcknowledgementTest() {
    EXPECT_EQ(Start(2, follower_), "");
    EXPECT_EQ(Written(2), "");
    leader_.LeadUncommitted();
    EXPECT_EQ(Show(1, leader_), "");
  }
  std::string Written(uint64_t term) {
    return invariants_.ObserveWritten(
        ReplicaId(2), {.hard_state = {Term(term), ReplicaId()}});
  }
  static Message Acknowledgement(uint64_t term, uint64_t match) {
    Message message;
    message.type = MessageType::kAppendReply;
    message.term = Term(term);
    message.to = ReplicaId(1);
    message.durable = Index(match);
    return message;
  }
  std::string Acknowledge(uint64_t term, uint64_t match) {
    follower_.out().Clear();
    follower_.out().messages.push_back(Acknowledgement(term, match));
    return Show(2, follower_);
  }

  DrivenReplica leader_{2, {1}};
  DrivenReplica follower_{2, {1, 2}};
};

TEST_F(AcknowledgementTest, OfTheLeadersEntries_IsAllowed) {
  EXPECT_EQ(Written(3), "");
  EXPECT_EQ(Acknowledge(3, 2), "");
  leader_.Acknowledge(2, 2);
  EXPECT_EQ(Show(1, leader_), "");
}

TEST_F(AcknowledgementTest, OfAnEntryThatTheLeaderLacks_Found) {
  EXPECT_EQ(Written(3), "");
  ExpectViolation("acknowledged entries", Acknowledge(3, 3));
}

TEST_F(AcknowledgementTest, TakenFromAnEarlierTerm_Found) {
  EXPECT_EQ(Acknowledge(2, 3), "");
  leader_.Acknowledge(2, 2);
  ExpectViolation("acknowledged entries", Show(1, leader_));
}

// An installed snapshot is acknowledged before any write has ended.
TEST_F(AcknowledgementTest, OfAReplicaWithAnOlderDisk_IsKnown) {
  invariants_.ObserveOlderDisk(ReplicaId(2));
  EXPECT_EQ(Acknowledge(3, 2), "");
  EXPECT_EQ(Written(3), "");
  leader_.Acknowledge(2, 2);
  EXPECT_EQ(Show(1, leader_), "");
}

TEST_F(AcknowledgementTest, BehindAWriteThatEndsEarlier_Found) {
  Write write;
  write.token = {.epoch = 7, .hard_state = {Term(3), ReplicaId()}};
  write.after.push_back(Acknowledgement(3, 4));
  follower_.out().Clear();
  follower_.out().write = write;
  EXPECT_EQ(Show(2, follower_), "");
  ExpectViolation("durability",
                  invariants_.ObserveWritten(ReplicaId(2), write.token));
}

TEST_F(AcknowledgementTest, OfEntriesThatAreRemovedInTheTerm_Found) {
  EXPECT_EQ(Written(3), "");
  EXPECT_EQ(Acknowledge(3, 2), "");
  // The write replaces entry 2 of term 1 by one of term 2.
  Write write;
  write.token = {.epoch = 7, .hard_state = {Term(3), ReplicaId()}};
  Entry entry = follower_.core().EntryAt(Index(3));
  entry.index = Index(2);
  write.entries.push_back(entry);
  follower_.out().Clear();
  follower_.out().write = write;
  EXPECT_EQ(Show(2, follower_), "");
  ExpectViolation("acknowledged entries",
                  invariants_.ObserveWritten(ReplicaId(2), write.token));
}

// Node 1 leads and has sent node 2 entry 2. The append is sent once more.
class SentOnceTest : public InvariantsTest {
 protected:
  SentOnceTest() {
    leader_.LeadUncommitted();
    EXPECT_EQ(Show(1, leader_), "");
    append_.type = MessageType::kAppend;
    append_.to = ReplicaId(2);
    append_.previous = {Term(1), Index(1)};
    append_.entries.push_back(leader_.core().EntryAt(Index(2)));
    EXPECT_EQ(SendAgain(), "");
  }
  std::string SendAgain() {
    leader_.out().Clear();
    leader_.out().messages.push_back(append_);
    return Show(1, leader_);
  }
  std::string Send(uint64_t first, uint64_t last) {
    append_.entries.clear();
    for (uint64_t i = first; i <= last; ++i) {
      Entry entry = leader_.core().EntryAt(Index(2));
      entry.index = Index(i);
      append_.entries.push_back(entry);
    }
    return SendAgain();
  }
  // The follower rejects an append.
  std::string Reject(DrivenReplica& follower) {
    Message rejection;
    rejection.type = MessageType::kAppendReply;
    rejection.term = Term(2);
    rejection.reject = true;
    follower.out().Clear();
    follower.out().messages.push_back(rejection);
    return Show(2, follower);
  }
  uint64_t EntryBytes() const {
    return leader_.core().EntryAt(Index(2)).size_bytes();
  }

  DrivenReplica leader_;
  Message append_;
};

TEST_F(SentOnceTest, WithoutEvidence_Found) {
  ExpectViolation("sent once", SendAgain());
}

TEST_F(SentOnceTest, OncePerRejection_IsAllowed) {
  DrivenReplica follower(2);
  EXPECT_EQ(Start(2, follower), "");
  EXPECT_EQ(invariants_.ObserveWritten(ReplicaId(2),
                                       {.hard_state = {Term(2), ReplicaId()}}),
            "");
  EXPECT_EQ(Reject(follower), "");
  EXPECT_EQ(SendAgain(), "");
  ExpectViolation("sent once", SendAgain());
}

// The first append of a term may be far ahead of the member's log. The entries
// between them were not sent yet.
TEST_F(SentOnceTest, EntriesBeforeTheFirstAppend_AreNotSentAgain) {
  invariants_.SetSendWindow(2 * EntryBytes());
  DrivenReplica follower(2);
  EXPECT_EQ(Start(2, follower), "");
  EXPECT_EQ(Send(99, 99), "");
  EXPECT_EQ(Reject(follower), "");
  for (uint64_t i = 10; i < 99; ++i) EXPECT_EQ(Send(i, i), "");
}

// One rejection lets it go back once, by what it may have under way.
TEST_F(SentOnceTest, MoreThanAWindow_Found) {
  invariants_.SetSendWindow(2 * EntryBytes());
  EXPECT_EQ(Send(3, 9), "");
  DrivenReplica follower(2);
  EXPECT_EQ(Start(2, follower), "");
  EXPECT_EQ(Reject(follower), "");
  // A single entry may exceed the window.
  EXPECT_EQ(Send(6, 7), "");
  EXPECT_EQ(Send(8, 8), "");
  ExpectViolation("sent once", Send(9, 10));
}

// A snapshot through entry 2 is committed. Node 2 has a log of its own.
class InstallTest : public InvariantsTest {
 protected:
  InstallTest() {
    source_.Follow(2, 2, 1, "x", 2);
    EXPECT_EQ(Show(1, source_), "");
    source_.Flush();
    snapshot_ = {.position = source_.core().last(),
                 .log_time = source_.core().applied_log_time(),
                 .configuration = source_.core().configuration()};
    source_.Compact(snapshot_);
  }
  void Holds(DrivenReplica& replica) {
    EXPECT_EQ(Start(2, replica), "");
    EXPECT_EQ(invariants_.ObserveWritten(
                  ReplicaId(2), {.hard_state = {Term(2), ReplicaId()}}),
              "");
  }
  std::string Install() {
    Event event;
    event.kind = Event::Kind::kSnapshotInstalled;
    event.index = snapshot_.position.index;
    source_.out().Clear();
    source_.out().events.push_back(event);
    return Show(2, source_);
  }
  std::string Restart(std::vector<Entry> entries) {
    DrivenReplica again;
    again.Restore(snapshot_, 2, std::move(entries));
    return Start(2, again);
  }
  static std::vector<Entry> EntriesBehind(DrivenReplica& replica) {
    return {replica.core().EntryAt(Index(3))};
  }

  DrivenReplica source_{2};
  SnapshotDescriptor snapshot_;
  DrivenReplica matching_{2, {2, 2}};
  DrivenReplica conflicting_{2, {1, 1}};
};

TEST_F(InstallTest, OverAMatchingLogWithLaterEntries_Found) {
  Holds(matching_);
  ExpectViolation("acknowledged entries", Install());
}

TEST_F(InstallTest, OverAConflictingLog_IsAllowed) {
  Holds(conflicting_);
  EXPECT_EQ(Install(), "");
}

TEST_F(InstallTest, RestartWithoutAMatchingSuffix_Durability) {
  Holds(matching_);
  ExpectViolation("durability", Restart({}));
}

TEST_F(InstallTest, RestartWithAMatchingSuffix_IsAllowed) {
  Holds(matching_);
  EXPECT_EQ(Restart(EntriesBehind(matching_)), "");
}

TEST_F(InstallTest, RestartWithoutAConflictingLog_IsAllowed) {
  Holds(conflicting_);
  EXPECT_EQ(Restart({}), "");
}

TEST_F(InstallTest, RestartWithEntriesOfAConflictingLog_Durability) {
  Holds(conflicting_);
  Entry entry = matching_.core().EntryAt(Index(3));
  ExpectViolation("durability", Restart({entry}));
}

// A replica takes a snapshot of what others hold on their disks.
TEST_F(InstallTest, RestartWithEntriesOfUnfinishedWrites_IsAllowed) {
  DrivenReplica replica{2, {2}};
  Holds(replica);
  Write write;
  for (uint64_t index : {2, 3}) {
    write.entries.push_back(matching_.core().EntryAt(Index(index)));
  }
  replica.out().Clear();
  replica.out().write = write;
  EXPECT_EQ(Show(2, replica), "");
  EXPECT_EQ(Restart(EntriesBehind(matching_)), "");
}

// A replica into whose log a snapshot is being installed.
class InstallingTest : public InstallTest {
 protected:
  InstallingTest() {
    snapshot_.size_bytes = 1;
    installing_.BeginInstalling(snapshot_);
    EXPECT_EQ(Show(2, installing_), "");
    installing_.out().Clear();
  }

  DrivenReplica installing_{1};
};

TEST_F(InstallingTest, DoesNothing_IsAllowed) {
  EXPECT_EQ(Show(2, installing_), "");
}

TEST_F(InstallingTest, WritesEntries_Installing) {
  installing_.out().write.emplace().entries = EntriesBehind(matching_);
  ExpectViolation("installing", Show(2, installing_));
}

TEST_F(InstallingTest, AcknowledgesAnEarlierAppend_IsAllowed) {
  installing_.out().messages.emplace_back().type = MessageType::kAppendReply;
  EXPECT_EQ(Show(2, installing_), "");
}

TEST_F(InstallingTest, RejectsAnAppend_Installing) {
  Message& reply = installing_.out().messages.emplace_back();
  reply.type = MessageType::kAppendReply;
  reply.reject = true;
  EXPECT_EQ(Show(2, installing_), "");  // The append is of an old term.
  reply.hint = installing_.core().last();
  ExpectViolation("installing", Show(2, installing_));
}

TEST_F(InstallingTest, Campaigns_Installing) {
  installing_.out().messages.emplace_back().type = MessageType::kPreVote;
  ExpectViolation("installing", Show(2, installing_));
}

TEST_F(InstallTest, RestartWithoutTheInstalledSnapshot_Durability) {
  Holds(conflicting_);
  EXPECT_EQ(Install(), "");
  DrivenReplica again(2);
  ExpectViolation("durability", Start(2, again));
}

TEST_F(InvariantsTest, LeadsWithoutItsVoteOnDisk_Durability) {
  DrivenReplica one;
  EXPECT_EQ(Start(1, one), "");
  invariants_.ObserveWritten(ReplicaId(1),
                             {.hard_state = {Term(1), ReplicaId()}});
  one.LeadUncommitted();
  one.out().Clear();
  ExpectViolation("durability", Show(1, one));
}

// A snapshot of the own state through entry 2, with the fields that `change`
// sets.
class SnapshotInvariantsTest : public InvariantsTest {
 protected:
  template <typename Change>
  std::string Take(Change change) {
    DrivenReplica one(2);
    EXPECT_EQ(Start(1, one), "");
    one.Follow(2, 2, 1, "a", 2);
    one.Flush();
    EXPECT_EQ(ShowAll(one), "");
    SnapshotDescriptor snapshot{.position = one.core().last(),
                                .log_time = one.core().applied_log_time(),
                                .configuration = one.core().configuration()};
    change(&snapshot);
    one.Compact(snapshot);
    return Show(1, one);
  }

 private:
  // Flush overwrites the earlier output; both are needed.
  std::string ShowAll(DrivenReplica& one) {
    DrivenReplica again(2);
    again.Follow(2, 2, 1, "a", 2);
    const std::string violation = Show(1, again);
    return violation.empty() ? Show(1, one) : violation;
  }
};

TEST_F(SnapshotInvariantsTest, StampedWithWhatWasCommitted_IsAllowed) {
  EXPECT_EQ(Take([](SnapshotDescriptor*) {}), "");
}

TEST_F(SnapshotInvariantsTest, AnotherLogTime_Snapshot) {
  ExpectViolation("snapshot", Take([](SnapshotDescriptor* snapshot) {
                    snapshot->log_time = snapshot->log_time + Nanoseconds(1);
                  }));
}

TEST_F(SnapshotInvariantsTest, AnotherConfiguration_Snapshot) {
  ExpectViolation("snapshot", Take([](SnapshotDescriptor* snapshot) {
                    snapshot->configuration.voters.pop_back();
                  }));
}

// The configurations of the log through entry 2, whose payload is `payload`.
class ConfigurationInvariantsTest : public InvariantsTest {
 protected:
  std::string Take(DrivenReplica* one, const Buffer& payload) {
    EXPECT_EQ(Start(1, *one), "");
    one->Reconfigure(payload);
    return Show(1, *one);
  }
};

TEST_F(ConfigurationInvariantsTest, NewestOfTheLogInEffect_IsAllowed) {
  DrivenReplica one(2);
  Configuration fewer = one.core().configuration();
  fewer.voters.pop_back();
  EXPECT_EQ(Take(&one, EncodeConfiguration(fewer)), "");
  EXPECT_EQ(one.core().configuration(), fewer);
}

// No program can go by this one, so an older one stays in effect.
TEST_F(ConfigurationInvariantsTest,
       AnotherThanTheNewestInEffect_Configuration) {
  DrivenReplica one(2);
  ExpectViolation("configuration",
                  Take(&one, Buffer::Copy("no configuration")));
}

TEST_F(InvariantsTest, LogTimeFalls_MonotonicLogTime) {
  DrivenReplica one(2);
  one.Follow(2, 2, 1, "a", 0);
  EXPECT_EQ(Show(1, one), "");
  Write write;
  Entry entry = one.core().EntryAt(Index(2));
  entry.index = Index(3);
  entry.log_time = entry.log_time - Nanoseconds(1);
  write.entries.push_back(entry);
  one.out().Clear();
  one.out().write = write;
  ExpectViolation("monotonic log time", Show(1, one));
}

}  // namespace
}  // namespace quorate::raft
