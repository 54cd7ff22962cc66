#include "lincheck/cmd/threads.h"

#include <atomic>
#include <chrono>
#include <condition_variable>
#include <mutex>
#include <set>
#include <thread>
#include <vector>

#include "gtest/gtest.h"

namespace quorate::lincheck {
namespace {

// So many tasks meet, or one of them waits for ever.
class Meeting {
 public:
  explicit Meeting(size_t wanted) : wanted_(wanted) {}
  bool Arrive() {
    std::unique_lock<std::mutex> lock(mutex_);
    if (++here_ == wanted_) all_.notify_all();
    return all_.wait_for(lock, std::chrono::seconds(20),
                         [this] { return here_ >= wanted_; });
  }

 private:
  const size_t wanted_;
  size_t here_ = 0;
  std::mutex mutex_;
  std::condition_variable all_;
};

TEST(ThreadExecutor, SeveralJobs_WorkSideBySide) {
  ThreadExecutor executor(3);
  for (int run = 0; run < 2; ++run) {  // The threads stay for the next one.
    Meeting meeting(3);
    std::atomic<int> met = 0;
    executor.Run(3, [&](size_t) { met += meeting.Arrive() ? 1 : 0; });
    EXPECT_EQ(met, 3);
  }
}

TEST(ThreadExecutor, OneJob_IsTheCallers) {
  ThreadExecutor executor(1);
  std::set<std::thread::id> threads;
  executor.Run(20, [&](size_t) { threads.insert(std::this_thread::get_id()); });
  EXPECT_EQ(threads, std::set<std::thread::id>{std::this_thread::get_id()});
}

TEST(ThreadExecutor, EveryTask_IsDoneOnce) {
  for (const uint32_t jobs : {0U, 1U, 2U, 5U}) {
    ThreadExecutor executor(jobs);
    for (const size_t count : {0U, 1U, 3U, 1000U}) {
      std::vector<std::atomic<int>> done(count);
      executor.Run(count, [&](size_t i) { ++done[i]; });
      for (const std::atomic<int>& times : done) EXPECT_EQ(times, 1);
    }
  }
}

TEST(ClockDeadline, NoTimeout_NeverPasses) {
  EXPECT_FALSE(ClockDeadline(0).Passed());
  EXPECT_FALSE(ClockDeadline(3'600'000).Passed());
  const ClockDeadline soon(1);
  std::this_thread::sleep_for(std::chrono::milliseconds(2));
  EXPECT_TRUE(soon.Passed());
}

}  // namespace
}  // namespace quorate::lincheck
