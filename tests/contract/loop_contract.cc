// The contract of env/loop.h, env/pending.h and env/time.h.
#include <string>
#include <utility>
#include <vector>

#include "tests/contract/fixture.h"

namespace quorate::contract {

GTEST_ALLOW_UNINSTANTIATED_PARAMETERIZED_TEST(LoopContract);

using env::Pending;

TEST_P(LoopContract, TimersDueAtTheSameTime_FireInTheOrderSet) {
  std::string order;
  const MonoTime due = env().loop.ReadClock().mono + Milliseconds(5);
  Pending late =
      env().loop.At(due + Nanoseconds(1), [&order] { order += "d"; });
  Pending a = env().loop.At(due, [&order] { order += "a"; });
  Pending b = env().loop.At(due, [&order] { order += "b"; });
  Pending c = env().loop.At(due, [&order] { order += "c"; });
  ASSERT_TRUE(RunUntil([&] { return order.size() == 4; }));
  EXPECT_EQ(order, "abcd");
}

TEST_P(LoopContract, Timer_NeverFiresBeforeItsDeadline) {
  bool fired = false;
  const MonoTime due = env().loop.ReadClock().mono + Milliseconds(7);
  MonoTime seen;
  Pending timer = env().loop.At(due, [&] {
    seen = env().loop.ReadClock().mono;
    fired = true;
  });
  ASSERT_TRUE(RunUntil([&] { return fired; }));
  EXPECT_GE(seen, due);
}

TEST_P(LoopContract, TimerInThePast_FiresInALaterTurn) {
  bool inside = true;
  bool fired_inside = false;
  bool fired = false;
  Pending timer = env().loop.At(MonoTime(0), [&] {
    fired_inside = inside;
    fired = true;
  });
  inside = false;
  ASSERT_TRUE(RunUntil([&] { return fired; }));
  EXPECT_FALSE(fired_inside);
}

TEST_P(LoopContract, TimerSetForThePastByATimer_WaitsForTheNextTurn) {
  std::string order;
  Pending second;
  Pending deferred;
  Pending first = env().loop.At(MonoTime(0), [&] {
    order += "1";
    second = env().loop.At(MonoTime(0), [&order] { order += "2"; });
    deferred = env().loop.Defer([&order] { order += "d"; });
  });
  ASSERT_TRUE(RunUntil([&] { return order.size() == 3; }));
  EXPECT_EQ(order, "1d2");
}

TEST_P(LoopContract, TimerSetForThePastByAnInput_WaitsForTheNextTurn) {
  std::string order;
  Pending timer;
  Pending deferred;
  Pending input = env().disk.List([&](auto) {
    order += "i";
    timer = env().loop.At(MonoTime(0), [&order] { order += "t"; });
    deferred = env().loop.Defer([&order] { order += "d"; });
  });
  ASSERT_TRUE(RunUntil([&] { return order.size() == 3; }));
  EXPECT_EQ(order, "idt");
}

TEST_P(LoopContract, CancelledTimer_NeverFires) {
  bool fired = false;
  {
    Pending timer = env().loop.At(env().loop.ReadClock().mono + Milliseconds(2),
                                  [&] { fired = true; });
  }
  Settle();
  EXPECT_FALSE(fired);
}

TEST_P(LoopContract, TimerCancelledByAnotherThatIsDueAtTheSameTime_NeverFires) {
  bool fired = false;
  bool cancelled = false;
  const MonoTime due = env().loop.ReadClock().mono + Milliseconds(2);
  Pending second;
  Pending first = env().loop.At(due, [&] {
    second.Cancel();
    cancelled = true;
  });
  second = env().loop.At(due, [&] { fired = true; });
  ASSERT_TRUE(RunUntil([&] { return cancelled; }));
  Settle();
  EXPECT_FALSE(fired);
}

TEST_P(LoopContract, CallbackThatDestroysItsOwnPending_RunsToItsEnd) {
  auto own = std::make_unique<Pending>();
  std::string captured(100, 'x');
  std::string after;
  *own = env().loop.At(MonoTime(0), [&own, &after, captured] {
    own.reset();
    after = captured;
  });
  ASSERT_TRUE(RunUntil([&] { return !after.empty(); }));
  EXPECT_EQ(after, captured);
}

TEST_P(LoopContract, MovedPending_StillFiresAndAssignmentCancelsTheOldOne) {
  bool old_fired = false;
  bool new_fired = false;
  Pending kept = env().loop.At(env().loop.ReadClock().mono + Milliseconds(1),
                               [&] { old_fired = true; });
  Pending other = env().loop.At(env().loop.ReadClock().mono + Milliseconds(1),
                                [&] { new_fired = true; });
  kept = std::move(other);
  ASSERT_TRUE(RunUntil([&] { return new_fired; }));
  Settle();
  EXPECT_FALSE(old_fired);
}

TEST_P(LoopContract, SpentPending_CancelsNothingElse) {
  bool first = false;
  bool second = false;
  Pending spent = env().loop.At(MonoTime(0), [&] { first = true; });
  ASSERT_TRUE(RunUntil([&] { return first; }));
  Pending next = env().loop.At(env().loop.ReadClock().mono + Milliseconds(1),
                               [&] { second = true; });
  spent.Cancel();
  ASSERT_TRUE(RunUntil([&] { return second; }));
}

TEST_P(LoopContract, Deferred_RunAfterTheInputsInTheOrderDeferred) {
  std::string order;
  const MonoTime due = env().loop.ReadClock().mono + Milliseconds(3);
  std::vector<Pending> deferred;
  Pending a = env().loop.At(due, [&] {
    order += "a";
    deferred.push_back(env().loop.Defer([&order] { order += "1"; }));
    deferred.push_back(env().loop.Defer([&order] { order += "2"; }));
  });
  // Due at the same time, hence drained in the same turn.
  Pending b = env().loop.At(due, [&] {
    order += "b";
    deferred.push_back(env().loop.Defer([&order] { order += "3"; }));
  });
  ASSERT_TRUE(RunUntil([&] { return order.size() == 5; }));
  EXPECT_EQ(order, "ab123");
}

TEST_P(LoopContract, DeferredByADeferred_RunsLaterInTheSameStep) {
  std::string order;
  std::vector<Pending> deferred;
  Now outer;
  Now inner;
  InTurn([&] {
    deferred.push_back(env().loop.Defer([&] {
      outer = env().loop.ReadClock();
      deferred.push_back(env().loop.Defer([&] {
        inner = env().loop.ReadClock();
        order += "3";
      }));
      order += "1";
    }));
    deferred.push_back(env().loop.Defer([&order] { order += "2"; }));
  });
  ASSERT_TRUE(RunUntil([&] { return order.size() == 3; }));
  EXPECT_EQ(order, "123");
  EXPECT_EQ(outer.mono, inner.mono);
  EXPECT_EQ(outer.wall, inner.wall);
}

TEST_P(LoopContract, CancelledDeferred_NeverRuns) {
  bool ran = false;
  bool last = false;
  Pending keep;
  InTurn([&] {
    {
      Pending dropped = env().loop.Defer([&ran] { ran = true; });
    }
    keep = env().loop.Defer([&last] { last = true; });
  });
  ASSERT_TRUE(RunUntil([&] { return last; }));
  EXPECT_FALSE(ran);
}

TEST_P(LoopContract, Clock_IsFixedInAStepAndReadAgainForTheSecond) {
  MonoTime first;
  MonoTime again;
  MonoTime second;
  bool done = false;
  Pending deferred;
  InTurn([&] {
    first = env().loop.ReadClock().mono;
    // Takes some time between the two readings.
    std::string work;
    for (int i = 0; i < 100000; ++i) work += 'x';
    again = env().loop.ReadClock().mono;
    deferred = env().loop.Defer([&] {
      second = env().loop.ReadClock().mono;
      done = true;
    });
  });
  ASSERT_TRUE(RunUntil([&] { return done; }));
  EXPECT_EQ(first, again);
  EXPECT_GT(second, first);
}

TEST_P(LoopContract, MonotonicClock_NeverGoesBack) {
  MonoTime last = env().loop.ReadClock().mono;
  int turns = 0;
  bool backwards = false;
  Pending timer;
  Pending deferred;
  std::function<void()> turn = [&] {
    const MonoTime in_step_1 = env().loop.ReadClock().mono;
    backwards |= in_step_1 < last;
    deferred = env().loop.Defer([&, in_step_1] {
      last = env().loop.ReadClock().mono;
      backwards |= last < in_step_1;
      ++turns;
      timer = env().loop.At(last + Microseconds(50), turn);
    });
  };
  timer = env().loop.At(last, turn);
  ASSERT_TRUE(RunUntil([&] { return turns >= 50; }));
  EXPECT_FALSE(backwards);
}

TEST_P(LoopContract, WallInterval_IsAnInterval) {
  const Now now = env().loop.ReadClock();
  EXPECT_LE(now.wall.earliest, now.wall.latest);
}

TEST_P(LoopContract, ManyTimers_AllFireInOrder) {
  std::vector<Pending> timers;
  std::vector<int> fired;
  const MonoTime start = env().loop.ReadClock().mono + Milliseconds(5);
  for (int i = 0; i < 500; ++i) {
    // 7919 is prime, so the loop visits every millisecond in a mixed order.
    const int slot = i * 7919 % 500;
    timers.push_back(env().loop.At(start + Microseconds(slot * 10),
                                   [&fired, slot] { fired.push_back(slot); }));
  }
  ASSERT_TRUE(RunUntil([&] { return fired.size() == 500; }));
  for (int i = 0; i < 500; ++i) ASSERT_EQ(fired[i], i);
}

}  // namespace quorate::contract
