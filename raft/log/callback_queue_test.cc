// The order of deferred callbacks, and a queue that a callback destroys.
#include "raft/log/callback_queue.h"

#include <deque>
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
  env::Pending At(MonoTime, env::Callback) override { return {}; }
  env::Pending Defer(env::Callback callback) override {
    deferred_.push_back(std::move(callback));
    return {};
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
