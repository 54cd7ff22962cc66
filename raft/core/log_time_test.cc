// The rules of log time under clocks that step, drift and do not know their
// error.
#include "raft/core/core.h"
#include "raft/core/testing/replica_fixture.h"

namespace quorate::raft {
namespace {

WallInterval Exactly(int64_t ns) { return {WallTime(ns), WallTime(ns)}; }

class LogTimeTest : public ReplicaTest {
 protected:
  // Log time of an entry proposed now.
  int64_t Propose() {
    Step(Proposal{0, EntryKind::kCommands, Buffer()});
    EXPECT_EQ(out_.proposed.size(), 1u);
    return core_->EntryAt(core_->last().index).log_time.ns();
  }
  // Leads a log whose last entry has this log time.
  void LeadFrom(WallTime log_time) {
    Restored restored;
    restored.hard_state.term = Term(1);
    restored.entries.push_back(BootstrapEntry(configuration_));
    Entry second = Commands(1, 2);
    second.log_time = log_time;
    restored.entries.push_back(second);
    StartFrom(std::move(restored));
    BecomeLeader();
  }
};

constexpr int64_t kSecond = 1'000'000'000;

TEST_F(LogTimeTest, BoundedClock_FollowsItsEarliestEnd) {
  Start(Term(1));
  now_.wall = {WallTime(50 * kSecond), WallTime(60 * kSecond)};
  BecomeLeader();
  EXPECT_EQ(core_->EntryAt(Index(2)).log_time, WallTime(50 * kSecond));
  EXPECT_EQ(core_->EntryAt(Index(2)).leader_wall, now_.wall);
  Pass(Seconds(2));
  now_.wall = Exactly(52 * kSecond - 5);
  EXPECT_EQ(Propose(), 52 * kSecond - 5);
}

TEST_F(LogTimeTest, ClockStepsForward_AdvancesByMonotonicTimeAndSlew) {
  Start(Term(1));
  now_.wall = Exactly(50 * kSecond);
  BecomeLeader();
  Pass(Seconds(2));
  now_.wall = Exactly(5'000 * kSecond);
  EXPECT_EQ(Propose(), 52 * kSecond + 2 * kSecond / 1000);
}

TEST_F(LogTimeTest, ClockStepsBack_DoesNotFall) {
  Start(Term(1));
  now_.wall = Exactly(50 * kSecond);
  BecomeLeader();
  now_.wall = Exactly(7 * kSecond);
  EXPECT_EQ(Propose(), 50 * kSecond);
}

// The clock of a machine without a time daemon has an unknown error. Keys must
// expire there too, so log time begins at its reading.
TEST_F(LogTimeTest, FirstLeaderWithoutLatestEnd_BeginsAtItsReading) {
  Start(Term(1));
  now_.wall = {WallTime(50 * kSecond), WallTime::Max()};
  BecomeLeader();
  EXPECT_EQ(core_->EntryAt(Index(2)).log_time, WallTime(50 * kSecond));
  Pass(Seconds(2));
  now_.wall = {WallTime(7'000 * kSecond), WallTime::Max()};
  EXPECT_EQ(Propose(), 52 * kSecond);
}

TEST_F(LogTimeTest, LaterLeaderWithoutLatestEnd_AdvancesByMonotonicTime) {
  Restored restored;
  restored.hard_state.term = Term(1);
  Entry first = BootstrapEntry(configuration_);
  first.log_time = WallTime(90 * kSecond);
  restored.entries.push_back(first);
  StartFrom(std::move(restored));
  now_.wall = {WallTime(7'000 * kSecond), WallTime::Max()};
  BecomeLeader();
  EXPECT_EQ(core_->EntryAt(Index(2)).log_time, WallTime(90 * kSecond));
  Pass(Seconds(2));
  now_.wall = {WallTime(5 * kSecond), WallTime::Max()};
  EXPECT_EQ(Propose(), 92 * kSecond);
}

TEST_F(LogTimeTest, UnknownClock_AdvancesByMonotonicTime) {
  LeadFrom(WallTime(9 * kSecond));
  EXPECT_EQ(core_->EntryAt(Index(3)).log_time, WallTime(9 * kSecond));
  Pass(Seconds(3));
  EXPECT_EQ(Propose(), 12 * kSecond);
}

TEST_F(LogTimeTest, RaisedByTheStateMachine_AdvancesFromThere) {
  LeadFrom(WallTime(9 * kSecond));
  Pass(Seconds(1));
  core_->RaiseLogTime(WallTime(20 * kSecond), now_);
  EXPECT_EQ(Propose(), 20 * kSecond);
  Pass(Seconds(3));
  EXPECT_EQ(Propose(), 23 * kSecond);
  core_->RaiseLogTime(WallTime(21 * kSecond), now_);
  Pass(Seconds(1));
  EXPECT_EQ(Propose(), 24 * kSecond);
}

TEST_F(LogTimeTest, FollowerThatLearnedALaterTime_BeginsThere) {
  Start(Term(1));
  core_->RaiseLogTime(WallTime(90 * kSecond), now_);
  now_.wall = Exactly(50 * kSecond);
  BecomeLeader();
  EXPECT_EQ(core_->EntryAt(Index(2)).log_time, WallTime(90 * kSecond));
}

TEST_F(LogTimeTest, NewLeader_ClockBehindTheLog_StaysAtTheLog) {
  Restored restored;
  restored.hard_state.term = Term(1);
  Entry first = BootstrapEntry(configuration_);
  first.log_time = WallTime(90 * kSecond);
  restored.entries.push_back(first);
  StartFrom(std::move(restored));
  now_.wall = Exactly(50 * kSecond);
  BecomeLeader();
  EXPECT_EQ(core_->EntryAt(Index(2)).log_time, WallTime(90 * kSecond));
}

TEST_F(LogTimeTest, Commit_AdvancesTheAppliedLogTime) {
  Start(Term(1));
  now_.wall = Exactly(50 * kSecond);
  BecomeServingLeader();
  EXPECT_EQ(core_->applied_log_time(), WallTime(50 * kSecond));
}

// ---- Log time without entries, under clocks whose error is not known.

class IdleLogTimeTest : public LogTimeTest {
 protected:
  static constexpr int64_t kStart = 50 * kSecond;

  // Begins log time at kStart, as the first leader.
  void LeadFirst() {
    Start(Term(1));
    now_.wall = {WallTime(kStart), WallTime::Max()};
    BecomeLeader();
  }
  void LeadAndServeFirst() {
    LeadFirst();
    Commit();
  }
  void Commit() {
    Receive(Ack(2, core_->term().value(), core_->last().index.value()));
    ASSERT_TRUE(core_->CanServeReads());
  }
  // Follows replica 2, with a log that ends at kStart.
  void Follow() {
    Restored restored;
    restored.hard_state.term = Term(2);
    restored.entries.push_back(BootstrapEntry(configuration_));
    Entry second = Commands(2, 2);
    second.log_time = WallTime(kStart);
    restored.entries.push_back(second);
    StartFrom(std::move(restored));
    Receive(Heartbeat(0));
  }
  static Message Heartbeat(int64_t log_time) {
    Message heartbeat = From(2, MessageType::kHeartbeat, 2);
    heartbeat.log_time = WallTime(log_time);
    return heartbeat;
  }
  // Leads by the votes of replicas that know 98 s and 97 s.
  void ElectWithVotes(const WallInterval& wall) {
    configuration_ = VotersUpTo(5);
    Follow();
    Receive(Heartbeat(70 * kSecond));
    PassToDeadline();
    now_.wall = wall;
    for (const uint32_t voter : {2, 3}) {
      Receive(From(voter, MessageType::kPreVoteReply, 3));
    }
    FinishWrites();
    ASSERT_EQ(core_->role(), RoleKind::kCandidate);
    for (const uint32_t voter : {2, 3}) {
      Message vote = From(voter, MessageType::kVoteReply, 3);
      vote.log_time = WallTime((100 - voter) * kSecond);
      Receive(vote);
    }
    ASSERT_EQ(core_->role(), RoleKind::kLeader);
  }
  // Sends heartbeats to all members, and returns one. Member 2 is in contact.
  Message Beat() {
    Receive(From(2, MessageType::kHeartbeatReply, core_->term().value()));
    Pass(options_.heartbeat_interval * 2);
    Step(TimerFired());
    EXPECT_EQ(out_.heartbeats.size(), 2u);
    return out_.heartbeats.empty() ? Message() : out_.heartbeats[0];
  }
  // Asks for a read, and returns the heartbeats of its round.
  std::vector<Message> Read(uint64_t tag) {
    Step(ReadRequested{tag});
    return out_.heartbeats;
  }
  void Confirm(const Message& heartbeat) {
    Message reply =
        From(2, MessageType::kHeartbeatReply, core_->term().value());
    reply.read_round = heartbeat.read_round;
    Receive(reply);
  }
  WallTime LastLogTime() {
    return core_->EntryAt(core_->last().index).log_time;
  }
};

TEST_F(IdleLogTimeTest, Heartbeats_CarryTheLeadersPresentLogTime) {
  LeadAndServeFirst();
  Pass(Seconds(7));
  const Duration late = options_.heartbeat_interval * 2;
  EXPECT_EQ(Beat().log_time, WallTime(kStart) + Seconds(7) + late);
}

// Log time begins with the first entry that is committed. Before that, the
// reading may have any error. A later leader may have a clock that is right.
TEST_F(IdleLogTimeTest, FirstLeaderWithoutCommit_AnnouncesNone) {
  LeadFirst();
  EXPECT_EQ(Beat().log_time, WallTime());
  Commit();
  EXPECT_GE(Beat().log_time, WallTime(kStart));
}

TEST_F(IdleLogTimeTest, NewLeader_BeginsAtTheNewestHeartbeat) {
  Follow();
  Receive(Heartbeat(90 * kSecond));
  Receive(Heartbeat(89 * kSecond));  // It is late.
  BecomeLeader();
  EXPECT_EQ(LastLogTime(), WallTime(90 * kSecond));
  Pass(Seconds(3));
  EXPECT_EQ(Propose(), 93 * kSecond);
}

TEST_F(IdleLogTimeTest, NewLeader_BeginsAtTheNewestOfItsVoters) {
  ElectWithVotes(WallInterval());
  EXPECT_EQ(LastLogTime(), WallTime(98 * kSecond));
}

TEST_F(IdleLogTimeTest, NewLeader_ClockBehindItsVoters_BeginsAtTheNewest) {
  ElectWithVotes(Exactly(97 * kSecond));
  EXPECT_EQ(LastLogTime(), WallTime(98 * kSecond));
  EXPECT_EQ(Propose(), 98 * kSecond);
}

TEST_F(IdleLogTimeTest, Vote_CarriesTheNewestThatTheVoterKnows) {
  Follow();
  Receive(Heartbeat(90 * kSecond));
  Pass(Seconds(10));
  Receive(VoteRequest(3, 3, core_->last()));
  const std::vector<Message> votes = Of(FinishWrite(), MessageType::kVoteReply);
  ASSERT_EQ(votes.size(), 1u);
  EXPECT_FALSE(votes[0].reject);
  EXPECT_EQ(votes[0].log_time, WallTime(90 * kSecond));
}

// The heartbeats of the round spread the time that the read gets.
TEST_F(IdleLogTimeTest, Read_GetsATimeThatAMajorityKnows) {
  LeadAndServeFirst();
  Pass(Seconds(7));
  const std::vector<Message> round = Read(1);
  ASSERT_FALSE(round.empty());
  EXPECT_EQ(core_->read_log_time(), WallTime());
  EXPECT_EQ(round[0].log_time, WallTime(kStart) + Seconds(7));
  Pass(Seconds(1));
  Confirm(round[0]);
  ASSERT_EQ(out_.reads.size(), 1u);
  EXPECT_EQ(core_->read_log_time(), WallTime(kStart) + Seconds(7));
}

TEST_F(IdleLogTimeTest, FollowersRead_GetsTheTimeOfTheLeadersRound) {
  LeadAndServeFirst();
  Pass(Seconds(7));
  Message request = From(2, MessageType::kReadIndex, core_->term().value());
  request.read_id = 4;
  Receive(request);
  ASSERT_FALSE(out_.heartbeats.empty());
  Confirm(Message(out_.heartbeats[0]));
  const auto replies = Of(out_.messages, MessageType::kReadIndexReply);
  ASSERT_EQ(replies.size(), 1u);
  EXPECT_EQ(replies[0].log_time, WallTime(kStart) + Seconds(7));
}

TEST_F(IdleLogTimeTest, FollowerThatRead_BeginsAtTheTimeOfTheRead) {
  Follow();
  Step(ReadRequested{1});
  const auto asked = Of(out_.messages, MessageType::kReadIndex);
  ASSERT_EQ(asked.size(), 1u);
  Message reply = From(2, MessageType::kReadIndexReply, 2);
  reply.read_id = asked[0].read_id;
  reply.log_time = WallTime(80 * kSecond);
  Receive(reply);
  EXPECT_EQ(core_->read_log_time(), WallTime(80 * kSecond));
  BecomeLeader();
  EXPECT_EQ(LastLogTime(), WallTime(80 * kSecond));
}

// A read of before may be served meanwhile: the entries that are missing here
// may end what it may show.
TEST_F(IdleLogTimeTest, FollowerThatLacksEntries_HasNoLaterTimeOfARead) {
  Follow();
  const Index applied = core_->applied_index();
  Step(ReadRequested{1});
  Message reply = From(2, MessageType::kReadIndexReply, 2);
  reply.read_id = Of(out_.messages, MessageType::kReadIndex).at(0).read_id;
  reply.read_index = applied + 1;
  reply.log_time = WallTime(80 * kSecond);
  Receive(reply);
  EXPECT_TRUE(out_.reads.empty());
  EXPECT_LT(core_->read_log_time(), WallTime(80 * kSecond));
}

// Clients have observed the time of the read.
TEST_F(IdleLogTimeTest, ClockStepsBackAfterARead_LogTimeStays) {
  Start(Term(1));
  now_.wall = Exactly(50 * kSecond);
  BecomeServingLeader();
  Pass(Seconds(4));
  now_.wall = Exactly(54 * kSecond);
  Confirm(Message(Read(1).at(0)));
  now_.wall = Exactly(51 * kSecond);
  EXPECT_EQ(Propose(), 54 * kSecond);
  Confirm(Message(Read(2).at(0)));
  EXPECT_EQ(core_->read_log_time(), WallTime(54 * kSecond));
}

}  // namespace
}  // namespace quorate::raft
