#include "lincheck/cmd/threads.h"

#include <algorithm>
#include <atomic>
#include <thread>
#include <vector>

namespace quorate::lincheck {

ThreadExecutor::ThreadExecutor(uint32_t jobs, Progress* progress)
    : jobs_(jobs != 0 ? jobs
                      : std::max(1U, std::thread::hardware_concurrency())),
      progress_(progress) {}

void ThreadExecutor::Run(size_t count, absl::FunctionRef<void(size_t)> task) {
  std::atomic<size_t> next = 0;
  std::atomic<size_t> done = 0;
  const auto work = [&] {
    for (;;) {
      const size_t i = next.fetch_add(1, std::memory_order_relaxed);
      if (i >= count) return;
      task(i);
      progress_->OnPartitions(done.fetch_add(1, std::memory_order_relaxed) + 1,
                              count);
    }
  };
  const size_t wanted = std::min<size_t>(jobs_, count);
  std::vector<std::thread> others;
  for (size_t i = 1; i < wanted; ++i) others.emplace_back(work);
  work();
  for (std::thread& thread : others) thread.join();
}

ClockDeadline::ClockDeadline(int64_t timeout_ms)
    : never_(timeout_ms == 0),
      end_(std::chrono::steady_clock::now() +
           std::chrono::milliseconds(timeout_ms)) {}

bool ClockDeadline::Passed() const {
  return !never_ && std::chrono::steady_clock::now() >= end_;
}

}  // namespace quorate::lincheck
