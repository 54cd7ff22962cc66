#include "lincheck/cmd/threads.h"

#include <algorithm>
#include <atomic>

namespace quorate::lincheck {

ThreadExecutor::ThreadExecutor(uint32_t jobs)
    : jobs_(jobs != 0 ? jobs
                      : std::max(1U, std::thread::hardware_concurrency())) {}

ThreadExecutor::~ThreadExecutor() {
  {
    const std::lock_guard<std::mutex> lock(mutex_);
    end_ = true;
  }
  wake_.notify_all();
  for (std::thread& thread : others_) thread.join();
}

void ThreadExecutor::Run(size_t count, absl::FunctionRef<void(size_t)> task) {
  const size_t wanted = std::min<size_t>(jobs_, count);
  std::unique_lock<std::mutex> lock(mutex_);
  task_ = &task;
  next_ = done_ = 0;
  count_ = count;
  while (others_.size() + 1 < wanted) {
    others_.emplace_back([this] { Wait(); });
  }
  for (size_t i = 1; i < wanted; ++i) wake_.notify_one();
  Work(&lock);
  idle_.wait(lock, [this] { return done_ == count_; });
}

void ThreadExecutor::Work(std::unique_lock<std::mutex>* lock) {
  while (next_ < count_) {
    const size_t i = next_++;
    lock->unlock();
    (*task_)(i);
    lock->lock();
    if (++done_ == count_) idle_.notify_one();
  }
}

void ThreadExecutor::Wait() {
  std::unique_lock<std::mutex> lock(mutex_);
  while (!end_) {
    Work(&lock);
    wake_.wait(lock, [this] { return end_ || next_ < count_; });
  }
}

void WatchedExecutor::Run(size_t count, absl::FunctionRef<void(size_t)> task) {
  std::atomic<size_t> done = 0;
  executor_->Run(count, [&](size_t i) {
    task(i);
    progress_->OnPartitions(done.fetch_add(1, std::memory_order_relaxed) + 1,
                            count);
  });
}

ClockDeadline::ClockDeadline(int64_t timeout_ms)
    : never_(timeout_ms == 0),
      end_(std::chrono::steady_clock::now() +
           std::chrono::milliseconds(timeout_ms)) {}

bool ClockDeadline::Passed() const {
  return !never_ && std::chrono::steady_clock::now() >= end_;
}

}  // namespace quorate::lincheck
