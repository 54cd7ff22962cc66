// One test per rule of Figure 2 of "In Search of an Understandable Consensus
// Algorithm (Extended Version)", and of Figure 13 for snapshots. The comment on
// a test quotes its rule, shortened.
#include <algorithm>
#include <set>

#include "raft/core/testing/replica_fixture.h"

namespace quorate::raft {
namespace {

using PaperTest = ReplicaTest;

// ---- State

// "Persistent state on all servers (updated on stable storage before
// responding to RPCs)": the vote.
TEST_F(PaperTest, State_VoteGranted_ReplyLeavesWithTheWriteThatHoldsIt) {
  Start(Term(1));
  Receive(VoteRequest(2, 2, At(1, 1)));
  EXPECT_TRUE(out_.messages.empty());
  ASSERT_TRUE(out_.write.has_value());
  EXPECT_TRUE(out_.write->hard_state_changed);
  EXPECT_EQ(out_.write->hard_state, (HardState{Term(2), ReplicaId(2)}));
  const auto replies = Of(FinishWrite(), MessageType::kVoteReply);
  ASSERT_EQ(replies.size(), 1u);
  EXPECT_FALSE(replies[0].reject);
}

// Persistent state: the term and the entries, in one write (B002, B004).
TEST_F(PaperTest, State_AppendOfNewTerm_OneWriteHoldsTermAndEntries) {
  Start(Term(1));
  Receive(Append(2, 3, At(1, 1), {Commands(3, 2)}));
  EXPECT_TRUE(out_.messages.empty());
  ASSERT_TRUE(out_.write.has_value());
  EXPECT_EQ(out_.write->hard_state.term, Term(3));
  ASSERT_EQ(out_.write->entries.size(), 1u);
  const auto replies = Of(FinishWrite(), MessageType::kAppendReply);
  ASSERT_EQ(replies.size(), 1u);
  EXPECT_EQ(replies[0].received, Index(2));
  EXPECT_EQ(replies[0].durable, Index(2));
}

// The reply to a heartbeat of a new term also waits until the term is durable.
TEST_F(PaperTest, State_HeartbeatOfNewTerm_AnsweredWhenTheTermIsDurable) {
  Start(Term(1));
  Receive(From(2, MessageType::kHeartbeat, 2));
  EXPECT_TRUE(out_.heartbeats.empty());
  EXPECT_EQ(Of(FinishWrite(), MessageType::kHeartbeatReply).size(), 1u);
  Receive(From(2, MessageType::kHeartbeat, 2));
  EXPECT_EQ(out_.heartbeats.size(), 1u);
}

// "commitIndex: initialized to 0".
TEST_F(PaperTest, State_AfterStart_NothingIsCommitted) {
  Start(Term(2), {1, 2});
  EXPECT_EQ(core_->commit_index(), Index(0));
  EXPECT_EQ(core_->applied_index(), Index(0));
  EXPECT_EQ(core_->durable_index(), Index(3));
}

// "nextIndex[]: initialized to leader last log index + 1; matchIndex[]:
// initialized to 0".
TEST_F(PaperTest, State_NewLeader_ProbesFromItsLastEntry) {
  Start(Term(1), {1, 1});
  BecomeLeader();
  const auto appends = Of(leader_output_.messages, MessageType::kAppend);
  ASSERT_EQ(appends.size(), 2u);
  for (const Message& append : appends) EXPECT_EQ(append.previous, At(1, 3));
  for (const Core::FollowerStatus& status : core_->followers()) {
    EXPECT_EQ(status.match, Index(0));
  }
}

// ---- RequestVote RPC

// "1. Reply false if term < currentTerm".
TEST_F(PaperTest, RequestVote_OldTerm_IsRefusedWithTheNewerTerm) {
  Start(Term(5));
  Receive(VoteRequest(2, 4, At(4, 9)));
  ASSERT_EQ(out_.messages.size(), 1u);
  EXPECT_TRUE(out_.messages[0].reject);
  EXPECT_EQ(out_.messages[0].term, Term(5));
  EXPECT_EQ(core_->voted_for(), ReplicaId());
}

// "2. If votedFor is null or candidateId … grant vote".
TEST_F(PaperTest, RequestVote_VotedForAnother_IsRefused) {
  Start(Term(2), {}, ReplicaId(3));
  Receive(VoteRequest(2, 2, At(1, 1)));
  ASSERT_EQ(out_.messages.size(), 1u);
  EXPECT_TRUE(out_.messages[0].reject);
  Receive(VoteRequest(3, 2, At(1, 1)));
  ASSERT_EQ(out_.messages.size(), 1u);
  EXPECT_FALSE(out_.messages[0].reject);
}

struct UpToDate {
  LogPosition candidate;
  bool granted;
};

class UpToDateTest : public ReplicaTest,
                     public ::testing::WithParamInterface<UpToDate> {};

// "… and candidate's log is at least as up-to-date as receiver's log" (5.4.1:
// the later last term, then the longer log). The receiver's ends at 3:4.
TEST_P(UpToDateTest, RequestVote_CandidateLog_DecidesByTermThenLength) {
  Start(Term(3), {1, 3, 3});
  Receive(VoteRequest(2, 4, GetParam().candidate));
  const auto replies = Of(FinishWrite(), MessageType::kVoteReply);
  ASSERT_EQ(replies.size(), 1u);
  EXPECT_EQ(!replies[0].reject, GetParam().granted);
  EXPECT_EQ(core_->voted_for(),
            GetParam().granted ? ReplicaId(2) : ReplicaId());
  EXPECT_EQ(core_->term(), Term(4));
}

INSTANTIATE_TEST_SUITE_P(Logs, UpToDateTest,
                         ::testing::Values(UpToDate{{Term(3), Index(4)}, true},
                                           UpToDate{{Term(3), Index(5)}, true},
                                           UpToDate{{Term(3), Index(3)}, false},
                                           UpToDate{{Term(2), Index(9)}, false},
                                           UpToDate{{Term(4), Index(2)}, true},
                                           UpToDate{{Term(0), Index(0)},
                                                    false}));

// ---- AppendEntries RPC

// "1. Reply false if term < currentTerm".
TEST_F(PaperTest, AppendEntries_OldTerm_IsRefusedWithTheNewerTerm) {
  Start(Term(5));
  Receive(Append(2, 4, At(1, 1), {Commands(4, 2)}));
  ASSERT_EQ(out_.messages.size(), 1u);
  EXPECT_TRUE(out_.messages[0].reject);
  EXPECT_EQ(out_.messages[0].term, Term(5));
  EXPECT_EQ(core_->last(), At(1, 1));
  EXPECT_EQ(core_->leader(), ReplicaId());
}

// "2. Reply false if log doesn't contain an entry at prevLogIndex whose term
// matches prevLogTerm".
TEST_F(PaperTest, AppendEntries_PreviousMissing_IsRefusedWithAHint) {
  Start(Term(2), {1});
  Message append = Append(2, 2, At(2, 7), {Commands(2, 8)});
  append.number = AppendNumber(5);
  Receive(append);
  ASSERT_EQ(out_.messages.size(), 1u);
  EXPECT_EQ(out_.messages[0].number, AppendNumber(5));
  EXPECT_TRUE(out_.messages[0].reject);
  EXPECT_EQ(out_.messages[0].hint, At(1, 2));
  EXPECT_EQ(core_->last(), At(1, 2));
}

TEST_F(PaperTest, AppendEntries_PreviousOfAnotherTerm_HintSkipsThatTerm) {
  Start(Term(4), {1, 3, 3, 3});
  Receive(Append(2, 4, At(2, 5), {Commands(4, 6)}));
  ASSERT_EQ(out_.messages.size(), 1u);
  EXPECT_TRUE(out_.messages[0].reject);
  EXPECT_EQ(out_.messages[0].hint, At(1, 2));
  // A rejected append removes no entries.
  EXPECT_EQ(core_->last(), At(3, 5));
}

// "3. If an existing entry conflicts with a new one, delete the existing entry
// and all that follow it". "4. Append any new entries not already in the log".
TEST_F(PaperTest, AppendEntries_Conflict_ReplacesTheSuffix) {
  Start(Term(4), {1, 2, 2, 2});
  Receive(Append(2, 4, At(1, 1), {Commands(1, 2), Commands(4, 3)}));
  EXPECT_EQ(core_->last(), At(4, 3));
  EXPECT_EQ(core_->TermAt(Index(2)), Term(1));
  ASSERT_TRUE(out_.write.has_value());
  ASSERT_EQ(out_.write->entries.size(), 1u);
  EXPECT_EQ(out_.write->entries[0].position(), At(4, 3));
  EXPECT_EQ(core_->durable_index(), Index(2));
}

TEST_F(PaperTest, AppendEntries_AllThereAlready_NothingIsWrittenOrRemoved) {
  Start(Term(2), {1, 2, 2});
  Receive(Append(2, 2, At(1, 1), {Commands(1, 2)}));
  EXPECT_FALSE(out_.write.has_value());
  EXPECT_EQ(core_->last(), At(2, 4));
  ASSERT_EQ(out_.messages.size(), 1u);
  // The reply acknowledges what the message covered, not the whole log.
  EXPECT_EQ(out_.messages[0].received, Index(2));
}

// "5. If leaderCommit > commitIndex, set commitIndex = min(leaderCommit, index
// of last new entry)".
TEST_F(PaperTest, AppendEntries_CommitBeyondWhatMatches_StopsThere) {
  Start(Term(3), {1, 2, 2});
  Receive(Append(2, 3, At(1, 1), {Commands(1, 2)}, /*commit=*/4));
  EXPECT_EQ(core_->commit_index(), Index(2));
  Receive(Append(2, 3, At(1, 2), {Commands(3, 3)}, /*commit=*/2));
  EXPECT_EQ(core_->commit_index(), Index(2));
}

// ---- Rules for all servers

// "If commitIndex > lastApplied: increment lastApplied, apply".
TEST_F(PaperTest, AllServers_CommitAdvances_EntriesAreGivenOutOnceInOrder) {
  Start(Term(2), {1, 2});
  Receive(Append(2, 2, At(2, 3), {}, /*commit=*/2));
  ASSERT_EQ(out_.apply.size(), 2u);
  EXPECT_EQ(out_.apply[0].index, Index(1));
  EXPECT_EQ(out_.apply[1].index, Index(2));
  Receive(Append(2, 2, At(2, 3), {}, /*commit=*/3));
  ASSERT_EQ(out_.apply.size(), 1u);
  EXPECT_EQ(out_.apply[0].index, Index(3));
}

// "If RPC request or response contains term T > currentTerm: set currentTerm =
// T, convert to follower".
TEST_F(PaperTest, AllServers_HigherTermInAReply_LeaderBecomesFollower) {
  Start(Term(1));
  BecomeLeader();
  Message reply = Ack(3, 9, 0);
  reply.reject = true;
  Receive(reply);
  EXPECT_EQ(core_->role(), RoleKind::kFollower);
  EXPECT_EQ(core_->term(), Term(9));
  EXPECT_EQ(core_->voted_for(), ReplicaId());
}

// ---- Followers

// "If election timeout elapses without receiving AppendEntries from current
// leader or granting vote to candidate: convert to candidate". The pre-vote
// comes first (thesis 9.6).
TEST_F(PaperTest, Followers_ElectionTimeout_AsksForPreVotesFirst) {
  Start(Term(3));
  const MonoTime deadline = core_->deadline();
  EXPECT_GE(deadline - now_.mono, options_.election_timeout_min);
  EXPECT_LE(deadline - now_.mono, options_.election_timeout_max);
  PassToDeadline();
  EXPECT_EQ(core_->role(), RoleKind::kPreCandidate);
  EXPECT_EQ(core_->term(), Term(3));
  EXPECT_FALSE(out_.write.has_value());
  const auto requests = Of(out_.messages, MessageType::kPreVote);
  ASSERT_EQ(requests.size(), 2u);
  EXPECT_EQ(requests[0].term, Term(4));
}

TEST_F(PaperTest, Followers_AppendReceived_TimerIsReset) {
  Start(Term(2));
  now_.mono = core_->deadline() - Milliseconds(1);
  Receive(Append(2, 2, At(1, 1), {}));
  EXPECT_GE(core_->deadline() - now_.mono, options_.election_timeout_min);
}

TEST_F(PaperTest, Followers_VoteGranted_TimerIsReset) {
  Start(Term(2));
  now_.mono = core_->deadline() - Milliseconds(1);
  Receive(VoteRequest(2, 3, At(1, 1)));
  EXPECT_GE(core_->deadline() - now_.mono, options_.election_timeout_min);
}

TEST_F(PaperTest, Followers_VoteRefused_TimerContinues) {
  Start(Term(2), {2});
  const MonoTime deadline = core_->deadline();
  now_.mono = deadline - Milliseconds(1);
  Receive(VoteRequest(2, 3, At(1, 1)));
  EXPECT_EQ(core_->deadline(), deadline);
}

TEST_F(PaperTest, Followers_PreVoteGranted_HasNoSideEffect) {
  Start(Term(2));
  const MonoTime deadline = core_->deadline();
  now_.mono = deadline - Milliseconds(1);
  Message request = From(2, MessageType::kPreVote, 7);
  request.last_log = At(1, 1);
  Receive(request);
  ASSERT_EQ(out_.messages.size(), 1u);
  EXPECT_FALSE(out_.messages[0].reject);
  EXPECT_EQ(out_.messages[0].term, Term(7));
  EXPECT_EQ(core_->deadline(), deadline);
  EXPECT_EQ(core_->term(), Term(2));
  EXPECT_FALSE(out_.write.has_value());
}

// ---- Candidates

// "On conversion to candidate: increment currentTerm, vote for self, reset
// election timer, send RequestVote RPCs to all other servers".
TEST_F(PaperTest, Candidates_Conversion_RequestsLeaveBehindTheOwnVote) {
  Start(Term(3));
  PassToDeadline();
  Receive(From(2, MessageType::kPreVoteReply, 4));
  EXPECT_EQ(core_->role(), RoleKind::kCandidate);
  EXPECT_EQ(core_->term(), Term(4));
  EXPECT_EQ(core_->voted_for(), ReplicaId(1));
  EXPECT_TRUE(out_.messages.empty());
  EXPECT_GE(core_->deadline() - now_.mono, options_.election_timeout_min);
  EXPECT_EQ(Of(FinishWrite(), MessageType::kVote).size(), 2u);
}

// "If votes received from majority of servers: become leader".
TEST_F(PaperTest, Candidates_Majority_BecomesLeader) {
  configuration_ = VotersUpTo(5);
  Start(Term(1));
  PassToDeadline();
  for (uint32_t node : {2, 3}) {
    Receive(From(node, MessageType::kPreVoteReply, 2));
  }
  FinishWrites();
  Receive(From(2, MessageType::kVoteReply, 2));
  Receive(From(2, MessageType::kVoteReply, 2));  // The same vote again.
  EXPECT_EQ(core_->role(), RoleKind::kCandidate);
  Receive(From(3, MessageType::kVoteReply, 2));
  EXPECT_EQ(core_->role(), RoleKind::kLeader);
}

// "If AppendEntries RPC received from new leader: convert to follower".
TEST_F(PaperTest, Candidates_AppendOfTheSameTerm_BecomesFollower) {
  Start(Term(1));
  PassToDeadline();
  Receive(From(2, MessageType::kPreVoteReply, 2));
  FinishWrites();
  Receive(Append(3, 2, At(1, 1), {}));
  EXPECT_EQ(core_->role(), RoleKind::kFollower);
  EXPECT_EQ(core_->leader(), ReplicaId(3));
  EXPECT_EQ(core_->voted_for(), ReplicaId(1));
}

// "If election timeout elapses: start new election".
TEST_F(PaperTest, Candidates_ElectionTimeout_AsksAgain) {
  Start(Term(1));
  PassToDeadline();
  Receive(From(2, MessageType::kPreVoteReply, 2));
  FinishWrites();
  PassToDeadline();
  EXPECT_EQ(core_->role(), RoleKind::kPreCandidate);
  ASSERT_EQ(out_.messages.size(), 2u);
  EXPECT_EQ(out_.messages[0].term, Term(3));
}

// 5.2: "randomized election timeouts", drawn for each wait (B014).
TEST_F(PaperTest, Candidates_EveryElection_DrawsATimeout) {
  Start(Term(1));
  std::set<int64_t> waits;
  for (int i = 0; i < 20; ++i) {
    waits.insert((core_->deadline() - now_.mono).ns());
    PassToDeadline();
  }
  EXPECT_GT(waits.size(), 15u);
}

// ---- Leaders

// "Upon election: send initial AppendEntries RPCs to each server", with an
// entry of the own term (8).
TEST_F(PaperTest, Leaders_Elected_AppendAnEntryOfTheirTermAtOnce) {
  Start(Term(1));
  BecomeLeader();
  const auto appends = Of(leader_output_.messages, MessageType::kAppend);
  ASSERT_EQ(appends.size(), 2u);
  for (const Message& append : appends) {
    EXPECT_EQ(append.previous, At(1, 1));
    ASSERT_EQ(append.entries.size(), 1u);
    EXPECT_EQ(append.entries[0].kind, EntryKind::kNoop);
    EXPECT_EQ(append.entries[0].position(), At(2, 2));
  }
}

// "Repeat during idle periods to prevent election timeouts".
TEST_F(PaperTest, Leaders_Idle_SendHeartbeats) {
  Start(Term(1));
  BecomeServingLeader();
  Receive(Ack(3, 2, 2));
  Pass(options_.heartbeat_interval);
  Step(TimerFired());
  EXPECT_EQ(out_.heartbeats.size(), 2u);
  EXPECT_TRUE(out_.messages.empty());
}

// "If command received from client: append entry to local log, respond after
// entry applied". The disk writes while messages are sent (thesis 10.2.1).
TEST_F(PaperTest, Leaders_Command_IsSentAndWrittenInOneStep) {
  Start(Term(1));
  BecomeServingLeader();
  Receive(Ack(3, 2, 2));
  Step(Proposal{7, EntryKind::kCommands, Buffer::Copy("a")});
  ASSERT_EQ(out_.proposed.size(), 1u);
  EXPECT_EQ(out_.proposed[0].tag, 7u);
  EXPECT_EQ(out_.proposed[0].position, At(2, 3));
  EXPECT_EQ(Of(out_.messages, MessageType::kAppend).size(), 2u);
  ASSERT_TRUE(out_.write.has_value());
  EXPECT_FALSE(out_.write->hard_state_changed);
  EXPECT_TRUE(out_.apply.empty());
  Receive(Ack(2, 2, 3));
  EXPECT_TRUE(out_.apply.empty());
  FinishWrite();
  ASSERT_EQ(out_.apply.size(), 1u);
  EXPECT_EQ(out_.apply[0].payload.view(), "a");
}

// "If last log index >= nextIndex for a follower: send AppendEntries with log
// entries starting at nextIndex". "If successful: update nextIndex and
// matchIndex".
TEST_F(PaperTest, Leaders_Acknowledged_NextAndMatchFollow) {
  Start(Term(1));
  BecomeServingLeader();
  Step(Proposal{0, EntryKind::kCommands, Buffer::Copy("a")});
  const auto appends = Of(out_.messages, MessageType::kAppend);
  ASSERT_EQ(appends.size(), 1u);  // The probe of node 3 has no reply yet.
  EXPECT_EQ(appends[0].to, ReplicaId(2));
  EXPECT_EQ(appends[0].previous, At(2, 2));
  Receive(Ack(2, 2, 3));
  EXPECT_EQ(core_->followers()[0].match, Index(3));
  EXPECT_EQ(core_->followers()[0].next, Index(4));
}

// "If AppendEntries fails because of log inconsistency: decrement nextIndex and
// retry", by whole terms.
TEST_F(PaperTest, Leaders_Refused_GoBackToWhereTheLogsMayAgree) {
  Start(Term(4), {1, 2, 4, 4});
  BecomeLeader();
  Receive(Rejection(2, 5, At(3, 5)));
  const auto appends = Of(out_.messages, MessageType::kAppend);
  ASSERT_EQ(appends.size(), 1u);
  EXPECT_EQ(appends[0].previous, At(2, 3));
}

// "If there exists an N such that N > commitIndex, a majority of matchIndex[i]
// >= N, and log[N].term == currentTerm: set commitIndex = N".
TEST_F(PaperTest, Leaders_MajorityHasAnEntryOfAnOldTerm_DoNotCommitIt) {
  Start(Term(2), {2, 2});
  BecomeLeader();
  Receive(Ack(2, 3, 3));
  Receive(Ack(3, 3, 3));
  EXPECT_EQ(core_->commit_index(), Index(0));
  Receive(Ack(2, 3, 4));
  EXPECT_EQ(core_->commit_index(), Index(4));
}

TEST_F(PaperTest, Leaders_MinorityAcknowledged_DoNotCommit) {
  configuration_ = VotersUpTo(4);
  Start(Term(1));
  PassToDeadline();
  for (uint32_t node : {2, 3}) {
    Receive(From(node, MessageType::kPreVoteReply, 2));
  }
  FinishWrites();
  for (uint32_t node : {2, 3}) Receive(From(node, MessageType::kVoteReply, 2));
  FinishWrites();
  ASSERT_EQ(core_->role(), RoleKind::kLeader);
  Receive(Ack(2, 2, 2));
  EXPECT_EQ(core_->commit_index(), Index(0));  // Two of four.
  Receive(Ack(3, 2, 2));
  EXPECT_EQ(core_->commit_index(), Index(2));
}

// ---- Figure 13: InstallSnapshot RPC

SnapshotDescriptor Snapshot(uint64_t term, uint64_t index) {
  SnapshotDescriptor snapshot;
  snapshot.position = {Term(term), Index(index)};
  snapshot.configuration.voters = {
      {ReplicaId(1), NodeId(1), StoreIncarnation(1)},
      {ReplicaId(2), NodeId(2), StoreIncarnation(2)}};
  snapshot.log_time = WallTime(50);
  snapshot.size_bytes = 4;
  return snapshot;
}

Message Chunk(const SnapshotDescriptor& snapshot, uint64_t offset,
              const std::string& bytes) {
  Message message;
  message.type = MessageType::kSnapshotChunk;
  message.from = ReplicaId(2);
  message.term = Term(5);
  message.part.Mutable().snapshot = snapshot;
  message.part.Mutable().offset = offset;
  message.part.Mutable().chunk = Buffer::Copy(bytes);
  return message;
}

// "1. Reply immediately if term < currentTerm".
TEST_F(PaperTest, InstallSnapshot_OldTerm_IsRefused) {
  Start(Term(6));
  Receive(Chunk(Snapshot(4, 9), 0, "ab"));
  ASSERT_EQ(out_.messages.size(), 1u);
  EXPECT_TRUE(out_.messages[0].reject);
  EXPECT_EQ(out_.messages[0].term, Term(6));
  EXPECT_TRUE(out_.snapshots.empty());
}

// "2. Create new snapshot file if first chunk. 3. Write data into snapshot file
// at given offset. 4. Reply and wait for more data chunks if done is false".
TEST_F(PaperTest, InstallSnapshot_Chunks_AreWrittenInOrderAndAskedFor) {
  Start(Term(5));
  const SnapshotDescriptor snapshot = Snapshot(4, 9);
  Receive(Chunk(snapshot, 2, "cd"));
  ASSERT_EQ(out_.messages.size(), 1u);
  EXPECT_EQ(out_.messages[0].type, MessageType::kSnapshotReply);
  EXPECT_EQ(out_.messages[0].part->offset, 0u);
  Receive(Chunk(snapshot, 0, "ab"));
  ASSERT_EQ(out_.snapshots.size(), 1u);
  EXPECT_EQ(out_.snapshots[0].kind, SnapshotWork::Kind::kWrite);
  EXPECT_EQ(out_.snapshots[0].chunk.view(), "ab");
  Step(ChunkWritten{snapshot, 2});
  ASSERT_EQ(out_.messages.size(), 1u);
  EXPECT_EQ(out_.messages[0].part->offset, 2u);
}

TEST_F(PaperTest, InstallSnapshot_LogCatchesUpMeanwhile_IsDiscarded) {
  Start(Term(5));
  const SnapshotDescriptor snapshot = Snapshot(5, 3);
  Receive(Chunk(snapshot, 0, "ab"));
  Step(ChunkWritten{snapshot, 2});
  Receive(Append(2, 5, At(1, 1), {Commands(5, 2)}, /*commit=*/2));
  EXPECT_TRUE(out_.snapshots.empty());
  Receive(Append(2, 5, At(5, 2), {Commands(5, 3)}, /*commit=*/3));
  ASSERT_EQ(out_.snapshots.size(), 1u);
  EXPECT_EQ(out_.snapshots[0].kind, SnapshotWork::Kind::kDiscard);
  EXPECT_EQ(out_.snapshots[0].snapshot, snapshot);
  Receive(Append(2, 5, At(5, 3), {}, /*commit=*/3));
  EXPECT_TRUE(out_.snapshots.empty());
}

// "7. Discard the entire log. 8. Reset state machine using snapshot contents
// (and load snapshot's cluster configuration)".
TEST_F(PaperTest, InstallSnapshot_Complete_ReplacesLogAndConfiguration) {
  Start(Term(5), {5, 5});
  const SnapshotDescriptor snapshot = Snapshot(4, 9);
  Receive(Chunk(snapshot, 0, "abcd"));
  Step(ChunkWritten{snapshot, 4});
  ASSERT_EQ(out_.snapshots.size(), 1u);
  EXPECT_EQ(out_.snapshots[0].kind, SnapshotWork::Kind::kInstall);
  EXPECT_EQ(core_->last(), At(5, 3));
  Step(SnapshotInstalled{snapshot, true});
  EXPECT_EQ(core_->last(), At(4, 9));
  EXPECT_EQ(core_->log_start(), At(4, 9));
  EXPECT_EQ(core_->commit_index(), Index(9));
  EXPECT_EQ(core_->configuration(), snapshot.configuration);
  EXPECT_EQ(core_->applied_log_time(), WallTime(50));
  ASSERT_EQ(out_.messages.size(), 1u);
  EXPECT_EQ(out_.messages[0].received, Index(9));
}

// "6. If existing log entry has same index and term as snapshot's last included
// entry, retain log entries following it and reply".
TEST_F(PaperTest, InstallSnapshot_LogHasItsLastEntry_KeepsWhatFollows) {
  Start(Term(5), {5, 5, 5});
  Receive(Chunk(Snapshot(5, 3), 0, "abcd"));
  EXPECT_TRUE(out_.snapshots.empty());
  EXPECT_EQ(core_->last(), At(5, 4));
  EXPECT_EQ(core_->commit_index(), Index(3));
  ASSERT_EQ(out_.messages.size(), 1u);
  EXPECT_EQ(out_.messages[0].type, MessageType::kAppendReply);
  EXPECT_EQ(out_.messages[0].received, Index(3));
}

}  // namespace
}  // namespace quorate::raft
