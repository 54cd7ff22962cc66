#include "lincheck/cmd/threads.h"

#include <algorithm>
#include <atomic>
#include <thread>
#include <vector>

namespace quorate::lincheck {

ThreadExecutor::ThreadExecutor(uint32_t jobs)
    : jobs_(jobs != 0 ? jobs
                      : std::max(1U, std::thread::hardware_concurrency())) {}

void ThreadExecutor::Run(size_t count, absl::FunctionRef<void(size_t)> task) {
  std::atomic<size_t> next = 0;
  const auto work = [&] {
    for (size_t i; (i = next.fetch_add(1)) < count;) task(i);
  };
  std::vector<std::jthread> others;
  for (size_t n = 1; n < std::min<size_t>(jobs_, count); ++n) {
    others.emplace_back(work);
  }
  work();
}

ClockDeadline::ClockDeadline(int64_t timeout_ms)
    : never_(timeout_ms == 0),
      end_(std::chrono::steady_clock::now() +
           std::chrono::milliseconds(timeout_ms)) {}

bool ClockDeadline::Passed() const {
  return !never_ && std::chrono::steady_clock::now() >= end_;
}

}  // namespace quorate::lincheck
