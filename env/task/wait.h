// env/task/wait.h: what tasks wait for: callbacks, time, and each other. It
// knows no files and no streams.
#ifndef QUORATE_ENV_TASK_WAIT_H_
#define QUORATE_ENV_TASK_WAIT_H_

#include <coroutine>
#include <optional>
#include <utility>

#include "absl/functional/any_invocable.h"
#include "env/loop.h"
#include "env/pending.h"
#include "env/task/task.h"
#include "env/task/waiter.h"
#include "env/time.h"

namespace quorate::env {

// Waits for the value that a callback gets:
//
//   absl::Status status = co_await WaitFor<absl::Status>(
//       [&](WaitFor<absl::Status>::Done done) {
//         return file.Sync(std::move(done));
//       });
//
// `start` is called at once. Destroying the task cancels the callback.
template <typename T>
class [[nodiscard]] WaitFor {
 public:
  using Done = absl::AnyInvocable<void(T)>;

  explicit WaitFor(absl::AnyInvocable<Pending(Done)> start)
      : start_(std::move(start)) {}
  WaitFor(const WaitFor&) = delete;
  WaitFor& operator=(const WaitFor&) = delete;

  bool await_ready() const { return false; }
  template <typename P>
  void await_suspend(std::coroutine_handle<P> handle) {
    waiter_.Attach(handle, handle.promise().tasks());
    pending_ = start_([this](T value) {
      value_.emplace(std::move(value));
      waiter_.MakeReady();
    });
  }
  T await_resume() { return *std::move(value_); }

 private:
  absl::AnyInvocable<Pending(Done)> start_;
  std::optional<T> value_;
  task_internal::Waiter waiter_;
  Pending pending_;
};

// Waits until a time, or for a while. A time in the past: until the next turn.
class [[nodiscard]] SleepUntil {
 public:
  SleepUntil(Loop& loop, MonoTime time) : loop_(loop), time_(time) {}
  SleepUntil(const SleepUntil&) = delete;
  SleepUntil& operator=(const SleepUntil&) = delete;

  bool await_ready() const { return false; }
  template <typename P>
  void await_suspend(std::coroutine_handle<P> handle) {
    waiter_.Attach(handle, handle.promise().tasks());
    timer_ = loop_.At(time_, [this] { waiter_.MakeReady(); });
  }
  void await_resume() {}

 private:
  Loop& loop_;
  const MonoTime time_;
  task_internal::Waiter waiter_;
  Pending timer_;
};
inline SleepUntil SleepFor(Loop& loop, Duration length) {
  return SleepUntil(loop, loop.ReadClock().mono + length);
}

// Tasks wait for a change that another task, or a callback, makes. A task that
// continues must look whether the change is the one it waits for:
//
//   while (queue.empty()) co_await changed.Wait();
//
// Signals outlive the tasks that wait for them.
class Signal {
 public:
  class [[nodiscard]] Awaiter {
   public:
    explicit Awaiter(Signal* signal) : signal_(*signal) {}
    Awaiter(const Awaiter&) = delete;
    Awaiter& operator=(const Awaiter&) = delete;

    bool await_ready() const { return false; }
    template <typename P>
    void await_suspend(std::coroutine_handle<P> handle) {
      waiter_.Attach(handle, handle.promise().tasks());
      signal_.waiters_.Add(&waiter_);
    }
    void await_resume() {}

   private:
    Signal& signal_;
    task_internal::Waiter waiter_;
  };

  // Until the next call of Notify.
  Awaiter Wait() { return Awaiter(this); }
  // All tasks that wait now continue in step 2 of this turn.
  void Notify() {
    while (waiters_.first() != nullptr) waiters_.first()->MakeReady();
  }

 private:
  task_internal::WaiterList waiters_;
};

}  // namespace quorate::env

#endif  // QUORATE_ENV_TASK_WAIT_H_
