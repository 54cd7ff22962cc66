// lincheck/cmd/threads.h: threads and a deadline for the checker, which is
// pure.
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
#include "lincheck/cmd/progress.h"
#include "lincheck/verdict.h"

namespace quorate::lincheck {

// Runs tasks on several threads: the caller's and its own. The first Run of
// several tasks starts its own threads, which then wait for more tasks. Run
// does not wait for a thread without a task, so the caller runs few and small
// tasks before the others wake up. One thread at a time calls Run.
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
  void Wait();  // The loop of the other threads.

  const uint32_t jobs_;
  std::vector<std::thread> others_;
  std::mutex mutex_;
  std::condition_variable wake_;  // There are tasks, or it is the end.
  std::condition_variable idle_;  // The last task is done.
  bool end_ = false;
  // Numbers of the current Run; count_ == done_ between two.
  const absl::FunctionRef<void(size_t)>* task_ = nullptr;
  size_t next_ = 0;
  size_t done_ = 0;
  size_t count_ = 0;
};

// Wraps another executor and reports the number of finished tasks.
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
