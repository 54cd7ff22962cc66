// lincheck/cmd/threads.h: what the checker, which is pure, gets from outside:
// threads, and the end of patience.
#ifndef QUORATE_LINCHECK_CMD_THREADS_H_
#define QUORATE_LINCHECK_CMD_THREADS_H_

#include <chrono>
#include <condition_variable>
#include <cstddef>
#include <cstdint>
#include <mutex>
#include <thread>
#include <vector>

#include "absl/functional/function_ref.h"
#include "lincheck/checker.h"
#include "lincheck/cmd/progress.h"

namespace quorate::lincheck {

// Runs tasks on several threads: the caller's, and others that the first Run of
// several tasks starts and that then wait for more. Nothing waits for a thread
// that has no task in hand, so few and small tasks are done by the caller
// before the others wake up. Run is for one thread at a time.
class ThreadExecutor final : public Executor {
 public:
  // `jobs` 0: as many as there are processors.
  explicit ThreadExecutor(uint32_t jobs);
  ~ThreadExecutor() override;
  ThreadExecutor(const ThreadExecutor&) = delete;
  ThreadExecutor& operator=(const ThreadExecutor&) = delete;

  void Run(size_t count, absl::FunctionRef<void(size_t)> task) override;

 private:
  // Takes tasks of the current Run until none is left. Holds mutex_ before,
  // after and between them.
  void Work(std::unique_lock<std::mutex>* lock);
  void Wait();  // What the other threads do.

  const uint32_t jobs_;
  std::vector<std::thread> others_;
  std::mutex mutex_;
  std::condition_variable wake_;  // There are tasks, or it is the end.
  std::condition_variable idle_;  // The last task is done.
  bool end_ = false;
  // Of the current Run; count_ == done_ between two.
  const absl::FunctionRef<void(size_t)>* task_ = nullptr;
  size_t next_ = 0;
  size_t done_ = 0;
  size_t count_ = 0;
};

// Another executor, and somebody is told how many tasks are done.
class WatchedExecutor final : public Executor {
 public:
  // Both must outlive it.
  WatchedExecutor(Executor* executor, ReadingProgress* progress)
      : executor_(executor), progress_(progress) {}
  void Run(size_t count, absl::FunctionRef<void(size_t)> task) override;

 private:
  Executor* const executor_;
  ReadingProgress* const progress_;
};

// Passes so many milliseconds after it was made; with 0 never.
class ClockDeadline final : public Deadline {
 public:
  explicit ClockDeadline(int64_t timeout_ms);
  bool Passed() const override;

 private:
  const bool never_;
  const std::chrono::steady_clock::time_point end_;
};

}  // namespace quorate::lincheck

#endif  // QUORATE_LINCHECK_CMD_THREADS_H_
