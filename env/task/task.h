// env/task/task.h: programs on env:: as coroutines.
//
//   env::Task<absl::Status> Store(env::File& file, std::string line) {
//     absl::Status status =
//         co_await env::Write(file, 0, Buffer::Copy(line), kDurable);
//     if (!status.ok()) co_return status;
//     …
//   }
//
// A task runs in step 2 of turns (env/loop.h), on the thread of its loop, and
// never beside another task. It gives way to others at co_await only.
//
// Destroying a task cancels it: its frame is destroyed where it waits, with all
// local objects and the tasks that it waits for. No callback comes after that.
// So a crash may destroy a program at any time. A task must not destroy itself,
// nor a task that waits for it.
//
// A task begins when it is awaited or spawned. Its arguments must live until it
// ends, so it should take values, and references to objects that outlive it.
// The same holds for what a lambda captures that is a task.
//
// Errors are results, as everywhere: absl::Status or absl::StatusOr. An
// exception that leaves a task fails a CHECK.
//
// Cost: each call of a task allocates its frame, and each operation of a file
// allocates its arguments. A task that continues costs no allocation.
#ifndef QUORATE_ENV_TASK_TASK_H_
#define QUORATE_ENV_TASK_TASK_H_

#include <coroutine>
#include <cstddef>
#include <list>
#include <optional>
#include <utility>

#include "absl/status/status.h"
#include "env/buggify.h"
#include "env/check.h"
#include "env/loop.h"
#include "env/pending.h"
#include "env/task/waiter.h"

namespace quorate::env {

namespace task_internal {

// It waits for the ends of tasks that run beside each other.
class Joint {
 public:
  virtual void OnTaskEnded() = 0;

 protected:
  ~Joint() = default;
};

// The state of a task, beside its result.
class Promise {
 public:
  struct End {
    bool await_ready() noexcept { return false; }
    template <typename T>
    void await_suspend(std::coroutine_handle<T> handle) noexcept {
      handle.promise().OnEnd();
    }
    void await_resume() noexcept {}
  };

  std::suspend_always initial_suspend() noexcept { return {}; }
  End final_suspend() noexcept { return {}; }
  void unhandled_exception() { CHECK(false) << "an exception left a task"; }

  Tasks* tasks() const { return tasks_; }
  // Continues `parent` when the task ends.
  void SetParent(std::coroutine_handle<> parent, Tasks* tasks) {
    parent_ = parent;
    tasks_ = tasks;
  }
  // Starts the task beside others, and tells `joint` of its end.
  void Start(std::coroutine_handle<> self, Joint* joint, Tasks* tasks) {
    joint_ = joint;
    tasks_ = tasks;
    start_.Attach(self, tasks);
    start_.MakeReady();
  }

 private:
  void OnEnd() noexcept;

  Tasks* tasks_ = nullptr;  // Null: it has not begun.
  std::coroutine_handle<> parent_;
  Joint* joint_ = nullptr;
  Waiter start_;
};

template <typename T>
class PromiseOf : public Promise {
 public:
  void return_value(T value) { value_.emplace(std::move(value)); }
  T Take() { return *std::exchange(value_, std::nullopt); }

 private:
  std::optional<T> value_;
};

template <>
class PromiseOf<void> : public Promise {
 public:
  void return_void() {}
  void Take() {}
};

}  // namespace task_internal

// A coroutine with a result of type T.
template <typename T = void>
class [[nodiscard]] Task {
 public:
  class promise_type : public task_internal::PromiseOf<T> {
   public:
    Task get_return_object() { return Task(Handle::from_promise(*this)); }
  };

  Task(Task&& other) noexcept : handle_(std::exchange(other.handle_, {})) {}
  Task& operator=(Task&& other) noexcept {
    std::swap(handle_, other.handle_);
    return *this;
  }
  ~Task() {
    if (handle_) handle_.destroy();
  }

  // Runs the task to its end, and returns its result. Once.
  auto operator co_await() && noexcept { return Awaiter(handle_); }

  // ---- For code that runs tasks beside each other.
  bool ended() const { return handle_.done(); }
  void Start(task_internal::Joint* joint, Tasks* tasks) {
    handle_.promise().Start(handle_, joint, tasks);
  }
  // The result. Requires: ended(). Once.
  T Take() { return handle_.promise().Take(); }

 private:
  using Handle = std::coroutine_handle<promise_type>;

  class Awaiter {
   public:
    explicit Awaiter(Handle handle) : handle_(handle) {}
    bool await_ready() noexcept { return false; }
    template <typename P>
    void await_suspend(std::coroutine_handle<P> parent);
    T await_resume() { return handle_.promise().Take(); }

   private:
    const Handle handle_;
  };

  explicit Task(Handle handle) : handle_(handle) {}

  Handle handle_;
};

// The tasks of a program. It should be the last member of its object: it
// destroys the tasks, which use the others.
//
// Tasks that are ready run in step 2 of the turn, first in, first out. In a
// simulation another order is a choice of the run, at the point `task.order` of
// env::Buggify.
class Tasks {
 public:
  // The number of spawned tasks that have not ended.
  static constexpr size_t kTasksMax = 10'000;
  // How often tasks continue in one turn. The others do so in the next turn.
  static constexpr size_t kStepsPerTurnMax = 10'000;

  // Both outlive the object.
  Tasks(Loop& loop, Buggify& buggify) : loop_(loop), buggify_(buggify) {}
  Tasks(const Tasks&) = delete;
  Tasks& operator=(const Tasks&) = delete;
  // Destroys all tasks. Requires: none of them runs.
  ~Tasks();

  // Starts a task of its own. It begins in step 2 of this turn. The task is
  // destroyed after an error: kResourceExhausted with kTasksMax tasks, or
  // kCancelled in the destructor.
  absl::Status Spawn(Task<> task);
  // The number of spawned tasks that have not ended.
  size_t size() const { return spawned_.size(); }

  // ---- For awaiters.
  // The coroutine continues once the running one waits.
  void Continue(std::coroutine_handle<> next) { next_ = next; }
  void AddReady(task_internal::Waiter* waiter);

 private:
  struct Spawned final : task_internal::Joint {
    Spawned(Tasks* owner, Task<> spawned)
        : tasks(owner), task(std::move(spawned)) {}
    void OnTaskEnded() override { tasks->ended_ = this; }

    Tasks* const tasks;
    Task<> task;
    std::list<Spawned>::iterator place;
  };

  void RunReady();
  // Runs the coroutine, and those that continue when it waits or ends.
  void Run(std::coroutine_handle<> handle);
  task_internal::Waiter* PickReady();

  Loop& loop_;
  Buggify& buggify_;
  std::list<Spawned> spawned_;
  task_internal::WaiterList ready_;
  std::coroutine_handle<> next_;
  Spawned* ended_ = nullptr;  // Its task has ended.
  bool runs_ = false;
  bool scheduled_ = false;  // `run_` will call RunReady.
  bool closed_ = false;
  Pending run_;
};

template <typename T>
template <typename P>
void Task<T>::Awaiter::await_suspend(std::coroutine_handle<P> parent) {
  Tasks* const tasks = parent.promise().tasks();
  handle_.promise().SetParent(parent, tasks);
  tasks->Continue(handle_);
}

}  // namespace quorate::env

#endif  // QUORATE_ENV_TASK_TASK_H_
