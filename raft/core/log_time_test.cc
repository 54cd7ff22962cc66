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
  Restored restored;
  restored.hard_state.term = Term(1);
  restored.entries.push_back(BootstrapEntry(configuration_));
  Entry second = Commands(1, 2);
  second.log_time = WallTime(9 * kSecond);
  restored.entries.push_back(second);
  StartFrom(std::move(restored));
  BecomeLeader();
  EXPECT_EQ(core_->EntryAt(Index(3)).log_time, WallTime(9 * kSecond));
  Pass(Seconds(3));
  EXPECT_EQ(Propose(), 12 * kSecond);
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

TEST_F(LogTimeTest, Commit_CarriesTheLogTimeOfTheCommittedEntry) {
  Start(Term(1));
  now_.wall = Exactly(50 * kSecond);
  BecomeServingLeader();
  Pass(options_.heartbeat_interval);
  Step(TimerFired());
  ASSERT_FALSE(out_.heartbeats.empty());
  EXPECT_EQ(out_.heartbeats[0].commit, Index(2));
  EXPECT_EQ(out_.heartbeats[0].commit_log_time, WallTime(50 * kSecond));
  EXPECT_EQ(core_->applied_log_time(), WallTime(50 * kSecond));
}

}  // namespace
}  // namespace quorate::raft
