// The order of deferred callbacks, and a queue that a callback destroys.
#include "raft/log/callback_queue.h"

#include <deque>
#include <functional>
#include <memory>
#include <string>
#include <utility>

#include "gtest/gtest.h"

namespace quorate::raft {
namespace {

// Step 2 of a turn, run by hand.
class ManualLoop final : public env::Loop {
 public:
  Now ReadClock() override { return {}; }
  env::Pending At(MonoTime, env::Callback callback) override {
    timers_.push_back(std::move(callback));
    return {};
  }
  env::Pending Defer(env::Callback callback) override {
    deferred_.push_back(std::move(callback));
    return {};
  }
  // Step 1 of the next turn.
  void RunTimers() {
    std::deque<env::Callback> due;
    due.swap(timers_);
    for (env::Callback& callback : due) callback();
  }
  void RunDeferred() {
    while (!deferred_.empty()) {
      env::Callback callback = std::move(deferred_.front());
      deferred_.pop_front();
      callback();
    }
  }

 private:
  std::deque<env::Callback> deferred_;
  std::deque<env::Callback> timers_;
};

TEST(CallbackQueue, Added_RunLaterInOrder) {
  ManualLoop loop;
  CallbackQueue queue(loop);
  std::string order;
  queue.Add([&order] { order += "a"; });
  queue.Add([&order] { order += "b"; });
  EXPECT_EQ(order, "");
  loop.RunDeferred();
  EXPECT_EQ(order, "ab");
  queue.Add([&order] { order += "c"; });
  loop.RunDeferred();
  EXPECT_EQ(order, "abc");
}

TEST(CallbackQueue, AddedForTheNextTurnByACallback_TakesATurnEach) {
  ManualLoop loop;
  CallbackQueue queue(loop);
  int calls = 0;
  std::function<void()> again = [&] {
    ++calls;
    queue.AddForNextTurn(again);
  };
  queue.AddForNextTurn(again);
  loop.RunDeferred();
  EXPECT_EQ(calls, 0);
  for (int turn = 1; turn <= 3; ++turn) {
    loop.RunTimers();
    loop.RunDeferred();
    EXPECT_EQ(calls, turn);
  }
}

TEST(CallbackQueue, AddedByACallback_RunsAfterThoseBeforeIt) {
  ManualLoop loop;
  CallbackQueue queue(loop);
  std::string order;
  queue.Add([&order, &queue] {
    order += "a";
    queue.Add([&order] { order += "c"; });
  });
  queue.Add([&order] { order += "b"; });
  loop.RunDeferred();
  EXPECT_EQ(order, "abc");
}

TEST(CallbackQueue, DestroyedByACallback_DropsTheOthers) {
  ManualLoop loop;
  auto queue = std::make_unique<CallbackQueue>(loop);
  std::string order;
  queue->Add([&order, &queue] {
    order += "a";
    queue.reset();
  });
  queue->Add([&order] { order += "b"; });
  loop.RunDeferred();
  EXPECT_EQ(order, "a");
}

}  // namespace
}  // namespace quorate::raft
