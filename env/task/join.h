// env/task/join.h: tasks beside each other: all of several, and one within a
// time.
#ifndef QUORATE_ENV_TASK_JOIN_H_
#define QUORATE_ENV_TASK_JOIN_H_

#include <coroutine>
#include <cstddef>
#include <string>
#include <utility>
#include <vector>

#include "absl/status/status.h"
#include "absl/strings/str_cat.h"
#include "env/loop.h"
#include "env/pending.h"
#include "env/task/task.h"
#include "env/task/waiter.h"
#include "env/time.h"

namespace quorate::env {

namespace task_internal {

// Runs tasks, and continues when all have ended, or at the deadline.
template <typename T>
class JoinAwaiter final : Joint {
 public:
  JoinAwaiter(std::vector<Task<T>>* tasks, Loop* loop, MonoTime deadline)
      : tasks_(*tasks), loop_(loop), deadline_(deadline) {}
  JoinAwaiter(const JoinAwaiter&) = delete;
  JoinAwaiter& operator=(const JoinAwaiter&) = delete;

  bool await_ready() const { return tasks_.empty(); }
  template <typename P>
  void await_suspend(std::coroutine_handle<P> handle) {
    Tasks* const all = handle.promise().tasks();
    waiter_.Attach(handle, all);
    running_ = tasks_.size();
    for (Task<T>& task : tasks_) task.Start(this, all);
    if (loop_ == nullptr) return;
    timer_ = loop_->At(deadline_, [this] { waiter_.MakeReady(); });
  }
  void await_resume() {}

 private:
  void OnTaskEnded() override {
    if (--running_ == 0) waiter_.MakeReady();
  }

  std::vector<Task<T>>& tasks_;
  Loop* const loop_;  // Null: no deadline.
  const MonoTime deadline_;
  size_t running_ = 0;
  Waiter waiter_;
  Pending timer_;
};

}  // namespace task_internal

// Runs the tasks beside each other. Returns their results, in the order of the
// tasks, when all have ended.
template <typename T>
Task<std::vector<T>> All(std::vector<Task<T>> tasks) {
  co_await task_internal::JoinAwaiter<T>(&tasks, nullptr, MonoTime());
  std::vector<T> results;
  for (Task<T>& task : tasks) results.push_back(task.Take());
  co_return results;
}

// The result of the task, which is absl::Status or an absl::StatusOr. If the
// task has not ended after `length`, it is destroyed and the result is
// kDeadlineExceeded with `length`.
template <typename T>
Task<T> WithTimeout(Loop& loop, Duration length, Task<T> task) {
  std::vector<Task<T>> tasks;
  tasks.push_back(std::move(task));
  co_await task_internal::JoinAwaiter<T>(&tasks, &loop,
                                         loop.ReadClock().mono + length);
  if (tasks[0].ended()) co_return tasks[0].Take();
  co_return absl::DeadlineExceededError(
      absl::StrCat("not done after ", length.ms(), " ms"));
}

}  // namespace quorate::env

#endif  // QUORATE_ENV_TASK_JOIN_H_
