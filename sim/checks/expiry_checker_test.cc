// Shows each check of keys that expire the violation that it must find.
#include "sim/checks/expiry_checker.h"

#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "gtest/gtest.h"
#include "kv/slots/slot.h"
#include "sim/checks/test_command.h"

namespace quorate::sim {
namespace {

using Verb = ExpiryCommand::Verb;
using TimeForm = ExpiryCommand::TimeForm;
using Type = ClientReply::Type;

constexpr WallTime kEpoch(1'000'000'000'000);  // 1,000,000 ms.
constexpr GroupId kGroup(1);

ClientReply Ok() { return {.type = Type::kSimple, .text = "OK"}; }
ClientReply Nil() { return {}; }
ClientReply Bulk(std::string text) {
  return {.type = Type::kBulk, .text = text};
}
ClientReply Integer(int64_t n) {
  return {.type = Type::kInteger, .integer = n};
}

class ExpiryCheckerTest : public testing::Test {
 protected:
  ExpiryCheckerTest() {
    checker_.SetClocks(
        {.epoch = kEpoch,
         .error_bound = [](NodeId, SimTime) { return Milliseconds(10); },
         .lost =
             [this](NodeId node, SimTime since) {
               const bool counts = node == NodeId(3) && since <= lost_at_;
               return counts ? lost_ : Duration();
             },
         .gained = [this](NodeId, SimTime) { return gained_; },
         .last_heartbeat = [this](GroupId,
                                  raft::Term) { return last_heartbeat_; },
         .paused =
             [this](SimTime since) {
               return paused_until_ > since ? paused_ : Duration();
             },
         .change_max = Milliseconds(400)});
  }

  void Pass(int64_t ms) { now_ = now_ + Milliseconds(ms); }
  int64_t UnixMs() const { return (kEpoch + Duration(now_.ns())).ms(); }
  ExpiryChecker::Ticket Invoke(const ExpiryCommand& call) {
    Pass(1);
    return checker_.Invoke(now_, call);
  }
  void Return(ExpiryChecker::Ticket ticket, const ClientReply& reply) {
    Pass(1);
    checker_.Return(ticket, now_, reply);
  }
  void Read(Verb verb, const ClientReply& reply) {
    ExpiryCommand call{.verb = verb, .key = "t1"};
    if (verb >= Verb::kTtl) call.time_form = TimeForm::kMs;
    Return(Invoke(call), reply);
  }
  // An entry with one command, at a log time `lag_ms` behind the true time.
  void Commit(const kv::CommandSpec& spec, int64_t lag_ms = 5) {
    Pass(1);
    Entry(lag_ms);
    const TestCommand command(spec);
    const auto effect = states_.Apply(now_, {.group = kGroup}, command.view());
    checker_.OnCommand(command.view(), *effect, /*reads=*/false);
  }
  void Entry(int64_t lag_ms = 5) {
    const WallTime log_time =
        kEpoch + Duration(now_.ns()) - Milliseconds(lag_ms);
    checker_.OnEntry(kGroup, now_,
                     {.term = raft::Term(term_),
                      .log_time = log_time,
                      .bounded = bounded_,
                      .leader = leader_,
                      .led_since = led_since_});
    states_.OnEntry(kGroup, now_, log_time);
  }
  // Another leader without an error bound begins to lead, and goes on with
  // this lag.
  void ChangeLeader(int64_t lag_ms) {
    ++term_;
    bounded_ = false;
    led_since_ = now_;
    Entry(lag_ms);
  }
  // SET t1 text PX ms, done.
  void Set(std::string_view text, int64_t ms) {
    const auto ticket = Invoke(SetCall(text, ms));
    due_ms_ = UnixMs() - 10 + ms;
    CommitSet(text, due_ms_);
    Return(ticket, Ok());
  }
  const ExpiryCommand kReadTimeLeft = {
      .verb = Verb::kTtl, .time_form = TimeForm::kMs, .key = "t1"};
  static ExpiryCommand SetCall(std::string_view text, int64_t ms) {
    return {.verb = Verb::kSet,
            .time_form = TimeForm::kMs,
            .time = ms,
            .key = "t1",
            .text = std::string(text)};
  }
  static ExpiryCommand ExpireCall(int64_t ms) {
    return {.verb = Verb::kExpire,
            .time_form = TimeForm::kMs,
            .time = ms,
            .key = "t1"};
  }
  void CommitSet(std::string_view text, int64_t due_ms, int64_t lag_ms = 5) {
    const std::string_view arguments[] = {"t1", text};
    Commit({.op = kv::Op::kSet,
            .slot = kv::HashSlot("t1"),
            .expire_at_ms = due_ms,
            .arguments = arguments},
           lag_ms);
  }
  void CommitExpire(int64_t due_ms, kv::CommandFlags flags = 0,
                    int64_t lag_ms = 5) {
    const std::string_view arguments[] = {"t1"};
    Commit({.op = kv::Op::kExpireAt,
            .slot = kv::HashSlot("t1"),
            .flags = flags,
            .expire_at_ms = due_ms,
            .arguments = arguments},
           lag_ms);
  }
  void ExpectFound(const std::string& words) {
    ASSERT_EQ(found_.size(), 1u);
    EXPECT_NE(found_[0].find(words), std::string::npos) << found_[0];
  }

  SimTime now_;
  int64_t due_ms_ = 0;  // When the key of the last Set is due.
  Duration gained_;     // By the clock of each leader.
  // The clock of node 3 lost so much, at this time.
  Duration lost_;
  SimTime lost_at_;
  NodeId leader_{1};
  // The next entries have this term, and a leader with or without error bound.
  uint64_t term_ = 1;
  bool bounded_ = true;
  SimTime led_since_ = SimTime::Max();
  SimTime last_heartbeat_ = SimTime::Max();
  Duration paused_;
  SimTime paused_until_;
  std::vector<std::string> found_;
  CommittedStates states_;
  ExpiryChecker checker_{&states_,
                         [this](std::string what) { found_.push_back(what); }};
};

TEST_F(ExpiryCheckerTest, LawfulLife_IsSilent) {
  Set("a", 100);
  Read(Verb::kGet, Bulk("a"));
  Read(Verb::kExists, Integer(1));
  Read(Verb::kTtl, Integer(85));
  Pass(200);
  Entry();
  Read(Verb::kGet, Nil());
  Read(Verb::kTtl, Integer(-2));
  EXPECT_EQ(states_.expired(), 1u);
  EXPECT_TRUE(found_.empty()) << found_[0];
}

TEST_F(ExpiryCheckerTest, GoneBeforeItsTime_Found) {
  Set("a", 100);
  Read(Verb::kGet, Nil());
  ExpectFound("linearizability");
}

TEST_F(ExpiryCheckerTest, BackAfterItsTime_Found) {
  Set("a", 10);
  Pass(50);
  Entry();
  Read(Verb::kGet, Bulk("a"));
  ExpectFound("linearizability");
}

// No entry moves log time on.
TEST_F(ExpiryCheckerTest, ReadInAnIdleGroupLongAfterItsTime_Found) {
  Set("a", 10);
  Pass(17);
  Read(Verb::kGet, Bulk("a"));
  EXPECT_TRUE(found_.empty()) << found_[0];  // This is as late as clocks allow.
  Pass(20);
  Read(Verb::kGet, Bulk("a"));
  ExpectFound("expiry");
}

TEST_F(ExpiryCheckerTest, ReadBesideAnExpireThatEndsIt_MaySeeWhatWas) {
  Set("a", 1000);
  Pass(200);
  const auto read = Invoke({.verb = Verb::kGet, .key = "t1"});
  // The entry was proposed long ago and is committed now.
  CommitExpire(UnixMs() - 50, /*flags=*/0, /*lag_ms=*/100);
  Return(read, Bulk("a"));
  EXPECT_TRUE(found_.empty()) << found_[0];
}

TEST_F(ExpiryCheckerTest, ClockOfTheLeaderStoodStill_MayBeSoMuchLater) {
  leader_ = NodeId(3);
  Set("a", 10);
  Pass(200);
  lost_ = Milliseconds(300);
  lost_at_ = now_;
  Read(Verb::kGet, Bulk("a"));
  EXPECT_TRUE(found_.empty()) << found_[0];
}

TEST_F(ExpiryCheckerTest, ClockOfAnotherNodeStoodStill_ExcusesNothing) {
  Set("a", 10);
  Pass(200);
  lost_ = Milliseconds(300);
  lost_at_ = now_;
  Read(Verb::kGet, Bulk("a"));
  ExpectFound("after the key was due");
}

TEST_F(ExpiryCheckerTest, ClockStoodStillBeforeItsNodeLed_ExcusesNothing) {
  lost_ = Milliseconds(300);
  lost_at_ = now_;
  Pass(1);
  leader_ = NodeId(3);
  led_since_ = now_;
  Set("a", 10);
  Pass(200);
  Read(Verb::kGet, Bulk("a"));
  ExpectFound("after the key was due");
}

TEST_F(ExpiryCheckerTest, ClockOfAnEarlierLeaderStoodStill_ExcusesNothing) {
  leader_ = NodeId(3);
  Set("a", 100);
  lost_ = Milliseconds(300);
  lost_at_ = now_;
  term_ = 2;
  leader_ = NodeId(1);
  Pass(10);
  Entry();
  Pass(200);
  Read(Verb::kGet, Bulk("a"));
  ExpectFound("after the key was due");
}

// The state that moves to another group was sealed at an earlier time.
TEST_F(ExpiryCheckerTest, KeyOfAFrozenSlot_ExpiresWhenItsOwnerTakesCommands) {
  bool takes = false;
  states_.SetAccepts(
      [&](GroupId group, Slot) { return group == kGroup && takes; });
  Set("a", 100);
  Pass(500);
  Entry();
  EXPECT_EQ(states_.expired(), 0u);
  takes = true;
  states_.OnSlotsChanged(kGroup, now_);
  EXPECT_EQ(states_.expired(), 1u) << "with the entry that thaws it";
  EXPECT_TRUE(found_.empty());
}

TEST_F(ExpiryCheckerTest, LogTimeAheadOfTheTruth_Found) {
  Entry(/*lag_ms=*/-1);
  ExpectFound("ahead of the true time");
}

// The entry that founds a group has none.
TEST_F(ExpiryCheckerTest, LogTimeThatNoLeaderBegins_Found) {
  Entry(UnixMs());
  ASSERT_TRUE(found_.empty());
  Pass(10);
  led_since_ = now_;
  Entry(UnixMs());
  ExpectFound("log time");
}

TEST_F(ExpiryCheckerTest, LogTimeThatStandsStill_Found) {
  Pass(1000);
  const auto ticket = Invoke(SetCall("a", 100));
  CommitSet("a", UnixMs() + 90, /*lag_ms=*/500);
  Return(ticket, Ok());
  ExpectFound("log time");
}

TEST_F(ExpiryCheckerTest, StoreWhoseTimeIsNotThatOfItsLog_Found) {
  Entry(UnixMs());
  const WallTime log_time = states_.LogTimeOf(kGroup);
  checker_.OnStore(kGroup, log_time);
  EXPECT_TRUE(found_.empty());
  checker_.OnStore(kGroup, log_time - Milliseconds(1));
  ExpectFound("log time: the store of group 1");
}

TEST_F(ExpiryCheckerTest, DueAtAnotherTimeThanAsked_Found) {
  const auto ticket = Invoke(SetCall("a", 100));
  CommitSet("a", UnixMs() + 200);
  Return(ticket, Ok());
  ExpectFound("has it due at");
}

TEST_F(ExpiryCheckerTest, AcknowledgedExpireInNoLog_Found) {
  Set("a", 100);
  Return(Invoke(ExpireCall(50)), Integer(1));
  ExpectFound("is in no log");
}

TEST_F(ExpiryCheckerTest, TwoExpiresOneInTheLog_Found) {
  Set("a", 100);
  const auto first = Invoke(ExpireCall(50));
  const auto second = Invoke(ExpireCall(50));
  CommitExpire(UnixMs() + 45);
  Return(first, Integer(1));
  EXPECT_TRUE(found_.empty()) << found_[0];
  Return(second, Integer(1));
  ExpectFound("is in no log");
}

TEST_F(ExpiryCheckerTest, ConditionsOfExpire_AreChecked) {
  Set("a", 100);
  const int64_t due = UnixMs() + 80;
  for (const auto& [flag, answer] :
       {std::pair{kv::kIfAbsent, 0}, std::pair{kv::kIfGreater, 0},
        std::pair{kv::kIfLess, 1}, std::pair{kv::kIfPresent, 1}}) {
    ExpiryCommand call = ExpireCall(0);
    call.time_form = TimeForm::kMsAt;
    call.time = due;
    const auto ticket = Invoke(call);
    CommitExpire(due, flag);
    Return(ticket, Integer(answer));
  }
  EXPECT_TRUE(found_.empty()) << found_[0];
  Read(Verb::kExpireTime, Integer(due));
  Read(Verb::kExpireTime, Integer(due + 1));
  ExpectFound("linearizability");
}

TEST_F(ExpiryCheckerTest, SetWhoseTimeIsOver_LeavesNothing) {
  Set("a", 100);
  const auto ticket = Invoke(SetCall("b", 3));
  Pass(20);
  CommitSet("b", UnixMs() - 16);
  Return(ticket, Ok());
  Read(Verb::kGet, Nil());
  EXPECT_TRUE(found_.empty()) << found_[0];
  Read(Verb::kGet, Bulk("a"));
  ExpectFound("linearizability");
}

TEST_F(ExpiryCheckerTest, RefusedThenCommitted_Found) {
  const auto ticket = Invoke(SetCall("a", 100));
  checker_.Withdraw(ticket);
  CommitSet("a", UnixMs() + 90);
  ExpectFound("refused as not executed, then committed");
}

// ---- Leaders whose clocks have no error bound.

TEST_F(ExpiryCheckerTest, LagTakenOverByAnUnboundedLeader_IsAllowed) {
  Set("a", 100);
  term_ = 2;
  bounded_ = false;
  Entry(4'000);
  Pass(3'000);
  Entry(4'000);
  Read(Verb::kGet, Bulk("a"));
  EXPECT_TRUE(found_.empty()) << found_[0];
}

TEST_F(ExpiryCheckerTest, LagThatGrowsUnderAnUnboundedLeader_Found) {
  Set("a", 100);
  term_ = 2;
  bounded_ = false;
  Entry(1'000);
  Pass(3'000);
  Entry(3'500);
  Read(Verb::kGet, Bulk("a"));
  ExpectFound("after the key was due");
}

TEST_F(ExpiryCheckerTest, LagUnderALaterBoundedLeader_Found) {
  Set("a", 100);
  term_ = 2;
  bounded_ = false;
  Entry(4'000);
  term_ = 3;
  bounded_ = true;
  Pass(3'000);
  Entry(3'500);
  Pass(1);
  Read(Verb::kGet, Bulk("a"));
  ExpectFound("after the key was due");
}

// The entry of the leader before is applied half a second after it was made.
TEST_F(ExpiryCheckerTest, UnboundedLeader_MayTakeALeadOver) {
  bounded_ = false;
  Entry(-10'000);
  term_ = 2;
  bounded_ = true;
  led_since_ = now_;
  Pass(700);
  Entry(-9'300);
  term_ = 3;
  bounded_ = false;
  led_since_ = now_ - Milliseconds(400);
  Pass(1);
  Entry(-9'690);
  EXPECT_TRUE(found_.empty()) << found_[0];
  Entry(-9'720);
  ExpectFound("ahead of the true time");
}

// The leader between the two has not heard of it, and its clock has a bound.
TEST_F(ExpiryCheckerTest, UnboundedLeader_MayHaveHeardOfALeadBeforeTheLast) {
  bounded_ = false;
  gained_ = Milliseconds(3'000);
  led_since_ = now_;
  Entry(-10);
  term_ = 2;
  bounded_ = true;
  led_since_ = now_;
  Pass(100);
  Entry(-20);
  term_ = 3;
  bounded_ = false;
  gained_ = Duration();
  led_since_ = now_;
  Pass(1);
  Entry(-2'800);
  EXPECT_TRUE(found_.empty()) << found_[0];
  Entry(-7'000);
  ExpectFound("ahead of the true time");
}

// Heartbeats spread the lead while no entry is made.
TEST_F(ExpiryCheckerTest, UnboundedLeader_GainsOnTheLeadThatItTookOver) {
  bounded_ = false;
  Entry(-10'000);
  Pass(2'000);
  term_ = 2;
  led_since_ = now_;
  Entry(-10'000);
  gained_ = Milliseconds(50);
  Pass(1'000);
  Entry(-10'040);
  EXPECT_TRUE(found_.empty()) << found_[0];
  Entry(-10'060);
  ExpectFound("ahead of the true time");
}

TEST_F(ExpiryCheckerTest, NextLeader_TakesOverWhatAnIdleOneGained) {
  term_ = 2;
  bounded_ = false;
  led_since_ = now_;
  Set("a", 100);
  Pass(5'000);
  gained_ = Milliseconds(4'000);
  term_ = 3;
  led_since_ = now_;
  bounded_ = true;
  Entry(-4'000);
  EXPECT_TRUE(found_.empty()) << found_[0];
  Entry(-4'100);
  ExpectFound("ahead of the true time");
}

TEST_F(ExpiryCheckerTest, UnboundedLeaderThatFollowsItsReading_Found) {
  Set("a", 100);
  term_ = 2;
  bounded_ = false;
  Entry(-3'600'000);
  ExpectFound("ahead of the true time");
}

TEST_F(ExpiryCheckerTest, FirstLeaderUnbounded_MayBeginAhead) {
  bounded_ = false;
  Entry(-3'600'000);
  EXPECT_TRUE(found_.empty()) << found_[0];
  // The first entry was applied late.
  Entry(-3'700'000);
  EXPECT_TRUE(found_.empty()) << found_[0];
  ++term_;
  Entry(-3'800'000);
  ExpectFound("log time");
}

// The entries of the first leader are applied 300 and 200 ms after they were
// made. Heartbeats spread its whole lead.
TEST_F(ExpiryCheckerTest, FirstLeaderUnbounded_LeavesTheLeadOfItsBeginning) {
  bounded_ = false;
  led_since_ = now_;
  Pass(300);
  Entry(-3'600'000 + 300);
  Pass(1'000);
  Entry(-3'600'000 + 200);
  ChangeLeader(-3'600'000);
  EXPECT_TRUE(found_.empty()) << found_[0];
  Entry(-3'600'003);
  ExpectFound("ahead of the true time");
}

TEST_F(ExpiryCheckerTest, FirstLeaderUnbounded_GainsNothingLater) {
  bounded_ = false;
  led_since_ = now_;
  Entry(-3'600'000);
  Pass(1'000);
  Entry(-3'600'000);
  EXPECT_TRUE(found_.empty()) << found_[0];
  Entry(-3'600'002);
  ExpectFound("ahead of the true time");
}

// ---- Changes of leaders.

// 2,000 ms since the last heartbeat, 400 ms for those under way, 20 ms for
// error bounds, 2 ms for rounding.
TEST_F(ExpiryCheckerTest, LeaderThatLosesMoreThanTheTimeWithoutLeader_Found) {
  led_since_ = now_;
  Set("a", 100'000);
  Pass(10'000);
  last_heartbeat_ = now_;
  Pass(2'000);
  ChangeLeader(/*lag_ms=*/2'422);
  EXPECT_TRUE(found_.empty()) << found_[0];
  last_heartbeat_ = now_;
  // The lag that was taken over, and 1 ms of rounding.
  ChangeLeader(/*lag_ms=*/2'423 + 422);
  EXPECT_TRUE(found_.empty()) << found_[0];
  ChangeLeader(/*lag_ms=*/2'846 + 423);
  ExpectFound("goes on in term 4 at 3269 ms behind the true time");
}

// A leader that was paused may take old messages for new ones.
TEST_F(ExpiryCheckerTest, PauseShortlyBeforeTheChange_ExcusesItsLength) {
  led_since_ = now_;
  Set("a", 100'000);
  Pass(10'000);
  last_heartbeat_ = now_;
  paused_ = Milliseconds(3'000);
  paused_until_ = now_ - Milliseconds(399);
  ChangeLeader(/*lag_ms=*/3'422);
  EXPECT_TRUE(found_.empty()) << found_[0];
  last_heartbeat_ = now_;
  paused_until_ = now_ - Milliseconds(400);
  ChangeLeader(/*lag_ms=*/3'423 + 423);
  ExpectFound("behind the true time");
}

TEST_F(ExpiryCheckerTest, NodeStartedShortlyBeforeTheChange_ExcusesTheLoss) {
  led_since_ = now_;
  Set("a", 100'000);
  Pass(10'000);
  last_heartbeat_ = now_;
  checker_.OnStart(kGroup, now_ - Milliseconds(400));
  ChangeLeader(/*lag_ms=*/4'000);
  ExpectFound("behind the true time");
  found_.clear();
  checker_.OnStart(kGroup, now_ - Milliseconds(399));
  ChangeLeader(/*lag_ms=*/9'000);
  EXPECT_TRUE(found_.empty()) << found_[0];
}

TEST_F(ExpiryCheckerTest, TimeLeftThatRises_Found) {
  Set("a", 1'000);
  Pass(100);
  const int64_t left = due_ms_ - UnixMs();
  Read(Verb::kTtl, Integer(left + 5));
  const auto concurrent = Invoke(kReadTimeLeft);
  Read(Verb::kTtl, Integer(left + 3));
  Return(concurrent, Integer(left + 5));
  EXPECT_TRUE(found_.empty()) << found_[0];
  Read(Verb::kTtl, Integer(left + 4));
  ExpectFound("linearizability");
}

TEST_F(ExpiryCheckerTest, TimeLeftThatRisesUnderTheNextLeader_Found) {
  led_since_ = now_;
  Set("a", 1'000);
  Pass(300);
  last_heartbeat_ = now_;
  const int64_t left = due_ms_ - UnixMs();
  Read(Verb::kTtl, Integer(left + 5));
  ChangeLeader(/*lag_ms=*/50);
  EXPECT_TRUE(found_.empty()) << found_[0];
  Read(Verb::kTtl, Integer(left + 6));
  ExpectFound("linearizability");
}

// The calls of two reads are before the loss.
TEST_F(ExpiryCheckerTest, TimeLeftThatRisesAfterALoss_IsAllowed) {
  led_since_ = now_;
  Set("a", 1'000);
  Pass(300);
  last_heartbeat_ = now_;
  const int64_t left = due_ms_ - UnixMs();
  const auto before = Invoke(kReadTimeLeft);
  Read(Verb::kTtl, Integer(left + 5));
  const auto across = Invoke(kReadTimeLeft);
  checker_.OnStart(kGroup, now_);
  ChangeLeader(/*lag_ms=*/50);
  Return(across, Integer(left + 40));
  Return(before, Integer(left + 5));
  Read(Verb::kTtl, Integer(left + 35));
  EXPECT_TRUE(found_.empty()) << found_[0];
  Read(Verb::kTtl, Integer(left + 36));
  ExpectFound("linearizability");
}

// Other keys of its group show later times meanwhile.
TEST_F(ExpiryCheckerTest, TimeLeftOfAFrozenKey_MayBeThatOfTheFreeze) {
  bool frozen = false;
  states_.SetAccepts([&](GroupId, Slot) { return !frozen; });
  Set("a", 1'000);
  Pass(100);
  const int64_t left = due_ms_ - UnixMs();
  Read(Verb::kTtl, Integer(left + 3));
  frozen = true;
  Read(Verb::kTtl, Integer(left + 5));
  EXPECT_TRUE(found_.empty()) << found_[0];
  frozen = false;
  Read(Verb::kTtl, Integer(left + 5));
  ExpectFound("linearizability");
}

// Its former group shows a later time after the freeze, which does not count.
TEST_F(ExpiryCheckerTest, TimeLeftThatRisesAfterAMove_Found) {
  constexpr GroupId kOther(7);
  constexpr MoveId kMove(3);
  Set("a", 1'000);
  Pass(100);
  const int64_t left = due_ms_ - UnixMs();
  Read(Verb::kTtl, Integer(left + 5));
  checker_.OnFrozen(kGroup, kMove);
  Read(Verb::kTtl, Integer(left + 3));
  const Slot slot = kv::HashSlot("t1");
  const kv::MovePlan plan = {.id = kMove,
                             .from = kGroup,
                             .to = kOther,
                             .epoch = SlotEpoch(2),
                             .slots = {{slot, slot}}};
  checker_.OnMoved(plan, now_, WallTime(0));
  EXPECT_TRUE(found_.empty()) << found_[0];
  states_.OnMoved(plan, now_, WallTime(0));
  ASSERT_EQ(states_.GroupOf("t1"), kOther);
  Read(Verb::kTtl, Integer(left + 5));
  EXPECT_TRUE(found_.empty()) << found_[0];
  Read(Verb::kTtl, Integer(left + 6));
  ExpectFound("linearizability");
}

TEST_F(ExpiryCheckerTest, SealAheadOfTheTrueTime_Found) {
  const kv::MovePlan plan = {
      .id = MoveId(3), .from = kGroup, .to = GroupId(7), .epoch = SlotEpoch(2)};
  Entry(/*lag_ms=*/0);
  checker_.OnMoved(plan, now_, WallTime(0) + Milliseconds(UnixMs()));
  EXPECT_TRUE(found_.empty()) << found_[0];
  checker_.OnMoved(plan, now_, WallTime(0) + Milliseconds(UnixMs() + 2));
  ExpectFound("the seal of move 3 is");
}

// A log time of an entry is never lost.
TEST_F(ExpiryCheckerTest, TimeLeftByAnEarlierTimeThanTheLog_Found) {
  Set("a", 1'000);
  Pass(10);
  const int64_t left = due_ms_ - UnixMs();
  Entry(/*lag_ms=*/0);
  Read(Verb::kTtl, Integer(left));
  EXPECT_TRUE(found_.empty()) << found_[0];
  Read(Verb::kTtl, Integer(left + 1));
  ExpectFound("linearizability");
}

TEST_F(ExpiryCheckerTest, CommittedTwice_Found) {
  Set("a", 100);
  CommitSet("a", UnixMs() + 90);
  ExpectFound("twice");
}

}  // namespace
}  // namespace quorate::sim
