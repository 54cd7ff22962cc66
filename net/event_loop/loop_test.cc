#include "net/event_loop/loop.h"

#include <signal.h>

#include <boost/asio/io_context.hpp>
#include <boost/asio/post.hpp>
#include <string>
#include <thread>
#include <vector>

#include "gtest/gtest.h"

namespace quorate::net {
namespace {

// Runs turns until `done()`. Fails the test after a time that only a hang can
// explain.
template <typename Done>
void RunUntil(EventLoop& loop, Done done) {
  const MonoTime limit = Clock::ReadMono() + Seconds(30);
  while (!done()) {
    ASSERT_LT(Clock::ReadMono(), limit) << "the condition never became true";
    loop.RunTurn(Milliseconds(10));
  }
}

TEST(EventLoop, Timers_DueAtTheSameTime_FireInTheOrderSet) {
  EventLoop loop;
  const MonoTime due = loop.ReadClock().mono + Milliseconds(5);
  std::string fired;
  env::Pending a = loop.At(due, [&] { fired += 'a'; });
  env::Pending b = loop.At(due - Milliseconds(2), [&] { fired += 'b'; });
  env::Pending c = loop.At(due, [&] { fired += 'c'; });
  env::Pending d = loop.At(due, [&] { fired += 'd'; });
  RunUntil(loop, [&] { return fired.size() == 4; });
  EXPECT_EQ(fired, "bacd");
}

TEST(EventLoop, Timer_NeverFiresBeforeItsDeadline) {
  EventLoop loop;
  int fired = 0;
  std::vector<env::Pending> timers;
  for (int i = 0; i < 20; ++i) {
    const MonoTime due = Clock::ReadMono() + Microseconds(371 * i);
    timers.push_back(loop.At(due, [&, due] {
      EXPECT_GE(loop.ReadClock().mono, due);
      ++fired;
    }));
  }
  RunUntil(loop, [&] { return fired == 20; });
}

TEST(EventLoop, Timer_Cancelled_DoesNotFire) {
  EventLoop loop;
  bool fired = false;
  env::Pending kept =
      loop.At(Clock::ReadMono() + Milliseconds(2), [&] { fired = true; });
  {
    env::Pending cancelled = loop.At(Clock::ReadMono(), [] { FAIL(); });
  }
  RunUntil(loop, [&] { return fired; });
}

TEST(EventLoop, TimerInThePast_SetWhileTimersFire_WaitsForTheNextTurn) {
  EventLoop loop;
  int turn = 0;
  int first = -1;
  int second = -1;
  env::Pending inner;
  env::Pending outer = loop.At(MonoTime(0), [&] {
    first = turn;
    inner = loop.At(MonoTime(0), [&] { second = turn; });
  });
  for (; turn < 5; ++turn) loop.RunTurn(Milliseconds(1));
  EXPECT_EQ(first, 0);
  EXPECT_EQ(second, 1);
}

TEST(EventLoop, TimerInThePast_SetInStepOne_WaitsForTheNextTurn) {
  EventLoop loop;
  int turn = 0;
  int fired = -1;
  env::Pending timer;
  loop.Post([&] { timer = loop.At(MonoTime(0), [&] { fired = turn; }); });
  for (; turn < 5; ++turn) loop.RunTurn(Milliseconds(1));
  EXPECT_EQ(fired, 1);
}

TEST(EventLoop, Post_InsideAPostedCallback_RunsInTheNextTurn) {
  EventLoop loop;
  int turn = 0;
  int ran = -1;
  loop.Post([&] { loop.Post([&] { ran = turn; }); });
  for (; turn < 5; ++turn) loop.RunTurn(Milliseconds(1));
  EXPECT_EQ(ran, 1);
}

TEST(EventLoop, ThousandsOfCancelledTimers_AreRemoved) {
  EventLoop loop;
  for (int i = 0; i < 100'000; ++i) {
    env::Pending timer = loop.At(MonoTime::Max() - Seconds(1), [] { FAIL(); });
  }
  bool fired = false;
  env::Pending last = loop.At(Clock::ReadMono(), [&] { fired = true; });
  RunUntil(loop, [&] { return fired; });
}

TEST(EventLoop, Deferred_RunsInTheSameTurnInOrderUntilNoneIsLeft) {
  EventLoop loop;
  std::string ran;
  std::vector<env::Pending> pendings;
  loop.Post([&] {
    pendings.push_back(loop.Defer([&] {
      ran += '1';
      pendings.push_back(loop.Defer([&] { ran += '3'; }));
    }));
    pendings.push_back(loop.Defer([&] { ran += '2'; }));
  });
  loop.RunTurn(Seconds(10));
  EXPECT_EQ(ran, "123");
}

TEST(EventLoop, Deferred_Cancelled_DoesNotRun) {
  EventLoop loop;
  {
    env::Pending cancelled = loop.Defer([] { FAIL(); });
  }
  bool ran = false;
  env::Pending kept = loop.Defer([&] { ran = true; });
  loop.RunTurn(Milliseconds(1));
  EXPECT_TRUE(ran);
}

TEST(EventLoop, ReadClock_IsFixedInAStepAndAdvancesBetweenThem) {
  EventLoop loop;
  Now input;
  Now deferred;
  env::Pending pending;
  loop.Post([&] {
    input = loop.ReadClock();
    while (Clock::ReadMono() - input.mono < Milliseconds(1)) {
    }
    EXPECT_EQ(loop.ReadClock().mono, input.mono);
    pending = loop.Defer([&] {
      deferred = loop.ReadClock();
      while (Clock::ReadMono() - deferred.mono < Milliseconds(1)) {
      }
      EXPECT_EQ(loop.ReadClock().mono, deferred.mono);
    });
  });
  loop.RunTurn(Seconds(10));
  EXPECT_GT(deferred.mono, input.mono);
}

TEST(EventLoop, Post_FromAnotherThread_WakesTheLoop) {
  EventLoop loop;
  bool ran = false;
  std::thread other([&] { loop.Post([&] { ran = true; }); });
  RunUntil(loop, [&] { return ran; });
  other.join();
}

// The second handler runs after the turn looked for posted callbacks, and the
// wake-up for its own post is handled in the same turn. The next turn must not
// wait for another wake-up.
TEST(EventLoop, Post_LateInATurn_IsNotLeftWaiting) {
  EventLoop loop;
  bool ran = false;
  boost::asio::post(loop.context(), [] {});
  boost::asio::post(loop.context(), [&] { loop.Post([&] { ran = true; }); });
  loop.RunTurn(Seconds(3600));
  EXPECT_FALSE(ran);
  const MonoTime before = Clock::ReadMono();
  loop.RunTurn(Seconds(5));
  EXPECT_TRUE(ran);
  EXPECT_LT(Clock::ReadMono() - before, Seconds(5));
}

TEST(EventLoop, HandlersBeyondTheTurnsMaximum_WaitForTheNextTurn) {
  EventLoop loop;
  int ran = 0;
  for (int i = 0; i < EventLoop::kTurnHandlersMax + 10; ++i) {
    boost::asio::post(loop.context(), [&] { ++ran; });
  }
  loop.RunTurn(Milliseconds(1));
  EXPECT_EQ(ran, EventLoop::kTurnHandlersMax);
  loop.RunTurn(Milliseconds(1));
  EXPECT_EQ(ran, EventLoop::kTurnHandlersMax + 10);
}

TEST(EventLoop, EndInput_LeavesOtherHandlersToTheNextTurn) {
  EventLoop loop;
  std::string text;
  for (const char* name : {"a", "b"}) {
    boost::asio::post(loop.context(), [&text, &loop, name] {
      text += name;
      loop.EndInput();
    });
  }
  loop.RunTurn(Seconds(3600));
  EXPECT_EQ(text, "a");
  loop.RunTurn(Seconds(3600));
  EXPECT_EQ(text, "ab");
}

TEST(EventLoop, Signal_IsGivenToTheCallback) {
  EventLoop loop;
  int seen = 0;
  loop.OnSignals({SIGUSR1}, [&](int signal) { seen = signal; });
  raise(SIGUSR1);
  RunUntil(loop, [&] { return seen != 0; });
  EXPECT_EQ(seen, SIGUSR1);
}

TEST(EventLoop, TurnEnd_ComesAfterTheDeferredCallbacks) {
  class End final : public EventLoop::TurnEnd {
   public:
    void OnTurnEnd() override { *text += 'e'; }
    std::string* text = nullptr;
  };
  EventLoop loop;
  std::string text;
  End end;
  end.text = &text;
  loop.AtTurnEnd(&end);
  env::Pending deferred = loop.Defer([&] { text += 'd'; });
  loop.RunTurn(Milliseconds(1));
  loop.RunTurn(Milliseconds(1));
  EXPECT_EQ(text, "de");
}

}  // namespace
}  // namespace quorate::net
